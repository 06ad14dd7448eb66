"""Transactions of OCPP 2.x, whatever happens to their events on the way."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ocpp.schemas import schemas
from bridge.ocpp.versions import VERSIONS
from bridge.points.values import format_time
from bridge.station.v2.addressing import Place, connector_name
from bridge.station.v2.events import digest_of, read_event
from bridge.station.v2.status import ChargingReport
from bridge.station.v2.transaction import TransactionState
from bridge.station.v2.transaction_points import left_points, points
from bridge.station.v2.transactions import MAX_ENDED, MAX_RUNNING, Taken, Transactions

T0 = 1_700_000_000.0
TOKEN = {"idToken": "04A2B3", "type": "ISO14443"}
OTHER = {"idToken": "MASTER", "type": "Central"}


def meter(value: float, at: float, context: str | None = None) -> dict[str, Any]:
    sample = {"value": value} | ({"context": context} if context else {})
    return {"timestamp": format_time(T0 + at), "sampledValue": [sample]}


def event(type_: str, seq: int | None, at: float, info: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A payload; `at` in seconds after T0."""
    found = {
        "eventType": type_,
        "timestamp": format_time(T0 + at),
        "triggerReason": "Trigger",
        "seqNo": seq,
        "transactionInfo": {"transactionId": "T1", **(info or {})},
        **fields,
    }
    return {name: value for name, value in found.items() if value is not None}


def locate(place: Place) -> str:
    return connector_name(place.evse, place.connector or 1)


def take(transactions: Transactions, payload: dict[str, Any]) -> Taken:
    return transactions.take(read_event(payload), locate, T0 + 9999)


def shown(state: TransactionState, *, current: bool = True) -> dict[str, Any]:
    """What is known, by point."""
    found = points(state, current=current, ended=True)
    return {key.removeprefix("Transaction."): value for key, value, _ in found if value is not None}


#: a charge of 15 kWh as a station tells it when nothing goes wrong
CHARGE = [
    event(
        "Started",
        0,
        0,
        {"chargingState": "EVConnected", "remoteStartId": 7},
        evse={"id": 2, "connectorId": 1},
        reservationId=5,
        triggerReason="CablePluggedIn",
        meterValue=[meter(1000, 0, "Transaction.Begin")],
    ),
    event("Updated", 1, 10, {"chargingState": "EVConnected"}, idToken=TOKEN, triggerReason="Authorized"),
    event("Updated", 2, 20, {"chargingState": "Charging"}, triggerReason="ChargingStateChanged"),
    event("Updated", 3, 80, triggerReason="MeterValuePeriodic", meterValue=[meter(9000, 80, "Sample.Periodic")]),
    event("Updated", 4, 90, {"chargingState": "EVConnected"}, idToken=OTHER, triggerReason="StopAuthorized"),
    event(
        "Ended",
        5,
        100,
        {"chargingState": "Idle", "stoppedReason": "MasterPass", "timeSpentCharging": 70},
        triggerReason="EVDeparted",
        meterValue=[meter(1000, 0, "Transaction.Begin"), meter(16000, 100, "Transaction.End")],
    ),
]

ENDED = {
    "Active": False,
    "Id": "",
    "IdTag": "",
    "ChargingState": "",
    "MissedEvents": 0,
    "Energy": 15000.0,
    "TimeCharging": 70,
    "Start.Id": "T1",
    "Start.IdTag": "04A2B3",
    "Start.IdTokenType": "ISO14443",
    "Start.MeterStart": 1000.0,
    "Start.Time": T0,
    "Start.ReservationId": 5,
    "Start.RemoteStartId": 7,
    "Stop.Id": "T1",
    "Stop.IdTag": "MASTER",
    "Stop.Reason": "MasterPass",
    "Stop.MeterStop": 16000.0,
    "Stop.Energy": 15000.0,
    "Stop.Time": T0 + 100,
}


