"""What the bridge asks a 2.x station by itself when it has come back, or has not told all that it was asked for."""

import asyncio

import pytest

from bridge.points.tree import Quality
from bridge.station import inquiries
from tests.unit.station.rig import START
from tests.unit.station.test_version_2 import CONFIG, EVSE, TOKEN, connected, meter, reported, variable

TX = "CP1.Connector1.Transaction"
CTRLR = "CP1.Configuration.Ctrlr"
READING = {"ocpp": {**CONFIG, "read_configuration": True}}
HOUR = 3600.0


async def charge(rig) -> None:
    """T1 starts, draws 500 Wh, and the connection breaks."""
    async with connected(rig) as station:
        await station.status("Occupied", 0)
        info = {"chargingState": "Charging"}
        await station.event("Started", 0, 0, info, evse=EVSE, idToken=TOKEN, meterValue=meter(1000, 0))
        await station.event("Updated", 1, 60, meterValue=meter(1500, 60))
        await station.settle()


async def all_done(rig) -> None:
    """What goes on beside the session has ended, and what it has begun."""
    while rig.context.background:
        await asyncio.gather(*rig.context.background)


LOST = {"Active": False, "Id": "", "Stop.Id": "T1", "Stop.Reason": "Unknown", "Stop.Energy": 500.0}
RUNS = {"Active": True, "Id": "T1", "IdTag": "04A2B3", "Energy": 500.0, "Stop.Id": None}


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    ("answer", "shown", "quality"),
    [
        ({"ongoingIndicator": False, "messagesInQueue": False}, LOST, Quality.GOOD),
        ({"ongoingIndicator": False, "messagesInQueue": True}, RUNS, Quality.LAST),
        ({"ongoingIndicator": True, "messagesInQueue": False}, RUNS, Quality.GOOD),
        ({"messagesInQueue": False}, RUNS, Quality.LAST),
    ],
)
async def test_a_transaction_that_was_interrupted_is_asked_about_once(
    start, monkeypatch, restarts, answer, shown, quality
):
    """B18: it stays open while its end is still to come."""
    monkeypatch.setattr(inquiries, "ASK_AFTER", 0.05)
    rig = await start(ocpp=CONFIG)
    await charge(rig)
    if restarts:
        await rig.stop()
        rig = await start(ocpp=CONFIG)
    rig.now = START + HOUR
    async with connected(rig) as station:
        station.answers["GetTransactionStatus"] = answer
        await station.command()
        await all_done(rig)
        await station.settle()
        assert station.commands == [("GetTransactionStatus", {"transactionId": "T1"})]
        assert rig.values(TX, *shown) == shown
        assert rig.quality(f"{TX}.Active") is quality
    running = [event.transaction_id for event in rig.store.load_running_events()]
    assert running == ([] if shown is LOST else ["T1", "T1"])


async def test_an_end_that_was_in_the_queue_ends_it(start, monkeypatch):
    """B18"""
    monkeypatch.setattr(inquiries, "ASK_AFTER", 0.05)
    rig = await start(ocpp=CONFIG)
    await charge(rig)
    rig.now = START + HOUR
    async with connected(rig) as station:
        station.answers["GetTransactionStatus"] = {"ongoingIndicator": False, "messagesInQueue": True}
        await station.command()
        end = meter(1900, 600, context="Transaction.End")
        await station.event("Ended", 2, 600, {"stoppedReason": "EVDisconnected"}, meterValue=end, offline=True)
        await station.settle()
        ended = {"Active": False, "Stop.Id": "T1", "Stop.Reason": "EVDisconnected", "Stop.Energy": 900.0}
        assert rig.values(TX, *ended) == ended


async def test_a_transaction_that_the_station_tells_of_by_itself_is_not_asked_about(start, monkeypatch):
    monkeypatch.setattr(inquiries, "ASK_AFTER", 0.05)
    rig = await start(ocpp=CONFIG)
    await charge(rig)
    rig.now = START + HOUR
    async with connected(rig) as station:
        await station.event("Updated", 2, HOUR, meterValue=meter(1900, HOUR))
        await all_done(rig)
        await station.settle()
        assert station.commands == []


