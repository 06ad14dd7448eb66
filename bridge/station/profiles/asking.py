"""The requests that read and set what a profile wants, and what the answers say of each value."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bridge.station.profiles.provision import Provision
from bridge.station.profiles.targets import Target
from bridge.station.v2.variables import ATTRIBUTES, naming, variable_of

#: values in one request to a station that has not said how many it takes
DEFAULT_SIZE = 10
MAX_SIZE = 100
#: why a value is not set, where an answer does not say
NO_STATUS = "no status"

Response = Mapping[str, Any]
Heard = tuple[Target, str, str | None]


class Asking(NamedTuple):
    """A request, for the targets in it; `heard` gives what the answer says of those that it names: the status, and the
    value as a text where there is one.
    """

    targets: Sequence[Target]
    action: str
    payload: dict[str, Any]
    heard: Callable[[Response], Iterator[Heard]]
    only: Callable[[Target], "Asking"]
    """The same request for one of them."""


def reading(provision: Provision, targets: Sequence[Target]) -> Asking:
    """GetConfiguration (OCPP 1.6 §5.8) or GetVariables (2.0.1 B06) of all targets."""

    def only(target: Target) -> Asking:
        return reading(provision, [target])

    if provision.version == "1.6":
        payload = {"key": [target.key for target in targets]}
        return Asking(targets, "GetConfiguration", payload, lambda r: _keys(targets, r), only)
    data = [naming(provision.variable(target), target.attribute) for target in targets]
    heard = _results(provision, targets, "getVariableResult")
    return Asking(targets, "GetVariables", {"getVariableData": data}, heard, only)


def setting(provision: Provision, targets: Sequence[Target]) -> Asking:
    """ChangeConfiguration (OCPP 1.6 §5.4) of one target, or SetVariables (2.0.1 B05)."""

    def only(target: Target) -> Asking:
        return setting(provision, [target])

    if provision.version == "1.6":
        [target] = targets
        payload = {"key": target.key, "value": target.text}
        return Asking(
            targets, "ChangeConfiguration", payload, lambda r: iter([(target, _status(r.get("status")), None)]), only
        )
    data = [
        {"attributeValue": target.text, **naming(provision.variable(target), target.attribute)} for target in targets
    ]
    heard = _results(provision, targets, "setVariableResult")
    return Asking(targets, "SetVariables", {"setVariableData": data}, heard, only)


def chunks(targets: Sequence[Target], size: int) -> Iterator[Sequence[Target]]:
    for start in range(0, len(targets), size):
        yield targets[start : start + size]


def _status(said: Any) -> str:
    return said if isinstance(said, str) and any(map(str.isalpha, said)) else NO_STATUS


def _keys(targets: Iterable[Target], response: Response) -> Iterator[Heard]:
    """Only what the station says it may not be set: a key that it will not read may be set all the same."""
    found = response.get("configurationKey")
    for entry in found if isinstance(found, list) else []:
        if isinstance(entry, dict) and entry.get("readonly") is True:
            key = str(entry.get("key")).lower()
            yield from ((target, "ReadOnly", None) for target in targets if target.key.lower() == key)


def _results(provision: Provision, targets: Iterable[Target], field: str) -> Callable[[Response], Iterator[Heard]]:
    asked = {(provision.variable(target).folded(), target.attribute): target for target in targets}

    def heard(response: Response) -> Iterator[Heard]:
        found = response.get(field)
        for entry in found if isinstance(found, list) else []:
            variable = variable_of(entry.get("component"), entry.get("variable")) if isinstance(entry, dict) else None
            if variable is None:
                continue
            attribute = next((name for name in ATTRIBUTES if name == entry.get("attributeType", name)), ATTRIBUTES[0])
            target = asked.get((variable.folded(), attribute))
            if target is not None:
                value = entry.get("attributeValue")
                yield target, _status(entry.get("attributeStatus")), value if isinstance(value, str) else None

    return heard