@pytest.mark.parametrize("payload", CHARGE)
def test_the_events_of_these_tests_are_those_of_the_schema(payload):
    for version in ("2.0.1", "2.1"):
        assert schemas(VERSIONS[version]).check_request("TransactionEvent", payload) == ()


def test_a_transaction_from_the_first_event_to_the_last():
    transactions = Transactions()
    told = [take(transactions, payload) for payload in CHARGE]
    assert [taken.kind for taken in told] == ["new"] * 6
    assert [taken.started for taken in told] == [True] + [False] * 5
    assert [taken.ended for taken in told] == [False] * 5 + [True]
    assert [taken.asks for taken in told] == ["", "start_transaction", "", "", "stop_transaction", ""]
    assert all(taken.current for taken in told)
    assert shown(told[-1].state) == ENDED
    assert told[-1].state.at == "Connector2"


def test_what_is_shown_while_it_runs():
    transactions = Transactions()
    for payload in CHARGE[:4]:
        state = take(transactions, payload).state
    found = shown(state)
    assert {name: found[name] for name in ("Active", "Id", "IdTag", "ChargingState", "Energy", "MissedEvents")} == {
        "Active": True,
        "Id": "T1",
        "IdTag": "04A2B3",
        "ChargingState": "Charging",
        "Energy": 8000.0,
        "MissedEvents": 0,
    }
    assert not [name for name in found if name.startswith("Stop.")]
    assert state.charging == ChargingReport("Charging", T0 + 20, charged=True)


@pytest.mark.parametrize("order", list(itertools.permutations(range(6)))[::7])
def test_the_end_is_the_same_in_whatever_order_the_events_come(order):
    """B17"""
    transactions = Transactions()
    for index in order:
        state = take(transactions, CHARGE[index]).state
    assert shown(state) == ENDED


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_events_that_come_twice_change_nothing(indices):
    """B20"""
    once, often = Transactions(), Transactions()
    for index in dict.fromkeys(indices):
        take(once, CHARGE[index])
    seen: set[int] = set()
    for index in indices:
        assert take(often, CHARGE[index]).kind == ("repeated" if index in seen else "new")
        seen.add(index)
    assert once.get("T1") == often.get("T1")


def test_events_that_are_missing_are_counted_until_they_come():
    transactions = Transactions()
    missing = [take(transactions, CHARGE[index]).state.missing for index in (0, 3, 5, 2, 4, 1)]
    assert missing == [0, 2, 3, 2, 1, 0]


def test_numbers_are_counted_from_the_start_wherever_a_station_begins():
    """B19"""
    transactions = Transactions()
    take(transactions, event("Started", 40, 0))
    assert take(transactions, event("Updated", 43, 1)).state.missing == 2
    late = Transactions()
    assert take(late, event("Updated", 2, 1)).state.missing == 2  # its Started and one more
    assert take(late, event("Started", 0, 0)).state.missing == 1


def test_an_end_whose_start_never_came_is_shown_as_an_end():
    transactions = Transactions()
    taken = take(transactions, CHARGE[5] | {"evse": {"id": 2, "connectorId": 1}})
    found = shown(taken.state)
    assert (taken.ended, taken.started, taken.current) == (True, False, True)
    assert (found["Active"], found["Stop.Id"], found["Stop.Energy"], found["MissedEvents"]) == (
        False,
        "T1",
        15000.0,
        5,
    )
    assert not [name for name in found if name.startswith("Start.")]


def test_what_ended_does_not_run_again():
    """B17"""
    transactions = Transactions()
    for index in (0, 5, 2):
        taken = take(transactions, CHARGE[index])
    assert taken.state.ended
    assert list(transactions) == []
    assert shown(taken.state)["Active"] is False


