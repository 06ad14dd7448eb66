"""What chargers do otherwise than OCPP says, from the station's side: `lenient` copes and counts, `strict` refuses."""

from typing import Any

import pytest
import websockets

from bridge.ocpp.versions import VERSIONS
from bridge.points.tree import Quality
from bridge.station.profiles.settings import Settings
from tests.unit.station.deviations import (
    DEVIATIONS,
    SAMPLE,
    STATION,
    STATION_2,
    STATUS,
    Deviation,
    event,
    meter,
)
from tests.unit.station.rig import START, Rig, ask, at

BOOT = {
    "1.6": STATION,
    "2.0.1": {"reason": "PowerUp", "chargingStation": STATION_2},
    "2.1": {"reason": "PowerUp", "chargingStation": STATION_2},
}
STATUS_2 = {"timestamp": at(-5), "connectorStatus": "Unavailable", "evseId": 1, "connectorId": 1}
STATUSES = {"1.6": {**STATUS, "status": "Unavailable"}, "2.0.1": STATUS_2, "2.1": STATUS_2}
ROWS = [
    pytest.param(row, version, id=f"{version}-{number}-{row.name}")
    for number, row in enumerate(DEVIATIONS)
    for version in row.versions
]


def frame(number: int, action: str, payload: Any) -> list[Any]:
    return [2, f"m-{number}", action, *([] if payload is ... else [payload])]


async def send(rig: Rig, row: Deviation, version: str) -> list[Any]:
    """The answer to the message that deviates, once it has changed the points."""
    async with rig.socket(subprotocols=[VERSIONS[version].subprotocol]) as socket:
        await ask(socket, [2, "boot", "BootNotification", BOOT[version]])
        for number, message in enumerate(row.messages):
            answer = await ask(socket, frame(number, *message))
        await ask(socket, [2, "settle", "Heartbeat", {}])
    assert isinstance(answer, list)
    return answer


@pytest.mark.parametrize(("row", "version"), ROWS)
async def test_lenient_does_the_right_thing_and_counts_it(rig, row, version):
    answer = await send(rig, row, version)
    assert answer[0] == 3
    assert {key: rig.value(f"CP1.{key}") for key in row.points} == row.points
    assert rig.value("CP1.State.InvalidMessages") == (1 if row.told else 0)
    assert row.told in rig.value("CP1.State.LastError")
    assert rig.value("CP1.State.LastError").startswith(row.messages[-1][0] if row.told else "")


@pytest.mark.parametrize(("row", "version"), ROWS)
async def test_strict_refuses_with_the_code_of_the_version(start, row, version):
    rig = await start(ocpp={"validation": "strict"})
    answer = await send(rig, row, version)
    code = row.refusal(version)
    assert (answer[0], answer[2] if answer[0] == 4 else "") == (4 if code else 3, code)
    if code:  # counted and shown too, and nothing else
        assert rig.value("CP1.State.InvalidMessages") == 1
        assert f"{code}: " in rig.value("CP1.State.LastError")
        assert row.told in rig.value("CP1.State.LastError")
        meant = {key: value for key, value in row.points.items() if value and key != "State.LastHeartbeat"}
        assert {key for key, value in meant.items() if told(rig, key) == value} == set()


def told(rig: Rig, key: str) -> Any:
    """The value of a point that there may not be."""
    group, rest = rig.tree.find(f"CP1.{key}") or (rig.tree.bridge, "")
    return group.value(rest) if rest else None


@pytest.mark.parametrize(("row", "version"), ROWS)
async def test_without_validation_no_message_ends_the_conversation(start, row, version):
    rig = await start(ocpp={"validation": "off"})
    answer = await send(rig, row, version)
    assert answer[0] == 3
    assert rig.value("CP1.State.LastHeartbeat") == START


async def test_strict_guesses_no_transaction_and_answers_its_stop(start):
    """OCPP 1.6 §4.10: a check that fails must not keep the station from its answer."""
    row = next(row for row in DEVIATIONS if row.name.startswith("transactionId"))
    rig = await start(ocpp={"validation": "strict"})
    assert (await send(rig, row, "1.6"))[0] == 3
    assert rig.value("CP1.Connector1.Transaction.Active") is True
    assert "not certain" in rig.value("CP1.State.LastError")


