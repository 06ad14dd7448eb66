"""`subscriptions`: changes, their delivery, and monitored items.

The changes come from inside the server's process: in ours from `Tree.apply`, in asyncua from
`Server.write_attribute_value` (its fast way), in node-opcua from `setValueFromSource`. What it takes to make them
without a subscriber is measured as well and taken off.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.opcua import services, site
from benchmarks.opcua.listener import Listener
from benchmarks.opcua.report import Row, spread
from benchmarks.opcua.servers import ASYNCUA, NODE, Server
from benchmarks.opcua.wire import Channel

TITLE = "Subscriptions: one client, 10,000 monitored items"
ITEMS, CALL = 10_000, 1000
INTERVAL = 0.5  # s, of publishing; each item changes once in it
WINDOW, ALONE = 4, 2  # intervals: with the subscriber, without one
WARM = 0.5  # s
FAST = 50.0  # ms, the publishing interval of the saturated server; node-opcua has no shorter one
AHEAD, QUEUE = 8, 32  # rounds of changes that wait at the saturated server; the queue of an item
SATURATED, SETTLED = 1.5, 0.5  # s
LAST = 15.0  # s that the last changes may take
SAMPLED = {0.0: "every change reported", INTERVAL * 1e3: "sampled every 500 ms"}


@dataclass(frozen=True, slots=True)
class Used:
    """What a server did in a window: CPU in s, notifications, wall time in s, and the client's CPU in s.

    `waited` is how long it could have worked in s, but others had its core.
    """

    cpu: float
    waited: float
    delivered: int
    seconds: float
    client: float

    @property
    def rate(self) -> float:
        return self.delivered / self.seconds

    def shares(self) -> str:
        server = f"server {self.cpu / self.seconds:.0%}, kept waiting {self.waited / self.seconds:.0%}"
        return f"{server}, client {self.client / self.seconds:.1%} of a core"


class Subscriptions:
    """All rows, round after round."""

    def __init__(self) -> None:
        self._paths = site.items(site.pattern(), ITEMS)
        self.rows = {
            sampling: Row(f"CPU per change, {kind}", "µs", goals={ASYNCUA: 30, NODE: 5})
            for sampling, kind in SAMPLED.items()
        }
        self.alone = Row("- of that, making the change (taken off above)", "µs")
        self.rate = Row("changes delivered in a second", "", more_is_better=True, goals={ASYNCUA: 20, NODE: 4})
        self.per_cpu = Row("- in a second of the server's CPU", "", more_is_better=True)
        self.items = Row("CPU to create a monitored item", "µs", goals={ASYNCUA: 3})
        self.used: dict[str, dict[str, list[Used]]] = {}

    def warm(self, server: Server) -> None:
        """Once before the first round: what is compiled or cached at first use is so then."""
        server.child.ask(do="prepare", items=ITEMS)
        for _ in range(2):
            self._alone(server)
        channel, listener = self._subscribe(server, INTERVAL * 1e3, 0.0, 1)
        server.child.ask(do="pace", interval=INTERVAL)
        listener.listen(WARM)
        self._finish(server, channel, listener)
        self.items.rounds.pop(server.name)

    def round(self, server: Server) -> None:
        alone = self._alone(server)
        self.alone.add(server.name, alone * 1e6)
        for sampling, kind in SAMPLED.items():
            if sampling and self.rows[sampling].rounds.get(server.name):
                continue  # measured once: rounds take long
            used = self._paced(server, sampling)
            self.rows[sampling].add(server.name, (used.cpu / used.delivered - alone) * 1e6)
            self._note(server, kind, used)
        used = self._saturated(server)
        self.rate.add(server.name, used.rate)
        self.per_cpu.add(server.name, used.delivered / used.cpu)
        self._note(server, "saturated", used)

    def finished(self) -> Sequence[Row]:
        expected = ITEMS / INTERVAL
        for sampling, kind in SAMPLED.items():
            self.rows[sampling].note = "; ".join(
                f"{name} delivered {median(used.rate for used in found[kind]) / expected:.0%} of {expected:,.0f}/s "
                f"({_middle(found[kind]).shares()})"
                for name, found in self.used.items()
            )
        self.rate.note = "; ".join(
            f"{name} {spread([used.rate for used in found['saturated']])}/s ({_middle(found['saturated']).shares()})"
            for name, found in self.used.items()
        )
        self.items.note = f"{ITEMS:,} items in calls of {CALL:,}"
        return [*self.rows.values(), self.alone, self.rate, self.per_cpu, self.items]

    def _alone(self, server: Server) -> float:
        """CPU in s of making one change at the same pace, with no subscriber."""
        before = int(server.child.ask(do="stop")["changes"])
        server.child.ask(do="pace", interval=INTERVAL)
        began = server.cpu()
        time.sleep(ALONE * INTERVAL)
        made = int(server.child.ask(do="stop")["changes"]) - before
        return (server.cpu() - began) / made

    def _paced(self, server: Server, sampling: float) -> Used:
        """From the middle between two publishings to another such middle."""
        channel, listener = self._subscribe(server, INTERVAL * 1e3, sampling, 1)
        server.child.ask(do="pace", interval=INTERVAL)
        listener.listen(WARM)
        listener.next(LAST)
        listener.listen(INTERVAL / 2)
        used = _window(server, listener, lambda: listener.listen(WINDOW * INTERVAL))
        self._finish(server, channel, listener)
        return used

    def _saturated(self, server: Server) -> Used:
        """Whenever all changes of a round have come the server gets another one to make, so that some always wait."""
        channel, listener = self._subscribe(server, FAST, 0.0, QUEUE)
        base, told = listener.count, 0

        def keep_busy(seconds: float) -> None:
            nonlocal told
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0:
                while told < (listener.count - base) // ITEMS + AHEAD:
                    server.child.tell(do="round")
                    told += 1
                listener.next(left)

        keep_busy(SETTLED)
        used = _window(server, listener, lambda: keep_busy(SATURATED))
        self._finish(server, channel, listener)
        return used

    def _subscribe(self, server: Server, publishing: float, sampling: float, queue: int) -> tuple[Channel, Listener]:
        channel = Channel(server.endpoint)
        services.log_in(channel, server.endpoint)
        listener = Listener(channel, publishing)
        requests = services.items_requests(listener.made.id, self._paths, sampling, queue, CALL)
        before = server.cpu()
        made = listener.monitor(requests)
        if queue == 1:
            self.items.add(server.name, (server.cpu() - before) / ITEMS * 1e6)
        assert listener.made.interval == publishing, listener.made
        assert all(size >= queue for _, _, size in made), made[0]
        listener.begin()
        assert listener.wait_for(ITEMS, LAST), f"{server.name}: {listener.count} first values of {ITEMS}"
        return channel, listener

    def _finish(self, server: Server, channel: Channel, listener: Listener) -> None:
        """Every item's last value must have come, and every message hold what it says."""
        last = server.child.ask(do="stop")["value"]
        until = time.monotonic() + LAST
        while set((values := listener.look()).values()) != {float(last)} or len(values) != ITEMS:
            assert time.monotonic() < until, f"{server.name}: the last changes did not come, {len(values)} items"
            listener.next(INTERVAL)
        assert listener.statuses() <= {0}, f"{server.name}: {listener.statuses()}"
        listener.end()
        services.log_out(channel)

    def _note(self, server: Server, kind: str, used: Used) -> None:
        self.used.setdefault(server.name, {}).setdefault(kind, []).append(used)


def _window(server: Server, listener: Listener, work: Callable[[], None]) -> Used:
    cpu, waited, count = server.cpu(), server.waited(), listener.count
    client, began = time.process_time(), time.monotonic()
    work()
    seconds, own = time.monotonic() - began, time.process_time() - client
    return Used(server.cpu() - cpu, server.waited() - waited, listener.count - count, seconds, own)


def _middle(rounds: Sequence[Used]) -> Used:
    return sorted(rounds, key=lambda used: used.rate)[len(rounds) // 2]
