"""What the store keeps does not grow for ever, nor does what SQLite needs beside it."""

from pathlib import Path

from bridge.store import Store
from bridge.store.database import WAL_SIZE_LIMIT
from bridge.store.records import CommandEnd, CommandRecord, GroupRecord
from tests.unit.store.helpers import settled, start

DAY = 86_400.0


def command(time: float, action: str = "Reset", number: int = 1) -> CommandRecord:
    return CommandRecord(
        station="CP001", connector=None, action=action, user="anna", payload={}, requested=time, number=number
    )


async def test_old_commands_are_forgotten_but_for_the_last_of_each_action(store: Store, rows) -> None:
    """D14"""
    for number in range(2_500):
        time = number * DAY / 10
        handle = store.log_command(command(time, number=number))
        store.end_command(CommandEnd(handle=handle, state="Accepted", ended=time))
    seldom = store.log_command(command(0.0, action="ClearCache"))
    store.end_command(CommandEnd(handle=seldom, state="Rejected", ended=0.0))
    open_ = store.log_command(command(0.0, action="Reset", number=2_500))
    await settled(store)
    await store.forget_log(200 * DAY)
    kept = rows("SELECT id, action, requested FROM commands ORDER BY id")
    assert [time for _, action, time in kept if action == "Reset"] == [*(n * DAY / 10 for n in range(2000, 2500)), 0.0]
    assert {seldom, open_} <= {id_ for id_, _, _ in kept}
    assert {(one.action, one.state) for one in store.load_last_commands()} == {("ClearCache", "Rejected")}


async def test_the_wal_stays_bounded_while_others_read(store: Store, path: Path) -> None:
    """D14: a reader that is open holds checkpoints back; after it the WAL is cut back to its limit."""
    wal = path.with_name(f"{path.name}-wal")

    async def write(first: int) -> None:
        for part in range(first, first + 80):
            store.put_values_soon(
                [GroupRecord(f"p{n}", [("Info", "String", f"{part}" * 300, "Good", None, 1.0)]) for n in range(400)]
            )
            await settled(store)

    await store.start_transaction(start(1))
    await store.start_transaction(start(2))
    with Store.peek(path) as reader:
        unread = reader.open_transactions()
        assert next(unread).id == 1
        await write(0)
        held_back = wal.stat().st_size
        del unread
    await write(100)
    assert held_back > WAL_SIZE_LIMIT
    assert wal.stat().st_size <= WAL_SIZE_LIMIT