@pytest.mark.parametrize(
    ("starts", "stop", "ended"),
    [
        # two run, and the token tells which
        ([(1, "A", 0, -60), (2, "B", 0, -50)], {"idTag": "B", "meterStop": 900}, 2),
        # the meter tells which of those with its token
        ([(1, "A", 100, -60), (2, "A", 5000, -50)], {"idTag": "a", "meterStop": 900}, 1),
        # without a token: the only one
        ([(1, "A", 100, -60)], {"meterStop": 900}, 1),
        ([(1, "A", 100, -60), (2, "B", 5000, -50)], {"meterStop": 900}, None),
        # more than any charger gives within a minute
        ([(1, "A", 100, -60)], {"meterStop": 90000}, None),
        ([(1, "A", 100, -60)], {"idTag": "A", "meterStop": 90000}, None),
        # a stop that came before: of none that has begun since
        ([(1, "A", 0, -5)], {"idTag": "A", "meterStop": 900}, None),
        # another token's
        ([(1, "A", 0, -60)], {"idTag": "C", "meterStop": 900}, None),
        # nothing tells
        ([(1, "A", 0, -60), (2, "A", 0, -50)], {"idTag": "A", "meterStop": 900}, None),
    ],
)
async def test_a_stop_without_an_id_ends_only_what_it_can_only_mean(rig, starts, stop, ended):
    async with rig.socket() as socket:
        for number, (connector, tag, meter_start, time) in enumerate(starts):
            payload = {"connectorId": connector, "idTag": tag, "meterStart": meter_start, "timestamp": at(time)}
            await ask(socket, [2, str(number), "StartTransaction", payload])
        await ask(socket, [2, "stop", "StopTransaction", {"transactionId": -1, "timestamp": at(-10), **stop}])
        await ask(socket, [2, "settle", "Heartbeat", {}])
    active = {rig.value(f"CP1.Connector{connector}.Transaction.Active") for connector, *_ in starts}
    if ended is None:
        assert active == {True}
    else:
        assert rig.value(f"CP1.Connector{ended}.Transaction.Active") is False
        assert rig.value(f"CP1.Connector{ended}.Transaction.Stop.Id") == str(ended)
        assert len(rig.known().running) == len(starts) - 1
    assert rig.value("CP1.State.InvalidMessages") == 1


async def settled(socket: Any, *messages: tuple[str, Any]) -> list[Any]:
    """The answers to messages, once they have changed the points."""
    answers = [await ask(socket, frame(number, *message)) for number, message in enumerate(messages)]
    await ask(socket, [2, "settle", "Heartbeat", {}])
    return answers


def quality(rig: Rig, key: str) -> Quality:
    group = rig.known().points.connectors["Connector1"]
    slot = group.slot(key)
    assert slot is not None
    return group.sample(slot).quality


START_OF_A = ("StartTransaction", {"connectorId": 1, "idTag": "A", "meterStart": 100, "timestamp": at(-60)})
STOP = {"transactionId": 1, "meterStop": 900, "timestamp": at(-10)}


@pytest.mark.parametrize("stop", [{"meterStop": 500}, {"idTag": "A", "meterStop": 500}])
async def test_a_stop_without_an_id_ends_no_transaction_whose_id_the_station_has_used(rig, stop):
    async with rig.socket() as socket:
        await settled(socket, START_OF_A, meter([{"value": "400"}], transactionId=1))
        await settled(socket, ("StopTransaction", {"transactionId": -1, "timestamp": at(-1), **stop}))
    assert rig.value("CP1.Connector1.Transaction.Active") is True
    assert "not certain" in rig.value("CP1.State.LastError")


@pytest.mark.parametrize("stamp", [None, "", "soon"], ids=str)
async def test_a_stop_without_an_id_and_a_time_ends_nothing(rig, stamp):
    """It may have come before, and the transaction that it ended is not the one that runs now."""
    stop = {"transactionId": -1, "idTag": "A", "meterStop": 900}
    async with rig.socket() as socket:
        await settled(socket, START_OF_A, ("StopTransaction", stop if stamp is None else {**stop, "timestamp": stamp}))
    assert rig.value("CP1.Connector1.Transaction.Active") is True


