"""Groups of points: twins, listeners, paths, points that come at run time, another layout."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.points.layout import build_layout
from bridge.points.rows import Type
from bridge.points.tree import MAX_EXTRA, Group, Quality, Sample, Tree, Update
from tests.unit.points.helpers import COLOURS, put, read, row, slot_of

# --- twins


def test_a_state_changes_its_text_with_it(tree, station):
    changed = put(tree, station, "Status.State", 3, 2000.0, time=1999.0)
    assert changed == [slot_of(station, "Status.State"), slot_of(station, "Status.StateText")]
    assert read(station, "Status.State") == Sample(3, Quality.GOOD, 1999.0, 2000.0)
    assert read(station, "Status.StateText") == Sample("Charging", Quality.GOOD, 1999.0, 2000.0)


@pytest.mark.parametrize(("value", "text"), [(None, None), (77, "77")])
def test_a_state_without_a_name_has_its_number_as_text(tree, station, value, text):
    put(tree, station, "Status.State", value)
    assert read(station, "Status.StateText").value == text


def test_an_unreadable_state_keeps_state_and_text(tree, station):
    put(tree, station, "Status.State", 3, 2000.0, time=1999.0)
    put(tree, station, "Status.State", None, 2100.0, quality=Quality.SUBNORMAL)
    assert read(station, "Status.State") == Sample(3, Quality.SUBNORMAL, 1999.0, 2100.0)
    assert read(station, "Status.StateText") == Sample("Charging", Quality.SUBNORMAL, 1999.0, 2100.0)


# --- who is told


def test_listeners_are_told_the_group_and_what_changed_in_order(tree, station, connector):
    told = []
    tree.listeners.append(lambda group, slots: told.append((group.path, slots)))
    slots = [slot_of(connector, key) for key in ("Status.Info", "Status.ErrorCode")]
    assert tree.apply(connector, [Update(slot, "x") for slot in slots], 2000.0) == slots
    assert told == [("CP_1.Connector1", slots)]


def test_a_repeated_value_is_a_change_of_its_time(tree, station):
    put(tree, station, "Status.Info", "x", 2000.0)
    assert put(tree, station, "Status.Info", "x", 2001.0) == [slot_of(station, "Status.Info")]


def test_nothing_is_told_of_no_update(tree, station):
    told = []
    tree.listeners.append(lambda group, slots: told.append(slots))
    assert tree.apply(station, [], 2000.0) == []
    assert told == []


def test_a_lost_connection_is_told_for_every_live_point_that_has_a_value(tree, station, connector):
    put(tree, station, "Status.Info", "x")
    put(tree, station, "State.MessagesReceived", 5)
    put(tree, connector, "Status.Info", "y")
    told = {}
    tree.listeners.append(lambda group, slots: told.update({group.path: slots}))
    tree.set_online(station, None)
    assert told["CP_1"] == [slot_of(station, "Status.Info")]
    assert slot_of(connector, "Status.Info") in told["CP_1.Connector1"]
    assert slot_of(connector, "Status.ErrorCode") not in told["CP_1.Connector1"]


def test_a_group_without_live_values_is_not_told_of(bridge_layout):
    tree = Tree(bridge_layout)
    station = tree.add_station("X", "X", build_layout("station", [row("A", kept=True), row("B")]))
    tree.listeners.append(lambda group, slots: pytest.fail("told"))
    tree.set_online(station, 1.0)


def test_a_restored_value_is_told_to_nobody(tree, station):
    tree.listeners.append(lambda group, slots: pytest.fail("told"))
    tree.restore(station, slot_of(station, "Status.Info"), Sample("x", Quality.GOOD, None, None))
    assert read(station, "Status.Info") == Sample("x", Quality.LAST, None, None)


# --- paths


def test_a_path_leads_to_its_group(tree, station, connector):
    assert tree.find("CP_1") == (station, "")
    assert tree.find("CP_1.Info.Id") == (station, "Info.Id")
    assert tree.find("CP_1.Connector1") == (connector, "")
    assert tree.find("CP_1.Connector1.Status.State") == (connector, "Status.State")
    assert tree.find("CP_1.Connector9.Status.State") == (station, "Connector9.Status.State")
    assert tree.find("Bridge.Version") == (tree.bridge, "Version")
    assert tree.find("Bridge") == (tree.bridge, "")
    assert tree.find("CP_2.Info.Id") is None
    assert tree.find("cp_1") is None
    assert tree.find("") is None


def test_groups_of_a_station_are_itself_and_its_connectors(station, connector):
    assert station.groups() == (station, connector)
    assert (station.id, station.path, station.area, connector.path) == (
        "CP 1",
        "CP_1",
        "",
        "CP_1.Connector1",
    )


def test_a_key_that_the_group_lacks_has_neither_slot_nor_value(station):
    assert station.slot("No.Such") is None
    assert station.value("No.Such") is None


def test_the_last_value_is_there_whatever_its_quality(tree, station):
    put(tree, station, "Info.Model", "M")
    tree.set_online(station, None)
    assert station.value("Info.Model") == "M"


# --- points that have no place in the arrays


@pytest.fixture
def sparse_station(bridge_layout):
    tree = Tree(bridge_layout)
    layout = build_layout(
        "station",
        [row("A")],
        [
            row("C.State", enumeration=COLOURS, initial=0, kept=True),
            row("C.Live", Type.INT32),
        ],
    )
    return tree, tree.add_station("X", "X", layout)


def test_a_sparse_point_has_its_initial_value_before_it_is_written(sparse_station):
    _, station = sparse_station
    assert read(station, "C.State") == Sample(0, Quality.GOOD, None, None)
    assert read(station, "C.StateText") == Sample("Red", Quality.GOOD, None, None)
    assert read(station, "C.Live") == Sample(None, Quality.WAITING, None, None)
    assert list(station.slots()) == []


def test_a_sparse_point_is_kept_from_its_first_value(sparse_station):
    tree, station = sparse_station
    put(tree, station, "C.State", 1, 5.0)
    assert read(station, "C.StateText") == Sample("Green", Quality.GOOD, 5.0, 5.0)
    assert list(station.slots()) == [slot_of(station, "C.State"), slot_of(station, "C.StateText")]


def test_an_unreadable_value_of_a_sparse_point_keeps_the_initial_one(sparse_station):
    tree, station = sparse_station
    put(tree, station, "C.State", None, 5.0, quality=Quality.SUBNORMAL)
    assert read(station, "C.State") == Sample(0, Quality.SUBNORMAL, 5.0, 5.0)


def test_a_point_that_comes_at_run_time_is_like_any_other(tree, station):
    slot = station.extend(row("Configuration.Key"))
    assert slot == station.slot("Configuration.Key") == station.extend(row("Configuration.Key"))
    assert station.sample(slot) == Sample(None, Quality.WAITING, None, None)
    put(tree, station, "Configuration.Key", "5")
    assert read(station, "Configuration.Key") == Sample("5", Quality.GOOD, 2000.0, 2000.0)
    tree.set_online(station, None)
    assert read(station, "Configuration.Key").quality is Quality.LAST
    assert [found.key for found in station.extra_rows()] == ["Configuration.Key"]


def test_a_point_that_is_there_is_found_and_not_made(station):
    assert station.extend(row("Info.Model")) == station.slot("Info.Model")
    assert station.extra_rows() == ()


def test_what_is_said_of_a_run_time_point_may_change_but_not_its_type(tree, station):
    slot = station.extend(row("Configuration.Limit", Type.DOUBLE))
    put(tree, station, "Configuration.Limit", 16.0)
    told = row("Configuration.Limit", Type.DOUBLE, unit="A", range=(6.0, 32.0), writable=True)
    assert station.extend(told) == slot
    assert (station.row(slot), read(station, "Configuration.Limit").value) == (told, 16.0)
    station.extend(row("Configuration.Limit", Type.STRING))
    assert station.row(slot) is told


def test_run_time_points_are_found_by_their_folders(tree, station, station_layout):
    for key in ("Configuration.A.1.X", "Custom.Z", "Configuration.A.Y", "Configuration.A.1.W"):
        station.extend(row(key))

    def below(folder: str) -> tuple[list[str], list[str]]:
        found = station.extra_below(folder)
        assert found is not None
        return [station.row(slot).key for slot in found.slots], found.folders

    assert below("") == ([], ["Configuration", "Custom"])
    assert below("Configuration") == ([], ["Configuration.A"])
    assert below("Configuration.A") == (["Configuration.A.Y"], ["Configuration.A.1"])
    assert below("Configuration.A.1") == (["Configuration.A.1.X", "Configuration.A.1.W"], [])
    assert station.extra_below("Configuration.B") is None
    station.extend(row("Configuration.B.V"))
    tree.relayout(station, build_layout("station", [row("New.Point")]))
    assert below("Configuration.B") == (["Configuration.B.V"], [])


def test_a_station_cannot_make_points_without_end(station):
    slots = {station.extend(row(f"Configuration.Key{number}")) for number in range(MAX_EXTRA)}
    assert None not in slots
    assert len(slots) == MAX_EXTRA
    assert station.extend(row("Configuration.OneMore")) is None
    assert station.extend(row("Configuration.Key5")) in slots


# --- another version


def test_another_layout_keeps_the_values_of_the_keys_that_it_has(tree, station):
    put(tree, station, "Info.Model", "M", 2000.0, time=1990.0)
    put(tree, station, "Status.State", 3, 2000.0)
    put(tree, station, "Info.Iccid", "gone", 2000.0)
    station.extend(row("Configuration.Key"))
    station.extend(row("Configuration.Both"))
    put(tree, station, "Configuration.Key", "5")
    put(tree, station, "Configuration.Both", "6")
    other = build_layout(
        "station",
        [
            row("New"),
            row("State.Stale", Type.BOOLEAN, initial=False, kept=True),
            row("Info.Model"),
            row("Configuration.Both"),
        ],
        [row("Status.State", Type.STRING)],  # of another type: what it means is not known
    )
    tree.relayout(station, other)
    assert station.layout is other
    assert read(station, "Info.Model") == Sample("M", Quality.GOOD, 1990.0, 2000.0)
    assert read(station, "Configuration.Key") == Sample("5", Quality.GOOD, 2000.0, 2000.0)
    assert read(station, "Configuration.Both") == Sample("6", Quality.GOOD, 2000.0, 2000.0)
    assert read(station, "State.Stale") == Sample(False, Quality.GOOD, None, None)
    assert read(station, "New").quality is read(station, "Status.State").quality is Quality.WAITING
    assert station.slot("Info.Iccid") is None
    assert [found.key for found in station.extra_rows()] == ["Configuration.Key"]


def test_the_same_layout_changes_nothing(tree, station, station_layout):
    put(tree, station, "Info.Model", "M")
    tree.relayout(station, station_layout)
    assert read(station, "Info.Model") == Sample("M", Quality.GOOD, 2000.0, 2000.0)


# --- telegrams: values of one moment ---


def telegram_slots(group: Group, *names: str) -> list[int]:
    return [slot for name in names if (slot := group.slot(f"MeterValues.{name}")) is not None]


@pytest.mark.parametrize("time", [5000.0, 4701.0, 4699.0, 1.0, None])
def test_a_telegram_changes_what_its_updates_would(bridge_layout, connector_layout, time):
    """Also where some of its points have newer values, and one came at run time."""
    results = []
    for quick in (True, False):
        tree = Tree(bridge_layout)
        station = tree.add_station("X", "X", connector_layout)
        tree.set_online(station, 1000.0)
        slots = telegram_slots(station, "Voltage", "SoC")
        places = station.places_of((*map(station.row, slots), row("MeterValues.Voltage.L1")))
        info = slot_of(station, "Status.Info")
        slots = [*places.slots, info]
        tree.apply(station, [Update(slots[0], 1.0, 5000.0), Update(slots[2], 1.0, 5000.0)], 5000.0)
        told: list[int] = []
        tree.listeners.append(lambda group, changed, told=told: told.extend(changed))
        if quick:
            tree.apply_telegram(station, places, [2.0, 3.0, 4.0], (info,), ["x"], time, 5010.0)
        else:
            tree.apply(station, [Update(s, v, time) for s, v in zip(slots, (2.0, 3.0, 4.0, "x"), strict=True)], 5010.0)
        results.append(([station.sample(slot) for slot in slots], told))
    assert results[0] == results[1]


METER = {key: row(f"MeterValues.{key}") for key in "ABC"}
LAYOUTS = [build_layout("station", [row(f"MeterValues.{key}"), row("Info")]) for key in "AB"]
TELEGRAMS = st.tuples(st.sampled_from(["AB", "BC", "CAB"]), st.booleans(), st.sampled_from([None, 4800.0, 5005.0]))
STEPS = {
    "update": lambda tree, station, number: put(tree, station, "Info", f"u{number}", 5010.0),
    "point": lambda tree, station, number: station.extend(row(f"Custom.N{number}")),
    "read": lambda tree, station, number: [(station.sample(slot), station.reading(slot)) for slot in range(2)],
    "value": lambda tree, station, number: station.value("MeterValues.B"),
    "last values": lambda tree, station, number: station.last_values(),
    "relayout": lambda tree, station, number: tree.relayout(station, LAYOUTS[number % 2]),
    "restore all": lambda tree, station, number: tree.restore_all(station, [(1, "r", (Quality.LAST, 10.0, 10.0))]),
    "restore": lambda tree, station, number: tree.restore(station, 1, Sample("s", Quality.LAST, 10.0, 10.0)),
    "offline": lambda tree, station, number: tree.set_online(station, None),
    "set back": lambda tree, station, number: tree.set_back(station, 5000.0, 5.0),
}


@given(st.lists(TELEGRAMS | st.sampled_from(sorted(STEPS)), max_size=12))
def test_telegrams_and_whatever_comes_between_them_are_as_if_they_were_updates(steps):
    """Telegrams that are alike take each other's place without being put anywhere; nobody may notice."""
    results = []
    for quick in (True, False):
        tree = Tree(build_layout("bridge", [row("X")]))
        station, seen = tree.add_station("X", "X", LAYOUTS[0]), []
        tree.set_online(station, 1000.0)
        for number, step in enumerate(steps):
            if isinstance(step, str):
                seen.append(STEPS[step](tree, station, number))
                continue
            keys, tells_more, time = step
            values = [f"{key}{number}" for key in keys]
            others, more = (slot_of(station, "Info"),) * tells_more, [f"x{number}"] * tells_more
            places = station.places_of(tuple(METER[key] for key in keys))
            if quick:
                tree.apply_telegram(station, places, values, others, more, time, 5010.0 + number)
            else:
                given = zip((*places.slots, *others), (*values, *more), strict=True)
                updates = [Update(slot, value, time) for slot, value in given]
                tree.apply(station, updates, 5010.0 + number)
        seen += [(station.row(slot).key, station.sample(slot), station.reading(slot)) for slot in station.slots()]
        results.append([*seen, station.last_values()])
    assert results[0] == results[1]


