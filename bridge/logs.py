"""The log: structlog to stderr, one line per event, as key=value (a traceback follows) or as JSON.

    log = structlog.get_logger()
    log.info("station connected", station="CP001", address="10.0.0.7")

Libraries that log through the standard library come out the same way, from warning on.
"""

import contextlib
import json
import logging
import math
import re
import select
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Literal, TextIO, cast

import structlog
from websockets.exceptions import WebSocketException

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "console"]
Event = MutableMapping[str, Any]
Renderer = Callable[[Any, str, Event], str]

_PEERS_DOING = (WebSocketException, OSError, EOFError)
_PLAIN = re.compile(r"[\w.,:;/@%+<>\[\](){}*#-]+", re.ASCII)


PIECE = 1_000
"""Characters that a pipe which takes anything takes without a wait (PIPE_BUF is 4,096 bytes)."""
PATIENCE = 100
"""ms that the reader of the log is waited for in all, in PATIENT_EVERY. A line that it cannot take then is lost."""
PATIENT_EVERY = 10.0
"""s: a slow reader would else hold up all stations with each line that it takes."""


class _Output:
    """A stream whose reader may go away or read no more, and whose disk may be full: the log is lost then, and nothing
    else. To wait for it would hold up all stations, and a stop. `note` is the line that tells how many were lost.
    """

    def __init__(self, file: TextIO, note: Callable[[int], str]) -> None:
        self._file = file
        self._note = note
        self._lost = 0
        self._is_whole = True  # the last line
        self._patience = float(PATIENCE)  # ms that are left of it
        self._since = -math.inf  # when it began
        # Other threads write too, libraries past structlog's lock, and long lines are several pieces. Reentrant: what
        # the garbage collector ends in the midst of a line may have something to say.
        self._turn = threading.RLock()

    def write(self, text: str) -> None:
        with self._turn:
            self._write(text)

    def _write(self, text: str) -> None:
        text = text if self._is_whole else f"\n{text}"
        for start in range(0, len(text), PIECE):
            if not self._takes_more():
                self._lost += 1
                self._is_whole = self._is_whole and not start
                return
            with contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
                self._file.write(text[start : start + PIECE])
                self._file.flush()
        lost, self._lost, self._is_whole = self._lost, 0, True
        if lost:
            self._write(self._note(lost))

    def flush(self) -> None:
        """Nothing waits."""

    def _takes_more(self) -> bool:
        try:
            waiting = select.poll()
            waiting.register(self._file.fileno(), select.POLLOUT)
            return bool(waiting.poll(0)) or self._waits(waiting)
        except (AttributeError, OSError, ValueError):  # there is no such call, or it is no file
            return True

    def _waits(self, waiting: select.poll) -> bool:
        begun = time.monotonic()
        if begun > self._since + PATIENT_EVERY:
            self._patience, self._since = float(PATIENCE), begun
        if self._patience < 1:
            return False
        takes = bool(waiting.poll(self._patience))
        self._patience -= (time.monotonic() - begun) * 1000
        return takes


def configure(level: Level = "info", style: Format = "auto", file: TextIO | None = None) -> None:
    """Set the log up, once, before the first event. `auto` is `console` on a terminal, else `json`."""
    out = file or sys.stderr
    console = style == "console" or (style == "auto" and out.isatty())
    render: Renderer = _key_value if console else _json
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)

    def note(lost: int) -> str:
        return render(None, "", stamp(None, "", {"level": "warning", "event": "log.lines_lost", "lines": lost})) + "\n"

    output = _Output(out, note)
    common: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        stamp,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*common, render],
        # a level that is filtered out costs one empty call: debug stands on the hot path
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", output)),
        cache_logger_on_first_use=True,
    )
    _route_libraries(common, render, output)


def _route_libraries(common: list[Any], render: Renderer, out: _Output) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), _logger_name, *common],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    handler.addFilter(_not_a_peers_doing)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def _logger_name(_logger: Any, _method: str, event: Event) -> Event:
    event["logger"] = event["_record"].name
    return event


def _not_a_peers_doing(record: logging.LogRecord) -> bool:
    """Drop the tracebacks that websockets logs about peers that hang up or talk nonsense.

    Who accepts connections logs their ends, in one line each.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not (record.name.startswith("websockets") and isinstance(error, _PEERS_DOING))


def _in_order(event: Event) -> dict[str, Any]:
    first = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return {**first, **event}


def _json(_logger: Any, _method: str, event: Event) -> str:
    # not msgspec: frames may hold lone surrogates, which only the standard library writes
    return json.dumps(_in_order(event), default=repr)


def _key_value(_logger: Any, _method: str, event: Event) -> str:
    """One line; a traceback follows it, indented."""
    traceback = str(event.pop("exception", "")).splitlines()
    time, level, what, *values = _in_order(event).items()
    pairs = (f"{key}={_quoted(value)}" for key, value in values)
    line = " ".join([str(time[1]), f"{level[1]:<7}", _safe(str(what[1])), *pairs])
    return "\n".join([line, *(f"    {_safe(text)}" for text in traceback)])


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=repr)
    if _PLAIN.fullmatch(text):
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _safe(text: str) -> str:
    """Without line breaks and terminal escapes, which a station could send to forge or hide lines."""
    return text if text.isprintable() else json.dumps(text)[1:-1]
