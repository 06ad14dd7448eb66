"""`handlers`: what it costs that scripts run in a process of their own, and what it saves.

The answers of a script in its process and in the bridge's own are measured in turns, without a station. Then two
stations ask a running bridge for tokens, one after the other's token; the script does something wrong with the first
one's, and the longest wait of the other one is measured until the first one is answered. Between these, the same
with nothing wrong: what the machine itself lets a station wait.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Literal

from benchmarks.figures import Figure
from benchmarks.processes import RunningBridge, bridge_of, free_port
from benchmarks.station import Station, booted
from bridge.api import AuthorizeRequest
from bridge.project import init
from bridge.scripting.chain import Chains
from bridge.scripting.runner import Options, ScriptRunner

TITLE = "Handler scripts: an answer, and the wait of others while one misbehaves"
ROUNDS, ASKED = 20, 200
TIMEOUT = 1.0  # s, [handlers] timeout
SPARE = 1.5  # s for the bridge to have a spare process again
REPEATED = 3
CROWD = 10

SCRIPT = """\
import asyncio, os, re, time
from bridge.api import *

class Handler(RequestHandler):
    async def authorize(self, request):
        wrong = getattr(self, "_" + request.station.id.partition(".")[0], None)
        if wrong is not None:
            await wrong()
        return Authorization.accepted()

    async def _sleeps(self): time.sleep(0.9)
    async def _spins(self):
        while True: pass
    async def _regex(self): re.match(r"(a+)+$", "a" * 40 + "b")
    async def _exits(self): os._exit(1)
    async def _memory(self): return [bytearray(10**7) for _ in range(10**4)]
"""
WRONG = {
    "sleeps": "time.sleep(0.9) in an async def",
    "spins": "while True",
    "regex": "a catastrophic regular expression",
    "exits": "os._exit",
    "memory": "memory until there is none",
}
SAID = {**WRONG, "nothing": "nothing wrong", "crowd": f"os._exit, by {CROWD} stations at once"}


class _Place:
    """As much of a station as a script is sent."""

    id, area = "CP001", ""


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="ocpp-bridge-bench-") as scratch:
        folder = Path(scratch, "project")
        init(folder)
        (folder / "handlers" / "site.py").write_text(SCRIPT, "utf-8")
        answers = asyncio.run(_answers(folder / "handlers"))
        handlers = f'{{"scripts": ["site.py"], "timeout": {TIMEOUT}, "max_failures": 0, "memory": 300}}'
        with bridge_of(folder, free_port(), free_port(), {"OCPP_BRIDGE__HANDLERS": handlers}) as running:
            return answers + asyncio.run(_waits(running))


async def _answers(folder: Path) -> list[Figure]:
    async with _running(folder, "process") as apart, _running(folder, "inline") as inline:
        times: dict[ScriptRunner, list[float]] = {apart: [], inline: []}
        ratios = []
        for _ in range(ROUNDS):
            middles = {runner: await _ask(runner, found) for runner, found in times.items()}
            ratios.append(middles[apart] / middles[inline])
    ours, p99 = median(times[apart]), quantiles(times[apart], n=100)[98]
    note = f"median of {ROUNDS} rounds' ratios: {median(ratios):.1f} times that of the same script in the bridge"
    return [
        Figure("an answer of a script, p50", f"{ours * 1e6:.0f} µs", goal="100-200 µs", note=note),
        Figure("an answer of a script, p99", f"{p99 * 1e6:.0f} µs"),
        Figure("the same with isolation = inline, p50", f"{median(times[inline]) * 1e6:.0f} µs"),
    ]


@asynccontextmanager
async def _running(folder: Path, isolation: Literal["process", "inline"]) -> AsyncIterator[ScriptRunner]:
    runner = ScriptRunner(Chains(("site.py",)), folder.joinpath, Options(timeout=TIMEOUT, isolation=isolation))
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop()


async def _ask(runner: ScriptRunner, times: list[float]) -> float:
    request = AuthorizeRequest(station=_Place(), version="1.6", payload={"idTag": "A"}, id_token="A")  # type: ignore[arg-type]  # noqa: S106
    round_ = []
    for _ in range(ASKED):
        began = time.perf_counter()
        answer = await runner.ask("authorize", request)
        round_.append(time.perf_counter() - began)
        assert answer is not None
    times += round_
    return median(round_)


async def _waits(running: RunningBridge) -> list[Figure]:
    found: dict[str, list[float]] = {}
    async with booted(running.ocpp + "OTHER") as other:
        for _ in range(REPEATED):
            for name in WRONG:
                found.setdefault("nothing", []).append(await _longest(other, asyncio.sleep(TIMEOUT)))
                async with booted(running.ocpp + name) as station:
                    await asyncio.sleep(SPARE)
                    found.setdefault(name, []).append(await _longest(other, _authorize(station)))
            await asyncio.sleep(SPARE)
            found.setdefault("crowd", []).append(await _crowd(running, other))
    return [
        Figure(
            f"longest wait of another station: {SAID[name]}",
            f"{median(waits) * 1e3:.0f} ms",
            goal="" if name == "nothing" else "< 50 ms",
            note=f"of {len(waits)} times: {', '.join(f'{wait * 1e3:.0f}' for wait in sorted(waits))}",
        )
        for name, waits in found.items()
    ]


async def _crowd(running: RunningBridge, other: Station) -> float:
    async with AsyncExitStack() as stack:
        stations = [await stack.enter_async_context(booted(f"{running.ocpp}exits.{n}")) for n in range(CROWD)]
        return await _longest(other, asyncio.gather(*map(_authorize, stations)))


async def _longest(other: Station, meanwhile: Awaitable[Any]) -> float:
    """The longest that a station waits for the answer to an Authorize, until something is done."""
    task = asyncio.ensure_future(meanwhile)
    longest = 0.0
    while not task.done():
        began = time.perf_counter()
        await _authorize(other)
        longest = max(longest, time.perf_counter() - began)
        await asyncio.sleep(0.001)
    await task
    return longest


async def _authorize(station: Station) -> None:
    await station.call(("Authorize", {"idTag": "A"}))