def test_slots_of_rows_are_made_once_and_found_again(station):
    rows = row("MeterValues.A"), row("MeterValues.B")
    slots = station.places_of(rows).slots
    assert slots == tuple(station.slot(found.key) for found in rows)
    assert station.places_of(rows).slots == slots
    assert station.places_of(rows[::-1]).slots == slots[::-1]


def test_rows_that_a_group_has_no_room_for_have_no_slots(station):
    assert station.places_of(tuple(row(f"Configuration.K{n}") for n in range(MAX_EXTRA + 1))) is None


def test_slots_of_rows_are_found_anew_in_another_layout(tree, station):
    rows = (row("MeterValues.A"),)
    station.places_of(rows)
    tree.relayout(station, build_layout("station", [row("First"), row("MeterValues.A")]))
    assert station.places_of(rows).slots == (1,)


def test_last_values_are_what_was_reported_with_the_quality_of_now(tree, station):
    info, custom = station.slot("Status.Info"), station.extend(row("Custom.X", kept=True))
    tree.apply(station, [Update(info, "x", 1999.0), Update(custom, 5)], 2000.0)
    tree.apply(station, [Update(station.slot("State.Connected"), True)], 2000.0)
    expected = [
        ("Status.Info", "String", "x", "GOOD", 1999.0, 2000.0),
        ("Custom.X", "String", 5, "GOOD", 2000.0, 2000.0),
    ]
    assert station.last_values() == expected
    tree.set_online(station, None)
    assert [(key, quality) for key, _, _, quality, *_ in station.last_values()] == [
        ("Status.Info", "LAST"),
        ("Custom.X", "GOOD"),
    ]


