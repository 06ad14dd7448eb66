"""Scripts in a process of their own: what crosses, what they may use of the bridge, and what they leave it alone with.

The tests share one runner, whose script does what the token says; those that would spoil it for others make their own.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from bridge.api import (
    Authorization,
    AuthorizeRequest,
    BootNotificationAnswer,
    BootNotificationRequest,
    DataTransferAnswer,
    DataTransferRequest,
    StartTransactionRequest,
    StopTransactionRequest,
    Token,
)
from bridge.errors import CallErrorAnswer, CallTimeout, ProjectError, StationOffline
from bridge.scripting.chain import Chains
from bridge.scripting.hosting import ProcessHost
from bridge.scripting.process import Process
from bridge.scripting.runner import Options, ScriptRunner
from bridge.scripting.template import Template
from tests.unit.scripting.conftest import HEADER, FakeStation

pytestmark = pytest.mark.asyncio(loop_scope="module")

REPOSITORY = Path(__file__).parents[3]
WAIT = 20.0

SITE = """\
begun = 0

def __init__(self):
    self.word = self.settings["word"]

async def started(self):
    print("started", os.getpid())

async def boot_notification(self, request):
    return BootNotificationAnswer(status="Pending", interval=7)

async def start_transaction(self, request):
    return Authorization(status="ConcurrentTx", parent_id_token=f"{request.connector}/{request.station.area}")

def stop_transaction(self, request):
    return Authorization.accepted(parent_id_token=request.reason)

async def data_transfer(self, request):
    return DataTransferAnswer(status="Accepted", data=[request.data, request.payload])

async def authorize(self, request):
    return await getattr(self, "_" + request.id_token)(request)

async def _settings(self, request):
    return Authorization.accepted(parent_id_token=self.word)

async def _pid(self, request):
    return Authorization.accepted(parent_id_token=str(os.getpid()))

async def _info(self, request):
    (first,) = request.additional_info
    return Authorization.accepted(parent_id_token=first["type"])

async def _token(self, request):
    found, none = await self.bridge.tokens.find("A", "ISO14443"), await self.bridge.tokens.find("none")
    assert none is None
    return Authorization.accepted(parent_id_token=found.note, expiry=found.expiry)

async def _points(self, request):
    await request.station.write("Custom.A", 1.5)
    return Authorization.accepted(parent_id_token=str(await request.station.read("Custom.A")))

async def _call(self, request):
    answer = await request.station.call("Reset", {"type": "Soft"})
    return Authorization.accepted(parent_id_token=answer["status"])

async def _errors(self, request):
    names = []
    for action in ("code", "late", "away", "wrong", "odd"):
        try:
            await request.station.call(action, {})
        except Exception as error:
            names.append(f"{type(error).__name__} {error} {getattr(error, 'code', '')}")
    try:
        await request.station.read("Nowhere")
    except KeyError as error:
        names.append(str(error))
    return Authorization.accepted(parent_id_token=" | ".join(names))

async def _greedy(self, request):
    wishes = [request.station.call("wait", {}) for _ in range(300)]
    found = await asyncio.gather(*wishes, return_exceptions=True)
    wrong = [error for error in found if isinstance(error, Exception)]
    try:
        await request.station.call("large", {"x": "x" * 2_000_000})
    except ValueError as error:
        wrong.append(error)
    return Authorization.accepted(parent_id_token=f"{len(wrong)} {wrong[0]} {wrong[-1]}")

async def _open(self, request):
    names = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if int(fd) > 2
             and os.path.lexists(f"/proc/self/fd/{fd}")]
    return Authorization.accepted(parent_id_token=" ".join(names))

async def _print(self, request):
    import logging, structlog
    print("printed words")
    structlog.get_logger().warning("site.event", answer=42)
    logging.getLogger("lib").error("from a library")
    os.write(1, b"raw\\n")
    for n in range(5000):
        print("flood", n)
    return Authorization.accepted()

async def _huge(self, request):
    return Authorization.accepted(parent_id_token="x" * 20_000_000)

async def _wait(self, request):
    await asyncio.Event().wait()

def _thread(self, request):
    return asyncio.to_thread(time.sleep, 60)

