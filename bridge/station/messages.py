"""What a station's message speaks of, and what it changes in the tree once it has been answered."""

from collections.abc import Callable
from typing import Any

import structlog

from bridge.errors import OcppError
from bridge.ocpp.peer import ReceivedCall, ReceivedQuick
from bridge.points.table import MessageSpec
from bridge.points.tree import Group
from bridge.points.values import parse_time
from bridge.station.context import Answer, Context, Dialect, Quick
from bridge.station.known import Known
from bridge.station.model import Model
from bridge.station.v2.addressing import place_of

log = structlog.get_logger()


class Messages:
    """The messages of one station. `connector` gives the group of a connector, None for a number that none has."""

    def __init__(
        self,
        context: Context,
        known: Known,
        model: Model,
        dialect: Dialect,
        connector: Callable[[Known, int], Group | None],
    ) -> None:
        self._context = context
        self._known = known
        self._model = model
        self._dialect = dialect
        self._connector = connector
        self.clean: Callable[[str], str] = str  # takes secrets out of a text in which there may be a station's words

    # What breaks the rules

    def complain(self, reason: str, *, of_handshake: bool = False) -> None:
        """Counts a message that broke the rules and shows it; the operator sees it, the connection lives."""
        known, reason = self._known, self.clean(reason)
        log.warning("message.invalid", station=known.id, reason=reason)
        try:
            (known.conformance.connects if of_handshake else known.conformance.deviates)(known.received)
            self._show_invalid(reason)
        except Exception:  # whoever listens to the tree does not end the reading of frames
            log.exception("tree.failed", station=known.id)

    def _show_invalid(self, reason: str) -> None:
        known = self._known
        before = known.points.value("State.InvalidMessages")
        self._context.set_points(
            known.points,
            {
                "State.InvalidMessages": (before if isinstance(before, int) else 0) + 1 & 0xFFFFFFFF,
                "State.LastError": reason,
                "State.Conformance": known.conformance.share(known.received),
            },
        )

    def complain_of(self, call: ReceivedCall, reason: str) -> None:
        """The same of a CALL, unless it was counted when it came."""
        if not call.violations:
            self.complain(f"{call.action}: {reason}")

    # What it speaks of

    def group(self, call: ReceivedCall) -> Group | None:
        """What a message speaks of; a connector that cannot be is counted, and shown nowhere.

        The message is answered all the same: a failed check of a StartTransaction or MeterValues must not keep
        it from its answer, or the station sends it again (OCPP 1.6 §4.7, §4.8).
        """
        spec = self._model.messages[call.action]
        if spec.evse:
            return self._outlet(call, spec)
        field = spec.connector
        if not field:
            return self._known.points
        if call.payload.get(field) is None:
            self.complain_of(call, f"{field} is missing")
        try:
            number = self._dialect.connector_number(self._known, call.payload, field)
        except OcppError as error:
            self.complain_of(call, error.description)
            return None
        group = self._connector(self._known, number)
        if group is None:
            self.complain_of(call, f"{field}: there is no connector {number}")
        return group

    def _outlet(self, call: ReceivedCall, spec: MessageSpec) -> Group | None:
        """The same for a message that speaks of an EVSE."""
        try:
            place = place_of(call.payload, spec.evse, spec.connector)
        except ValueError as error:
            self.complain_of(call, f"{spec.evse}: {error}")
            return None
        group = self._context.outlet(self._known, place)
        if group is None:
            self.complain_of(call, f"{spec.evse}: there is no EVSE {place.evse}")
        return group

    def complete(self, call: ReceivedCall) -> dict[str, Any]:
        """The payload with what a field that is not there means."""
        spec = self._model.messages[call.action]
        return {**spec.defaults, **call.payload} if spec.defaults else call.payload

    # What it changes

    def show(self, call: ReceivedCall, answer: Answer, now: float) -> None:
        """Lets the message change the tree, after it was answered: the station never waits for that."""
        unread = ""
        try:
            unread = "" if answer.group is None else self._apply(call, answer, answer.group, now)
        except Exception:
            log.exception("tree.failed", station=self._known.id, action=call.action)
        if problem := "; ".join(filter(None, (answer.problem, unread))):
            self.complain_of(call, problem)

    def show_quickly(self, call: ReceivedQuick, quick: Quick, group: Group, now: float) -> None:
        """The same for a message that was taken as a struct."""
        try:
            done = quick.take(self._context, self._known, group, call.payload, now)
        except Exception:
            log.exception("tree.failed", station=self._known.id, action=call.action)
        else:
            if not done:
                self.show(call.plain(), Answer({}, group), now)

    def _apply(self, call: ReceivedCall, answer: Answer, group: Group, now: float) -> str:
        """Returns what could not be read."""
        known, action = self._known, call.action
        payload, field = self.complete(call), self._model.messages[action].time
        if answer.meant:
            payload = {**payload, **answer.meant}
        time, problem = self._time(payload.get(field), now) if field else (None, "")
        part = self._model.station if group is known.points else self._model.connector
        updates, unread = part.bindings.updates(action, payload, time, None if problem else now)
        if action in part.bindings.responses:
            updates += part.bindings.answered(action, answer.payload, time, now)
        self._context.tree.apply(group, updates, now)
        left = self._dialect.take(self._context, known, group, action, payload, now)
        more = None if answer.then is None else answer.then(time)
        return "; ".join(filter(None, (problem or unread, left, more)))

    def _time(self, stamp: Any, now: float) -> tuple[float | None, str]:
        """The station's own time of a message, None where it cannot be believed or read."""
        if stamp is None:
            return None, ""
        try:
            return self._known.clock.heard(parse_time(stamp), now), ""
        except ValueError as error:
            return None, str(error)