@pytest.mark.parametrize("number", [-1, 0])
async def test_a_stop_without_an_id_that_comes_again_ends_nothing_more(rig, number):
    """The next car of the same token charges by then, where the first one had left."""
    stop = {"transactionId": number, "idTag": "A", "meterStop": 900, "timestamp": at(-30)}
    again = {"connectorId": 1, "idTag": "A", "meterStart": 900, "timestamp": at(-20)}
    async with rig.socket() as socket:
        _, first, _ = await settled(socket, START_OF_A, ("StopTransaction", stop), ("StartTransaction", again))
    async with rig.socket() as socket:
        (answer,) = await settled(socket, ("StopTransaction", stop))
    assert answer[2] == first[2] == {"idTagInfo": {"status": "Accepted"}}
    shown = {"Active": True, "Id": "2", "Energy": 0.0, "Stop.Id": "1", "Stop.Energy": 800.0}
    assert rig.values("CP1.Connector1.Transaction", *shown) == shown


async def test_a_stop_that_lacks_its_meter_value_and_comes_again_is_the_same(rig):
    """B10"""
    stop = ("StopTransaction", {"transactionId": 1, "timestamp": at(-2)})
    async with rig.socket() as socket:
        await settled(socket, START_OF_A, meter([{"value": "400"}], transactionId=1), stop)
    async with rig.socket() as socket:
        await settled(socket, stop)
    assert [(one.id, one.meter_stop) for one in rig.store.transactions()] == [(1, 400.0)]
    assert "both are kept" not in rig.value("CP1.State.LastError")


async def test_a_stop_without_an_id_ends_nothing_below_the_last_meter_value(rig):
    async with rig.socket() as socket:
        stop = {"transactionId": 0, "idTag": "A", "meterStop": 300, "timestamp": at(-1)}
        await settled(socket, START_OF_A, meter([{"value": "400"}]), ("StopTransaction", stop))
    assert rig.value("CP1.Connector1.Transaction.Active") is True


async def test_a_stop_without_an_id_ends_nothing_that_runs_since_before_a_restart(rig, start):
    """Whether the station has used its id is not known."""
    async with rig.socket() as socket:
        await settled(socket, START_OF_A)
    await rig.stop()
    rig = await start()
    async with rig.socket() as socket:
        await settled(socket, ("StopTransaction", {**STOP, "transactionId": -1, "idTag": "A"}))
    assert rig.value("CP1.Connector1.Transaction.Active") is True


@pytest.mark.parametrize("validation", ["lenient", "off"])
async def test_a_stop_that_lacks_its_fields_is_answered(start, validation):
    rig = await start(ocpp={"validation": validation})
    async with rig.socket() as socket:
        await settled(socket, START_OF_A, meter([{"value": "400"}], transactionId=1))
        bare, without_meter, again = await settled(
            socket,
            ("StopTransaction", {"timestamp": at(-3)}),
            ("StopTransaction", {"transactionId": 1, "timestamp": at(-2)}),
            ("StopTransaction", {"transactionId": "soon", "meterStop": 5, "timestamp": at(-1)}),
        )
    assert (bare[0], without_meter[0], again[0]) == (3, 3, 3)
    assert rig.value("CP1.Connector1.Transaction.Active") is False
    assert rig.value("CP1.Connector1.Transaction.Stop.Energy") == 300.0
    assert quality(rig, "Transaction.Stop.Energy") is Quality.SUBNORMAL
    assert quality(rig, "Transaction.Stop.MeterStop") is Quality.SUBNORMAL


@pytest.mark.parametrize("meter_stop", [50, "900.5"])
async def test_an_energy_that_cannot_be_right_is_uncertain_and_told(rig, meter_stop):
    async with rig.socket() as socket:
        await settled(socket, START_OF_A, ("StopTransaction", {**STOP, "meterStop": meter_stop}))
    assert quality(rig, "Transaction.Stop.Energy") is Quality.SUBNORMAL
    assert quality(rig, "Transaction.Energy") is Quality.SUBNORMAL
    assert rig.value("CP1.Connector1.Transaction.Active") is False
    assert "meterStop" in rig.value("CP1.State.LastError")