async def _tasks(self, request):
    self.leaked = [asyncio.create_task(asyncio.sleep(1000)) for _ in range(1500)]
    return Authorization.accepted()

async def _threads(self, request):
    for _ in range(200):
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()

async def _no_thread(self, request):
    raise RuntimeError("can't start new thread")

async def _files(self, request):
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
    self.left = [open(os.devnull) for _ in range(85)]

async def _all_files(self, request):
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
    self.left = [open(os.devnull) for _ in range(200)]

async def _garbage(self, request):
    import stat
    for number in range(3, 100):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                os.write(number, b"nonsense" * 9)
        except OSError:
            pass

async def _closes(self, request):
    os.closerange(3, 100)

async def _forks(self, request):
    open(self.settings["diary"], "a").write("begun ")
    child = os.fork()
    if not child:
        asyncio.get_running_loop  # the child comes back to where its parent does
    return Authorization.accepted(parent_id_token="child" if not child else "parent")

async def _outlived(self, request):
    if not os.fork():
        time.sleep(1000)
    os._exit(3)

async def _memory(self, request):
    bytearray(10**10)

async def _count(self, request):
    with open(self.settings["diary"], "a") as diary:
        diary.write(f"{request.station.id} ")
    while request.station.id == "BLOCKS" and not os.path.exists(self.settings["gate"]):
        time.sleep(0.01)
    return Authorization.accepted()
