"""What a script does wrong, seen from two stations: the one that it is asked about gets its one answer in time, and the
other is answered meanwhile. One program serves all cases; its script does what the station's identity says.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
import pytest_asyncio
import websockets

from bridge.project import init
from tests.e2e.conftest import write_config
from tests.e2e.parties import Hmi, Program, connected, hmi

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

TIMEOUT = 1.5  # s, [handlers] timeout
WAIT = 15.0

#: what the station is called: what the handler does, whether it fails
CASES: dict[str, tuple[str, bool]] = {
    "raises": ("raise ValueError('no card list')", True),
    "nothing": ("return None", False),
    "dict": ("return {'status': 'Accepted'}", True),
    "enum": ("return Authorization(status='Yes')", True),
    "class": ("return DataTransferAnswer(status='Accepted')", True),
    "never": ("await asyncio.Event().wait()", True),
    "stubborn": (
        """\
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass
        """,
        True,
    ),
    "sleeps": ("time.sleep(30)", True),
    "spins": ("while True: pass", True),
    "regex": ("re.match(r'(a+)+$', 'a' * 40 + 'b')", True),
    "regex-thread": ("await asyncio.to_thread(re.match, r'(a+)+$', 'a' * 40 + 'b')", True),
    "thread": ("await asyncio.to_thread(time.sleep, 60)", True),
    "exit": ("sys.exit(1)", True),
    "abort": ("os._exit(3)", True),
    "crash": ("os.kill(os.getpid(), 11)", True),
    "memory": ("x = [bytearray(10**7) for _ in range(10**4)]", True),
    "tasks": ("self.tasks = [asyncio.create_task(asyncio.sleep(600)) for _ in range(5000)]", False),
    "recursion": ("return (lambda f: f(f))(lambda f: f(f))", True),
    "mutates": ("request.payload.clear(); request.payload[1] = self", False),
    "floods": ("for n in range(20_000): print('flood', n)", False),
    "loops": ("while True: await request.station.call('GetConfiguration', {'key': ['A']})", True),
    "writes": (
        "while True: await asyncio.gather(*(request.station.write(f'Custom.P{n}', 1) for n in range(200)))",
        True,
    ),
    "huge": ("return Authorization.accepted(parent_id_token='x' * 20_000_000)", True),
    "no-json": ("return Authorization(status='Accepted', fields={'x': object()})", True),
    "later": ("asyncio.get_running_loop().call_later(0.05, time.sleep, 30)", False),
    "fork": ("os.fork()", False),
    "outlived": ("os.fork() or time.sleep(600); os._exit(3)", True),
    "closes": ("os.closerange(3, 100)", True),
    "garbage": ("[os.write(n, b'nonsense' * 9) for n in range(3, 99) if is_socket(n)]", True),
    "stops": ("os.kill(os.getpid(), signal.SIGSTOP)", True),
    "terminates": ("os.kill(os.getpid(), signal.SIGTERM)", False),
    "stops-loop": ("asyncio.get_running_loop().stop()", False),
    "cancels": ("[task.cancel() for task in asyncio.all_tasks()]; await asyncio.sleep(0)", True),
    "threads": ("[threading.Thread(target=time.sleep, args=(600,), daemon=True).start() for _ in range(999)]", True),
    "files": ("self.files = [open(os.devnull) for _ in range(100_000)]", True),
    "deep": ("x = []\nfor _ in range(10**5): x = [x]\nreturn DataTransferAnswer(status='Accepted', data=x)", True),
}
#: what the process answers from there on does not arrive, be it about another station
SPOILS = {"closes", "garbage"}
SCRIPT = """\
import asyncio, os, re, signal, stat, sys, threading, time
from bridge.api import *

def is_socket(number):
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False

class Handler(RequestHandler):
    async def authorize(self, request):
        return await getattr(self, "_" + request.station.id.partition(".")[0].replace("-", "_"), self._good)(request)

    async def _good(self, request):
        return Authorization.accepted(parent_id_token="good")

    async def _own(self, request):
        answer = await request.station.call("GetConfiguration", {"key": ["A"]})
        return Authorization.accepted(parent_id_token=answer["unknownKey"][0])

"""
LAST = """\
from bridge.api import *

class Handler(RequestHandler):
    async def authorize(self, request):
        return Authorization.accepted(parent_id_token="last")
