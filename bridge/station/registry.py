"""All stations: who may connect, and what is known of each."""

import itertools
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import structlog

from bridge.config import Config, StationConfig
from bridge.points.rows import INTEGER_RANGES, Type, Value
from bridge.points.tree import Group, station_name
from bridge.station.calls import Link
from bridge.station.connectors import Connectors
from bridge.station.context import Context
from bridge.station.dialects import DIALECTS
from bridge.station.known import Known
from bridge.station.model import Model
from bridge.station.reading import ConfigurationReader
from bridge.station.registration import heartbeat_interval, keep, show_config
from bridge.station.restoring import Restorer
from bridge.station.session import Session
from bridge.store.records import StationRecord

log = structlog.get_logger()

SLICE = 200  # stations that are looked after without a pause, about 2 ms
CALM = 5.0  # s without being made to wait, after which a station is no longer shown as throttled
#: `[stations] unknown` → the registration of a station that nobody has decided about
POLICIES = {"accept": "Accepted", "pending": "Pending", "reject": "Rejected", "refuse": "Accepted"}


class Stations:
    """Every station that the bridge knows, by its OCPP identity."""

    def __init__(self, context: Context, config: Config, models: Mapping[str, Model]) -> None:
        self._context = context
        self._config = config
        self._models = models
        self._newest = models[config.ocpp.versions[-1]]  # of a station that has not connected yet
        self._configured = {station.id: station for station in config.station}
        self._connectors = Connectors(context, self._configured)
        self._reader = ConfigurationReader(context)
        context.booted = self._reader.booted
        context.outlet = self._connectors.outlet
        self._known: dict[str, Known] = {}
        self._by_path: dict[str, Known] = {}
        self._connected = 0
        self.ended = 0
        """Connections since the start."""
        prefix = secrets.token_hex(6)  # so that no message id comes twice, whatever was sent before a restart
        self._message_ids = (f"{prefix}-{number}" for number in itertools.count(1))

    def __iter__(self) -> Iterator[Known]:
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)

    def get(self, identity: str) -> Known | None:
        return self._known.get(identity)

    def of(self, group: Group) -> Known | None:
        """The station that a group of points belongs to."""
        return self._by_path.get(group.station.path) if group.station else None

    def group(self, identity: str, connector: str | None) -> Group | None:
        """The points of a station, or of one of its connectors by name (`Connector1`)."""
        known = self._known.get(identity)
        if known is None or connector is None:
            return None if known is None else known.points
        return self._connectors.named(known, connector)

    # Before the first connection

    def load(self) -> None:
        """Puts the stations of the store and of the configuration into the tree, as they were last known."""
        store = self._context.store
        for record in store.load_stations():
            self._add(record)
        for configured in self._config.station:
            if configured.id not in self._known:
                store.put_station_soon(self._add(self._new_record(configured.id)).record)
            self._declare_connectors(self._known[configured.id], configured)
        Restorer(self._context, self._connectors, self._newest.measurands, self._known).restore()
        self._show_count()

    def _new_record(self, identity: str) -> StationRecord:
        return StationRecord(id=identity, name=station_name(identity, self._by_path), first_seen=self._context.clock())

    def _add(self, record: StationRecord) -> Known:
        model = self._models.get(record.version or "") or self._newest
        configured = self._configured.get(record.id)
        area = configured.area if configured else ""
        points = self._context.tree.add_station(record.id, record.name, model.station.layout, area)
        policy = "Accepted" if configured else POLICIES[self._config.stations.unknown]
        known = Known(record, points, model, policy, self._config.ocpp.max_clock_skew)
        self._known[record.id] = self._by_path[points.path] = known
        self._context.set_points(known.points, {"Info.Id": record.id})
        show_config(self._context, known)
        return known

    def _declare_connectors(self, known: Known, configured: StationConfig) -> None:
        for number in range(1, configured.connectors + 1):
            self._connectors.connector(known, number)

    # Connections

    def admits(self, identity: str) -> bool:
        """Whether a station of this identity may connect at all (`[stations] unknown`)."""
        return self._config.stations.unknown != "refuse" or identity in self._configured or identity in self._known

    def open(self, identity: str, version: str, link: Link) -> Session:
        """A station has connected: its session. An older connection of the same station is closed."""
        known = self._known.get(identity) or self._admit(identity)
        model = self._models[version]
        self._connectors.use_model(known, model)
        before, now = known.session, self._context.clock()
        connector, new_id = self._connectors.connector, self._message_ids.__next__
        session = Session(self._context, known, model, link, new_id, connector, before or known.leaving)
        self._connected += known.session is None
        known.session, known.leaving = session, None
        known.connections += 1
        known.update(version=version, last_seen=now)
        self._context.store.put_station_soon(known.record)
        if before is not None:
            log.info("station.replaced", station=identity)
            before.replaced()
            if known.memory is not None:
                known.memory.disconnected()
        self._context.tree.set_online(known.points, now)
        self._context.set_points(
            known.points,
            {
                "State.Connected": True,
                "State.Stale": False,
                "State.ConnectedSince": now,
                "State.LastMessage": now,
                "State.OcppVersion": version,
                "State.RemoteAddress": link.remote,
                "State.SecurityProfile": self._config.ocpp.security_profile,
                "State.Reconnects": known.connections - 1,
            },
        )
        known.last_message, known.heard, known.stale = now, self._context.monotonic(), False
        self._show_count()
        log.info("station.connected", station=identity, version=version, remote=link.remote)
        return session

    def close(self, session: Session, reason: str) -> None:
        """The connection of a session is gone; if a newer one has taken over, nothing of it changes."""
        session.closed()
        self.ended += 1
        known = session.known
        log.info("station.disconnected", station=known.id, reason=reason)
        if known.session is not session:
            return
        known.session, known.leaving = None, session if session.is_busy else None
        self._connected -= 1
        if known.memory is not None:
            known.memory.disconnected()
        self._show_traffic(known, stale=False)
        self._show_throttled(known, slowed=None)
        self._context.set_points(known.points, {"State.Connected": False})
        self._context.tree.set_online(known.points, None)
        self._show_count()

    def _admit(self, identity: str) -> Known:
        known = self._add(self._new_record(identity))
        log.info("station.new", station=identity, policy=self._config.stations.unknown)
        return known

    # While it runs

    def command_done(self, group: Group, action: str, payload: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        """A station has answered a command: what it says changes points."""
        known = self.of(group)
        if known is not None:
            dialect = DIALECTS[known.model.version.name]
            dialect.command_done(self._context, known, action, payload, response)

    def register(self, known: Known, status: str) -> None:
        """An operator decides about a station.

        Commands and tokens are refused at once while it isn't accepted. What it sends is taken by what it was last
        told: with its next boot it learns the new status.
        """
        known.update(registration=status)
        known.overrule()
        self._context.spawn(keep(self._context, known))
        show_config(self._context, known)
        log.info("station.registration", station=known.id, status=status)

    def set_heartbeat_interval(self, known: Known, seconds: int) -> None:
        """The heartbeat interval (s) that the station is told with the answer to its boot."""
        known.update(heartbeat_interval=seconds)
        known.interval = None
        self._context.spawn(keep(self._context, known))
        show_config(self._context, known)

    def tick(self, now: float) -> Iterator[None]:
        """Once a second: the counters, who has fallen silent, and what the disk has refused.

        Yields every few stations, so that others may have a turn.
        """
        for number, known in enumerate(list(self._known.values()), 1):
            if number % SLICE == 0:
                yield
            if known.unsaved and self._context.store.healthy:
                self._context.spawn(keep(self._context, known))
            if known.session is None:
                continue
            if known.points.online_since is not None and known.points.online_since > now:
                self._context.tree.set_online(known.points, now)  # the clock was set back
            self._reader.read_late(known, known.session, now)
            interval = known.interval or heartbeat_interval(self._context, known)
            self._show_traffic(known, self._context.monotonic() - known.heard > 2 * interval)
            if known.slowed is not None and self._context.monotonic() - known.slowed > CALM:
                self._show_throttled(known, slowed=None)

    def slowed(self, session: Session) -> None:
        """A station has been made to wait, because it sends more messages than it may."""
        known = session.known
        if known.session is session:
            if known.slowed is None:
                log.warning("station.throttled", station=known.id, rate=self._config.ocpp.max_message_rate)
            self._show_throttled(known, slowed=self._context.monotonic())

    def _show_throttled(self, known: Known, *, slowed: float | None) -> None:
        if (slowed is None) != (known.slowed is None):
            self._context.set_points(known.points, {"State.Throttled": slowed is not None})
        known.slowed = slowed

    def _show_traffic(self, known: Known, stale: bool) -> None:
        shown = known.points.value("State.MessagesReceived"), known.points.value("State.MessagesSent")
        values: dict[str, Value] = {}
        if shown != (known.received, known.sent):
            _, highest = INTEGER_RANGES[Type.UINT32]
            values = {
                "State.MessagesReceived": known.received & highest,
                "State.MessagesSent": known.sent & highest,
                "State.LastMessage": known.last_message,
            }
            if known.clock.offset is not None:
                values["State.ClockOffset"] = round(known.clock.offset, 3)
        if stale != known.stale:
            known.stale = stale
            values["State.Stale"] = stale
        if values:
            self._context.set_points(known.points, values)

    def take_edits(self, records: Iterable[StationRecord]) -> None:
        """Another process (`ocpp-bridge stations accept`) has changed registrations."""
        for record in records:
            known = self._known.get(record.id)
            if known is not None and known.record.registration != record.registration:
                log.info("station.registration", station=record.id, status=record.registration)
                known.update(registration=record.registration)
                known.overrule()
                show_config(self._context, known)

    def _show_count(self) -> None:
        counts = {"StationsKnown": len(self._known), "StationsConnected": self._connected}
        self._context.set_points(self._context.tree.bridge, counts)
