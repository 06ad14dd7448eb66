"""The RPC peer of one station's connection, without I/O: text in, what it means or what to send out.

    received = peer.receive(text)
      ReceivedCall    the station asks: end it with exactly one answer() or refuse()
      ReceivedResult  the answer to our CALL
      ReceivedError   our CALL failed
      Reply           send this text back; nothing else is to be done
      Dropped         nothing to send; log and count the reason

Rules (OCPP-J 1.6 §4, the same for every version unless its row in `versions` says otherwise):
- A binary frame is not OCPP-J: dropped, always, whatever it holds.
- An answer is never answered: an unreadable CALLRESULT for our CALL fails that CALL, any other is dropped.
- A CALL that comes again with the id and the text of an answered one gets the stored answer and has no
  second effect. While the first is being handled, it is dropped: the first's answer is the answer to both.
- The id of an answered CALL with another text is a new CALL: there are stations that count their ids from 1
  after each reboot. Under the id of a CALL that is being handled everything is dropped: an id has one answer.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from bridge.ocpp.frames import (
    CALL,
    Call,
    CallError,
    CallResult,
    FrameError,
    decode,
    encode_call,
    encode_error,
    encode_result,
)
from bridge.ocpp.schemas import Violation, schemas
from bridge.ocpp.versions import Version

Validation = Literal["strict", "lenient", "off"]

MAX_OPEN = 256
"""CALLs of a station that wait for our answer; more are refused. A well-behaved station has one."""
MAX_ANSWERED = 16
"""Answers that are kept for a CALL that comes again."""


class ReceivedCall(msgspec.Struct, frozen=True):
    """A CALL of the station. The caller ends it with exactly one `answer` or `refuse`."""

    id: str
    action: str
    payload: dict[str, Any]
    violations: tuple[Violation, ...] = ()


class ReceivedResult(msgspec.Struct, frozen=True):
    """The CALLRESULT of our CALL."""

    id: str
    action: str
    payload: dict[str, Any]
    violations: tuple[Violation, ...] = ()


class ReceivedError(msgspec.Struct, frozen=True):
    """Our CALL failed: the station's CALLERROR, or an answer that cannot be used."""

    id: str
    action: str
    code: str
    description: str
    details: dict[str, Any]


class Reply(msgspec.Struct, frozen=True):
    """A text to send back at once. `repeated`: the stored answer of a CALL that came again, not an error."""

    text: str
    reason: str
    repeated: bool = False


class Dropped(msgspec.Struct, frozen=True):
    """A frame that gets no answer."""

    reason: str


Received = ReceivedCall | ReceivedResult | ReceivedError | Reply | Dropped


class Outgoing(msgspec.Struct, frozen=True):
    """A CALL of ours: send the text, and wait for the result of this id."""

    id: str
    text: str


