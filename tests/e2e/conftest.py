"""The running program, as the end-to-end tests use it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bridge.project import init
from tests.e2e.parties import Program

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