@pytest.mark.parametrize("validation", ["lenient", "off"])
@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 2**64, 10**30], ids=str)
async def test_a_number_that_its_point_has_no_room_for_leaves_the_last_one_as_uncertain(start, validation, number):
    """J40: there is no Int64, which not every HMI has (datapoints: Int32)."""
    rig = await start(ocpp={"validation": validation})
    point = "CP1.Connector1.Transaction.Start.ReservationId"
    begin = {"connectorId": 1, "idTag": "A", "meterStart": 0}
    async with rig.socket() as socket:
        await settled(socket, ("BootNotification", STATION))
        await settled(socket, ("StartTransaction", {**begin, "timestamp": at(-60), "reservationId": 2**31 - 1}))
        assert rig.sample(point)[:2] == (2**31 - 1, Quality.GOOD)
        (answer,) = await settled(socket, ("StartTransaction", {**begin, "timestamp": at(-5), "reservationId": number}))
    assert answer[2]["transactionId"] == 2
    assert rig.sample(point)[:2] == (2**31 - 1, Quality.SUBNORMAL)
    assert "reservationId" in rig.value("CP1.State.LastError")
    assert rig.value("CP1.State.InvalidMessages") == 1
    assert rig.value("CP1.Connector1.Transaction.Id") == "2"


async def test_a_running_transactions_energy_below_zero_is_uncertain_and_told(rig):
    async with rig.socket() as socket:
        await settled(socket, START_OF_A, meter([{"value": "40"}], transactionId=1))
    assert rig.value("CP1.Connector1.Transaction.Energy") == -60.0
    assert quality(rig, "Transaction.Energy") is Quality.SUBNORMAL
    assert "less than at the start" in rig.value("CP1.State.LastError")


async def test_a_profile_says_the_unit_of_the_meter(rig):
    async with rig.socket() as socket:
        await ask(socket, [2, "boot", "BootNotification", STATION])
        rig.known().use(Settings(meter="kWh"))
        start = {"connectorId": 1, "idTag": "A", "meterStart": 1000, "timestamp": at(-60)}
        await settled(socket, ("StartTransaction", start), ("StopTransaction", {**STOP, "meterStop": "1005.5"}))
    assert rig.value("CP1.Connector1.Transaction.Start.MeterStart") == 1_000_000.0
    assert rig.value("CP1.Connector1.Transaction.Stop.Energy") == 5500.0
    assert quality(rig, "Transaction.Stop.Energy") is Quality.GOOD


@pytest.mark.parametrize("named", [{}, {"connectorId": None}])
@pytest.mark.parametrize(("connectors", "at_connector"), [((1,), True), ((1, 2), False)])
async def test_a_message_that_names_no_connector_is_the_only_ones(rig, named, connectors, at_connector):
    values = {**named, "meterValue": [{"timestamp": at(-5), "sampledValue": [{"value": "7"}]}]}
    async with rig.socket() as socket:
        await settled(socket, *(("StatusNotification", {**STATUS, "connectorId": number}) for number in connectors))
        await settled(socket, ("MeterValues", values))
    path = "CP1.Connector1" if at_connector else "CP1"
    assert rig.value(f"{path}.MeterValues.Energy.Active.Import.Register") == 7.0
    assert rig.value("CP1.State.InvalidMessages") == 1


async def test_the_reading_of_a_begin_never_replaces_that_of_the_end(rig):
    both = [{"value": "500", "context": "Transaction.End"}, {"value": "100", "context": "Transaction.Begin"}]
    async with rig.socket() as socket:
        await settled(socket, START_OF_A, meter(both, transactionId=1))
    assert rig.value("CP1.Connector1.MeterValues.Energy.Active.Import.Register") == 500.0
    assert rig.value("CP1.Connector1.Transaction.Energy") == 400.0
    assert rig.value("CP1.State.InvalidMessages") == 0


