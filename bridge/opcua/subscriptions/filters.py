"""Which changes of a value a monitored item reports (OPC 10000-4 §7.22.2). Pure."""

import enum
from dataclasses import dataclass
from math import inf

from bridge.errors import Refused
from bridge.opcua.sources import Reading
from bridge.points.rows import Row, Type


class Trigger(enum.IntEnum):
    """What about a value has to change (DataChangeTrigger)."""

    STATUS = 0
    STATUS_VALUE = 1
    STATUS_VALUE_TIMESTAMP = 2


NONE, ABSOLUTE, PERCENT = 0, 1, 2
"""DeadbandType."""

NUMERIC = frozenset((Type.INT32, Type.UINT32, Type.DOUBLE))


@dataclass(frozen=True, slots=True)
class DataFilter:
    """A DataChangeFilter as it is applied; `deadband` is absolute, in the value's own unit. None: there is none."""

    trigger: Trigger = Trigger.STATUS_VALUE
    deadband: float | None = None

    def passes(self, last: Reading, sample: Reading) -> bool:
        """Whether a client that was told `last` wants to hear of `sample`.

        With a deadband a change of the timestamp alone is none.
        """
        (before, old_quality, old_time, _), (value, quality, source_time, _) = last, sample
        if quality != old_quality:
            return True
        if self.trigger is Trigger.STATUS:
            return False
        if self.deadband is not None:
            return _leaves(before, value, self.deadband)
        if self.trigger is Trigger.STATUS_VALUE_TIMESTAMP and source_time != old_time:
            return True
        return not same(before, value)


def same(last: object, value: object) -> bool:
    """NaN equals NaN: a value that is none does not change."""
    return last == value or (last != last and value != value)  # noqa: PLR0124 - only NaN differs from itself


def _leaves(last: object, value: object, deadband: float) -> bool:
    if not isinstance(last, int | float) or not isinstance(value, int | float):
        return not same(last, value)
    # a difference with NaN or between infinities is NaN, which no deadband holds
    return not (abs(value - last) <= deadband or same(last, value))


def data_filter(trigger: int, kind: int, deadband: float, row: Row | None, *, is_number: bool) -> DataFilter | None:
    """The filter that was asked for; None where it is what every item has. `row` is that of a point's Value.

    Raises Refused with the StatusCode of OPC 10000-4 §5.13.2 and §7.22.2.
    """
    if trigger not in _TRIGGERS:
        raise Refused("BadMonitoredItemFilterInvalid", "there is no such trigger")
    if kind not in (NONE, ABSOLUTE, PERCENT):
        raise Refused("BadMonitoredItemFilterUnsupported", "there is no such deadband")
    if kind == NONE:
        return None if trigger == Trigger.STATUS_VALUE else DataFilter(Trigger(trigger))
    if not is_number:
        raise Refused("BadFilterNotAllowed", "only numbers have deadbands")
    if not 0 <= deadband < inf or (kind == PERCENT and deadband > 100):
        raise Refused("BadDeadbandFilterInvalid", f"{deadband} is no deadband")
    if kind == PERCENT:
        if row is None or row.range is None or row.enumeration is not None:
            raise Refused("BadMonitoredItemFilterUnsupported", "a percent deadband needs an EURange")
        low, high = row.range
        deadband *= (high - low) / 100
    return DataFilter(Trigger(trigger), deadband)


_TRIGGERS = frozenset(Trigger)
