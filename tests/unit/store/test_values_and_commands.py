"""What nobody waits for: last values and the commands' log."""

import json
from dataclasses import replace

import pytest

from bridge.store import CommandEnd, CommandRecord, GroupRecord, Reader, Store, ValueRecord
from bridge.store.behind import Behind
from bridge.store.rows import COMMAND, COMMAND_END, INTERRUPTED, QUEUED, STATION, VALUE
from tests.unit.store.helpers import settled


def group(path: str, *values: object) -> GroupRecord:
    """A group with a point for each value."""
    return GroupRecord(path, [(f"P{n}", "String", value, "Good", 1.5, 2.5) for n, value in enumerate(values)])


def stored(reader: Store | Reader) -> dict[str, object]:
    loaded = reader.load_values() if isinstance(reader, Store) else reader.values()
    return {one.path: one.value for one in loaded}


COMMAND_RECORD = CommandRecord(
    station="CP001", connector=None, action="Reset", user="op", payload={"type": "Soft"}, requested=10.0, number=1
)


@pytest.mark.parametrize(
    "content",
    [None, True, 0, -5, 2**63, 2**70, 0.1, 1.0, 1e30, "", "7", "ä€\U0001f600\0", [1, {"a": None}]],
    ids=repr,
)
async def test_value_and_its_type_survive_a_restart(store, reopen, content):
    """J40, D09."""
    store.put_values_soon([GroupRecord("CP001", [("Status.Info", "String", content, "GOOD", None, 2.5)])])
    await store.close()
    (loaded,) = reopen().load_values()
    assert loaded == ValueRecord(
        path="CP001.Status.Info", type="String", value=content, quality="GOOD", source_time=None, server_time=2.5
    )
    assert type(loaded.value) is type(content)


async def test_newest_values_of_a_group_win(store):
    store.put_values_soon([group("CP001", 1, 1), group("other", "y"), group("CP001", 2, 2)])
    store.put_values_soon([group("CP001", 3, 3)])
    assert store.queue_length == 2
    await settled(store)
    assert stored(store) == {"CP001.P0": 3, "CP001.P1": 3, "other.P0": "y"}
    store.put_values_soon([group("CP001", 4)])
    await settled(store)
    assert stored(store) == {"CP001.P0": 4, "other.P0": "y"}


async def test_values_beyond_one_commit_are_all_written(store, path):
    store.put_values_soon([group(f"p{number}", number) for number in range(2000)])
    await store.close()
    with Store.peek(path) as reader:
        assert sorted(stored(reader).values()) == list(range(2000))


async def test_value_that_cannot_be_written_is_left_out_and_the_others_of_its_group_are_kept(store):
    store.put_values_soon([group("a", "x", object(), "\ud800", "y")])
    await settled(store)
    assert stored(store) == {"a.P0": "x", "a.P3": "y"}
    assert store.healthy


async def test_group_that_cannot_be_written_is_left_out_and_counted(store):
    store.put_values_soon([group("a", 1), group("b\ud800", 2)])
    await settled(store)
    assert stored(store) == {"a.P0": 1}
    assert (store.dropped, store.healthy) == (1, True)


async def test_command_and_its_end_are_one_row(store, rows):
    first, second = store.log_command(COMMAND_RECORD), store.log_command(COMMAND_RECORD)
    store.end_command(
        CommandEnd(handle=first, state="Accepted", status="Accepted", response={"status": "Accepted"}, ended=11.0)
    )
    await settled(store)
    store.end_command(CommandEnd(handle=second, state="Timeout", error="no answer", ended=40.0))
    await settled(store)
    logged = rows(
        "SELECT id, station, action, user, payload, requested, state, status, response, error, ended FROM commands"
    )
    assert [(*row[:4], json.loads(row[4]), *row[5:]) for row in logged] == [
        (
            1,
            "CP001",
            "Reset",
            "op",
            {"type": "Soft"},
            10.0,
            "Accepted",
            "Accepted",
            '{"status":"Accepted"}',
            None,
            11.0,
        ),
        (2, "CP001", "Reset", "op", {"type": "Soft"}, 10.0, "Timeout", None, None, "no answer", 40.0),
    ]


