"""How far a value can be trusted, and which value that is."""

import pytest

from bridge.points.tree import Quality, Sample, Tree, Update
from tests.unit.points.helpers import put, read, row, slot_of

#: what happened to the point Status.Info of a station that is connected since t = 1000 → quality, value, time
QUALITIES = {
    "never reported": (lambda tree, station: None, (Quality.WAITING, None, None, None)),
    "fresh": (
        lambda tree, station: put(tree, station, "Status.Info", "x", 2000.0, time=1990.0),
        (Quality.GOOD, "x", 1990.0, 2000.0),
    ),
    "fresh, the station gave no time": (
        lambda tree, station: put(tree, station, "Status.Info", "x", 2000.0),
        (Quality.GOOD, "x", 2000.0, 2000.0),
    ),
    "disconnected": (
        lambda tree, station: (
            put(tree, station, "Status.Info", "x", 2000.0, time=1990.0),
            tree.set_online(station, None),
        ),
        (Quality.LAST, "x", 1990.0, 2000.0),
    ),
    "connected again, not reported since": (
        lambda tree, station: (
            put(tree, station, "Status.Info", "x", 2000.0, time=1990.0),
            tree.set_online(station, None),
            tree.set_online(station, 3000.0),
        ),
        (Quality.LAST, "x", 1990.0, 2000.0),
    ),
    "connected again and reported": (
        lambda tree, station: (
            put(tree, station, "Status.Info", "x", 2000.0, time=1990.0),
            tree.set_online(station, None),
            tree.set_online(station, 3000.0),
            put(tree, station, "Status.Info", "y", 3001.0, time=3000.5),
        ),
        (Quality.GOOD, "y", 3000.5, 3001.0),
    ),
    "the bridge restarted": (
        lambda tree, station: tree.restore(
            station, slot_of(station, "Status.Info"), Sample("x", Quality.GOOD, 890.0, 900.0)
        ),
        (Quality.LAST, "x", 890.0, 900.0),
    ),
    "unreadable, after a value": (
        lambda tree, station: (
            put(tree, station, "Status.Info", "x", 2000.0, time=1990.0),
            put(tree, station, "Status.Info", None, 2100.0, quality=Quality.SUBNORMAL),
        ),
        (Quality.SUBNORMAL, "x", 1990.0, 2100.0),
    ),
    "unreadable in part": (
        lambda tree, station: put(tree, station, "Status.Info", "part", 2100.0, time=2099.0, quality=Quality.SUBNORMAL),
        (Quality.SUBNORMAL, "part", 2099.0, 2100.0),
    ),
    "unreadable, never a value": (
        lambda tree, station: put(tree, station, "Status.Info", None, 2100.0, quality=Quality.SUBNORMAL),
        (Quality.SUBNORMAL, None, 2100.0, 2100.0),
    ),
    "unreadable, then disconnected": (
        lambda tree, station: (
            put(tree, station, "Status.Info", "part", 2100.0, quality=Quality.SUBNORMAL),
            tree.set_online(station, None),
        ),
        (Quality.SUBNORMAL, "part", 2100.0, 2100.0),
    ),
    "readable again": (
        lambda tree, station: (
            put(tree, station, "Status.Info", None, 2100.0, quality=Quality.SUBNORMAL),
            put(tree, station, "Status.Info", "x", 2200.0),
        ),
        (Quality.GOOD, "x", 2200.0, 2200.0),
    ),
    "a station without a value for it": (
        lambda tree, station: put(tree, station, "Status.Info", None, 2000.0),
        (Quality.GOOD, None, 2000.0, 2000.0),
    ),
}


@pytest.mark.parametrize("situation", QUALITIES)
def test_quality(tree, station, situation):
    """U29, U30: the table of qualities, row by row."""
    happens, expected = QUALITIES[situation]
    happens(tree, station)
    quality, value, source, server = expected
    assert read(station, "Status.Info") == Sample(value, quality, source, server)


@pytest.mark.parametrize("key", ["State.Connected", "State.Stale", "State.MessagesReceived", "State.LastError"])
@pytest.mark.parametrize("online", [None, 1000.0])
def test_what_the_bridge_itself_knows_is_good_always(tree, station, key, online):
    tree.set_online(station, online)
    assert read(station, key).quality is Quality.GOOD


def test_a_point_of_the_bridge_is_good_always(tree):
    assert read(tree.bridge, "Version") == Sample(None, Quality.GOOD, None, None)
    put(tree, tree.bridge, "Version", "1.0", 5.0)
    assert read(tree.bridge, "Version") == Sample("1.0", Quality.GOOD, 5.0, 5.0)


