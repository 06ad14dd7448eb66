"""The program itself, and the commands that only read: check, points, transactions; and init."""

import asyncio
import json
from xml.etree import ElementTree as ET

import pytest

from bridge import RELEASED, __version__
from bridge.store import EventRecord, GroupRecord, Store
from tests.unit.cli.helpers import Ended, ocpp_bridge, rows

# The program


def test_version_is_printed():
    assert ocpp_bridge("--version") == Ended(0, f"ocpp-bridge {__version__}\n", "")


def test_help_names_every_command_and_the_exit_codes():
    help_ = ocpp_bridge("--help").out
    assert all(name in help_ for name in ("run", "demo", "simulate", "init", "check", "points", "stations", "user"))
    assert "Exit codes: 0 done; 1 failed; 2 a mistake" in help_


@pytest.mark.parametrize("wrong", [["bogus"], ["points", "--format", "xml"], ["points", "--station"], ["init"]])
def test_mistyped_command_ends_with_2(wrong):
    ended = ocpp_bridge(*wrong)
    assert (ended.code, ended.out) == (2, "")
    assert "Error" in ended.err


READING = [["check"], ["points"], ["transactions"], ["stations", "list"], ["stations", "accept", "CP2"], ["run"]]


@pytest.mark.parametrize("command", READING)
def test_every_command_names_the_mistakes_of_a_project(project, command):
    (project.folder / "config.toml").write_text('[ocpp]\nport = "9000"\ncolour = 1\n')
    ended = ocpp_bridge(*command, "--project", project.folder)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("config.toml: ocpp.") == 2
    assert "ocpp.port" in ended.err.splitlines()[0] + ended.err.splitlines()[1]


def test_project_that_is_not_there_ends_with_2(tmp_path):
    ended = ocpp_bridge("check", "--project", tmp_path / "nowhere")
    assert (ended.code, "nowhere: no such folder" in ended.err) == (2, True)


# init, check


def test_init_makes_a_project_that_passes_its_check(somewhere):
    assert ocpp_bridge("init", "site").code == 0
    assert {path.name for path in (somewhere / "site").iterdir()} == {"config.toml", "datapoints", "handlers"}
    checked = ocpp_bridge("check", "--project", "site")
    assert (checked.code, checked.err) == (0, "")
    assert checked.out.startswith(f"OK: {somewhere / 'site'}\n")


def test_init_leaves_a_used_folder_alone(project):
    before = (project.folder / "config.toml").read_bytes()
    ended = ocpp_bridge("init", project.folder)
    assert (ended.code, "is not empty" in ended.err) == (2, True)
    assert (project.folder / "config.toml").read_bytes() == before


def test_check_of_the_shipped_project_leaves_nothing_behind(somewhere):
    assert ocpp_bridge("check").code == 0
    assert list(somewhere.iterdir()) == []


def test_check_names_everything_in_one_go(project):
    (project.folder / "config.toml").write_text(
        'colour = "red"\n[ocpp]\nport = 70000\n[handlers]\nscripts = ["broken.py", "absent.py"]\n'
    )
    (project.folder / "datapoints" / "own.yaml").write_text("for: [station]\npoints: [{key: A.B, type: Colour}]\n")
    (project.folder / "handlers" / "broken.py").write_text("class Handler:\n    def f(\n")
    ended = ocpp_bridge("check", "--project", project.folder)
    assert (ended.code, ended.out) == (2, "")
    for place in ("config.toml: colour", "config.toml: ocpp.port", "own.yaml:", "broken.py: line 2", "absent.py:"):
        assert place in ended.err
    assert len(ended.err.splitlines()) == 5


def test_check_names_the_mistakes_of_profiles_with_their_lines(project):
    config = project.folder / "config.toml"
    config.write_text(config.read_text() + '[[station]]\nid = "CP1"\nprofile = "acne"\n')
    folder = project.folder / "datapoints" / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "acme.yaml").write_text("match: {vendor: ACME}\nconnectors: two\n")
    ended = ocpp_bridge("check", "--project", project.folder)
    assert (ended.code, ended.out) == (2, "")
    first, second = ended.err.splitlines()
    assert first.endswith('acme.yaml: line 2, connectors: expected `int`, got `str`, found "two"')
    assert second.endswith('station[0].profile: expected one of acme, generic (datapoints/profiles/), found "acne"')


def test_check_warns_of_what_may_be_a_slip(project):
    config = project.folder / "config.toml"
    settings = '[handlers.settings.http_authorize]\nurl = "http://localhost/"\ntimeout = 60\n'
    config.write_text(config.read_text().replace('["default.py"]', '["http_authorize.py"]') + settings)
    folder = project.folder / "datapoints" / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "acme.yaml").write_text("units: {Foo: kWh}\n")
    ended = ocpp_bridge("check", "--project", project.folder)
    assert (ended.code, ended.out.startswith("OK")) == (0, True)
    late, unknown = ended.err.splitlines()
    said = "handlers.settings.http_authorize.timeout: 60 s is not below [handlers] timeout, 5 s"
    assert late == f"warning: {config}: {said}"
    assert unknown == "warning: datapoints/profiles/acme.yaml: units.Foo: no measurand of OCPP"


