"""All stations: who may connect, and what is known of each."""

import itertools
import secrets
from collections.abc import Iterator, Mapping
from functools import lru_cache
from time import thread_time
from typing import Any

import structlog

from bridge.config import Config, StationConfig
from bridge.errors import StoreError
from bridge.points.events import Event
from bridge.points.layout import Layout
from bridge.points.rows import INTEGER_RANGES, Row, Type, Value
from bridge.points.tree import Group, station_name
from bridge.station.acceptance import Acceptance
from bridge.station.calls import Link
from bridge.station.connectors import Connectors
from bridge.station.context import Context
from bridge.station.dialects import DIALECTS
from bridge.station.identities import Identities
from bridge.station.keeping import keep_models
from bridge.station.known import Known
from bridge.station.login_changes import forbidden
from bridge.station.model import Model
from bridge.station.profiles.profile import Profiles
from bridge.station.reading import ConfigurationReader
from bridge.station.reconciling import reconcile
from bridge.station.registration import heartbeat_interval, keep, show_config
from bridge.station.restoring import Restorer
from bridge.station.session import Session
from bridge.store.records import StationRecord

log = structlog.get_logger()

SLICE = 0.003  # s of CPU for which stations are looked after without a pause
LOOK_EVERY = 16  # of them, at the clock
SET_BACK_WITHIN = 3.0  # s after which it is noticed at the latest that the clock was set back
CALM = 5.0  # s without being made to wait, after which a station is no longer shown as throttled
#: `[stations] unknown` → the registration of a station that nobody has decided about
POLICIES = {"accept": "Accepted", "pending": "Pending", "reject": "Rejected", "refuse": "Accepted"}

#: what is counted of each station; the last one only of those that have told a time
_COUNTERS = ("State.MessagesReceived", "State.MessagesSent", "State.LastMessage", "State.ClockOffset")


@lru_cache(maxsize=16)
def _counters(layout: Layout, number: int) -> tuple[Row, ...]:
    """The rows of the first of _COUNTERS."""
    return tuple(layout.rows[layout.index[key]] for key in _COUNTERS[:number])