"""


class Stations(FakeStation):
    """A station whose answers are errors, by the action."""

    async def read(self, path: str) -> Any:
        if path == "Nowhere":
            raise KeyError("no such point")
        return await super().read(path)

    async def call(self, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        errors: dict[str, Exception] = {
            "code": CallErrorAnswer("NotSupported", "never"),
            "late": CallTimeout("too late"),
            "away": StationOffline("away"),
            "wrong": ValueError("wrong"),
            "odd": OSError("odd"),
        }
        if action in errors:
            raise errors[action]
        if action == "wait":
            await asyncio.sleep(0.2)
        return await super().call(action, payload)


async def find(id_token: str, id_token_type: str) -> Token | None:
    return Token(id_token=id_token, note=id_token_type, expiry=5.0) if id_token == "A" else None


def write(folder: Path, body: str = SITE, name: str = "site") -> None:
    text = "import os, threading\n" + HEADER + "".join(f"    {line}" for line in dedent(body).splitlines(keepends=True))
    (folder / f"{name}.py").write_text(text, "utf-8")


@asynccontextmanager
async def running(folder: Path, *names: str, **options: Any) -> AsyncIterator[ScriptRunner]:
    settings = {
        "site": {
            "word": "hello",
            "diary": str(folder / "diary"),
            "gate": str(folder / "gate"),
            **options.pop("site", {}),
        }
    }
    made = Options(**{"timeout": WAIT, "settings": settings, "services": {"tokens.find": find}, **options})
    runner = ScriptRunner(Chains(names or ("site.py",)), folder.joinpath, made)
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ScriptRunner]:
    folder = tmp_path_factory.mktemp("handlers")
    write(folder)
    async with running(folder) as runner:
        yield runner


def request(token: str, identity: str = "CP001", **more: Any) -> AuthorizeRequest:
    station = Stations()
    station.__class__ = type("Named", (Stations,), {"id": identity})
    return AuthorizeRequest(station=station, version="1.6", payload={"idTag": token}, id_token=token, **more)


async def said(runner: ScriptRunner, token: str, **more: Any) -> str | None:
    """The parent token by which the script tells what it has found."""
    answer = await runner.ask("authorize", request(token, **more))
    assert isinstance(answer, Authorization), runner.last_error
    return answer.parent_id_token


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT):
        while not holds():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.01)


async def spare(runner: ScriptRunner) -> None:
    """Waits until there is a spare process."""
    host = runner.host
    assert isinstance(host, ProcessHost)
    await until(lambda: host._spare)


# What crosses


async def test_every_request_reaches_its_method_and_every_answer_comes_back(runner: ScriptRunner) -> None:
    common: dict[str, Any] = {"station": Stations(), "version": "1.6", "payload": {"a": [1, None]}}
    boot = BootNotificationRequest(**common, vendor="V", model="M")
    start = StartTransactionRequest(**common, connector="Connector1", id_token="A")
    stop = StopTransactionRequest(**common, transaction_id="1")
    data = DataTransferRequest(**common, vendor_id="V", data={"b": 2.5})
    assert await runner.ask("boot_notification", boot) == BootNotificationAnswer(status="Pending", interval=7)
    assert await runner.ask("start_transaction", start) == Authorization(
        status="ConcurrentTx", parent_id_token="Connector1/Depot/Hall 1"
    )
    assert await runner.ask("stop_transaction", stop) == Authorization.accepted(parent_id_token="Local")
    expected = DataTransferAnswer(status="Accepted", data=[{"b": 2.5}, {"a": [1, None]}])
    assert await runner.ask("data_transfer", data) == expected
    assert await said(runner, "info", additional_info=({"additionalIdToken": "X", "type": "vin"},)) == "vin"


async def test_what_json_holds_and_a_frame_cannot_is_made_fit(runner: ScriptRunner) -> None:
    """A lone surrogate, a number of a hundred digits: the station is answered."""
    odd = {"\ud800": "a\udfff", "n": 10**100, "deep": [[[-(2**70)]]]}
    data = DataTransferRequest(station=Stations(), version="1.6", payload={}, vendor_id="V", data=odd)
    answer = await runner.ask("data_transfer", data)
    assert isinstance(answer, DataTransferAnswer)
    assert answer.data[0] == {"?": "a?", "n": 1e100, "deep": [[[-(2.0**70)]]]}


async def test_a_script_finds_its_settings(runner: ScriptRunner) -> None:
    assert await said(runner, "settings") == "hello"


async def test_a_script_looks_a_token_up(runner: ScriptRunner) -> None:
    answer = await runner.ask("authorize", request("token"))
    assert answer == Authorization.accepted(parent_id_token="ISO14443", expiry=5.0)


async def test_a_handler_reads_writes_and_calls_its_station(runner: ScriptRunner) -> None:
    assert await said(runner, "points") == "1.5"
    assert await said(runner, "call") == "Accepted"


async def test_errors_of_the_station_arrive_as_what_they_are(runner: ScriptRunner) -> None:
    assert await said(runner, "errors") == (
        "CallErrorAnswer NotSupported: never NotSupported | CallTimeout too late InternalError | "
        "StationOffline away InternalError | ValueError wrong  | RuntimeError OSError: odd  | 'no such point'"
    )


async def test_what_a_script_wants_at_once_is_bounded(runner: ScriptRunner) -> None:
    found = await said(runner, "greedy")
    assert found == ("45 station.call: 256 such calls of scripts wait already station.call: more than 1048576 bytes")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_the_process_has_nothing_of_the_bridges_files(tmp_path: Path) -> None:
    write(tmp_path)
    with (tmp_path / "bridge.db").open("w") as store:
        os.set_inheritable(store.fileno(), True)
        async with running(tmp_path) as runner:
            found = await said(runner, "open") or ""
    assert "bridge.db" not in found
    assert found.count("socket:") <= 3, "its own: one to the bridge, two of its loop"


async def test_what_a_script_prints_comes_into_the_log_so_much_a_second(runner: ScriptRunner) -> None:
    with capture_logs() as logs:
        assert await runner.ask("authorize", request("print")) == Authorization.accepted()
        await until(lambda: any(entry.get("text") == "flood 10" for entry in logs))
        await said(runner, "settings")
    assert any(entry.get("text") == "printed words" for entry in logs)
    assert any(entry.get("text") == "raw" for entry in logs)
    assert {"event": "site.event", "log_level": "warning", "answer": 42} in logs
    assert any(entry["event"] == "from a library" and entry["log_level"] == "error" for entry in logs)
    assert sum(entry["event"] == "handler.printed" for entry in logs) <= 400


# Who is asked


async def test_what_was_begun_stays_and_what_was_not_goes_to_the_spare_process(tmp_path: Path) -> None:
    """Neither is asked twice; who is behind one that blocks does not wait for it."""
    write(tmp_path)
    async with running(tmp_path) as runner:
        await spare(runner)
        blocks = asyncio.create_task(runner.ask("authorize", request("count", "BLOCKS")))
        await asyncio.sleep(0)
        others = [asyncio.create_task(runner.ask("authorize", request("count", f"O{n}"))) for n in range(20)]
        answers = await asyncio.gather(*others)
        assert not blocks.done()
        (tmp_path / "gate").touch()
        assert [*answers, await blocks] == [Authorization.accepted()] * 21
        assert sorted((tmp_path / "diary").read_text().split()) == sorted(["BLOCKS", *(f"O{n}" for n in range(20))])
        assert runner.errors == 0


async def test_a_process_that_reads_nothing_stops_nobody(tmp_path: Path) -> None:
    write(tmp_path)
    async with running(tmp_path) as runner:
        await spare(runner)
        pid = int(await said(runner, "pid") or 0)
        os.kill(pid, signal.SIGSTOP)
        answers = await asyncio.gather(*(said(runner, "pid") for _ in range(3)))
        assert None not in answers
        assert str(pid) not in answers


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("token", ["tasks", "memory", "threads", "no_thread", "files", "all_files"])
async def test_a_process_that_has_used_up_what_it_may_is_replaced(tmp_path: Path, token: str) -> None:
    """H10: memory, and what scripts leave behind: tasks, threads, open files."""
    write(tmp_path)
    why: list[str] = []
    async with running(tmp_path, memory=200, replaced=why.append) as runner:
        pid = await said(runner, "pid")
        await runner.ask("authorize", request(token))
        async with asyncio.timeout(WAIT):
            while await said(runner, "pid") == pid:
                pass
    assert len(why) == 1


@pytest.mark.usefixtures("patient")
async def test_threads_that_hang_are_left_behind_with_their_process(tmp_path: Path) -> None:
    """H06: 20 of them; the bridge still answers."""
    write(tmp_path, "def authorize(self, request):\n    time.sleep(60 if request.id_token == 'hang' else 0)")
    why: list[str] = []
    async with running(tmp_path, timeout=1, replaced=why.append) as runner:
        await spare(runner)
        hung = asyncio.gather(*(runner.ask("authorize", request("hang")) for _ in range(20)))
        errors = runner.errors
        await runner.ask("authorize", request("free"))
        assert runner.errors == errors
        await hung
        assert runner.errors == 20
        await runner.ask("authorize", request("free"))
        await until(lambda: why)
        assert "threads of its scripts hang" in why[0]
        await runner.ask("authorize", request("free"))
        assert runner.errors == 20


@pytest.mark.usefixtures("patient")
async def test_an_answer_that_is_too_large_is_a_failure_and_costs_no_process(tmp_path: Path) -> None:
    write(tmp_path)
    async with running(tmp_path) as runner:
        pid = await said(runner, "pid")
        assert await runner.ask("authorize", request("huge")) is None
        assert "returned 20000" in runner.last_error
        assert await said(runner, "pid") == pid


@pytest.mark.parametrize("token", ["garbage", "closes"])
async def test_a_script_that_spoils_what_its_process_is_asked_by_costs_that_process(tmp_path: Path, token: str) -> None:
    """What it sends from there on cannot be told apart."""
    write(tmp_path)
    async with running(tmp_path) as runner:
        await spare(runner)
        assert await runner.ask("authorize", request(token)) is None
        assert runner.errors == 1
        assert await said(runner, "settings") == "hello"


async def test_a_child_of_a_script_answers_nobody(tmp_path: Path) -> None:
    """One that comes back to where its parent does: requests that wait are begun once, and answered once."""
    write(tmp_path)
    async with running(tmp_path) as runner:
        await spare(runner)
        answers = await asyncio.gather(*(said(runner, "forks") for _ in range(10)))
        assert answers == ["parent"] * 10
        assert (tmp_path / "diary").read_text().split() == ["begun"] * 10
        assert runner.errors == 0


async def test_a_process_that_ends_is_missed_at_once_though_a_child_of_it_lives_on(tmp_path: Path) -> None:
    write(tmp_path)
    async with running(tmp_path, timeout=1000) as runner:
        await spare(runner)
        assert await runner.ask("authorize", request("outlived")) is None
        assert "exit code 3" in runner.last_error


@pytest.mark.usefixtures("patient")
async def test_handlers_that_do_not_let_themselves_be_cancelled_are_left_behind_with_their_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """\
    async def authorize(self, request):
        while request.id_token == "stubborn":
            try: await asyncio.sleep(1000)
            except asyncio.CancelledError: pass
    """
    write(tmp_path, body)
    why: list[str] = []
    async with running(tmp_path, timeout=1, replaced=why.append) as runner:
        for _ in range(2):
            await asyncio.gather(*(runner.ask("authorize", request("stubborn")) for _ in range(600)))
        assert runner.errors == 1200
        await asyncio.gather(*(runner.ask("authorize", request("other")) for _ in range(100)))
        await until(lambda: why)
        assert "tasks" in why[0]


async def test_a_plain_method_that_runs_a_loop_of_its_own_can_use_its_station(tmp_path: Path) -> None:
    body = """\
    def authorize(self, request):
        answer = asyncio.run(request.station.call("Reset", {"type": "Soft"}))
        return Authorization.accepted(parent_id_token=answer["status"])
    """
    write(tmp_path, body)
    async with running(tmp_path) as runner:
        assert await said(runner, "x") == "Accepted"


@pytest.mark.usefixtures("patient")
async def test_a_request_that_nobody_waits_for_is_cancelled(tmp_path: Path) -> None:
    body = """\
    async def authorize(self, request):
        try:
            await request.station.write("Custom.Begun", 1)
            await asyncio.Event().wait()
        finally:
            open(self.settings["diary"], "w").close()
    """
    write(tmp_path, body)
    async with running(tmp_path) as runner:
        asked = request("x")
        task = asyncio.create_task(runner.ask("authorize", asked))
        await until(lambda: "Custom.Begun" in asked.station.points)  # type: ignore[attr-defined]
        task.cancel()
        await until((tmp_path / "diary").exists)
        assert runner.errors == 0


# The end


BRIDGE = """\
import asyncio, pathlib, sys
from bridge.scripting.chain import Chains
from bridge.scripting.runner import Options, ScriptRunner