class Peer:
    """The state of one connection: our CALL that waits, the station's that wait, the last answers.

    new_id gives the message ids of our CALLs; it must never repeat one for this station.
    """

    __slots__ = ("_answered", "_new_id", "_open", "_outstanding", "_schemas", "_validation", "_version")

    def __init__(self, version: Version, validation: Validation, new_id: Callable[[], str]) -> None:
        self._version = version
        self._validation = validation
        self._new_id = new_id
        self._schemas = schemas(version)
        self._outstanding: tuple[str, str] | None = None  # id, action
        self._open: dict[str, int] = {}  # id → digest
        self._answered: dict[str, tuple[int, str]] = {}  # id → digest, answer; the oldest first

    def receive(self, data: str | bytes) -> Received:
        """What a frame of the station means: text as str, a binary frame as bytes. Never raises."""
        if not isinstance(data, str):
            return Dropped("a binary frame")
        try:
            frame = decode(data)
        except FrameError as error:
            return self._malformed(error)
        if isinstance(frame, Call):
            return self._called(frame)
        return self._settled(frame)

    def call(self, action: str, payload: Mapping[str, Any]) -> Outgoing:
        """The text of a CALL of ours, which is outstanding from now on. Does not validate: see `check_call`.

        Raises RuntimeError while another one is outstanding (OCPP-J 1.6 §4.1.1), ValueError for an action
        that this version has not, TypeError or ValueError for a payload that is no JSON.
        """
        if self._outstanding is not None:
            raise RuntimeError(f"{self._outstanding[1]} is still waiting for its answer")
        if action not in self._version.to_station:
            raise ValueError(f"OCPP {self._version.name} has no {action} to send to a station")
        message_id = self._new_id()
        text = encode_call(message_id, action, self._schemas.round_limits(action, dict(payload)))
        self._outstanding = message_id, action
        return Outgoing(message_id, text)

    def check_call(self, action: str, payload: Mapping[str, Any]) -> tuple[Violation, ...]:
        """What the schema has against sending this; () for nothing."""
        if action not in self._version.to_station:
            return (Violation("formation", "", f"OCPP {self._version.name} has no such action"),)
        return self._schemas.check_request(action, payload)

    def expire(self, message_id: str) -> None:
        """Our CALL has timed out: an answer that comes later is dropped. Any other id: nothing."""
        if self._outstanding is not None and self._outstanding[0] == message_id:
            self._outstanding = None

    def answer(self, message_id: str, payload: Mapping[str, Any]) -> str:
        """The CALLRESULT of a received CALL.

        Raises RuntimeError for a CALL that is not waiting for one, and TypeError or ValueError for a payload
        that is no JSON; the CALL still waits then.
        """
        self._must_wait(message_id)
        return self._finish(message_id, encode_result(message_id, payload))

    def refuse(self, message_id: str, code: str, description: str, details: Mapping[str, Any] | None = None) -> str:
        """The CALLERROR of a received CALL. Raises RuntimeError for a CALL that is not waiting for one."""
        self._must_wait(message_id)
        return self._finish(message_id, encode_error(message_id, code, description, details))

    def _must_wait(self, message_id: str) -> None:
        if message_id not in self._open:
            raise RuntimeError("the CALL is not waiting for an answer")

    def _finish(self, message_id: str, text: str) -> str:
        digest = self._open.pop(message_id)
        self._answered.pop(message_id, None)  # so that it goes to the end
        self._answered[message_id] = digest, text
        if len(self._answered) > MAX_ANSWERED:
            del self._answered[next(iter(self._answered))]
        return text

    # --- the station's CALLs ---

    def _called(self, call: Call) -> Received:
        if call.id in self._open:
            return Dropped(f"a CALL with the id of one that is being handled: {call.id}")
        digest, text = self._answered.get(call.id, (None, ""))
        if digest == call.digest:
            return Reply(text, f"a CALL that was answered before: {call.id}", repeated=True)
        if call.action not in self._version.from_station:
            return self._not_served(call)
        violations = self._check(call)
        if violations and self._validation == "strict":
            return self._error(call.id, self._code(violations), _told(violations))
        if len(self._open) >= MAX_OPEN:
            return self._error(call.id, "InternalError", "too many CALLs are waiting for their answers")
        self._open[call.id] = call.digest
        return ReceivedCall(call.id, call.action, call.payload, violations)

    def _check(self, call: Call) -> tuple[Violation, ...]:
        if self._validation == "off":
            return ()
        return _flaw(call) + self._schemas.check_request(call.action, call.payload)

    def _not_served(self, call: Call) -> Reply:
        """NotImplemented: nobody knows the action. NotSupported: it is not served (OCPP-J 1.6 §4.2.3)."""
        if call.action in self._version.unsupported or call.action in self._version.to_station:
            return self._error(call.id, "NotSupported", "this action is not one that a station may ask for")
        return self._error(call.id, "NotImplemented", "unknown action")

    def _malformed(self, error: FrameError) -> Received:
        version, message_id = self._version, error.message_id
        if error.kind == "message_type" and version.unknown_message_type == "ignore":
            return Dropped(error.description)
        if error.kind != "message_type" and error.message_type not in (CALL, None):
            return self._malformed_answer(error)
        if message_id is None:
            message_id = version.unreadable_id
        if message_id is None or message_id in self._open:
            return Dropped(error.description)
        return self._error(message_id, version.codes[error.kind], error.description)

    def _error(self, message_id: str, code: str, description: str) -> Reply:
        return Reply(encode_error(message_id, code, description), f"{code}: {description}")

    # --- the answers to our CALLs ---

    def _settled(self, frame: CallResult | CallError) -> Received:
        action = self._take(frame.id)
        if action is None:
            return Dropped("an answer that no CALL is waiting for")
        if isinstance(frame, CallError):
            return ReceivedError(frame.id, action, frame.code, frame.description, frame.details)
        if self._validation == "off":
            return ReceivedResult(frame.id, action, frame.payload)
        violations = _flaw(frame) + self._schemas.check_response(action, frame.payload)
        if violations and self._validation == "strict":
            return ReceivedError(frame.id, action, self._code(violations), _told(violations), {})
        return ReceivedResult(frame.id, action, frame.payload, violations)

    def _malformed_answer(self, error: FrameError) -> Received:
        action = self._take(error.message_id)
        if action is None or error.message_id is None:
            return Dropped(error.description)
        code = self._version.codes[error.kind]
        return ReceivedError(error.message_id, action, code, error.description, {})

    def _take(self, message_id: str | None) -> str | None:
        """The action of our CALL with this id, which waits no longer; None if none does."""
        if self._outstanding is None or self._outstanding[0] != message_id:
            return None
        action = self._outstanding[1]
        self._outstanding = None
        return action

    def _code(self, violations: tuple[Violation, ...]) -> str:
        return self._version.codes[violations[0].kind]


def _flaw(frame: Call | CallResult) -> tuple[Violation, ...]:
    return (Violation("formation", "", frame.flaw),) if frame.flaw else ()


def _told(violations: tuple[Violation, ...]) -> str:
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return f"{violations[0]}{more}"
