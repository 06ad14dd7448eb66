"""The commands' points and methods, read off the JSON schemas."""

import pytest

from bridge.commands.table import command_methods, command_rows, commands
from bridge.ocpp.secrets import MASK, masked
from bridge.ocpp.versions import VERSIONS
from bridge.points.rows import Enumeration, Type
from tests.unit.station.rig import TABLE

V16 = VERSIONS["1.6"]
STATES: Enumeration = TABLE.enumerations["CommandState"]
STATION = commands(V16, connector=False)
CONNECTOR = commands(V16, connector=True)


@pytest.mark.parametrize("offered", [STATION, CONNECTOR], ids=["station", "connector"])
def test_every_command_has_the_same_points_beside_its_parameters(offered):
    keys = {row.key for row in command_rows(offered, STATES)}
    for command in offered.values():
        for name in ("Request", "Execute", *(f"Result.{name}" for name in ("State", "Status", "Response"))):
            assert command.point(name) in keys
        for name in ("Error", "Time", "User", "Id"):
            assert command.point(f"Result.{name}") in keys


def test_a_parameters_point_has_its_schemas_type():
    rows = {row.key: row for row in command_rows(STATION, STATES)}
    assert rows["Commands.Reset.Type"].type is Type.STRING
    assert rows["Commands.CancelReservation.ReservationId"].type is Type.INT32
    assert rows["Commands.SetChargingProfile.CsChargingProfiles"].type is Type.STRING
    assert rows["Commands.Reset.Execute"].type is Type.BOOLEAN
    assert rows["Commands.Reset.Result.Id"].type is Type.UINT32
    assert "one of Hard, Soft" in rows["Commands.Reset.Type"].description


def test_inputs_can_be_written_and_results_only_read():
    for row in command_rows(STATION, STATES):
        assert row.writable is (not row.folder.endswith(".Result")), row.key
        assert row.kept, row.key
        assert row.description, row.key


def test_a_method_takes_the_required_fields_first():
    methods = {method.folder: method for method in command_methods(STATION)}
    start = methods["Commands.RemoteStartTransaction"]
    assert [(argument.name, argument.optional) for argument in start.inputs] == [
        ("IdTag", False),
        ("ConnectorId", True),
        ("ChargingProfile", True),
    ]
    assert [argument.name for argument in start.outputs] == ["Status", "Response"]


def test_a_connectors_method_does_not_ask_which_connector():
    methods = {method.folder: method for method in command_methods(CONNECTOR)}
    assert [argument.name for argument in methods["Commands.UnlockConnector"].inputs] == []


def test_the_states_are_those_of_the_design():
    assert STATES.numbers == {
        "Idle": 0,
        "Queued": 1,
        "Sent": 2,
        "Accepted": 3,
        "Rejected": 4,
        "Failed": 5,
        "Timeout": 6,
        "Offline": 7,
    }


# --- secrets ---


@pytest.mark.parametrize(
    ("action", "payload", "hidden"),
    [
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": "s"}, True),
        ("ChangeConfiguration", {"key": "AUTHORIZATIONKEY", "value": "s"}, True),
        ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "s"}, False),
        ("DataTransfer", {"key": "AuthorizationKey", "value": "s"}, True),
    ],
)
def test_a_secret_is_masked(action, payload, hidden):
    shown = masked(payload)
    assert shown["value"] == (MASK if hidden else "s")
    assert payload["value"] == "s"


def test_a_secret_that_a_station_tells_is_masked():
    told = {"configurationKey": [{"key": "authorizationKey", "value": "s"}, {"key": "K", "value": "v"}, "odd"]}
    assert masked(told) == {
        "configurationKey": [{"key": "authorizationKey", "value": MASK}, {"key": "K", "value": "v"}, "odd"]
    }
    assert told["configurationKey"][0]["value"] == "s"
    assert masked({"configurationKey": 7}) == {"configurationKey": 7}
