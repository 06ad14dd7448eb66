"""One connection of a station: every CALL gets exactly one answer, our CALLs get theirs.

The server reads frames and hands them to `receive`, which settles results at once and queues the station's
CALLs. `work` takes them in order. So a handler script may call the station that it is deciding about.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Protocol

import structlog

from bridge.commands.inputs import masked, may_hold_secret
from bridge.errors import CallErrorAnswer, CallFailed, CallTimeout, OcppError, StationOffline, StoreError
from bridge.ocpp.peer import (
    Dropped,
    Peer,
    ReceivedCall,
    ReceivedError,
    ReceivedQuick,
    ReceivedResult,
    ReceivedSend,
    Reply,
)
from bridge.ocpp.schemas import schemas
from bridge.ocpp.typed import CallDecoder, call_decoder
from bridge.points.table import MessageSpec
from bridge.points.tree import Group, Update
from bridge.points.values import parse_time
from bridge.station import v16, v201
from bridge.station.context import Answer, Context, Dialect, Quick
from bridge.station.known import Connection, Known
from bridge.station.model import Model
from bridge.station.v2.addressing import place_of

log = structlog.get_logger()

#: what is a version's own, by its name
DIALECTS: Mapping[str, Dialect] = {v16.VERSION: v16, "2.0.1": v201, "2.1": v201}


class Link(Protocol):
    """The websocket of a session."""

    @property
    def remote(self) -> str:
        """The station's address."""

    def write(self, text: str) -> None:
        """Sends a frame. Raises StationOffline when the connection is gone."""

    async def drain(self) -> None:
        """Waits while the station does not read. Raises StationOffline."""

    def after(self, work: Callable[..., None], *arguments: object) -> None:
        """Calls `work`, which must not raise, once what was written until now has gone out."""

    def close(self, code: int, reason: str) -> None:
        """Begins to close the connection; returns at once."""


