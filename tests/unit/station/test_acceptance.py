"""A station of a profile: from its boot until it is in service, over a real websocket."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import websockets
from ocpp.v16 import call

from bridge.errors import Refused
from bridge.ocpp.versions import VERSIONS, Version
from tests.unit.station import test_version_2
from tests.unit.station.rig import SILENT, Rig, SimulatedStation

STATE, SERVICE = "CP1.Config.StateText", "CP1.State.InService"
ACME = """
    match: {vendor: Vend*}
    connectors: 2
    configuration:
      MeterValueSampleInterval: 60
      WebSocketPingInterval: 30
      StopTransactionOnInvalidId: true
"""


class Keys(dict[str, str]):
    """The configuration of a 1.6 station; the keys that it will not change, or only with its next reboot."""

    def __init__(self, **values: str) -> None:
        super().__init__(values)
        self.readonly: set[str] = set()
        self.after_reboot: set[str] = set()
        self.waiting: dict[str, str] = {}

    def attach(self, station: SimulatedStation) -> None:
        async def read() -> dict[str, Any]:
            asked = station.commands[-1][1].get("key") or list(self)
            found = [{"key": key, "value": self[key], "readonly": key in self.readonly} for key in asked if key in self]
            return {"configurationKey": found, "unknownKey": [key for key in asked if key not in self]}

        async def change() -> dict[str, Any]:
            payload = station.commands[-1][1]
            return {"status": self.change(payload["key"], payload["value"])}

        station.answers |= {"GetConfiguration": read, "ChangeConfiguration": change}

    def change(self, key: str, value: str) -> str:
        if key not in self:
            return "NotSupported"
        if key in self.readonly:
            return "Rejected"
        if key in self.after_reboot:
            self.waiting[key] = value
            return "RebootRequired"
        self[key] = value
        return "Accepted"

    def reboot(self) -> None:
        self.update(self.waiting)
        self.waiting.clear()


def keys(**values: str) -> Keys:
    return Keys(
        **{"MeterValueSampleInterval": "10", "WebSocketPingInterval": "30", "StopTransactionOnInvalidId": "True"}
        | values
    )


def changes(station: SimulatedStation) -> list[tuple[str, str]]:
    return [(p["key"], p["value"]) for action, p in station.commands if action == "ChangeConfiguration"]


def details(rig: Rig) -> dict[str, tuple[Any, ...]]:
    found = json.loads(rig.value("CP1.Config.DriftDetails") or "[]")
    return {entry["key"]: (entry["wanted"], entry["is"], entry["why"]) for entry in found}


async def asked(station: Any, action: str, count: int = 1) -> list[dict[str, Any]]:
    """The payloads of an action's commands, once as many have come."""
    while True:  # until `command` has waited long enough
        found = [payload for name, payload in station.commands if name == action]
        if len(found) >= count:
            return found
        await station.command(len(station.commands) + 1)


async def reached(rig: Rig, state: str) -> None:
    await rig.until(lambda: rig.value(STATE) == state)


# --- OCPP 1.6 ---


async def test_what_differs_is_set_after_a_boot_and_nothing_else(start):
    rig = await start(profiles={"acme": ACME})
    async with rig.station(boot=False) as station:
        keys().attach(station)
        assert rig.value("CP1.Config.Profile") == ""
        assert (await station.boot()).status == "Accepted"
        await reached(rig, "Configured")
        assert changes(station) == [("MeterValueSampleInterval", "60")]
        assert rig.values("CP1.Config", "Profile", "Drift", "DriftDetails") == {
            "Profile": "acme",
            "Drift": 0,
            "DriftDetails": "",
        }
        assert rig.value(SERVICE) is True
        assert rig.value("CP1.Configuration.MeterValueSampleInterval") == "60"
        assert set(rig.known().points.connectors) == {"Connector1", "Connector2"}