class Stations:
    """Every station that the bridge knows, by its OCPP identity."""

    def __init__(
        self, context: Context, config: Config, models: Mapping[str, Model], profiles: Profiles | None = None
    ) -> None:
        self._context = context
        self._config = config
        self._models = models
        self._newest = models[config.ocpp.versions[-1]]  # of a station that has not connected yet
        self._configured = {station.id: station for station in config.station}
        self._connectors = Connectors(context, self._configured)
        self._reader = ConfigurationReader(context)
        found = Profiles() if profiles is None else profiles
        assigned = {station.id: station.profile for station in config.station if station.profile}
        self._acceptance = Acceptance(context, found, assigned, self._connectors.connector)
        self._identities = Identities(found, config)
        context.booting, context.booted = self._acceptance.booting, self._booted
        context.outlet = self._connectors.outlet
        self._known: dict[str, Known] = {}
        self._by_path: dict[str, Known] = {}
        self._connected = 0
        self._failing: set[str] = set()  # said once of each, until it has gone well again
        prefix = secrets.token_hex(6)  # so that no message id comes twice, whatever was sent before a restart
        self._new_id = (f"{prefix}-{number}" for number in itertools.count(1)).__next__
        self._connector = self._connectors.connector  # one for all sessions

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
        for known in self._known.values():
            self._acceptance.assign(known)
        self._take_removals()
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
        self._identities.add(known)
        self._context.set_points(known.points, {"Info.Id": record.id})
        show_config(self._context, known)
        return known

    def _declare_connectors(self, known: Known, configured: StationConfig) -> None:
        for number in range(1, configured.connectors + 1):
            self._connectors.connector(known, number)

    # Connections

    def admits(self, identity: str) -> bool:
        """Whether a station of this identity may connect at all (`[stations] unknown`, `max_unknown`)."""
        return self._identities.admits(identity)

    def is_strict(self, identity: str) -> bool:
        """Whether what this station does otherwise than OCPP says is refused."""
        known = self._known.get(self.identity(identity))
        own = None if known is None else known.settings.validation
        return (own or self._config.ocpp.validation) == "strict"

    def identity(self, connects_as: str) -> str:
        """The identity of the station that connects as this."""
        return self._identities.resolve(connects_as)

    def open(self, identity: str, version: str, link: Link) -> Session:
        """A station has connected: its session. An older connection of the same station is closed."""
        known = self._known.get(identity) or self._admit(identity)
        model = self._models[version]
        self._connectors.use_model(known, model)
        before, now = known.session, self._context.clock()
        self._acceptance.assign(known)
        session = Session(self._context, known, model, link, self._new_id, self._connector, before or known.leaving)
        self._connected += known.session is None
        known.session, known.leaving = session, None
        known.connections += 1
        other = known.record.version not in (None, version)
        known.update(version=version, last_seen=now)
        if other:  # on the disk before its first transaction: a restart shows those of its version
            self._context.spawn(keep(self._context, known))
        else:
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
                "State.SecurityProfile": link.profile,
                "Security.Certificate.NotAfter": link.certificate_ends,
                "State.Reconnects": known.connections - 1,
            },
        )
        known.last_message, known.heard, known.stale = now, self._context.monotonic(), False
        reconcile(self._context, known)
        self._show_count()
        self._acceptance.opened(known)
        log.info("station.connected", station=identity, version=version, remote=link.remote)
        fields: dict[str, Value] = {"OcppVersion": version, "RemoteAddress": link.remote}
        self._tell("StationConnected" if before is None else "StationDisplaced", known, "has connected", fields)
        return session

    def close(self, session: Session, reason: str) -> None:
        """The connection of a session is gone; if a newer one has taken over, nothing of it changes."""
        session.closed()
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
        self._tell("StationDisconnected", known, f"has gone: {reason}", {"Reason": reason})

    def _tell(self, type_: str, known: Known, what: str, fields: dict[str, Value]) -> None:
        tree, now = self._context.tree, self._context.clock()
        tree.emit(Event(type_, known.points.path, f"{known.id} {what}", now, fields))

    def _admit(self, identity: str) -> Known:
        known = self._add(self._new_record(identity))
        log.info("station.new", station=identity, policy=self._config.stations.unknown)
        return known

    def remove(self, identity: str) -> None:
        """Forgets a station; what was charged at it stays in the store. It may come again as an unknown one."""
        known = self._known.pop(identity, None)
        if known is None:
            return
        del self._by_path[known.points.path]
        self._identities.remove(identity)
        self._failing.discard(identity)
        session, known.session, known.removed = known.session, None, True
        if session is not None:
            self._connected -= 1
            session.removed()
        self._context.tree.remove_station(known.points)
        self._context.spawn(self._forget(identity, [group.path for group in known.points.groups()]))
        self._show_count()
        log.info("station.removed", station=identity)

    def _take_removals(self) -> None:
        for identity in self._context.store.removals():
            if identity in self._known:
                self.remove(identity)
            else:
                self._context.spawn(self._forget(identity, []))

    async def _forget(self, identity: str, groups: list[str]) -> None:
        try:
            await self._context.store.remove_station(identity, groups)
        except StoreError as error:  # the removal stays noted: it is done at the next start
            log.error("store.failed", station=identity, error=str(error))

    # While it runs

    def forbidden(self, known: Known, action: str, payload: Mapping[str, Any]) -> str:
        """Why a command would lock the station out or lower its security; "" if it would not."""
        return forbidden(self._context, known, action, payload)

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
        self._context.spawn(keep(self._context, known))
        self._decided(known)

    def _decided(self, known: Known) -> None:
        log.info("station.registration", station=known.id, status=known.registration)
        known.overrule()
        self._identities.decided(known)
        show_config(self._context, known)
        self._acceptance.decided(known)
        self._show_count()

    def _booted(self, known: Known) -> None:
        """A boot has been answered."""
        if known.session is not None and known.session.registration == "Accepted":
            self._reader.booted(known)
        self._acceptance.booted(known)

    def set_heartbeat_interval(self, known: Known, seconds: int) -> None:
        """The heartbeat interval (s) that the station is told with the answer to its boot."""
        known.update(heartbeat_interval=seconds)
        known.interval = None
        self._context.spawn(keep(self._context, known))
        show_config(self._context, known)

    def tick(self) -> Iterator[None]:
        """Once a second: the counters, who has fallen silent, and what the disk has refused.

        Yields every few stations, so that others may have a turn.
        """
        ends = thread_time() + SLICE
        for number, known in enumerate(list(self._known.values()), 1):
            if number % LOOK_EVERY == 0 and thread_time() > ends:
                yield
                ends = thread_time() + SLICE
            try:
                self._look_after(known, self._context.clock())
            except Exception:  # whatever is wrong with one station, the others have their turn
                if known.id not in self._failing:
                    log.exception("station.tick_failed", station=known.id)
                self._failing.add(known.id)
            else:
                self._failing.discard(known.id)
        yield from keep_models(self._context)

    def _look_after(self, known: Known, now: float) -> None:
        if known.unsaved and self._context.store.healthy:
            self._context.spawn(keep(self._context, known))
        if known.session is None:
            return
        if known.points.online_since is not None and known.points.online_since > now:
            self._context.tree.set_back(known.points, now, SET_BACK_WITHIN)
        self._reader.read_late(known, known.session, now)
        self._acceptance.tick(known)
        interval = known.interval or heartbeat_interval(self._context, known)
        self._show_traffic(known, self._context.monotonic() - known.heard > 2 * interval)
        if known.slowed is not None and self._context.monotonic() - known.slowed > CALM:
            self._show_throttled(known, slowed=None)

    def stop(self) -> None:
        """Gives the store what has waited for its time."""
        for _ in keep_models(self._context, at_end=True):
            pass

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
        counted = known.received + known.sent
        if counted != known.counted:
            known.counted = counted
            self._show_counters(known)
        if stale != known.stale:
            known.stale = stale
            self._context.set_points(known.points, {"State.Stale": stale})

    def _show_counters(self, known: Known) -> None:
        """Each second of every station that says something, so on the shortest way."""
        _, highest = INTEGER_RANGES[Type.UINT32]
        values: list[Value] = [known.received & highest, known.sent & highest, known.last_message]
        if (offset := known.clock.offset) is not None:
            values.append(round(offset, 3))
        group = known.points
        places = group.places_of(_counters(group.layout, len(values)))
        if places is not None:
            self._context.tree.apply_telegram(group, places, values, (), (), None, self._context.clock())
        if (share := known.conformance.share(known.received)) != group.value("State.Conformance"):
            self._context.set_points(group, {"State.Conformance": share})

    def take_edits(self, registrations: Mapping[str, str | None]) -> None:
        """Another process (`ocpp-bridge stations accept`, `remove`) has changed stations: those of its own."""
        self._take_removals()
        for identity, registration in registrations.items():
            known = self._known.get(identity)
            if known is not None and known.record.registration != registration:
                known.update(registration=registration)
                self._decided(known)

    def _show_count(self) -> None:
        counts = {
            "StationsKnown": len(self._known),
            "StationsConnected": self._connected,
            "StationsUnknown": self._identities.strangers,
        }
        self._context.set_points(self._context.tree.bridge, counts)
