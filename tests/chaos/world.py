"""A depot on a bad day: stations and clients through bad networks to a bridge that is killed again and again."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from asyncua import Client

from bridge.project import init
from tests.chaos import commanded, proxy, shown, stored
from tests.chaos.hmi import Hmi
from tests.chaos.messages import Broken
from tests.chaos.program import CONFIG, Program
from tests.chaos.proxy import Proxy
from tests.chaos.said import Clock, Said
from tests.chaos.shown import Point
from tests.chaos.station import Station
from tests.chaos.station_2 import Station21, Station201
from tests.chaos.station_16 import Station16

WAIT = 300.0  # s until something that has to happen has not, on however busy a machine
STATIONS = (Station16, Station201, Station16, Station21, Station16, Station201, Station21)
CLIENTS = 2


class World:
    """`cycles` lives of the bridge. All choices come from `seed`, each part's from a generator of its own."""

    def __init__(self, folder: Path, seed: int, show: Callable[[str], None]) -> None:
        self.seed = seed
        self.counts: Counter[str] = Counter()
        self.cycle = 0
        self._show = show
        self._folder = folder
        self._rng = self._random("world")
        self.program = Program(folder)
        self._outside = Proxy(self._random("stations' network"), proxy.STATIONS, messages=True)
        self._office = Proxy(self._random("clients' network"), proxy.CLIENTS, messages=False)
        self.stations: list[Station] = []
        self.clients: list[Hmi] = []
        self._lives: list[asyncio.Task[None]] = []
        self._trap: tuple[str, asyncio.Event] | None = None

    def _random(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}/{name}")  # noqa: S311 - to be repeated, not to be secret

    async def run(self, cycles: int) -> None:
        """Raises Broken, or what else goes wrong."""
        init(self._folder)
        (self._folder / "config.toml").write_text(CONFIG, "utf-8")
        await self._outside.start()
        await self._office.start()
        self._outside.seen = self._watch
        self._populate()
        try:
            for self.cycle in range(1, cycles + 1):
                await self._guarded(self._cycle(last=self.cycle == cycles))
        finally:
            for task in self._lives:
                task.cancel()
            await asyncio.gather(*self._lives, return_exceptions=True)
            await self._outside.stop()
            await self._office.stop()
            await self.program.close()

    def _populate(self) -> None:
        url = f"ws://127.0.0.1:{self._outside.port}/ocpp/"
        for number, kind in enumerate(STATIONS, 1):
            rng = self._random(f"CP{number}")
            clock = Clock(rng)
            station = kind(f"CP{number}", url, rng, clock, Said(clock.believed))
            station.may_refuse = lambda: self.program.starved
            self.stations.append(station)
        for number in range(1, CLIENTS + 1):
            name = f"client {number}"
            self.clients.append(Hmi(name, self._client_url, lambda: shown.paths(self.stations), self._random(name)))
        self._lives = [asyncio.create_task(one.live()) for one in (*self.stations, *self.clients)]

    def _client_url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self._office.port}/ocpp-bridge"

    def _watch(self, message: str) -> None:
        if self._trap is not None and self._trap[0] in message:
            self._trap[1].set()

    async def _guarded(self, cycle: object) -> None:
        """Ends a cycle as soon as somebody has found something broken."""
        task = asyncio.ensure_future(cycle)  # type: ignore[call-overload]
        await asyncio.wait([task, *self._lives], return_when=asyncio.FIRST_COMPLETED)
        for life in self._lives:
            if life.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                life.result()
        await task

    # A life of the bridge

    async def _cycle(self, *, last: bool) -> None:
        rng, started = self._rng, time.monotonic()
        stored_ = self._check_store()
        await self.program.launch()
        if rng.random() < 0.1 and not last:
            await asyncio.sleep(rng.uniform(0.0, 2.0))
            await self._end("kill while it starts")
            return
        await self.program.ready()
        up = time.monotonic()
        await self._check_restored(stored_)
        self._open()
        await self.program.prepare()
        if rng.random() < 0.15:
            self.counts["paused"] += 1
            await self.program.pause(rng.uniform(0.5, 3.0))
        if rng.random() < 0.12 and await self._starve(last=last):
            return
        if last or rng.random() < 0.35:
            await asyncio.sleep(rng.uniform(0.0, 0.4))
            await self._check_calm()
        how = (
            "stop"
            if last
            else rng.choices(("kill", "kill at a message", "stop", "kill while it stops"), (5, 5, 2, 1))[0]
        )
        await asyncio.sleep(rng.uniform(0.0, 1.0))
        if how == "kill at a message":
            await self._message(rng.choice(("StartTransaction", "StopTransaction", "MeterValues", "Boot")))
            await asyncio.sleep(rng.choice((0.0, rng.uniform(0, 0.004))))
        await self._end(how)
        if last:
            self._check_store()
        took = f"{up - started:.1f} s to start, {time.monotonic() - up:.1f} s up"
        self._show(f"cycle {self.cycle}: {how}, {took}, {self.counts['transactions of 1.6']} transactions")

    async def _starve(self, *, last: bool) -> bool:
        """For a while the disk takes nothing. True: the bridge was killed meanwhile."""
        self.counts["starved"] += 1
        self.program.starve()
        await asyncio.sleep(self._rng.uniform(0.3, 2.0))
        if self._rng.random() < 0.3 and not last:
            await self._end("kill while it starves")
            return True
        self.program.feed()
        return False

    async def _message(self, action: str) -> None:
        """Waits for a message to the bridge, for a while."""
        self._trap = f'"{action}', asyncio.Event()
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._trap[1].wait()
        self._trap = None

    def _open(self) -> None:
        self._outside.target, self._office.target = self.program.ocpp, self.program.opcua
        for network in (self._outside, self._office):
            network.storm()
            network.open = True

    async def _end(self, how: str) -> None:
        self.counts[how] += 1
        if how.startswith("kill") and how != "kill while it stops":
            await self.program.kill()
        else:
            self.program.terminate()
            if how == "stop":
                code = await self.program.ended()
                if code != 0:
                    raise Broken(f"the exit code is {code}")
            else:
                await asyncio.sleep(self._rng.uniform(0.0, 0.1))
                await self.program.kill()
        for network in (self._outside, self._office):
            network.shut()
        for station in self.stations:
            if how.startswith("kill"):
                station.bridge_killed()
            else:
                station.bridge_stopped()
        if self.program.errors:
            raise Broken("the bridge has logged errors:\n" + "\n".join(self.program.errors[:5]))

    # What must hold

    def _check_store(self) -> stored.Stored:
        found = stored.read_store(self.program.store)
        stored.check_store(found, self.stations)
        given: Counter[str] = sum((client.given for client in self.clients), Counter())
        commanded.check_log(found, self.stations, given)
        self.counts["transactions of 1.6"] = len(found.rows)
        self.counts["events of 2.x"] = len(found.events)
        self.counts["commands"] = len(found.commands)
        self.counts["refused for a while"] = sum(station.refusals for station in self.stations)
        self.counts["lost stops"] = sum(row.lost is not None for row in found.rows)
        return found

    async def _check_restored(self, before: stored.Stored) -> None:
        points, opened = await self._read(), list(before.opened())
        for station in self.stations:
            shown.check_restored(station, points, opened)
        commanded.check_restored(before, self.stations, await self._read(commanded.paths(self.stations)))
        self.counts["points after a restart"] += len(points)

    async def _read(self, paths: list[str] | None = None) -> dict[str, Point]:
        async with Client(self.program.opcua_url, timeout=WAIT) as client:
            return await shown.read(client, paths or shown.paths(self.stations))

    async def _check_calm(self) -> None:
        """The storm is over, and some stations stay away: every point says what is so."""
        self._outside.calm()
        self._office.calm()
        for station in self.stations:
            station.away = self._rng.random() < 0.2
            station.calm = not station.away
        for client in self.clients:
            client.calm = True
        try:
            await self._settled()
            if self._rng.random() < 0.3:
                await self._written()
        finally:
            for one in (*self.stations, *self.clients):
                one.calm = False
            for station in self.stations:
                station.away = False
                station.settled.clear()
        self.counts["calm"] += 1

    async def _settled(self) -> None:
        present = [station for station in self.stations if not station.away]
        while True:
            try:
                async with asyncio.timeout(WAIT):
                    for station in present:
                        await station.settled.wait()
            except TimeoutError:
                raise Broken(f"not settled: {[s.identity for s in present if not s.settled.is_set()]}") from None
            before = [station.connections for station in present]
            try:
                await self._check_points(present)
            except Broken:
                # On a machine that is too busy for the pings a connection ends without anybody's fault.
                await asyncio.sleep(0.1)
                steady = all(station.settled.is_set() for station in present)
                if steady and before == [station.connections for station in present]:
                    raise
                self.counts["disturbed"] += 1
            else:
                return

    async def _written(self) -> None:
        """What stations have told comes to the disk though nothing stops the bridge."""
        present, give_up = [station for station in self.stations if not station.away], time.monotonic() + WAIT
        while missing := list(stored.unwritten(self.program.store, present)):
            if time.monotonic() > give_up:
                raise Broken(f"not in the store: {missing}")
            await asyncio.sleep(0.2)
        for station in present:
            station.values_written()
        self.counts["written while it ran"] += 1

    async def _check_points(self, present: list[Station]) -> None:
        absent = [station for station in self.stations if station.away]
        points = await self._gone(absent)
        for station in present:
            shown.check_settled(station, points)
        for station in absent:
            shown.check_away(station, points)
        for client in self.clients:
            await self._check_client(client, points)
        self.counts["points"] += len(points)

    async def _gone(self, absent: list[Station]) -> dict[str, Point]:
        """The points, once the bridge has noticed who is away."""
        give_up = time.monotonic() + WAIT
        while True:
            points = await self._read()
            connected = [one for one in absent if points[f"{one.identity}.State.Connected"].value is True]
            if not connected or time.monotonic() > give_up:
                return points
            await asyncio.sleep(0.05)

    async def _check_client(self, client: Hmi, points: dict[str, Point]) -> None:
        try:
            async with asyncio.timeout(WAIT):
                await client.until(points)
        except TimeoutError:
            different = client.differences(points) if client.seen else "it is told nothing"
            ends = "\n  ".join(client.ends)
            raise Broken(f"{client.name} was not told: {different}; its connections ended\n  {ends}") from None
        if client.broken:
            raise Broken(client.broken[0])
        self.counts["points that a client was told"] += len(client.seen)