async def test_a_station_without_a_profile_is_in_service_when_it_is_accepted(start):
    rig = await start(profiles={"other": "match: {vendor: Other}"}, stations={"unknown": "pending"})
    async with rig.station() as station:
        assert (rig.value(STATE), rig.value(SERVICE)) == ("NotRequired", False)
        rig.write("CP1.Config.RegistrationStatus", 0)
        await station.command()
        await station.boot()
        await station.settle()
        assert rig.value(SERVICE) is True


async def test_what_cannot_be_set_is_shown_with_why_and_is_tried_once_a_boot(start):
    rig = await start(profiles={"acme": ACME})
    async with rig.station(boot=False) as station:
        found = keys(WebSocketPingInterval="0")
        found.readonly = {"WebSocketPingInterval"}
        del found["StopTransactionOnInvalidId"]
        found.attach(station)
        await station.boot()
        await reached(rig, "Drifted")
        assert details(rig) == {
            "WebSocketPingInterval": ("30", "0", "ReadOnly"),
            "StopTransactionOnInvalidId": ("true", None, "NotSupported"),
        }
        assert (rig.value("CP1.Config.Drift"), rig.value(SERVICE)) == (2, False)
        assert changes(station) == [("MeterValueSampleInterval", "60"), ("StopTransactionOnInvalidId", "true")]
        await station.boot()
        await rig.until(lambda: rig.value(STATE) == "Drifted" and len(changes(station)) == 3)
        assert changes(station)[2] == ("StopTransactionOnInvalidId", "true")


async def test_a_call_that_fails_is_tried_three_times(start):
    rig = await start(profiles={"acme": ACME})
    async with rig.station(boot=False) as station:
        keys().attach(station)
        station.answers["ChangeConfiguration"] = "InternalError"
        await station.boot()
        await reached(rig, "Drifted")
        assert changes(station) == [("MeterValueSampleInterval", "60")] * 3
        assert details(rig) == {"MeterValueSampleInterval": ("60", "10", "InternalError")}


async def test_a_key_that_is_never_answered_does_not_stand_in_the_way_of_the_others(start):
    rig = await start(profiles={"acme": ACME}, ocpp={"call_timeout": 1.0})
    async with rig.station(boot=False) as station:
        found = keys(WebSocketPingInterval="0")
        found.attach(station)
        answer = station.answers["ChangeConfiguration"]

        async def change() -> Any:
            return SILENT if station.commands[-1][1]["key"] == "MeterValueSampleInterval" else await answer()

        station.answers["ChangeConfiguration"] = change
        await station.boot()
        await reached(rig, "Drifted")
        assert details(rig) == {"MeterValueSampleInterval": ("60", "10", "Timeout")}
        assert found["WebSocketPingInterval"] == "30"
        assert [key for key, _ in changes(station)].count("MeterValueSampleInterval") == 3


async def test_a_station_that_never_answers_is_not_asked_for_ever(start):
    wanted = "".join(f"      Value{number}: 1\n" for number in range(30))
    rig = await start(profiles={"acme": ACME + wanted}, ocpp={"call_timeout": 0.02})
    async with rig.station(boot=False) as station:
        station.answers |= {"GetConfiguration": SILENT, "ChangeConfiguration": SILENT}
        await station.boot()
        await reached(rig, "Drifted")
        assert rig.value("CP1.Config.Drift") == 33
        assert {why for _, _, why in details(rig).values()} == {"Timeout"}
        assert len(station.commands) == 5


@pytest.mark.parametrize("status", [None, 5, ""])
async def test_an_answer_without_a_status_is_called_so(start, status):
    rig = await start(profiles={"acme": "match: {vendor: Vend*}\nconfiguration: {A: 1}"})
    async with rig.socket() as socket:
        await socket.send('[2,"b","BootNotification",{"chargePointVendor":"Vend","chargePointModel":"M"}]')

        async def answering() -> None:
            async for text in socket:
                kind, number, *_ = json.loads(text)
                if kind == 2:
                    await socket.send(json.dumps([3, number, {} if status is None else {"status": status}]))

        task = asyncio.create_task(answering())
        await reached(rig, "Drifted")
        assert details(rig) == {"A": ("1", None, "no status")}
        task.cancel()