find = pathlib.Path(sys.argv[1]).joinpath
asyncio.run(ScriptRunner(Chains(("site.py",)), find, Options(timeout=60)).start())
"""


async def test_the_process_ends_with_the_bridge_also_while_a_script_blocks_it(tmp_path: Path) -> None:
    """Whoever kills the bridge leaves nothing behind that spins."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    body = f"""\
    async def started(self):
        self.pipe = open({str(fifo)!r}, "w", 1)
        print("x", file=self.pipe)
        while True: pass
    """
    write(tmp_path, body)
    bridge = await asyncio.create_subprocess_exec(sys.executable, "-c", BRIDGE, str(tmp_path), cwd=REPOSITORY)
    with await asyncio.to_thread(_opened, fifo) as pipe:
        assert await asyncio.to_thread(pipe.readline) == "x\n"
        bridge.kill()
        await bridge.wait()
        assert await asyncio.to_thread(pipe.read) == "", "this ends when the last that has the other end has ended"


def _opened(fifo: Path) -> Any:
    return fifo.open()


async def test_a_process_that_ends_while_it_starts_is_said(tmp_path: Path) -> None:
    write(tmp_path, "async def started(self): os._exit(4)")
    with pytest.raises(ProjectError, match="exit code 4"):
        async with running(tmp_path):
            pass


@pytest.mark.usefixtures("patient")
async def test_the_hooks_run_in_the_process_and_the_end_waits_for_them(tmp_path: Path) -> None:
    body = """\
    def _note(self, word):
        with open(self.settings["diary"], "a") as diary:
            diary.write(word)
    async def started(self): self._note("started ")
    def stopped(self):
        time.sleep(0.1)
        self._note("stopped ")
    """
    write(tmp_path, body)
    async with running(tmp_path):
        assert (tmp_path / "diary").read_text() == "started ", "once, and not by the spare process"
    assert (tmp_path / "diary").read_text() == "started stopped "


@pytest.mark.usefixtures("patient")
async def test_ctrl_c_and_sigterm_are_the_bridges(runner: ScriptRunner) -> None:
    """They reach all processes of a terminal, or of a service; scripts are still asked while the bridge stops."""
    pid = int(await said(runner, "pid") or 0)
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    assert await said(runner, "pid") == str(pid)
    assert os.getsid(pid) != os.getsid(0)


async def test_a_process_that_cannot_be_started_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(template: Template) -> None:
        raise OSError("no more processes")

    write(tmp_path)
    monkeypatch.setattr(Process, "start", refuse)
    with pytest.raises(ProjectError, match="no more processes"):
        async with running(tmp_path):
            pass


async def test_more_requests_than_places_are_all_answered_in_turn(runner: ScriptRunner) -> None:
    """All stations of a site boot at once after a power cut."""
    answers = await asyncio.gather(*(said(runner, "settings") for _ in range(3000)))
    assert answers == ["hello"] * 3000


async def test_who_waits_for_a_place_behind_some_that_do_not_end_is_told_in_time(tmp_path: Path) -> None:
    write(tmp_path)
    async with running(tmp_path, timeout=1) as runner:
        await spare(runner)
        answers = await asyncio.gather(*(runner.ask("authorize", request("wait")) for _ in range(1100)))
        assert answers == [None] * 1100
        assert runner.errors == 1100


# What others must not wait for


BAD = """\
async def authorize(self, request):
    if request.station.id.startswith("BAD"):
        {does}
    return Authorization.accepted(parent_id_token=str(os.getpid()))
