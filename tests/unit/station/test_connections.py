"""A station's connection: opened, replaced, lost, silent, and closed when the bridge stops."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack

import pytest
from ocpp.v16 import call

from bridge.errors import StationOffline
from bridge.points.tree import Quality
from tests.unit.station.rig import SILENT, START, WAIT, ask, at, closed, logged

RESET = "CP1.Commands.Reset"


async def test_a_station_shows_up_when_it_connects(rig):
    async with rig.socket("CP%201") as socket:
        await ask(socket, [2, "1", "Heartbeat", {}])
        assert rig.values("CP_1", "Info.Id", "State.Connected", "State.ConnectedSince", "State.OcppVersion") == {
            "Info.Id": "CP 1",
            "State.Connected": True,
            "State.ConnectedSince": START,
            "State.OcppVersion": "1.6",
        }
        assert rig.value("CP_1.State.RemoteAddress").startswith("127.0.0.1:")
        assert rig.values("Bridge", "StationsKnown", "StationsConnected") == {
            "StationsKnown": 1,
            "StationsConnected": 1,
        }
    await rig.until(lambda: rig.value("Bridge.StationsConnected") == 0)
    assert rig.value("CP_1.State.Connected") is False


async def test_identities_that_would_collide_are_kept_apart_for_good(rig, start):
    for path in ("A%201", "A_1", "A%2E1", "Bridge", "Stations"):
        async with rig.socket(path) as socket:
            await ask(socket, [2, "1", "Heartbeat", {}])
    names = {known.id: known.points.path for known in rig.stations}
    assert names == {"A 1": "A_1", "A_1": "A_1~2", "A.1": "A_1~3", "Bridge": "Bridge~2", "Stations": "Stations~2"}
    await rig.stop()
    rig = await start()
    assert {known.id: known.points.path for known in rig.stations} == names


async def test_a_declared_station_is_there_before_it_connects(start):
    rig = await start(station=[{"id": "CP1", "area": "Depot/Hall 1", "connectors": 2}])
    assert list(rig.known().points.connectors) == ["Connector1", "Connector2"]
    assert rig.known().points.area == "Depot/Hall 1"
    assert rig.values("CP1.Connector2", "Info.EvseId", "Info.ConnectorId") == {"Info.EvseId": 2, "Info.ConnectorId": 2}
    assert rig.quality("CP1.Info.Vendor") is Quality.WAITING
    assert rig.quality("CP1.State.Connected") is Quality.GOOD


# --- quality ---


async def test_a_lost_connection_makes_values_uncertain_and_keeps_them(rig):
    """J16: as far as the bridge learns of it."""
    async with rig.station() as station:
        await station.call(call.StatusNotification(1, "NoError", "Charging"))
        await station.settle()
        assert rig.quality("CP1.Connector1.Status.State") is Quality.GOOD
    await rig.until(lambda: rig.value("CP1.State.Connected") is False)
    sample = rig.sample("CP1.Connector1.Status.State")
    assert (sample.value, sample.quality, sample.source_time) == (3, Quality.LAST, START)
    assert rig.quality("CP1.Info.Vendor") is Quality.LAST
    for kept in ("State.Connected", "State.Stale", "Config.HeartbeatInterval", "State.MessagesReceived", "Info.Id"):
        assert rig.quality(f"CP1.{kept}") is Quality.GOOD


async def test_a_dead_peer_is_found_by_its_missing_pong(start):
    """J16"""
    rig = await start(ocpp={"ping_interval": 0.05, "ping_timeout": 0.05})
    _, writer = await asyncio.open_connection("127.0.0.1", rig.ocpp.url.split(":")[2].split("/")[0])
    writer.write(
        b"GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    )
    await rig.until(lambda: len(rig.stations) == 1 and rig.known().session is not None)
    await rig.until(lambda: rig.value("CP1.State.Connected") is False)
    writer.close()


# --- a newer connection ---


async def test_a_newer_connection_takes_over(rig):
    """J14 J15"""
    async with rig.station() as old:
        old.answers["Reset"] = SILENT
        pending = asyncio.create_task(rig.call(RESET, "Hard"))
        await old.command()
        queued = asyncio.create_task(rig.call("CP1.Commands.ClearCache"))
        await asyncio.sleep(0)
        async with rig.station(boot=False) as new:
            for waiting in (pending, queued):
                with pytest.raises(StationOffline):
                    await waiting
            assert await closed(old.socket) == 1000
            await new.settle()
            assert rig.values("CP1.State", "Connected", "Reconnects") == {"Connected": True, "Reconnects": 1}
            assert rig.value("Bridge.StationsConnected") == 1
            assert await rig.call(RESET, "Soft") == ("Accepted", '{"status":"Accepted"}')
            assert new.commands == [("Reset", {"type": "Soft"})]
        await rig.until(lambda: rig.value("CP1.State.Connected") is False)


async def test_what_the_old_connection_still_does_comes_before_the_new_ones_messages(start):
    rig = await start(
        """
        async def authorize(self, request):
            try:
                await request.station.call("ClearCache", {})
            except Exception:
                pass
        """
    )
    status = {"connectorId": 1, "errorCode": "NoError"}
    async with rig.socket() as old:
        await old.send(json.dumps([2, "1", "StatusNotification", {**status, "status": "Preparing"}]))
        await old.recv()
        await ask(old, [2, "2", "Authorize", {"idTag": "T"}])  # what comes is ClearCache
        async with rig.socket() as new:
            await ask(new, [2, "3", "StatusNotification", {**status, "status": "Charging"}])
            await ask(new, [2, "4", "Heartbeat", {}])
            shown = [value for path, value in rig.history if path == "CP1.Connector1.Status.StateText"]
            assert list(dict.fromkeys(shown)) == ["Preparing", "Charging"]
            assert rig.value("CP1.Connector1.Status.StateText") == "Charging"


async def test_what_comes_over_a_replaced_connection_changes_nothing(rig):
    """J14: it is of before, and the station sends again what was not answered."""
    status = {"connectorId": 1, "errorCode": "NoError"}
    async with rig.socket() as old:
        reading = rig.ocpp._connections.copy().pop()._reader
        async with rig.socket() as new:
            await ask(new, [2, "1", "StatusNotification", {**status, "status": "Charging"}])
            received = rig.known().received
            reading.take(json.dumps([2, "2", "StatusNotification", {**status, "status": "Preparing"}]))
            reading.take("nonsense")
            assert await closed(old) == 1000
            await ask(new, [2, "3", "Heartbeat", {}])
            assert rig.value("CP1.Connector1.Status.StateText") == "Charging"
            assert (rig.known().received, rig.value("CP1.State.InvalidMessages")) == (received + 1, 0)


GATE = asyncio.Event()  # what a script of this test waits for
WAITS = """
async def start_transaction(self, request):
    import sys
    await sys.modules["tests.unit.station.test_connections"].GATE.wait()