def test_another_event_with_a_number_that_was_used_is_taken_and_marked():
    """B20"""
    transactions = Transactions()
    take(transactions, CHARGE[0])
    take(transactions, CHARGE[2])
    taken = take(transactions, event("Updated", 2, 30, {"chargingState": "SuspendedEV"}))
    assert (taken.kind, taken.state.charging_state) == ("conflict", "SuspendedEV")


def test_an_event_of_before_does_not_turn_the_state_back():
    transactions = Transactions()
    take(transactions, CHARGE[0])
    take(transactions, event("Updated", 3, 30, {"chargingState": "SuspendedEV"}, offline=True))
    state = take(transactions, CHARGE[2] | {"offline": True}).state
    assert (state.charging_state, state.charged) == ("SuspendedEV", True)


def test_events_without_numbers_are_put_in_order_by_their_times():
    transactions = Transactions()
    take(transactions, event("Started", None, 0, {"chargingState": "EVConnected"}))
    take(transactions, event("Updated", None, 30, {"chargingState": "SuspendedEV"}))
    state = take(transactions, event("Updated", None, 20, {"chargingState": "Charging"})).state
    assert (state.charging_state, state.missing) == ("SuspendedEV", 0)


# --- where it is


def test_a_transaction_without_an_evse_is_shown_as_soon_as_one_is_named():
    transactions = Transactions()
    taken = take(transactions, event("Started", 0, 0, idToken=TOKEN))
    assert (taken.state.at, taken.current) == ("", False)
    taken = take(transactions, event("Updated", 1, 5, evse={"id": 3, "connectorId": 2}))
    assert (taken.state.at, taken.current, taken.left) == ("Connector3_2", True, "")
    assert shown(taken.state)["Start.IdTag"] == "04A2B3"


def test_a_connector_that_is_named_later_takes_the_transaction_over():
    transactions = Transactions()
    assert take(transactions, event("Started", 0, 0, evse={"id": 1})).state.at == "Connector1"
    taken = take(transactions, event("Updated", 1, 5, evse={"id": 1, "connectorId": 2}))
    assert (taken.state.at, taken.left, taken.current) == ("Connector1_2", "Connector1", True)
    assert transactions.at("Connector1") is None
    taken = take(transactions, event("Updated", 2, 6, evse={"id": 1}))
    assert (taken.state.at, taken.left) == ("Connector1_2", "")


def test_an_event_of_before_does_not_move_it_back():
    transactions = Transactions()
    take(transactions, event("Started", 0, 0, evse={"id": 1, "connectorId": 1}))
    take(transactions, event("Updated", 3, 9, evse={"id": 2, "connectorId": 1}))
    taken = take(transactions, event("Updated", 2, 8, evse={"id": 1, "connectorId": 1}))
    assert (taken.state.at, taken.left) == ("Connector2", "")


def test_the_points_that_it_leaves_behind_say_that_nothing_runs():
    assert {key: value for key, value, _ in left_points(T0)} == {
        "Transaction.Active": False,
        "Transaction.Id": "",
        "Transaction.IdTag": "",
        "Transaction.ChargingState": "",
        "Transaction.MissedEvents": 0,
        "Transaction.Energy": None,
        "Transaction.TimeCharging": None,
        "Transaction.Cost": None,
        "Transaction.Currency": None,
        "Transaction.PriorityCharging": None,
        "Transaction.Start.Authorization": None,
        "Transaction.Start.ParentIdTag": None,
    }


def test_a_place_that_cannot_be_read_is_as_good_as_none():
    for evse in ({"id": "1"}, {"id": 0}, {}, "1", 7):
        assert read_event(event("Started", 0, 0, evse=evse)).place in (None, Place(7))


# --- several at one connector


def second(payload: dict[str, Any]) -> dict[str, Any]:
    return payload | {"transactionInfo": payload["transactionInfo"] | {"transactionId": "T2"}}