"""
PASSED_OVER = 3


@pytest.mark.usefixtures("patient")
async def test_a_station_with_which_a_script_ends_its_process_again_and_again_is_passed_over(tmp_path: Path) -> None:
    """H11: good answers about another station between them make nothing good; a new version is tried at once."""
    write(tmp_path, BAD.format(does="os._exit(1)"))
    told: list[tuple[str, str]] = []
    options: dict[str, Any] = {"max_failures": 10, "passed_over": lambda *pair: told.append(pair)}
    async with running(tmp_path, **options) as runner:
        for _ in range(PASSED_OVER):
            assert await runner.ask("authorize", request("x", "BAD")) is None
            await said(runner, "x")
        assert told == [("site.py", "BAD")]
        assert "not asked about BAD for a while" in runner.states.by_name["site.py"].last_error
        assert runner.states.by_name["site.py"].state == "Loaded"
        pid = await said(runner, "x")
        for _ in range(5):
            assert await runner.ask("authorize", request("x", "BAD")) is None
        assert (await said(runner, "x"), runner.errors) == (pid, PASSED_OVER), "it is not asked"
        write(tmp_path, BAD.format(does="pass"))
        await runner.reload()
        assert await said(runner, "x", identity="BAD")


async def test_a_station_with_which_a_script_blocks_its_process_again_and_again_is_passed_over(tmp_path: Path) -> None:
    """H04"""
    write(tmp_path, BAD.format(does="time.sleep(60)"))
    told: list[tuple[str, str]] = []
    options: dict[str, Any] = {"max_failures": 10, "passed_over": lambda *pair: told.append(pair)}
    async with running(tmp_path, timeout=2, **options) as runner:
        for _ in range(3 * PASSED_OVER):  # on a busy machine it may have to wait for a spare process for too long
            await spare(runner)
            blocks = asyncio.create_task(runner.ask("authorize", request("x", "BAD")))
            await asyncio.sleep(0)
            await said(runner, "x")
            assert await blocks is None
            if told:
                break
        await until(lambda: told)
        assert ("site.py", "BAD") in told


async def test_a_script_that_blocks_for_a_moment_again_and_again_is_asked_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others do not wait for it, and that is all."""
    monkeypatch.setattr("bridge.scripting.remote.BLOCKED", 60.0)
    write(tmp_path, BAD.format(does="while not os.path.exists(self.settings['gate']): time.sleep(0.01)"))
    told: list[tuple[str, str]] = []
    gate = tmp_path / "gate"
    async with running(tmp_path, max_failures=3, passed_over=lambda *pair: told.append(pair)) as runner:
        for _ in range(2 * PASSED_OVER):
            gate.unlink(missing_ok=True)
            await spare(runner)
            blocks = asyncio.create_task(said(runner, "x", identity="BAD"))
            await asyncio.sleep(0)
            await said(runner, "x")
            gate.touch()
            assert await blocks
        assert (told, runner.errors) == ([], 0)


