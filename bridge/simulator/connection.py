"""A station's way to the central system: connect, boot, beat, and connect again when the line is lost."""

import asyncio
import base64
import ssl
import time
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.frames import CloseCode

from bridge.simulator.settings import SimulatedStation
from bridge.simulator.station import Line, Station
from bridge.simulator.timing import happens

Opener = Callable[[Any, ClientConnection], Line]


async def live(station: Station, opener: Opener, url: str, tls: ssl.SSLContext | None = None) -> None:
    """A station's whole life. `opener` makes its line of a connection; the station's id is added to `url`."""
    address = f"{url.rstrip('/')}/{quote(station.settings.id, safe='')}"
    async with asyncio.TaskGroup() as tasks:
        try:
            for life in station.lives():
                tasks.create_task(life)
            await _stay_connected(station, opener, address, tls)
        finally:
            station.stop_jobs()


async def _stay_connected(station: Station, opener: Opener, url: str, tls: ssl.SSLContext | None) -> None:
    first, longest = station.settings.back_off
    delay = first
    random = Random(station.settings.id)  # noqa: S311 - a thousand stations shall not come back as one
    while True:
        try:
            async with connect(
                url,
                subprotocols=[station.subprotocol],
                additional_headers=_headers(station.settings),
                ssl=tls,
                compression=station.compression,
                ping_interval=None,
                open_timeout=station.settings.call_timeout,
                close_timeout=2.0,
                proxy=None,
            ) as websocket:
                if await _hold(station, opener(station, websocket), websocket):
                    delay = first
        except (OSError, TimeoutError, WebSocketException) as error:
            station.counters.errors += 1
            station.tell("error", f"cannot connect: {error}")
        if station.away:
            await asyncio.sleep(station.settings.outage)
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))
        delay = min(2.0 * delay, longest)


async def _hold(station: Station, link: Line, websocket: ClientConnection) -> bool:
    """Lives over a connection until it is lost; true if the station was accepted."""
    boots = station.boots
    station.line = link
    station.away = False
    station.counters.connected += 1
    station.tell("connected")
    work = [_read(station, link), _boot_and_beat(station)]
    if station.settings.outage_every is not None:
        work.append(_cut(station, websocket, station.settings.outage_every))
    tasks = [asyncio.create_task(part) for part in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return station.boots > boots or station.accepted.is_set()
    except asyncio.CancelledError:
        await websocket.close(CloseCode.GOING_AWAY)  # else the library says that there was an error
        raise
    finally:
        station.line, station.left = None, time.monotonic()
        station.accepted.clear()
        station.counters.connected -= 1
        station.tell("disconnected")
        link.drop()
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


async def _read(station: Station, link: Line) -> None:
    try:
        await link.start()
    except ConnectionClosed:
        return
    except Exception as error:  # noqa: BLE001 - the `ocpp` package's loop dies of many a frame
        station.counters.errors += 1
        station.tell("error", f"a frame could not be read: {error!r}")


async def _boot_and_beat(station: Station) -> None:
    while True:
        if not station.resumes():
            while not station.accepted.is_set():
                await station.boot()
                await happens(station.accepted, station.retry)
        await station.greet()
        while station.accepted.is_set():
            station.woken.clear()
            if not await happens(station.woken, station.heartbeat_interval() or None):
                await station.heartbeat()


async def _cut(station: Station, websocket: ClientConnection, every: float) -> None:
    """Cuts the line after a while, without a word to the other side."""
    await asyncio.sleep(every * station.random.uniform(0.5, 1.5))
    station.away = True
    websocket.transport.abort()


def _headers(settings: SimulatedStation) -> dict[str, str]:
    if settings.password is None:
        return {}
    credentials = base64.b64encode(f"{settings.id}:{settings.password}".encode()).decode()
    return {"Authorization": f"Basic {credentials}"}
