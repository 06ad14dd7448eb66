"""All stations: who may connect, what is known of each, and what is restored after a restart."""

import itertools
import secrets
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any
from weakref import WeakSet

import structlog

from bridge.config import Config, StationConfig
from bridge.errors import CallFailed
from bridge.points.rows import INTEGER_RANGES, Row, Type, Value
from bridge.points.tree import Group, Quality, Sample, Update, station_name
from bridge.station import v201
from bridge.station.configuration import FOLDER as CONFIGURATION
from bridge.station.configuration import configuration_row
from bridge.station.context import Context
from bridge.station.known import Connection, Known, Running
from bridge.station.model import Model
from bridge.station.registration import heartbeat_interval, keep, show_config
from bridge.station.restoring import restore_values
from bridge.station.scripted import custom_row
from bridge.station.session import DIALECTS, Link, Session
from bridge.station.v2.addressing import Place, choose, connector_name, parse_name
from bridge.station.v2.transaction_points import points
from bridge.store.records import StationRecord, Transaction

log = structlog.get_logger()

#: connectors of one station that are not declared: whatever number it sends, its memory stays bounded
MAX_CONNECTORS = 128
#: s; a 2.x station that has not booted by then does not mean to
READ_AFTER = 10.0
#: `[stations] unknown` → the registration of a station that nobody has decided about
POLICIES = {"accept": "Accepted", "pending": "Pending", "reject": "Rejected", "refuse": "Accepted"}