def test_a_late_event_of_the_transaction_before_does_not_cover_the_one_that_runs():
    transactions = Transactions()
    take(transactions, CHARGE[0])
    later = second(event("Started", 0, 500, evse={"id": 2, "connectorId": 1}))
    assert take(transactions, later).current
    taken = take(transactions, CHARGE[5] | {"offline": True})
    assert (taken.ended, taken.current) == (True, False)
    found = shown(taken.state, current=False)
    assert found["Stop.Energy"] == 15000.0
    assert "Active" not in found
    newest = transactions.at("Connector2")
    assert newest is not None
    assert newest.id == "T2"


def test_transactions_of_different_connectors_do_not_touch_each_other():
    transactions = Transactions()
    one = take(transactions, CHARGE[0])
    two = take(transactions, second(event("Started", 0, 0, evse={"id": 3, "connectorId": 1})))
    assert (one.current, two.current, two.state.at) == (True, True, "Connector3")
    assert [state.id for state in transactions] == ["T1", "T2"]


# --- readings


@pytest.mark.parametrize(
    ("started", "ended", "begin", "end"),
    [
        ([meter(5, 0)], [meter(9, 1)], 5.0, 9.0),
        ([], [meter(5, 0, "Transaction.Begin"), meter(7, 1), meter(9, 2, "Transaction.End")], 5.0, 9.0),
        ([meter(4, 0)], [meter(5, 0, "Transaction.Begin"), meter(9, 2)], 5.0, 9.0),
        ([meter(5, 0)], [], 5.0, 5.0),
        ([], [meter(9, 1)], None, 9.0),
        ([], [], None, None),
    ],
)
def test_where_the_register_of_the_start_and_the_end_come_from(started, ended, begin, end):
    transactions = Transactions()
    take(transactions, event("Started", 0, 0, meterValue=started or None))
    state = take(transactions, event("Ended", 1, 9, meterValue=ended or None)).state
    assert (state.meter_start, state.meter_stop) == (begin, end)
    assert state.energy == (None if begin is None or end is None else end - begin)


def test_a_reading_of_before_does_not_turn_the_energy_back():
    transactions = Transactions()
    take(transactions, CHARGE[0])
    take(transactions, CHARGE[3])
    state = take(transactions, event("Updated", 2, 70, meterValue=[meter(8000, 70)], offline=True)).state
    assert state.energy == 8000.0


def test_the_cost_of_21_is_shown():
    payload = CHARGE[5] | {
        "costDetails": {
            "totalCost": {"currency": "EUR", "typeOfCost": "NormalCost", "total": {"exclTax": 4.2, "inclTax": 5}},
            "totalUsage": {"energy": 15, "chargingTime": 70, "idleTime": 0},
        }
    }
    assert schemas(VERSIONS["2.1"]).check_request("TransactionEvent", payload) == ()
    found = shown(take(Transactions(), payload | {"evse": {"id": 1}}).state)
    assert (found["Cost"], found["Currency"]) == (5.0, "EUR")


# --- tokens


def test_a_token_of_the_first_event_is_the_one_that_it_started_with():
    transactions = Transactions()
    taken = take(transactions, CHARGE[0] | {"idToken": TOKEN, "triggerReason": "Authorized"})
    assert (taken.asks, taken.state.id_token, taken.state.stop_token) == ("start_transaction", "04A2B3", "")
    taken = take(transactions, CHARGE[5] | {"idToken": TOKEN})
    assert (taken.asks, taken.state.stop_token) == ("stop_transaction", "04A2B3")


def test_a_repeated_event_is_answered_like_the_first():
    transactions = Transactions()
    first, again = (take(transactions, CHARGE[1]) for _ in range(2))
    assert (again.kind, again.asks) == ("repeated", first.asks)


def test_no_token_at_all_is_a_token_too():
    event_ = read_event(CHARGE[1] | {"idToken": {"idToken": "", "type": "NoAuthorization"}})
    assert event_.has_token


# --- what a restart and a station without sense leave


