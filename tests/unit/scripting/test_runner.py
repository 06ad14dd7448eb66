"""What the bridge sees of its scripts."""

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.api import Authorization, AuthorizeRequest
from bridge.errors import ProjectError
from bridge.scripting import Runner
from tests.unit.scripting.helpers import inline

Script = Callable[..., Path]

ACCEPTS = "async def authorize(self, request): return Authorization.accepted()"


async def test_scripts_are_asked_in_the_order_in_which_they_are_given(
    script: Script, request_: AuthorizeRequest
) -> None:
    passes = script("async def authorize(self, request): return None", "tokens")
    runner: Runner = inline([passes, script(ACCEPTS, "last")], timeout=5)
    await runner.start()
    assert runner.names == ("tokens.py", "last.py")
    assert await runner.ask("authorize", request_) == Authorization.accepted()
    assert (runner.errors, runner.last_error) == (0, "")


async def test_the_hooks_run_at_start_and_once_at_stop(script: Script, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    note = f"with open({str(diary)!r}, 'a') as diary: diary.write"
    body = f"async def started(self):\n    {note}('started ')\ndef stopped(self):\n    {note}('stopped ')"
    runner = inline([script(body)], timeout=5)
    await runner.start()
    assert diary.read_text() == "started "
    await runner.stop()
    await runner.stop()
    assert diary.read_text() == "started stopped "


@pytest.mark.parametrize("hook", ["started", "stopped"])
@pytest.mark.parametrize("body", ["raise ValueError('no database')", "await asyncio.Event().wait()"])
async def test_a_hook_that_fails_or_hangs_is_logged_and_counted_and_stops_nothing(
    script: Script, request_: AuthorizeRequest, hook: str, body: str
) -> None:
    told: list[str] = []
    bad = script(f"{ACCEPTS}\nasync def {hook}(self): {body}", "bad")
    runner = inline([bad], timeout=0.05, on_error="reject", on_failure=told.append)
    with capture_logs() as logs:
        await runner.start()
        assert await runner.ask("authorize", request_) == Authorization.accepted()
        await runner.stop()
    assert runner.errors == 1
    assert told == [runner.last_error]
    assert f"{hook}: " in runner.last_error
    failed = [entry for entry in logs if entry["event"] == "handler.failed"]
    assert [(entry["script"], entry["method"]) for entry in failed] == [("bad.py", hook)]


async def test_a_script_that_does_not_load_stops_the_start_and_runs_no_other(
    script: Script, request_: AuthorizeRequest
) -> None:
    """A chain that lacks a script that refuses tokens might accept them."""
    runner = inline([script("def authorise(self, request): ...", "bad"), script(ACCEPTS)], timeout=5)
    with pytest.raises(ProjectError):
        await runner.start()
    assert runner.names == ()
    assert await runner.ask("authorize", request_) is None
    await runner.stop()