async def test_a_change_that_somebody_makes_later_is_drift_at_once_and_the_profile_wins_at_the_next_boot(start):
    rig = await start(profiles={"acme": ACME})
    async with rig.station(boot=False) as station:
        found = keys()
        found.attach(station)
        await station.boot()
        await reached(rig, "Configured")
        rig.write("CP1.Configuration.WebSocketPingInterval", "5")
        await reached(rig, "Drifted")
        assert details(rig) == {"WebSocketPingInterval": ("30", "5", "")}
        assert found["WebSocketPingInterval"] == "5"
        await station.boot()
        await reached(rig, "Configured")
        assert found["WebSocketPingInterval"] == "30"


async def test_a_value_that_waits_for_a_reboot_is_shown_so(start):
    rig = await start(profiles={"acme": ACME})
    async with rig.station(boot=False) as station:
        found = keys(WebSocketPingInterval="0")
        found.after_reboot = {"WebSocketPingInterval"}
        found.attach(station)
        await station.boot()
        await reached(rig, "RebootRequired")
        assert details(rig) == {"WebSocketPingInterval": ("30", "0", "RebootRequired")}
        assert rig.value("CP1.State.RebootRequired") is True
        rig.tick()
        found.reboot()
        await station.boot()
        await reached(rig, "Configured")
        assert rig.value("CP1.State.RebootRequired") is False
        assert "Reset" not in [action for action, _ in station.commands]


async def test_a_station_is_reset_when_nobody_charges_and_once(start):
    rig = await start(profiles={"acme": ACME + "    reset: when-idle\n"})
    async with rig.station(boot=False) as station:
        found = keys(WebSocketPingInterval="0")
        found.after_reboot = {"WebSocketPingInterval"}
        found.attach(station)
        await station.boot()
        await station.start_transaction()
        await reached(rig, "RebootRequired")

        def resets() -> list[Any]:
            return [payload for action, payload in station.commands if action == "Reset"]

        rig.tick()
        await station.settle()
        assert resets() == []
        await station.stop_transaction(1)
        await station.settle()
        rig.tick()
        assert await asked(station, "Reset") == [{"type": "Soft"}]
        await station.boot()  # and the value is still the old one
        await reached(rig, "RebootRequired")
        rig.tick()
        await station.settle()
        assert len(resets()) == 1


async def test_where_the_profile_says_so_a_16_station_is_pending_until_it_is_configured(start):
    rig = await start(profiles={"acme": ACME + "    pending_until_configured: true\n"})
    async with rig.station(boot=False) as station:
        keys().attach(station)
        answer = await station.boot()
        assert (answer.status, answer.interval) == ("Pending", 30)
        assert (await station.call(call.Authorize("T"))).id_tag_info == {"status": "Invalid"}
        assert await asked(station, "TriggerMessage") == [{"requestedMessage": "BootNotification"}]
        assert rig.value("CP1.Config.RegistrationStatusText") == "Accepted"
        assert rig.value(SERVICE) is False
        assert (await station.boot()).status == "Accepted"
        await station.settle()
        assert rig.value(SERVICE) is True
        assert (await station.boot()).status == "Accepted"  # over the same connection it is not held again


@pytest.mark.parametrize("required", [False, True])
async def test_a_station_that_cannot_be_configured_is_accepted_unless_that_is_required(start, required):
    profile = f"{ACME}    pending_until_configured: true\n    required: {str(required).lower()}\n"
    rig = await start(profiles={"acme": profile})
    async with rig.station(boot=False) as station:
        found = keys()
        found.readonly = {"MeterValueSampleInterval"}
        found.attach(station)
        assert (await station.boot()).status == "Pending"
        await reached(rig, "Drifted")
        if required:
            assert (await station.boot()).status == "Pending"
            await asked(station, "GetConfiguration", 2)
            await reached(rig, "Drifted")
            found.readonly = set()
            assert (await station.boot()).status == "Pending"
            await reached(rig, "Configured")
        await asked(station, "TriggerMessage")
        assert (await station.boot()).status == "Accepted"


