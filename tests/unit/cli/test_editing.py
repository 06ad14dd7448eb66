"""The commands that decide about stations and users."""

import json

import pytest

from bridge.station.credentials import Credentials
from bridge.store import Store
from tests.unit.cli.helpers import Ended, ocpp_bridge


def test_stations_are_listed(site):
    assert json.loads(ocpp_bridge("stations", "list", "--format", "json", "--project", site).out) == [
        {
            "id": "CP/001",
            "name": "CP_001",
            "version": "1.6",
            "registration": "Pending",
            "last_seen": "2026-01-01T12:00:00.000Z",
            "vendor": "V",
            "model": "M",
        },
        {
            "id": "CP2",
            "name": "CP2",
            "version": "1.6",
            "registration": "Accepted",
            "last_seen": None,
            "vendor": None,
            "model": None,
        },
    ]


@pytest.mark.parametrize(("command", "status"), [("accept", "Accepted"), ("reject", "Rejected")])
def test_registration_is_set_beside_a_running_bridge(site, command, status):
    store = Store.open(site / "bridge.db")
    try:
        assert ocpp_bridge("stations", command, "CP/001", "--project", site) == Ended(0, f"CP/001: {status}\n", "")
        assert [record.registration for record in store.load_stations()] == [status, None]
    finally:
        store.close_sync()


def test_a_station_is_forgotten_but_not_what_it_has_charged(site):
    assert ocpp_bridge("stations", "password", "CP/001", "--stdin", "--project", site, stdin=f"{'x' * 16}\n").code == 0
    said = "CP/001: removed; it may connect again as an unknown station\n"
    assert ocpp_bridge("stations", "remove", "CP/001", "--project", site) == Ended(0, said, "")
    with Store.peek(site / "bridge.db") as reader:
        assert [record.id for record in reader.stations()] == ["CP2"]
        assert [found.station for found in reader.transactions()] == ["CP/001", "CP2"]
        assert list(reader.values()) == []
        assert not reader.login("CP/001").hashes
    ended = ocpp_bridge("stations", "remove", "CP/001", "--project", site)
    assert (ended.code, "no such station here" in ended.err) == (2, True)


def test_a_declared_station_is_not_removed(site):
    config = site / "config.toml"
    config.write_text(config.read_text() + '[[station]]\nid = "CP2"\n')
    ended = ocpp_bridge("stations", "remove", "CP2", "--project", site)
    assert (ended.code, "take its [[station]] out of" in ended.err) == (2, True)


def test_registration_of_an_unknown_station_is_refused(site):
    ended = ocpp_bridge("stations", "accept", "CP9", "--project", site)
    assert (ended.code, ended.out, "`ocpp-bridge stations list`" in ended.err) == (2, "", True)


@pytest.mark.parametrize("options", [{"stdin": "correct horse battery\n"}, {"stdin": "correct horse battery\n" * 2}])
async def test_password_of_a_station_lets_it_in(site, options):
    asked = [] if options["stdin"].count("\n") == 2 else ["--stdin"]
    ended = ocpp_bridge("stations", "password", "CP/001", *asked, "--project", site, **options)
    assert (ended.code, "CP/001: password set\n" in ended.out) == (0, True)
    with Store.peek(site / "bridge.db") as reader:
        credentials = Credentials(reader.login)
        assert await credentials.check("CP/001", "CP/001", b"correct horse battery")
        assert not await credentials.check("CP/001", "CP/001", b"another one")


def test_password_may_be_set_before_the_bridge_has_run(project):
    ended = ocpp_bridge("stations", "password", "CP1", "--stdin", "--project", project.folder, stdin=f"{'x' * 16}\n")
    assert (ended.code, "has not connected here yet" in ended.out) == (0, True)
    with Store.peek(project.folder / "bridge.db") as reader:
        assert reader.login("CP1").hash


@pytest.mark.parametrize("password", ["short", "x" * 15, "x" * 41, "0a" * 41])
def test_a_password_that_is_none_of_ocpp_is_refused(site, password):
    ended = ocpp_bridge("stations", "password", "CP2", "--stdin", "--project", site, stdin=f"{password}\n")
    assert (ended.code, "16 to 40 characters" in ended.err, "--generate" in ended.err) == (2, True, True)
    with Store.peek(site / "bridge.db") as reader:
        assert not reader.login("CP2").hashes


def test_no_password_on_standard_input_ends_with_2(site):
    ended = ocpp_bridge("stations", "password", "CP2", "--stdin", "--project", site, stdin="")
    assert (ended.code, "expected a password" in ended.err) == (2, True)
