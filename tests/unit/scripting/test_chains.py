"""Which scripts are asked about which station."""

import dataclasses
from typing import Any, NamedTuple, cast

import pytest

from bridge.api import Authorization, AuthorizeRequest, Station
from bridge.config import Config
from bridge.scripting.build import chains_of
from bridge.scripting.chain import Chains
from bridge.scripting.runner import Options, ScriptRunner
from tests.unit.scripting.helpers import BLOCKS, LONG, Script


class Place(NamedTuple):
    """As much of a station as a chain looks at."""

    id: str
    area: str = ""


CONFIG = Config.model_validate(
    {
        "handlers": {"scripts": ["all.py", "default.py"]},
        "area": [
            {"path": "Depot", "scripts": ["depot.py", "default.py"]},
            {"path": "Depot/Hall 1", "scripts": ["hall.py"]},
            {"path": "Yard", "scripts": []},
        ],
        "station": [
            {"id": "OWN", "area": "Depot/Hall 1", "scripts": ["own.py", "all.py"]},
            {"id": "NONE", "area": "Depot"},
        ],
    }
)


@pytest.mark.parametrize(
    ("station", "scripts"),
    [
        (Place("CP"), ("all.py", "default.py")),
        (Place("CP", "Elsewhere"), ("all.py", "default.py")),
        (Place("CP", "Depots"), ("all.py", "default.py")),
        (Place("CP", "Depot"), ("depot.py", "default.py")),
        (Place("CP", "Depot/Hall 2/Row 1"), ("depot.py", "default.py")),
        (Place("CP", "Depot/Hall 1"), ("hall.py",)),
        (Place("CP", "Depot/Hall 1/Row 7"), ("hall.py",)),
        (Place("CP", "Yard"), ("all.py", "default.py")),
        (Place("OWN", "Depot/Hall 1"), ("own.py", "all.py")),
        (Place("NONE", "Depot"), ("depot.py", "default.py")),
    ],
)
def test_the_most_particular_chain_takes_the_place_of_the_others(station: Any, scripts: tuple[str, ...]) -> None:
    assert chains_of(CONFIG).of(station) == scripts


def test_a_script_in_several_chains_is_loaded_once() -> None:
    assert chains_of(CONFIG).names() == ("all.py", "default.py", "depot.py", "hall.py", "own.py")


async def test_one_instance_serves_every_chain_that_a_script_is_in(script: Script, request_: AuthorizeRequest) -> None:
    """And one that a chain does not name is not asked in it."""
    counts = script(
        """\
        asked = 0
        async def authorize(self, request):
            self.asked += 1
            return Authorization.accepted(parent_id_token=str(self.asked)) if request.id_token == "known" else None
        """,
        "counts",
    )
    files = {path.name: path for path in (counts, script(BLOCKS, "last"))}
    chains = Chains(("counts.py",), {"Depot": ("counts.py", "last.py")})
    runner = ScriptRunner(chains, files.__getitem__, Options(isolation="inline", timeout=LONG))
    await runner.start()
    elsewhere = cast("Station", Place("CP002"))

    async def ask(token: str, **changes: Any) -> Any:
        return await runner.ask("authorize", dataclasses.replace(request_, id_token=token, **changes))

    assert await ask("known") == Authorization.accepted(parent_id_token="1")
    assert await ask("known", station=elsewhere) == Authorization.accepted(parent_id_token="2")
    assert await ask("other") == Authorization.blocked()
    assert await ask("other", station=elsewhere) is None
    await runner.stop()