async def test_command_in_flight_when_the_bridge_stopped_has_failed_after_it(store, rows, reopen):
    """D10."""
    done, flying = store.log_command(COMMAND_RECORD), store.log_command(COMMAND_RECORD)
    store.end_command(CommandEnd(handle=done, state="Rejected", status="Rejected", ended=11.0))
    await store.close()
    again = reopen()
    assert rows("SELECT id, state, error FROM commands ORDER BY id") == [
        (done, "Rejected", None),
        (flying, "Failed", INTERRUPTED),
    ]
    assert rows("SELECT count(*) FROM commands WHERE ended IS NULL") == [(0,)]
    assert again.log_command(COMMAND_RECORD) == flying + 1


KEPT = replace(COMMAND_RECORD, action="SetVariables", kept=True)


@pytest.mark.parametrize("waits", [False, True], ids=["on disk", "not on disk yet"])
async def test_a_command_that_is_kept_waits_after_a_restart_until_it_is_about_to_go(store, rows, reopen, waits):
    """D10."""
    first, second = store.log_command(KEPT), store.log_command(KEPT)
    if not waits:
        await settled(store)
    await store.send_command(first)
    await settled(store)
    await store.close()
    assert [handle for handle, _ in reopen().load_queued_commands()] == [second]
    assert rows("SELECT id, state, error FROM commands") == [(first, "Failed", INTERRUPTED), (second, QUEUED, None)]


def keys(chunk) -> list[tuple[str, list[object]]]:
    return [(kind.name, [key for key, _ in items]) for kind, items in chunk]


def test_full_queue_drops_the_oldest_and_counts_them():
    behind = Behind(limit=3)
    behind.put(VALUE, [("a", 1), ("b", 1), ("c", 1)])
    behind.put(VALUE, [("a", 2), ("d", 1), ("e", 1)])
    assert behind.take(10, prompt_only=False) == [(VALUE, [("a", 2), ("d", 1), ("e", 1)])]
    assert behind.dropped == 2


def test_values_never_push_out_other_kinds():
    behind = Behind(limit=2)
    behind.put(COMMAND, [(1, "c")])
    behind.put(VALUE, [(str(number), number) for number in range(100)])
    assert keys(behind.take(10, prompt_only=False)) == [("command", [1]), ("value", ["98", "99"])]


def test_prompt_kinds_go_alone_and_commands_before_their_ends():
    behind = Behind(limit=9)
    behind.put(VALUE, [("v", 1)])
    behind.put(STATION, [("s", 1)])
    behind.put(COMMAND_END, [(1, "end")])
    behind.put(COMMAND, [(1, "command")])
    assert keys(behind.take(10, prompt_only=True)) == [("command", [1]), ("command end", [1])]
    assert keys(behind.take(10, prompt_only=False)) == [("station", ["s"]), ("value", ["v"])]
    assert len(behind) == 0


def test_restored_records_come_first_again_but_not_over_newer_ones():
    behind = Behind(limit=9)
    behind.put(VALUE, [("a", 1), ("b", 1), ("c", 1)])
    taken = behind.take(2, prompt_only=False)
    behind.put(VALUE, [("b", 2)])
    behind.restore(taken)
    assert behind.take(9, prompt_only=False) == [(VALUE, [("a", 1), ("c", 1), ("b", 2)])]


def test_what_was_discarded_while_it_was_being_written_does_not_come_back():
    behind = Behind(limit=9)
    behind.put(STATION, [("a", 1), ("b", 1)])
    taken = behind.take(2, prompt_only=False)
    behind.discard(STATION, "a")
    behind.restore(taken)
    taken = behind.take(9, prompt_only=False)
    assert taken == [(STATION, [("b", 1)])]
    behind.put(STATION, [("a", 2)])  # it has come again
    behind.restore(taken)
    assert behind.take(9, prompt_only=False) == [(STATION, [("b", 1), ("a", 2)])]
