"""Time, threads and cancellation; and the station in a script's hands."""

import asyncio
import dataclasses
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from bridge.api import Authorization, AuthorizeRequest
from bridge.errors import StationOffline
from bridge.scripting.chain import OnError
from tests.unit.scripting.helpers import BLOCKS, LONG, SHORT, Script, chain

REPOSITORY = Path(__file__).parents[3]


async def reached(event: Any) -> None:
    """Waits for a threading.Event that a script sets."""
    assert await asyncio.to_thread(event.wait, 10)


HANGS = """\
def authorize(self, request):
    station = request.station
    station.entered.set()
    station.gate.wait()
    station.left.set()
    return Authorization.accepted()
"""


@pytest.mark.parametrize(("on_error", "status"), [("next", "Blocked"), ("reject", "Invalid")])
async def test_a_script_that_blocks_falls_back_at_the_timeout(
    script: Script, request_: AuthorizeRequest, on_error: OnError, status: str
) -> None:
    """H03."""
    asked = await chain(script(HANGS, "hangs"), script(BLOCKS, "next"), timeout=SHORT, on_error=on_error)
    assert await asked.ask("authorize", request_) == Authorization(status=status)  # type: ignore[arg-type]
    assert asked.last_error == "hangs.py: authorize: TimeoutError: no answer within 0.05 s"


async def test_while_a_script_blocks_another_station_is_answered(
    script: Script, request_: AuthorizeRequest, station: Any
) -> None:
    """H03: a blocking library delays nobody else."""
    body = HANGS.replace("    station.entered", "    if request.id_token == 'free': return None\n    station.entered")
    asked = await chain(script(body, "hangs"), script(BLOCKS, "next"))
    hung = asyncio.create_task(asked.ask("authorize", request_))
    await reached(station.entered)
    free = dataclasses.replace(request_, id_token="free")
    assert await asked.ask("authorize", free) == Authorization.blocked()
    assert not hung.done()
    station.gate.set()
    assert await hung == Authorization.accepted()


