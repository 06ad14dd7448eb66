"""kill -9 at any moment: every row that was acknowledged is there, and ids go on."""

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bridge.store import Store
from tests.unit.store.helpers import start, station
from tests.unit.store.test_events import event

PROGRAM = """
import asyncio, sys
from bridge.store import Store
from tests.unit.store.helpers import start

async def station(store, name):
    number = 0
    while True:
        number += 1
        stamp = f"{sys.argv[2]}-{number}"
        row_id, _, _ = await store.start_transaction(start(station=name, start_timestamp=stamp))
        print("ack", row_id, name, stamp, flush=True)  # one write each: what the kernel has, the parent reads

async def main():
    store = Store.open(sys.argv[1])
    await asyncio.gather(*(station(store, f"CP{index}") for index in range(5)))

asyncio.run(main())
"""


async def run_and_kill(path: Path, round_: int, after: int) -> list[tuple[int, str, str]]:
    """Kill the writing process after some acknowledgements; all that it had acknowledged."""
    root = Path(__file__).parents[3]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, path, str(round_), stdout=asyncio.subprocess.PIPE, cwd=root
    )
    assert process.stdout is not None
    lines = []
    while len(lines) < after:
        line = await process.stdout.readline()
        assert line, "the process ended by itself"
        lines.append(line)
    process.kill()
    lines += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    whole = [line.split() for line in lines if line.startswith(b"ack ") and line.endswith(b"\n")]
    return [(int(row_id), name.decode(), stamp.decode()) for _, row_id, name, stamp in whole]


async def test_all_acknowledged_rows_are_there_after_kill_9(path):
    """D02, D05."""
    acknowledged: set[tuple[int, str, str]] = set()
    for round_ in range(5):
        highest = max((row_id for row_id, _, _ in acknowledged), default=0)
        fresh = await run_and_kill(path, round_, after=40 + 37 * round_)
        assert min(row_id for row_id, _, _ in fresh) > highest
        acknowledged.update(fresh)
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            stored = set(connection.execute("SELECT id, station, start_timestamp FROM transactions"))
        assert acknowledged <= stored


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_a_transaction_is_never_there_without_its_station(path, rows, version):
    """D02: a station that charges within its first second is not written yet, but for that."""
    store = Store.open(path, flush_interval=3600.0)
    store.put_station_soon(station(id="CP1", name="CP1", version=version))
    store.put_station_soon(station(id="CP2", name="CP2"))
    assert rows("SELECT id FROM stations") == []
    if version == "1.6":
        await store.start_transaction(start(station="CP1"))
    else:
        await store.put_event(event(station="CP1"))
    assert rows("SELECT id, version FROM stations") == [("CP1", version)]
    await store.close()
    assert sorted(rows("SELECT id FROM stations")) == [("CP1",), ("CP2",)]
