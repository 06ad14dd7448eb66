"""One transaction of a 2.x station, and what an event changes in it; `transactions` has the rules."""

from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec

from bridge.points.measurands import BEGIN, END
from bridge.station.v2.addressing import Place
from bridge.station.v2.events import ENDED, STARTED, Event
from bridge.station.v2.samples import registers
from bridge.station.v2.sequence import Sequence
from bridge.station.v2.status import ChargingReport
from bridge.store.records import ASIDE

MAX_DIGESTS = 32
#: the reason of an end that nobody knows
UNKNOWN = "Unknown"

Kind = Literal["new", "repeated", "conflict"]
Number = TypeVar("Number", int, float)

Locate = Callable[[Place], str]
"""The connector (`Connector1`) that a place means now; "" where nothing tells."""


class TransactionState(msgspec.Struct, kw_only=True):
    """What is known of one transaction. Energies in Wh, times in Unix seconds by the station's clock.

    `at` is the connector that it is shown at, "" while no EVSE has been named, or nothing tells which connector of it.
    `charging_seq` is the number of the event that `charging_state` comes from. `numbers` are the seqNos that have
    come. `last_time` is that of the newest event. `gone`: since when the connector has been free of a transaction that
    has ended, but nobody knows how. `unheard`: the station has told nothing of it over the connection that is open.
    """

    id: str
    at: str = ""
    evse: int = 0
    connector: int = 0
    started: bool = False
    ended: bool = False
    first_time: float | None = None
    last_time: float | None = None
    start_time: float | None = None
    end_time: float | None = None
    gone: float | None = None
    unheard: bool = False
    first_seq: int | None = None
    id_token: str = ""
    id_token_type: str = ""
    stop_token: str = ""
    reason: str = ""
    meter_start: float | None = None
    meter_stop: float | None = None
    register: float | None = None
    register_time: float | None = None
    reservation_id: int | None = None
    remote_start_id: int | None = None
    charging_state: str = ""
    charging_time: float | None = None
    charging_seq: int = -1
    charged: bool = False
    time_charging: int | None = None
    cost: float | None = None
    currency: str = ""
    numbers: Sequence = msgspec.field(default_factory=Sequence)
    digests: dict[int, str] = {}

    @property
    def own_id(self) -> str:
        """The id that the station gave it; `id` is another one where the station has given it away again."""
        return self.id.partition(ASIDE)[0]

    @property
    def begun(self) -> float:
        return self.start_time or self.first_time or 0.0

    @property
    def lost(self) -> bool:
        """Whether its end is not known, but only that it runs no more."""
        return self.gone is not None

    @property
    def missing(self) -> int:
        """Events that the station has numbered and that have not come."""
        return self.numbers.missing(self.first_seq if self.first_seq is not None else 0)

    @property
    def energy(self) -> float | None:
        """Wh from the start to now, or to the end."""
        last = self.meter_stop if self.ended and self.meter_stop is not None else self.register
        return None if last is None or self.meter_start is None else round(last - self.meter_start, 6)

    @property
    def charging(self) -> ChargingReport:
        time = self.end_time if self.ended else self.charging_time
        return ChargingReport(self.charging_state, time or self.first_time or 0.0, self.charged, self.ended)


def advance(state: TransactionState, event: Event, now: float) -> None:
    """Takes in what an event says, but for where the transaction is. `now` stands for a time that was not given."""
    _take_times(state, event, now)
    _take_identity(state, event)
    _take_charging(state, event, now)
    _take_registers(state, event)


def lose(state: TransactionState, gone: float) -> None:
    """It runs no more, and nobody knows how it ended; its Ended counts all the same if it comes."""
    state.ended, state.gone, state.reason = True, gone, UNKNOWN
    state.end_time = state.last_time


def find_again(state: TransactionState) -> None:
    """A transaction that was lost runs after all."""
    state.ended, state.gone, state.reason, state.end_time = False, None, "", None


def reuses(state: TransactionState, event: Event) -> bool:
    """Whether the event starts another transaction with the id of one before, as of a counter that a power cut sets
    back. Of one that runs, a start with a number of its own past says so, after all that has come of it.
    """
    if event.type != STARTED or event.time is None:
        return False
    if not state.ended:
        return state.started and _counts_anew(state, event.seq_no) and event.time > (state.last_time or 0.0)
    if state.started:
        return event.time != state.start_time
    return not state.lost and event.time > (state.end_time or event.time)


