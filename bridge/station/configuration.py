"""Configuration.<Key>: a station's own settings as points, filled by what it answers to commands."""

from collections.abc import Mapping
from typing import Any

from bridge.ocpp.echoes import public
from bridge.ocpp.secrets import is_secret
from bridge.points.rows import Row, Type
from bridge.points.tree import Tree, Update
from bridge.points.values import coerce
from bridge.station.known import Known
from bridge.station.profiles.targets import key_name

FOLDER = "Configuration"
#: characters; OCPP itself allows 50
MAX_KEY = 200


def configuration_row(name: str, *, writable: bool) -> Row:
    """The row of a configuration key."""
    return Row(
        folder=FOLDER,
        name=name,
        type=Type.STRING,
        description=f"The station's configuration key {name}",
        writable=writable,
        source="1.6: GetConfiguration, ChangeConfiguration",
    )


def station_key(known: Known, name: str) -> str:
    """The station's own spelling of a point below Configuration."""
    return known.configuration.get(name, name)


def take_configuration(known: Known, tree: Tree, response: Mapping[str, Any], now: float) -> None:
    """Takes in what a station answered to GetConfiguration (OCPP 1.6 §5.8)."""
    found = response.get("configurationKey")
    for entry in found if isinstance(found, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("key"), str):
            set_key(known, tree, entry["key"], entry.get("value"), now, writable=entry.get("readonly") is not True)


def take_change(known: Known, tree: Tree, payload: Mapping[str, Any], response: Mapping[str, Any], now: float) -> None:
    """Takes in an accepted ChangeConfiguration; what needs a reboot first shows when the station reports it."""
    if response.get("status") == "Accepted":
        set_key(known, tree, payload["key"], payload["value"], now, writable=True)
    elif response.get("status") == "RebootRequired":
        slot = known.points.slot("State.RebootRequired")
        tree.apply(known.points, [Update(slot, True)] if slot is not None else [], now)


def set_key(known: Known, tree: Tree, key: str, value: Any, now: float, *, writable: bool) -> None:
    """Shows the value of a key; makes its point the first time. A secret's value is never shown."""
    name = key_name(key)
    if not all(name.split(".")) or len(name) > MAX_KEY:
        return  # it makes no path
    if name != key:
        known.configuration[name] = key
    slot = known.points.extend(configuration_row(name, writable=writable))
    if slot is None:
        return
    text = "" if is_secret(key) else coerce(known.points.row(slot), value)
    if isinstance(text, str):
        text = public(text)
    tree.apply(known.points, [Update(slot, text, now)], now)
    if known.provision is not None:
        known.provision.heard(known.points.row(slot).key)