def test_a_project_gets_the_shipped_profiles_with_its_datapoints(somewhere):
    assert ocpp_bridge("init", "site").code == 0
    assert (somewhere / "site" / "datapoints" / "profiles" / "generic.yaml").is_file()
    assert "  profiles       generic\n" in ocpp_bridge("check", "--project", "site").out


def test_check_names_a_row_that_takes_the_path_of_a_command(project):
    row = "{key: Commands.Reset.Execute, type: Boolean, description: Mine, by: nobody}"
    (project.folder / "datapoints" / "own.yaml").write_text(f"for: [station]\npoints: [{row}]\n")
    ended = ocpp_bridge("check", "--project", project.folder)
    assert (ended.code, "Commands.Reset.Execute" in ended.err) == (2, True)


def test_check_warns_of_what_is_open_on_purpose(project):
    (project.folder / "config.toml").write_text('allow_insecure = true\n[ocpp]\nhost = "0.0.0.0"\n')
    ended = ocpp_bridge("check", "--project", project.folder)
    assert (ended.code, ended.out.startswith("OK")) == (0, True)
    assert ended.err.startswith(f"warning: {project.folder / 'config.toml'}: ocpp.security_profile")


def test_environment_overrides_the_configuration(project):
    ended = ocpp_bridge("check", "--project", project.folder, OCPP_BRIDGE__OCPP__PORT="x")
    assert (ended.code, "OCPP_BRIDGE__OCPP__PORT: ocpp.port" in ended.err) == (2, True)


# points


def test_points_of_any_station_in_every_format():
    as_csv = rows(ocpp_bridge("points", "--format", "csv"))
    as_json = json.loads(ocpp_bridge("points", "--format", "json").out)
    assert list(as_csv[0]) == ["path", "node_id", "type", "unit", "access", "source", "description"]
    assert as_csv == as_json
    as_table = ocpp_bridge("points")
    assert [line.split()[0] for line in as_table.out.splitlines()[1:]] == [row["path"] for row in as_csv]
    assert "ns=2;s=<path>" in as_table.err


def test_points_of_a_connector_are_those_of_no_other():
    paths = [row["path"] for row in rows(ocpp_bridge("points", "--connector", "2", "--format", "csv"))]
    assert "<Station>.Connector2.Status.State" in paths
    assert all(path.startswith("<Station>.Connector2.") for path in paths)


def test_types_of_the_points_as_a_nodeset_are_the_same_each_time():
    first = ocpp_bridge("points", "--format", "nodeset")
    assert (first.code, first.err) == (0, "")
    root = ET.fromstring(first.out)  # noqa: S314 - our own
    schema = {"ua": "http://opcfoundation.org/UA/2011/03/UANodeSet.xsd"}
    [points, types] = root.findall("ua:Models/ua:Model", schema)
    assert (points.get("ModelUri"), types.get("ModelUri")) == ("urn:ocpp-bridge:points", "urn:ocpp-bridge:types")
    assert (types.get("Version"), types.get("PublicationDate")) == (__version__, RELEASED)
    assert root.find("ua:UAObjectType[@NodeId='ns=1;s=StationType']", schema) is not None
    assert ocpp_bridge("points", "--format", "nodeset") == first


def test_nodeset_of_one_station_is_refused(site):
    ended = ocpp_bridge("points", "--format", "nodeset", "--station", "CP2", "--project", site)
    assert (ended.code, ended.out) == (2, "")


def test_points_of_a_station_of_the_store(site):
    found = rows(ocpp_bridge("points", "--station", "CP/001", "--format", "csv", "--project", site))
    by_path = {row["path"]: row for row in found}
    power = by_path["CP_001.Connector2.MeterValues.Power.Active.Import.L1"]
    assert power["node_id"] == "ns=2;s=CP_001.Connector2.MeterValues.Power.Active.Import.L1"
    assert (power["value"], power["quality"], power["time"]) == ("7360.5", "GOOD", "2026-01-01T12:00:00.000Z")
    assert by_path["CP_001.Connector2.Status.State"]["value"] == ""
    assert all(path.startswith("CP_001.") for path in by_path)


def test_table_of_points_cuts_long_values(site):
    store = Store.open(site / "bridge.db")
    path = "CP2.Connector1.MeterValues.Raw"
    raw = ("MeterValues.Raw", "String", "x" * 60_000, "GOOD", None, 1_767_268_800.0)
    store.put_values_soon([GroupRecord("CP2.Connector1", [raw])])
    store.close_sync()
    ended = ocpp_bridge("points", "--station", "CP2", "--connector", "1", "--project", site)
    [line] = (line for line in ended.out.splitlines() if line.startswith(path))
    assert line.split()[3] == "x" * 40 + "…"


