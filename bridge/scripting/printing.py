"""What scripts print and log: out of their process as lines, and into the bridge's log, so many a second."""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

#: a line that begins with it is an event of structlog, as JSON (RFC 7464); any other was printed
RECORD = "\x1e"
LINE = 2_000  # characters of a line
LINES = 200  # a second
LAST_WORDS = 0.5  # s to read what a process has left
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

#: keys that mean something to the bridge's own log
_OURS = {"exc_info", "stack_info", "timestamp", "level", "event"}

log = structlog.get_logger()


# In the scripts' process


def configure() -> None:
    """Makes print, structlog and logging write lines that `Printed` understands, at once."""
    # New ones: those from before the fork were made for files, not for a pipe.
    sys.stdout, sys.stderr = (
        open(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        for number in (1, 2)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _record,
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logging.getLogger().handlers[:] = [handler]


def _record(_logger: Any, _method: str, event: Any) -> str:
    return RECORD + json.dumps(event, default=repr)[: 4 * LINE]


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event = {"event": record.getMessage(), "level": record.levelname.lower(), "logger": record.name}
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return _record(None, "", event)


# In the bridge


class Printed(asyncio.Protocol):
    """Reads a process's output and logs it. `traced` gets the lines instead, while it is set."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.traced: list[str] | None = None
        self._clock = clock
        self._rest = b""
        self._second, self._count = 0.0, 0
        self._transport: asyncio.ReadTransport | None = None
        self._read = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    async def close(self) -> None:
        """Ends the reading, once the process has ended: when all is read, or soon."""
        if self._transport is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await self._read.wait()
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        now = self._clock()
        if now - self._second >= 1:
            self._begin_second(now)
        if self._count > LINES and self.traced is None:
            self._rest = b""  # read all the same, or the script would stand still in its print
            return
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()[: 8 * LINE]
        for line in lines:
            self._line(line)
            if self._count > LINES and self.traced is None:
                break  # the bridge has better things to do than to look at each line of a flood

    def connection_lost(self, exc: Exception | None) -> None:
        if self._rest:
            self._line(self._rest)
        self._read.set()

    def _begin_second(self, now: float) -> None:
        if self._count > LINES:
            log.warning("handler.output_left_out", limit=f"{LINES} lines a second")
        self._second, self._count = now, 0

    def _line(self, raw: bytes) -> None:
        text = raw.decode("utf-8", "replace").rstrip("\r")
        if self.traced is not None:
            self.traced.append(text[:LINE])
            return
        self._count += 1
        if not text or self._count > LINES:
            return
        if text.startswith(RECORD) and self._event(text[1:]):
            return
        log.info("handler.printed", text=text[:LINE])

    def _event(self, text: str) -> bool:
        try:
            fields = json.loads(text)
            event, level = str(fields.pop("event")), _LEVELS.get(fields.pop("level", "info"), 20)
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            return False
        log.log(level, event, **{key: value for key, value in fields.items() if key not in _OURS})
        return True