def test_a_script_that_hangs_does_not_keep_the_program_from_ending(script: Script) -> None:
    """H03: the interpreter waits at its end for threads of an executor, hung ones too."""
    hangs = script("def started(self):\n    import threading\n    threading.Event().wait()")
    program = f"""
import asyncio, pathlib
from tests.unit.scripting.helpers import inline

async def main():
    runner = inline([pathlib.Path({str(hangs)!r})], timeout=0.05)
    await runner.start()
    print("failures:", runner.errors)

asyncio.run(main())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "failures: 1" in ended.stdout


@pytest.mark.parametrize("count", [20, 100])
async def test_many_scripts_that_hang_leave_every_station_answered(
    script: Script, request_: AuthorizeRequest, count: int
) -> None:
    """H06: also with more of them than threads."""
    asked = await chain(script(HANGS, "hangs"), script(BLOCKS, "next"), timeout=SHORT)
    answers = await asyncio.gather(*(asked.ask("authorize", request_) for _ in range(count)))
    assert answers == [Authorization.blocked()] * count
    assert asked.errors == count


async def test_a_thread_that_comes_back_serves_again(script: Script, request_: AuthorizeRequest, station: Any) -> None:
    asked = await chain(script(HANGS), timeout=SHORT)
    await asyncio.gather(*(asked.ask("authorize", request_) for _ in range(100)))
    station.gate.set()
    asked.host.timeout = LONG
    assert await asked.ask("authorize", request_) == Authorization.accepted()


async def test_a_result_after_the_timeout_is_ignored(script: Script, request_: AuthorizeRequest, station: Any) -> None:
    """H07: neither this request's answer nor the next one's."""
    body = HANGS.replace("    station.entered", "    if request.id_token == 'next': return None\n    station.entered")
    told: list[str] = []
    asked = await chain(script(body), timeout=SHORT, on_failure=told.append)
    assert await asked.ask("authorize", request_) is None
    station.gate.set()
    await reached(station.left)
    asked.host.timeout = LONG
    assert await asked.ask("authorize", dataclasses.replace(request_, id_token="next")) is None
    assert len(told) == asked.errors == 1


@pytest.mark.parametrize(
    "body",
    [
        "async def authorize(self, request): await asyncio.Event().wait()",
        """\
        async def authorize(self, request):
            while not request.station.gate.is_set():
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    pass
            request.station.left.set()
            return Authorization.accepted()
        """,
    ],
    ids=["waits for ever", "swallows its cancellation"],
)
async def test_an_async_script_that_does_not_end_falls_back_at_the_timeout(
    script: Script, request_: AuthorizeRequest, station: Any, body: str
) -> None:
    """H03, H07."""
    asked = await chain(script(dedent(body), "hangs"), script(BLOCKS, "next"), timeout=SHORT)
    assert await asked.ask("authorize", request_) == Authorization.blocked()
    assert asked.errors == 1
    if "gate" in body:
        station.gate.set()
        await reached(station.left)
        assert asked.errors == 1


async def test_an_async_script_is_cancelled_at_the_timeout(
    script: Script, request_: AuthorizeRequest, station: Any
) -> None:
    asked = await chain(
        script(
            """\
            async def authorize(self, request):
                try:
                    await asyncio.Event().wait()
                finally:
                    request.station.left.set()
            """
        ),
        timeout=SHORT,
    )
    assert await asked.ask("authorize", request_) is None
    await reached(station.left)


async def test_a_caller_that_is_cancelled_is_cancelled_and_its_script_with_it(
    script: Script, request_: AuthorizeRequest, station: Any
) -> None:
    body = """\
    async def authorize(self, request):
        request.station.entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            request.station.left.set()
    """
    asked = await chain(script(body), on_error="reject")
    task = asyncio.create_task(asked.ask("authorize", request_))
    await reached(station.entered)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await reached(station.left)
    assert asked.errors == 0, "the bridge's own cancellation is no failure of the script"


# the station


async def test_a_handler_may_call_read_and_write_the_station(
    script: Script, request_: AuthorizeRequest, station: Any
) -> None:
    station.points["Connector1.Status.State"] = 1
    asked = await chain(
        script(
            """\
            async def authorize(self, request):
                state = await request.station.read("Connector1.Status.State")
                await request.station.write("Custom.LastToken", request.id_token)
                result = await request.station.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
                return Authorization(status=result["status"], parent_id_token=f"{request.station.id}/{state}")
            """
        )
    )
    assert await asked.ask("authorize", request_) == Authorization.accepted(parent_id_token="CP001/1")
    assert station.calls == [("TriggerMessage", {"requestedMessage": "Heartbeat"})]
    assert station.points["Custom.LastToken"] == "04A2B3C4"


async def test_a_handler_may_ask_the_chain_again_through_the_station(
    script: Script, request_: AuthorizeRequest, station: Any
) -> None:
    """While a handler waits for its station, that station's own requests are answered: no deadlock."""
    asked = await chain(
        script(
            """\
            async def authorize(self, request):
                if request.id_token == "inner":
                    return Authorization.blocked()
                result = await request.station.call("Reset", {})
                return Authorization(status=result["status"])
            """
        )
    )

    async def call(action: str, payload: Any) -> dict[str, Any]:
        inner = await asked.ask("authorize", dataclasses.replace(request_, id_token="inner"))
        return {"status": inner.status}  # type: ignore[union-attr]

    station.call = call
    assert await asked.ask("authorize", request_) == Authorization.blocked()


async def test_a_station_that_leaves_while_its_script_calls_it_is_not_the_scripts_failure(
    script: Script, request_: AuthorizeRequest, station: Any
) -> None:
    async def call(action: str, payload: Any) -> dict[str, Any]:
        raise StationOffline("not connected")

    station.call = call
    body = "async def authorize(self, request): await request.station.call('Reset', {})"
    asked = await chain(script(body, "calls"), script(BLOCKS, "next"))
    assert await asked.ask("authorize", request_) == Authorization.blocked()
    assert (asked.errors, asked.last_error) == (0, "")