@pytest.mark.usefixtures("patient")
async def test_a_request_that_may_end_the_process_waits_until_there_is_a_spare_one(tmp_path: Path) -> None:
    """So others never wait for a process to start."""
    slow = "def __init__(self):\n    while os.path.exists(self.settings['gate']): time.sleep(0.01)\n"
    write(tmp_path, slow + BAD.format(does="os._exit(1)"))
    gate = tmp_path / "gate"
    async with running(tmp_path, max_failures=10) as runner:
        await spare(runner)
        gate.touch()
        await runner.ask("authorize", request("x", "BAD"))
        pid = await said(runner, "x")
        again = asyncio.create_task(runner.ask("authorize", request("x", "BAD")))
        for _ in range(5):
            assert await said(runner, "x") == pid
        assert not again.done()
        gate.unlink()
        assert await again is None
        assert await said(runner, "x") != pid


@pytest.mark.usefixtures("patient")
async def test_a_crowd_that_ends_the_process_with_each_request_costs_nobody_else_an_answer(tmp_path: Path) -> None:
    """Those that waited behind the first one wait on, one after the other, until there is a spare process. Only who was
    in it together with the first one may be answered without it.
    """
    write(tmp_path, BAD.format(does="os._exit(1)"))
    why: list[str] = []
    others: list[Any] = []
    async with running(tmp_path, replaced=why.append) as runner:
        await spare(runner)
        await said(runner, "x")
        crowd = asyncio.gather(*(runner.ask("authorize", request("x", f"BAD{number}")) for number in range(10)))
        while not crowd.done():
            others.append(await runner.ask("authorize", request("x")))
        assert await crowd == [None] * 10
        lost = others.count(None)
        assert lost <= 1
        assert runner.errors == 10 + lost
        assert len(why) == 10


