"""Meter values: which point a sampled value belongs to, and its value in the point's base unit.

The point is `MeterValues.<Measurand>[.<Phase>][.<Location>]`; a measurand's usual location has no suffix.
Sampled values have the same shape in every OCPP version but for the unit (OCPP 1.6 §7.43, 2.0.1 §2.47).
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from operator import itemgetter
from typing import Any, NamedTuple

from bridge.points.extras import Places
from bridge.points.rows import Row, Type
from bridge.points.tree import Group, Quality, Update
from bridge.points.units import Conversion, conversion_of, unit_said
from bridge.points.values import number, parse_time

FOLDER = "MeterValues"
DEFAULT = "Energy.Active.Import.Register"
#: the register that Transaction.Energy is reckoned from
ENERGY_KEY = f"{FOLDER}.{DEFAULT}"
BEGIN, END = "Transaction.Begin", "Transaction.End"
_RANKS = {BEGIN: 0, END: 2}


@dataclass(frozen=True, slots=True)
class Measurand:
    """A measurand: its base unit ("" for none) and the location that needs no suffix. One that is not `usual` has a
    point where a station reports it, and nowhere else.
    """

    name: str
    unit: str
    location: str
    description: str
    usual: bool = True


class Telegram(NamedTuple):
    """What a MeterValue array changes: the updates, the newest time in it that can be believed, the last value of the
    energy register (Wh), why a value could not be read ("" when all could), and the timestamp of that register by the
    station's clock, believed or not (Unix seconds).
    """

    updates: list[Update]
    time: float | None
    register: float | None
    problem: str
    stamp: float | None


class Plan(NamedTuple):
    """How sampled values of one kind are read: their row, and how their unit is converted (None: not at all)."""

    row: Row
    conversion: Conversion | None
    wrong: str  # why they cannot be read
    blank: bool = False  # a phase that is named "", which may be any


class Shape(NamedTuple):
    """What the sampled values of a telegram are, in order: their rows, the places of those whose unit is converted,
    and that of the energy register (-1: none).
    """

    rows: tuple[Row, ...]
    conversions: tuple[tuple[int, Conversion], ...]
    register: int


UnitOf = Callable[[Mapping[str, Any]], tuple[str, float]]

#: a NamedTuple's own constructor is a Python function and costs three times as much
_new = tuple.__new__

MAX_SHAPES = 1_000  # that are remembered; a fleet has some dozens


@dataclass(frozen=True, slots=True, eq=False)
class Measurands:
    """The table of measurands, phases and locations, and the rows made from them so far."""

    known: Mapping[str, Measurand]
    phases: tuple[str, ...]
    locations: tuple[str, ...]
    _rows: dict[str, Row] = field(default_factory=dict)
    _plans: dict[tuple[Any, ...], Plan] = field(default_factory=dict)
    _shapes: dict[Sequence[tuple[Any, ...]], Shape] = field(default_factory=dict)

    def rows(self) -> tuple[Row, ...]:
        """The rows that every connector has: each usual measurand without phase, at its usual location."""
        return tuple(self._row(measurand, "", "") for measurand in self.known.values() if measurand.usual)

    def row_of(self, key: str) -> Row | None:
        """The row of `MeterValues.<Measurand>[.<Phase>][.<Location>]`, None where OCPP has no such thing."""
        found = self._rows.get(key)
        if found is not None or not key.startswith(FOLDER + "."):
            return found
        name = key[len(FOLDER) + 1 :]
        head, _, location = name.rpartition(".")
        if location not in self.locations:
            head, location = name, ""
        measurand, phase = self.known.get(head), ""
        if measurand is None:
            head, _, phase = head.rpartition(".")
            measurand = self.known.get(head)
        if measurand is None or (phase and phase not in self.phases) or location == measurand.location:
            return None
        return self._row(measurand, phase, location)

    def telegram(
        self, group: Group, meter_values: Any, believe: Callable[[float], float | None], unit_of: UnitOf | None = None
    ) -> Telegram:
        """The updates of a MeterValue array for the points of a group, in order; what is no sampled value is passed
        over. Points that the group does not have yet are made.

        `believe` judges a timestamp (Unix seconds): it, or None. `unit_of` gives the unit of a sampled value and the
        factor of its multiplier; without it the field `unit` is the unit (OCPP 1.6).
        """
        updates: list[Update] = []
        latest: float | None = None
        register: float | None = None
        newest: float | None = None  # the time of that register
        told: float | None = None  # the same as the station wrote it
        problem = ""
        for meter_value in meter_values if isinstance(meter_values, list) else [meter_values]:
            if not isinstance(meter_value, dict):
                continue
            stamp, samples = _time(meter_value.get("timestamp")), meter_value.get("sampledValue")
            time = None if stamp is None else believe(stamp)
            if time is not None and (latest is None or time > latest):
                latest = time
            all_samples = samples if isinstance(samples, list) else [samples]
            found, wrong = self._read(group, all_samples, time, unit_of, updates)
            if found is not None and (newest is None or time is None or time >= newest):
                register, newest, told = found, time, stamp
            problem = wrong or problem
        return Telegram(updates, latest, register, problem, told)

    def readings(
        self, group: Group, kinds: Sequence[tuple[Any, ...]], texts: Sequence[str]
    ) -> tuple[Places, Sequence[float], float | None] | None:
        """Places, values and the energy register of sampled values: of what kinds they are, and what they say.

        A kind is measurand, phase, location, unit and format, as `telegram` reads them; `kinds` is one object for all
        telegrams that are alike. The texts have nothing in them that belongs in no number. A third of what `telegram`
        costs, for most of what there is: None where a single one is anything but a good number of a known kind.
        """
        shape = self._shapes.get(kinds) or self._shape(kinds)
        places = None if shape is None else group.places_of(shape.rows)
        if shape is None or places is None:
            return None
        try:
            values = list(map(float, texts))
        except ValueError:
            return None
        for place, conversion in shape.conversions:
            values[place] = conversion.apply(values[place])
        if not isfinite(sum(values)):
            return None
        register = values[shape.register] if shape.register >= 0 else None
        return places, array("d", values), register  # one object: nobody may read them before the next ones come

    def _shape(self, kinds: Sequence[tuple[Any, ...]]) -> Shape | None:
        plans = [self._plans.get(kind) or self._plan(kind) for kind in kinds]
        readable = [plan for plan in plans if plan is not None and not plan.wrong]
        if len({plan.row.key for plan in readable}) < len(plans):  # where one stands twice, its context tells
            return None
        if len(self._shapes) >= MAX_SHAPES:
            self._shapes.clear()
        shape = self._shapes[kinds] = Shape(
            tuple(plan.row for plan in readable),
            tuple((place, plan.conversion) for place, plan in enumerate(readable) if plan.conversion is not None),
            max((place for place, plan in enumerate(readable) if plan.row.key == ENERGY_KEY), default=-1),
        )
        return shape

    def _read(
        self,
        group: Group,
        samples: list[Any],
        time: float | None,
        unit_of: UnitOf | None,
        updates: list[Update],
    ) -> tuple[float | None, str]:
        plans, slots, good = self._plans, group.layout.index, Quality.GOOD
        register, problem, read_unit = None, "", unit_of or _unit_field
        blanks: set[tuple[Any, ...]] = set()
        for sample in samples:
            if type(sample) is not dict:
                continue
            get = sample.get
            unit, factor = read_unit(sample)
            kind = get("measurand"), get("phase"), get("location"), unit, get("format")
            try:
                plan = plans.get(kind) or self._plan(kind)
            except TypeError:  # a list or an object where a name belongs
                continue
            if plan is None:
                continue
            row, conversion, wrong, blank = plan
            if blank:
                wrong = _repeated(blanks, sample, kind) or wrong
            slot = slots.get(row.key)
            if slot is None and (slot := group.extend(row)) is None:
                continue
            try:
                value = number(get("value"))
                if conversion is not None or factor != 1.0 or wrong:
                    value = _converted(_scaled(value, factor), conversion, wrong)
            except ValueError as error:
                problem = f"{row.name}: {error}"
                updates.append(Update(slot, None, time, Quality.SUBNORMAL))
                continue
            if row.key == ENERGY_KEY:
                register = value
            updates.append(_new(Update, (slot, value, time, good)))
        return register, problem

    def _plan(self, kind: tuple[Any, ...]) -> Plan | None:
        """How sampled values of this measurand, phase, location, unit and format are read; None: they are not."""
        name, phase, location, unit = kind[0] or DEFAULT, kind[1] or "", kind[2] or "", kind[3] or ""
        measurand = None if kind[0] == "" else self.known.get(name)
        if measurand is None or kind[4] == "SignedData" or (phase and phase not in self.phases):
            return None
        if location and location not in self.locations:
            return None
        row = self._row(measurand, phase, "" if location == measurand.location else location)
        conversion = conversion_of(str(unit)) if unit else Conversion(measurand.unit)
        if conversion is None or conversion.base != measurand.unit:
            return Plan(row, None, f"{str(unit)[:50]} is no unit of it")
        plan = self._plans[kind] = Plan(row, conversion if conversion.converts else None, "", kind[1] == "")
        return plan

    def _row(self, measurand: Measurand, phase: str, location: str) -> Row:
        name = ".".join(part for part in (measurand.name, phase, location) if part)
        key = f"{FOLDER}.{name}"
        row = self._rows.get(key)
        if row is None:
            suffix = "".join(f", {part}" for part in (phase, location) if part)
            row = self._rows[key] = Row(
                folder=FOLDER,
                name=name,
                type=Type.DOUBLE,
                unit=measurand.unit,
                description=measurand.description + suffix,
                source="MeterValues, StopTransaction.transactionData",
            )
        return row


def in_order(meter_values: Any, raw: str) -> Any:
    """A MeterValue array with what a transaction began with before all else of the same time, and what it ended with
    behind it. `raw` is its JSON text, which tells whether there is anything to be put in order.
    """
    if BEGIN not in raw or not isinstance(meter_values, list | dict):
        return meter_values
    parts: list[tuple[float, int, dict[str, Any]]] = []
    for entry in meter_values if isinstance(meter_values, list) else [meter_values]:
        found = entry.get("sampledValue") if isinstance(entry, dict) else None
        samples = [each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict)]
        for rank in (0, 1, 2):
            here = [each for each in samples if _RANKS.get(str(each.get("context")), 1) == rank]
            if here:
                time = _time(entry.get("timestamp"))
                parts.append((inf if time is None else time, rank, {**entry, "sampledValue": here}))
    return [entry for _, _, entry in sorted(parts, key=itemgetter(0, 1))]


def _unit_field(sample: Mapping[str, Any]) -> tuple[str, float]:
    """The unit of OCPP 1.6, where nothing is wrong with it."""
    unit = sample.get("unit")
    return (unit, 1.0) if type(unit) is str and unit else unit_said(sample)


def _repeated(before: set[tuple[Any, ...]], sample: Mapping[str, Any], kind: tuple[Any, ...]) -> str:
    """Why a value of no phase cannot be the total: it has come already, so the phases are what is not named."""
    this = (kind[0], kind[2], str(sample.get("context")))
    if this in before:
        return "it comes several times without a phase"
    before.add(this)
    return ""


def _scaled(value: float, factor: float) -> float:
    """Without the noise of binary fractions: 3 with the multiplier -1 is 0.3."""
    return value if factor == 1.0 else float(f"{value * factor:.15g}")


def _converted(value: float, conversion: Conversion | None, wrong: str) -> float:
    if wrong:
        raise ValueError(wrong)
    converted = value if conversion is None else conversion.apply(value)
    if not isfinite(converted):
        raise ValueError("too large a number")
    return converted


def _time(text: Any) -> float | None:
    try:
        return parse_time(text)
    except ValueError:
        return None