async def test_a_station_that_is_gone_while_it_is_configured_starts_over(start):
    rig = await start(profiles={"acme": ACME + "    pending_until_configured: true\n"})
    async with rig.station(boot=False) as station:
        station.answers["GetConfiguration"] = None  # it closes the connection
        await station.boot()
        await rig.until(lambda: rig.value("CP1.State.Connected") is False)
        assert rig.value(STATE) == "Unconfigured"
    async with rig.station(boot=False) as station:
        keys().attach(station)
        assert (await station.call(call.Authorize("T"))).id_tag_info == {"status": "Invalid"}  # it has to boot first
        assert (await station.boot()).status == "Pending"
        await reached(rig, "Configured")
        await asked(station, "TriggerMessage")
    async with rig.station(boot=False) as station:  # it boots as a whole, where it was asked to send a message
        keys(MeterValueSampleInterval="60").attach(station)
        assert (await station.boot()).status == "Accepted"


async def test_an_operator_accepts_a_pending_station_which_learns_of_it_at_once(start):
    """B03"""
    rig = await start(stations={"unknown": "pending"}, profiles={"acme": ACME})
    async with rig.station(boot=False) as station:
        keys().attach(station)
        assert (await station.boot()).status == "Pending"
        assert station.commands == []
        rig.write("CP1.Config.RegistrationStatus", 0)
        assert await station.command() == ("TriggerMessage", {"requestedMessage": "BootNotification"})
        assert (await station.boot()).status == "Accepted"
        await reached(rig, "Configured")


async def test_a_rejected_station_is_not_configured(start):
    rig = await start(stations={"unknown": "reject"}, profiles={"acme": ACME})
    async with rig.station() as station:
        await asyncio.gather(*rig.context.background)
        assert station.commands == []
        assert (rig.value(STATE), rig.value(SERVICE)) == ("Unconfigured", False)


async def test_the_profile_and_its_drift_are_there_after_a_restart(start):
    rig = await start(profiles={"acme": ACME})
    async with rig.station(boot=False) as station:
        keys().attach(station)
        await station.boot()
        await reached(rig, "Configured")
    await rig.stop()
    rig = await start(profiles={"acme": ACME.replace("60", "90")})
    assert rig.values("CP1.Config", "Profile", "Drift", "StateText") == {
        "Profile": "acme",
        "Drift": 1,
        "StateText": "Unconfigured",
    }


async def test_the_configuration_may_give_a_station_its_profile(start):
    rig = await start(
        profiles={"acme": ACME, "own": "configuration: {HeartbeatInterval: 60}"},
        station=[{"id": "CP1", "profile": "own"}],
    )
    assert rig.value("CP1.Config.Profile") == "own"
    async with rig.station(boot=False) as station:
        Keys(HeartbeatInterval="300").attach(station)
        await station.boot()
        await reached(rig, "Configured")
        assert changes(station) == [("HeartbeatInterval", "60")]


async def test_how_messages_are_judged_changes_with_the_profile(start):
    rig = await start(profiles={"acme": "match: {vendor: vendor}\nvalidation: strict"})
    async with rig.socket() as socket:
        await socket.send('[2,"1","Heartbeat",{"extra":1}]')
        assert json.loads(await socket.recv())[0] == 3
        await socket.send('[2,"2","BootNotification",{"chargePointVendor":"Vendor","chargePointModel":"M"}]')
        assert json.loads(await socket.recv())[2]["status"] == "Accepted"
        await socket.send('[2,"3","Heartbeat",{"extra":1}]')
        assert json.loads(await socket.recv())[0] == 4


# --- OCPP 2.x ---


