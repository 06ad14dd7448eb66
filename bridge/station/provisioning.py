"""Sets what a station's profile wants, after every boot: reads, sets what differs, and reads what is in doubt again."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bridge.errors import CallErrorAnswer, CallFailed, CallTimeout, StationOffline
from bridge.points.tree import Quality
from bridge.station.context import Context
from bridge.station.dialects import DIALECTS
from bridge.station.known import Connection, Known
from bridge.station.profiles.asking import DEFAULT_SIZE, MAX_SIZE, Asking, chunks, reading, setting
from bridge.station.profiles.provision import Drift, Found, Provision
from bridge.station.profiles.targets import Target

#: rounds of setting what differs, after each boot
TRIES = 3
#: names that a path of a profile may stand for
READINGS = 4
MAX_REASON = 200  # characters
TIMEOUT = "Timeout"
#: requests without an answer, after which a station is asked no more that has never answered any, or any of the kind
MUTE = 5
Hear = Callable[[Target, str, str | None], None]
#: the points with what the station says of how much one message may hold
_SIZES = {
    "GetConfiguration": "Configuration.GetConfigurationMaxKeys",
    "GetVariables": "Configuration.DeviceDataCtrlr.ItemsPerMessage.GetVariables",
    "SetVariables": "Configuration.DeviceDataCtrlr.ItemsPerMessage.SetVariables",
}


def found(known: Known, provision: Provision) -> dict[str, Found]:
    """What the station has told of what is wanted: place → value."""
    look = _found_key if provision.version == "1.6" else _found_variable
    return {place: look(known, provision, target) for place, target in provision.targets.items()}


def _found_key(known: Known, provision: Provision, target: Target) -> Found:
    slot = known.points.slot(provision.point(target))
    if slot is None:
        return Found()
    sample = known.points.sample(slot)
    return Found(sample.value, told=sample.quality is not Quality.WAITING)


def _found_variable(known: Known, provision: Provision, target: Target) -> Found:
    described = None if known.memory is None else known.memory.model.at(target.place)
    if described is None:
        text = provision.told.get(target.place)
        return Found(text, told=text is not None)
    provision.names[target.place] = described.variable
    slot = known.points.slot(described.row.key)
    value = None if slot is None else known.points.sample(slot).value
    kind = described.characteristics.data_type
    return Found(value, kind, told=value is not None, readable=described.readable)


def drifts(known: Known, provision: Provision) -> list[Drift]:
    """What differs from the profile, by what the station has told."""
    return provision.drifts(found(known, provision))


class Configuring:
    """The setting of one station's values over one connection. Raises StationOffline when that is gone."""

    def __init__(self, context: Context, known: Known, provision: Provision, session: Connection) -> None:
        self._context = context
        self._known = known
        self._provision = provision
        self._session = session
        self._dialect = DIALECTS[known.model.version.name]
        self._alone: set[str] = set()  # places that are not asked for together with others
        self._answered: set[str] = set()  # actions
        self._unanswered: Counter[str] = Counter()  # of those that it has answered never

    async def run(self) -> None:
        """Reads all, sets what differs; what the station refuses, and what it does not tell, is left as it is."""
        await self._read(list(self._provision.targets.values()))
        for _ in range(TRIES):
            left = self._left()
            if not left:
                return
            await self._set(left)
            doubtful = [drift.target for drift in drifts(self._known, self._provision)]
            await self._read([target for target in doubtful if target in left])
        for drift in drifts(self._known, self._provision):  # why, where the station has not said it
            self._provision.said.setdefault(drift.target.place, "NotInForce")

    def _left(self) -> list[Target]:
        differing = drifts(self._known, self._provision)
        return [drift.target for drift in differing if not self._provision.is_final(drift.target)]

    async def _read(self, targets: list[Target]) -> None:
        """Reads values. A path that the station does not know is tried in its other meanings."""
        for _ in range(READINGS):
            before = dict(self._provision.which)
            for chunk in self._chunks(targets, self._size("GetConfiguration" if self._is_16 else "GetVariables")):
                await self._ask(reading(self._provision, chunk), self._provision.hear_read)
            which = self._provision.which
            targets = [target for target in targets if which.get(target.place) != before.get(target.place)]
            if not targets:
                return

    async def _set(self, targets: Sequence[Target]) -> None:
        for chunk in self._chunks(targets, 1 if self._is_16 else self._size("SetVariables")):
            await self._ask(setting(self._provision, chunk), self._provision.hear_set)

    def _chunks(self, targets: Sequence[Target], size: int) -> Iterator[Sequence[Target]]:
        together = [target for target in targets if target.place not in self._alone]
        alone = [target for target in targets if target.place in self._alone]  # before any request adds to them
        yield from chunks(together, size)
        yield from chunks(alone, 1)

    async def _ask(self, asking: Asking, hear: Hear) -> None:
        """Sends a request; one for several values that the station cannot answer is sent for each by itself.

        What it does not answer it is asked again in the next round, value by value: none is in the way of the others.
        """
        action, payload = asking.action, asking.payload
        unanswered = self._unanswered[action] if self._answered else self._unanswered.total()
        if unanswered >= MUTE:
            self._unheard(asking, hear)
            return
        try:
            self._session.check_call(action, payload)
            response = await self._session.call(action, payload)
        except StationOffline:
            raise
        except CallTimeout:
            self._unanswered[action] += action not in self._answered
            self._unheard(asking, hear)
        except CallErrorAnswer as error:
            self._answered.add(action)
            await self._refused(asking, hear, error.code)
        except (CallFailed, ValueError) as error:
            for target in asking.targets:
                hear(target, str(error)[:MAX_REASON], None)
        else:
            self._answered.add(action)
            described = self._described(response) if action == "GetVariables" else response
            self._dialect.command_done(self._context, self._known, action, payload, described)
            for target, status, value in asking.heard(response):
                hear(target, status, value)

    def _unheard(self, asking: Asking, hear: Hear) -> None:
        for target in asking.targets:
            self._alone.add(target.place)
            hear(target, TIMEOUT, None)

    async def _refused(self, asking: Asking, hear: Hear, code: str) -> None:
        if len(asking.targets) == 1:
            hear(asking.targets[0], code, None)
            return
        for target in asking.targets:
            self._alone.add(target.place)
            await self._ask(asking.only(target), hear)

    def _described(self, response: Mapping[str, Any]) -> dict[str, Any]:
        """What an answer says of variables that a report has described. The others get no points from it: nothing tells
        their types yet.
        """
        memory, results = self._known.memory, response.get("getVariableResult")
        found = [entry for entry in results if isinstance(entry, dict)] if isinstance(results, list) else []
        return {"getVariableResult": [entry for entry in found if memory is not None and memory.model.describes(entry)]}

    @property
    def _is_16(self) -> bool:
        return self._provision.version == "1.6"

    def _size(self, action: str) -> int:
        """How many values one message may hold."""
        told = self._known.points.value(_SIZES[action])
        try:
            size = int(told) if isinstance(told, int | str) else DEFAULT_SIZE
        except ValueError:
            size = DEFAULT_SIZE
        return min(max(size, 1), MAX_SIZE)
