"""The demonstration: a bridge on a temporary project, stations of every OCPP version that charge, and their points,
which are the same for all, read back.

The points come through a real OPC UA subscription, as an HMI gets them, and from nowhere else.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from asyncua.client.client import Client
from asyncua.common.subscription import DataChangeEvent, Subscription

from bridge.app import Bridge
from bridge.config import Config, OcppConfig, OpcuaConfig, StationConfig
from bridge.project import Project
from bridge.simulator import Simulator, Version

Cell = str | int | float | bool | None

NAMESPACE = "urn:ocpp-bridge:points"
PUBLISHING_INTERVAL = 200  # ms
CONNECTORS = 2  # of a station
SESSION_TIMEOUT = 60_000  # ms
PREFIX = "CP"  # CP0001, CP0002 …
VERSIONS: tuple[Version, ...] = ("1.6", "2.0.1", "2.1")  # of the first, the second and the third station, and so on
WIDEST = 13  # characters of a cell
#: a minute of the stations' life is a second of ours: in 10 s a car charges a few percent
SPEED = 60.0

#: column → the point of a connector that it shows
POINTS: Mapping[str, str] = {
    "Status": "Status.StateText",
    "Active": "Transaction.Active",
    "Transaction": "Transaction.Id",
    "IdTag": "Transaction.IdTag",
    "Power W": "MeterValues.Power.Active.Import",
    "Energy Wh": "Transaction.Energy",
    "SoC %": "MeterValues.SoC",
    "Stopped by": "Transaction.Stop.Reason",
}
#: column → the point of the station that it shows
STATION_POINTS: Mapping[str, str] = {"OCPP": "State.OcppVersion", "Connected": "State.Connected"}
COLUMNS = ("Station", "Connector", *STATION_POINTS, *POINTS)


class Demo:
    """A bridge from `async with` on; stations and an OPC UA client while `run` runs.

    `on_status(station, connector, status)` is told of every Status.State that the client is notified of.
    """

    def __init__(self, folder: Path, stations: int, on_status: Callable[[str, str, str], None]) -> None:
        self.changes = 0
        """Notifications that the client has got."""
        self.charging: set[str] = set()
        """Ids of the transactions that were active."""
        self.stopped = 0
        """Transactions that were active and have ended."""
        names = [f"{PREFIX}{number:04d}" for number in range(1, stations + 1)]
        config = Config(
            ocpp=OcppConfig(port=0),
            opcua=OpcuaConfig(endpoint="opc.tcp://127.0.0.1:0/ocpp-bridge", security=("None",)),
            station=tuple(StationConfig(id=name, connectors=CONNECTORS) for name in names),
        )
        self._stations = stations
        self._on_status = on_status
        self._bridge = Bridge(Project(folder), config)
        self._rows: list[dict[str, Cell]] = []
        self._shown: dict[str, list[tuple[dict[str, Cell], str]]] = {}  # path → where it is shown
        for name in names:
            for connector in range(1, CONNECTORS + 1):
                self._add_row(name, f"Connector{connector}")

    def _add_row(self, station: str, connector: str) -> None:
        row: dict[str, Cell] = {**dict.fromkeys(COLUMNS), "Station": station, "Connector": connector}
        self._rows.append(row)
        for column, point in STATION_POINTS.items():
            self._shown.setdefault(f"{station}.{point}", []).append((row, column))
        for column, point in POINTS.items():
            self._shown[f"{station}.{connector}.{point}"] = [(row, column)]

    async def __aenter__(self) -> Self:
        await self._bridge.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._bridge.stop()

    @property
    def ocpp_url(self) -> str:
        """Where stations connect to, less their identity."""
        return self._bridge.ocpp.url

    @property
    def endpoint(self) -> str:
        """Where OPC UA clients connect to."""
        return self._bridge.opcua.endpoint

    def rows(self) -> list[dict[str, Cell]]:
        """COLUMNS of every connector, as the client knows them now."""
        return self._rows

    async def run(self) -> None:
        """Lets the stations charge, until it is cancelled."""
        simulator = Simulator(
            self.ocpp_url,
            self._stations,
            connectors=CONNECTORS,
            prefix=PREFIX,
            ocpp=VERSIONS,
            speed=SPEED,
            charge_time=10 * SPEED,
            pause=3 * SPEED,
            meter_interval=SPEED,
        )
        client = Client(self.endpoint)
        client.session_timeout = SESSION_TIMEOUT  # its own default is more than the bridge gives
        async with client:
            subscription = await client.create_subscription(PUBLISHING_INTERVAL, queue_maxsize=0)
            namespace = await client.get_namespace_index(NAMESPACE)
            nodes = [client.get_node(f"ns={namespace};s={path}") for path in self._shown]
            handles = await subscription.subscribe_data_change(nodes)
            refused = [path for path, handle in zip(self._shown, handles, strict=True) if not isinstance(handle, int)]
            if refused:
                raise RuntimeError(f"the bridge does not have the points {', '.join(refused)}")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(subscription))
                tasks.create_task(simulator.run())

    async def _read(self, subscription: Subscription) -> None:
        async for event in subscription:
            if isinstance(event, DataChangeEvent):
                self.changes += 1
                for row, column in self._shown[str(event.node.nodeid.Identifier)]:
                    self._show(row, column, event.value)

    def _show(self, row: dict[str, Cell], column: str, value: Any) -> None:
        before, row[column] = row[column], _short(value)
        if column == "Status" and value != before and value:
            self._on_status(str(row["Station"]), str(row["Connector"]), str(value))
        elif column == "Transaction" and value:
            self.charging.add(value)
        elif column == "Active" and before is True and value is False:
            self.stopped += 1


def _short(value: Any) -> Cell:
    """As the table has room for it: the transactions of 2.x are UUIDs."""
    if isinstance(value, str) and len(value) > WIDEST:
        return f"{value[: WIDEST - 1]}…"
    return round(value, 1) if isinstance(value, float) else value
