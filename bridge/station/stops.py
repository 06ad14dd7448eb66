"""A StopTransaction of OCPP 1.6 (§4.10), as far as it can be read: it is recorded and answered whatever it says, or the
station would send it for ever.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bridge.errors import OcppError
from bridge.ocpp.versions import Version
from bridge.points.values import parse_time
from bridge.station.context import Context
from bridge.station.fields import optional_text, real, whole
from bridge.station.known import Known, Running
from bridge.store.records import TransactionStop

#: W; what no charger of OCPP 1.6 gives, so that a stop that says so is another transaction's
MOST_POWER = 1_000_000.0
_SLACK = 60.0  # s that two times of one clock may be off: some stations round to minutes


class ReadStop(NamedTuple):
    """problem: what was wrong with it, "" for nothing. doubt: why its meterStop is not the station's own. meant: the
    fields that take the place of its own in what is shown.
    """

    stop: TransactionStop
    problem: str
    doubt: str
    meant: Mapping[str, Any]


def read_stop(context: Context, known: Known, payload: Mapping[str, Any], now: float) -> ReadStop:
    """What a StopTransaction says, and where it does not say it, what it can only mean."""
    version = known.model.version
    number, meter = _or_none(whole, version, payload, "transactionId"), _or_none(real, version, payload, "meterStop")
    stamp, data = payload.get("timestamp"), payload.get("transactionData")
    time = _time(stamp)
    token = optional_text(payload, "idTag") or None
    problem, doubt = "", ""
    meant: dict[str, Any] = {}
    named: str | None = None
    if number is None or number <= 0:  # the bridge gives no such id
        number, problem = _identified(context, known, int(number or 0), meter, time, token)
        named = str(payload.get("transactionId", ""))[:20]
        meant["transactionId"] = number
    if meter is None:
        meter = _presumed(known, int(number))
        doubt = "meterStop is missing"
        meant["meterStop"] = meter
    stop = TransactionStop(
        station=known.id,
        transaction_id=int(number),
        id_tag=token,
        stop_time=now if time is None else time,
        stop_timestamp=stamp if isinstance(stamp, str) else "",
        meter_stop=meter,
        reason=optional_text(payload, "reason"),
        data=data if isinstance(data, list) else [],
        received=now,
        named=named,
    )
    return ReadStop(stop, problem, doubt, meant)


def _presumed(known: Known, number: int) -> float:
    """What stands for the meterStop (Wh) that a stop does not say: the last one that is known of its transaction."""
    running = known.running.get(number)
    if running is not None:
        return last_register(running)
    for group in known.points.connectors.values():  # it is sent again
        shown = group.value("Transaction.Stop.MeterStop")
        if group.value("Transaction.Stop.Id") == str(number) and isinstance(shown, float):
            return shown
    return 0.0


def last_register(running: Running) -> float:
    """The energy register (Wh) that a transaction was last heard of with."""
    group = running.group
    if group is None or group.value("Transaction.Id") != str(running.id):
        return running.meter_start
    energy = group.value("Transaction.Energy")
    return running.meter_start + energy if isinstance(energy, float) else running.meter_start


def meant_by(known: Known, meter_stop: float, time: float, token: str | None) -> int | None:
    """The transaction that a stop without an id means, None where that is not certain.

    A station that was offline when a transaction began stops it with the id 0 or -1, since it was told none. So it is
    none whose id it has used since. Where a token tells, it is the only one with that token that fits; where none
    does, the only one at all.
    """
    unnamed = [running for running in known.running.values() if not running.named]
    if token is None:
        found = unnamed
    else:  # CiString20 (OCPP 1.6 §7.28)
        found = [running for running in unnamed if running.id_tag.lower() == token.lower()]
        found = [running for running in found if _fits(running, meter_stop, time)]
    return found[0].id if len(found) == 1 and _fits(found[0], meter_stop, time) else None


def _fits(running: Running, meter_stop: float, time: float) -> bool:
    """Whether a transaction can have ended then, with this register (Wh)."""
    if meter_stop < last_register(running):
        return False
    if running.start_time is None:
        return True
    elapsed = time - running.start_time
    return elapsed >= 0 and (meter_stop - running.meter_start) * 3600 <= MOST_POWER * (elapsed + _SLACK)


def _identified(
    context: Context, known: Known, number: int, meter: float | None, time: float | None, token: str | None
) -> tuple[int, str]:
    """The transaction that a stop without an id means, and what was wrong with the stop.

    Where validation is strict nothing is guessed; it is answered there too (OCPP 1.6 §4.10). Nor is it of one without
    a time: it may have come before, and since then another transaction may have begun.
    """
    problem = f"transactionId {number} is none"
    meant = None
    if meter is not None and time is not None and context.validation(known) != "strict":
        meant = meant_by(known, meter, time, token)
    if meant is None:
        return number, f"{problem}, and it is not certain which transaction is meant"
    return meant, f"{problem}, taken for {meant}"


def _or_none(
    read: Callable[[Version, Mapping[str, Any], str], float], version: Version, payload: Mapping[str, Any], field: str
) -> float | None:
    try:
        return read(version, payload, field)
    except OcppError:
        return None


def _time(stamp: Any) -> float | None:
    try:
        return parse_time(stamp)
    except ValueError:
        return None
