"""What is refused before anything is sent: the status that a client gets, and that nothing has moved."""

import json

import pytest

from bridge.errors import Refused
from tests.unit.commands.actions import PROFILE

COMMANDS = "CP1.Commands"
DEEP = '{"vendorId":"V","data":' + "[" * 5000 + "]" * 5000 + "}"


def refusal(work) -> str:
    with pytest.raises(Refused) as caught:
        work()
    return caught.value.status


@pytest.mark.parametrize(
    ("action", "request_", "status"),
    [
        ("Reset", '{"type":"Medium"}', "BadOutOfRange"),
        ("Reset", '{"type":"Hard","more":1}', "BadOutOfRange"),
        ("Reset", '{"type":1}', "BadOutOfRange"),
        ("Reset", "{}", "BadInvalidState"),
        ("Reset", "", "BadOutOfRange"),
        ("Reset", None, "BadOutOfRange"),
        ("Reset", "[]", "BadOutOfRange"),
        ("Reset", '{"type":', "BadOutOfRange"),
        ("Reset", '"Hard"', "BadOutOfRange"),
        ("DataTransfer", DEEP, "BadOutOfRange"),
        ("CancelReservation", '{"reservationId":' + "9" * 5000 + "}", "BadOutOfRange"),
        ("CancelReservation", '{"reservationId":2147483648}', "BadOutOfRange"),
        ("CancelReservation", '{"reservationId":1.5}', "BadOutOfRange"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_request_that_breaks_the_schema(rig, action, request_, status):
    async with rig.station() as station:
        assert refusal(lambda: rig.write(f"{COMMANDS}.{action}.Request", request_)) == status
        assert rig.value(f"{COMMANDS}.{action}.Result.StateText") == "Idle"
        assert rig.value(f"{COMMANDS}.{action}.Request") is None
        assert station.commands == []


@pytest.mark.parametrize(
    ("point", "value"),
    [
        ("Reset.Type", "Medium"),
        ("RemoteStartTransaction.IdTag", "x" * 21),
        ("RemoteStartTransaction.ChargingProfile", "{"),
        ("RemoteStartTransaction.ChargingProfile", "7"),
        ("UpdateFirmware.RetrieveDate", "tomorrow"),
    ],
)
async def test_a_parameter_that_the_schema_does_not_allow(rig, point, value):
    async with rig.station():
        assert refusal(lambda: rig.write(f"{COMMANDS}.{point}", value)) == "BadOutOfRange"
        assert rig.value(f"{COMMANDS}.{point}") is None


async def test_a_required_parameter_that_is_missing(rig):
    async with rig.station() as station:
        assert refusal(lambda: rig.write(f"{COMMANDS}.Reset.Execute", True)) == "BadInvalidState"
        assert rig.value(f"{COMMANDS}.Reset.Execute") is False
        rig.write(f"{COMMANDS}.Reset.Type", "Soft")
        rig.write(f"{COMMANDS}.Reset.Execute", False)
        assert rig.value(f"{COMMANDS}.Reset.Result.StateText") == "Idle"
        rig.write(f"{COMMANDS}.Reset.Execute", True)
        await rig.ended(f"{COMMANDS}.Reset")
        assert station.commands == [("Reset", {"type": "Soft"})]


async def test_parameters_stay_and_an_optional_one_is_taken_back_by_an_empty_text(rig):
    async with rig.station() as station:
        command = f"{COMMANDS}.DataTransfer"
        rig.write(f"{command}.VendorId", "V")
        rig.write(f"{command}.Data", "d")
        rig.write(f"{command}.Execute", True)
        rig.write(f"{command}.Data", "")
        rig.write(f"{command}.Execute", True)
        await rig.ended(command, 2)
        assert [payload for _, payload in station.commands] == [{"vendorId": "V", "data": "d"}, {"vendorId": "V"}]


@pytest.mark.parametrize(
    ("arguments", "statuses"),
    [
        (("Medium",), ("BadOutOfRange",)),
        ((None,), ("BadOutOfRange",)),
    ],
)
async def test_a_methods_arguments_are_checked_one_by_one(rig, arguments, statuses):
    async with rig.station():
        with pytest.raises(Refused) as caught:
            await rig.call(f"{COMMANDS}.Reset", *arguments)
        assert (caught.value.status, caught.value.arguments) == ("BadInvalidArgument", statuses)


async def test_only_the_wrong_argument_is_named(rig):
    async with rig.station():
        with pytest.raises(Refused) as caught:
            await rig.call(f"{COMMANDS}.ChangeAvailability", 1, "Sideways")
        assert caught.value.arguments == ("Good", "BadOutOfRange")
        assert "Type" in caught.value.reason


@pytest.mark.parametrize(
    "profile",
    [
        {**PROFILE, "chargingProfilePurpose": "TxDefaultProfile"},
        {**PROFILE, "transactionId": 4},
    ],
    ids=["purpose", "transaction"],
)
async def test_a_remote_start_takes_a_profile_for_its_own_transaction_only(rig, profile):
    """B23"""
    async with rig.station() as station:
        request = json.dumps({"idTag": "T", "chargingProfile": profile})
        status = refusal(lambda: rig.write(f"{COMMANDS}.RemoteStartTransaction.Request", request))
        assert status == "BadOutOfRange"
        assert station.commands == []


@pytest.mark.parametrize("point", ["Info.Vendor", "State.Connected", "Commands.Reset.Result.State", "Custom.X"])
async def test_what_nobody_may_write(start, point):
    rig = await start("async def boot_notification(self, r): await r.station.write('Custom.X', 1)")
    async with rig.station() as station:
        await station.settle()
        before = rig.value(f"CP1.{point}")
        assert refusal(lambda: rig.write(f"CP1.{point}", before)) == "BadNotWritable"


async def test_the_bridges_own_points_are_not_written(rig):
    assert refusal(lambda: rig.write("Bridge.Version", "x")) == "BadNotWritable"


async def test_a_station_that_never_came_is_offline(start):
    rig = await start(station=[{"id": "CP1", "connectors": 1}])
    rig.write(f"{COMMANDS}.Reset.Type", "Hard")  # a parameter waits for its station
    assert refusal(lambda: rig.write(f"{COMMANDS}.Reset.Execute", True)) == "BadNotConnected"
    assert refusal(lambda: rig.write("CP1.Connector1.Commands.UnlockConnector.Execute", True)) == "BadNotConnected"
    with pytest.raises(Refused) as caught:
        await rig.call(f"{COMMANDS}.ClearCache")
    assert caught.value.status == "BadNotConnected"


async def test_a_limit_is_sent_as_the_multiple_that_it_is_meant_to_be(rig):
    """16.1 A in single precision is 16.100000381469727; a station that takes its schema at its word refuses that."""
    async with rig.station() as station:
        odd = json.loads(json.dumps(PROFILE))
        odd["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] = 16.100000381469727
        await rig.call(f"{COMMANDS}.SetChargingProfile", 1, json.dumps(odd))
        assert station.commands == [("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": PROFILE})]
