"""The shipped scripts, loaded as the bridge loads them, with a real store's token list and a real station's points."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.api import AuthorizeRequest, Token
from bridge.points.tree import Tree
from bridge.scripting.runner import ScriptRunner
from bridge.station.known import Known
from bridge.station.model import bridge_layout
from bridge.station.scripted import ScriptedStation
from bridge.store import Store
from tests.unit.scripting.helpers import inline
from tests.unit.station.rig import MODELS, TABLE
from tests.unit.store import helpers

HANDLERS = Path(__file__).parents[3] / "handlers"
AREA = "Depot/Hall 1"

Load = Callable[..., Awaitable[ScriptRunner]]


@pytest.fixture
def tree() -> Tree:
    return Tree(bridge_layout(TABLE), 300)


@pytest.fixture
def known(tree: Tree) -> Known:
    model = MODELS["1.6"]
    points = tree.add_station("CP1", "CP1", model.station.layout, AREA)
    return Known(helpers.station(id="CP1", name="CP1"), points, model, "Accepted", 300)


@pytest.fixture
def station(known: Known, tree: Tree) -> ScriptedStation:
    return ScriptedStation(known, tree, time.time)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "bridge.db")
    yield opened
    opened.close_sync()


@pytest.fixture
def put(store: Store, tmp_path: Path) -> Callable[..., None]:
    """Changes the token list as the command line does, beside the bridge."""

    def put(*tokens: Token) -> None:
        with Store.edit(tmp_path / "bridge.db") as editor:
            editor.put_tokens(tokens, replace=True)

    return put


@pytest.fixture
async def load(store: Store) -> AsyncIterator[Load]:
    """Starts scripts of these names as one chain; `settings`: those of [handlers.settings]."""
    runners: list[ScriptRunner] = []

    async def find(id_token: str, id_token_type: str) -> Token | None:
        return store.find_token(id_token, id_token_type)

    async def start(*names: str, **settings: Any) -> ScriptRunner:
        paths = [HANDLERS / f"{name}.py" for name in names]
        runner = inline(paths, timeout=30, settings=settings, services={"tokens.find": find})
        await runner.start()
        runners.append(runner)
        return runner

    yield start
    for runner in runners:
        await runner.stop()


@pytest.fixture
def asks(station: ScriptedStation) -> Callable[..., AuthorizeRequest]:
    """Authorize with this token; of OCPP 2.0.1 where a kind is given."""

    def make(id_token: str = "04A2B3C4", id_token_type: str = "") -> AuthorizeRequest:  # noqa: S107 - a card, no password
        version = "2.0.1" if id_token_type else "1.6"
        return AuthorizeRequest(
            station=station, version=version, payload={}, id_token=id_token, id_token_type=id_token_type
        )

    return make
