"""One connection of a station: every CALL gets exactly one answer, our CALLs get theirs.

The server reads frames and hands them to `take`, which settles results at once and answers what nobody has to be asked
about. The other CALLs wait for a task that takes them in order. So a handler script may call the station that it is
deciding about.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import structlog

from bridge.errors import CallErrorAnswer, OcppError, StationOffline, StoreError
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
from bridge.ocpp.secrets import may_hold_secret
from bridge.points.tree import Group
from bridge.station.calls import Calls, Link
from bridge.station.context import Answer, Context
from bridge.station.dialects import DIALECTS, quick_decoders
from bridge.station.fixes import fixed, needs_fixing
from bridge.station.known import Connection, Known
from bridge.station.login_changes import CHANGES, call_with_care, forbidden
from bridge.station.messages import Messages
from bridge.station.model import Model
from bridge.station.profiles.settings import Settings

log = structlog.get_logger()

MAX_QUEUED = 131_072
"""Bytes of CALLs that wait to be answered; with more, nothing is read from the station until there are fewer."""

Employ = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Session:
    """A station's connection, from its handshake to its end.

    `connector(known, number)` gives the group of a connector, None for a number that no connector has. `before`
    is the session of the connection before, where it may still have something to do.
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
        validation = context.validation(known)
        self._is_strict = validation == "strict"
        self._peer = Peer(model.version, validation, new_id, quick_decoders(model))
        self._fixes = needs_fixing(known.settings)
        self._first = ""  # the action of its first CALL
        self._messages = Messages(context, known, model, self._dialect, connector)
        self._calls = Calls(context, known, link, self._peer, self._dialect)
        self._messages.clean = self._calls.clean
        self._queue: list[tuple[ReceivedCall, int]] = []  # with the sizes of their frames; no more than peer.MAX_OPEN
        self._queued = 0  # bytes, with those of the CALL that is being answered
        self._employ: Employ
        self._worker: asyncio.Task[None] | None = None  # while something waits; a station that is silent has none
        self._closed = False
        self._unanswered = 0  # CALLs that the worker has not finished
        self._then: tuple[Callable[..., None], tuple[object, ...]] | None = None
        self._late: list[tuple[Callable[..., None], tuple[object, ...]]] = []  # changes that wait for `before`
        self._shows_frames = log.is_enabled_for(logging.DEBUG)
        self.registration = known.registration  # what the station was last told
        self.overruled = ""  # what was decided about it since
        self.was_read = False  # its configuration has been asked for

    def begin(self, employ: Employ) -> None:
        """The connection is open. `employ` makes the tasks in which CALLs that take their time are answered."""
        self._employ = employ
        self._context.listen(self._known)
        if self._known.tap is not None:
            self._known.tap("open")
        if self._before is not None:
            self._worker = employ(self._work())

    @property
    def profile(self) -> int:
        """The security profile of the connection."""
        return self._link.profile

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
            self._calls.write(text)
        except StationOffline:
            pass
        if self._then is not None:
            (work, arguments), self._then = self._then, None
            if self._before is None:
                self._link.after(work, *arguments)
            else:
                self._late.append((work, arguments))

    def _receive(self, data: str | bytes) -> str | None:
        """Settles results, queues CALLs; returns a text to send back at once, if there is one."""
        known, context = self._known, self._context
        known.received += 1
        known.last_message = now = context.clock()
        known.heard = context.monotonic()
        if self._shows_frames:
            told = self._calls.told(data)
            log.debug("frame.received", station=known.id, frame="…" if may_hold_secret(told, known.hides) else told)
        if known.tap is not None:
            known.tap("in", self._calls.told(data))
        received = self._peer.receive(data)
        if isinstance(received, ReceivedQuick):
            return self._take_quickly(received, now)
        if isinstance(received, ReceivedCall):
            return self._take_call(received, len(data))
        if isinstance(received, ReceivedResult):
            if received.violations:
                told = self._calls.told(f"answer to {received.action}: {received.violations[0]}")
                self._messages.complain(str(told))
            self._calls.settle(received.id, received.payload)
        elif isinstance(received, ReceivedError):
            error = CallErrorAnswer(received.code, received.description, received.details)
            self._calls.settle(received.id, error)
            return received.reply or None
        elif isinstance(received, ReceivedSend):
            self._take_send(received)
        elif isinstance(received, Dropped):
            self._messages.complain(received.reason)
        else:
            return self._reply(received)
        return None

    def _take_call(self, call: ReceivedCall, size: int) -> str | None:
        if call.violations:
            self._messages.complain(f"{call.action}: {call.violations[0]}")
        if self._known.secrets is not None:
            payload = self._calls.cleaned(call.action, call.payload)
            call = ReceivedCall(call.id, call.action, payload, call.violations)
        if self._fixes:
            call = self._fixed(call)
        if self._unanswered == 0 and call.action in self._dialect.AUTOMATIC:
            return self._answer_at_once(call)
        self._unanswered += 1
        self._queue.append((call, size))
        self._queued += size
        if self._queued > MAX_QUEUED:
            self._link.hold()
        if self._worker is None:
            self._worker = self._employ(self._work())
        return None

    def _take_send(self, send: ReceivedSend) -> None:
        """What a station tells without an answer: it only changes what is shown."""
        call = ReceivedCall("", send.action, self._calls.cleaned(send.action, send.payload), send.violations)
        if self._fixes:
            call = self._fixed(call)
        if send.violations:
            self._messages.complain(f"{send.action}: {send.violations[0]}")
        if self.registration == "Accepted":
            self._messages.show(call, Answer({}, self._known.points), self._context.clock())

    def _fixed(self, call: ReceivedCall) -> ReceivedCall:
        payload = fixed(call.payload, self._known.settings, self._model.version.name)
        return ReceivedCall(call.id, call.action, payload, call.violations)

    def complain(self, reason: str) -> None:
        """Counts and shows what the station's handshake has otherwise than OCPP says."""
        self._messages.complain(reason, of_handshake=True)

    def _reply(self, reply: Reply) -> str:
        if not reply.repeated:
            self._messages.complain(reply.reason)
        return reply.text

    # What is answered

    async def _work(self) -> None:
        """Answers the station's CALLs in the order in which they came, until none waits or the connection closes."""
        try:
            if self._before is not None:  # the tree's changes come in the order of the station's messages
                await self._before.ended()
                self._before = None
                for work, arguments in self._late:
                    work(*arguments)
                self._late.clear()
            while self._queue and not self._closed:
                call, size = self._queue.pop(0)
                await self._answer(call)
                self._unanswered -= 1
                self._queued -= size
                if self._queued <= MAX_QUEUED:
                    self._link.release()
        finally:
            self._worker = None

    @property
    def is_busy(self) -> bool:
        """Whether something of what it has begun is left to do."""
        return self._worker is not None

    async def ended(self) -> None:
        """Waits until nothing of what it has begun is left to do."""
        if self._worker is not None:
            await asyncio.wait([self._worker])

    def _answer_at_once(self, call: ReceivedCall) -> str:
        """The answer to a CALL that nobody has to be asked about, when none waits before it: no task, no queue."""
        now = self._context.clock()
        try:
            self._check_registration(call)
            answer = self._automatic(call, now)
            text = self._peer.answer(call.id, answer.payload)
        except Exception as error:  # noqa: BLE001 - every CALL gets its answer
            return self._refuse(call, error)
        self._then = self._messages.show, (call, answer, now)
        return text

    def _take_quickly(self, call: ReceivedQuick, now: float) -> str | None:
        """The same for a message that is taken as a struct."""
        if self._unanswered or self._before is not None or self.registration != "Accepted" or self._fixes:
            return self._take_call(self._peer.open(call), len(call.text))
        quick = self._dialect.QUICK[call.action]
        try:
            group = self._connector(self._known, quick.connector(call.payload))
            if group is None:
                return self._take_call(self._peer.open(call), len(call.text))
            text = self._peer.acknowledge(call)
        except Exception as error:  # noqa: BLE001 - every CALL gets its answer
            return self._refuse(self._peer.open(call), error)
        self._then = self._messages.show_quickly, (call, quick, group, now)
        return text

    async def _answer(self, call: ReceivedCall) -> None:
        now = self._context.clock()
        answer: Answer | None = None
        try:
            self._check_registration(call)
            answer = await self._decide(call, now)
            text = self._peer.answer(call.id, answer.payload)
        except Exception as error:  # noqa: BLE001 - every CALL gets its answer
            text = self._refuse(call, error)
        # Where the connection has gone it is recorded all the same; the station sends it again and gets the same.
        with contextlib.suppress(StationOffline):
            await self._calls.send(text)
        if answer is not None:
            self._link.after(self._messages.show, call, answer, now)

    def _refuse(self, call: ReceivedCall, error: Exception) -> str:
        """The CALLERROR for a CALL that could not be answered; says nothing of our insides."""
        if isinstance(error, OcppError):
            self._messages.complain_of(call, str(error))
            return self._peer.refuse(call.id, error.code, error.description, error.details)
        about = {"station": self._known.id, "action": call.action}
        if isinstance(error, StoreError):
            log.error("store.failed", **about, error=str(error))
            return self._peer.refuse_for_now(call.id, "InternalError", "it could not be stored; send it again")
        log.error("call.failed", **about, exc_info=error)
        return self._peer.refuse(call.id, "InternalError", "the central system failed")

    def _automatic(self, call: ReceivedCall, now: float) -> Answer:
        return Answer(self._dialect.AUTOMATIC[call.action](now), self._messages.group(call))

    async def _decide(self, call: ReceivedCall, now: float) -> Answer:
        if call.action in self._dialect.AUTOMATIC:
            return self._automatic(call, now)
        decide = self._dialect.DECISIONS[call.action]
        group = self._messages.group(call)
        return await decide(self._context, self._known, group, self._messages.complete(call), now)

    def _check_registration(self, call: ReceivedCall) -> None:
        """A station that is not accepted may boot, and while Pending send what it was asked for (OCPP 1.6 §4.2)."""
        action = call.action
        if not self._first:
            self._first = action
        if action == "BootNotification":
            if self._first != action and action not in self._calls.triggered:
                self._messages.complain_of(call, f"{self._first} came before it")
            self._first = action
        elif self.registration == "Accepted":
            if self._is_strict and not self._known.record.boot and action not in self._calls.triggered:
                raise OcppError("SecurityError", "the station has never sent a BootNotification")
        else:
            waits = self._is_strict or self._dialect.STRICT_REGISTRATION
            if self.registration == "Rejected" or (waits and action not in self._calls.triggered):
                raise OcppError("SecurityError", f"the station's registration is {self.registration}")

    # What goes out

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
        if reason := forbidden(self._context, self._known, action, payload):
            raise ValueError(reason)
        if action not in self._model.version.to_station:
            raise ValueError(f"{action} is no action that an OCPP {self._model.version.name} station takes")
        violations = self._peer.check_call(action, payload)
        if violations:
            raise ValueError(f"{action}: " + "; ".join(f"{v.path}: {v.message}" for v in violations[:5]))

    async def call(
        self,
        action: str,
        payload: Mapping[str, Any],
        sent: Callable[[], None] | None = None,
        going: Callable[[], Awaitable[None]] | None = None,
    ) -> dict[str, Any]:
        """Sends a CALL when its turn comes and returns the response. `going` is awaited before that, `sent` tells that
        it has gone out.

        Raises CallErrorAnswer, CallTimeout or StationOffline.
        """
        if action in CHANGES:
            send = partial(self._calls.call, action, payload, sent, going)
            return await call_with_care(self._context, self._known, self._link.profile, action, payload, send)
        return await self._calls.call(action, payload, sent, going)

    def adopt(self, settings: Settings) -> None:
        """The station's profile has changed: how its messages are read from now on."""
        validation = self._context.validation(self._known)
        self._is_strict = validation == "strict"
        self._peer.adopt(validation)
        self._fixes = needs_fixing(settings)

    # The end

    def closed(self) -> None:
        """The connection is gone: what waits for an answer ends now, what was not begun is left to the station."""
        if self._known.tap is not None and self._known.session is self:
            self._known.tap("close")
        self._closed = True
        self._queue.clear()
        self._calls.close()

    def replaced(self) -> None:
        """A newer connection of the same station has taken over (OCPP-J 1.6 §5.2)."""
        self.closed()
        self._link.close(1000, "a newer connection has taken over")

    def removed(self) -> None:
        """The operator has removed the station; what connects again under its identity is an unknown one."""
        self.closed()
        self._link.close(1000, "the station has been removed")
