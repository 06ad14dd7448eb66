"""A variable of a 2.x device model as a point: its path, its row, and what may be written to it (OCPP 2.0.1 part 1 §4).

`Configuration.<Component>[.<instance>][.<evse>[.<connector>]].<Variable>[.<instance>]` is the Actual value; Target,
MinSet and MaxSet stand beside it as `<Variable>.Target` and so on. The unit and the limits are those that the station
names: what is written goes to it as it is. A name that would be taken for one of these, or for a property that OPC UA
gives a point, has `_` behind it. Names are the same in capital and small letters (identifierString).
"""

import re
from collections.abc import Mapping
from math import isfinite
from sys import intern
from typing import Any, Literal, NamedTuple

from bridge.ocpp.secrets import is_secret
from bridge.points.rows import Row, Type, Value
from bridge.points.units import CONVERSIONS
from bridge.points.values import coerce, format_time, number

FOLDER = "Configuration"
Attribute = Literal["Actual", "Target", "MinSet", "MaxSet"]
ACTUAL: Attribute = "Actual"
ATTRIBUTES: tuple[Attribute, ...] = ("Actual", "Target", "MinSet", "MaxSet")

MAX_NAME = 100
"""Characters of one name in a path; OCPP itself allows 50."""
MAX_OPTIONS = 200
"""Values of a list that are kept."""

#: what stations call units that have another name, in small letters
_OTHERWISE: Mapping[str, str] = {
    "seconds": "s",
    "sec": "s",
    "minutes": "min",
    "hours": "h",
    "%": "Percent",
    "ampere": "A",
    "volt": "V",
    "watt": "W",
    "hertz": "Hz",
}

_TYPES: Mapping[str, Type] = {
    "decimal": Type.DOUBLE,
    "integer": Type.INT32,
    "dateTime": Type.DATETIME,
    "boolean": Type.BOOLEAN,
}
#: in small letters: what stands below a point beside the instances of its variable
_RESERVED = frozenset(
    {*(name.lower() for name in ATTRIBUTES[1:]), "engineeringunits", "enumvalues", "eurange", "valueastext"}
)
_LISTS = frozenset({"MemberList", "SequenceList"})
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


class Variable(NamedTuple):
    """What names a variable. "" for no instance, 0 for no EVSE or connector."""

    component: str
    instance: str
    evse: int
    connector: int
    name: str
    name_instance: str

    def folded(self) -> "Variable":
        """The same for all spellings of its names."""
        component, instance, evse, connector, name, name_instance = self
        return Variable(component.lower(), instance.lower(), evse, connector, name.lower(), name_instance.lower())


class Characteristics(NamedTuple):
    """What a station says of a variable, and of one attribute of it. None: no limit."""

    data_type: str = "string"
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    options: tuple[str, ...] = ()
    monitored: bool = False
    mutability: str = "ReadWrite"
    constant: bool = False


class Described(NamedTuple):
    """A point of the device model. Immutable: stations that report the same share it.

    `place` is its key in small letters. `gone`: the station has it no more; its path stays its own all the same.
    """

    variable: Variable
    attribute: Attribute
    characteristics: Characteristics
    row: Row
    place: str
    gone: bool = False

    @property
    def readable(self) -> bool:
        """Whether the station tells its value, and the value may be shown."""
        return self.characteristics.mutability != "WriteOnly" and not is_secret(self.variable.name)


def variable_of(component: Any, variable: Any) -> Variable | None:
    """The variable that OCPP's ComponentType and VariableType name; None where they name none."""
    if not isinstance(component, dict) or not isinstance(variable, dict):
        return None
    evse = component.get("evse")
    at = evse if isinstance(evse, dict) else {}
    found = Variable(
        _text(component, "name"),
        _text(component, "instance"),
        _natural(at.get("id")),
        _natural(at.get("connectorId")),
        _text(variable, "name"),
        _text(variable, "instance"),
    )
    return found if found.component and found.name else None


def characteristics_of(
    found: Any, attribute: Mapping[str, Any], before: Characteristics | None = None
) -> Characteristics:
    """What a VariableCharacteristicsType and a VariableAttributeType say (OCPP 2.0.1 §2.54, §2.53). A report need not
    have the former: then what was said `before` still holds.
    """
    mutability = _text(attribute, "mutability") or "ReadWrite"  # what its absence means
    constant = attribute.get("constant") is True
    if before is not None and not isinstance(found, dict):
        return before._replace(mutability=mutability, constant=constant)
    told = found if isinstance(found, dict) else {}
    values = _text(told, "valuesList")
    return Characteristics(
        data_type=_text(told, "dataType") or "string",
        unit=_text(told, "unit"),
        minimum=_limit(told.get("minLimit")),
        maximum=_limit(told.get("maxLimit")),
        options=tuple(value.strip() for value in values.split(",")[:MAX_OPTIONS]) if values else (),
        monitored=told.get("supportsMonitoring") is True,
        mutability=mutability,
        constant=constant,
    )


def key_of(variable: Variable, attribute: Attribute, twin: int = 1) -> str:
    """The key of an attribute's point. `twin` tells apart variables whose paths would be the same: 2 for the second."""
    return ".".join(_path(variable, attribute, twin))