"""


@pytest.mark.parametrize("replaced", [True, False])
async def test_what_an_old_connection_has_begun_is_shown_first_and_nobody_waits_for_an_answer(
    start, monkeypatch, replaced
):
    """B16: also where the old connection was seen to close before the new one opened."""
    gate = asyncio.Event()
    monkeypatch.setattr(sys.modules[__name__], "GATE", gate)
    rig = await start(WAITS)
    begin = {"connectorId": 1, "idTag": "T", "timestamp": at(), "meterStart": 1}
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(rig.socket())
        await old.send(json.dumps([2, "1", "StartTransaction", begin]))
        await rig.until(lambda: rig.value("CP1.State.Connected"))
        session = rig.known().session
        async with asyncio.timeout(WAIT):
            while not session.is_busy:  # noqa: ASYNC110 - nothing tells that a frame has been taken
                await asyncio.sleep(0.005)
        if not replaced:
            old.transport.abort()
            await rig.until(lambda: rig.value("CP1.State.Connected") is False)
        new = await stack.enter_async_context(rig.socket())
        assert await ask(new, [2, "2", "StatusNotification", status]) == [3, "2", {}]
        assert (await ask(new, [2, "3", "Heartbeat", {}]))[0] == 3
        assert rig.tree.find("CP1.Connector1")[0].value("Status.State") is None
        gate.set()
        await rig.until(lambda: rig.value("CP1.Connector1.Status.StateText") == "Charging")
        shown = [path for path, _ in rig.history if path.endswith((".Start.Id", ".Status.State"))]
        assert shown == ["CP1.Connector1.Transaction.Start.Id", "CP1.Connector1.Status.State"]


LARGE = json.dumps({"vendorId": "V", "data": "x" * 30_000_000})  # more than the sockets of both sides hold


async def test_a_station_that_does_not_read_is_replaced_at_once(rig):
    """J14: a CALL that is stuck on its way out ends before the old connection has closed."""
    async with rig.station() as station:
        link = rig.known().session._link
        station.socket.transport.pause_reading()
        rig.write("CP1.Commands.DataTransfer.Request", LARGE)
        rig.write(f"{RESET}.Request", '{"type":"Hard"}')
        async with rig.station(boot=False) as new:
            for command in ("CP1.Commands.DataTransfer", RESET):
                assert (await rig.ended(command))["StateText"] == "Offline"
            await new.settle()
            assert not link._closing.cancelled()  # the old connection has yet to close
        station.socket.transport.abort()


async def test_a_station_that_does_not_read_holds_up_no_other(rig):
    """J17"""
    async with rig.station("CP1") as deaf, rig.station("CP2") as other:
        deaf.socket.transport.pause_reading()
        rig.write("CP1.Commands.DataTransfer.Request", LARGE)
        await other.settle()
        assert await rig.call("CP2.Commands.Reset", "Hard") == ("Accepted", '{"status":"Accepted"}')
        assert rig.value("CP1.Commands.DataTransfer.Result.StateText") == "Queued"
        deaf.socket.transport.abort()
        assert (await rig.ended("CP1.Commands.DataTransfer"))["StateText"] == "Offline"


async def test_commands_to_a_station_that_does_not_read_do_not_pile_up(start):
    """J17: each ends by its timeout, and what was not sent stays unsent."""
    rig = await start(ocpp={"call_timeout": 0.02})
    async with rig.station() as station:
        station.socket.transport.pause_reading()
        rig.write("CP1.Commands.DataTransfer.Request", LARGE)
        await rig.ended("CP1.Commands.DataTransfer")
        sent, size = rig.known().sent, rig.known().session._link._transport.get_write_buffer_size()
        for number in range(1, 6):
            rig.write(f"{RESET}.Request", '{"type":"Hard"}')
            assert (await rig.ended(RESET, number))["StateText"] == "Timeout"
        assert rig.known().sent == sent
        assert rig.known().session._link._transport.get_write_buffer_size() <= size
        station.socket.transport.abort()


async def test_a_listener_that_fails_costs_no_station_its_answers(rig):
    def fail(group, slots):
        raise RuntimeError("a listener")

    async with rig.socket() as socket:
        rig.tree.listeners.append(fail)
        await socket.send("nonsense")
        assert await ask(socket, [2, "1", "LogStatusNotification", {"status": "Idle"}]) == [3, "1", {}]
        assert (await ask(socket, [2, "2", "Authorize", {}]))[:3] == [4, "2", "OccurenceConstraintViolation"]
        assert (await ask(socket, [2, "3", "Heartbeat", {}]))[0] == 3
        rig.tree.listeners.remove(fail)


# --- message ids ---


async def test_our_message_ids_never_repeat(rig, start):
    """J26"""
    seen = []
    for _ in range(2):
        for _ in range(2):
            async with rig.socket() as socket:
                waiting = asyncio.create_task(rig.call("CP1.Commands.ClearCache"))
                frame = json.loads(await socket.recv())
                seen.append(frame[1])
                await socket.send(json.dumps([3, frame[1], {"status": "Accepted"}]))
                await waiting
        await rig.stop()
        rig = await start()
    assert len(set(seen)) == 4
    assert all(len(number) <= 36 for number in seen)


# --- counters, and silence ---


async def test_messages_are_counted(rig):
    async with rig.station() as station:  # a boot
        for _ in range(3):
            await station.settle()
        rig.tick()
        assert rig.values("CP1.State", "MessagesReceived", "MessagesSent", "InvalidMessages") == {
            "MessagesReceived": 4,
            "MessagesSent": 4,
            "InvalidMessages": 0,
        }
        await station.settle()
    await rig.until(lambda: rig.value("CP1.State.Connected") is False)
    assert rig.values("CP1.State", "MessagesReceived", "MessagesSent") == {"MessagesReceived": 5, "MessagesSent": 5}
    async with rig.station(boot=False):
        assert rig.value("CP1.State.Reconnects") == 1


@pytest.mark.parametrize(
    ("script", "limit"),
    [
        ("", 600),
        ("async def boot_notification(self, r): return BootNotificationAnswer(status='Accepted', interval=1000)", 2000),
    ],
    ids=["configured", "told by a script"],
)
async def test_a_station_that_falls_silent_is_stale_until_it_speaks(start, script, limit):
    rig = await start(script)
    async with rig.station() as station:
        rig.idle += limit
        rig.tick()
        assert rig.value("CP1.State.Stale") is False
        rig.idle += 1
        rig.tick()
        assert rig.values("CP1.State", "Stale", "Connected") == {"Stale": True, "Connected": True}
        await station.settle()
        rig.tick()
        assert rig.value("CP1.State.Stale") is False
        rig.idle += limit + 1
        rig.tick()
    await rig.until(lambda: rig.value("CP1.State.Connected") is False)
    assert rig.value("CP1.State.Stale") is False


async def test_what_goes_wrong_with_a_station_each_second_is_said_once_until_it_has_gone_well(rig):
    def told(times: int) -> list[str]:
        with logged() as entries:
            for _ in range(times):
                rig.tick()
        return [entry["station"] for entry in entries if entry["event"] == "station.tick_failed"]

    async with rig.station(), rig.station("CP2"):
        for _ in range(2):
            rig.known().interval = "no number"
            assert told(3) == ["CP1"]
            rig.known().interval = None
            assert told(1) == []


@pytest.mark.parametrize("days", [-2, 3])
async def test_a_clock_that_jumps_makes_nobody_stale_and_no_new_value_old(rig, days):
    """B25"""
    async with rig.station() as station:
        rig.now += days * 86400
        rig.tick()
        assert rig.value("CP1.State.Stale") is False
        await station.call(call.StatusNotification(1, "NoError", "Charging"))
        await station.settle()
        assert rig.quality("CP1.Connector1.Status.State") is Quality.GOOD
        assert await rig.call(RESET, "Hard") == ("Accepted", '{"status":"Accepted"}')


async def test_a_clock_that_is_set_back_changes_no_quality(start):
    """B25: neither of what came over the connection, also between the jump and its detection, nor of what did not."""
    rig = await start()
    async with rig.station() as station:
        await station.call(call.StatusNotification(1, "NoError", "Charging"))
        await station.call(call.StatusNotification(2, "NoError", "Charging"))
        await station.settle()
    await rig.until(lambda: rig.value("CP1.State.Connected") is False)
    rig.now += 3600
    async with rig.station() as station:
        await station.call(call.StatusNotification(1, "NoError", "Finishing"))
        rig.now -= 2 * 86400
        await station.call(call.StatusNotification(3, "NoError", "Preparing"))
        await station.settle()
        rig.now += 1
        rig.tick()
        found = {number: rig.quality(f"CP1.Connector{number}.Status.State") for number in (1, 2, 3)}
        assert found == {1: Quality.GOOD, 2: Quality.LAST, 3: Quality.GOOD}
        await station.call(call.StatusNotification(2, "NoError", "Available"))
        await station.settle()
        assert rig.quality("CP1.Connector2.Status.State") is Quality.GOOD


# --- the end ---


async def test_stopping_closes_every_connection_and_ends_every_command(rig):
    async with rig.station("CP1") as one, rig.station("CP2") as two:
        one.answers["Reset"] = SILENT
        waiting = [asyncio.create_task(rig.call(RESET, "Hard")), asyncio.create_task(rig.call(RESET, "Soft"))]
        await one.command()
        async with asyncio.timeout(WAIT):
            await rig.stop()
            ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(end) for end in ends] == [StationOffline, StationOffline]
        assert (one.socket.close_code, two.socket.close_code) == (1012, 1012)
        assert rig.value(f"{RESET}.Result.StateText") == "Offline"


async def test_stopping_waits_for_a_decision_and_records_it(start):
    rig = await start(
        """
        async def start_transaction(self, request):
            try:
                await request.station.call("ClearCache", {})
            except Exception:
                pass
        """
    )
    async with rig.socket() as socket:
        payload = {"connectorId": 1, "idTag": "T", "meterStart": 1, "timestamp": "2027-01-15T08:00:00Z"}
        await ask(socket, [2, "1", "StartTransaction", payload])  # what comes is ClearCache
        await rig.stop()
    rig = await start()
    assert rig.value("CP1.Connector1.Transaction.Active") is True


async def test_a_connection_leaves_no_task_behind(rig):
    before = asyncio.all_tasks()
    for _ in range(5):
        async with rig.station() as station:
            await station.settle()
        await rig.until(lambda: rig.value("CP1.State.Connected") is False)
    async with asyncio.timeout(WAIT):
        while more := asyncio.all_tasks() - before:
            await asyncio.wait(more)
