"""Meter values have a quick way and an ordinary one: a telegram changes the same points on both."""

import json
from typing import Any

import pytest

from bridge.points.tree import Group, Sample
from bridge.station import v16
from tests.unit.station.rig import at, logged

ENERGY = {"value": "500", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
POWER = {"value": "7.36", "measurand": "Power.Active.Import", "unit": "kW", "phase": "L1", "context": "Sample.Clock"}
VOLTAGE = {"value": "230.1", "measurand": "Voltage", "phase": "L1-N", "location": "Inlet", "format": "Raw"}

QUICK: dict[str, list[dict[str, Any]]] = {
    "usual": [ENERGY, POWER, VOLTAGE],
    "no energy": [POWER],
    "only a value": [{"value": "1e3"}],
}
ORDINARY: dict[str, list[dict[str, Any]]] = {
    "a point twice": [{"value": "101"}, {"value": "102"}],
    "no number": [ENERGY, {"value": "one"}],
    "a number for Python alone": [{"value": "1_000"}],
    "infinite": [ENERGY, POWER | {"value": "inf"}],
    "too large a number": [POWER | {"value": "1e308"}],
    "another unit": [ENERGY, POWER | {"unit": "A"}],
    "signed": [ENERGY | {"format": "SignedData"}],
    "unknown measurand": [ENERGY, {"value": "1", "measurand": "Vendor"}],
    "a number in place of a text": [ENERGY | {"value": 500}],
}
#: nothing is wrong with these
WELL_FORMED = {"a point twice", "signed"}
TELEGRAMS = QUICK | ORDINARY


def frame(samples: list[dict[str, Any]], message_id: str, way: str = "quick", **fields: Any) -> str:
    """A MeterValues as it takes a way; one whose array does not stand at the end takes the ordinary one."""
    meter_value = {"timestamp": at(-5), "sampledValue": samples}
    payload = {"connectorId": 1, **fields, "meterValue": [meter_value]}
    if way == "ordinary":
        payload = dict(reversed(payload.items()))
    how: dict[str, Any] = {"separators": (",", ":")}
    if way == "quick, with blanks":
        how = {}
    elif way == "quick, in lines":
        how = {"indent": "\t"}
    return json.dumps([2, message_id, "MeterValues", payload], **how)


def points(group: Group) -> dict[str, Sample]:
    return {group.row(slot).key: group.sample(slot) for slot in group.slots()}


@pytest.fixture
def taken(monkeypatch) -> list[bool]:
    """Whether the quick way has taken each message that came to it."""
    results: list[bool] = []
    quick = v16.QUICK["MeterValues"]

    def take(*arguments: Any) -> bool:
        results.append(quick.take(*arguments))
        return results[-1]

    monkeypatch.setattr(v16, "QUICK", {"MeterValues": quick._replace(take=take)})
    return results


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("name", TELEGRAMS)
async def test_all_ways_lead_to_the_same_points(rig, taken, name, running):
    found = []
    for identity, way in (
        ("CP1", "ordinary"),
        ("CP2", "quick"),
        ("CP3", "quick, with blanks"),
        ("CP4", "quick, in lines"),
    ):
        async with rig.station(identity) as station:
            fields = {}
            if running:
                started = await station.start_transaction(meter=100, time=-10)
                fields = {"transactionId": started.transaction_id}
            await station.socket.send(frame(TELEGRAMS[name], "telegram", way, **fields))
            await station.settle()
            found.append(points(rig.tree.find(f"{identity}.Connector1")[0]))
            assert rig.value(f"{identity}.State.InvalidMessages") == (name in ORDINARY and name not in WELL_FORMED)
    for values in found:
        for key in ("Transaction.Id", "Transaction.Start.Id"):
            assert (values.pop(key, None) is not None) is running
    ordinary, *quick = found
    assert quick == [ordinary] * 3
    assert taken == ([True] * 3 if name in QUICK else taken)


async def test_an_id_with_escapes_is_answered_as_it_is(rig, taken):
    message_id = 'a"x"MeterValues'  # written with escapes it looks like the action
    async with rig.socket() as socket:
        for _ in range(2):
            await socket.send(frame([ENERGY], message_id))
            assert json.loads(await socket.recv()) == [3, message_id, {}]


async def test_order_of_the_fields_does_not_matter(rig, taken):
    """The array of a telegram is cut out of its frame where it stands at the end."""
    async with rig.station() as station:
        meter_value = {"timestamp": at(), "sampledValue": [{"value": "3"}]}
        payload = {"meterValue": [meter_value], "connectorId": 1}
        await station.socket.send(json.dumps([2, "1", "MeterValues", payload], separators=(",", ":")))
        await station.settle()
        assert json.loads(rig.value("CP1.Connector1.MeterValues.Raw")) == [meter_value]
        assert taken == []


async def test_repeated_telegram_gets_its_answer_and_has_no_second_effect(rig, taken):
    async with rig.socket() as socket:
        text = frame([ENERGY], "1")
        for _ in range(2):
            await socket.send(text)
            assert json.loads(await socket.recv()) == [3, "1", {}]
        await socket.send(frame([ENERGY | {"value": "600"}], "1"))  # its ids began anew
        assert json.loads(await socket.recv()) == [3, "1", {}]
        await socket.send('[2,"2","Heartbeat",{}]')
        await socket.recv()
        assert taken == [True]
        assert rig.value("CP1.Connector1.MeterValues.Energy.Active.Import.Register") == 600.0
        assert rig.value("CP1.State.InvalidMessages") == 0


async def test_telegram_of_a_rejected_station_is_refused(start, taken):
    rig = await start(stations={"unknown": "reject"})
    async with rig.socket() as socket:
        await socket.send(frame([ENERGY], "1"))
        assert json.loads(await socket.recv())[:3] == [4, "1", "SecurityError"]
        assert (taken, rig.known().points.connectors.keys()) == ([], set())


async def test_telegram_waits_for_a_decision_before_it(start, taken):
    """The points change in the order of the messages."""
    rig = await start(script="async def authorize(self, request): await asyncio.sleep(0.05)")
    async with rig.socket() as socket:
        await socket.send('[2,"1","Authorize",{"idTag":"TAG"}]')
        await socket.send(frame([ENERGY], "2"))
        assert [json.loads(await socket.recv())[1] for _ in range(2)] == ["1", "2"]
        await socket.send('[2,"3","Heartbeat",{}]')
        await socket.recv()
        assert rig.value("CP1.Connector1.MeterValues.Energy.Active.Import.Register") == 500.0
        assert taken == []


async def test_connector_that_cannot_be_is_counted_on_the_quick_way_too(rig, taken):
    async with rig.socket() as socket:
        await socket.send(frame([ENERGY], "1").replace('"connectorId":1', '"connectorId":-1'))
        assert json.loads(await socket.recv()) == [3, "1", {}]
        await socket.send('[2,"2","Heartbeat",{}]')
        await socket.recv()
        assert (taken, rig.value("CP1.State.InvalidMessages")) == ([], 1)


async def test_connector_that_cannot_be_made_is_an_internal_error(rig, taken):
    def fail(group: Group, slots: list[int]) -> None:
        if group.path == "CP1.Connector1":
            raise RuntimeError("a listener")

    async with rig.socket() as socket:
        rig.tree.listeners.append(fail)
        await socket.send(frame([ENERGY], "1"))
        assert json.loads(await socket.recv())[:3] == [4, "1", "InternalError"]
        rig.tree.listeners.remove(fail)
        assert taken == []


async def test_listener_that_fails_is_logged_and_the_telegram_answered(rig, taken):
    async with rig.station() as station:
        await station.socket.send(frame([ENERGY], "first"))
        await station.settle()

        def fail(group: Group, slots: list[int]) -> None:
            raise RuntimeError("a listener")

        rig.tree.listeners.append(fail)
        with logged() as entries:
            await station.socket.send(frame([ENERGY], "1"))
            await station.settle()
        rig.tree.listeners.remove(fail)
        assert "tree.failed" in [entry["event"] for entry in entries]
