"""Changed files: in force at once, unless they are broken; calls that run end on what they began with."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.api import Authorization, AuthorizeRequest
from bridge.errors import Problem, ProjectError
from bridge.scripting.chain import Chains
from bridge.scripting.runner import Options, ScriptRunner
from bridge.scripting.watching import watch
from tests.unit.scripting.conftest import HEADER, FakeStation

pytestmark = pytest.mark.usefixtures("patient")
WAIT = 20.0
BOTH = pytest.mark.parametrize("isolation", ["process", "inline"])


def says(word: str) -> str:
    return f"    async def authorize(self, request): return Authorization.accepted(parent_id_token={word!r})\n"


def write(folder: Path, name: str, body: str, *, whole: bool = False) -> None:
    (folder / name).write_text(body if whole else HEADER + body, "utf-8")


@asynccontextmanager
async def running(folder: Path, *names: str, **options: Any) -> AsyncIterator[ScriptRunner]:
    def find(name: str) -> Path:
        if not (folder / name).exists():
            raise ProjectError([Problem(str(folder / name), "", "no such script")])
        return folder / name

    runner = ScriptRunner(Chains(names), find, Options(**{"timeout": WAIT, **options}))
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop()


async def said(runner: ScriptRunner, id_token: str = "x") -> str | None:  # noqa: S107 - no password
    request = AuthorizeRequest(station=FakeStation(), version="1.6", payload={}, id_token=id_token)
    answer = await runner.ask("authorize", request)
    assert isinstance(answer, Authorization), runner.last_error
    return answer.parent_id_token


async def noted(diary: Path, word: str) -> None:
    async with asyncio.timeout(WAIT):
        while word not in diary.read_text():  # noqa: ASYNC110, ASYNC240 - another process writes it
            await asyncio.sleep(0.01)


@BOTH
async def test_a_changed_script_is_in_force(tmp_path: Path, isolation: str) -> None:
    write(tmp_path, "site.py", says("old"))
    async with running(tmp_path, "site.py", isolation=isolation) as runner:
        assert await said(runner) == "old"
        write(tmp_path, "site.py", says("new"))
        await runner.reload()
        assert await said(runner) == "new"


@BOTH
async def test_a_module_beside_the_script_is_loaded_again_with_it(tmp_path: Path, isolation: str) -> None:
    body = "import words\n" + HEADER + says("").replace("''", "words.WORD")
    write(tmp_path, "site.py", body, whole=True)
    write(tmp_path, "words.py", "WORD = 'old'", whole=True)
    async with running(tmp_path, "site.py", isolation=isolation) as runner:
        assert await said(runner) == "old"
        write(tmp_path, "words.py", "WORD = 'new'", whole=True)
        await runner.reload()
        assert await said(runner) == "new"


@BOTH
async def test_a_broken_change_leaves_the_last_good_version_in_force(tmp_path: Path, isolation: str) -> None:
    """H08"""
    write(tmp_path, "site.py", says("good"))
    async with running(tmp_path, "site.py", isolation=isolation) as runner:
        state = runner.states.by_name["site.py"]
        loaded_at = state.loaded_at
        write(tmp_path, "site.py", says("bad").replace("(self", "(self, (("))
        with capture_logs() as logs:
            await runner.reload()
        assert await said(runner) == "good"
        assert (state.state, state.loaded_at) == ("Failed", loaded_at)
        assert state.last_error.startswith("site.py: line 5: SyntaxError")
        assert [entry["script"] for entry in logs if entry["event"] == "handlers.not_reloaded"] == ["site.py"]
        write(tmp_path, "site.py", says("mended"))
        await runner.reload()
        assert await said(runner) == "mended"
        assert state.state == "Loaded"
        assert state.loaded_at != loaded_at


async def test_a_good_change_does_not_wait_for_a_broken_one(tmp_path: Path) -> None:
    """H08"""
    write(tmp_path, "first.py", says("first").replace("return", "return None if request.id_token == 'x' else"))
    write(tmp_path, "second.py", says("old"))
    async with running(tmp_path, "first.py", "second.py") as runner:
        write(tmp_path, "first.py", "    syntax error")
        write(tmp_path, "second.py", says("new"))
        await runner.reload()
        assert (await said(runner), await said(runner, "y")) == ("new", "first")
        assert [state.state for state in runner.states.by_name.values()] == ["Failed", "Loaded"]


async def test_a_file_that_is_put_back_as_it_was_is_loaded_again_in_what_is_said_of_it(tmp_path: Path) -> None:
    write(tmp_path, "site.py", says("good"))
    async with running(tmp_path, "site.py") as runner:
        write(tmp_path, "site.py", "    syntax error")
        await runner.reload()
        assert runner.states.by_name["site.py"].state == "Failed"
        write(tmp_path, "site.py", says("good"))
        await runner.reload()
        assert runner.states.by_name["site.py"].state == "Loaded"


async def test_a_file_that_is_gone_leaves_its_script_in_force(tmp_path: Path) -> None:
    write(tmp_path, "site.py", says("good"))
    async with running(tmp_path, "site.py") as runner:
        (tmp_path / "site.py").unlink()
        await runner.reload()
        assert await said(runner) == "good"
        state = runner.states.by_name["site.py"]
        assert (state.state, state.last_error) == ("Failed", "site.py: no such script")


async def test_calls_that_run_end_on_the_old_version_and_new_ones_begin_on_the_new(tmp_path: Path) -> None:
    """H09: and none is dropped; `stopped` of the old one runs after its last call."""
    slow = """\
    async def started(self): self._note("started-{word}")
    async def stopped(self): self._note("stopped-{word}")
    def _note(self, word):
        with open({diary!r}, "a") as diary: diary.write(word + " ")
    async def authorize(self, request):
        import os
        if request.id_token == "slow":
            self._note("begun")
            while not os.path.exists({gate!r}): await asyncio.sleep(0.01)
        return Authorization.accepted(parent_id_token="{word}")