async def test_the_status_that_an_operator_asks_for_closes_a_transaction_too(start):
    rig = await start(ocpp=CONFIG)
    async with connected(rig) as station:
        await station.status("Occupied", 0)
        await station.event("Started", 0, 0, {"chargingState": "Charging"}, evse=EVSE, idToken=TOKEN)
        await station.settle()
        station.answers["GetTransactionStatus"] = {"ongoingIndicator": False, "messagesInQueue": False}
        rig.write("CP1.Commands.GetTransactionStatus.Request", '{"transactionId": "T1"}')
        await rig.until(lambda: rig.value(f"{TX}.Stop.Reason") == "Unknown")
        assert rig.value(f"{TX}.Active") is False
        assert rig.value("CP1.Connector1.Status.StateText") != "Charging"


# --- the device model


async def part(station, request: int, number: int, name: str, *, more: bool) -> None:
    await station.call("NotifyReport", reported(request, number, more, variable(name, str(number))))


async def test_a_report_of_which_a_part_is_missing_is_asked_for_again_and_not_for_ever(start, monkeypatch):
    monkeypatch.setattr(inquiries, "ASK_AGAIN_AFTER", 0.05)
    rig = await start(**READING)
    async with connected(rig) as station:
        requests = []
        for asked in range(1 + inquiries.MAX_AGAIN):
            action, payload = await station.command(asked + 1)
            assert (action, payload["reportBase"]) == ("GetBaseReport", "FullInventory")
            requests.append(payload["requestId"])
            await part(station, payload["requestId"], 0, "A", more=True)
            await part(station, payload["requestId"], 2, "C", more=False)
        await rig.until(lambda: "incomplete" in (rig.value("CP1.State.LastError") or ""))
        assert len(set(requests)) == len(station.commands) == 1 + inquiries.MAX_AGAIN
        assert rig.values(CTRLR, "A", "C") == {"A": 0, "C": 2}


async def test_a_report_that_is_complete_the_second_time_is_not_asked_for_a_third(start, monkeypatch):
    monkeypatch.setattr(inquiries, "ASK_AGAIN_AFTER", 0.05)
    rig = await start(**READING)
    async with connected(rig) as station:
        _, payload = await station.command()
        await part(station, payload["requestId"], 0, "A", more=True)
        _, payload = await station.command(2)
        for number, name in enumerate("ABC"):
            await part(station, payload["requestId"], number, name, more=name != "C")
        await all_done(rig)
        await station.settle()
        assert rig.values(CTRLR, "A", "B", "C") == {"A": 0, "B": 1, "C": 2}
        assert len(station.commands) == 2
        assert rig.value("CP1.State.LastError") == ""


async def test_values_of_an_earlier_connection_are_read_again_and_are_good_then(start, monkeypatch):
    monkeypatch.setattr(inquiries, "ASK_AFTER", 0.05)
    rig = await start(**READING)
    names = [f"V{number:02}" for number in range(25)]
    async with connected(rig) as station:
        _, asked = await station.command()
        entries = [variable(name, "1") for name in names]
        entries.append(variable("Secret", "", "string", "WriteOnly"))
        await station.call("NotifyReport", reported(asked["requestId"], 0, False, *entries))
        await station.settle()
    await rig.until(lambda: rig.value("CP1.State.Connected") is False)
    rig.now = START + HOUR
    async with connected(rig) as station:
        assert rig.quality(f"{CTRLR}.V00") is Quality.LAST
        station.answers["GetVariables"] = tell_two
        await rig.until(lambda: len(station.commands) == 3)
        await all_done(rig)
        asked = [[entry["variable"]["name"] for entry in payload["getVariableData"]] for _, payload in station.commands]
        assert [len(chunk) for chunk in asked] == [10, 10, 5]
        assert sorted(name for chunk in asked for name in chunk) == names
        assert {rig.sample(f"{CTRLR}.{name}")[:2] for name in names} == {(2, Quality.GOOD)}


def tell_two(payload: dict) -> dict:
    """The answer to a GetVariables: each variable has the value 2 now."""
    told = {"attributeStatus": "Accepted", "attributeValue": "2"}
    return {"getVariableResult": [entry | told for entry in payload["getVariableData"]]}