def _counts_anew(state: TransactionState, seq_no: int | None) -> bool:
    last = state.numbers.last
    return seq_no is not None and last is not None and seq_no < last and seq_no in state.numbers


def note(state: TransactionState, event: Event) -> Kind:
    """Notes the event's number, and says whether it has come before."""
    if event.seq_no is None:
        return "new"
    fresh = state.numbers.add(event.seq_no)
    known = state.digests.get(event.seq_no)
    if not fresh and known in (None, event.digest):  # too long ago to be known: the store can tell
        return "repeated"
    state.digests[event.seq_no] = event.digest
    if len(state.digests) > MAX_DIGESTS:
        del state.digests[next(iter(state.digests))]
    return "new" if fresh else "conflict"


def _take_times(state: TransactionState, event: Event, now: float) -> None:
    time = now if event.time is None else event.time
    state.first_time = time if state.first_time is None else min(state.first_time, time)
    if event.type == STARTED and not state.started:
        state.started, state.start_time, state.first_seq = True, time, event.seq_no
    state.last_time = time if state.last_time is None else max(state.last_time, time)
    if event.type == ENDED and (not state.ended or state.lost):
        state.ended, state.end_time, state.gone = True, time, None
        state.reason = event.stopped_reason or "Local"  # what its absence means (OCPP 2.0.1 §2.48)


def _take_identity(state: TransactionState, event: Event) -> None:
    if event.has_token and event.stops:
        state.stop_token = state.stop_token or event.id_token
    elif event.has_token and not state.id_token:
        state.id_token, state.id_token_type = event.id_token, event.id_token_type
    state.reservation_id = _first(state.reservation_id, event.reservation_id)
    state.remote_start_id = _first(state.remote_start_id, event.remote_start_id)


def _take_charging(state: TransactionState, event: Event, now: float) -> None:
    """The chargingState, cost and time of the event with the highest number."""
    time = now if event.time is None else event.time
    if event.charging_state == "Charging":
        state.charged = True
    if event.seq_no is None:
        late = state.charging_time is not None and time < state.charging_time
    else:
        late = event.seq_no < state.charging_seq
    if late:
        return
    if event.charging_state:
        state.charging_state, state.charging_time = event.charging_state, time
        state.charging_seq = state.charging_seq if event.seq_no is None else event.seq_no
    state.time_charging = _first(event.time_charging, state.time_charging)
    if event.cost is not None:
        state.cost, state.currency = event.cost, event.currency


def _take_registers(state: TransactionState, event: Event) -> None:
    found = list(registers(event.meter_values))
    begins, ends = ([r.value for r in found if r.context == context] for context in (BEGIN, END))
    if begins:
        state.meter_start = begins[0]
    elif event.type == STARTED and state.meter_start is None and found:
        state.meter_start = found[0].value
    for reading in found:
        time = _first(reading.time, event.time)
        if state.register_time is None or (time is not None and time >= state.register_time):
            state.register, state.register_time = reading.value, _first(time, state.register_time)
    if ends:
        state.meter_stop = ends[-1]
    elif event.type == ENDED and state.meter_stop is None:
        state.meter_stop = found[-1].value if found else state.register


def move(state: TransactionState, event: Event, locate: Locate) -> str:
    """Takes the event's EVSE in; returns the connector that the transaction has left."""
    if event.place is None:
        return ""
    same_evse = event.place.evse == state.evse
    if same_evse and state.at and event.place.connector in (None, state.connector):
        return ""
    if is_late(state, event) and state.at:
        return ""  # it tells of before the transaction was where it is
    before, state.at = state.at, locate(event.place)
    state.evse, state.connector = event.place.evse, event.place.connector or 0
    return before if before != state.at else ""


def is_late(state: TransactionState, event: Event) -> bool:
    """Whether a later event of the transaction has come before this one, whose number has been noted."""
    if event.seq_no is not None:
        return event.seq_no != state.numbers.last
    return event.time is not None and state.last_time is not None and event.time < state.last_time


def _first(*values: Number | None) -> Number | None:
    return next((value for value in values if value is not None), None)