class Station(test_version_2.Station):
    """`answering`: action → what it answers to a payload: a payload, an error's code, or nothing at all (None)."""

    def __init__(self, socket: Any, version: Version) -> None:
        super().__init__(socket, version)
        self.answering: dict[str, Callable[[dict[str, Any]], Any]] = {}

    async def read(self) -> None:
        async for text in self.socket:
            kind, number, *rest = json.loads(text)
            if kind != 2:
                self._waiting.pop(number).set_result([kind, number, *rest])
                continue
            action, payload = rest
            assert self.schemas.check_request(action, payload) == ()
            self.commands.append((action, payload))
            self._came.set()
            answer = self.answering.get(action, lambda _: {"status": "Accepted"})(payload)
            if isinstance(answer, str):
                await self.socket.send(json.dumps([4, number, answer, "it cannot", {}]))
            elif answer is not None:
                await self.socket.send(json.dumps([3, number, answer]))


@asynccontextmanager
async def connected(rig: Rig, version: str = "2.0.1") -> AsyncIterator[Station]:
    async with rig.socket(subprotocols=[f"ocpp{version}"]) as socket:
        station = Station(socket, VERSIONS[version])
        reading = asyncio.create_task(station.read())
        try:
            yield station
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError, websockets.ConnectionClosed):
                await reading


BOTH = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
MODERN = """
    match: {vendor: Vendor}
    variables:
      SampledDataCtrlr.TxUpdatedInterval: 60
      OCPPCommCtrlr.MessageTimeout.Default: 20
      AlignedDataCtrlr.Interval.Target: 900
"""


class Variables:
    """The device model of a 2.x station, by the names in its messages."""

    def __init__(self, **statuses: str) -> None:
        self.values = {
            "SampledDataCtrlr TxUpdatedInterval Actual": "10",
            "OCPPCommCtrlr MessageTimeout/Default Actual": "20",
            "AlignedDataCtrlr Interval Target": "0",
        }
        self.statuses = statuses
        self.waiting: dict[str, str] = {}

    @staticmethod
    def name(entry: dict[str, Any]) -> str:
        component, variable = entry["component"], entry["variable"]
        instances = [
            f"{part['name']}/{part['instance']}" if "instance" in part else part["name"]
            for part in (component, variable)
        ]
        return f"{instances[0]} {instances[1]} {entry.get('attributeType', 'Actual')}"

    def attach(self, station: Station) -> None:
        station.answering |= {"GetVariables": self.get, "SetVariables": self.set}

    def get(self, payload: dict[str, Any]) -> dict[str, Any]:
        results = []
        for entry in payload["getVariableData"]:
            value = self.values.get(self.name(entry))
            status = "UnknownVariable" if value is None else "Accepted"
            told = {} if value is None else {"attributeValue": value}
            results.append({"attributeStatus": status, **told, **entry})
        return {"getVariableResult": results}

    def set(self, payload: dict[str, Any]) -> dict[str, Any]:
        results = []
        for entry in payload["setVariableData"]:
            name, value = self.name(entry), entry["attributeValue"]
            named = {key: part for key, part in entry.items() if key != "attributeValue"}
            status = self.statuses.get(
                entry["variable"]["name"], "Accepted" if name in self.values else "UnknownVariable"
            )
            if status == "Accepted":
                self.values[name] = value
            elif status == "RebootRequired":
                self.waiting[name] = value
            results.append({"attributeStatus": status, **named})
        return {"setVariableResult": results}


def sets(station: Station) -> list[tuple[str, str]]:
    return [
        (Variables.name(entry), entry["attributeValue"])
        for action, payload in station.commands
        if action == "SetVariables"
        for entry in payload["setVariableData"]
    ]


@BOTH
async def test_a_2x_station_is_pending_until_it_is_configured_and_is_asked_to_boot_again(start, version):
    """B01 B03: BootNotification Pending, GetVariables, SetVariables, TriggerMessage, BootNotification Accepted"""
    rig = await start(profiles={"modern": MODERN})
    async with connected(rig, version) as station:
        found = Variables()
        found.attach(station)
        assert (await station.boot())["status"] == "Pending"
        assert (await station.ask("Heartbeat", {}))[2] == "SecurityError"
        assert await asked(station, "TriggerMessage") == [{"requestedMessage": "BootNotification"}]
        assert sets(station) == [
            ("SampledDataCtrlr TxUpdatedInterval Actual", "60"),
            ("AlignedDataCtrlr Interval Target", "900"),
        ]
        assert (await station.boot("Triggered"))["status"] == "Accepted"
        await station.settle()
        assert (rig.value(STATE), rig.value(SERVICE)) == ("Configured", True)
        # No report has told the types of these variables, so there are no points yet that would have the wrong one.
        assert rig.known().points.slot("Configuration.SampledDataCtrlr.TxUpdatedInterval") is None


