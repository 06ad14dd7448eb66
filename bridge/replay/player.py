"""Runs a recording through a bridge without its servers, line by line, with the recorded times as the clock."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import msgspec

from bridge.errors import CallFailed
from bridge.points.rows import Value
from bridge.points.tree import station_name
from bridge.replay.comparing import changes, differences
from bridge.replay.lines import CALL, ERROR, RESULT, RESULT_ERROR, Line, answers_of
from bridge.replay.world import World
from bridge.station.session import Session
from bridge.store.records import StationRecord

TURNS = 20  # of the event loop, in which whatever a message has begun beside its answer comes as far as it can
GIVE_UP = 60.0  # s that a script may think
PAUSE = 0.5  # s without anything new, after which a script that has asked the station is waiting for its answer
#: added to a transaction's number that no answer in the recording has given (OCPP 1.6), so that it is none of ours
FOREIGN = 1_000_000_000
_NUMBERED = frozenset({"MeterValues", "StopTransaction"})


class Step(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one line of a recording led to.

    what: open, close, received (a frame of the station), sent (a CALL of the bridge), answered (the answer to a frame
    before, for which a script has asked the station something), skipped (a line that cannot be replayed). answer: the
    bridge's, None for none; recorded: the one that was recorded, None where there is none. differences: what is another
    one than was recorded. points: those that changed, by path.
    """

    time: float
    station: str
    what: str
    frame: Any = None
    answer: list[Any] | None = None
    recorded: list[Any] | None = None
    differences: list[str] = []
    points: dict[str, Value] = {}


class _Link:
    """In place of the websocket: keeps what is sent."""

    profile = 0
    certificate_ends: float | None = None
    remote = "a recording"

    def __init__(self) -> None:
        self.sent: list[list[Any]] = []
        self.wrote = asyncio.Event()

    def write(self, text: str) -> None:
        self.sent.append(msgspec.json.decode(text))
        self.wrote.set()

    async def drain(self) -> None:
        return

    def after(self, work: Callable[..., None], *arguments: object) -> None:
        work(*arguments)

    def hold(self) -> None:
        return

    def release(self) -> None:
        return

    def close(self, code: int, reason: str) -> None:
        return


class _Station:
    """One station's connection in a replay."""

    def __init__(self, session: Session, link: _Link) -> None:
        self.session = session
        self.link = link
        self.calls: dict[str, list[Any]] = {}  # CALLs of the bridge that wait for the station, by id
        self.ids: dict[str, str] = {}  # recorded id of a CALL of the bridge → its id here
        self.unanswered: dict[
            str, tuple[Line, list[Any] | None]
        ] = {}  # CALLs of the station and their recorded answers

    def take_sent(self) -> list[list[Any]]:
        """What was sent since the last time, less CALLs, which are kept until they are answered."""
        sent, self.link.sent = self.link.sent, []
        for frame in sent:
            if frame[0] == CALL:
                self.calls[frame[1]] = frame
        return [frame for frame in sent if frame[0] != CALL]


