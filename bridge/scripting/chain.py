"""The scripts in order: the first answer that is not None wins, and a script that fails is passed over."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import structlog

from bridge.api import (
    Answer,
    Authorization,
    BootNotificationAnswer,
    DataTransferAnswer,
    Request,
    RequestHandler,
)
from bridge.scripting.calling import Calls, Outcome
from bridge.scripting.loading import LoadedScript, line_in, summary

OnError = Literal["next", "reject"]

# Characters. A script may raise with a whole web page for its message.
LAST_ERROR_LENGTH = 500
TRACEBACK_LENGTH = 10_000

#: method → what `on_error = "reject"` answers in place of a script that failed
REJECTIONS: Mapping[str, Answer] = {
    "boot_notification": BootNotificationAnswer(status="Rejected"),
    "authorize": Authorization.invalid(),
    "start_transaction": Authorization.invalid(),
    "stop_transaction": Authorization.invalid(),
    "data_transfer": DataTransferAnswer(status="Rejected"),
}

log = structlog.get_logger(__name__)


class Chain:
    """Asks scripts in order, and counts what fails.

    `timeout` is each script's, in seconds. `on_failure` is called with each failure's text, on the loop.
    """

    def __init__(
        self,
        scripts: Sequence[LoadedScript],
        *,
        timeout: float,
        on_error: OnError = "next",
        on_failure: Callable[[str], None] | None = None,
    ) -> None:
        self.scripts = tuple(scripts)
        self.errors = 0
        self.last_error = ""
        self._calls = Calls(timeout)
        self._on_error = on_error
        self._on_failure = on_failure

    async def ask(self, method: str, request: Request) -> Answer | None:
        """The first script's answer to one of `RequestHandler.answers`; None: nobody decided."""
        for script in self.scripts:
            handler = script.method(method)
            if handler is None:
                continue
            outcome = checked(method, await self._calls.run(handler, request))
            if outcome.error is not None:
                self._failed(script, method, outcome.error, station=request.station.id)
                if self._on_error == "reject":
                    return REJECTIONS[method]
            elif outcome.value is not None:
                answer: Answer = outcome.value
                return answer
        return None

    async def tell(self, hook: str) -> None:
        """Runs `started` or `stopped` of every script; one that fails is logged and counted, no more."""
        for script in self.scripts:
            handler = script.method(hook)
            if handler is None:
                continue
            outcome = await self._calls.run(handler)
            if outcome.error is not None:
                self._failed(script, hook, outcome.error)

    def _failed(self, script: LoadedScript, method: str, error: BaseException, **about: str) -> None:
        line = line_in(script.path, error)
        place = f"{script.name}: line {line}" if line else script.name
        self.errors += 1
        self.last_error = f"{place}: {method}: {summary(error)}"[:LAST_ERROR_LENGTH]
        # As text, not as exc_info: a renderer may print every frame's variables, tokens and keys among them,
        # and for a long message it may take minutes, on the loop.
        trace = "".join(traceback.format_exception(error))[:TRACEBACK_LENGTH]
        log.error("handler.failed", script=script.name, method=method, **about, exception=trace)
        if self._on_failure is not None:
            self._on_failure(self.last_error)


def checked(method: str, outcome: Outcome) -> Outcome:
    """The outcome itself if it holds an answer of the method's type with values of the right types, or None.

    Goes through JSON, as the answer will on its way to the station: what that cannot carry is a failure here,
    and nothing that the script may still change is left in the answer.
    """
    value, error = outcome
    if value is None or error is not None:
        return outcome
    expected = RequestHandler.answers[method]
    if type(value) is not expected:  # a script's own subclass could not leave the script's process
        wrong = f"returned {_kind(value)}, not {expected.__name__} or None"
        return Outcome(error=TypeError(wrong))
    try:
        return Outcome(msgspec.json.decode(msgspec.json.encode(value), type=expected))
    # msgspec's own errors, and whatever a script's object raises while it is encoded
    except Exception as wrong_value:  # noqa: BLE001
        return Outcome(error=wrong_value)


def _kind(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