def test_a_restart_in_the_middle_loses_nothing():
    before, after = Transactions(), Transactions()
    for payload in CHARGE[:4]:
        state = take(before, payload).state
    kept = msgspec.json.decode(msgspec.json.encode(state), type=TransactionState)
    after.restore([kept])
    assert take(after, CHARGE[3]).kind == "repeated"
    for payload in CHARGE[4:]:
        taken = take(after, payload)
    assert shown(taken.state) == ENDED
    assert taken.current


def test_a_transaction_that_the_station_no_longer_knows_is_closed():
    """B18"""
    transactions = Transactions()
    take(transactions, CHARGE[0])
    closed = transactions.close("T1", T0 + 50)
    assert closed is not None
    assert (closed.ended, closed.end_time, closed.reason) == (True, T0, "Unknown")
    assert transactions.close("T1", T0 + 60) is None
    assert shown(closed)["Active"] is False
    taken = take(transactions, CHARGE[5])
    assert taken.ended
    assert (closed.lost, closed.end_time, closed.reason) == (False, T0 + 100, "MasterPass")


def test_a_transaction_that_was_closed_runs_again_where_the_station_tells_more_of_it_afterwards():
    transactions = Transactions()
    take(transactions, CHARGE[0])
    transactions.close("T1", T0 + 15)
    assert take(transactions, CHARGE[1]).state.ended  # of before
    assert not take(transactions, CHARGE[2]).state.ended
    assert [state.id for state in transactions] == ["T1"]


def test_a_later_start_at_its_connector_closes_a_transaction_for_good():
    transactions = Transactions()
    take(transactions, CHARGE[0])
    taken = take(transactions, second(event("Started", 0, 7200, evse={"id": 2, "connectorId": 1})))
    assert (taken.current, taken.changed, taken.closed) == (True, True, "T1")
    late = take(transactions, event("Updated", 6, 9000))
    assert (late.current, late.closed) == (False, "T1")
    assert [state.id for state in transactions] == ["T2"]


def test_memory_is_bounded():
    transactions = Transactions()
    for number in range(2 * MAX_RUNNING):
        take(transactions, event("Started", 0, number, {"transactionId": f"R{number}"}, evse={"id": 9 + number}))
        take(transactions, event("Ended", 0, number, {"transactionId": f"E{number}"}, evse={"id": 2}))
    assert len(list(transactions)) == MAX_RUNNING
    assert len([number for number in range(2 * MAX_RUNNING) if transactions.get(f"E{number}")]) == MAX_ENDED
    for seq in range(0, 5000, 2):
        state = take(transactions, event("Updated", seq, seq)).state
    assert len(msgspec.json.encode(state)) < 5000


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"eventType": "Started"},
        {"eventType": "Started", "transactionInfo": {"transactionId": ""}},
        {"eventType": "Started", "transactionInfo": {"transactionId": ["T"]}},
        {"eventType": "Begun", "transactionInfo": {"transactionId": "T"}},
        {"transactionInfo": {"transactionId": "T"}},
    ],
)
def test_an_event_that_says_nothing_of_any_transaction_is_refused(payload):
    with pytest.raises(ValueError, match=r"transactionInfo\.transactionId is missing|eventType is none of"):
        read_event(payload)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_a_field_of_any_other_kind_is_as_good_as_none(value):
    fields = ["timestamp", "seqNo", "meterValue", "evse", "idToken", "offline", "reservationId", "costDetails"]
    payload = event("Updated", 0, 0) | dict.fromkeys(fields, value)
    payload["transactionInfo"] |= dict.fromkeys(["chargingState", "remoteStartId", "timeSpentCharging"], value)
    assert take(Transactions(), payload).kind == "new"


def test_equal_payloads_have_one_digest_in_whatever_order_their_fields_stand():
    assert digest_of({"a": 1, "b": {"c": 2, "d": 3}}) == digest_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})
    assert digest_of({"a": 1}) == digest_of({"a": 1})
