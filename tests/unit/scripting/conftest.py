"""Scripts are written to real files and run as a site's own are."""

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from bridge.api import AuthorizeRequest, Value

HEADER = """\
import asyncio, re, sys, time
from bridge.api import *

class Handler(RequestHandler):
"""


class FakeStation:
    """The protocol of bridge.api.Station over a dict, and gates by which a script and a test meet."""

    def __init__(self) -> None:
        self.points: dict[str, Value] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.entered = threading.Event()  # the script has got here
        self.gate = threading.Event()  # the script may go on
        self.left = threading.Event()  # the script is through

    @property
    def id(self) -> str:
        return "CP001"

    @property
    def area(self) -> str:
        return "Depot/Hall 1"

    async def read(self, path: str) -> Value:
        return self.points[path]

    async def write(self, path: str, value: Value) -> None:
        self.points[path] = value

    async def call(self, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append((action, dict(payload)))
        return {"status": "Accepted"}


@pytest.fixture
def station() -> Iterator[FakeStation]:
    station = FakeStation()
    yield station
    station.gate.set()  # no thread of a hung script outlives its test


@pytest.fixture
def request_(station: FakeStation) -> AuthorizeRequest:
    return AuthorizeRequest(station=station, version="1.6", payload={"idTag": "04A2B3C4"}, id_token="04A2B3C4")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of scripts is never taken for blocked, however busy the machine is."""
    monkeypatch.setattr("bridge.scripting.remote.PATIENCE", 60.0)


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Path]:
    """Writes the body of a `Handler` (or, with `whole`, a file) to `<name>.py` and returns its path."""

    def write(body: str, name: str = "site", *, whole: bool = False) -> Path:
        text = dedent(body)
        if not whole:
            text = HEADER + "".join(f"    {line}" for line in text.splitlines(keepends=True))
        path = tmp_path / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        return path

    return write
