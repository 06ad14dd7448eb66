"""The log: structlog to stderr, one line per event, as key=value (a traceback follows) or as JSON.

    log = structlog.get_logger()
    log.info("station connected", station="CP001", address="10.0.0.7")

Libraries that log through the standard library come out the same way, from warning on.
"""

import contextlib
import json
import logging
import re
import sys
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


class _Output:
    """A stream whose reader may go away and whose disk may be full: the log is lost then, and nothing else."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
            self._file.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()


def configure(level: Level = "info", style: Format = "auto", file: TextIO | None = None) -> None:
    """Set the log up, once, before the first event. `auto` is `console` on a terminal, else `json`."""
    out = file or sys.stderr
    console = style == "console" or (style == "auto" and out.isatty())
    render: Renderer = _key_value if console else _json
    common: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*common, render],
        # a level that is filtered out costs one empty call: debug stands on the hot path
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Output(out))),
        cache_logger_on_first_use=True,
    )
    _route_libraries(common, render, out)


def _route_libraries(common: list[Any], render: Renderer, out: TextIO) -> None:
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
