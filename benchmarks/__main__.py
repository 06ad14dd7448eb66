"""`python -m benchmarks [NAME...] [--json]`: runs the benchmarks, all if none is named, and prints their figures."""

import argparse
import logging
import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType

from benchmarks import calls, device_model, handlers, latency, memory, stations, write
from benchmarks.figures import RESULTS, Figure, save, show
from benchmarks.processes import allow_many_files

BENCHMARKS: Mapping[str, tuple[str, Callable[[], list[Figure]]]] = {
    "ocpp": (calls.TITLE, calls.run),
    "memory": (memory.TITLE, memory.run),
    "latency": (latency.TITLE, latency.run),
    "write": (write.TITLE, write.run),
    "handlers": (handlers.TITLE, handlers.run),
    "stations": (stations.TITLE, stations.run),
    "model": (device_model.TITLE, device_model.run),
}
LIMIT = 240  # s for each; a benchmark that hangs ends, and its processes with it


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The figures of the README.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--json", action="store_true", help=f"also write {RESULTS.name}")
    options = parser.parse_args()
    if unknown := set(options.names) - BENCHMARKS.keys():
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    allow_many_files()
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, _end)  # as an exception, so that every process that was started ends too
    logging.getLogger("asyncua").setLevel(logging.ERROR)  # the client remarks on every session
    began, results = time.monotonic(), dict[str, list[Figure]]()
    for name in options.names or BENCHMARKS:
        title, run = BENCHMARKS[name]
        signal.alarm(LIMIT)
        results[name] = run()
        show(name, title, results[name])
    if options.json:
        save(results)
    print(f"{time.monotonic() - began:.0f} s in all")


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit("it took too long" if number == signal.SIGALRM else "stopped")


if __name__ == "__main__":
    main()