"""
    diary, gate = tmp_path / "diary", tmp_path / "gate"
    where = {"diary": str(diary), "gate": str(gate)}
    write(tmp_path, "site.py", slow.format(word="old", **where))
    async with running(tmp_path, "site.py") as runner:
        asked = asyncio.create_task(said(runner, "slow"))
        await noted(diary, "begun")
        write(tmp_path, "site.py", slow.format(word="new", **where))
        reloading = asyncio.create_task(runner.reload())
        words = [await said(runner)]
        while not reloading.done():
            words.append(await said(runner))
        assert await said(runner) == "new"
        assert set(words) <= {"old", "new"}
        assert not asked.done()
        gate.touch()
        assert await asked == "old"
        await noted(diary, "stopped-old")
    assert diary.read_text().split() == ["started-old", "begun", "started-new", "stopped-old", "stopped-new"]
    assert runner.errors == 0


async def test_a_process_that_is_started_again_has_the_last_good_version(tmp_path: Path) -> None:
    """H08: also while the file is broken."""
    body = says("good").replace("return", "(__import__('os')._exit(1) if request.id_token == 'exit' else 0); return")
    write(tmp_path, "site.py", body)
    async with running(tmp_path, "site.py") as runner:
        write(tmp_path, "site.py", "    syntax error")
        await runner.reload()
        for _ in range(3):
            request = AuthorizeRequest(station=FakeStation(), version="1.6", payload={}, id_token="exit")
            assert await runner.ask("authorize", request) is None
            assert await said(runner) == "good"


async def test_a_new_version_that_ends_its_process_does_not_come_into_force(tmp_path: Path) -> None:
    """H10"""
    write(tmp_path, "site.py", says("good"))
    async with running(tmp_path, "site.py") as runner:
        for body in ("    import os; os._exit(3)\n", "    async def started(self): __import__('os')._exit(3)\n"):
            write(tmp_path, "site.py", says("bad") + body)
            await runner.reload()
            assert await said(runner) == "good"
            assert "exit code 3" in runner.states.by_name["site.py"].last_error


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[asyncio.Queue[str]]:
    """What a reader would have found in site.py each time that it was told of a change."""
    seen: asyncio.Queue[str] = asyncio.Queue()

    async def changed() -> None:
        with suppress(OSError):
            seen.put_nowait((folder / "site.py").read_text())

    task = asyncio.create_task(watch([folder, folder / "none"], ".py", changed))
    try:
        yield seen
    finally:
        task.cancel()


async def found(seen: asyncio.Queue[str], text: str) -> None:
    async with asyncio.timeout(WAIT):
        while await seen.get() != text:
            pass


async def test_a_file_that_an_editor_puts_in_anothers_place_is_seen(tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text("old")
    async with watched(tmp_path) as seen:
        await found(seen, "old")
        (tmp_path / "site.py~").write_text("new")
        (tmp_path / "site.py~").replace(tmp_path / "site.py")
        await found(seen, "new")


async def test_a_file_that_is_being_written_is_not_read_until_it_rests(tmp_path: Path) -> None:
    async with watched(tmp_path) as seen:
        (tmp_path / "site.py").write_text("begin")
        await found(seen, "begin")
        with (tmp_path / "site.py").open("w") as file:
            for _ in range(10):
                file.write("half ")
                file.flush()
                await asyncio.sleep(0.06)
        await asyncio.sleep(0)
        assert seen.empty(), "it has changed from one look to the next"
        await found(seen, "half " * 10)


async def test_a_reload_that_fails_does_not_end_the_watching(tmp_path: Path) -> None:
    told: asyncio.Queue[int] = asyncio.Queue()

    async def changed() -> None:
        told.put_nowait(1)
        raise ValueError("wrong")

    (tmp_path / "site.py").touch()
    task = asyncio.create_task(watch([tmp_path], ".py", changed))
    with capture_logs():
        async with asyncio.timeout(WAIT):
            await told.get()
            (tmp_path / "other.py").touch()
            await told.get()
    task.cancel()


async def test_a_reload_that_still_runs_when_files_change_once_more_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not end while it is loaded does not keep its correction waiting."""
    monkeypatch.setattr("bridge.scripting.hosting.RELOAD_TIMEOUT", 3600.0)
    diary = tmp_path / "diary"
    diary.touch()
    write(tmp_path, "site.py", says("old"))
    async with running(tmp_path, "site.py") as runner:
        task = asyncio.create_task(watch([tmp_path], ".py", runner.reload))
        try:
            hangs = f"with open({str(diary)!r}, 'w') as diary: diary.write('hangs')\nwhile True: pass\n"
            write(tmp_path, "site.py", hangs, whole=True)
            await noted(diary, "hangs")
            write(tmp_path, "site.py", says("mended"))
            async with asyncio.timeout(WAIT):
                while await said(runner) != "mended":
                    pass
        finally:
            task.cancel()


