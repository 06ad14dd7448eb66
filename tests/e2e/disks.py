"""Disks that are full, fail or do not answer, under the running program."""

import asyncio
import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e.parties import Program

Trouble = Callable[[Program], AbstractContextManager[None]]


@contextmanager
def failing(program: Program) -> Iterator[None]:
    """The kernel refuses to let any of its files grow (EFBIG, to SQLite an I/O error)."""
    assert program._process is not None
    pid, limit = program._process.pid, resource.RLIMIT_FSIZE
    before = resource.prlimit(pid, limit)
    resource.prlimit(pid, limit, (0, before[1]))
    yield
    resource.prlimit(pid, limit, before)


@contextmanager
def full(program: Program) -> Iterator[None]:
    """The file system of its store has no room left."""
    filler = store(program).with_name("filler")
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


@contextmanager
def unsynced(program: Program) -> Iterator[None]:
    """The disk takes what is written and then says that it could not keep it (EIO)."""
    with _strange(program, "error=EIO"):
        yield


@contextmanager
def silent(program: Program) -> Iterator[None]:
    """The disk does not answer for an hour."""
    with _strange(program, "delay_enter=3600000000"):
        yield


@contextmanager
def _strange(program: Program, what: str) -> Iterator[None]:
    """The kernel does something else when the program asks it to keep what was written."""
    if shutil.which("strace") is None:
        pytest.skip("there is no strace here")
    assert program._process is not None
    arguments = ["-f", "-p", str(program._process.pid), "-o", os.devnull, "-e", f"inject=fdatasync,fsync:{what}"]
    with subprocess.Popen(["strace", *arguments], stderr=subprocess.PIPE, text=True) as strace:  # noqa: S607
        assert strace.stderr is not None
        said = strace.stderr.readline()
        if "attached" not in said:
            strace.kill()
            pytest.skip(f"nothing may be traced here: {said}")
        try:
            yield
        finally:
            strace.kill()  # it would wait for what it delays


async def exited(program: Program) -> None:
    """Waits until a program has exited but for a thread that is held up (`silent`)."""
    assert program._process is not None
    while _state(program._process.pid) != "Z":  # noqa: ASYNC110 - nothing tells it
        await asyncio.sleep(0.05)


def _state(pid: int) -> str:
    """Of the main thread: Z when it has ended."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@contextmanager
def locked(program: Program) -> Iterator[None]:
    """Another program writes to the store, and takes its time."""
    with closing(sqlite3.connect(store(program), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def store(program: Program) -> Path:
    return program.project / "disk" / "bridge.db"


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of 4 MB in memory. Only root may mount one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)],  # noqa: S607
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607


def remount_read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)  # noqa: S607
