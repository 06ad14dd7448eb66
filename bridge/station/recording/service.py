"""Hands recordings to `ocpp-bridge record`, through a socket in the project's folder.

A socket, for what is recorded then belongs to whoever asked for it: the bridge writes no file, so no disk of its own
can become full, and when the command ends, however it does, the recording has ended too. Who may use it is who may
read the store: the socket is the owner's alone.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import msgspec
import structlog

from bridge import __version__
from bridge.station.recording.recorder import FORMAT, Recorder, Recording

log = structlog.get_logger()

SOCKET = "record.sock"
MAX_PATH = 100
"""Bytes of a socket's path: systems allow 104 or 108."""
MAX_RECORDINGS = 8
MAX_BACKLOG = 16_777_216
"""Bytes that wait for a command that does not read; what comes then is left out, and counted."""
MAX_ASKED = 1_048_576
"""Bytes of a request."""
ASK_TIMEOUT = 10.0  # s


class Asked(msgspec.Struct):
    """What a command asks for: the stations by their identities, none for all."""

    stations: list[str] = []
    hide_tokens: bool = False


class RecordingService:
    """Listens at `folder`/record.sock."""

    def __init__(self, folder: Path, recorder: Recorder) -> None:
        self._path = folder / SOCKET
        self._recorder = recorder
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listens. Where that is impossible the bridge runs without recordings, and says so."""
        if len(bytes(self._path)) > MAX_PATH:
            log.warning("recording.impossible", reason="the path of the project's folder is too long for a socket")
            return
        try:
            # The store's lock tells that no other bridge runs here: what is left is of one that was killed.
            self._path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=MAX_ASKED)
            self._path.chmod(0o600)
        except (OSError, NotImplementedError, AttributeError) as error:  # the latter: Windows has none
            log.warning("recording.impossible", reason=str(error))

    async def stop(self) -> None:
        """Ends all recordings."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            await self._record(reader, writer)
        except (OSError, ValueError, TimeoutError, msgspec.MsgspecError) as error:
            log.info("recording.refused", reason=str(error))
        finally:
            writer.close()

    async def _record(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(ASK_TIMEOUT):
            asked = msgspec.json.decode(await reader.readline(), type=Asked)
        if len(self._serving) > MAX_RECORDINGS:
            writer.write(msgspec.json.encode({"error": f"{MAX_RECORDINGS} recordings run already"}) + b"\n")
            return
        sink = _Sink(writer)
        recording = Recording(frozenset(asked.stations), sink.write, hide_tokens=asked.hide_tokens)
        recording.line({"recording": FORMAT, "program": f"ocpp-bridge {__version__}", "tokens": _tokens(asked)})
        log.info("recording.begun", stations=sorted(asked.stations) or "all")
        self._recorder.begin(recording)
        try:
            await reader.read(1)  # the command says nothing more, and closes when it ends
        finally:
            self._recorder.end(recording)
            log.info("recording.ended", left_out=sink.left_out)


def _tokens(asked: Asked) -> str:
    return "hidden" if asked.hide_tokens else "plain"


class _Sink:
    """Writes to a command, as long as it reads."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._transport: Any = writer.transport
        self._lost = 0  # lines since the last one that was written
        self.left_out = 0

    def write(self, line: bytes) -> None:
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() + len(line) > MAX_BACKLOG:
            self._lost += 1
            self.left_out += 1
            return
        if self._lost:
            line = msgspec.json.encode({"event": "lost", "lines": self._lost}) + b"\n" + line
            self._lost = 0
        self._transport.write(line)
