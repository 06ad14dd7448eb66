"""Sends commands to stations, one after the other, and shows in Result.* how each ended."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from bridge.commands.table import FOLDER, RESULT, Command
from bridge.errors import CallErrorAnswer, CallFailed, CallTimeout, Refused, StationOffline
from bridge.ocpp.outcomes import outcome
from bridge.ocpp.secrets import Hides, hides_nothing, masked, masked_text
from bridge.points.rows import Value
from bridge.points.tree import Group, Quality, Sample, Tree, Update
from bridge.points.values import MAX_TEXT, to_json
from bridge.store.records import CommandEnd, CommandRecord
from bridge.store.store import Store

log = structlog.get_logger()


class Session(Protocol):
    """The connection of a station, as far as a command needs it."""

    async def call(
        self, action: str, payload: Mapping[str, Any], sent: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        """Sends a CALL when its turn comes (`sent` tells) and returns the response. Raises CallFailed."""

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

    @property
    def station(self) -> str:
        return self.group.station.id if self.group.station else self.group.path


class CommandQueue:
    """All commands under way. A station's wait in its session for their turn, at most `limit` of them."""

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

    def restore(self, find: Callable[[str, str | None], Group | None]) -> None:
        """Shows how the last commands of before the restart ended, and goes on counting.

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
            for name, value in values.items():
                slot = group.slot(f"{FOLDER}.{result.action}.{RESULT}.{name}")
                if slot is not None and value != group.row(slot).initial:
                    self._tree.restore(group, slot, Sample(value, Quality.GOOD, result.ended, result.ended))

    def send(
        self,
        group: Group,
        session: Session | None,
        command: Command,
        payload: dict[str, Any],
        user: str,
        hides: Hides = hides_nothing,
    ) -> asyncio.Task[Done]:
        """Queues a command; the task ends with how it ended, whatever happens. `hides` tells what is not stored.

        Raises Refused, and nothing has moved: BadNotConnected (offline), BadInvalidState (the protocol forbids
        it now), BadTooManyOperations (the queue is full).
        """
        station = group.station
        if session is None or station is None:
            raise Refused("BadNotConnected", "the station is not connected")
        if reason := session.refusal(command.action):
            raise Refused("BadInvalidState", reason)
        waiting = self._waiting.setdefault(station.path, set())
        if len(waiting) >= self._limit:
            raise Refused("BadTooManyOperations", f"{self._limit} commands wait for the station already")
        number = self._number(group, command)
        handle = self._store.log_command(
            CommandRecord(
                station=station.id,
                connector=None if group is station else group.path.rpartition(".")[2],
                action=command.action,
                user=user,
                payload=masked(payload, hides),
                requested=self._clock(),
                number=number,
            )
        )
        request = Request(group, command, payload, user, number, handle, hides)
        self._show(request, "Queued")
        task = asyncio.get_running_loop().create_task(self._run(request, session))
        waiting.add(task)
        task.add_done_callback(lambda ended: self._ended(station.path, ended))
        return task

    async def close(self) -> None:
        """Waits until every command has ended; the sessions are closed by now, so each ends at once."""
        tasks = [task for waiting in self._waiting.values() for task in waiting]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, path: str, task: asyncio.Task[Done]) -> None:
        waiting = self._waiting.get(path)
        if waiting is not None:
            waiting.discard(task)
            if not waiting:
                del self._waiting[path]

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
        self._finish(request, done)
        return done

    async def _ask(self, request: Request, session: Session) -> Done:
        action = request.command.action
        try:
            response = await session.call(action, request.payload, lambda: self._show(request, "Sent"))
        except CallFailed as error:
            # what a station says of an error may repeat what it was sent
            told = masked_text(str(error)) if isinstance(error, CallErrorAnswer) else str(error)
            return Done(state=_FAILURES.get(type(error), "Failed"), error=told, failure=error)
        accepted, status = outcome(action, response)
        return Done(state="Accepted" if accepted else "Rejected", status=status, response=response)

    def _finish(self, request: Request, done: Done) -> None:
        action = request.command.action
        self._store.end_command(
            CommandEnd(
                handle=request.handle,
                state=done.state,
                status=done.status or None,
                response=masked(done.response, request.hides) or None,
                error=done.error or None,
                ended=self._clock(),
            )
        )
        log.info("command.ended", station=request.station, action=action, state=done.state, error=done.error)
        self._show(request, done.state, done)
        if done.failure is None:
            try:
                self._done(request.group, action, request.payload, done.response)
            except Exception:  # what a response changes in the tree does not change how the command ended
                log.exception("command.effect_failed", station=request.station, action=action)

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