async def test_a_reload_does_not_wait_as_long_as_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.scripting.hosting.RELOAD_TIMEOUT", 1.0)
    write(tmp_path, "site.py", says("good"))
    async with running(tmp_path, "site.py") as runner:
        write(tmp_path, "site.py", "    while True: pass\n")
        await runner.reload()
        state = runner.states.by_name["site.py"]
        assert (state.state, "does not load within 1 s" in state.last_error) == ("Failed", True)
        assert await said(runner) == "good"


@BOTH
@pytest.mark.parametrize("does", ["raise OSError('no database')", "await asyncio.Event().wait()"])
async def test_a_new_version_whose_started_fails_does_not_come_into_force(
    tmp_path: Path, isolation: str, does: str
) -> None:
    """The last good one stays; what the others of the chain have started is stopped again."""
    diary = tmp_path / "diary"
    notes = "".join(
        f"    def {hook}(self):\n        with open({str(diary)!r}, 'a') as diary: diary.write('{hook} ')\n"
        for hook in ("started", "stopped")
    )
    write(tmp_path, "site.py", says("good"))
    write(tmp_path, "other.py", notes)
    async with running(tmp_path, "other.py", "site.py", isolation=isolation, timeout=2) as runner:
        write(tmp_path, "site.py", says("bad") + f"    async def started(self): {does}\n")
        await runner.reload()
        assert await said(runner) == "good"
        state = runner.states.by_name["site.py"]
        assert (state.state, "started: " in state.last_error) == ("Failed", True)
        assert diary.read_text() == "started started stopped "
        assert runner.states.by_name["other.py"].state == "Loaded"
        assert runner.errors == 0


async def test_a_new_version_whose_started_blocks_does_not_come_into_force(tmp_path: Path) -> None:
    write(tmp_path, "site.py", says("good"))
    async with running(tmp_path, "site.py", timeout=1) as runner:
        write(tmp_path, "site.py", says("bad") + "    async def started(self): time.sleep(1000)\n")
        await runner.reload()
        assert (await said(runner), runner.states.by_name["site.py"].state) == ("good", "Failed")


@BOTH
async def test_a_sites_script_that_is_gone_is_not_replaced_by_the_shipped_one(tmp_path: Path, isolation: str) -> None:
    """The shipped one accepts every token. A folder may be gone for a moment only, with the modules in it."""
    own, shipped = tmp_path / "own", tmp_path / "shipped"
    for folder in (own, shipped):
        folder.mkdir()
    late = "    async def authorize(self, request):\n        import words\n"
    write(own, "site.py", late + "        return Authorization.accepted(parent_id_token=words.WORD)\n")
    write(own, "words.py", "WORD = 'own'", whole=True)
    write(shipped, "site.py", says("shipped"))

    def find(name: str) -> Path:
        return next(folder / name for folder in (own, shipped) if (folder / name).exists())

    options: dict[str, Any] = {"timeout": WAIT, "isolation": isolation, "shipped": shipped}
    runner = ScriptRunner(Chains(["site.py"]), find, Options(**options))
    await runner.start()
    try:
        own.rename(tmp_path / "away")
        await runner.reload()
        assert await said(runner) == "own"
        state = runner.states.by_name["site.py"]
        assert (state.state, "is gone" in state.last_error) == ("Failed", True)
        (tmp_path / "away").rename(own)
        await runner.reload()
        assert (await said(runner), state.state) == ("own", "Loaded")
    finally:
        await runner.stop()


async def test_a_site_takes_a_shipped_script_over_while_the_bridge_runs(tmp_path: Path) -> None:
    own, shipped = tmp_path / "own", tmp_path / "shipped"
    for folder in (own, shipped):
        folder.mkdir()
    write(shipped, "site.py", says("shipped"))
    options = Options(timeout=WAIT, shipped=shipped)
    runner = ScriptRunner(Chains(["site.py"]), lambda name: (own if (own / name).exists() else shipped) / name, options)
    await runner.start()
    try:
        write(own, "site.py", says("own"))
        await runner.reload()
        assert await said(runner) == "own"
    finally:
        await runner.stop()


async def test_a_fifo_beside_the_scripts_keeps_nobody_waiting(tmp_path: Path) -> None:
    write(tmp_path, "site.py", says("old"))
    async with running(tmp_path, "site.py") as runner:
        os.mkfifo(tmp_path / "pipe.py")
        write(tmp_path, "site.py", says("new"))
        async with asyncio.timeout(WAIT):
            await runner.reload()
        assert await said(runner) == "new"