async def test_phases_without_names_make_no_total(rig):
    current = {"measurand": "Current.Import", "phase": "", "unit": "A"}
    async with rig.socket() as socket:
        await settled(socket, meter([{**current, "value": "16"}]))
        assert rig.value("CP1.Connector1.MeterValues.Current.Import") == 16.0
        assert quality(rig, "MeterValues.Current.Import") is Quality.GOOD
        await settled(socket, meter([{**current, "value": "15"}, {**current, "value": "14"}], at(-2)))
    assert quality(rig, "MeterValues.Current.Import") is Quality.SUBNORMAL


# --- boots ---


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_a_message_before_the_boot_is_taken_and_counted_with_the_boot(rig, version):
    async with rig.socket(subprotocols=[VERSIONS[version].subprotocol]) as socket:
        assert (await ask(socket, [2, "1", "StatusNotification", STATUSES[version]]))[0] == 3
        assert rig.value("CP1.State.InvalidMessages") == 0
        assert (await ask(socket, [2, "2", "BootNotification", BOOT[version]]))[0] == 3
        await ask(socket, [2, "3", "Heartbeat", {}])
    assert rig.value("CP1.Connector1.Status.StateText") == "Unavailable"
    assert rig.value("CP1.State.InvalidMessages") == 1
    assert rig.value("CP1.State.LastError") == "BootNotification: StatusNotification came before it"


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_strict_refuses_a_station_that_has_never_booted(start, version):
    rig = await start(ocpp={"validation": "strict"})
    async with rig.socket(subprotocols=[VERSIONS[version].subprotocol]) as socket:
        refused = await ask(socket, [2, "1", "StatusNotification", STATUSES[version]])
        assert (refused[0], refused[2]) == (4, "SecurityError")
        assert told(rig, "Connector1.Status.StateText") is None
        assert rig.value("CP1.State.InvalidMessages") == 1
        await ask(socket, [2, "2", "BootNotification", BOOT[version]])
        assert (await ask(socket, [2, "3", "StatusNotification", STATUSES[version]]))[0] == 3


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
@pytest.mark.parametrize("validation", ["lenient", "strict"])
@pytest.mark.parametrize("restart", [False, True])
async def test_a_reconnect_needs_no_boot(start, version, validation, restart):
    """OCPP 1.6 §4.2: a station boots when it has started, not when its line was cut, nor when the bridge has."""
    rig = await start(ocpp={"validation": validation})
    subprotocols = [VERSIONS[version].subprotocol]
    async with rig.socket(subprotocols=subprotocols) as socket:
        await ask(socket, [2, "1", "BootNotification", BOOT[version]])
    if restart:
        await rig.stop()
        rig = await start(ocpp={"validation": validation})
    async with rig.socket(subprotocols=subprotocols) as socket:
        assert (await ask(socket, [2, "2", "StatusNotification", STATUSES[version]]))[0] == 3
        await ask(socket, [2, "3", "Heartbeat", {}])
        rig.tick()
        assert rig.value("CP1.Connector1.Status.StateText") == "Unavailable"
        assert rig.quality("CP1.Connector1.Status.State") is Quality.GOOD
    assert rig.value("CP1.State.InvalidMessages") == 0
    assert rig.value("CP1.State.Conformance") == 100.0


# --- conformance ---


async def test_conformance_is_the_share_of_the_last_thousand_messages(rig):
    async with rig.socket() as socket:
        for number in range(10):
            await ask(socket, [2, str(number), "Heartbeat", None if number == 5 else {}])
        rig.tick()
        assert rig.value("CP1.State.Conformance") == 90.0
        for number in range(10, 1005):
            await ask(socket, [2, str(number), "Heartbeat", {}])
        rig.tick()
        assert rig.value("CP1.State.Conformance") == 99.9  # it was the first of the last thousand
        await ask(socket, [2, "1005", "Heartbeat", {}])
        rig.tick()
        assert rig.value("CP1.State.Conformance") == 100.0