def describe(variable: Variable, attribute: Attribute, characteristics: Characteristics, twin: int = 1) -> Described:
    """The point of an attribute; `twin` as in `key_of`."""
    type_ = _TYPES.get(characteristics.data_type, Type.STRING)
    folder, name = _path(variable, attribute, twin)
    row = Row(
        folder=intern(folder),  # the same for all variables of a component
        name=name,
        type=type_,
        description=_description(variable, attribute, characteristics),
        unit=_unit(characteristics.unit) if type_ in (Type.DOUBLE, Type.INT32) else "",
        writable=characteristics.mutability != "ReadOnly" and not characteristics.constant,
        readable=characteristics.mutability != "WriteOnly",
        range=_range(characteristics, type_),
        source="2.x: NotifyReport, NotifyEvent, GetVariables, SetVariables",
    )
    return Described(variable, attribute, characteristics, row, row.key.lower())


def read(described: Described, text: str) -> Value:
    """The value of an attribute as the station wrote it. Raises ValueError for what is none of its type."""
    return coerce(described.row, text.strip() if described.row.type is not Type.STRING else text)


def write(described: Described, value: Value) -> str:
    """A value as SetVariables sends it. Raises ValueError, which says what is expected, for what may not be set."""
    if not described.row.writable:
        raise ValueError("the station does not let it be written")
    characteristics, type_ = described.characteristics, described.row.type
    if value is None:
        raise ValueError(f"expected a {type_.value}")
    if type_ is Type.BOOLEAN:
        return "true" if value else "false"
    if type_ is Type.DATETIME:
        return format_time(number(value))
    if type_ is not Type.STRING:
        return _write_number(characteristics, value, whole=type_ is Type.INT32)
    return _write_text(characteristics, str(value))


def set_request(described: Described, value: Value) -> dict[str, Any]:
    """The SetVariables request that writes a value (OCPP 2.0.1 B05). Raises ValueError as `write` does."""
    return {"setVariableData": [{"attributeValue": write(described, value), **named(described)}]}


def named(described: Described) -> dict[str, Any]:
    """The fields that name a variable's attribute in SetVariables and GetVariables."""
    return naming(described.variable, described.attribute)


def naming(variable: Variable, attribute: Attribute) -> dict[str, Any]:
    """The same for an attribute of which no point is known."""
    component: dict[str, Any] = {"name": variable.component}
    if variable.instance:
        component["instance"] = variable.instance
    if variable.evse:
        component["evse"] = {"id": variable.evse}
        if variable.connector:
            component["evse"]["connectorId"] = variable.connector
    name = {"name": variable.name}
    if variable.name_instance:
        name["instance"] = variable.name_instance
    types = {} if attribute == ACTUAL else {"attributeType": attribute}
    return {**types, "component": component, "variable": name}


def _path(variable: Variable, attribute: Attribute, twin: int) -> tuple[str, str]:
    """The folder and the name of a point."""
    parts = [FOLDER, _safe(variable.component)]
    if variable.instance:
        parts.append(_safe(variable.instance))
    if variable.evse:
        parts.append(str(variable.evse))
        if variable.connector:
            parts.append(str(variable.connector))
    name = _safe(variable.name)
    if variable.name_instance:
        name = f"{name}.{_safe(variable.name_instance)}"
    if twin > 1:
        name = f"{name}~{twin}"
    return ".".join(parts), name if attribute == ACTUAL else f"{name}.{attribute}"


def _safe(name: str) -> str:
    safe = _UNSAFE.sub("_", name[:MAX_NAME])
    return f"{safe}_" if safe.lower() in _RESERVED else safe


def _description(variable: Variable, attribute: str, characteristics: Characteristics) -> str:
    instance = f" {variable.name_instance}" if variable.name_instance else ""
    notes = [f"{variable.name}{instance} of the station's {variable.component}"]
    if attribute != ACTUAL:
        notes[0] += f", {attribute}"
    if characteristics.options:
        several = "any of" if characteristics.data_type in _LISTS else "one of"
        notes.append(f"{several} {', '.join(characteristics.options)}")
    return "; ".join(notes)


def _unit(unit: str) -> str:
    """The unit under the name that points have for it, if they have one: values are not converted."""
    conversion = CONVERSIONS.get(unit)
    if conversion is not None and not conversion.converts:
        return conversion.base
    return _OTHERWISE.get(unit.lower(), unit[:MAX_NAME])


def _range(characteristics: Characteristics, type_: Type) -> tuple[float, float] | None:
    low, high = characteristics.minimum, characteristics.maximum
    if type_ not in (Type.DOUBLE, Type.INT32) or low is None or high is None or not low < high:
        return None
    return low, high


def _write_number(characteristics: Characteristics, value: Value, *, whole: bool) -> str:
    found = number(value)
    if characteristics.minimum is not None and found < characteristics.minimum:
        raise ValueError(f"must be at least {characteristics.minimum:g}")
    if characteristics.maximum is not None and found > characteristics.maximum:
        raise ValueError(f"must be at most {characteristics.maximum:g}")
    return str(int(found)) if whole or found.is_integer() else repr(found)


def _write_text(characteristics: Characteristics, text: str) -> str:
    given = text.split(",") if characteristics.data_type in _LISTS else [text]
    if characteristics.options:
        unknown = [part for part in given if part.strip() not in characteristics.options and text]
        if unknown or (characteristics.data_type == "OptionList" and not text):
            raise ValueError(f"must be of {', '.join(characteristics.options)}")
    if characteristics.maximum is not None and len(text) > characteristics.maximum:
        raise ValueError(f"must have at most {characteristics.maximum:g} characters")
    return text


def _text(node: Mapping[str, Any], field: str) -> str:
    found = node.get(field)
    return found if isinstance(found, str) else ""


def _natural(raw: Any) -> int:
    return raw if type(raw) is int and 0 < raw < 2**31 else 0


def _limit(raw: Any) -> float | None:
    return float(raw) if type(raw) in (int, float) and abs(raw) < 1e300 and isfinite(raw) else None
