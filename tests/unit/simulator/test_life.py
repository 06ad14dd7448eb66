"""The life of simulated stations at a central system that is made with the `ocpp` package."""

import asyncio
import sys
from contextlib import suppress
from itertools import pairwise

import pytest
from ocpp.v16 import call
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from bridge.simulator import SimulatedStation, Simulator
from bridge.simulator.swarm import raise_descriptor_limit
from tests.unit.simulator.helpers import FAST, LONELY, measured, running, start


async def test_boots_and_reports_every_connector(system):
    async with running(Simulator(system.url, 1, connectors=3, **LONELY)) as simulator:
        await system.hear("StatusNotification", 4)
    assert [payload["connector_id"] for payload in system.of("StatusNotification")] == [0, 1, 2, 3]
    boot = system.of("BootNotification")[0]
    assert (boot["charge_point_vendor"], boot["charge_point_serial_number"]) == ("SIM", "SIM0001")
    assert system.requests == [("/ocpp/SIM0001", "ocpp1.6", None)]
    assert (simulator.counters.boots, simulator.counters.errors) == (1, 0)


async def test_a_password_goes_as_basic_authentication(system):
    async with running(Simulator(system.url, 1, password="secret", **LONELY)):
        await system.hear("BootNotification")
    assert system.requests[0][2] == "Basic U0lNMDAwMTpzZWNyZXQ="


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
async def test_boots_again_after_the_interval_until_it_is_accepted(system, status):
    system.registrations = [status, "Accepted"]
    system.interval = 1
    async with running(Simulator(system.url, 1, **LONELY)):
        await system.hear("StatusNotification", 3)
    actions = [action for _, action, _ in system.heard]
    assert actions[:3] == ["BootNotification", "BootNotification", "StatusNotification"]
    assert len(system.requests) == 1


async def test_a_pending_station_boots_at_once_when_it_is_triggered(system):
    """B03"""
    system.registrations = ["Pending", "Accepted"]
    system.interval = 3600
    async with running(Simulator(system.url, 1, **LONELY)):
        await system.hear("BootNotification")
        answer = await system.command(call.TriggerMessage(requested_message="BootNotification"))
        assert answer.status == "Accepted"
        await system.hear("StatusNotification", 3)


async def test_beats_in_the_interval_of_the_boot_answer(system):
    system.interval = 1
    async with running(Simulator(system.url, 1, **LONELY)):
        await system.hear("Heartbeat", 2)


async def test_charges_from_first_to_last_status(system):
    async with running(Simulator(system.url, 1, connectors=1, **FAST)) as simulator:
        stop = (await system.hear("StopTransaction"))[0]
        await system.until(lambda: len(system.of("StatusNotification", status="Available", connector_id=1)) > 1)
        assert simulator.counters.transactions >= 1
        assert simulator.counters.stopped >= 1
    statuses = [payload["status"] for payload in system.of("StatusNotification", connector_id=1)]
    assert statuses[:5] == ["Available", "Preparing", "Charging", "Finishing", "Available"]
    started = system.of("StartTransaction")[0]
    assert system.of("Authorize")[0]["id_tag"] == started["id_tag"] == stop["id_tag"]
    assert started["id_tag"].startswith("TAG-")
    assert stop["transaction_id"] == started["transaction_id"] == 1
    assert stop["reason"] == "Local"
    assert stop["meter_stop"] > started["meter_start"]
    registers = [value["sampled_value"][0]["value"] for value in stop["transaction_data"]]
    assert registers == [str(started["meter_start"]), str(stop["meter_stop"])]


async def test_meter_values_fit_each_other_and_the_transaction(system):
    settings = {**FAST, "meter_interval": 1.0, "charge_time": 1e6}
    async with running(Simulator(system.url, 1, connectors=1, **settings)):
        await system.hear("MeterValues", 4, transaction_id=1)
        await system.command(call.RemoteStopTransaction(transaction_id=1))
        stop = (await system.hear("StopTransaction"))[0]
    telegrams = system.of("MeterValues", transaction_id=1)
    values = [measured(telegram) for telegram in telegrams]
    for value in values:
        power = sum(value["Power.Active.Import", phase] for phase in ("L1", "L2", "L3"))
        assert value["Power.Active.Import", ""] == pytest.approx(power, abs=0.5)
        for phase in ("L1", "L2", "L3"):
            reckoned = value["Current.Import", phase] * value["Voltage", f"{phase}-N"]
            assert value["Power.Active.Import", phase] == pytest.approx(reckoned, abs=0.1)
        assert 0 < value["SoC", ""] <= 100
    register = ("Energy.Active.Import.Register", "")
    energies = [system.of("StartTransaction")[0]["meter_start"], *(value[register] for value in values)]
    energies.append(stop["meter_stop"])
    assert all(before <= after for before, after in pairwise(energies))
    units = {t["meter_value"][0]["sampled_value"][0]["unit"] for t in telegrams}
    assert units == {"Wh", "kWh"}


async def test_who_is_not_authorized_does_not_charge(system):
    system.authorization = "Blocked"
    async with running(Simulator(system.url, 1, connectors=1, **FAST)):
        await system.hear("Authorize", 2)
    assert system.of("StartTransaction") == []
    statuses = [payload["status"] for payload in system.of("StatusNotification", connector_id=1)]
    assert "Charging" not in statuses
    assert "Available" in statuses[statuses.index("Preparing") :]