def test_a_connector_shares_the_connection_of_its_station(tree, station, connector):
    put(tree, connector, "Status.ErrorCode", "NoError")
    tree.set_online(station, None)
    assert read(connector, "Status.ErrorCode").quality is Quality.LAST


def test_a_point_that_is_not_kept_waits_for_its_first_value(tree, connector):
    assert read(connector, "Transaction.Active") == Sample(None, Quality.WAITING, None, None)
    put(tree, connector, "Transaction.Active", False)
    assert read(connector, "Transaction.Active").quality is Quality.GOOD


# --- late values


@pytest.mark.parametrize(
    ("time", "value"),
    [(5001.0, "new"), (5000.0, "new"), (4700.0, "new"), (4699.0, "old"), (1.0, "old"), (None, "new")],
)
def test_a_value_of_long_ago_does_not_replace_the_present_one(tree, station, time, value):
    """B16: up to the clock skew that is allowed, 300 s, the order of arrival counts."""
    put(tree, station, "Status.Info", "old", 5000.0, time=5000.0)
    changed = put(tree, station, "Status.Info", "new", 5010.0, time=time)
    assert read(station, "Status.Info").value == value
    assert bool(changed) is (value == "new")


@pytest.mark.parametrize("key", ["Status.Info", "MeterValues.Voltage"])
def test_a_value_goes_back_by_the_clock_skew_at_most_in_however_many_steps(tree, connector, key):
    """B16: a station that sends its queue with the newest first."""
    for time in (5000.0, 4750.0, 4710.0, 4600.0, 4400.0):
        put(tree, connector, key, f"of {time}", 5010.0, time=time)
    assert read(connector, key).value == "of 4710.0"
    put(tree, connector, key, "new", 5020.0, time=5015.0)
    put(tree, connector, key, "back", 5020.0, time=4730.0)
    assert read(connector, key).value == "back"


def test_a_telegram_goes_back_by_the_clock_skew_at_most_in_however_many_steps(tree, connector):
    places = connector.places_of((connector.row(slot_of(connector, "MeterValues.Voltage")),))
    for time in (5000.0, 4750.0, 4600.0):
        tree.apply_telegram(connector, places, [time], (), [], time, 5010.0)
    assert read(connector, "MeterValues.Voltage").value == 4750.0


def test_a_late_value_fills_a_point_that_has_none(tree, station):
    put(tree, station, "Status.Info", None, 5000.0)
    put(tree, station, "Status.Info", "late", 5010.0, time=1.0)
    assert read(station, "Status.Info") == Sample("late", Quality.GOOD, 1.0, 5010.0)


@pytest.mark.parametrize("key", ["Status.Info", "MeterValues.Voltage"])
def test_a_value_of_a_time_to_come_keeps_no_other_out(tree, connector, key):
    """B25: it was stamped while our own clock was days ahead."""
    tree.restore(connector, slot_of(connector, key), Sample("ahead", Quality.GOOD, 90_000.0, 90_000.0))
    put(tree, connector, key, "now", 5000.0, time=4990.0)
    assert read(connector, key) == Sample("now", Quality.GOOD, 4990.0, 5000.0)
    put(tree, connector, key, "late", 5001.0, time=1.0)
    assert read(connector, key).value == "now"


def test_a_late_value_of_a_point_that_came_at_run_time_is_late_too(tree, station):
    slot = station.extend(row("Configuration.Key"))
    assert slot is not None
    for value, time in (("old", 5000.0), ("late", 1.0)):
        tree.apply(station, [Update(slot, value, time)], 5000.0)
    assert station.sample(slot).value == "old"


def test_how_much_later_is_late_is_the_configurations(bridge_layout, station_layout):
    tree = Tree(bridge_layout, max_clock_skew=10.0)
    station = tree.add_station("X", "X", station_layout)
    put(tree, station, "Status.Info", "old", 5000.0, time=5000.0)
    assert put(tree, station, "Status.Info", "late", 5001.0, time=4989.0) == []


def test_what_is_late_is_told_to_nobody(tree, station):
    put(tree, station, "Status.Info", "old", 5000.0, time=5000.0)
    told = []
    tree.listeners.append(lambda group, slots: told.append(slots))
    put(tree, station, "Status.Info", "late", 5000.0, time=1.0)
    assert told == []