async def test_a_message_with_two_things_wrong_counts_once(rig):
    """Two events with one number, of which the second has a unit that is none."""
    readings = [{"timestamp": at(-4), "sampledValue": [{"value": 3, "unitOfMeasure": {"unit": "furlong"}}]}]
    async with rig.socket(subprotocols=["ocpp2.0.1"]) as socket:
        await ask(socket, [2, "1", "BootNotification", BOOT["2.0.1"]])
        await ask(socket, [2, "2", *event()])
        await ask(socket, [2, "3", *event(triggerReason="Trigger", meterValue=readings)])
        await ask(socket, [2, "4", "Heartbeat", {}])
        rig.tick()
        assert "both are kept" in rig.value("CP1.State.LastError")
        assert "furlong is no unit of it" in rig.value("CP1.State.LastError")
        assert rig.value("CP1.State.InvalidMessages") == 1
        assert rig.value("CP1.State.Conformance") == 75.0


async def test_a_handshake_counts_like_a_message(rig):
    async with rig.socket("CP1/") as socket:
        assert rig.value("CP1.State.Conformance") == 0.0
        await ask(socket, [2, "1", "BootNotification", STATION])
        rig.tick()
        assert rig.value("CP1.State.Conformance") == 50.0
    async with rig.socket("CP1/") as socket:
        await ask(socket, [2, "2", "Heartbeat", {}])
        rig.tick()
        assert rig.value("CP1.State.Conformance") == 50.0


async def test_conformance_outlasts_a_reconnect(rig):
    async with rig.socket() as socket:
        await ask(socket, '[2,"1","Heartbeat",null]')
        assert rig.value("CP1.State.Conformance") == 0.0
    async with rig.socket() as socket:
        await ask(socket, '[2,"2","Heartbeat",{}]')
        rig.tick()
        assert rig.value("CP1.State.Conformance") == 50.0


async def test_conformance_begins_anew_after_a_restart_of_the_bridge(start):
    rig = await start()
    async with rig.socket() as socket:
        await ask(socket, '[2,"1","Heartbeat",null]')
        await ask(socket, '[2,"2","Heartbeat",{}]')
        rig.tick()
    await rig.stop()
    rig = await start()
    assert rig.sample("CP1.State.Conformance")[:2] == (50.0, Quality.LAST)
    async with rig.socket() as socket:
        await ask(socket, '[2,"1","Heartbeat",{}]')
        rig.tick()
        assert rig.sample("CP1.State.Conformance")[:2] == (100.0, Quality.GOOD)


# --- profiles ---


PROFILE = """
    match: {vendor: Vendor}
    identities: {"4711": CP1}
    units: {Power.Active.Import: kW}
    phases: {R: L1}
    clock_offset: 7200
"""


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_a_profiles_file_corrects_identity_unit_phase_and_clock_from_the_boot_on(start, version):
    rig = await start(profiles={"acme": PROFILE})
    power, voltage = {"measurand": "Power.Active.Import"}, {"measurand": "Voltage", "phase": "R"}
    if version == "1.6":
        samples = [{**power, "value": "7.4", "unit": "W"}, {**voltage, "value": "230"}]
        where: dict[str, Any] = {"connectorId": 1}
    else:
        samples = [{**power, "value": 7.4, "unitOfMeasure": {"unit": "W"}}, {**voltage, "value": 230}]
        where = {"evseId": 1}
    async with rig.socket("4711", subprotocols=[VERSIONS[version].subprotocol]) as socket:
        await ask(socket, [2, "1", "BootNotification", BOOT[version]])
        values = {**where, "meterValue": [{"timestamp": at(7195), "sampledValue": samples}]}
        assert (await ask(socket, [2, "2", "MeterValues", values]))[0] == 3
        await ask(socket, [2, "3", "Heartbeat", {}])
    assert [known.id for known in rig.stations] == ["CP1"]
    shown = {"Power.Active.Import": 7400.0, "Voltage.L1": 230.0, "Time": START - 5}
    assert rig.values("CP1.Connector1.MeterValues", *shown) == shown


