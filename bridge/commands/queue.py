"""Sends commands to stations, one after the other, and shows in Result.* how each ended."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import structlog

from bridge.commands.prepared import Prepared
from bridge.commands.table import FOLDER, RESULT, Command
from bridge.errors import CallErrorAnswer, CallFailed, CallTimeout, Refused, StationOffline, StoreError
from bridge.ocpp.outcomes import outcome
from bridge.ocpp.secrets import Hides, hides_nothing, masked, masked_text
from bridge.points.rows import Value
from bridge.points.tree import Group, Quality, Sample, Station, Tree, Update
from bridge.points.values import MAX_TEXT, to_json
from bridge.store.records import CommandEnd, CommandRecord
from bridge.store.rows import QUEUED
from bridge.store.store import Store

log = structlog.get_logger()

SETPOINTS = frozenset({"ChangeConfiguration", "SetChargingProfile", "SetVariables"})
"""Commands that set a value: what waits for its turn when the bridge stops is sent after its restart. The others make
something happen, which nobody may want any more by then; they end."""
NOTED_WITHIN = 1.0
"""s that a disk has for the note that a command which is kept goes out; then it goes all the same."""


class Session(Protocol):
    """The connection of a station, as far as a command needs it."""

    async def call(
        self,
        action: str,
        payload: Mapping[str, Any],
        sent: Callable[[], None] | None = None,
        going: Callable[[], Awaitable[None]] | None = None,
    ) -> dict[str, Any]:
        """Sends a CALL when its turn comes and returns the response. `going` is awaited before that, `sent` tells that
        it has gone out. Raises CallFailed.
        """

    def refusal(self, action: str) -> str:
        """Why the protocol forbids the action now ("" if it does not), such as a Pending registration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended: Result.State by name, and what the station said."""

    state: str
    status: str = ""
    response: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    failure: CallFailed | None = None


#: how a CALL that failed is shown
_FAILURES: Mapping[type[CallFailed], str] = {
    CallErrorAnswer: "Failed",
    CallTimeout: "Timeout",
    StationOffline: "Offline",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request for a command: whose, by whom, the how-manieth, and its row in the store."""

    group: Group
    command: Command
    payload: dict[str, Any]
    user: str
    number: int
    handle: int
    hides: Hides
    kept: bool

    @property
    def station(self) -> str:
        return self.group.station.id if self.group.station else self.group.path


