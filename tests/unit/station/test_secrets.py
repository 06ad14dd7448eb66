"""No secret reaches the log, a point, an event, the store, an error or a recording, and that can be replayed."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bridge.config import Config
from bridge.errors import CallErrorAnswer
from bridge.ocpp.versions import VERSIONS
from bridge.project import Project, shipped
from bridge.replay import Player, Step, World, read_recording
from bridge.station.recording.recorder import Recorder, Recording
from tests.unit.station.deviations import STATION, STATION_2
from tests.unit.station.rig import WAIT, Rig, ask, at, logged

SECRET = "hush0123456789hush"
URL = f"ftp://anna:{SECRET}@example.org/files"
PEM = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"
PIN = {"idToken": "04A2B3", "type": "ISO14443", "additionalInfo": [{"additionalIdToken": SECRET, "type": "PIN"}]}
PASSWORD = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
VENDORS = {"vendorId": "V", "apiKey": SECRET}
NETWORK = {
    "messageTimeout": 30,
    "ocppCsmsUrl": f"wss://anna:{SECRET}@example.org/",
    "ocppInterface": "Wired0",
    "ocppTransport": "JSON",
    "ocppVersion": "OCPP20",
    "securityProfile": 2,
    "apn": {"apn": "a", "apnAuthentication": "AUTO", "apnPassword": SECRET},
    "vpn": {"server": "s", "user": "u", "password": SECRET, "key": SECRET, "type": "IKEv2"},
}

Message = tuple[str, dict[str, Any]]

COMMANDS_16: list[Message] = [
    ("ChangeConfiguration", {"key": "AuthorizationKey", "value": SECRET}),
    ("ChangeConfiguration", {"key": "Vendor_WifiKey", "value": SECRET}),
    ("ChangeConfiguration", {"key": "BackupUrl", "value": URL}),
    ("UpdateFirmware", {"location": URL, "retrieveDate": at()}),
    ("GetDiagnostics", {"location": URL}),
    ("GetLog", {"logType": "DiagnosticsLog", "requestId": 1, "log": {"remoteLocation": URL}}),
    ("InstallCertificate", {"certificateType": "CentralSystemRootCertificate", "certificate": PEM}),
    ("DataTransfer", {"vendorId": "V", "data": json.dumps({"password": SECRET})}),
]
COMMANDS_2: list[Message] = [
    ("SetVariables", {"setVariableData": [{**PASSWORD, "attributeValue": SECRET}]}),
    ("SetNetworkProfile", {"configurationSlot": 1, "connectionData": NETWORK}),
    ("UpdateFirmware", {"requestId": 1, "firmware": {"location": URL, "retrieveDateTime": at()}}),
    ("GetLog", {"logType": "DiagnosticsLog", "requestId": 1, "log": {"remoteLocation": URL}}),
    ("InstallCertificate", {"certificateType": "CSMSRootCertificate", "certificate": PEM}),
    ("DataTransfer", {"vendorId": "V", "data": {"password": SECRET}}),
]
COMMANDS = {
    "1.6": COMMANDS_16,
    "2.0.1": COMMANDS_2,
    "2.1": [
        *COMMANDS_2,
        ("SetNetworkProfile", {"configurationSlot": 1, "connectionData": {**NETWORK, "basicAuthPassword": SECRET}}),
    ],
}
BOOTS = {"1.6": STATION, "2.0.1": {"reason": "PowerUp", "chargingStation": STATION_2}}
TOLD_16: list[Message] = [
    ("BootNotification", {**STATION, "wifiPassword": SECRET}),
    ("DataTransfer", {"vendorId": "V", "data": json.dumps({"apiKey": SECRET})}),
    ("DataTransfer", {"vendorId": "V", "data": PEM}),
    ("SecurityEventNotification", {"type": "X", "timestamp": at(), "techInfo": f"AuthorizationKey={SECRET}"}),
]
TOLD_2: list[Message] = [
    ("BootNotification", {"reason": "PowerUp", "chargingStation": {**STATION_2, "customData": VENDORS}}),
    ("DataTransfer", {"vendorId": "V", "data": VENDORS}),
    ("SecurityEventNotification", {"type": "X", "timestamp": at(), "techInfo": f"from {URL}"}),
    ("Authorize", {"idToken": PIN}),
    (
        "TransactionEvent",
        {
            "eventType": "Started",
            "timestamp": at(-5),
            "triggerReason": "Authorized",
            "seqNo": 0,
            "transactionInfo": {"transactionId": "T1"},
            "evse": {"id": 1, "connectorId": 1},
            "idToken": PIN,
            "customData": VENDORS,
        },
    ),
    (
        "NotifyReport",
        {
            "requestId": 1,
            "generatedAt": at(),
            "seqNo": 0,
            "reportData": [{**PASSWORD, "variableAttribute": [{"value": SECRET}]}],
        },
    ),
    (
        "NotifyEvent",
        {
            "generatedAt": at(),
            "seqNo": 0,
            "eventData": [
                {
                    **PASSWORD,
                    "eventId": 1,
                    "timestamp": at(),
                    "trigger": "Alerting",
                    "eventNotificationType": "CustomMonitor",
                    "actualValue": SECRET,
                }
            ],
        },
    ),
]
TOLD = {"1.6": TOLD_16, "2.0.1": TOLD_2, "2.1": TOLD_2}
BROKEN = f'[2,"broken","DataTransfer",{{"vendorId":"V","data":"{URL}"'


def answers(sent: list[Any], number: int) -> list[Any]:
    """What the station answers to a command: it repeats the secret, one way or the other."""
    if number % 3 == 0:
        return [4, sent[1], "GenericError", f"cannot use {SECRET}", {"sent": sent[3]}]
    if number % 3 == 1:
        return [3, sent[1], {"status": SECRET, "setVariableResult": [{"attributeStatus": SECRET, **PASSWORD}]}]
    return [3, sent[1], {"status": "Rejected", "statusInfo": {"reasonCode": SECRET}, "again": sent[3]}]


async def next_call(socket: Any) -> list[Any]:
    """The next CALL of the bridge."""
    async with asyncio.timeout(WAIT):
        while (found := json.loads(await socket.recv()))[0] != 2:
            pass
    assert isinstance(found, list)
    return found


async def converse(rig: Rig, socket: Any, version: str) -> None:
    """All that a station of this version may hear and tell of secrets."""
    await ask(socket, [2, "boot", "BootNotification", BOOTS.get(version, BOOTS["2.0.1"])])
    for number, message in enumerate(TOLD[version]):
        await ask(socket, [2, f"told-{number}", *message])
    numbers: dict[str, int] = {}
    for number, (action, payload) in enumerate(COMMANDS[version]):
        numbers[action] = numbers.get(action, 0) + 1
        rig.write(f"CP1.Commands.{action}.Request", json.dumps(payload))
        sent = await next_call(socket)
        assert SECRET in json.dumps(sent)  # the station gets what was written
        await socket.send(json.dumps(answers(sent, number)))
        await rig.ended(f"CP1.Commands.{action}", numbers[action])
    await socket.send(BROKEN)
    await socket.send('[2,"last","Heartbeat",{}]')
    async with asyncio.timeout(WAIT):
        while json.loads(await socket.recv())[1] != "last":
            pass


def recorder_of(rig: Rig, lines: list[bytes]) -> None:
    recorder = Recorder(rig.context.clock, lambda: rig.stations)
    rig.context.listen = recorder.listen
    recording = Recording(frozenset(), lines.append, hide_tokens=False)
    recording.line({"recording": 1})
    recorder.begin(recording)


def written(lines: list[bytes], folder: Path) -> Path:
    path = folder / "recording.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"".join(lines))
    return path


async def replayed(path: Path, folder: Path) -> list[Step]:
    config = Config.model_validate({"ocpp": {"read_configuration": False}})
    player = Player(World(Project(shipped(), folder), config, folder), read_recording(path))
    try:
        return [step async for step in player.play()]
    finally:
        await player.close()


def beside(folder: Path) -> list[str]:
    """The files of the store with the secret in them."""
    return [file.name for file in folder.glob("bridge.db*") if SECRET.encode() in file.read_bytes()]


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
@pytest.mark.parametrize("validation", ["lenient", "strict", "off"])
async def test_no_secret_is_told_anywhere_and_the_recording_is_replayed(start, tmp_path, version, validation):
    """S05"""
    lines: list[bytes] = []
    with logged() as entries:
        rig = await start(ocpp={"validation": validation})
        recorder_of(rig, lines)
        async with rig.socket(subprotocols=[VERSIONS[version].subprotocol]) as socket:
            await converse(rig, socket, version)
        async with rig.socket(subprotocols=[VERSIONS[version].subprotocol]):
            pass  # what it said of itself is told again
        await rig.last_values.flush(rig.now)
        await rig.stop()
    assert sum(entry["event"] == "frame.received" for entry in entries) > len(COMMANDS[version])
    assert [entry for entry in entries if SECRET in str(entry)] == []
    assert [told for told in rig.history if SECRET in str(told)] == []
    assert [event for event in rig.events if SECRET in str(event)] == []
    assert [line for line in lines if SECRET.encode() in line] == []
    assert beside(tmp_path) == []
    if validation == "lenient":  # as the bridge that replays
        steps = await replayed(written(lines, tmp_path / "replay"), tmp_path / "replay")
        assert [step.differences for step in steps if step.differences] == []
        assert sum(step.what == "sent" for step in steps) == len(COMMANDS[version])


@pytest.mark.parametrize("secret", ["hush0123456789hush", 'a "quoted" \\ päss/word'])
async def test_a_station_that_repeats_its_password_wherever_it_can_tells_nobody(start, tmp_path, secret):
    """S05: in what it says unasked too, in any field, and in JSON within a text."""
    with logged() as entries:
        rig = await start()
        async with rig.socket() as socket:
            await ask(socket, [2, "boot", "BootNotification", STATION])
            calling = asyncio.create_task(rig.call("CP1.Commands.ChangeConfiguration", "AuthorizationKey", secret))
            await socket.send(json.dumps([3, (await next_call(socket))[1], {"status": "Accepted"}]))
            await calling
            fields = {"info": f"is {secret}", "vendorErrorCode": secret, "vendorId": secret}
            said: list[Message] = [
                ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available", **fields}),
                ("BootNotification", {**STATION, "firmwareVersion": secret}),
                ("SecurityEventNotification", {"type": secret, "timestamp": at(), "techInfo": secret}),
                ("DataTransfer", {"vendorId": "V", "data": json.dumps({"was": secret})}),
                ("DataTransfer", {"vendorId": "V", "data": json.dumps({"was": secret}, ensure_ascii=False)}),
            ]
            for number, (action, payload) in enumerate(said):
                for is_ascii in (True, False):
                    await socket.send(json.dumps([2, f"{number}{is_ascii}", action, payload], ensure_ascii=is_ascii))
                    await socket.recv()
            assert rig.value("CP1.Connector1.Status.Info") == "is ***"
            assert rig.value("CP1.Connector1.Status.StateText") == "Available"
        await rig.last_values.flush(rig.now)
        await rig.stop()
    parts = (secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret)[1:-1])[1:-1])
    told = f"{rig.history}{rig.events}{entries}" + "".join(
        file.read_bytes().decode("utf-8", "replace") for file in tmp_path.glob("bridge.db*")
    )
    assert [part for part in parts if part in told] == []


async def write_key(rig, socket, secret: str, status: str = "Accepted") -> None:
    calling = asyncio.create_task(rig.call("CP1.Commands.ChangeConfiguration", "WebPassword", secret))
    await socket.send(json.dumps([3, (await next_call(socket))[1], {"status": status}]))
    await calling


@pytest.mark.parametrize("secret", ["SN12345678", "12345678", "connectorId", "Available", "00000000"])
async def test_a_password_that_is_a_word_of_the_station_by_chance_changes_nothing_of_what_it_says(rig, secret):
    """B07: ids, tokens, numbers, names, enumerations and times mean the same before and after it was sent."""
    started = {"connectorId": 1, "idTag": secret, "meterStart": 12345678, "timestamp": at().replace("Z", ".000000000Z")}
    async with rig.socket() as socket:
        await ask(socket, [2, "boot", "BootNotification", STATION])
        first = await ask(socket, [2, f"{secret}-1", "StartTransaction", started])
        await write_key(rig, socket, secret, "Rejected")
        again = await ask(socket, [2, f"{secret}-2", "StartTransaction", started])
        assert (first[:2], again[:2], again[2]) == ([3, f"{secret}-1"], [3, f"{secret}-2"], first[2])
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": started["timestamp"]}
        assert (await ask(socket, [2, "s", "StatusNotification", status]))[0] == 3
        await rig.until(lambda: rig.value("CP1.Connector1.Status.StateText") == "Available")
        stopped = {"transactionId": first[2]["transactionId"], "meterStop": 12345678, "timestamp": at()}
        assert (await ask(socket, [2, f"{secret}-3", "StopTransaction", stopped]))[0] == 3
    assert [(one.id_tag, one.meter_stop) for one in rig.store.transactions()] == [(secret, 12345678.0)]


@pytest.mark.parametrize("secret", ["Sommerabendwiese", "00aabbccddeeff11"])
async def test_what_it_was_sent_before_it_connected_again_is_no_word_of_its_own(rig, secret):
    """S05: a station reconnects just after its password was changed."""
    for connects in range(2):
        async with rig.socket() as socket:
            await ask(socket, [2, f"boot{connects}", "BootNotification", STATION])
            if not connects:
                await write_key(rig, socket, secret)
                await write_key(rig, socket, "another0123456789")
            for number, word in enumerate((secret, secret.upper() if secret[:2] == "00" else secret)):
                status = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "info": f"was {word}"}
                await ask(socket, [2, f"{connects}{number}", "StatusNotification", status])
                await rig.until(lambda: rig.value("CP1.Connector1.Status.Info") is not None)
    assert rig.value("CP1.Connector1.Status.Info") == "was ***"
    assert secret.lower() not in f"{rig.history}{rig.events}".lower()


async def test_who_calls_a_method_is_told_of_its_failure_without_the_secret(rig):
    async with rig.socket() as socket:
        await ask(socket, [2, "boot", "BootNotification", STATION])
        calling = asyncio.create_task(rig.call("CP1.Commands.GetDiagnostics", URL))
        sent = await next_call(socket)
        await socket.send(json.dumps(answers(sent, 0)))
        with pytest.raises(CallErrorAnswer) as caught:
            await calling
    assert "***" in str(caught.value)
    assert SECRET not in f"{caught.value!r} {caught.value.outputs}"


async def test_a_vendors_setting_that_only_sounds_like_a_key_is_shown(rig):
    async with rig.station() as station:
        found = [{"key": key, "readonly": False, "value": "F1"} for key in ("Hotkey", "WifiKey")]
        station.answers["GetConfiguration"] = {"configurationKey": found}
        rig.write("CP1.Commands.GetConfiguration.Execute", True)
        await rig.ended("CP1.Commands.GetConfiguration")
        assert rig.values("CP1.Configuration", "Hotkey", "WifiKey") == {"Hotkey": "F1", "WifiKey": ""}
