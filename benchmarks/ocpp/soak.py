"""`python -m benchmarks.ocpp.soak`: stations that charge, reconnect and get commands, and two OPC UA clients, for long.

It prints the bridge's memory once in a while and, at the end, the slope of a line through what came after the first
fifth, and everything that went wrong.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import linear_regression

from benchmarks.ocpp import scripts
from benchmarks.ocpp.client import monitoring, read
from benchmarks.ocpp.servers import Project, share_cores, shown, with_stations
from benchmarks.opcua import services
from benchmarks.opcua.wire import Channel
from benchmarks.processes import allow_many_files

INTERVAL = 500.0  # ms, the clients' publishing interval
WATCHED = 1000  # points of each client
STEPS = 30  # of which each begins with commands
COMMANDS = 20  # in a step
FLAT = 1.0  # MB a minute
#: what the stations themselves bring about: who reconnects says that its connectors are free
EXPECTED = "handlers.every_token_accepted", "transaction.lost"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ocpp.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long (%(default)s)")
    parser.add_argument("--stations", type=int, default=5000, help="how many (%(default)s)")
    parser.add_argument("--rate", type=float, default=500, help="CALLs a second of all stations (%(default)s)")
    parser.add_argument("--reconnects", type=float, default=20, help="stations a second that go and come (%(default)s)")
    options = parser.parse_args()
    allow_many_files()
    with ExitStack() as stack:
        errors = run(stack, options)
    sys.exit(1 if errors else 0)


def run(stack: ExitStack, options: argparse.Namespace) -> int:
    started = stack.enter_context(stack.enter_context(Project.made()).running())
    server = shown(started)
    site = stack.enter_context(with_stations(server, options.stations))
    site.stations.do("open", "full", 0)
    paths = [scripts.watched(station)[0] for station in range(min(WATCHED, options.stations))]
    energy = [f"{scripts.identity(n)}.Connector1.MeterValues.{scripts.ENERGY}" for n in range(len(paths))]
    clients = [stack.enter_context(monitoring(server.endpoint, each, INTERVAL)) for each in (paths, energy)]
    share_cores(stack, [server.child], [site.stations.child, *clients])
    seconds = options.minutes * 60 / STEPS
    began, errors, calls, lost, refused = time.monotonic(), 0, 0, 0, 0
    memory: list[tuple[float, float]] = []
    for step in range(STEPS):
        site.stations.begin("soak", "mix", seconds, options.rate, options.reconnects, "full")
        refused += _command(server.endpoint, step, options.stations)
        done = site.stations.end()
        calls, lost, errors = calls + done.calls, lost + done.lost, errors + done.errors
        memory.append(((time.monotonic() - began) / 60, server.child.rss() / 1e6))
        print(
            f"{memory[-1][0]:5.1f} min  {memory[-1][1]:7.1f} MB  {done.calls:8,} CALLs  {done.taken:5,} of ours  "
            f"{done.connected:6,} connected  {done.errors} errors  p99 {done.p99 * 1e3:.0f} ms",
            flush=True,
        )
    slope = _slope(memory[len(memory) // 5 :])
    notified = [int(each.ask(do="count")["count"]) for each in clients]
    complaints = [line for line in started.complaints() if not any(event in line for event in EXPECTED)]
    pause = read(server.endpoint, "Bridge.LongestPause")
    print(f"memory's slope {slope:+.2f} MB a minute: {'flat' if abs(slope) <= FLAT else 'not flat'}")
    print(f"{calls:,} CALLs, {errors} errors, {lost} connections that the bridge ended, {len(complaints)} complaints")
    print(f"{refused} of {STEPS * COMMANDS} commands refused: their station was away")
    print(f"notifications {notified[0]:,} and {notified[1]:,}; longest pause {pause * 1e3:.0f} ms")
    for line in complaints[:5]:
        print(f"  {line}")
    return errors + lost + len(complaints) + (slope > FLAT)


def _command(endpoint: str, step: int, stations: int) -> int:
    """Writes a command to some stations; how many were refused."""
    channel = Channel(endpoint)
    services.log_in(channel, endpoint)
    refused = 0
    for number in range(COMMANDS):
        path = f"{scripts.identity((step * COMMANDS + number) % stations)}.Commands.TriggerMessage.Request"
        request = services.write_request(path, '{"requestedMessage":"Heartbeat"}')
        refused += any(services.written(channel.ask(services.WRITE, request)))
    services.log_out(channel)
    return refused


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """MB a minute of the straight line that lies nearest."""
    times, sizes = zip(*points, strict=True)
    return linear_regression(times, sizes).slope


if __name__ == "__main__":
    main()