async def test_a_path_may_mean_an_instance_of_the_component(start):
    rig = await start(profiles={"modern": "match: {vendor: Vendor}\nvariables: {Ctrlr.Main.Level: 5}"})
    async with connected(rig) as station:
        found = Variables()
        found.values = {"Ctrlr/Main Level Actual": "1"}
        found.attach(station)
        await station.boot()
        await reached(rig, "Configured")
        assert found.values == {"Ctrlr/Main Level Actual": "5"}


@pytest.mark.parametrize(
    ("status", "state"), [("Rejected", "Drifted"), ("UnknownVariable", "Drifted"), ("RebootRequired", "RebootRequired")]
)
async def test_a_2x_station_that_cannot_satisfy_its_profile_gets_in_with_its_drift_shown(start, status, state):
    rig = await start(profiles={"modern": MODERN})
    async with connected(rig) as station:
        Variables(TxUpdatedInterval=status).attach(station)
        assert (await station.boot())["status"] == "Pending"
        await asked(station, "TriggerMessage")
        assert (await station.boot("Triggered"))["status"] == "Accepted"
        await station.settle()
        assert rig.value(STATE) == state
        assert details(rig) == {"SampledDataCtrlr.TxUpdatedInterval": ("60", "10", status)}
        assert rig.value("CP1.State.RebootRequired") is (status == "RebootRequired")
        assert [name for name, _ in sets(station)].count("SampledDataCtrlr TxUpdatedInterval Actual") == 1


async def test_a_station_that_takes_one_value_a_message_is_told_one_by_one(start):
    rig = await start(profiles={"modern": MODERN})
    async with connected(rig) as station:
        found = Variables()
        found.attach(station)
        plain = dict(station.answering)

        def one(action: str, field: str) -> Any:
            return lambda payload: (
                "OccurrenceConstraintViolation" if len(payload[field]) > 1 else plain[action](payload)
            )

        station.answering |= {
            "GetVariables": one("GetVariables", "getVariableData"),
            "SetVariables": one("SetVariables", "setVariableData"),
        }
        await station.boot()
        await reached(rig, "Configured")
        assert found.values["SampledDataCtrlr TxUpdatedInterval Actual"] == "60"


async def test_a_station_that_answers_nothing_of_it_is_not_kept_out(start):
    rig = await start(profiles={"modern": MODERN}, ocpp={"call_timeout": 0.05})
    async with connected(rig) as station:
        station.answering |= {"GetVariables": lambda payload: None, "SetVariables": lambda payload: None}
        assert (await station.boot())["status"] == "Pending"
        await asked(station, "TriggerMessage")
        assert details(rig)["SampledDataCtrlr.TxUpdatedInterval"] == ("60", None, "Timeout")
        assert (await station.boot("Triggered"))["status"] == "Accepted"


@pytest.mark.parametrize("required", [False, True])
async def test_a_station_that_comes_anew_after_each_pending_is_let_in_unless_its_profile_requires_more(start, required):
    rig = await start(profiles={"modern": f"{MODERN}    required: {str(required).lower()}\n"})
    answers = []
    for _ in range(5):
        async with connected(rig) as station:
            station.answering |= {"GetVariables": lambda payload: None, "SetVariables": lambda payload: None}
            answers.append((await station.boot())["status"])
            if answers[-1] == "Accepted":
                assert rig.value("CP1.Config.Drift") == 3
                assert (await station.boot())["status"] == "Accepted"
                break
            await asked(station, "GetVariables")
        await rig.until(lambda: rig.value("CP1.State.Connected") is False)
    assert answers == (["Pending"] * 5 if required else ["Pending"] * 3 + ["Accepted"])


