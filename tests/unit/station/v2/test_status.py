"""Status.State from connectorStatus and chargingState."""

import pytest

from bridge.points.table import load_table
from bridge.project import Project, shipped
from bridge.station.v2.status import ChargingReport, ConnectorReport, state

CHARGES = ["Charging", "SuspendedEV", "SuspendedEVSE"]
CONNECTED = ["EVConnected", "Idle"]


def report(status, since=10.0, time=None):
    return ConnectorReport(status, since, since if time is None else time)


@pytest.mark.parametrize("status", ["Available", "Occupied", "Reserved", "Unavailable", "Faulted"])
def test_without_a_transaction_the_connector_is_as_it_says(status):
    assert state(report(status), None) == status


def test_nothing_is_shown_while_nothing_is_known():
    assert state(ConnectorReport(), None) is None


def test_a_connector_that_was_never_reported_is_finishing_when_its_transaction_has_ended():
    assert state(ConnectorReport(), ChargingReport("Charging", 5.0, ended=True)) == "Finishing"


TABLE = [
    # connectorStatus, chargingState, has charged → Status.State
    *((status, charging, True, charging) for status in ("Occupied", "Reserved", "") for charging in CHARGES),
    *(
        (status, charging, False, "Preparing")
        for status in ("Occupied", "Available", "Reserved")
        for charging in CONNECTED
    ),
    *((status, charging, True, "Finishing") for status in ("Occupied", "Available", "") for charging in CONNECTED),
    *((status, charging, True, status) for status in ("Faulted", "Unavailable") for charging in (*CHARGES, *CONNECTED)),
    ("Occupied", "", False, "Occupied"),  # nothing finer is known
    ("Available", "", False, "Preparing"),  # the token was first, the cable is to come
]


@pytest.mark.parametrize(("status", "charging", "charged", "expected"), TABLE)
def test_what_the_transaction_does_is_told_apart(status, charging, charged, expected):
    assert state(report(status), ChargingReport(charging, 20.0, charged)) == expected


@pytest.mark.parametrize("charging", CHARGES)
def test_a_car_that_has_gone_leaves_the_connector_available_before_its_transaction_ends(charging):
    running = ChargingReport(charging, 20.0, charged=True)
    assert state(report("Available", since=10.0, time=10.0), running) == charging
    assert state(report("Available", since=10.0, time=30.0), running) == "Available"


def test_a_car_that_has_gone_without_a_charge_leaves_the_connector_available():
    assert state(report("Available", since=30.0), ChargingReport("EVConnected", 20.0)) == "Available"
    assert state(report("Available", since=10.0), ChargingReport("EVConnected", 20.0)) == "Preparing"


def test_a_transaction_without_a_car_waits_for_it_while_its_connector_stays_available():
    """It began before the car came; the connector is told to be Available once more."""
    for told in ("Idle", ""):
        waiting = ChargingReport(told, 20.0)
        assert state(report("Available", since=10.0, time=30.0), waiting) == "Preparing"
        assert state(report("Available", since=30.0), waiting) == "Available"


def test_the_car_of_a_transaction_that_has_ended_is_finishing_and_the_next_one_is_not():
    ended = ChargingReport("EVConnected", 20.0, charged=True, ended=True)
    assert state(report("Occupied", since=10.0), ended) == "Finishing"
    assert state(report("Occupied", since=10.0, time=40.0), ended) == "Finishing"  # said again after a reconnect
    assert state(report("Available", since=25.0), ended) == "Available"
    assert state(report("Occupied", since=30.0), ended) == "Occupied"
    assert state(report("Faulted", since=30.0), ended) == "Faulted"


def test_a_report_that_comes_late_changes_nothing():
    found = ConnectorReport()
    assert found.take("Occupied", 10.0, 10.0)
    assert not found.take("Available", 9.0, 9.0)
    assert (found.status, found.since, found.time) == ("Occupied", 10.0, 10.0)
    assert found.take("Occupied", 20.0, 20.0)
    assert (found.since, found.time) == (10.0, 20.0)
    assert found.take("Available", 30.0, 30.0)
    assert (found.status, found.since) == ("Available", 30.0)


def test_every_state_that_comes_of_it_is_one_of_the_points():
    names = load_table(Project(shipped()).datapoints()).enumerations["ConnectorStatus"].numbers
    assert {expected for *_, expected in TABLE} <= names.keys()


@pytest.mark.parametrize("off", [-3600.0, 3600.0])
def test_a_station_whose_clock_is_wrong_is_judged_by_its_own_times(off):
    """B25: its transactions tell their times by the same clock."""
    found = ConnectorReport()
    found.take("Occupied", 10.0 + off, 10.0)
    assert state(found, ChargingReport("Charging", 20.0 + off)) == "Charging"
    assert state(found, ChargingReport("", 30.0 + off, charged=True, ended=True)) == "Finishing"
    found.take("Available", 40.0 + off, 40.0)
    assert state(found, ChargingReport("Charging", 20.0 + off)) == "Available"
