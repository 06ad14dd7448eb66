"""A station's way to the central system: connect, boot, beat, and connect again when the line is lost."""

import asyncio
import base64
import ssl
from random import Random
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from bridge.simulator.chargepoint import ChargePoint
from bridge.simulator.connector import happens
from bridge.simulator.settings import SimulatedStation
from bridge.simulator.station import Station

SUBPROTOCOL = Subprotocol("ocpp1.6")


async def live(station: Station, url: str, tls: ssl.SSLContext | None = None) -> None:
    """A station's whole life. `url` is that of the central system; the station's id is added to it."""
    async with asyncio.TaskGroup() as tasks:
        try:
            for connector in station.connectors.values():
                tasks.create_task(connector.run())
            await _stay_connected(station, f"{url.rstrip('/')}/{quote(station.settings.id, safe='')}", tls)
        finally:
            station.stop_jobs()


async def _stay_connected(station: Station, url: str, tls: ssl.SSLContext | None) -> None:
    first, longest = station.settings.back_off
    delay = first
    random = Random(station.settings.id)  # noqa: S311 - a thousand stations shall not come back as one
    while True:
        try:
            async with connect(
                url,
                subprotocols=[SUBPROTOCOL],
                additional_headers=_headers(station.settings),
                ssl=tls,
                compression=None,
                ping_interval=None,
                open_timeout=station.settings.call_timeout,
                close_timeout=2.0,
                proxy=None,
            ) as websocket:
                if await _hold(station, websocket):
                    delay = first
        except (OSError, TimeoutError, WebSocketException) as error:
            station.counters.errors += 1
            station.tell("error", f"cannot connect: {error}")
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))
        delay = min(2.0 * delay, longest)


async def _hold(station: Station, websocket: ClientConnection) -> bool:
    """Lives over a connection until it is lost; true if the station was accepted."""
    link = ChargePoint(station, websocket)
    boots = station.boots
    station.line = link
    station.counters.connected += 1
    station.tell("connected")
    reader = asyncio.create_task(_read(station, link))
    life = asyncio.create_task(_boot_and_beat(station))
    try:
        await asyncio.wait((reader, life), return_when=asyncio.FIRST_COMPLETED)
        return station.boots > boots
    finally:
        station.line = None
        station.accepted.clear()
        station.counters.connected -= 1
        station.tell("disconnected")
        link.drop()
        for task in (reader, life):
            task.cancel()
        for outcome in await asyncio.gather(reader, life, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


async def _read(station: Station, link: ChargePoint) -> None:
    try:
        await link.start()
    except ConnectionClosed:
        return
    except Exception as error:  # noqa: BLE001 - the `ocpp` package's loop dies of many a frame
        station.counters.errors += 1
        station.tell("error", f"a frame could not be read: {error!r}")


async def _boot_and_beat(station: Station) -> None:
    while True:
        while not station.accepted.is_set():
            await station.boot()
            await happens(station.accepted, station.retry)
        await station.send_status()
        while station.accepted.is_set():
            station.woken.clear()
            interval = station.configuration.seconds("HeartbeatInterval")
            if not await happens(station.woken, interval or None):
                await station.heartbeat()


def _headers(settings: SimulatedStation) -> dict[str, str]:
    if settings.password is None:
        return {}
    credentials = base64.b64encode(f"{settings.id}:{settings.password}".encode()).decode()
    return {"Authorization": f"Basic {credentials}"}
