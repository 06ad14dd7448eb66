"""What comes again about a transaction is answered as it was, whatever the scripts have come to think since."""

import pytest

from bridge.errors import StoreError
from bridge.store.records import TransactionStart
from bridge.store.store import Store
from tests.unit.station.rig import ask, at
from tests.unit.station.test_store_trouble import BOOT_2, BOOT_16, START_16, STARTED_2, refused
from tests.unit.station.test_version_2 import CONFIG

DECIDES = """
async def start_transaction(self, request):
    return Authorization(status="Accepted", parent_id_token="{0}")

async def stop_transaction(self, request):
    return Authorization(status="Accepted", parent_id_token="{0}")
"""
STOP_16 = {"transactionId": 1, "idTag": "T", "meterStop": 9, "timestamp": at(60)}
TOKEN = {"idToken": {"idToken": "T", "type": "ISO14443"}}
STARTED = {**STARTED_2, **TOKEN}
ENDED = {**STARTED, "eventType": "Ended", "seqNo": 1, "timestamp": at(60), "triggerReason": "StopAuthorized"}


@pytest.mark.parametrize("is_killed", [False, True])
async def test_a_start_and_a_stop_that_come_again_after_a_restart_are_answered_as_before(start, killed, is_killed):
    """B07, B10, J24"""
    rig = await start(DECIDES.format("first"))
    frames = [[2, "S", "StartTransaction", START_16], [2, "E", "StopTransaction", STOP_16]]
    async with rig.socket() as socket:
        await ask(socket, [2, "b", "BootNotification", BOOT_16])
        before = [await ask(socket, frame) for frame in frames]
    assert before[1][2] == {"idTagInfo": {"status": "Accepted", "parentIdTag": "first"}}
    if is_killed:
        rig = await killed(rig, script=DECIDES.format("second"))
    else:
        await rig.stop()
        rig = await start(DECIDES.format("second"))
    async with rig.socket() as socket:
        assert [await ask(socket, frame) for frame in frames] == before


@pytest.mark.parametrize("named", [[], [STOP_16], [{**STOP_16, "meterStop": 12}]], ids=["alone", "same", "another"])
async def test_a_stop_without_an_id_that_comes_again_is_answered_as_before(start, named):
    """B08, B10: also after another one took its place, and when another transaction runs which it could mean."""
    rig = await start(DECIDES.format("first"))
    guessed = [2, "G", "StopTransaction", {**STOP_16, "transactionId": -1}]
    async with rig.socket() as socket:
        await ask(socket, [2, "b", "BootNotification", BOOT_16])
        await ask(socket, [2, "S", "StartTransaction", START_16])
        before = await ask(socket, guessed)
        for number, stop in enumerate(named):
            await ask(socket, [2, f"N{number}", "StopTransaction", stop])
        await ask(socket, [2, "T", "StartTransaction", {**START_16, "timestamp": at(30), "meterStart": 5}])
    await rig.stop()
    rig = await start(DECIDES.format("second"))
    async with rig.socket() as socket:
        assert await ask(socket, guessed) == before
        await ask(socket, [2, "h", "Heartbeat", {}])
    assert before[2] == {"idTagInfo": {"status": "Accepted", "parentIdTag": "first"}}
    assert [one.id for one in rig.store.load_open_transactions()] == [2]
    assert rig.value("CP1.Connector1.Transaction.Id") == "2"


@pytest.mark.parametrize("is_killed", [False, True])
async def test_events_that_come_again_after_a_restart_are_answered_as_before(start, killed, is_killed):
    """B20, J24"""
    rig = await start(DECIDES.format("first"), ocpp=CONFIG)
    frames = [[2, "S", "TransactionEvent", STARTED], [2, "E", "TransactionEvent", ENDED]]
    subprotocols = ["ocpp2.0.1"]
    async with rig.socket(subprotocols=subprotocols) as socket:
        await ask(socket, [2, "b", "BootNotification", BOOT_2])
        before = [await ask(socket, frame) for frame in frames]
    assert [frame[2]["idTokenInfo"]["groupIdToken"]["idToken"] for frame in before] == ["first", "first"]
    if is_killed:
        rig = await killed(rig, script=DECIDES.format("second"), ocpp=CONFIG)
    else:
        await rig.stop()
        rig = await start(DECIDES.format("second"), ocpp=CONFIG)
    async with rig.socket(subprotocols=subprotocols) as socket:
        assert [await ask(socket, frame) for frame in frames] == before


async def test_a_decision_that_could_not_be_stored_is_not_told_and_made_again(start, monkeypatch):
    """D06: the stop itself had been stored."""
    rig = await start(DECIDES.format("first"))
    async with rig.socket() as socket:
        await ask(socket, [2, "b", "BootNotification", BOOT_16])
        await ask(socket, [2, "S", "StartTransaction", START_16])
        with monkeypatch.context() as full:
            full.setattr(rig.store, "answer_stop", refused)
            assert (await ask(socket, [2, "E", "StopTransaction", STOP_16]))[:3] == [4, "E", "InternalError"]
        answer = await ask(socket, [2, "F", "StopTransaction", STOP_16])
        assert answer[2] == {"idTagInfo": {"status": "Accepted", "parentIdTag": "first"}}
        assert rig.value("CP1.Connector1.Transaction.Active") is False
    with Store.peek(start.path) as reader:
        assert [one.meter_stop for one in reader.transactions()] == [9.0]


async def test_a_start_that_came_to_the_disk_after_it_was_refused_is_shown_when_it_comes_again(start, monkeypatch):
    """D06: the disk answered when nobody waited for it any more."""
    rig = await start()
    store = rig.store.start_transaction

    async def too_late(begun: TransactionStart) -> None:
        await store(begun)
        raise StoreError("the disk does not answer")

    async with rig.socket() as socket:
        await ask(socket, [2, "b", "BootNotification", BOOT_16])
        with monkeypatch.context() as silent:
            silent.setattr(rig.store, "start_transaction", too_late)
            assert (await ask(socket, [2, "S", "StartTransaction", START_16]))[:3] == [4, "S", "InternalError"]
        assert (await ask(socket, [2, "R", "StartTransaction", START_16]))[2]["transactionId"] == 1
        await ask(socket, [2, "h", "Heartbeat", {}])
        assert rig.value("CP1.Connector1.Transaction.Active") is True
        assert rig.value("CP1.Connector1.Transaction.Id") == "1"


async def test_an_event_whose_answer_could_not_be_stored_is_shown_though_it_comes_again(start, monkeypatch):
    """D06: the event itself had been stored."""
    rig = await start(DECIDES.format("first"), ocpp=CONFIG)
    async with rig.socket(subprotocols=["ocpp2.0.1"]) as socket:
        await ask(socket, [2, "b", "BootNotification", BOOT_2])
        await ask(socket, [2, "S", "TransactionEvent", STARTED])
        with monkeypatch.context() as full:
            full.setattr(rig.store, "answer_event", refused)
            assert (await ask(socket, [2, "E", "TransactionEvent", ENDED]))[:3] == [4, "E", "InternalError"]
        answer = await ask(socket, [2, "F", "TransactionEvent", ENDED])
        assert answer[2]["idTokenInfo"]["groupIdToken"]["idToken"] == "first"
        await ask(socket, [2, "h", "Heartbeat", {}])
        assert rig.value("CP1.Connector1.Transaction.Active") is False