class Player:
    """Plays the lines of a recording in `world`, which has not been started."""

    def __init__(self, world: World, lines: Sequence[Line]) -> None:
        self._world = world
        self._lines = lines
        self._recorded = answers_of(lines)
        self._stations: dict[str, _Station] = {}
        self._numbers: dict[tuple[str, int], int] = {}  # recorded number of a transaction → its number here
        self._requests: dict[tuple[str, int], int] = {}  # recorded number of a request for reports → its number here
        self._late: list[Step] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def play(self) -> AsyncIterator[Step]:
        """A step for each line that leads to something."""
        await self._world.start(self._records())
        for place, line in enumerate(self._lines):
            self._world.now = max(self._world.now, line.time)
            step = await self._step(place, line)
            if step is None:
                continue
            step.points = self._world.changes()
            yield step
            for late in self._late:
                yield late
            self._late.clear()
        for identity, station in list(self._stations.items()):
            await self._close(identity, station)
        for late in self._late:
            yield late

    def _records(self) -> list[StationRecord]:
        """The stations, as they were known when the recording began."""
        found: dict[str, StationRecord] = {}
        names: set[str] = set()
        for line in self._lines:
            if line.station not in found:
                name = station_name(line.station, names)
                names.add(name)
                found[line.station] = StationRecord(
                    id=line.station,
                    name=name,
                    version=line.version,
                    registration=line.registration,
                    first_seen=line.time,
                    boot=line.boot,
                )
        self._world.now = self._lines[0].time if self._lines else 0.0
        return list(found.values())

    async def _step(self, place: int, line: Line) -> Step | None:
        step = Step(time=line.time, station=line.station, what=line.event)
        if line.event == "open" or (line.event == "" and line.station not in self._stations):
            await self._open(line)
            if line.event:
                return step
        station = self._stations.get(line.station)
        if station is None:
            return None
        if line.event == "close":
            await self._close(line.station, station)
        elif line.direction == "in":
            await self._receive(place, line, station, step)
        elif line.kind == CALL and line.frame is not None:
            await self._call(line, station, step)
        else:
            return None  # an answer of the bridge: it is looked at with what it answers
        return step

    async def _open(self, line: Line) -> None:
        before = self._stations.get(line.station)
        link = _Link()
        session = self._world.stations.open(line.station, line.version, link)
        self._stations[line.station] = _Station(session, link)
        session.begin(self._employ)
        if before is not None:
            self._world.stations.close(before.session, "replaced")
        await self._turns()

    async def _close(self, identity: str, station: _Station) -> None:
        del self._stations[identity]
        self._world.stations.close(station.session, "recorded")
        await station.session.ended()
        await self._turns()
        self._take_answers(station)
        self._late += [self._answered(line, None, recorded) for line, recorded in station.unanswered.values()]

    def _employ(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # What a station sends

    async def _receive(self, place: int, line: Line, station: _Station, step: Step) -> None:
        data = self._data(line, station)
        if data is None:
            step.what = "skipped"
            return
        step.what, step.frame = "received", line.frame if line.frame is not None else line.text
        station.link.wrote.clear()
        station.session.take(data)
        await self._settle(station)
        step.recorded = self._recorded.get(place)
        if line.kind == CALL:
            station.unanswered[line.id] = line, step.recorded
        step.answer = self._take_answers(station, line)
        if step.answer is not None or not station.calls:
            station.unanswered.pop(line.id, None)
            step.differences = differences(line.action, step.answer, step.recorded)
        self._note_number(line, step)

    def _take_answers(self, station: _Station, line: Line | None = None) -> list[Any] | None:
        """The answer to the line; those to lines before become steps of their own."""
        found = None
        for frame in station.take_sent():
            if line is not None and (frame[1] == line.id or frame[1] not in station.unanswered):
                found = frame
            elif frame[1] in station.unanswered:
                before, recorded = station.unanswered.pop(frame[1])
                self._late.append(self._answered(before, frame, recorded))
        return found

    def _answered(self, line: Line, answer: list[Any] | None, recorded: list[Any] | None) -> Step:
        step = Step(time=self._world.now, station=line.station, what="answered", answer=answer, recorded=recorded)
        step.differences = differences(line.action, answer, recorded)
        self._note_number(line, step)
        return step

    def _data(self, line: Line, station: _Station) -> str | bytes | None:
        """The frame as it is given to the peer; None for one that cannot be."""
        if line.frame is None:
            return line.text if line.text is not None else bytes(line.binary) if line.binary is not None else None
        frame = list(line.frame)
        if line.kind in (RESULT, ERROR, RESULT_ERROR) and line.id:
            frame[1] = station.ids.pop(line.id, line.id)
            station.calls.pop(frame[1], None)
        elif line.action and len(frame) > 3 and isinstance(frame[3], dict):
            frame[3] = self._renumbered(line, frame[3])
        return msgspec.json.encode(frame).decode()

    def _renumbered(self, line: Line, payload: dict[str, Any]) -> dict[str, Any]:
        """The payload with the numbers that the bridge has given here."""
        number, request = payload.get("transactionId"), payload.get("requestId")
        if line.version == "1.6" and line.action in _NUMBERED and type(number) is int and number > 0:
            return {**payload, "transactionId": self._numbers.get((line.station, number), number + FOREIGN)}
        if type(request) is int and (line.station, request) in self._requests:
            return {**payload, "requestId": self._requests[line.station, request]}
        return payload

    def _note_number(self, line: Line, step: Step) -> None:
        """The number that the bridge has given to a transaction here, and the one that it gave it then."""
        if line.action == "StartTransaction" and step.answer and step.recorded:
            now, then = (_field(frame, "transactionId") for frame in (step.answer, step.recorded))
            if isinstance(now, int) and isinstance(then, int):
                self._numbers[line.station, then] = now

    async def _settle(self, station: _Station) -> None:
        """Until the station's message is answered, or a script waits for an answer of the station before it decides."""
        ended = asyncio.ensure_future(station.session.ended())
        while station.session.is_busy:
            asked = station.calls or any(frame[0] == CALL for frame in station.link.sent)
            station.link.wrote.clear()
            wrote = asyncio.ensure_future(station.link.wrote.wait())
            patience = PAUSE if asked else GIVE_UP
            done, _ = await asyncio.wait({ended, wrote}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            wrote.cancel()
            if not done:
                break
        ended.cancel()
        await self._turns()

    async def _turns(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    # What the bridge asks a station

    async def _call(self, line: Line, station: _Station, step: Step) -> None:
        """A CALL that was recorded: sent by itself here too, or as it was then."""
        station.take_sent()
        _, recorded_id, action, payload = line.frame or [CALL, "", "", {}]
        step.what, step.frame = "sent", line.frame
        own = next(
            (frame for frame in station.calls.values() if frame[2] == action and self._is_new(frame, station)), None
        )
        if own is None:
            step.differences = await self._give_up_others(station)
            await self._send(line.station, station, action, payload)
            own = next((frame for frame in station.calls.values() if self._is_new(frame, station)), None)
        if own is not None:
            station.ids[recorded_id] = own[1]
            step.differences += changes(own[3], payload)
            if isinstance(request := payload.get("requestId"), int):
                self._requests[line.station, request] = own[3].get("requestId", request)

    def _is_new(self, frame: list[Any], station: _Station) -> bool:
        return frame[1] not in station.ids.values()

    async def _give_up_others(self, station: _Station) -> list[str]:
        """Refuses CALLs that the bridge has sent here and not then: one at a time may wait for a station."""
        found = []
        while new := [frame for frame in station.calls.values() if self._is_new(frame, station)]:
            for frame in new:
                found.append(f"{frame[2]} was sent, which is not in the recording")
                del station.calls[frame[1]]
                station.session.take(msgspec.json.encode([ERROR, frame[1], "GenericError", "", {}]).decode())
            await self._turns()
            station.take_sent()
        return found

    async def _send(self, identity: str, station: _Station, action: str, payload: dict[str, Any]) -> None:
        async def call() -> None:
            try:
                response = await station.session.call(action, payload)
            except (CallFailed, ValueError):
                return
            known = self._world.stations.get(identity)
            if known is not None:
                self._world.stations.command_done(known.points, action, payload, response)

        self._employ(call())
        await self._turns()
        station.take_sent()

    async def close(self) -> None:
        """Ends the world, however far the recording was played."""
        for station in self._stations.values():
            station.session.closed()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._world.stop()


def _field(frame: list[Any], name: str) -> Any:
    return frame[2].get(name) if len(frame) > 2 and isinstance(frame[2], dict) else None
