"""A site's files are edited while a station charges."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ocpp.v16 import call

from bridge.project import init
from tests.e2e.conftest import write_config
from tests.e2e.parties import Program, Station, connected, hmi, now

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

SCRIPT = """\
from bridge.api import *
from site_words import WORD

class Handler(RequestHandler):
    async def authorize(self, request):
        return Authorization.accepted(parent_id_token=WORD)
"""
STATE = "Bridge.Handlers.site.StateText"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def program(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Program]:
    folder: Path = tmp_path_factory.mktemp("reloading") / "site"
    init(folder)
    (folder / "handlers" / "site.py").write_text(SCRIPT, "utf-8")
    (folder / "handlers" / "site_words.py").write_text("WORD = 'old'", "utf-8")
    write_config(folder, scripts='["site.py", "default.py"]')
    program = Program(folder)
    await program.start()
    yield program
    if program.ocpp:
        assert await program.stop() == 0


async def decided(station: Station) -> Any:
    answer = await station.call(call.Authorize(id_tag="A"))
    return answer.id_tag_info.get("parent_id_tag")


async def test_an_edited_script_decides_the_next_token_of_a_station_that_charges(program: Program) -> None:
    """H08, H09: no connection is lost; a broken edit changes nothing and is seen."""
    script, words = program.project / "handlers" / "site.py", program.project / "handlers" / "site_words.py"
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await station.call(call.BootNotification(charge_point_model="M", charge_point_vendor="V"))
        await station.call(call.StartTransaction(connector_id=1, id_tag="A", meter_start=0, timestamp=now()))
        assert await decided(station) == "old"
        loaded_at = await client.value("Bridge.Handlers.site.LoadedAt")

        words.write_text("WORD = 'new'", "utf-8")
        await client.until_that("Bridge.Handlers.site.LoadedAt", lambda found: found.Value.Value > loaded_at)
        assert await decided(station) == "new"

        script.write_text(SCRIPT.replace("return", "retrun"), "utf-8")
        await client.until(STATE, "Failed")
        assert await decided(station) == "new"
        assert "site.py: line 6: SyntaxError" in await client.value("Bridge.Handlers.site.LastError")
        assert await client.value("Bridge.Handlers.default.StateText") == "Loaded"

        script.write_text(SCRIPT.replace("=WORD", "=WORD + '!'"), "utf-8")
        await client.until(STATE, "Loaded")
        assert await decided(station) == "new!"
        assert await client.value("CP001.State.Reconnects") == 0
        assert await client.value("Bridge.HandlerErrors") == 0


async def test_a_burst_of_saves_drops_no_message(program: Program) -> None:
    script = program.project / "handlers" / "site.py"
    async with connected(program.ocpp, "BURST") as station, hmi(program.opcua) as client:
        asking = asyncio.create_task(_ask_until_told(station))
        for number in range(3):
            before = await client.value("Bridge.Handlers.site.LoadedAt")
            script.write_text(SCRIPT.replace("=WORD", f"='v{number}'"), "utf-8")
            await client.until_that("Bridge.Handlers.site.LoadedAt", lambda found, at=before: found.Value.Value > at)
        words = await asking
        assert words == sorted(words, key=lambda word: (word[0] == "v", word))
        assert words[-1] == "v2"


async def _ask_until_told(station: Station) -> list[str]:
    words: list[str] = []
    while not words or words[-1] != "v2":
        words.append(await decided(station))
    return words


async def test_a_changed_description_and_limit_of_a_point_are_shown_and_another_type_waits(program: Program) -> None:
    """What is said of a point may change; what it is waits for a restart, and is said."""
    file = program.project / "datapoints" / "station.yaml"
    text = file.read_text("utf-8")
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        assert await client.value("Bridge.Datapoints.StateText") == "Loaded"
        at = await client.value("Bridge.Datapoints.LoadedAt")
        file.write_text(text.replace("description: The maker of the station", "description: Who has made it"), "utf-8")
        await client.until_that("Bridge.Datapoints.LoadedAt", lambda found: found.Value.Value > at)
        description = await client.node("CP001.Info.Vendor").read_description()
        assert description.Text == "Who has made it"

        new = "points:\n  - {key: Info.New, type: String, by: nobody, description: New}\n"
        file.write_text(text.replace("points:\n", new), "utf-8")
        await client.until("Bridge.Datapoints.StateText", "RestartNeeded")
        assert await client.value("Bridge.Datapoints.LastError") == "Info.New of the station is new"

        file.write_text(text.replace("points:\n", "points: 5\n"), "utf-8")
        await client.until("Bridge.Datapoints.StateText", "Failed")
        file.write_text(text, "utf-8")
        await client.until("Bridge.Datapoints.StateText", "Loaded")
        assert (await station.call(call.Heartbeat())).current_time