async def test_an_operator_accepts_a_2x_station_which_is_configured_first(start):
    rig = await start(profiles={"modern": MODERN}, stations={"unknown": "pending"})
    async with connected(rig) as station:
        found = Variables()
        found.attach(station)
        assert (await station.boot())["status"] == "Pending"
        assert station.commands == []
        rig.write("CP1.Config.RegistrationStatus", 0)
        await asked(station, "TriggerMessage")
        assert found.values["SampledDataCtrlr TxUpdatedInterval Actual"] == "60"
        assert (await station.boot("Triggered"))["status"] == "Accepted"


async def test_a_script_accepts_a_station_which_is_configured_first(start):
    rig = await start(
        """
        async def boot_notification(self, request):
            return BootNotificationAnswer(status="Accepted")
        """,
        profiles={"modern": MODERN},
        stations={"unknown": "pending"},
    )
    async with connected(rig) as station:
        Variables().attach(station)
        assert (await station.boot())["status"] == "Pending"
        await asked(station, "TriggerMessage")
        assert (await station.boot("Triggered"))["status"] == "Accepted"


async def test_a_2x_station_is_reset_when_it_is_in_service_and_nobody_charges(start):
    rig = await start(profiles={"modern": MODERN + "    reset: when-idle\n"})
    async with connected(rig) as station:
        Variables(TxUpdatedInterval="RebootRequired").attach(station)
        await station.boot()
        await asked(station, "TriggerMessage")
        rig.tick()
        assert (await station.boot("Triggered"))["status"] == "Accepted"
        await station.settle()
        await station.event("Started", 0, 0, evse={"id": 1, "connectorId": 1})
        rig.tick()
        await station.event("Ended", 1, 1)
        await station.settle()
        assert "Reset" not in [action for action, _ in station.commands]
        rig.tick()
        assert await asked(station, "Reset") == [{"type": "OnIdle"}]


async def test_a_2x_station_that_its_profile_requires_more_of_stays_pending(start):
    rig = await start(profiles={"modern": MODERN + "    required: true\n"})
    async with connected(rig) as station:
        found = Variables(TxUpdatedInterval="Rejected")
        found.attach(station)
        for number in (1, 2):
            assert (await station.boot())["status"] == "Pending"
            await asked(station, "SetVariables", number)
            await reached(rig, "Drifted")
        found.statuses = {}
        assert (await station.boot())["status"] == "Pending"
        await asked(station, "TriggerMessage")
        assert (await station.boot("Triggered"))["status"] == "Accepted"


async def test_what_becomes_of_a_stations_configuration_is_told_as_events(start):
    rig = await start(profiles={"acme": ACME})
    events: list[Any] = []
    rig.tree.events.append(events.append)
    async with rig.station(boot=False) as station:
        found = keys()
        found.readonly = {"MeterValueSampleInterval"}
        found.attach(station)
        await station.boot()
        await reached(rig, "Drifted")
        found.readonly = set()
        await station.boot()
        await reached(rig, "Configured")
        rig.write("CP1.Configuration.WebSocketPingInterval", "5")
        await reached(rig, "Drifted")
    assert [(event.type, event.source, event.fields) for event in events if "Configuration" in event.type] == [
        ("ConfigurationFailed", "CP1", {"Key": "MeterValueSampleInterval", "Reason": "ReadOnly"}),
        ("ConfigurationApplied", "CP1", {"Profile": "acme"}),
        ("ConfigurationDrift", "CP1", {"Key": "WebSocketPingInterval", "Expected": "30", "Actual": "5"}),
    ]


