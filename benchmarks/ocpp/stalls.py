"""Runs the bridge (`python -m benchmarks.ocpp.stalls run`) and tells what held its event loop, whenever something did.

A thread looks at the loop's stack while the bridge's own measuring timer is late. Each stall is a line of JSON on
stderr, beside the bridge's log: how late the timer was, the CPU time of the loop's thread, for how long it waited for
the processor, the CPU time of the other threads, what the collector took (ms), and the innermost of the bridge's calls
that were seen, with how often.
"""

import gc
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from bridge import pauses
from bridge.cli import main as bridge_main

PROGRAM: Sequence[str] = (sys.executable, "-m", "benchmarks.ocpp.stalls")
EVENT = "benchmark.stall"
FIGURES = "late", "cpu", "waited", "others", "collector"
WATCHER = "watcher"
WORTH = 0.008  # s of CPU
EVERY = 0.002  # s between two looks
SHOWN = 6  # stacks of a stall
DEEP = 4  # calls of a stack
SCHEDULED = Path("/proc/self/schedstat")
ROOT = str(Path(pauses.__file__).parent)


class Watcher:
    """Looks over the shoulder of the thread that makes it, which the event loop is going to run in."""

    def __init__(self) -> None:
        self._thread = threading.main_thread().ident or 0
        self._clock = time.pthread_getcpuclockid(self._thread)
        self._beat = time.monotonic()
        self._used = self._all = self._waited = 0.0
        self._start = self._beat
        self._of_threads: dict[str, float] = {}
        self._seen: Counter[str] = Counter()
        self._collected = self._began = 0.0

    def watch(self) -> None:
        """Looks until the process ends."""
        while True:
            time.sleep(EVERY)
            if time.monotonic() - self._beat > pauses.INTERVAL + EVERY:
                self._seen[_stack(sys._current_frames()[self._thread])] += 1

    def beat(self) -> None:
        """The measuring timer has run."""
        now, used, everybody = time.monotonic(), time.clock_gettime(self._clock), time.process_time()
        late, cpu = now - self._beat - pauses.INTERVAL, used - self._used
        threads, waited = self._threads(), _waited()
        others = everybody - self._all - cpu - threads.pop(WATCHER, 0.0)
        if late > WORTH and cpu + others > WORTH:
            waits = waited - self._waited
            figures = zip(FIGURES, (late, cpu, waits, others, self._collected), strict=True)
            shown = {name: round(seconds * 1e3, 1) for name, seconds in figures}
            seen = self._seen.most_common(SHOWN)
            told = {"event": EVENT, "at": round(now - self._start, 1), **shown, "seen": seen}
            busy = {name: round(used * 1e3, 1) for name, used in threads.items() if used > 0.002}
            print(json.dumps({**told, "threads": busy}), file=sys.stderr)
        self._seen, self._collected = Counter(), 0.0
        self._beat, self._used, self._all, self._waited = now, used, everybody, waited

    def _threads(self) -> dict[str, float]:
        """CPU time of each other thread of Python since the last call."""
        before, self._of_threads = self._of_threads, {}
        for thread in threading.enumerate():
            if thread.ident and thread.ident != self._thread:
                with suppress(OSError):  # it has ended
                    self._of_threads[thread.name] = time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        return {name: used - before.get(name, 0.0) for name, used in self._of_threads.items()}

    def collects(self, phase: str, _: dict[str, int]) -> None:
        """What the collector says."""
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self._collected += time.perf_counter() - self._began


def _waited() -> float:
    """s for which the main thread could have run and the processor was not free."""
    return int(SCHEDULED.read_text("ascii").split()[1]) / 1e9


def _stack(frame: FrameType | None) -> str:
    """The innermost calls of the bridge, the innermost first, with the lines that they are at."""
    calls: list[str] = []
    while frame is not None and len(calls) < DEEP:
        code = frame.f_code
        if code.co_filename.startswith(ROOT):
            calls.append(f"{code.co_filename[len(ROOT) + 1 :]}:{frame.f_lineno} {code.co_name}")
        elif not calls:
            calls.append(f"{Path(code.co_filename).name} {code.co_name}")
        frame = frame.f_back
    return " < ".join(calls)


def main() -> None:
    watcher = Watcher()
    look = pauses.Pauses._look

    def looked(self: pauses.Pauses) -> None:
        watcher.beat()
        look(self)

    pauses.Pauses._look = looked  # type: ignore[method-assign]
    gc.callbacks.append(watcher.collects)
    threading.Thread(target=watcher.watch, name=WATCHER, daemon=True).start()
    bridge_main()


def report(lines: Sequence[str]) -> str:
    """What a bridge's log tells of stalls: the longest ones, and where the loop was in all of them together."""
    stalls = [json.loads(line) for line in lines if f'"event": "{EVENT}"' in line]
    stalls.sort(key=lambda stall: -float(stall["cpu"] + stall["others"]))
    everywhere: Counter[str] = Counter()
    shown = [f"{len(stalls)} stalls of more than {WORTH * 1e3:.0f} ms"]
    for number, stall in enumerate(stalls):
        everywhere.update(dict(stall["seen"]))
        if number < 12:
            figures = "  ".join(f"{name} {stall[name]:.0f}" for name in FIGURES)
            shown += [f"at {stall['at']:.1f} s: {figures} ms {stall['threads']}"]
            shown += [*(f"    {count} x {calls}" for calls, count in stall["seen"][:3])]
    shown += ["all together", *(f"    {count} x {calls}" for calls, count in everywhere.most_common(25))]
    return "\n".join(shown)


if __name__ == "__main__":
    main()