class Stations:
    """Every station that the bridge knows, by its OCPP identity."""

    def __init__(self, context: Context, config: Config, models: Mapping[str, Model]) -> None:
        self._context = context
        self._config = config
        self._models = models
        self._configured = {station.id: station for station in config.station}
        context.booted = self._booted
        context.outlet = self.outlet
        self._known: dict[str, Known] = {}
        self._by_path: dict[str, Known] = {}
        self._reading: set[Connection] = set()  # whose configuration is being read
        self._asked: WeakSet[Connection] = WeakSet()  # whose configuration has been read, or would not be
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
        for values in store.load_group_values():
            group = self._find_group(values.path)
            if group is not None:
                known = self.of(group)
                version = "" if known is None else known.model.version.name
                restore_values(self._context.tree, group, values.values, partial(self._dynamic_row, version))
        self._replay_events()
        for transaction in store.load_open_transactions():
            self._restore_transaction(transaction)
        for known in self._known.values():
            self._forget_ended(known)
        self._show_count()

    def _new_record(self, identity: str) -> StationRecord:
        taken = [known.points.path for known in self._known.values()]
        return StationRecord(id=identity, name=station_name(identity, taken), first_seen=self._context.clock())

    def _add(self, record: StationRecord) -> Known:
        model = self._models.get(record.version or "") or self._models[self._config.ocpp.versions[-1]]
        configured = self._configured.get(record.id)
        area = configured.area if configured else ""
        points = self._context.tree.add_station(record.id, record.name, model.station.layout, area)
        policy = "Accepted" if configured else POLICIES[self._config.stations.unknown]
        known = Known(record, points, model, policy, self._config.ocpp.max_clock_skew)
        self._known[record.id] = self._by_path[points.path] = known
        self._set(known.points, {"Info.Id": record.id})
        show_config(self._context, known)
        return known

    def _declare_connectors(self, known: Known, configured: StationConfig) -> None:
        for number in range(1, configured.connectors + 1):
            self.connector(known, number)

    def _find_group(self, path: str) -> Group | None:
        """A station, or a connector of one, which is made where it is missing."""
        name, _, connector = path.partition(".")
        known = self._by_path.get(name)
        if known is None or not connector:
            return None if known is None else known.points
        place = parse_name(connector)
        return None if place is None else self.outlet(known, place)

    def _dynamic_row(self, version: str, key: str, type_: str) -> Row | None:
        """The row of a point that came at run time before the restart. What a device model is made of is not kept: it
        is read again.
        """
        folder, _, name = key.partition(".")
        if folder == CONFIGURATION:
            return configuration_row(name, writable=True) if version == "1.6" else None
        if folder == "Custom" and type_ in Type.__members__.values():
            return custom_row(name, Type(type_))
        return self._models[self._config.ocpp.versions[-1]].measurands.row_of(key)

    def _replay_events(self) -> None:
        for station, events in groupby(self._context.store.load_running_events(), key=attrgetter("station")):
            known = self._known.get(station)
            if known is not None:
                v201.replay(self._context, known, events)
        for known in self._known.values():
            for state in () if known.memory is None else known.memory.transactions:
                group = known.points.connectors.get(state.at)
                if group is not None and known.running_id(group) == state.id:
                    shown = points(state, None, current=True)
                    values = {key: value for key, value, _ in shown if value is not None}
                    self._restore(group, values, state.charging.time)

    def _restore_transaction(self, transaction: Transaction) -> None:
        known = self._known.get(transaction.station)
        if known is None:
            return
        place = parse_name(transaction.connector)
        group = None if place is None else self.outlet(known, place)
        running = Running(transaction.id, group, transaction.meter_start, transaction.id_tag)
        started = None if group is None else group.value("Transaction.Start.Id")  # the last one to start there
        if group is not None and isinstance(started, str) and started.isdecimal():
            known.newest[group] = int(started)
        known.run(running)
        if group is not None and known.running_at(group) is running:
            self._restore(
                group,
                {
                    "Transaction.Active": True,
                    "Transaction.Id": str(transaction.id),
                    "Transaction.IdTag": transaction.id_tag,
                    "Transaction.Start.Id": str(transaction.id),
                    "Transaction.Start.IdTag": transaction.id_tag,
                    "Transaction.Start.MeterStart": transaction.meter_start,
                    "Transaction.Start.Time": transaction.start_time,
                    "Transaction.Start.Authorization": str(transaction.authorization.get("status", "")),
                },
                transaction.start_time,
            )

    def _forget_ended(self, known: Known) -> None:
        """A transaction whose stop was stored but whose points were not yet: the store is right."""
        for group in known.points.connectors.values():
            if group.value("Transaction.Active") and not known.charges_at(group):
                ended: dict[str, Value] = {
                    "Transaction.Active": False,
                    "Transaction.Id": "",
                    "Transaction.IdTag": "",
                }
                self._restore(group, ended, self._context.clock())

    def _restore(self, group: Group, values: Mapping[str, Value], time: float) -> None:
        for key, value in values.items():
            slot = group.slot(key)
            if slot is not None:
                self._context.tree.restore(group, slot, Sample(value, Quality.GOOD, time, time))

    # Connections

    def admits(self, identity: str) -> bool:
        """Whether a station of this identity may connect at all (`[stations] unknown`)."""
        return self._config.stations.unknown != "refuse" or identity in self._configured or identity in self._known

    def open(self, identity: str, version: str, link: Link) -> Session:
        """A station has connected: its session. An older connection of the same station is closed."""
        known = self._known.get(identity) or self._admit(identity)
        model = self._models[version]
        self._use_model(known, model)
        before, now = known.session, self._context.clock()
        session = Session(self._context, known, model, link, self._message_ids.__next__, self.connector, before)
        known.session = session
        known.connections += 1
        known.update(version=version, last_seen=now)
        self._context.store.put_station_soon(known.record)
        if before is not None:
            log.info("station.replaced", station=identity)
            before.replaced()
        self._context.tree.set_online(known.points, now)
        self._set(
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
        known = session.known
        log.info("station.disconnected", station=known.id, reason=reason)
        if known.session is not session:
            return
        known.session = None
        self._show_traffic(known, stale=False)
        self._set(known.points, {"State.Connected": False})
        self._context.tree.set_online(known.points, None)
        self._show_count()

    def connector(self, known: Known, number: int) -> Group | None:
        """The points of a connector, made the first time that it is heard of; 0 is the station itself."""
        found = known.numbered.get(number)
        if found is not None:
            return found
        if number == 0:
            known.numbered[0] = known.points
            return known.points
        group = self._made(known, f"Connector{number}") if 0 < number <= self._limit(known) else None
        if group is not None:
            known.numbered[number] = group
        return group

    def outlet(self, known: Known, place: Place) -> Group | None:
        """The points of a connector of an EVSE (OCPP 2.x); EVSE 0 is the station itself."""
        if place.evse == 0:
            return known.points
        number = place.connector or choose(known.outlets(place.evse))
        return self._made(known, connector_name(place.evse, number))

    def _made(self, known: Known, name: str) -> Group | None:
        group = known.points.connectors.get(name)
        if group is None and len(known.points.connectors) < self._limit(known):
            group = self._context.tree.add_connector(known.points, name, known.model.connector.layout)
            self._show_place(known, group)
        return group

    def _show_place(self, known: Known, group: Group) -> None:
        """Info.EvseId and Info.ConnectorId. Connector n of OCPP 1.6 is connector 1 of EVSE n in 2.x."""
        place = parse_name(group.path.rpartition(".")[2])
        if place is not None:
            number = place.evse if known.model.version.name == "1.6" else place.connector
            self._set(group, {"Info.EvseId": place.evse, "Info.ConnectorId": number})

    def _limit(self, known: Known) -> int:
        configured = self._configured.get(known.id)
        return max(MAX_CONNECTORS, configured.connectors if configured else 0)

    def _admit(self, identity: str) -> Known:
        known = self._add(self._new_record(identity))
        log.info("station.new", station=identity, policy=self._config.stations.unknown)
        return known

    def _use_model(self, known: Known, model: Model) -> None:
        if known.model is model:
            return
        known.model = model
        self._context.tree.relayout(known.points, model.station.layout)
        for group in known.points.connectors.values():
            self._context.tree.relayout(group, model.connector.layout)
            self._show_place(known, group)

    # While it runs

    def _booted(self, known: Known) -> None:
        """A boot was accepted: reads the station's configuration into points, beside everything else."""
        session = known.session
        if session is None or session in self._reading or not self._config.ocpp.read_configuration:
            return
        dialect = DIALECTS[known.model.version.name]
        request = dialect.configuration_request(self._context, known)
        if request is None:
            return
        action, payload = request

        async def read(session: Connection) -> None:
            try:
                response = await session.call(action, payload)
            except (CallFailed, ValueError) as error:
                log.info("configuration.not_read", station=known.id, error=str(error))
            else:
                dialect.command_done(self._context, known, action, payload, response)
            finally:
                self._reading.discard(session)

        self._reading.add(session)  # a station that boots over and over does not make them pile up
        self._asked.add(session)
        self._context.spawn(read(session))

    def _read_late(self, known: Known, session: Connection) -> None:
        """A station that has not booted since the bridge started: its device model is not known yet (OCPP 2.x)."""
        if session.registration == "Accepted" and session not in self._asked and known.model.version.name != "1.6":
            self._booted(known)

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

    def tick(self, now: float) -> None:
        """Once a second: the counters, who has fallen silent, and what the disk has refused."""
        for known in self._known.values():
            if known.unsaved and self._context.store.healthy:
                self._context.spawn(keep(self._context, known))
            if known.session is None:
                continue
            if known.points.online_since is not None and known.points.online_since > now:
                self._context.tree.set_online(known.points, now)  # the clock was set back
            if known.points.online_since is not None and now - known.points.online_since > READ_AFTER:
                self._read_late(known, known.session)
            interval = known.interval or heartbeat_interval(self._context, known)
            self._show_traffic(known, self._context.monotonic() - known.heard > 2 * interval)

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
            self._set(known.points, values)

    def take_edits(self, records: Iterable[StationRecord]) -> None:
        """Another process (`ocpp-bridge stations accept`) has changed registrations."""
        for record in records:
            known = self._known.get(record.id)
            if known is not None and known.record.registration != record.registration:
                log.info("station.registration", station=record.id, status=record.registration)
                known.update(registration=record.registration)
                known.overrule()
                show_config(self._context, known)

    def _set(self, group: Group, values: Mapping[str, Value]) -> None:
        slots = ((group.slot(key), value) for key, value in values.items())
        updates = [Update(slot, value) for slot, value in slots if slot is not None]
        self._context.tree.apply(group, updates, self._context.clock())

    def _show_count(self) -> None:
        connected = sum(1 for known in self._known.values() if known.session is not None)
        self._set(self._context.tree.bridge, {"StationsKnown": len(self._known), "StationsConnected": connected})