@pytest.mark.parametrize("answer", ["NotImplemented", {"status": "Rejected"}], ids=str)
async def test_a_station_that_cannot_be_asked_to_boot_is_accepted_when_it_does_by_itself(start, answer):
    """B03: TriggerMessage is optional in 1.6, and a station may refuse it."""
    rig = await start(profiles={"acme": ACME + "    pending_until_configured: true\n"})
    async with rig.station(boot=False) as station:
        keys().attach(station)
        station.answers["TriggerMessage"] = answer
        assert (await station.boot()).status == "Pending"
        await asked(station, "TriggerMessage")
        assert rig.value(SERVICE) is False
        assert (await station.boot()).status == "Accepted"
        await station.settle()
        assert (rig.value(STATE), rig.value(SERVICE)) == ("Configured", True)
        assert len(await asked(station, "TriggerMessage")) == 1


@BOTH
@pytest.mark.parametrize("now", [MODERN.replace("60", "90"), "match: {vendor: Other}"], ids=["changed", "gone"])
async def test_a_station_that_is_pending_while_its_profile_changes_gets_what_it_says_now(start, version, now):
    """Profiles are read when the bridge starts."""
    rig = await start(profiles={"modern": MODERN + "    required: true\n"})
    async with connected(rig, version) as station:
        Variables(TxUpdatedInterval="Rejected").attach(station)
        assert (await station.boot())["status"] == "Pending"
        await reached(rig, "Drifted")
    await rig.stop()
    rig = await start(profiles={"modern": now})
    async with connected(rig, version) as station:
        found = Variables()
        found.attach(station)
        status = (await station.boot())["status"]
        if "Other" in now:
            assert (status, rig.value("CP1.Config.Profile")) == ("Accepted", "")
        else:
            assert status == "Pending"
            await asked(station, "TriggerMessage")
            assert (await station.boot("Triggered"))["status"] == "Accepted"
            assert found.values["SampledDataCtrlr TxUpdatedInterval Actual"] == "90"
        await station.settle()
        assert rig.value(SERVICE) is True


@BOTH
async def test_what_an_operator_sends_a_station_that_is_kept_pending_goes_out(start, version):
    """B02: while it is not configured it may be read and set, and not started."""
    rig = await start(profiles={"modern": MODERN + "    required: true\n"}, ocpp={"versions": ["2.1", "2.0.1", "1.6"]})
    async with connected(rig, version) as station:
        found = Variables(TxUpdatedInterval="Rejected")
        found.attach(station)
        assert (await station.boot())["status"] == "Pending"
        await reached(rig, "Drifted")
        interval = {
            "component": {"name": "AlignedDataCtrlr"},
            "variable": {"name": "Interval"},
            "attributeType": "Target",
        }
        sent = {"setVariableData": [{**interval, "attributeValue": "30"}]}
        rig.write("CP1.Commands.SetVariables.Request", json.dumps(sent))
        assert (await rig.ended("CP1.Commands.SetVariables"))["StateText"] == "Accepted"
        rig.write("CP1.Commands.GetVariables.Request", json.dumps({"getVariableData": [interval]}))
        assert '"attributeValue":"30"' in (await rig.ended("CP1.Commands.GetVariables"))["Response"]
        start_it = {"idToken": {"idToken": "T", "type": "Central"}, "remoteStartId": 1}
        with pytest.raises(Refused, match="Pending"):
            rig.write("CP1.Commands.RequestStartTransaction.Request", json.dumps(start_it))
        assert (await station.ask("Heartbeat", {}))[2] == "SecurityError"


@pytest.mark.parametrize("host", ["host", "other"])
async def test_a_password_in_a_url_that_no_report_has_described_is_no_drift_and_is_not_shown(start, host):
    profile = 'match: {vendor: Vendor}\nvariables: {Ctrlr.Url: "ftp://anna:hush@host/"}'
    rig = await start(profiles={"modern": profile})
    async with connected(rig) as station:
        found = Variables(Url="Rejected")
        found.values = {"Ctrlr Url Actual": f"ftp://anna:hush@{host}/"}
        found.attach(station)
        await station.boot()
        await reached(rig, "Configured" if host == "host" else "Drifted")
        shown = {"Ctrlr.Url": ("ftp://anna:***@host/", "ftp://anna:***@other/", "Rejected")}
        assert details(rig) == ({} if host == "host" else shown)
        assert "hush" not in str(rig.history + rig.events)