# --- points that came at run time, of groups that are alike


def test_what_one_group_gains_beside_those_that_it_shares_with_another_is_its_own(tree, station_layout):
    rows = (row("MeterValues.Voltage.L1"), row("MeterValues.Voltage.L2"))
    one, other = (tree.add_station(name, name, station_layout) for name in ("S1", "S2"))
    assert one.places_of(rows) == other.places_of(rows) == one.places_of(rows)
    put(tree, one, "MeterValues.Voltage.L1", "230")
    assert other.value("MeterValues.Voltage.L1") is None
    one.extend(row("Configuration.Key"))
    put(tree, one, "Configuration.Key", "5")
    assert other.slot("Configuration.Key") is None
    assert (one.extra_below("Configuration"), other.extra_below("Configuration")) == (
        ([slot_of(one, "Configuration.Key")], []),
        None,
    )
    assert [one.value("MeterValues.Voltage.L1"), one.value("Configuration.Key")] == ["230", "5"]


def test_what_is_said_anew_of_a_shared_point_is_said_of_one_group_alone(tree, station_layout):
    rows = (row("MeterValues.Voltage.L1"),)
    one, other = (tree.add_station(name, name, station_layout) for name in ("S1", "S2"))
    (slot,) = one.places_of(rows).slots
    other.places_of(rows)
    one.extend(row("MeterValues.Voltage.L1", unit="kV"))
    assert (one.row(slot).unit, other.row(slot).unit) == ("kV", rows[0].unit)
