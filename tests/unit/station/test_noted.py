"""What the audit trail gets of a write or a call: all of it but secrets."""

import json

import pytest

from bridge.errors import Refused
from tests.unit.station.rig import ask, logged

KEY = "0011223344556677889900112233445566"


def noted(rig, path: str, value) -> str:
    group, slot = rig.point(path)
    return rig.writes.shown(group, slot, value)


@pytest.mark.parametrize(
    ("point", "value", "expected"),
    [
        ("Config.HeartbeatInterval", 60, "60"),
        ("Commands.Reset.Type", "Soft", '"Soft"'),
        ("Commands.Reset.Execute", True, "true"),
        ("Commands.Reset.Request", '{"type":"Hard"}', '{"type":"Hard"}'),
        ("Commands.Reset.Type", None, "null"),
        ("Commands.ChangeConfiguration.Key", "AuthorizationKey", '"AuthorizationKey"'),
        ("Commands.ChangeConfiguration.Value", KEY, '"***"'),
        (
            "Commands.ChangeConfiguration.Request",
            json.dumps({"key": "AuthorizationKey", "value": KEY}),
            '{"key":"AuthorizationKey","value":"***"}',
        ),
        ("Commands.ChangeConfiguration.Request", f"not JSON {KEY}", '"***"'),
        ("Commands.GetDiagnostics.Location", f"ftp://anna:{KEY}@host/", '"ftp://anna:***@host/"'),
    ],
)
async def test_a_written_value_is_noted_without_its_secrets(rig, point, value, expected):
    """U19"""
    async with rig.station():
        text = noted(rig, f"CP1.{point}", value)
    assert text == expected
    assert KEY not in text


async def test_a_calls_arguments_are_noted_without_their_secrets(rig):
    """U19"""
    async with rig.station():
        group, _ = rig.point("CP1.Commands.ChangeConfiguration.Key")
        method = group.layout.methods["Commands.ChangeConfiguration.Call"]
        assert rig.writes.shown_arguments(group, method, ["AuthorizationKey", KEY]) == (
            '{"key":"AuthorizationKey","value":"***"}'
        )


CHANGE = "CP1.Commands.ChangeConfiguration"


@pytest.mark.parametrize("value_first", [True, False])
@pytest.mark.parametrize("connected", [True, False])
async def test_a_parameter_that_may_be_a_secret_can_never_be_read(rig, value_first, connected):
    """S05: whatever is written first, and whatever becomes of the command"""
    async with rig.station() as station:
        if connected:
            await write_key(rig, value_first)
            rig.write(f"{CHANGE}.Execute", True)
            await rig.ended(CHANGE)
            assert station.commands[-1] == ("ChangeConfiguration", {"key": "AuthorizationKey", "value": KEY})
    if not connected:
        await rig.until(lambda: not rig.value("CP1.State.Connected"))
        await write_key(rig, value_first)
        with pytest.raises(Refused, match="not connected"):
            rig.write(f"{CHANGE}.Execute", True)
    assert rig.value(f"{CHANGE}.Value") is None
    assert rig.value(f"{CHANGE}.Key") == "AuthorizationKey"
    assert KEY not in str(rig.history)


async def write_key(rig, value_first: bool) -> None:
    order = [(f"{CHANGE}.Key", "AuthorizationKey"), (f"{CHANGE}.Value", KEY)]
    for path, value in reversed(order) if value_first else order:
        rig.write(path, value)
    assert rig.value(f"{CHANGE}.Value") == "***"


async def test_a_value_that_turns_out_to_be_none_is_sent_as_often_as_one_likes(rig):
    async with rig.station() as station:
        rig.write(f"{CHANGE}.Key", "MeterValueSampleInterval")
        rig.write(f"{CHANGE}.Value", "15")
        for number in (1, 2):
            rig.write(f"{CHANGE}.Execute", True)
            await rig.ended(CHANGE, number)
        expected = ("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "15"})
        assert station.commands[-2:] == [expected, expected]
        rig.write(f"{CHANGE}.Value", "")
        assert rig.value(f"{CHANGE}.Value") == ""


async def test_a_url_shows_no_password_and_is_sent_with_it(rig):
    async with rig.station() as station:
        url = f"ftp://anna:{KEY}@host/"
        rig.write("CP1.Commands.GetDiagnostics.Location", url)
        assert rig.value("CP1.Commands.GetDiagnostics.Location") == "ftp://anna:***@host/"
        rig.write("CP1.Commands.GetDiagnostics.Execute", True)
        await rig.ended("CP1.Commands.GetDiagnostics")
        assert station.commands[-1] == ("GetDiagnostics", {"location": url})
    assert KEY not in str(rig.history)


async def test_parameters_that_are_no_secrets_are_read_as_they_were_written(rig):
    async with rig.station():
        rig.write("CP1.Commands.GetDiagnostics.Location", "https://host/folder?file=a")
        rig.write("CP1.Commands.Reset.Type", "Soft")
        assert rig.value("CP1.Commands.GetDiagnostics.Location") == "https://host/folder?file=a"
        assert rig.value("CP1.Commands.Reset.Type") == "Soft"


@pytest.mark.parametrize("late", [False, True])
async def test_a_secret_that_a_station_repeats_is_told_to_nobody(start, tmp_path, late):
    """S05: neither in an error nor in an answer; whether it comes in time or not"""
    rig = await start(ocpp={"call_timeout": 0.1 if late else 30.0})
    recorded: list[object] = []
    with logged() as entries:
        async with rig.socket() as socket:
            await ask(socket, [2, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}])
            rig.known().tap = lambda *told: recorded.append(told) if told[0] == "in" else None
            for number, answer in enumerate((ERROR, ANSWER), start=1):
                rig.write(f"{CHANGE}.Request", json.dumps({"key": "AuthorizationKey", "value": KEY}))
                sent = json.loads(await socket.recv())
                assert sent[3]["value"] == KEY
                if late:
                    await rig.ended(CHANGE, number)
                await socket.send(json.dumps([answer[0], sent[1], *answer[1:]]))
                ended = await rig.ended(CHANGE, number)
                assert ended["StateText"] == ("Timeout" if late else "Failed" if answer is ERROR else "Accepted")
            await ask(socket, [2, "2", "Heartbeat", {}])
    assert KEY not in str(rig.history)
    assert KEY not in str(entries)
    assert len(recorded) == 3
    assert KEY not in str(recorded)
    await rig.stop()
    assert not [file for file in tmp_path.glob("bridge.db*") if KEY.encode() in file.read_bytes()]


ERROR = (4, "PropertyConstraintViolation", f"value {KEY} too short", {"found": KEY})
ANSWER = (3, {"status": "Accepted", "info": f"took {KEY}"})
