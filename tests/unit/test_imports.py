"""The arrows between the rooms hold, and the contracts would notice if one did not.

The contracts stand in pyproject.toml, [tool.importlinter]. What they notice is shown on empty rooms.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Arrows between rooms of the bridge; <libraries> in angles.
RIGHT = """
    cli → demo; cli → app; cli → simulator; cli → config; demo → app; demo → simulator; demo → <asyncua>
    app → ocpp.server; app → opcua.server; app → station.registry; app → store; app → config
    app → project; app → logs; opcua.server → opcua.space; opcua.server → <asyncua>
    opcua.space → points.tree; opcua.space → commands
    ocpp.server → station.registry; ocpp.server → ocpp.peer; ocpp.server → config; ocpp.server → <websockets>
    station.registry → station.session; station.session → ocpp.peer; station.session → points.tree
    station.registry → store; station.session → scripting.chain; station.writes → commands
    commands → ocpp.peer; commands → points.tree; store → errors; store → points.tree; scripting.chain → api
    config.load → project; project → errors; points.tree → errors; ocpp.peer → errors; api → errors
    simulator → <websockets>; simulator → <ocpp>
"""
WRONG = """
    errors → api; errors → config.load; api → points.tree; project → config.load; logs → config.load
    points.tree → ocpp.peer; points.tree → opcua.space; points.tree → scripting.chain; points.tree → <asyncio>
    ocpp.peer → points.tree; ocpp.peer → station.session; ocpp.peer → store; ocpp.peer → <websockets>
    ocpp.peer → ocpp.server; config.load → points.tree; scripting.chain → store; scripting.chain → commands
    store.writer → station.session; store.rows → commands; store → <asyncua>; station.session → ocpp.server
    station.session → opcua.space; commands → app; opcua.space → ocpp.peer; opcua.space → ocpp.server
    ocpp.server → opcua.space; ocpp.server → app; app → cli; app → demo; demo → cli; cli → ocpp.server
    simulator → errors
"""


def arrows(text: str) -> list[tuple[str, str]]:
    """`a → b; a → <c>` as pairs of modules: (bridge.a, bridge.b), (bridge.a, c)."""
    return [(module(importer), module(imported)) for importer, imported in re.findall(r"(\S+) → ([^\s;]+)", text)]


def module(room: str) -> str:
    return room.strip("<>") if room.startswith("<") else f"bridge.{room}"


def build(house: Path, imports: list[tuple[str, str]]) -> None:
    """The package `bridge` in `house`: all rooms of the tables above, empty but for these imports."""
    for name in {name for arrow in arrows(RIGHT + WRONG) for name in arrow if name.startswith("bridge.")}:
        lines = [f"import {imported}\n" for importer, imported in imports if importer == name]
        path = house.joinpath(*name.split("."))
        is_package = any(other.startswith(f"{name}.") for arrow in arrows(RIGHT + WRONG) for other in arrow)
        file = path / "__init__.py" if is_package else path.with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(lines))
    for folder in [house / "bridge", *(path for path in (house / "bridge").iterdir() if path.is_dir())]:
        (folder / "__init__.py").touch()


def lint(folder: Path) -> str:
    """What import-linter says, by the contracts of pyproject.toml, of the package `bridge` in `folder`."""
    code = "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"
    command = [
        sys.executable,
        "-c",
        code,
        "--no-logo",
        "--no-cache",
        "--config",
        str(ROOT / "pyproject.toml"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert ("0 broken" in done.stdout) is (done.returncode == 0), done.stdout + done.stderr
    return done.stdout


def test_arrows_between_rooms_hold():
    assert "0 broken" in (said := lint(ROOT)), said


def test_right_arrows_are_allowed(tmp_path):
    build(tmp_path, arrows(RIGHT))
    assert "0 broken" in (said := lint(tmp_path)), said


@pytest.fixture(scope="module")
def said_of_wrong_arrows(tmp_path_factory: pytest.TempPathFactory) -> str:
    house = tmp_path_factory.mktemp("house")
    build(house, arrows(WRONG))
    return lint(house)


@pytest.mark.parametrize(("importer", "imported"), arrows(WRONG))
def test_wrong_arrow_is_noticed(said_of_wrong_arrows, importer, imported):
    assert re.search(rf"{re.escape(importer)} (->|→) {re.escape(imported)} \(l", said_of_wrong_arrows)


@pytest.mark.parametrize(
    "circle",
    ["station.session → commands; commands → station.session", "store.writer → store.rows; store.rows → store.writer"],
)
def test_circle_is_noticed(tmp_path, circle):
    build(tmp_path, arrows(circle))
    assert re.search(r"No circles.* BROKEN", lint(tmp_path))


def test_room_that_nobody_placed_is_noticed(tmp_path):
    build(tmp_path, [])
    (tmp_path / "bridge" / "shed.py").touch()
    assert "shed" in lint(tmp_path)
