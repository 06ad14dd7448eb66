"""`python -m benchmarks.opcua [NAME...]`: our OPC UA server beside asyncua's and node-opcua's; all if none is named."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import FrameType

from benchmarks.opcua import answers, memory, servers, site, startup, subscriptions
from benchmarks.opcua.report import Row, save, show
from benchmarks.opcua.servers import ALL, NODE, Server, server
from benchmarks.processes import allow_many_files, running

LIMIT = 240  # s for each; a benchmark that hangs ends, and its processes with it
ROUNDS = 3
ENOUGH = 45.0  # s after which no other round begins: on a slow machine there are fewer


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.opcua", description="Three OPC UA servers side by side."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--servers", default=",".join(ALL), help="which of them (%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often (%(default)s)")
    parser.add_argument("--json", action="store_true", help="also write results.json")
    options = parser.parse_args()
    wanted = [name for name in ALL if name in options.servers.split(",")]
    if unknown := set(options.names) - BENCHMARKS.keys():
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    if NODE in wanted and (why := servers.unavailable()):
        print(f"There is no column for node-opcua: {why}.\n")
        wanted.remove(NODE)
    allow_many_files()
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, _end)  # as an exception, so that every process that was started ends too
    began, results = time.monotonic(), dict[str, Sequence[Row]]()
    for name in options.names or BENCHMARKS:
        title, run = BENCHMARKS[name]
        signal.alarm(LIMIT)
        results[name] = run(wanted, options.rounds)
        show(title, results[name], f"make bench-opcua ARGS={name}")
    if options.json:
        save(results)
    print(f"{time.monotonic() - began:.0f} s in all")


def _subscriptions(names: Sequence[str], rounds: int) -> Sequence[Row]:
    measured = subscriptions.Subscriptions()
    return _together(names, rounds, measured.warm, measured.round, measured.finished)


def _answers(names: Sequence[str], rounds: int) -> Sequence[Row]:
    measured = answers.Answers(_stations())
    return _together(names, rounds, measured.warm, measured.round, measured.finished)


def _stations() -> int:
    return site.stations_for(site.pattern(), subscriptions.ITEMS)


def _together(
    names: Sequence[str],
    rounds: int,
    warm: Callable[[Server], None],
    measure: Callable[[Server], None],
    finished: Callable[[], Sequence[Row]],
) -> Sequence[Row]:
    """Measures one server after the other, round after round, while the others are idle."""
    own = os.sched_getaffinity(0)
    with ExitStack() as stack:
        chosen = [stack.enter_context(server(name)) for name in names]
        for each in chosen:
            each.make(_stations())
        _share_cores(stack, chosen)
        try:
            for each in chosen:
                warm(each)
            began = time.monotonic()
            for _ in range(rounds):
                for each in chosen:
                    measure(each)
                if time.monotonic() - began > ENOUGH:
                    break
        finally:
            os.sched_setaffinity(0, own)
    return finished()


def _share_cores(stack: ExitStack, chosen: Sequence[Server]) -> None:
    """The servers on one core, this client on another, which a third process keeps busy whenever it waits.

    Two cores are often two threads of one: a server would run faster while its client has nothing to do.
    """
    found = servers.cores()
    if found is None:
        print("There are no two cores to choose from: server and client share what there is.\n")
        return
    first, second = found
    for each in chosen:
        each.child.stay_on(first)
    filler = stack.enter_context(running([sys.executable, "-c", "while True: pass"]))
    filler.fill_in()
    filler.stay_on(second)
    os.sched_setaffinity(0, {second})


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit("it took too long" if number == signal.SIGALRM else "stopped")


BENCHMARKS: Mapping[str, tuple[str, Callable[[Sequence[str], int], Sequence[Row]]]] = {
    "memory": (memory.TITLE, lambda names, _: memory.Memory().run(names)),
    "subscriptions": (subscriptions.TITLE, _subscriptions),
    "answers": (answers.TITLE, _answers),
    "start": (startup.TITLE, lambda names, _: startup.run(names)),
}

if __name__ == "__main__":
    main()