async def test_a_start_that_is_refused_is_stopped_at_once(system):
    """B15"""
    system.start = "Invalid"
    async with running(Simulator(system.url, 1, connectors=1, **FAST)):
        stop = (await system.hear("StopTransaction"))[0]
    assert (stop["transaction_id"], stop["reason"]) == (1, "DeAuthorized")
    assert system.of("StatusNotification", status="Charging") == []


async def test_a_transaction_outlives_the_connection(system):
    async with running(Simulator(system.url, 1, connectors=1, **LONELY)) as simulator:
        await system.hear("StatusNotification", 2)
        await start(system)
        await system.desks["SIM0001"]._connection.close()
        await system.hear("BootNotification", 2)
        stop = await system.hear("StopTransaction")
        assert stop[0]["transaction_id"] == 1
        assert system.transactions == 1
        assert simulator.counters.connected == 1


async def test_tries_until_the_central_system_is_there(system):
    async with serve(system.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    events: asyncio.Queue[str] = asyncio.Queue()
    simulator = Simulator(
        f"ws://127.0.0.1:{port}/x", 1, on_event=lambda _station, event, _detail: events.put_nowait(event), **LONELY
    )
    async with running(simulator):
        assert [await asyncio.wait_for(events.get(), 20) for _ in range(3)] == ["error"] * 3
        async with serve(system.serve, "127.0.0.1", port, subprotocols=["ocpp1.6"]):
            await system.hear("BootNotification")
    assert simulator.counters.errors >= 3


async def test_a_callerror_is_counted_and_life_goes_on(system):
    system.registrations = ["NoSuchStatus"]  # the package refuses its own answer with a CALLERROR
    async with running(Simulator(system.url, 1, boot_retry=0.05, **LONELY)) as simulator:
        await system.hear("BootNotification", 3)
    assert simulator.counters.errors >= 2
    assert simulator.counters.boots == 0
    assert len(system.requests) == 1


async def test_an_answer_that_does_not_come_is_counted_and_life_goes_on(system):
    system.interval = 1
    system.silent = True
    failed = asyncio.Event()

    def note(_station: str, event: str, detail: str) -> None:
        if (event, detail) == ("error", "Heartbeat: no answer in 0.5 s"):
            failed.set()

    async with running(Simulator(system.url, 1, call_timeout=0.5, on_event=note, **LONELY)) as simulator:
        await asyncio.wait_for(failed.wait(), 20)
        assert (simulator.counters.connected, simulator.counters.errors) == (1, 1)
    assert len(system.requests) == 1


@pytest.mark.parametrize(("failures", "started"), [(2, 1), (3, 0)])
async def test_a_start_that_fails_is_tried_three_times(system, lonely, failures, started):
    """OCPP 1.6 §9.1.26, TransactionMessageAttempts"""
    await system.command(call.ChangeConfiguration(key="TransactionMessageRetryInterval", value="0"))
    system.failures = failures
    await system.command(call.RemoteStartTransaction(id_tag="AFAR", connector_id=1))
    if started:
        await system.hear("StatusNotification", connector_id=1, status="Charging")
    else:
        await system.hear("StatusNotification", 2, connector_id=1, status="Available")
    assert (system.transactions, system.failures) == (started, 0)
    assert (lonely.counters.transactions, lonely.counters.errors) == (started, failures)


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be():
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        raise_descriptor_limit(300)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, before[1])
        raise_descriptor_limit(100)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    "frame", ['[2, "1", {}, {}]', '[2,"1","NoSuchAction",{}]', "no JSON", "[]", '[2,"1","Reset",5]']
)
async def test_a_hostile_frame_does_not_end_a_station(system, lonely, frame):
    await system.desks["SIM0001"]._connection.send(frame)
    with suppress(ConnectionClosed):
        await system.desks["SIM0001"]._connection.send("[9]")
    before = len(system.of("Heartbeat"))
    async with asyncio.timeout(20):
        while len(system.of("Heartbeat")) == before:
            with suppress(ConnectionClosed, TimeoutError):
                await asyncio.wait_for(system.command(call.TriggerMessage(requested_message="Heartbeat")), 1)


async def test_many_stations_boot_and_are_all_different(system):
    async with running(Simulator(system.url, 30, prefix="CP", connect_rate=1000.0, **LONELY)) as simulator:
        await system.hear("StatusNotification", 90)
        counted = simulator.counters
        assert (counted.connected, counted.boots, counted.errors) == (30, 30, 0)
    assert sorted(system.desks) == [f"CP{number:04d}" for number in range(1, 31)]
    assert simulator.counters.connected == 0


async def test_a_run_ends_after_its_duration(system):
    simulator = Simulator(system.url, 2, **LONELY)
    await simulator.run(0.5)
    assert simulator.counters.connected == 0


async def test_what_happens_is_told(system):
    events: list[tuple[str, str]] = []
    simulator = Simulator(
        system.url, 1, connectors=1, on_event=lambda station, event, _detail: events.append((station, event)), **FAST
    )
    async with running(simulator):
        await system.hear("StopTransaction")
        await system.hear("StatusNotification", status="Finishing")
    assert events[:4] == [("SIM0001", event) for event in ("connected", "boot", "started", "stopped")]


def test_settings_are_those_of_every_station():
    simulator = Simulator("ws://localhost", 2, connectors=3, prefix="X", id_tags=("T",))
    assert simulator.stations[1] == SimulatedStation(id="X0002", connectors=3, id_tags=("T",))