class Session:
    """A station's connection, from its handshake to its end.

    `connector(known, number)` gives the group of a connector, None for a number that no connector has. `before`
    is the session that this one replaces.
    """

    def __init__(
        self,
        context: Context,
        known: Known,
        model: Model,
        link: Link,
        new_id: Callable[[], str],
        connector: Callable[[Known, int], Group | None],
        before: Connection | None = None,
    ) -> None:
        self._context = context
        self._known = known
        self._model = model
        self._link = link
        self._connector = connector
        self._before = before
        self._dialect = DIALECTS[model.version.name]
        self._peer = Peer(model.version, context.settings.validation, new_id, _quick_decoders(model))
        self._calls: asyncio.Queue[ReceivedCall | None] = asyncio.Queue()
        self._turn = asyncio.Lock()
        self._waiting: tuple[str, asyncio.Future[dict[str, Any]]] | None = None
        self._closed = False
        self._unanswered = 0  # CALLs that the worker has not finished
        self._then: tuple[Callable[..., None], tuple[object, ...]] | None = None
        self._shows_frames = log.is_enabled_for(logging.DEBUG)
        self._triggered: frozenset[str] = frozenset()
        self.registration = known.registration  # what the station was last told
        self.overruled = ""  # what was decided about it since
        self.finished = asyncio.Event()

    @property
    def known(self) -> Known:
        return self._known

    # What comes in

    def take(self, data: str | bytes) -> None:
        """Takes a frame, and sends what can be answered at once."""
        if self._closed:
            return  # a newer connection has taken over: what the station sent over this one is of before
        text = self._receive(data)
        if text is None:
            return
        try:  # noqa: SIM105 - a context manager for each frame costs a microsecond
            self._write(text)
        except StationOffline:
            pass
        if self._then is not None:
            (work, arguments), self._then = self._then, None
            self._link.after(work, *arguments)

    def _receive(self, data: str | bytes) -> str | None:
        """Settles results, queues CALLs; returns a text to send back at once, if there is one."""
        known = self._known
        known.received += 1
        known.last_message = self._context.clock()
        known.heard = self._context.monotonic()
        if self._shows_frames:
            log.debug("frame.received", station=known.id, frame="…" if may_hold_secret(data) else data)
        received = self._peer.receive(data)
        if isinstance(received, ReceivedQuick):
            return self._take_quickly(received)
        if isinstance(received, ReceivedCall):
            if received.violations:
                first = received.violations[0]
                self._complain(f"{received.action}: {first.path}: {first.message}")
            return self._take_call(received)
        if isinstance(received, ReceivedResult):
            if received.violations:
                first = received.violations[0]
                self._complain(f"answer to {received.action}: {first.path}: {first.message}")
            self._settle(received.id, received.payload)
        elif isinstance(received, ReceivedError):
            error = CallErrorAnswer(received.code, received.description, received.details)
            self._settle(received.id, error)
            return received.reply or None
        elif isinstance(received, ReceivedSend):
            self._take_send(received)
        elif isinstance(received, Dropped):
            self._complain(received.reason)
        else:
            return self._reply(received)
        return None

    def _take_call(self, call: ReceivedCall) -> str | None:
        if self._unanswered == 0 and self._before is None and call.action in self._dialect.AUTOMATIC:
            return self._answer_at_once(call)
        self._unanswered += 1
        self._calls.put_nowait(call)
        return None

    def _take_send(self, send: ReceivedSend) -> None:
        """What a station tells without an answer: it only changes what is shown."""
        call = ReceivedCall("", send.action, send.payload, send.violations)
        if send.violations:
            self._complain(f"{send.action}: {send.violations[0].path}: {send.violations[0].message}")
        if self.registration == "Accepted":
            self._show(call, Answer({}, self._known.points), self._context.clock())

    def _reply(self, reply: Reply) -> str:
        if not reply.repeated:
            self._complain(reply.reason)
        return reply.text

    def _settle(self, message_id: str, result: dict[str, Any] | CallFailed) -> None:
        if self._waiting is None or self._waiting[0] != message_id or self._waiting[1].done():
            return
        if isinstance(result, CallFailed):
            self._waiting[1].set_exception(result)
        else:
            self._waiting[1].set_result(result)

    def _complain(self, reason: str) -> None:
        """Counts a message that broke the rules and shows it; the operator sees it, the connection lives."""
        known = self._known
        log.warning("message.invalid", station=known.id, reason=reason)
        try:
            self._count_invalid(reason)
        except Exception:  # whoever listens to the tree does not end the reading of frames
            log.exception("tree.failed", station=known.id)

    def _count_invalid(self, reason: str) -> None:
        group, now = self._known.points, self._context.clock()
        count, last = group.slot("State.InvalidMessages"), group.slot("State.LastError")
        if count is not None and last is not None:
            before = group.sample(count).value
            number = (before if isinstance(before, int) else 0) + 1 & 0xFFFFFFFF
            self._context.tree.apply(group, [Update(count, number), Update(last, reason)], now)

    def _complain_of(self, call: ReceivedCall, reason: str) -> None:
        if not call.violations:  # else it was counted when it came
            self._complain(f"{call.action}: {reason}")

    # What is answered

    async def work(self) -> None:
        """Answers the station's CALLs in the order in which they came, until the connection has closed."""
        try:
            if self._before is not None:  # the tree's changes come in the order of the station's messages
                await self._before.finished.wait()
                self._before = None
            while (call := await self._calls.get()) is not None and not self._closed:
                await self._answer(call)
                self._unanswered -= 1
        finally:
            self.finished.set()

    def _answer_at_once(self, call: ReceivedCall) -> str:
        """The answer to a CALL that nobody has to be asked about, when none waits before it: no task, no queue."""
        now = self._context.clock()
        try:
            self._check_registration(call.action)
            answer = self._automatic(call, now)
            text = self._peer.answer(call.id, answer.payload)
        except Exception as error:  # noqa: BLE001 - every CALL gets its answer
            return self._refuse(call, error)
        self._then = self._show, (call, answer, now)
        return text

    def _take_quickly(self, call: ReceivedQuick) -> str | None:
        """The same for a message that is taken as a struct."""
        if self._unanswered or self._before is not None or self.registration != "Accepted":
            return self._take_call(call.plain())
        quick = self._dialect.QUICK[call.action]
        try:
            group = self._connector(self._known, quick.connector(call.payload))
            if group is None:
                return self._take_call(call.plain())
            text = self._peer.answer(call.id, {})
        except Exception as error:  # noqa: BLE001 - every CALL gets its answer
            return self._refuse(call.plain(), error)
        self._then = self._show_quickly, (call, quick, group, self._context.clock())
        return text

    async def _answer(self, call: ReceivedCall) -> None:
        now = self._context.clock()
        answer: Answer | None = None
        try:
            self._check_registration(call.action)
            answer = await self._decide(call, now)
            text = self._peer.answer(call.id, answer.payload)
        except Exception as error:  # noqa: BLE001 - every CALL gets its answer
            text = self._refuse(call, error)
        # Where the connection has gone it is recorded all the same; the station sends it again and gets the same.
        with contextlib.suppress(StationOffline):
            await self.send(text)
        if answer is not None:
            self._link.after(self._show, call, answer, now)

    def _refuse(self, call: ReceivedCall, error: Exception) -> str:
        """The CALLERROR for a CALL that could not be answered; says nothing of our insides."""
        if isinstance(error, OcppError):
            self._complain_of(call, str(error))
            return self._peer.refuse(call.id, error.code, error.description, error.details)
        about = {"station": self._known.id, "action": call.action}
        if isinstance(error, StoreError):
            log.error("store.failed", **about, error=str(error))
            return self._peer.refuse(call.id, "InternalError", "it could not be stored; send it again")
        log.error("call.failed", **about, exc_info=error)
        return self._peer.refuse(call.id, "InternalError", "the central system failed")

    def _automatic(self, call: ReceivedCall, now: float) -> Answer:
        group = self._group(call, self._model.messages[call.action])
        return Answer(self._dialect.AUTOMATIC[call.action](now), group)

    async def _decide(self, call: ReceivedCall, now: float) -> Answer:
        if call.action in self._dialect.AUTOMATIC:
            return self._automatic(call, now)
        spec = self._model.messages[call.action]
        decide = self._dialect.DECISIONS[call.action]
        group = self._group(call, spec)
        return await decide(self._context, self._known, group, _complete(call, spec), now)

    def _check_registration(self, action: str) -> None:
        """A station that is not accepted may boot, and while Pending send what it was asked for (OCPP 1.6 §4.2)."""
        if action == "BootNotification" or self.registration == "Accepted":
            return
        strict = self._dialect.STRICT_REGISTRATION or self._context.settings.validation == "strict"
        if self.registration == "Rejected" or (strict and action not in self._triggered):
            raise OcppError("SecurityError", f"the station's registration is {self.registration}")

    def _group(self, call: ReceivedCall, spec: MessageSpec) -> Group | None:
        """What a message speaks of; a connector that cannot be is counted, and shown nowhere.

        The message is answered all the same: a failed check of a StartTransaction or MeterValues must not keep
        it from its answer, or the station sends it again (OCPP 1.6 §4.7, §4.8).
        """
        if spec.evse:
            return self._outlet(call, spec)
        field = spec.connector
        if not field:
            return self._known.points
        try:
            number = self._dialect.connector_number(self._known, call.payload, field)
        except OcppError as error:
            self._complain_of(call, error.description)
            return None
        group = self._connector(self._known, number)
        if group is None:
            self._complain_of(call, f"{field}: there is no connector {number}")
        return group

    def _outlet(self, call: ReceivedCall, spec: MessageSpec) -> Group | None:
        """The same for a message that speaks of an EVSE."""
        try:
            place = place_of(call.payload, spec.evse, spec.connector)
        except ValueError as error:
            self._complain_of(call, f"{spec.evse}: {error}")
            return None
        group = self._context.outlet(self._known, place)
        if group is None:
            self._complain_of(call, f"{spec.evse}: there is no EVSE {place.evse}")
        return group

    def _show(self, call: ReceivedCall, answer: Answer, now: float) -> None:
        """Lets the message change the tree, after it was answered: the station never waits for that."""
        if answer.group is None:
            return
        try:
            self._apply(call, answer, answer.group, now)
        except Exception:
            log.exception("tree.failed", station=self._known.id, action=call.action)

    def _show_quickly(self, call: ReceivedQuick, quick: Quick, group: Group, now: float) -> None:
        try:
            done = quick.take(self._context, self._known, group, call.payload, call.text, now)
        except Exception:
            log.exception("tree.failed", station=self._known.id, action=call.action)
        else:
            if not done:
                self._show(call.plain(), Answer({}, group), now)

    def _apply(self, call: ReceivedCall, answer: Answer, group: Group, now: float) -> None:
        known, action = self._known, call.action
        spec = self._model.messages[action]
        payload = _complete(call, spec)
        time, problem = self._time(payload.get(spec.time), now) if spec.time else (None, "")
        part = self._model.station if group is known.points else self._model.connector
        updates, unread = part.bindings.updates(action, payload, time, now)
        if action in part.bindings.responses:
            updates += part.bindings.answered(action, answer.payload, time, now)
        self._context.tree.apply(group, updates, now)
        left = self._dialect.take(self._context, known, group, action, payload, now)
        if answer.then is not None:
            answer.then(time)
        if problem or unread or left:
            for reason in filter(None, (problem, unread, left)):
                self._complain_of(call, reason)

    def _time(self, stamp: Any, now: float) -> tuple[float | None, str]:
        """The station's own time of a message, None where it cannot be believed or read."""
        if stamp is None:
            return None, ""
        try:
            return self._known.clock.heard(parse_time(stamp), now), ""
        except ValueError as error:
            return None, str(error)

    # What goes out

    def _write(self, text: str, shown: str = "") -> None:
        """Sends a frame, which the log shows as `shown` where it holds a secret. Raises StationOffline."""
        if self._shows_frames:
            log.debug("frame.sent", station=self._known.id, frame=shown or text)
        self._known.sent += 1
        self._link.write(text)

    async def send(self, text: str, shown: str = "") -> None:
        """Sends a frame and waits while the station does not read. Raises StationOffline."""
        self._write(text, shown)
        await self._link.drain()

    def refusal(self, action: str) -> str:
        """Why the protocol forbids to send an action now; "" if it may be sent (OCPP 1.6 §4.2)."""
        registrations = self.registration, self.overruled
        if "Rejected" in registrations:
            return "the station's registration is Rejected: it may not be sent anything"
        if "Pending" in registrations and action in self._dialect.FORBIDDEN_WHILE_PENDING:
            return f"the station's registration is Pending: {action} may not be sent"
        return ""

    def check_call(self, action: str, payload: Mapping[str, Any]) -> None:
        """Raises ValueError for a CALL that the action's schema or the station's registration does not allow."""
        if reason := self.refusal(action):
            raise ValueError(reason)
        if action not in self._model.version.to_station:
            raise ValueError(f"{action} is no action that an OCPP {self._model.version.name} station takes")
        violations = self._peer.check_call(action, payload)
        if violations:
            raise ValueError(f"{action}: " + "; ".join(f"{v.path}: {v.message}" for v in violations[:5]))

    async def call(
        self, action: str, payload: Mapping[str, Any], sent: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        """Sends a CALL when its turn comes, one at a time (OCPP-J 1.6 §4.1.1), and returns the response.

        Raises CallErrorAnswer, CallTimeout or StationOffline.
        """
        async with self._turn:
            self._check_open()
            outgoing = self._peer.call(action, payload)
            future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            self._waiting = outgoing.id, future
            self._triggered |= self._dialect.triggered(action, payload)  # may come before the answer is looked at
            try:
                async with asyncio.timeout(self._context.settings.call_timeout):
                    await self._link.drain()  # or CALLs that time out would pile up before a station that reads nothing
                    await self.send(outgoing.text, _shown(action, payload))
                    if sent is not None:
                        sent()
                    return await future
            except TimeoutError:
                seconds = self._context.settings.call_timeout
                raise CallTimeout(f"no answer to {action} within {seconds:g} s") from None
            finally:
                self._waiting = None
                self._peer.expire(outgoing.id)
                if future.done() and not future.cancelled():
                    future.exception()  # seen, though nobody may have come as far as to await it

    def _check_open(self) -> None:
        if self._closed:
            raise StationOffline("the connection to the station is closed")

    # The end

    def closed(self) -> None:
        """The connection is gone: what waits for an answer ends now, what was not begun is left to the station."""
        self._closed = True
        self._calls.put_nowait(None)
        if self._waiting is not None and not self._waiting[1].done():
            self._waiting[1].set_exception(StationOffline("the connection closed before the answer came"))

    def replaced(self) -> None:
        """A newer connection of the same station has taken over (OCPP-J 1.6 §5.2)."""
        self.closed()
        self._link.close(1000, "a newer connection has taken over")


@cache
def _quick_decoders(model: Model) -> Mapping[str, CallDecoder]:
    """What decodes the messages of the quick way: those that no row of the table speaks of."""
    bound = [
        bindings
        for part in (model.station, model.connector)
        for bindings in (part.bindings.requests, part.bindings.responses)
    ]
    return {
        action: call_decoder(action, schemas(model.version).request(action))
        for action in DIALECTS[model.version.name].QUICK
        if not any(action in bindings for bindings in bound)
    }


def _complete(call: ReceivedCall, spec: MessageSpec) -> dict[str, Any]:
    """The payload with what a field that is not there means."""
    return {**spec.defaults, **call.payload} if spec.defaults else call.payload


def _shown(action: str, payload: Mapping[str, Any]) -> str:
    """What the log shows of a CALL with a secret in it; "" for one without."""
    hidden = masked(action, payload)
    return f"{action} {hidden}" if hidden != payload else ""
