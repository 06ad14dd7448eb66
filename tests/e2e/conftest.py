"""The running program, as the end-to-end tests use it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path
from threading import Thread

import pytest

from bridge.project import init
from tests.e2e.disks import small_disk
from tests.e2e.parties import Program
from tests.e2e.parties_2 import Site

CONFIG = """
[ocpp]
port = 0
read_configuration = false
{ocpp}

[stations]
unknown = "{unknown}"

{stations}

[opcua]
endpoint = "opc.tcp://127.0.0.1:0/ocpp-bridge"
security = ["None"]
{opcua}

[handlers]
scripts = {scripts}
"""


def write_config(
    project: Path,
    *,
    ocpp: str = "",
    unknown: str = "accept",
    stations: str = "",
    opcua: str = "",
    scripts: str = '["default.py"]',
) -> None:
    """A config.toml with free ports."""
    if "anonymous" not in opcua:  # tests send every command
        opcua += '\nanonymous = "admin"'
    text = CONFIG.format(ocpp=ocpp, unknown=unknown, stations=stations, opcua=opcua, scripts=scripts)
    (project / "config.toml").write_text(text, "utf-8")


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Callable[..., Program]]:
    """Makes programs on a new project folder; ends them all. `await run(unknown="pending").start()` starts one."""
    folder = tmp_path / "site"
    init(folder)
    programs: list[Program] = []

    def make(**config: str) -> Program:
        write_config(folder, **config)
        programs.append(Program(folder))
        return programs[-1]

    yield make
    for program in programs:
        if program.ocpp:
            await program.stop()


@pytest.fixture
async def program(run: Callable[..., Program]) -> Program:
    """A running program with the plain configuration."""
    made = run()
    await made.start()
    return made


@pytest.fixture
def disk(run: Callable[..., Program]) -> Iterator[Program]:
    """A program, not yet started, with its store on a disk of its own."""
    program = run()
    with (program.project / "config.toml").open("a", encoding="utf-8") as file:
        file.write('\n[store]\npath = "disk/bridge.db"\n')
    with small_disk(program.project / "disk"):
        yield program


@pytest.fixture
def folder(run: Callable[..., Program]) -> Program:
    """The same, with its store in a folder."""
    program = run()
    (program.project / "disk").mkdir()
    with (program.project / "config.toml").open("a", encoding="utf-8") as file:
        file.write('\n[store]\npath = "disk/bridge.db"\n')
    return program


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Site]]:
    """One running program with the plain configuration for all tests of a module that need no other; a call gives each
    of them stations of its own.

    Each test has its own event loop, which ends before the program does: so the program has another one.
    """
    folder = tmp_path_factory.mktemp("shared") / "site"
    init(folder)
    write_config(folder)
    made, numbers = Program(folder), count(1)
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(made.start(), loop).result()
        yield lambda: Site(made, f"T{next(numbers)}-")
        assert asyncio.run_coroutine_threadsafe(made.stop(), loop).result() == 0
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def site(shared: Callable[[], Site]) -> Site:
    return shared()