async def test_a_profile_corrects_units_phases_and_the_clock(rig):
    async with rig.socket() as socket:
        await ask(socket, [2, "1", "BootNotification", STATION])
        settings = Settings(clock_offset=7200.0, units={"Power.Active.Import": "kW"}, phases={"R": "L1"})
        rig.known().use(settings)
        power = {"value": "7.4", "unit": "W", "measurand": "Power.Active.Import"}
        voltage = {"value": "230", "measurand": "Voltage", "phase": "R"}
        await ask(socket, [2, "2", *meter([power, voltage, SAMPLE], at(7195))])
        await ask(socket, [2, "3", "Heartbeat", {}])
        shown = rig.values(
            "CP1.Connector1.MeterValues", "Power.Active.Import", "Voltage.L1", "Energy.Active.Import.Register", "Time"
        )
    assert list(shown.values()) == [7400.0, 230.0, 3000.0, START - 5]


async def test_the_time_of_a_transaction_is_corrected_too(rig):
    async with rig.socket() as socket:
        await ask(socket, [2, "1", "BootNotification", STATION])
        rig.known().use(Settings(clock_offset=7200.0))
        payload = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": at(7195)}
        await ask(socket, [2, "2", "StartTransaction", payload])
        await ask(socket, [2, "3", "Heartbeat", {}])
        assert rig.value("CP1.Connector1.Transaction.Start.Time") == START - 5
    (stored,) = rig.store.load_open_transactions()
    assert stored.start_time == START - 5


async def test_a_profile_sets_how_strictly_a_station_is_judged(rig):
    async with rig.socket() as socket:
        await ask(socket, [2, "1", "BootNotification", STATION])
        assert (await ask(socket, [2, "2", "Heartbeat", {"mood": 1}]))[0] == 3
        rig.known().use(Settings(validation="strict"))
        assert (await ask(socket, [2, "3", "Heartbeat", {"mood": 1}]))[0] == 4
        rig.known().use(Settings(validation="off"))
        assert (await ask(socket, [2, "4", "Heartbeat", {"mood": 1}]))[0] == 3
        assert rig.value("CP1.State.InvalidMessages") == 2


async def test_a_profile_corrects_the_unit_of_a_2_x_station_and_its_multiplier(rig):
    sample = {"value": 74, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "W", "multiplier": -1}}
    async with rig.socket(subprotocols=["ocpp2.0.1"]) as socket:
        await ask(socket, [2, "1", "BootNotification", BOOT["2.0.1"]])
        rig.known().use(Settings(units={"Power.Active.Import": "kW"}))
        payload = {"evseId": 1, "meterValue": [{"timestamp": at(-5), "sampledValue": [sample]}]}
        await ask(socket, [2, "2", "MeterValues", payload])
        await ask(socket, [2, "3", "Heartbeat", {}])
        assert rig.value("CP1.Connector1.MeterValues.Power.Active.Import") == 74000.0


# --- handshakes ---


@pytest.mark.parametrize(
    ("path", "subprotocols", "told"),
    [
        ("CP1", None, "handshake: no subprotocol, taken for OCPP 1.6"),
        ("CP1/", ["ocpp1.6"], "handshake: a slash behind the identity"),
        ("CP1/", ["ocpp2.0.1"], "handshake: a slash behind the identity"),
        ("cp1", ["ocpp1.6"], "handshake: cp1 is CP1"),
        ("cp1", ["ocpp2.1"], "handshake: cp1 is CP1"),
    ],
)
async def test_a_handshake_that_is_not_quite_right_is_taken_and_counted(start, path, subprotocols, told):
    rig = await start(station=[{"id": "CP1"}])
    async with rig.socket(path, subprotocols=subprotocols) as socket:
        boot = BOOT["1.6" if subprotocols is None else subprotocols[0].removeprefix("ocpp")]
        assert (await ask(socket, [2, "1", "BootNotification", boot]))[0] == 3
        assert rig.value("CP1.State.InvalidMessages") == 1
        assert rig.value("CP1.State.LastError") == told
    assert [known.id for known in rig.stations] == ["CP1"]
    await rig.stop()
    strict = await start(station=[{"id": "CP1"}], ocpp={"validation": "strict"}, stations={"unknown": "refuse"})
    with pytest.raises((websockets.InvalidStatus, websockets.NegotiationError)):
        async with strict.socket(path, subprotocols=subprotocols):
            pass
