"""Recordings of stations' frames: made while the bridge runs, and replayed without any station."""

import asyncio
import enum
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Annotated

import msgspec
import typer

from bridge import logs
from bridge.cli.options import ProjectOption, load
from bridge.cli.output import moment, plain, printable
from bridge.cli.running import run_async, stop_event
from bridge.config import Config
from bridge.errors import BridgeError, Problem, ProjectError
from bridge.project import Project
from bridge.replay import Line, Player, Step, World, read_recording
from bridge.station.recording.service import SOCKET, Asked

MAX_LINE = 16_777_216  # bytes
MEGABYTE = 1_000_000


class ReplayFormat(enum.StrEnum):
    """How the steps of a replay are printed."""

    TEXT = "text"
    JSON = "json"


Stations = Annotated[
    list[str] | None,
    typer.Option("--station", metavar="ID", help="Record this station; may be given again. Without it: all."),
]


def record(
    station: Stations = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Instead of stdout.", show_default=False)
    ] = None,
    hide_tokens: Annotated[
        bool, typer.Option("--hide-tokens", help="Write a code for each token, which nobody can turn back into it.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option("--seconds", metavar="S", min=0.0, help="End after so many seconds.")
    ] = None,
    max_size: Annotated[int, typer.Option("--max-size", metavar="MB", min=1, help="End at this size.")] = 100,
    project: ProjectOption = None,
) -> None:
    """Write the frames of stations as lines of JSON while the bridge runs, until Ctrl-C. Secrets are masked."""
    found, _ = load(project)
    asked = Asked(stations=station or [], hide_tokens=hide_tokens)
    lines, size = run_async(_record(found, asked, output, seconds, max_size * MEGABYTE))
    typer.echo(f"{lines} lines, {size} bytes", err=True)


async def _record(
    project: Project, asked: Asked, output: Path | None, seconds: float | None, most: int
) -> tuple[int, int]:
    """Copies lines until there are no more, or as many as wanted: how many, and their bytes."""
    stopped = stop_event()
    end = None if seconds is None else time.monotonic() + seconds
    lines = size = 0
    async with _connected(project, asked) as reader:
        head = await _head(reader)
        with _opened(output) as file:
            _write(file, head, output)
            typer.echo(f"recording {', '.join(asked.stations) or 'all stations'}; Ctrl-C ends it", err=True)
            async for line in _until(reader, stopped, end):
                if size + len(line) > most:
                    typer.echo("the recording has the size that it may have (--max-size)", err=True)
                    break
                _write(file, line, output)
                lines, size = lines + 1, size + len(line)
    return lines, size


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[bytes]]:
    if output is None:
        yield sys.stdout.buffer
        return
    try:
        # Tokens stand in it: it is for nobody else to read.
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise BridgeError(f"{output}: cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        yield file


def _write(file: IO[bytes], line: bytes, output: Path | None) -> None:
    try:
        file.write(line)
        file.flush()
    except OSError as error:  # of a full disk; what was written until now stands there
        raise BridgeError(f"{output or 'stdout'}: cannot be written: {error.strerror}") from None


@asynccontextmanager
async def _connected(project: Project, asked: Asked) -> AsyncIterator[asyncio.StreamReader]:
    path = project.state_dir / SOCKET
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=MAX_LINE)
    except PermissionError:
        raise BridgeError(f"{path}: only the user that runs the bridge may record") from None
    except (OSError, AttributeError):  # the latter: Windows has no such sockets
        what = "no bridge runs on this project, or it cannot record here (its log says why)"
        raise ProjectError([Problem(str(path), "", what)]) from None
    try:
        writer.write(msgspec.json.encode(asked) + b"\n")
        yield reader
    finally:
        writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    """The first line. Raises BridgeError where the bridge answers that it cannot record."""
    line = await reader.readline()
    said = msgspec.json.decode(line or b'{"error": "the bridge has stopped"}')
    if "error" in said:
        raise BridgeError(str(said["error"]))
    return line


async def _until(reader: asyncio.StreamReader, stopped: asyncio.Event, end: float | None) -> AsyncIterator[bytes]:
    """The lines, until the bridge stops, `stopped` is set, or the time `end` has come."""
    stopping = asyncio.ensure_future(stopped.wait())
    try:
        while True:
            reading = asyncio.ensure_future(reader.readline())
            left = None if end is None else max(0.0, end - time.monotonic())
            await asyncio.wait({reading, stopping}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                reading.cancel()
                return
            try:
                line = reading.result()
            except OSError:
                line = b""
            if not line.endswith(b"\n"):
                typer.echo("the bridge has stopped", err=True)
                return
            yield line
            if stopping.done():
                return
    finally:
        stopping.cancel()


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording.")],
    project: ProjectOption = None,
    form: Annotated[ReplayFormat, typer.Option("--format", help="How the steps are printed.")] = ReplayFormat.TEXT,
) -> None:
    """Run a recording through the project's scripts and points, without a station; print answers and changed points.

    Nothing of the project is changed. Fails if an answer is another one than was recorded.
    """
    found, config = load(project)
    lines = read_recording(file, lambda text: typer.echo(f"note: {text}", err=True))
    logs.configure("error", "console")
    different = run_async(_replay(found, config, lines, _PRINTERS[form]))
    if different:
        typer.echo(f"{different} differ from the recording", err=True)
        raise typer.Exit(1)


async def _replay(project: Project, config: Config, lines: list[Line], show: Callable[[Step], None]) -> int:
    """How many steps differ from what was recorded."""
    different = 0
    with tempfile.TemporaryDirectory(prefix="ocpp-bridge-replay-") as folder:
        world = World(project, config, Path(folder))
        player = Player(world, lines)
        try:
            async for step in player.play():
                different += bool(step.differences)
                show(step)
        finally:
            await player.close()
    for failure in world.failures:
        typer.echo(f"script: {failure}", err=True)
    return different


def _print_json(step: Step) -> None:
    typer.echo(msgspec.json.encode(step).decode())


def _print_text(step: Step) -> None:
    head = f"{moment(step.time)}  {step.station}"
    typer.echo(printable(f"{head}  {step.what}  {'' if step.frame is None else json.dumps(step.frame)}".rstrip()))
    if step.answer is not None:
        typer.echo(printable(f"  answer  {json.dumps(step.answer)}"))
    for difference in step.differences:
        typer.echo(printable(f"  DIFFERS {difference}"))
    for path, value in step.points.items():
        typer.echo(printable(f"  {path} = {plain(value)}"))


_PRINTERS: Mapping[ReplayFormat, Callable[[Step], None]] = {
    ReplayFormat.TEXT: _print_text,
    ReplayFormat.JSON: _print_json,
}