@pytest.mark.usefixtures("patient")
async def test_a_script_that_ends_its_process_with_many_stations_is_switched_off(tmp_path: Path) -> None:
    """H11"""
    write(tmp_path, BAD.format(does="os._exit(1)"))
    async with running(tmp_path, max_failures=3, pause=60) as runner:
        for number in range(3):
            await runner.ask("authorize", request("x", f"BAD{number}"))
            assert runner.states.by_name["site.py"].state == ("Loaded" if number < 2 else "Disabled")
            if number < 2:
                await said(runner, "x")


ENDS = {
    "a thread that it has left": """\
    def __init__(self): threading.Thread(target=self._wait, daemon=True).start()
    def _wait(self):
        while not os.path.exists(self.settings["gate"]): time.sleep(0.02)
        time.sleep(0.5)
        os._exit(1)
    """,
    "its hook": """\
    async def started(self):
        if os.path.exists(self.settings["gate"]): os._exit(1)
    """,
}


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("what", ENDS)
async def test_a_script_that_ends_its_process_when_nobody_is_asked_about_is_switched_off(
    tmp_path: Path, what: str
) -> None:
    """H11: again and again; nobody waits for a process that will not answer."""
    write(tmp_path, dedent(ENDS[what]) + "async def authorize(self, request): os._exit(1)\n")
    async with running(tmp_path, max_failures=3, pause=1000) as runner:
        (tmp_path / "gate").touch()
        await runner.ask("authorize", request("x"))
        await until(lambda: runner.states.by_name["site.py"].state == "Disabled")
        assert await runner.ask("authorize", request("x")) is None


async def test_nobody_waits_for_a_process_that_cannot_be_started_any_more(tmp_path: Path) -> None:
    """A library is gone, a file that the script reads while it loads."""
    body = """\
    def __init__(self):
        if os.path.exists(self.settings["gate"]): raise OSError("gone")
    async def authorize(self, request): os._exit(1)
    """
    write(tmp_path, body)
    async with running(tmp_path, timeout=1000) as runner:
        (tmp_path / "gate").touch()
        for _ in range(5):
            assert await runner.ask("authorize", request("x")) is None
        assert "gone" in runner.last_error