"""


def script() -> str:
    methods = (
        f"    async def _{name.replace('-', '_')}(self, request):\n{indent(dedent(body), ' ' * 8)}\n"
        for name, (body, _) in CASES.items()
    )
    return SCRIPT + "\n".join(methods)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def program(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Program]:
    folder: Path = tmp_path_factory.mktemp("misbehaviour") / "site"
    init(folder)
    (folder / "handlers" / "site.py").write_text(script(), "utf-8")
    (folder / "handlers" / "last.py").write_text(LAST, "utf-8")
    more = f'["site.py", "last.py"]\ntimeout = {TIMEOUT}\nmemory = 300\nmax_failures = 0'
    write_config(folder, scripts=more)
    program = Program(folder)
    await program.start()
    yield program
    if program.ocpp:
        assert await program.stop() == 0


class Raw:
    """A station of 1.6 that writes frames as they are, and keeps all that comes."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.frames: list[Any] = []

    async def authorize(self) -> str | None:
        """The parent token of the answer, or the status where it has none."""
        number = str(uuid.uuid4())
        await self._connection.send(json.dumps([2, number, "Authorize", {"idTag": "A"}]))
        async with asyncio.timeout(WAIT):
            while True:
                frame = json.loads(await self._connection.recv())
                self.frames.append(frame)
                if frame[:2] == [3, number]:
                    return frame[2]["idTagInfo"].get("parentIdTag")
                assert frame[0] == 2, frame
                await self._connection.send(json.dumps([3, frame[1], {"unknownKey": ["B"]}]))

    async def rest(self) -> list[Any]:
        """What comes yet, until nothing that was asked for can: the bridge takes messages in their order."""
        number = str(uuid.uuid4())
        await self._connection.send(json.dumps([2, number, "Heartbeat", {}]))
        found: list[Any] = []
        while not found or found[-1][1] != number:
            frame = json.loads(await self._connection.recv())
            if frame[0] == 2:  # a call of the script that it had sent before its time was over
                await self._connection.send(json.dumps([3, frame[1], {"unknownKey": ["B"]}]))
            else:
                found.append(frame)
        return found[:-1]


@asynccontextmanager
async def raw(program: Program, identity: str) -> AsyncIterator[Raw]:
    async with websockets.connect(f"{program.ocpp}{identity}", subprotocols=["ocpp1.6"]) as connection:  # type: ignore[list-item]
        yield Raw(connection)


async def meanwhile(good: Raw, bad: asyncio.Future[Any], *, by: frozenset[str] = frozenset({"good"})) -> int:
    """Lets a station ask again and again until another one is answered; how often it was answered before."""
    answered = 0
    while not bad.done():
        assert await good.authorize() in by
        answered += not bad.done()
        await asyncio.sleep(0)
    return answered


async def errors(client: Hmi) -> int:
    return int(await client.value("Bridge.HandlerErrors"))


def _is_counted(more: int, case: str) -> bool:
    return more >= 1 if case in SPOILS else more == 1


@pytest.mark.parametrize("case", CASES)
async def test_the_station_is_answered_once_in_time_and_the_other_meanwhile(program: Program, case: str) -> None:
    """H01, H02, H03, H04, H05, H10, H12, and H07: what comes late goes nowhere."""
    fails = CASES[case][1]
    async with raw(program, case) as bad, raw(program, "GOOD") as good, hmi(program.opcua) as client:
        before = await errors(client)
        asked = asyncio.create_task(bad.authorize())
        await meanwhile(good, asked, by=frozenset({"good", "last"} if case in SPOILS else {"good"}))
        assert await asked == "last"
        assert await bad.rest() == []
        if fails:
            for path in ("Bridge.HandlerErrors", "Bridge.Handlers.site.Errors"):
                await client.until_that(path, lambda found: _is_counted(found.Value.Value - before, case))
            assert "site.py" in await client.value("Bridge.LastHandlerError")
        assert await good.authorize() == "good"
        assert await errors(client) == before + fails


@pytest.mark.parametrize(
    ("case", "by"),
    [
        ("never", {"good"}),
        ("thread", {"good"}),
        # Who is in a process together with the first that ends it, or comes behind twenty that block one, may have to
        # do with the next script's answer.
        ("abort", {"good", "last"}),
        ("sleeps", {"good", "last"}),
    ],
)
async def test_twenty_that_hang_at_once_leave_every_station_answered(program: Program, case: str, by: set[str]) -> None:
    """H06"""
    async with AsyncExitStack() as stack:
        good = await stack.enter_async_context(raw(program, "GOOD"))
        stations = [await stack.enter_async_context(raw(program, f"{case}.{number}")) for number in range(20)]
        asked = asyncio.gather(*(station.authorize() for station in stations))
        assert await meanwhile(good, asked, by=frozenset(by)) > 0
        assert await asked == ["last"] * 20


async def test_a_handler_calls_its_own_station(program: Program) -> None:
    async with raw(program, "own") as station:
        assert await station.authorize() == "B"
        assert [frame[0] for frame in station.frames] == [2, 3]


async def test_a_script_that_has_failed_so_often_is_still_in_force(program: Program) -> None:
    async with hmi(program.opcua) as client, connected(program.ocpp, "LAST") as station:
        assert await client.value("Bridge.Handlers.site.StateText") == "Loaded"
        assert await client.value("Bridge.Handlers.site.LoadedAt") is not None
        assert await client.value("Bridge.HandlerRestarts") > 0
        assert station is not None
