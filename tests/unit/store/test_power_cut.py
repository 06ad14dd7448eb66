"""The files as a power cut may leave them.

What a disk has been asked to keep (fsync) is there; of what was written since then, each sector is or is not. SQLite
syncs the WAL at each commit, before it is acknowledged, and the WAL again before a checkpoint writes to the database.
So of two moments, before and after one commit, either the WAL's sectors are a mixture of both and the database is the
old one; or the WAL is the new one and the database's sectors are a mixture.
"""

import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from bridge.store import Store
from tests.unit.store.helpers import start, stop

ROOT = Path(__file__).parents[3]
SECTOR = 512
COMMITS = 250


class Files(NamedTuple):
    """What the database and its WAL hold."""

    db: bytes
    wal: bytes

    @classmethod
    def of(cls, path: Path) -> "Files":
        return cls(path.read_bytes(), path.with_name(f"{path.name}-wal").read_bytes())

    def write(self, path: Path) -> None:
        path.write_bytes(self.db)
        path.with_name(f"{path.name}-wal").write_bytes(self.wal)


def torn(before: bytes, after: bytes, rng: random.Random) -> bytes:
    """Each sector as it was before or after; where the file has grown, perhaps not by all of it, or by rubbish."""
    size = rng.choice((len(before), len(after), rng.randint(0, len(after))))
    size = max(size, min(len(before), len(after)))
    mixed = bytearray()
    for at in range(0, size, SECTOR):
        old, new = before[at : at + SECTOR], after[at : at + SECTOR]
        blank = rng.choice((bytes(len(new)), rng.randbytes(len(new))))
        mixed += new if new and rng.random() < 0.5 else (old or blank)
    return bytes(mixed[:size])


def images(before: Files, after: Files, rng: random.Random) -> Iterator[Files]:
    """What may be on the disk, of a cut between the two."""
    yield before
    for _ in range(2):
        yield Files(before.db, torn(before.wal, after.wal, rng))
    if before.db != after.db:  # a checkpoint
        for _ in range(4):
            yield Files(torn(before.db, after.db, rng), after.wal)


def check(image: Files, folder: Path, acknowledged: dict[int, bool]) -> None:
    """All that was acknowledged is there, and the store is whole and can be opened."""
    path = folder / "bridge.db"
    for file in folder.glob("bridge.db*"):
        file.unlink()
    image.write(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store = Store.open(path)
    found = {one.id: one.stop_time is not None for one in store.transactions()}
    store.close_sync()
    missing = {number: stopped for number, stopped in acknowledged.items() if found.get(number) not in (stopped, True)}
    assert not missing


@pytest.mark.parametrize("seed", range(3))
async def test_a_power_cut_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    """D03"""
    rng = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    path = tmp_path / "site" / "bridge.db"
    path.parent.mkdir()
    (tmp_path / "cut").mkdir()
    store = Store.open(path, flush_interval=3600)
    # a checkpoint every few commits, not every few hundred
    await store._writer.submit(lambda db: db.execute("PRAGMA wal_autocheckpoint = 40").fetchone())
    acknowledged: dict[int, bool] = {}
    checked = checkpoints = 0
    before = Files.of(path)
    for number in range(1, COMMITS):
        known = dict(acknowledged)
        if acknowledged and rng.random() < 0.3:
            one = rng.choice(list(acknowledged))
            await store.stop_transaction(stop(one))
            acknowledged[one] = True
        else:
            acknowledged[(await store.start_transaction(start(number)))[0]] = False
        after = Files.of(path)
        if before.db != after.db or rng.random() < 0.04:
            checkpoints += before.db != after.db
            for image in images(before, after, rng):
                check(image, tmp_path / "cut", known)
                checked += 1
        if number % 50 == 0:  # what was just acknowledged is on the disk
            check(after, tmp_path / "cut", acknowledged)
        before = after
    await store.close()
    assert checkpoints > 3
    assert checked > 30


TRACED = """
import asyncio, os, sys
from bridge.store import Store
from tests.unit.store.helpers import start

async def main():
    store = Store.open(sys.argv[1])
    await store._writer.submit(lambda db: db.execute("PRAGMA wal_autocheckpoint = 20").fetchone())
    for number in range(60):
        await store.start_transaction(start(number))
        os.write(1, b"acknowledged")
    await store.close()

asyncio.run(main())
"""
CALL = re.compile(r"(pwrite64|fdatasync|fsync|write)\((\d+)(?:<([^>]*)>)?(.*)")


@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace here")
def test_the_disk_is_asked_to_keep_a_commit_before_it_is_acknowledged(tmp_path: Path) -> None:
    """D01, D03: what the images above are made by, as the kernel sees it."""
    trace = tmp_path / "trace"
    path = tmp_path / "bridge.db"
    strace = ["strace", "-f", "-y", "-e", "trace=pwrite64,fdatasync,fsync,write", "-o", str(trace)]
    done = subprocess.run([*strace, sys.executable, "-c", TRACED, path], check=False, capture_output=True, cwd=ROOT)
    if b"ptrace" in done.stderr:
        pytest.skip("nothing may be traced here")
    assert done.returncode == 0, done.stderr
    unsynced: set[str] = set()
    acknowledged = 0
    for line in trace.read_text().splitlines():
        found = CALL.search(line)
        if found is None:
            continue
        call, _, name, rest = found.groups()
        if call == "pwrite64":
            if name == str(path):
                assert f"{path}-wal" not in unsynced  # the WAL first
            unsynced.add(name)
        elif call in ("fdatasync", "fsync"):
            unsynced.discard(name)
        elif "acknowledged" in rest:
            acknowledged += 1
            assert f"{path}-wal" not in unsynced
    assert acknowledged == 60