class CommandQueue:
    """All commands under way. A station's wait in its session for their turn, at most `limit` of them.

    `held`: by station, those that wait since before a restart, with their handles in the store.
    """

    def __init__(
        self,
        tree: Tree,
        store: Store,
        states: Mapping[str, int],
        *,
        limit: int,
        clock: Callable[[], float],
        done: Callable[[Group, str, dict[str, Any], dict[str, Any]], None],
    ) -> None:
        """`states` numbers Result.State; `done(group, action, payload, response)` hears of what was answered."""
        self._tree = tree
        self._store = store
        self._states = states
        self._limit = limit
        self._clock = clock
        self._done = done
        self._waiting: dict[str, set[asyncio.Task[Done]]] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._unsent: set[int] = set()  # handles of those that are kept
        self._leaving = False
        self.prepared = Prepared(store)
        self.held: dict[str, list[tuple[int, CommandRecord]]] = {}

    def restore(self, find: Callable[[str, str | None], Group | None]) -> None:
        """Shows how the last commands of before the restart ended, and what waits still; goes on counting.

        `find` gives the group of a station, or of one of its connectors, by identity and name.
        """
        for result in self._store.load_last_commands():
            group = find(result.station, result.connector)
            if group is None:
                continue
            self._numbers[group.path, result.action] = result.number
            values: dict[str, Value] = {
                "Status": result.status,
                "Response": result.response[:MAX_TEXT],
                "Error": result.error,
                "User": result.user,
                "Id": result.number,
                "Time": result.ended,
                "State": self._states.get(result.state),
                "StateText": result.state,
            }
            self._restore(group, result.action, values, result.ended)
        self.prepared.restore(self._tree, find)
        for handle, record in self._store.load_queued_commands():
            self.held.setdefault(record.station, []).append((handle, record))
            group = find(record.station, record.connector)
            if group is not None:
                self._numbers[group.path, record.action] = record.number
                values = {"User": record.user, "Id": record.number, "Time": record.requested}
                values |= {"State": self._states[QUEUED], "StateText": QUEUED}
                self._restore(group, record.action, values, record.requested)

    def _restore(self, group: Group, action: str, values: Mapping[str, Value], time: float) -> None:
        for name, value in values.items():
            slot = group.slot(f"{FOLDER}.{action}.{RESULT}.{name}")
            if slot is not None and value != group.row(slot).initial:
                self._tree.restore(group, slot, Sample(value, Quality.GOOD, time, time))

    def resume(
        self, held: tuple[int, CommandRecord], group: Group, session: Session, command: Command, hides: Hides
    ) -> None:
        """Sends, when its turn comes, one that was held."""
        handle, record = held
        self._unsent.add(handle)
        request = Request(group, command, record.payload, record.user, record.number, handle, hides, kept=True)
        log.info("command.resumed", station=record.station, action=record.action, user=record.user)
        self._begin(request, session)

    def drop(self, held: tuple[int, CommandRecord], group: Group | None, command: Command | None, reason: str) -> None:
        """One that was held cannot be sent any more."""
        handle, record = held
        self._end(handle, Done(state="Failed", error=reason), hides_nothing)
        log.warning("command.dropped", station=record.station, action=record.action, reason=reason)
        if group is not None and command is not None:
            request = Request(group, command, {}, record.user, record.number, handle, hides_nothing, kept=False)
            self._show(request, "Failed", Done(state="Failed", error=reason, failure=CallFailed(reason)))

    def send(
        self,
        group: Group,
        session: Session | None,
        command: Command,
        payload: dict[str, Any],
        user: str,
        hides: Hides = hides_nothing,
        *,
        keeps: bool = False,
    ) -> asyncio.Task[Done]:
        """Queues a command; the task ends with how it ended, whatever happens. `hides` tells what is not stored.

        `keeps`: nobody waits for its end, so that it may outlive a restart, if it is a setpoint without a secret.

        Raises Refused, and nothing has moved: BadNotConnected (offline), BadInvalidState (the protocol forbids
        it now), BadTooManyOperations (the queue is full).
        """
        station, session = self.admit(group, session, command)
        number = self._number(group, command)
        stored = masked(payload, hides)
        kept = keeps and command.action in SETPOINTS and stored == payload
        handle = self._store.log_command(
            CommandRecord(
                station=station.id,
                connector=None if group is station else group.path.rpartition(".")[2],
                action=command.action,
                user=user,
                payload=stored,
                requested=self._clock(),
                number=number,
                kept=kept,
            )
        )
        if kept:
            self._unsent.add(handle)
        request = Request(group, command, payload, user, number, handle, hides, kept)
        self._show(request, QUEUED)
        return self._begin(request, session)

    def admit(self, group: Group, session: Session | None, command: Command) -> tuple[Station, Session]:
        """Whose command it is, and the connection that it goes over. Raises Refused as `send` does."""
        station = group.station
        if session is None or station is None:
            raise Refused("BadNotConnected", "the station is not connected")
        if reason := session.refusal(command.action):
            raise Refused("BadInvalidState", reason)
        if len(self._waiting.get(station.id, ())) >= self._limit:
            raise Refused("BadTooManyOperations", f"{self._limit} commands wait for the station already")
        return station, session

    def _begin(self, request: Request, session: Session) -> asyncio.Task[Done]:
        station = request.station
        waiting = self._waiting.setdefault(station, set())
        task = asyncio.get_running_loop().create_task(self._run(request, session))
        waiting.add(task)
        task.add_done_callback(lambda ended: self._ended(station, ended))
        return task

    def leave(self) -> None:
        """The bridge is about to stop: what is kept and has not been sent waits for its next start."""
        self._leaving = True

    async def close(self) -> None:
        """Waits until every command has ended; the sessions are closed by now, so each ends at once."""
        tasks = [task for waiting in self._waiting.values() for task in waiting]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, station: str, task: asyncio.Task[Done]) -> None:
        waiting = self._waiting.get(station)
        if waiting is not None:
            waiting.discard(task)
            if not waiting:
                del self._waiting[station]

    def _number(self, group: Group, command: Command) -> int:
        key = group.path, command.action
        self._numbers[key] = self._numbers.get(key, 0) + 1 & 0xFFFFFFFF
        return self._numbers[key]

    async def _run(self, request: Request, session: Session) -> Done:
        try:
            done = await self._ask(request, session)
        except asyncio.CancelledError:
            done = Done(state="Failed", error="the bridge stopped", failure=StationOffline("the bridge stopped"))
        except Exception as error:  # a command ends in a final state whatever happens
            log.exception("command.failed", station=request.station, action=request.command.action)
            done = Done(state="Failed", error=str(error), failure=CallFailed(f"it could not be sent: {error}"))
        if not (self._leaving and request.handle in self._unsent):
            self._finish(request, done)
        return done

    async def _ask(self, request: Request, session: Session) -> Done:
        action = request.command.action
        try:
            going = partial(self._going, request) if request.kept else None
            response = await session.call(action, request.payload, partial(self._show, request, "Sent"), going)
        except CallFailed as error:
            # what a station says of an error may repeat what it was sent
            told = masked_text(str(error)) if isinstance(error, CallErrorAnswer) else str(error)
            return Done(state=_FAILURES.get(type(error), "Failed"), error=told, failure=error)
        accepted, status = outcome(action, response)
        return Done(state="Accepted" if accepted else "Rejected", status=status, response=response)

    async def _going(self, request: Request) -> None:
        """It is the turn of one that is kept. From now on no restart sends it again, even if this one never goes out:
        by then another setpoint may have come after it.
        """
        try:
            async with asyncio.timeout(NOTED_WITHIN):
                await self._store.send_command(request.handle)
        except (StoreError, TimeoutError) as error:
            about = {"station": request.station, "action": request.command.action}
            log.warning("command.not_noted", **about, error=str(error) or "the disk takes too long")
        self._unsent.discard(request.handle)

    def _finish(self, request: Request, done: Done) -> None:
        action = request.command.action
        self._unsent.discard(request.handle)
        self._end(request.handle, done, request.hides)
        log.info("command.ended", station=request.station, action=action, state=done.state, error=done.error)
        self._show(request, done.state, done)
        if done.failure is None:
            try:
                self._done(request.group, action, request.payload, done.response)
            except Exception:  # what a response changes in the tree does not change how the command ended
                log.exception("command.effect_failed", station=request.station, action=action)

    def _end(self, handle: int, done: Done, hides: Hides) -> None:
        self._store.end_command(
            CommandEnd(
                handle=handle,
                state=done.state,
                status=done.status or None,
                response=masked(done.response, hides) or None,
                error=done.error or None,
                ended=self._clock(),
            )
        )

    def _show(self, request: Request, state: str, done: Done | None = None) -> None:
        now = self._clock()
        response = ""
        if done is not None and done.failure is None:
            response = to_json(masked(done.response, request.hides))[:MAX_TEXT]
        values: dict[str, Value] = {
            "Status": done.status if done else "",
            "Response": response,
            "Error": done.error if done else "",
            "User": request.user,
            "Id": request.number,
            "Time": now,
            "State": self._states[state],
        }
        slots = ((request.group.slot(request.command.point(f"Result.{name}")), v) for name, v in values.items())
        self._tree.apply(request.group, [Update(slot, v, now) for slot, v in slots if slot is not None], now)
