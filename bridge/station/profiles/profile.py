"""A profile, and which one a station gets: the most specific of those whose patterns fit it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

from bridge.station.profiles.settings import DEFAULT, Settings

Reset = Literal["never", "when-idle"]
_WILDCARDS = "*?"


class Make(NamedTuple):
    """What a station says that it is; "" for what it does not say."""

    vendor: str = ""
    model: str = ""
    firmware: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """Patterns, one of which a station's name has to fit: `*` for any characters, `?` for one, capitals do not count.
    Without patterns everything fits.
    """

    vendor: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    firmware: tuple[str, ...] = ()

    def weight(self, make: Make) -> tuple[int, int] | None:
        """How specific the match is: how many of the three it names, then the characters that are no wildcards.

        None: it does not fit.
        """
        named = literal = 0
        for patterns, text in zip((self.vendor, self.model, self.firmware), make, strict=True):
            if not patterns:
                continue
            fitting = [pattern for pattern in patterns if fnmatchcase(text.lower(), pattern.lower())]
            if not fitting:
                return None
            longest = max(sum(character not in _WILDCARDS for character in pattern) for pattern in fitting)
            named += longest > 0
            literal += longest
        return named, literal


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Profile:
    """What stations of one make need. One without a match is only for stations that the configuration gives it.

    configuration: key of OCPP 1.6 → its value; variables: path of a 2.x variable → its value, both as OCPP sends them.
    pending_until_configured: None means that 2.x stations are kept Pending and 1.6 stations are not. required: a
    station that cannot be configured stays Pending, where it is kept Pending at all.
    """

    name: str
    match: Match | None = None
    settings: Settings = DEFAULT
    connectors: int = 0
    identities: Mapping[str, str] = field(default_factory=dict)
    configuration: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    pending_until_configured: bool | None = None
    required: bool = False
    reset: Reset = "never"

    def holds(self, version: str) -> bool:
        """Whether a station of this OCPP version is kept Pending until it is configured."""
        if self.pending_until_configured is None:
            return version != "1.6"
        return self.pending_until_configured

    def wants(self, version: str) -> Mapping[str, str]:
        """What a station of this OCPP version is to be set to."""
        return self.configuration if version == "1.6" else self.variables


class Profiles:
    """All profiles of a project, in the order of their names."""

    def __init__(self, profiles: Iterable[Profile] = ()) -> None:
        self._by_name = {profile.name: profile for profile in sorted(profiles, key=lambda profile: profile.name)}
        self._identities: dict[str, str] = {}
        self._patterns: list[tuple[str, str, str]] = []
        for profile in self._by_name.values():
            for pattern, identity in profile.identities.items():
                before, star, after = fold(pattern).partition("*")
                if star:
                    self._patterns.append((before, after, identity))
                else:
                    self._identities[before] = identity
        self._patterns.sort(key=lambda pattern: -len(pattern[0] + pattern[1]))

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def named(self, name: str) -> Profile | None:
        return self._by_name.get(name)

    def match(self, make: Make) -> Profile | None:
        """The most specific profile that fits; of two alike the first by name. None: none fits."""
        found: tuple[tuple[int, int], Profile] | None = None
        for profile in self._by_name.values():
            weight = None if profile.match is None else profile.match.weight(make)
            if weight is not None and (found is None or weight > found[0]):
                found = weight, profile
        return None if found is None else found[1]

    def identity(self, connects_as: str) -> str | None:
        """The identity of a station that connects as this, where a profile gives it another one."""
        if not self._identities and not self._patterns:
            return None
        folded = fold(connects_as)
        exact = self._identities.get(folded)
        if exact is not None:
            return exact
        for before, after, identity in self._patterns:
            if folded.startswith(before) and folded.endswith(after) and len(folded) > len(before) + len(after):
                own = connects_as.strip()
                return identity.replace("*", own[len(before) : len(own) - len(after)])
        return None


def fold(identity: str) -> str:
    """The same for all spellings of an identity that chargers are seen to mix up: capitals, blanks around it."""
    return identity.strip().casefold()


def make_of(boot: Mapping[str, Any]) -> Make:
    """What the payload of a BootNotification says, of whatever OCPP version."""
    station = boot.get("chargingStation")
    if isinstance(station, dict):
        fields = station, ("vendorName", "model", "firmwareVersion")
    else:
        fields = dict(boot), ("chargePointVendor", "chargePointModel", "firmwareVersion")
    found = (fields[0].get(name) for name in fields[1])
    return Make(*(text.strip() if isinstance(text, str) else "" for text in found))