async def test_scripts_survive_the_end_of_the_process_that_theirs_is_forked_from(tmp_path: Path) -> None:
    write(tmp_path)
    async with running(tmp_path) as runner:
        await spare(runner)
        host = runner.host
        assert isinstance(host, ProcessHost)
        before = host._template._popen
        assert before is not None
        before.kill()
        await until(lambda: host._template._popen is not before)
        assert await said(runner, "settings") == "hello"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_processes_that_have_ended_leave_nothing_behind(tmp_path: Path) -> None:
    """Neither files in the bridge nor processes that nobody has waited for."""
    write(tmp_path, BAD.format(does="os._exit(1)"))
    async with running(tmp_path) as runner:
        await spare(runner)
        before = open_files()
        for number in range(5):
            await runner.ask("authorize", request("x", f"BAD{number}"))
            await spare(runner)
        host = runner.host
        assert isinstance(host, ProcessHost)
        await until(lambda: len(host._workers) == 2)
        assert open_files() == before
        assert host._template._popen is not None
        assert len(children(host._template._popen.pid)) == 2


async def test_what_no_frame_carries_takes_no_place_of_what_scripts_may_want(tmp_path: Path) -> None:
    body = """\
    async def authorize(self, request):
        for _ in range(300):
            try: await request.station.write("Custom.X", 2**70)
            except OverflowError: pass
        await request.station.write("Custom.Y", 1)
        return Authorization.accepted(parent_id_token=str(await request.station.read("Custom.Y")))
    """
    write(tmp_path, body)
    async with running(tmp_path) as runner:
        assert await said(runner, "x") == "1"


async def test_who_gives_up_its_place_to_nobody_shuts_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stations that wait for a place and leave, in whatever order."""
    monkeypatch.setattr("bridge.scripting.remote.SLOTS", 1)
    write(tmp_path)
    async with running(tmp_path) as runner:
        first = asyncio.create_task(runner.ask("authorize", request("wait")))
        await asyncio.sleep(0.05)
        waiting = [asyncio.create_task(runner.ask("authorize", request("settings"))) for _ in range(3)]
        await asyncio.sleep(0)
        for task in (*waiting[:2], first):
            task.cancel()
        assert await waiting[2] == Authorization.accepted(parent_id_token="hello")
        assert await said(runner, "settings") == "hello"


@pytest.mark.usefixtures("patient")
async def test_a_request_that_waits_for_a_thread_is_not_begun_and_not_the_scripts_fault(tmp_path: Path) -> None:
    write(tmp_path, "def authorize(self, request):\n    time.sleep(3 if request.id_token == 'slow' else 0)")
    async with running(tmp_path, timeout=1, max_failures=65) as runner:
        slow = [asyncio.create_task(runner.ask("authorize", request("slow"))) for _ in range(64)]
        await asyncio.sleep(0.1)
        await runner.ask("authorize", request("free"))
        await asyncio.gather(*slow)
        assert runner.states.by_name["site.py"].state == "Loaded"


async def test_a_bridge_that_ignores_sigchld_sees_its_process_end(tmp_path: Path) -> None:
    """Some supervisors start programs so."""
    write(tmp_path, BAD.format(does="os._exit(1)"))
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        async with asyncio.timeout(WAIT):
            async with running(tmp_path) as runner:
                await runner.ask("authorize", request("x", "BAD"))
                assert await said(runner, "x")
    finally:
        signal.signal(signal.SIGCHLD, before)


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_a_process_that_cannot_be_started_leaves_no_files_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    before = open_files()
    for _ in range(3):
        with pytest.raises(OSError, match="nonexistent"):
            await Process.start(Template())
    assert open_files() == before


async def test_what_a_script_starts_does_not_keep_the_bridge_waiting(tmp_path: Path) -> None:
    """A program that outlives its process has none of the files by which the bridge sees that end."""
    does = "os.system('setsid sleep 5 > /dev/null 2>&1 < /dev/null &'); os._exit(1)"
    write(tmp_path, BAD.format(does=does))
    async with running(tmp_path) as runner:
        await runner.ask("authorize", request("x", "BAD"))
        assert "exit code 1" in runner.last_error
