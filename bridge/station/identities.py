"""Which station it is that connects, and whether an unknown one may."""

from bridge.config import Config
from bridge.station.known import Known
from bridge.station.profiles.profile import Profiles, fold


class Identities:
    """The identities that are known or declared, what else stations connect as, and who of them is a stranger.

    A stranger is a station that is not declared nor, where that takes a decision, accepted: `max_unknown` bounds them.
    """

    def __init__(self, profiles: Profiles, config: Config) -> None:
        self._profiles = profiles
        self._settings = config.stations
        self._lenient = config.ocpp.validation != "strict"  # capitals and blanks around it make no other identity
        self._declared = frozenset(station.id for station in config.station)
        self._exact: set[str] = set()
        self._folded: dict[str, tuple[str, ...]] = {}
        self._strangers: set[str] = set()
        for identity in self._declared:
            self._add(identity)

    @property
    def strangers(self) -> int:
        return len(self._strangers)

    def add(self, known: Known) -> None:
        """A station is known now."""
        self._add(known.id)
        self.decided(known)

    def _add(self, identity: str) -> None:
        if identity not in self._exact:
            self._exact.add(identity)
            key = fold(identity)
            self._folded[key] = (*self._folded.get(key, ()), identity)

    def decided(self, known: Known) -> None:
        """What was decided about a station may make it a stranger or none."""
        accepted = self._settings.unknown != "accept" and known.registration == "Accepted"
        if known.id in self._declared or accepted:
            self._strangers.discard(known.id)
        else:
            self._strangers.add(known.id)

    def remove(self, identity: str) -> None:
        """A station is known no more."""
        self._strangers.discard(identity)
        if identity in self._declared:
            return
        self._exact.discard(identity)
        key = fold(identity)
        same = tuple(other for other in self._folded.pop(key, ()) if other != identity)
        if same:
            self._folded[key] = same

    def admits(self, identity: str) -> bool:
        """Whether a station of this identity may connect at all."""
        if identity in self._exact:
            return True
        return self._settings.unknown != "refuse" and len(self._strangers) < self._settings.max_unknown

    def resolve(self, connects_as: str) -> str:
        """The identity of the station: as a profile says, else the known one that it means, else as it says."""
        given = self._profiles.identity(connects_as)
        if given is not None:
            return given
        if connects_as in self._exact or not self._lenient:
            return connects_as
        same = self._folded.get(fold(connects_as), ())
        return same[0] if len(same) == 1 else connects_as
