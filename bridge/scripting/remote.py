"""The bridge's side of one process of scripts: asks it, and notices when it does not answer."""

import asyncio
from collections import deque
from typing import Any

import msgspec
import structlog

from bridge.api import RequestHandler, Station
from bridge.scripting.claims import SLOTS
from bridge.scripting.host import How, Owner
from bridge.scripting.outcome import Failure, Result
from bridge.scripting.process import Process
from bridge.scripting.serving import Desk
from bridge.scripting.wire import (
    FROM_SCRIPTS,
    NOTHING,
    Cancel,
    Cancelled,
    Dropped,
    Ended,
    Frame,
    Frames,
    Leave,
    Load,
    Loaded,
    Refused,
    Run,
    ToBridge,
    Wanted,
    frame,
    plain,
)

PATIENCE = 0.015  # s that a request may wait for its turn while nothing is heard from the process
BLOCKED = 0.1  # s after which that counts against the script
LOOK = 0.005  # s from one look at what waits to the next
STARVING = 0.5  # s after which that no CPU was free is no excuse
LATE = 0.01  # s by which such a look may be late before it is the bridge that was busy
LATE_LOOKS = 3  # one after the other: between them it has read what there was
ACKNOWLEDGED = 0.25  # s for a loop that turns to say so
BACKLOG = 16 * 1024 * 1024  # bytes that may wait for a process that does not read
ENDED = "it has ended"

log = structlog.get_logger()


class Moved(Exception):  # noqa: N818 - named for what happened
    """The request was not begun, and may be asked elsewhere."""


class Gone(Exception):  # noqa: N818 - the same
    """The process has ended before it had loaded its scripts."""


class _Asked:
    """A request that is with the process. `station` is the identity of the one that it is about, "" for a hook."""

    __slots__ = ("future", "method", "number", "script", "sent", "slot", "station")

    def __init__(self, number: int, slot: int, script: str, method: str, station: str, sent: float) -> None:
        self.number = number
        self.slot = slot
        self.script = script
        self.method = method
        self.station = station
        self.sent = sent
        self.future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()


