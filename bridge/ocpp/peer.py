"""The RPC peer of one station's connection, without I/O: text in, what it means or what to send out.

    received = peer.receive(text)
      ReceivedCall    the station asks: end it with exactly one answer() or refuse()
      ReceivedResult  the answer to our CALL
      ReceivedError   our CALL failed; `reply` is what to send back, if anything
      Reply           send this text back; nothing else is to be done
      ReceivedSend    what the station tells without waiting for an answer (OCPP 2.1)
  Dropped         nothing to send; log and count the reason

Rules (OCPP-J 1.6 §4, the same for every version unless its row in `versions` says otherwise):
- A binary frame is not OCPP-J: dropped, always, whatever it holds.
- An answer is never answered: an unreadable CALLRESULT for our CALL fails that CALL, any other is dropped.
- A CALL that comes again with the id and the text of an answered one gets the stored answer and has no
  second effect. While the first is being handled, it is dropped: the first's answer is the answer to both.
- A CALLRESULTERROR for our CALL fails it; one for an answer of ours tells that the station could not use it.
- Where validation is lenient, a payload that breaks its schema is given with what can be understood of it put right
  (`repair`), and with what was wrong.
- The id of an answered CALL with another text is a new CALL: there are stations that count their ids from 1
  after each reboot. Under the id of a CALL that is being handled everything is dropped: an id has one answer.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from bridge.ocpp.frames import (
    CALL,
    CALLRESULTERROR,
    SEND,
    Call,
    CallError,
    CallResult,
    FrameError,
    ResultError,
    Send,
    decode,
    encode_call,
    encode_error,
    encode_result,
    encode_result_error,
)
from bridge.ocpp.repair import repaired
from bridge.ocpp.schemas import Violation, schemas
from bridge.ocpp.typed import CallDecoder
from bridge.ocpp.versions import Version

Validation = Literal["strict", "lenient", "off"]

MAX_OPEN = 256
"""CALLs of a station that wait for our answer; more are refused. A well-behaved station has one."""
MAX_ANSWERED = 16
"""Answers that are kept for a CALL that comes again."""
HASH = (1 << 60) - 1
"""Hashes of texts are kept with this many bits: an int of 64 takes half as much room again."""
QUICK_HEAD = 80
"""Characters in which the action of a CALL is looked for: `[2,"<id>","<action>"`."""
ID = 4
"""Where the id stands in a CALL without blanks."""


class ReceivedCall(msgspec.Struct, frozen=True):
    """A CALL of the station. The caller ends it with exactly one `answer` or `refuse`."""

    id: str
    action: str
    payload: dict[str, Any]
    violations: tuple[Violation, ...] = ()


class ReceivedQuick(msgspec.Struct, frozen=True):
    """A CALL as `ReceivedCall`, with nothing wrong with it, whose payload is a struct (`typed`). The caller ends it at
    once with `acknowledge`, or has it wait as any other with `open`.
    """

    id: str
    action: str
    payload: Any
    text: str
    empty: str
    """The CALLRESULT whose payload is empty."""

    def plain(self) -> ReceivedCall:
        """The same CALL with its payload as JSON has it."""
        frame = decode(self.text)
        return ReceivedCall(self.id, self.action, cast("Call", frame).payload)


class ReceivedResult(msgspec.Struct, frozen=True):
    """The CALLRESULT of our CALL."""

    id: str
    action: str
    payload: dict[str, Any]
    violations: tuple[Violation, ...] = ()


class ReceivedError(msgspec.Struct, frozen=True):
    """Our CALL failed: the station's CALLERROR, or an answer that cannot be used.

    `reply`: the CALLRESULTERROR that tells the station so (OCPP 2.1), "" for nothing to send.
    """

    id: str
    action: str
    code: str
    description: str
    details: dict[str, Any]
    reply: str = ""


class ReceivedSend(msgspec.Struct, frozen=True):
    """A SEND of the station (OCPP 2.1 part 4 §4.2.5): it changes what is shown, and is never answered."""

    action: str
    payload: dict[str, Any]
    violations: tuple[Violation, ...] = ()


class Reply(msgspec.Struct, frozen=True):
    """A text to send back at once. `repeated`: the stored answer of a CALL that came again, not an error."""

    text: str
    reason: str
    repeated: bool = False


class Dropped(msgspec.Struct, frozen=True):
    """A frame that gets no answer."""

    reason: str


Received = ReceivedCall | ReceivedQuick | ReceivedResult | ReceivedError | ReceivedSend | Reply | Dropped


class Outgoing(msgspec.Struct, frozen=True):
    """A CALL of ours: send the text, and wait for the result of this id."""

    id: str
    text: str


class Peer:
    """The state of one connection: our CALL that waits, the station's that wait, the last answers.

    new_id gives the message ids of our CALLs; it must never repeat one for this station. quick: what decodes CALLs to
    structs where nothing is wrong with them, behind what stands in their heads (`"MeterValues"`).
    """

    __slots__ = ("_answered", "_new_id", "_open", "_outstanding", "_quick", "_schemas", "_validation", "_version")

    def __init__(
        self,
        version: Version,
        validation: Validation,
        new_id: Callable[[], str],
        quick: Sequence[tuple[str, CallDecoder]] = (),
    ) -> None:
        self._version = version
        self._validation = validation
        self._new_id = new_id
        self._schemas = schemas(version)
        self._quick = quick
        self._outstanding: tuple[str, str] | None = None  # id, action
        self._open: dict[str, int] = {}  # id → digest
        # The answers to the last CALLs, the oldest first: hash of the id → digest of the CALL; with the answer's text,
        # where its payload is not empty, as it nearly always is. A thousand stations keep a dozen each.
        self._answered: dict[int, int | tuple[int, str]] = {}

    def adopt(self, validation: Validation) -> None:
        """Judges what comes from now on by another mode."""
        self._validation = validation

    def receive(self, data: str | bytes) -> Received:
        """What a frame of the station means: text as str, a binary frame as bytes. Never raises."""
        if not isinstance(data, str):
            return Dropped("a binary frame")
        if (quick := self._quickly(data)) is not None:
            return quick
        try:
            frame = decode(data)
        except FrameError as error:
            return self._malformed(error)
        if isinstance(frame, Call):
            return self._called(frame)
        if isinstance(frame, CallResult | CallError):
            return self._settled(frame)
        if not self._version.sends:
            kind = SEND if isinstance(frame, Send) else CALLRESULTERROR
            return self._malformed(FrameError("message_type", "unknown message type", frame.id, kind))
        return self._told_of(frame) if isinstance(frame, Send) else self._unusable(frame)

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
        text = encode_result(message_id, payload)
        self._finish(message_id, text if payload else None)
        return text

    def acknowledge(self, call: ReceivedQuick) -> str:
        """`answer` with an empty payload, for a CALL that was received as a struct."""
        answered = self._answered
        answered[hash(call.id) & HASH] = hash(call.text) & HASH
        if len(answered) > MAX_ANSWERED:
            del answered[next(iter(answered))]
        return call.empty

    def open(self, call: ReceivedQuick) -> ReceivedCall:
        """The same CALL, to be answered or refused as any other."""
        self._open[call.id] = hash(call.text) & HASH
        return call.plain()

    def refuse(self, message_id: str, code: str, description: str, details: Mapping[str, Any] | None = None) -> str:
        """The CALLERROR of a received CALL. Raises RuntimeError for a CALL that is not waiting for one."""
        self._must_wait(message_id)
        text = encode_error(message_id, code, description, details)
        self._finish(message_id, text)
        return text

    def refuse_for_now(self, message_id: str, code: str, description: str) -> str:
        """`refuse` of a CALL that is to be sent again: then it is handled anew, whatever its id."""
        self._must_wait(message_id)
        del self._open[message_id]
        return encode_error(message_id, code, description)

    def _must_wait(self, message_id: str) -> None:
        if message_id not in self._open:
            raise RuntimeError("the CALL is not waiting for an answer")

    def _finish(self, message_id: str, text: str | None) -> None:
        """The CALL waits no longer. text: its answer, None for the CALLRESULT with an empty payload."""
        digest, key, answered = self._open.pop(message_id), hash(message_id) & HASH, self._answered
        answered.pop(key, None)  # so that it goes to the end
        answered[key] = digest if text is None else (digest, text)
        if len(answered) > MAX_ANSWERED:
            del answered[next(iter(answered))]

    def _repeated(self, call: Call) -> str | None:
        """The answer to a CALL that was answered before."""
        found = self._answered.get(hash(call.id) & HASH)
        if isinstance(found, tuple):
            return found[1] if found[0] == call.digest & HASH else None
        return encode_result(call.id, {}) if found == call.digest & HASH else None

    # --- the station's CALLs ---

    def _quickly(self, text: str) -> ReceivedQuick | None:
        """A CALL that may take the quick way; None for everything that needs a second look."""
        for mark, decode_call in self._quick:
            if text.find(mark, ID, QUICK_HEAD) >= 0:
                return self._good(decode_call, text)
        return None

    def _good(self, decode_call: CallDecoder, text: str) -> ReceivedQuick | None:
        try:
            _, message_id, action, payload = decode_call(text)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        if message_id in self._open or hash(message_id) & HASH in self._answered or len(self._open) >= MAX_OPEN:
            return None
        plain = text.startswith(f'[2,"{message_id}"')  # without an escape
        empty = f'[3,"{message_id}",{{}}]' if plain else encode_result(message_id, {})
        return ReceivedQuick(message_id, action, payload, text, empty)

    def _called(self, call: Call) -> Received:
        if call.id in self._open:
            return Dropped(f"a CALL with the id of one that is being handled: {call.id}")
        if (text := self._repeated(call)) is not None:
            return Reply(text, f"a CALL that was answered before: {call.id}", repeated=True)
        if call.action not in self._version.from_station:
            return self._not_served(call)
        violations = self._check(call)
        if violations and self._validation == "strict":
            return self._error(call.id, self._code(violations), _told(violations))
        if len(self._open) >= MAX_OPEN:
            return self._error(call.id, "InternalError", "too many CALLs are waiting for their answers")
        self._open[call.id] = call.digest & HASH
        payload = self._repaired(call) if violations else call.payload
        return ReceivedCall(call.id, call.action, payload, violations)

    def _check(self, call: Call) -> tuple[Violation, ...]:
        return () if self._validation == "off" else self._violations(call)

    def _violations(self, frame: Call | Send) -> tuple[Violation, ...]:
        return _flaw(frame) + self._schemas.check_request(frame.action, frame.payload)

    def _repaired(self, frame: Call | Send) -> dict[str, Any]:
        return repaired(self._schemas.request(frame.action), frame.payload)

    def _told_of(self, send: Send) -> Received:
        """A SEND gets no answer, not even a CALLERROR, whatever is wrong with it."""
        if send.action not in self._version.sends:
            return Dropped("a SEND of an action that is none")
        violations = () if self._validation == "off" else self._violations(send)
        if violations and self._validation == "strict":
            return Dropped(f"{send.action}: {_told(violations)}")
        return ReceivedSend(send.action, self._repaired(send) if violations else send.payload, violations)

    def _not_served(self, call: Call) -> Reply:
        """NotImplemented: nobody knows the action. NotSupported: it is not served (OCPP-J 1.6 §4.2.3)."""
        version = self._version
        if call.action in version.unsupported | version.sends or call.action in version.to_station:
            return self._error(call.id, "NotSupported", "this action is not one that a station may ask for")
        return self._error(call.id, "NotImplemented", "unknown action")

    def _malformed(self, error: FrameError) -> Received:
        version, message_id, kind = self._version, error.message_id, error.kind
        if error.message_type in (CALLRESULTERROR, SEND) and not version.sends:
            kind = "message_type"
        if kind == "message_type" and version.unknown_message_type == "ignore":
            return Dropped(error.description)
        if error.message_type == SEND and version.sends:
            return Dropped(error.description)
        if kind != "message_type" and error.message_type not in (CALL, None):
            return self._malformed_answer(error)
        if message_id is None:
            message_id = version.unreadable_id
        if message_id is None or message_id in self._open:
            return Dropped(error.description)
        return self._error(message_id, version.codes[kind], error.description)

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
            return self._useless(frame.id, action, self._code(violations), _told(violations))
        payload = repaired(self._schemas.response(action), frame.payload) if violations else frame.payload
        return ReceivedResult(frame.id, action, payload, violations)

    def _malformed_answer(self, error: FrameError) -> Received:
        action = self._take(error.message_id)
        if action is None or error.message_id is None:
            return Dropped(error.description)
        code = self._version.codes[error.kind]
        return self._useless(error.message_id, action, code, error.description)

    def _useless(self, message_id: str, action: str, code: str, description: str) -> ReceivedError:
        """An answer that cannot be used; a version that has CALLRESULTERROR tells the station so."""
        reply = encode_result_error(message_id, code, description) if self._version.sends else ""
        return ReceivedError(message_id, action, code, description, {}, reply)

    def _unusable(self, frame: ResultError) -> Received:
        action = self._take(frame.id)
        if action is not None:
            return ReceivedError(frame.id, action, frame.code, frame.description, frame.details)
        if hash(frame.id) & HASH in self._answered:
            return Dropped(f"the station cannot use an answer of ours: {frame.code}: {frame.description}")
        return Dropped("a CALLRESULTERROR for no answer of ours")

    def _take(self, message_id: str | None) -> str | None:
        """The action of our CALL with this id, which waits no longer; None if none does."""
        if self._outstanding is None or self._outstanding[0] != message_id:
            return None
        action = self._outstanding[1]
        self._outstanding = None
        return action

    def _code(self, violations: tuple[Violation, ...]) -> str:
        return self._version.codes[violations[0].kind]


def _flaw(frame: Call | CallResult | Send) -> tuple[Violation, ...]:
    return (Violation("formation", "", frame.flaw),) if frame.flaw else ()


def _told(violations: tuple[Violation, ...]) -> str:
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return f"{violations[0]}{more}"