def test_points_beside_a_running_bridge(site):
    store = Store.open(site / "bridge.db")
    try:
        assert rows(ocpp_bridge("points", "--station", "CP2", "--format", "csv", "--project", site))
    finally:
        store.close_sync()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--station", "CP9"], "CP9: no such station here; `ocpp-bridge stations list` shows"),
        (["--station", "CP/001", "--connector", "7"], "CP/001: has no connector 7 yet; known are: 2"),
    ],
)
def test_points_of_what_is_not_there(site, options, said):
    ended = ocpp_bridge("points", *options, "--project", site)
    assert (ended.code, ended.out, said in ended.err) == (2, "", True)


NEEDS_STORE = [["points", "--station", "CP1"], ["transactions"], ["stations", "list"], ["stations", "accept", "CP1"]]


@pytest.mark.parametrize("command", NEEDS_STORE)
def test_without_a_store_the_bridge_has_not_run(project, command):
    ended = ocpp_bridge(*command, "--project", project.folder)
    assert (ended.code, "the bridge has not run on this project" in ended.err) == (2, True)
    assert not list(project.folder.glob("bridge.db*"))


def test_damaged_store_is_one_message(project):
    (project.folder / "bridge.db").write_bytes(b"not a database, only some text " * 100)
    ended = ocpp_bridge("transactions", "--project", project.folder)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (1, "", 1)
    assert "not an SQLite database" in ended.err


# transactions

COLUMNS = "id,station,connector,id_tag,start_time,meter_start,stop_time,meter_stop,energy,reason"


def test_transactions_as_csv(site):
    out = ocpp_bridge("transactions", "--format", "csv", "--project", site).out.splitlines()
    assert out == [
        COLUMNS,
        "1,CP/001,Connector1,TAG1,2026-01-01T12:00:00.000Z,1000,2026-01-01T13:00:00.000Z,8500,7500,Local",
        "2,CP2,Connector1,=[red]\x1b[2J,2026-01-02T12:00:00.000Z,1000,,,,",
    ]


def test_transactions_as_json(site):
    first, second = json.loads(ocpp_bridge("transactions", "--format", "json", "--project", site).out)
    assert ",".join(first) == COLUMNS
    assert (first["energy"], second["energy"], second["id_tag"]) == (7500, None, "=[red]\x1b[2J")


def test_transactions_as_table_show_a_tag_as_it_is_and_no_escapes(site):
    out = ocpp_bridge("transactions", "--project", site).out
    assert "=[red]\N{REPLACEMENT CHARACTER}[2J" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("since", "ids"),
    [
        ("2026-01-01", ["1", "2"]),
        ("2026-01-01T12:00:01Z", ["2"]),
        ("2026-01-02T13:00:00+01:00", ["2"]),
        ("2027-01-01", []),
    ],
)
def test_transactions_since_a_time(site, since, ids):
    found = rows(ocpp_bridge("transactions", "--since", since, "--format", "csv", "--project", site))
    assert [row["id"] for row in found] == ids


def test_transactions_of_2_stand_beside_them(site):
    def event(seq: int, type_: str, info: dict[str, str], register: float, **more: object) -> EventRecord:
        payload = {
            "eventType": type_,
            "timestamp": f"2026-01-03T1{seq}:00:00Z",
            "triggerReason": "Trigger",
            "seqNo": seq,
            "transactionInfo": {"transactionId": "T-1", **info},
            "meterValue": [{"timestamp": f"2026-01-03T1{seq}:00:00Z", "sampledValue": [{"value": register}]}],
            **more,
        }
        return EventRecord(
            station="CP2",
            transaction_id="T-1",
            seq_no=seq,
            digest=str(seq),
            ended=type_ == "Ended",
            payload=payload,
            received=1.0,
        )

    async def put() -> None:
        store = Store.open(site / "bridge.db")
        token = {"idToken": "04A2B3", "type": "ISO14443"}
        await store.put_event(event(2, "Started", {}, 1000, evse={"id": 1, "connectorId": 2}, idToken=token))
        await store.put_event(event(3, "Ended", {"stoppedReason": "EVDisconnected"}, 1500))
        await store.close()

    asyncio.run(put())
    out = ocpp_bridge("transactions", "--format", "csv", "--project", site).out.splitlines()
    assert out[3:] == [
        "T-1,CP2,Connector1_2,04A2B3,2026-01-03T12:00:00.000Z,1000,2026-01-03T13:00:00.000Z,1500,500,EVDisconnected"
    ]
    later = rows(ocpp_bridge("transactions", "--since", "2026-01-04", "--format", "csv", "--project", site))
    assert later == []


def test_points_of_a_connector_that_is_no_number():
    assert ocpp_bridge("points", "--connector", "x").code == 2
    paths = [row["path"] for row in rows(ocpp_bridge("points", "--connector", "1_2", "--format", "csv"))]
    assert "<Station>.Connector1_2.Status.State" in paths


def test_no_transactions_are_an_empty_list(site):
    assert (
        json.loads(ocpp_bridge("transactions", "--since", "2027-01-01", "--format", "json", "--project", site).out)
        == []
    )


def test_since_that_is_no_time_ends_with_2(site):
    ended = ocpp_bridge("transactions", "--since", "yesterday", "--project", site)
    assert (ended.code, "expected ISO 8601" in ended.err) == (2, True)
