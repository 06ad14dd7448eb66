"""`python -m benchmarks.ocpp [NAME...]`: our bridge beside other central systems; all benchmarks if none is named."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from benchmarks.ocpp import calls, crowd, fleet, servers, storm, way
from benchmarks.ocpp.report import save, show
from benchmarks.ocpp.servers import ALL, RPC
from benchmarks.opcua.report import Row
from benchmarks.processes import allow_many_files

LIMIT = 200  # s for each; a benchmark that hangs ends, and its processes with it
ROUNDS = 3
BENCHMARKS: Mapping[str, tuple[str, Callable[[argparse.Namespace, Sequence[str]], Sequence[Row]]]] = {
    "calls": (calls.TITLE, lambda options, names: calls.run(names, options.rounds)),
    "way": (way.TITLE, lambda options, names: way.run(names, options.rounds)),
    "fleet": (fleet.TITLE, lambda options, names: fleet.run(names, options.stations)),
    "crowd": (crowd.TITLE, lambda options, names: crowd.run(names, options.stalls)),
    "storm": (storm.TITLE, lambda options, names: storm.run(names, options.stations, options.spread, options.stalls)),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ocpp", description="Central systems side by side.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--servers", default=",".join(ALL), help="which of them (%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often (%(default)s)")
    parser.add_argument("--stations", type=int, default=10_000, help="of fleet and storm (%(default)s)")
    parser.add_argument("--spread", type=float, default=storm.SPREAD, help="s in which the storm comes (%(default)s)")
    parser.add_argument("--stalls", action="store_true", help="tell what held the event loop, where ours is alone")
    parser.add_argument("--json", action="store_true", help="also write results.json")
    options = parser.parse_args()
    wanted = [name for name in ALL if name in options.servers.split(",")]
    if unknown := set(options.names) - BENCHMARKS.keys():
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    if RPC in wanted and (why := servers.unavailable()):
        print(f"There is no column for ocpp-rpc: {why}.\n")
        wanted.remove(RPC)
    allow_many_files()
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, _end)  # as an exception, so that every process that was started ends too
    began, results = time.monotonic(), dict[str, Sequence[Row]]()
    for name in options.names or BENCHMARKS:
        title, run = BENCHMARKS[name]
        signal.alarm(LIMIT)
        results[name] = run(options, wanted)
        show(title, results[name], f"make bench-ocpp ARGS={name}")
    if options.json:
        save(results)
    print(f"{time.monotonic() - began:.0f} s in all")


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit("it took too long" if number == signal.SIGALRM else "stopped")


if __name__ == "__main__":
    main()