class Worker(asyncio.Protocol):
    """One process. `loaded` is what it has loaded, `opened` is set once its scripts' `started` have run, `ended` once
    it is gone; `why` says what ended it, `trace` where it hung, `loading` which script was being loaded, from 1 on.
    """

    def __init__(self, owner: Owner["Worker"], process: Process, load: Load) -> None:
        self.loaded: asyncio.Future[Loaded] = asyncio.get_running_loop().create_future()
        self.opened = asyncio.Event()
        self.ended = asyncio.Event()
        self.why = ""
        self.trace = ""
        self.loading = 0
        self.asked: dict[int, _Asked] = {}
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._claims = process.claims
        self._slots = list(range(SLOTS))
        self._unbegun: deque[_Asked] = deque()
        self._taken_back: dict[int, int] = {}  # number → slot, until the process says that it has seen it
        self._given_up: dict[int, _Asked] = {}  # begun, until the process says that it has seen that nobody waits
        self._is_lost = False
        self._heard = 0.0
        self._since = 0.0  # it has been silent when it was last looked at
        self._starved = 0.0  # before that
        self._late = 0
        self._number = 0
        self._look: asyncio.TimerHandle | None = None
        self._waits: asyncio.TimerHandle | None = None
        self._ack: asyncio.TimerHandle | None = None
        self._desk = Desk(owner.services, owner.station, self._send)
        self._frames = Frames(ToBridge, FROM_SCRIPTS)
        self._transport: asyncio.WriteTransport | None = None
        self._ending: asyncio.Task[None] | None = None
        self._connecting = self._loop.create_task(self._connect(load))

    @property
    def is_up(self) -> bool:
        """Loaded and not ended."""
        return self.loaded.done() and not self.why

    async def _connect(self, load: Load) -> None:
        await self._process.connect(self)
        self._send(load)

    # Asking

    async def run(self, script: str, method: str, fields: bytes, station: Station | None, seconds: float) -> Result:
        """The outcome of one call of a script's method, after so many seconds at the latest.

        Raises Moved where the method has not been begun and this process will not begin it, or not now.
        """
        if not self.is_up or not self._slots or self._backlog() > BACKLOG:
            raise Moved
        asked = self._ask(script, method, fields, station)
        try:
            async with asyncio.timeout(seconds):
                return await asked.future
        except TimeoutError:
            begun = self._give_up(asked)
            what = f"no answer within {seconds:.3g} s" if begun else f"not begun within {seconds:.3g} s"
            return Result(failure=Failure(f"TimeoutError: {what}", blame=begun))
        except asyncio.CancelledError:
            self._give_up(asked)
            raise
        finally:
            del self.asked[asked.number]
            if asked.number not in self._taken_back:
                self._slots.append(asked.slot)

    def _ask(self, script: str, method: str, fields: bytes, station: Station | None) -> _Asked:
        self._number += 1
        slot = self._slots.pop()
        self._claims.reset(slot)
        identity, area = (station.id, station.area) if station is not None else ("", "")
        asked = self.asked[self._number] = _Asked(self._number, slot, script, method, identity, self._loop.time())
        self._unbegun.append(asked)
        self._send(Run(asked.number, slot, script, method, plain(identity), plain(area), msgspec.Raw(fields)))
        if self._look is None:
            self._look_later()
        return asked

    def _give_up(self, asked: _Asked) -> bool:
        """Nobody waits for the answer any more; returns whether the script had begun."""
        if self._take_back(asked):
            return False
        self._given_up[asked.number] = asked
        self._send(Cancel(asked.number))
        if self._ack is None:
            at = self._loop.time(), self._process.starved()
            self._ack = self._loop.call_later(ACKNOWLEDGED, self._not_acknowledged, *at)
        return True

    def _take_back(self, asked: _Asked) -> bool:
        """Whether the script has not begun, and won't."""
        if asked.number not in self.asked or self.ended.is_set() or not self._claims.take_back(asked.slot):
            return False
        self._taken_back[asked.number] = asked.slot
        return True

    def take_back_all(self) -> None:
        """Sends away what was not begun."""
        for asked in list(self.asked.values()):
            if not asked.future.done() and self._take_back(asked):
                asked.future.set_exception(Moved())
        self._unbegun.clear()

    # Watching

    def _look_later(self) -> None:
        self._look = self._loop.call_later(LOOK, self._look_at_waiting, self._loop.time() + LOOK)

    def _look_at_waiting(self, due: float) -> None:
        """A request that waits while nothing comes back is behind something that blocks."""
        self._look = None
        now, unbegun = self._loop.time(), self._unbegun
        while unbegun and (unbegun[0].number not in self.asked or self._claims.seen(unbegun[0].slot)):
            unbegun.popleft()
        if self.why or not unbegun:
            return
        since = max(unbegun[0].sent, self._heard)
        self._late = self._late + 1 if now - due >= LATE else 0
        if since != self._since:
            self._since, self._starved = since, self._process.starved()
        elif self._late in {0, LATE_LOOKS} and self._is_silent(now - since, PATIENCE, self._starved):
            self._late = 0
            if self._waits is None:
                self._lose("stuck")
                self._waits = self._loop.call_later(LOOK, self._look_at_silent, self._heard, since)
            self._owner.stuck(self)
        self._look_later()

    def _is_silent(self, silent: float, limit: float, starved: float) -> bool:
        """Whether a process that has said nothing for so many seconds could have for `limit` of them; `starved` is
        what it had been until then.
        """
        if silent < limit:
            return False
        return silent > limit + STARVING or silent - (self._process.starved() - starved) >= limit

    def _look_at_silent(self, heard: float, since: float) -> None:
        """A script that is through in a moment has kept nobody waiting for long."""
        self._waits = None
        if self._heard != heard or self.why:
            return
        if self._is_silent(self._loop.time() - since, BLOCKED, self._starved):
            self._lose("blocked")
        else:
            self._waits = self._loop.call_later(LOOK, self._look_at_silent, heard, since)

    def _not_acknowledged(self, since: float, starved: float) -> None:
        if not self._is_silent(self._loop.time() - since, ACKNOWLEDGED, starved):
            self._ack = self._loop.call_later(LOOK, self._not_acknowledged, since, starved)
            return
        self._ack = None
        self._lose("blocked")
        self.end("a script blocks it", traced=True)

    def _lose(self, how: How) -> None:
        """Scripts block the process, or have ended it: tells once who may have done so."""
        if self._is_lost or self.why:
            return
        self._is_lost = how != "stuck"
        begun = [asked for asked in self.asked.values() if not asked.future.done() and self._claims.begun(asked.slot)]
        suspects = {(asked.script, asked.station) for asked in (*begun, *self._given_up.values())}
        self._owner.lost(self, suspects, how)

    def _backlog(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    # The pipe

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        try:
            for message in self._frames.feed(data):
                self._take(message)
        except (ValueError, KeyError) as error:
            self._lose("ended")
            self.end(f"it sends nonsense: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose("ended")
        self.end(ENDED)

    def _send(self, message: Frame) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(message))

    def _take(self, message: ToBridge) -> None:
        if isinstance(message, Ended):
            asked = self.asked.get(message.number)
            if asked is not None and not asked.future.done():
                asked.future.set_result(_result(asked.method, message))
            self._worn(message.worn)
        elif isinstance(message, Wanted):
            self._desk.want(message, full=self._backlog() > BACKLOG)
        elif isinstance(message, Dropped):
            self._desk.drop(message.number)
        elif isinstance(message, Refused):
            self._slots.append(self._taken_back.pop(message.number))
        elif isinstance(message, Cancelled):
            self._given_up.pop(message.number, None)
            if self._ack is not None:
                self._ack.cancel()
                self._ack = None
            self._worn(message.worn)
        elif not self.loaded.done():
            self.loaded.set_result(message)

    def _worn(self, why: str) -> None:
        if why:
            self._owner.worn(self, why)

    # The end

    def leave(self) -> None:
        """Lets the process end."""
        self._send(Leave())
        self.end("it is not needed any more")

    def end(self, why: str, *, traced: bool = False) -> None:
        """Ends the process, whatever it does. `traced`: it says first where it hangs."""
        if not self.why:
            self.why = why
            self.take_back_all()
            self._ending = self._loop.create_task(self._end(traced))
            self._owner.ending(self)

    async def _end(self, traced: bool) -> None:
        code = await self._process.end(traced=traced)
        self.trace = self._process.trace
        how = f"exit code {code}" if code >= 0 else f"killed by signal {-code}"
        if self.why == ENDED:
            log.error("handlers.ended", pid=self._process.pid, how=how)
        self.why = f"the scripts' process has ended ({how})" if self.why == ENDED else f"ended: {self.why}"
        for timer in (self._look, self._waits, self._ack):
            if timer is not None:
                timer.cancel()
        self._connecting.cancel()
        if self._transport is not None:
            self._transport.close()
        self._desk.close()
        self._settle()
        self.loading = self._claims.loading
        self._claims.close()
        self.ended.set()
        self._owner.gone(self)

    def _settle(self) -> None:
        """What was begun has no answer, and is not begun again."""
        if self.trace and self.loaded.done():
            log.error("handlers.hung", pid=self._process.pid, exception=self.trace)
        for asked in self.asked.values():
            if not asked.future.done():
                asked.future.set_result(Result(failure=Failure(self.why, trace=self.trace)))
        if not self.loaded.done():
            self.loaded.set_exception(Gone())
            self.loaded.exception()  # seen, though nobody may wait for it


def _result(method: str, message: Ended) -> Result:
    """An answer is looked at again on this side."""
    if message.failure is not None:
        return Result(failure=message.failure)
    expected = RequestHandler.answers.get(method)
    if expected is None or message.answer == NOTHING:
        return Result()
    try:
        return Result(msgspec.msgpack.decode(bytes(message.answer), type=expected))
    except ValueError as error:
        return Result(failure=Failure(f"{type(error).__name__}: {error}"))
