"""From a boot to a station in service: which profile it has, whether it is kept Pending, when it is configured.

    connected, booted    the profile that fits it is found; until it is configured a 2.x station is answered Pending
    the answer is out    its values are read, and what differs is set (provisioning)
    configured           it is asked to boot again, and is answered Accepted

A station that cannot be configured is accepted all the same, with its drift shown, unless its profile says `required`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from bridge.errors import CallFailed, StationOffline
from bridge.ocpp.echoes import public
from bridge.points.events import Event
from bridge.points.rows import Value
from bridge.station.configuration import FOLDER as CONFIGURATION
from bridge.station.context import Context
from bridge.station.known import Connection, Known
from bridge.station.profiles.profile import Profile, Profiles, make_of
from bridge.station.profiles.provision import HIDDEN, REBOOT, Drift, Provision, details
from bridge.station.profiles.settings import DEFAULT
from bridge.station.provisioning import Configuring, drifts

log = structlog.get_logger()

#: connections over which a station's boot is answered Pending before it is accepted as it is
PATIENCE = 3
MAX_EVENTS = 20  # of the values of one station at once
TRIGGER = {"requestedMessage": "BootNotification"}


class Acceptance:
    """Finds each station's profile and sees that it is configured.

    `assigned`: station's identity → the name of the profile that the configuration gives it. `declare(known, number)`
    makes a connector that the profile speaks of.
    """

    def __init__(
        self,
        context: Context,
        profiles: Profiles,
        assigned: Mapping[str, str],
        declare: Callable[[Known, int], object],
    ) -> None:
        self._context = context
        self._profiles = profiles
        self._assigned = assigned
        self._declare = declare

    # Which profile

    def assign(self, known: Known) -> None:
        """Finds the profile of a station, by what it last said that it is."""
        profile = self._profile(known)
        known.use(DEFAULT if profile is None else profile.settings)
        for number in range(1, profile.connectors + 1 if profile else 0):
            self._declare(known, number)
        version, before = known.model.version.name, known.provision
        if before is None or (before.profile, before.version) != (profile, version):
            known.provision = None if profile is None else self._provision(known, profile, version)
        self.show(known)

    def _profile(self, known: Known) -> Profile | None:
        name = self._assigned.get(known.id)
        return self._profiles.named(name) if name else self._profiles.match(make_of(known.record.boot))

    def _provision(self, known: Known, profile: Profile, version: str) -> Provision:
        provision = Provision(profile, version, lambda: self._changed(known))
        for row in known.points.extra_rows():
            if row.folder.startswith(CONFIGURATION) and row.key.lower() in provision.targets:
                provision.spelled[row.key.lower()] = row.key
        return provision

    # What happens to the station

    def opened(self, known: Known) -> None:
        """It has connected. One that was kept Pending is so until it has booted again."""
        if known.provision is not None and known.provision.held and known.session is not None:
            known.session.registration = "Pending"
        self.show(known)

    def booting(self, known: Known, status: str) -> str:
        """It has booted and would be answered `status`: the answer. It is Pending until it is configured."""
        self.assign(known)
        provision = known.provision
        here = provision is not None and provision.settled == known.connections
        if known.model.version.name == "1.6" and not here:
            self._rebooted(known)
        if provision is None or not provision.targets:
            return status
        if status != "Accepted":
            provision.held, provision.kept = False, 0
            return status
        if provision.released and here:  # it does as it was asked
            provision.released = provision.held = False
            provision.kept = 0
            return status
        if provision.working != known.connections:
            provision.begin()
        provision.held = provision.holds and not here and not provision.released
        if provision.held and provision.held_over != known.connections:
            provision.held_over, provision.kept = known.connections, provision.kept + 1
        if provision.kept > PATIENCE and not provision.profile.required:
            # It never stays long enough to be configured: one that is kept out for ever charges nobody.
            provision.held, provision.kept, provision.tried = False, 0, True
            provision.settled = known.connections
        if provision.released:  # it has come back instead, and is looked at once more
            provision.released, provision.settled = False, known.connections
        return "Pending" if provision.held else status

    def _rebooted(self, known: Known) -> None:
        """Nothing waits for a reboot any more. A 1.6 station does not say whether it was only asked to boot."""
        if known.points.value("State.RebootRequired") is True:
            self._context.set_points(known.points, {"State.RebootRequired": False})

    def booted(self, known: Known) -> None:
        """The answer to its boot is out."""
        session, provision = known.session, known.provision
        if session is not None and provision is not None and provision.due:
            accepted = session.registration == "Accepted" and session.overruled in ("", "Accepted")
            if accepted or provision.held:
                self._configure(known, provision, session)
        self.show(known)

    def decided(self, known: Known) -> None:
        """An operator has decided about it: one that waits for being accepted is configured and learns of it."""
        session, provision = known.session, known.provision
        if known.registration != "Accepted":
            if provision is not None:
                provision.held = provision.released = False
        elif session is not None and session.registration == "Pending":
            if provision is None or not provision.holds:
                self._context.spawn(self._trigger_boot(known, session))
            elif not provision.working:
                provision.begin()
                provision.held = True
                self._configure(known, provision, session)
        self.show(known)

    def tick(self, known: Known) -> None:
        """Once a second: a reset that waits until nobody charges."""
        provision, session = known.provision, known.session
        if provision is None or not provision.reset_due or session is None or not known.is_accepted:
            return
        if any(known.charges_at(group) for group in known.points.connectors.values()):
            return
        provision.reset_due, provision.reset_for = False, provision.reboots
        self._context.spawn(self._reset(known, session))

    # The work

    def _configure(self, known: Known, provision: Provision, session: Connection) -> None:
        provision.due, provision.working = False, known.connections
        self._context.spawn(self._configured(known, provision, session, known.connections))

    async def _configured(self, known: Known, provision: Provision, session: Connection, connection: int) -> None:
        gone = False
        try:
            await Configuring(self._context, known, provision, session).run()
        except StationOffline:
            gone = True
        except Exception:
            log.exception("configuration.failed", station=known.id)
        if provision.working == connection:
            provision.working = 0
        gone = gone or known.session is not session or known.provision is not provision
        provision.tried = provision.tried or not gone
        self.show(known)
        if not gone:
            await self._finish(known, provision, session)

    async def _finish(self, known: Known, provision: Provision, session: Connection) -> None:
        left = [drift.target.key for drift in drifts(known, provision) if drift.why != REBOOT]
        log.info("station.configured", station=known.id, profile=provision.profile.name, drift=left)
        self._tell_end(known, provision)
        again = provision.reboots - provision.reset_for  # a value that a reset has not helped gets no other
        provision.reset_due = provision.profile.reset == "when-idle" and bool(again)
        provision.reset_for &= provision.reboots
        if not provision.held:
            return
        if left and provision.profile.required:
            log.warning("station.not_in_service", station=known.id, drift=left)
            return
        provision.released, provision.settled = True, known.connections
        await self._trigger_boot(known, session)

    async def _trigger_boot(self, known: Known, session: Connection) -> None:
        """It learns that it is accepted; one that cannot be asked boots by itself when its interval is over."""
        await self._ask(known, session, "TriggerMessage", TRIGGER)

    async def _reset(self, known: Known, session: Connection) -> None:
        payload = {"type": "Soft" if known.model.version.name == "1.6" else "OnIdle"}
        log.info("station.reset", station=known.id)
        await self._ask(known, session, "Reset", payload)

    async def _ask(self, known: Known, session: Connection, action: str, payload: Mapping[str, str]) -> None:
        try:
            session.check_call(action, payload)
            response = await session.call(action, payload)
        except (CallFailed, ValueError) as error:
            log.info("station.not_asked", station=known.id, action=action, error=str(error))
        else:
            if response.get("status") not in ("Accepted", "Scheduled"):
                log.info("station.not_asked", station=known.id, action=action, status=response.get("status"))

    # What is shown

    def _emit(self, known: Known, type_: str, message: str, fields: Mapping[str, Value]) -> None:
        event = Event(type_, known.points.path, f"{known.id}{message}", self._context.clock(), fields)
        self._context.tree.emit(event)

    def _tell_end(self, known: Known, provision: Provision) -> None:
        """How the configuring of a station has ended."""
        differing = drifts(known, provision)
        if not differing:
            self._emit(known, "ConfigurationApplied", " is configured", {"Profile": provision.profile.name})
        for drift in differing[:MAX_EVENTS]:
            fields = {"Key": drift.target.key, "Reason": drift.why}
            self._emit(known, "ConfigurationFailed", f" did not take {drift.target.key}: {drift.why}", fields)

    def _tell_drift(self, known: Known, provision: Provision, differing: Sequence[Drift]) -> None:
        """Of values that somebody has changed since the station was configured."""
        places = frozenset(drift.target.place for drift in differing)
        if provision.tried and not provision.working:
            for drift in [drift for drift in differing if drift.target.place not in provision.shown][:MAX_EVENTS]:
                wanted, found = (HIDDEN, HIDDEN) if drift.hidden else (public(drift.target.text), drift.found or "")
                fields = {"Key": drift.target.key, "Expected": wanted, "Actual": found}
                self._emit(known, "ConfigurationDrift", f"'s {drift.target.key} differs from its profile", fields)
        provision.shown = places

    def _changed(self, known: Known) -> None:
        """The station has told a value that is wanted; a message tells many, which are looked at together."""
        provision = known.provision
        if provision is not None and not provision.dirty:
            provision.dirty = True
            asyncio.get_running_loop().call_soon(self._look_again, known, provision)

    def _look_again(self, known: Known, provision: Provision) -> None:
        provision.dirty = False
        if known.provision is provision:
            self.show(known)

    def show(self, known: Known) -> None:
        """Config.Profile, Config.State, Config.Drift and State.InService."""
        if known.removed:
            return
        provision, group = known.provision, known.points
        differing = [] if provision is None else drifts(known, provision)
        if provision is not None:
            self._tell_drift(known, provision, differing)
        state = "NotRequired" if provision is None else provision.state(differing)
        values: dict[str, Value] = {
            "Config.Profile": "" if provision is None else provision.profile.name,
            "Config.Drift": len(differing),
            "Config.DriftDetails": details(differing),
            "State.InService": known.is_accepted and state in ("NotRequired", "Configured"),
        }
        slot = group.slot("Config.State")
        if slot is not None and (enumeration := group.row(slot).enumeration) is not None:
            values["Config.State"] = enumeration.numbers[state]
        live = known.session is not None
        changed = {
            key: value
            for key, value in values.items()
            if (live and key == "State.InService") or group.value(key) != value
        }
        self._context.set_points(group, changed)
