"""What becomes of one call of a script's method: an answer, nothing, or a failure in words."""

import traceback
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bridge.api import Answer, RequestHandler
from bridge.errors import StationOffline
from bridge.scripting.calling import Outcome
from bridge.scripting.loading import line_in, summary

# Characters. A script may raise with a whole web page for its message.
SUMMARY_LENGTH = 500
TRACEBACK_LENGTH = 10_000

ANSWER_SIZE = 1024 * 1024  # bytes of an answer, as JSON


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """Why a method gave no answer. `blame`: it is the script's own fault, and counts towards switching it off.

    `left`: it is nobody's, the station has left meanwhile.
    """

    what: str
    line: int = 0
    trace: str = ""
    blame: bool = True
    left: bool = False


class Result(NamedTuple):
    """One call's answer, or its failure; neither: the script leaves the decision to the next one."""

    answer: Answer | None = None
    failure: Failure | None = None


def failure_of(path: Path, error: BaseException) -> Failure:
    """What is said of an error that a method of the script at `path` raised."""
    # As text, not as exc_info: a renderer may print every frame's variables, tokens and keys among them,
    # and for a long message it may take minutes.
    trace = "".join(traceback.format_exception(error))[:TRACEBACK_LENGTH]
    left = isinstance(error, StationOffline)
    return Failure(summary(error)[:SUMMARY_LENGTH], line_in(path, error) or 0, trace, blame=not left, left=left)


def checked(method: str, outcome: Outcome) -> Outcome:
    """The outcome itself if it holds an answer of the method's type with values of the right types, or None.

    Goes through JSON, as the answer will on its way to the station: what that cannot carry is a failure here,
    and nothing that the script may still change is left in the answer. What a hook returns is nobody's answer.
    """
    value, error = outcome
    if value is None or error is not None:
        return outcome
    expected = RequestHandler.answers.get(method)
    if expected is None:
        return Outcome()
    if type(value) is not expected:  # a script's own subclass could not leave the script's process
        wrong = f"returned {_kind(value)}, not {expected.__name__} or None"
        return Outcome(error=TypeError(wrong))
    try:
        text = msgspec.json.encode(value)
        if len(text) > ANSWER_SIZE:
            return Outcome(error=ValueError(f"returned {len(text)} bytes, more than {ANSWER_SIZE}"))
        return Outcome(msgspec.json.decode(text, type=expected))
    # msgspec's own errors, and whatever a script's object raises while it is encoded
    except Exception as wrong_value:  # noqa: BLE001
        return Outcome(error=wrong_value)


def _kind(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
