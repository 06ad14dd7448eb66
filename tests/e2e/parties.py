"""The parties of the end-to-end tests: the program in a process of its own, a station made with the `ocpp` package,
OPC UA clients made with asyncua."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import websockets
from asyncua import Client, ua
from ocpp.exceptions import InternalError
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from ocpp.v16.enums import Action

WAIT = 15.0  # s until a test gives up on something that has to happen
STARTED = 120.0  # s until the program has to have started; to import all of it takes long on a busy machine


class Program:
    """`ocpp-bridge run` on a project folder."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.code = "from bridge.cli import main; main()"
        self.environ: dict[str, str] = {}
        self.ocpp = self.opcua = ""
        self.lines: list[str] = []
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self, *options: str) -> None:
        """Starts it and waits until it says where it listens."""
        self.lines = []
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            self.code,
            "run",
            "--project",
            str(self.project),
            *options,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "NO_COLOR": "1", **self.environ},
        )
        try:
            async with asyncio.timeout(STARTED):
                await self._started()
        except BaseException:
            # Nobody else would: it has no addresses yet. Not by `kill`: it takes the exit code of one that has ended.
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
            raise
        self._reading = asyncio.create_task(self._read())

    async def command(self, *arguments: str, stdin: str = "") -> str:
        """What another command of the program prints, for the same project."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", self.code, *arguments, "--project", str(self.project)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(stdin.encode())
        assert process.returncode == 0, err.decode()
        return out.decode()

    async def _started(self) -> None:
        while not (self.ocpp and self.opcua):
            line = await self._line()
            assert line, "it ended: " + "\n".join(self.lines)
            if found := re.search(r"ws://[^\s\"<]+/", line):
                self.ocpp = found[0]
            if found := re.search(r"opc\.tcp://[^\s\"]+", line):
                self.opcua = found[0]

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL: it has no time to do anything."""
        await self._end(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        async with asyncio.timeout(WAIT):
            return await self.ended()

    async def ended(self) -> int:
        """Waits for its end; its exit code."""
        assert self._process is not None
        code = await self._process.wait()
        if self._reading is not None:
            await self._reading
        self.ocpp = self.opcua = ""
        return code

    async def _line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode()
        self.lines.append(line.rstrip())
        return line

    async def _read(self) -> None:
        while await self._line():
            pass


class Answers(dict[str, Any]):
    """Action → what the station answers: a payload in snake case, or "CALLERROR", or an event to wait for."""


class Station(ChargePoint):
    """A station made with the `ocpp` package. `answers` says what it answers, `asked` what it was asked."""

    def __init__(self, identity: str, connection: Any) -> None:
        super().__init__(identity, connection, response_timeout=WAIT)
        self.answers = Answers()
        self.asked: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    async def answer(self, action: str, payload: dict[str, Any]) -> Any:
        self.asked.put_nowait((action, payload))
        answer = self.answers.get(action, {})
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = self.answers.get(action + " then", {})
        if answer == "CALLERROR":
            raise InternalError("the station is broken")
        return getattr(call_result, action)(**answer)

    async def next_asked(self, action: str) -> dict[str, Any]:
        """The payload (snake case) of the next request of this action."""
        async with asyncio.timeout(WAIT):
            while True:
                name, payload = await self.asked.get()
                if name == action:
                    return payload


def _handler(action: str) -> Callable[..., Awaitable[Any]]:
    async def handle(self: Station, **payload: Any) -> Any:
        return await self.answer(action, payload)

    handle.__name__ = f"on_{action}"  # the package finds its handlers by name
    return on(action)(handle)


TO_STATION = (
    *("CancelReservation", "CertificateSigned", "ChangeAvailability", "ChangeConfiguration", "ClearCache"),
    *("ClearChargingProfile", "DataTransfer", "DeleteCertificate", "ExtendedTriggerMessage", "GetCompositeSchedule"),
    *("GetConfiguration", "GetDiagnostics", "GetInstalledCertificateIds", "GetLocalListVersion", "GetLog"),
    *("InstallCertificate", "RemoteStartTransaction", "RemoteStopTransaction", "ReserveNow", "Reset"),
    *("SendLocalList", "SetChargingProfile", "SignedUpdateFirmware", "TriggerMessage", "UnlockConnector"),
    "UpdateFirmware",
)
assert set(TO_STATION) <= {action.value for action in Action}
for _action in TO_STATION:
    setattr(Station, f"on_{_action}", _handler(_action))


@asynccontextmanager
async def connected(url: str, identity: str = "CP001") -> AsyncIterator[Station]:
    """A station that is connected."""
    async with websockets.connect(f"{url}{identity}", subprotocols=["ocpp1.6"]) as connection:
        station = Station(identity, connection)
        running = asyncio.create_task(station.start())
        try:
            yield station
        finally:
            running.cancel()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Hmi:
    """An OPC UA client, with paths for NodeIds; each begins with `prefix`, which is not written out."""

    client: Client
    prefix: str = ""

    def node(self, path: str) -> Any:
        return self.client.get_node(f"ns=2;s={self.prefix}{path}")

    def path(self, node: Any) -> str:
        """The path of a node."""
        return str(node.nodeid.Identifier).removeprefix(self.prefix)

    async def read(self, path: str) -> ua.DataValue:
        return await self.node(path).read_data_value(raise_on_bad_status=False)

    async def value(self, path: str) -> Any:
        return (await self.read(path)).Value.Value

    async def status(self, path: str) -> str:
        found = await self.read(path)
        return found.StatusCode.name

    async def write(self, path: str, value: Any) -> None:
        """Writes a value in the point's own type. Raises ua.UaStatusCodeError."""
        node = self.node(path)
        kind = ua.VariantType((await node.read_data_type()).Identifier)
        await node.write_value(ua.DataValue(ua.Variant(value, kind)))

    async def call(self, path: str, *arguments: Any) -> list[Any]:
        """Calls a method. Raises ua.UaStatusCodeError. None: not given."""
        parent, _, _ = path.rpartition(".")
        return await self.node(parent).call_method(ua.NodeId(f"{self.prefix}{path}", 2), *arguments)

    async def until(self, path: str, value: Any) -> ua.DataValue:
        """Waits, by subscription, until a point has a value (or its status this name)."""
        return await self.until_that(path, lambda found: value in (_value(found), found.StatusCode.name))

    async def until_that(self, path: str, holds: Callable[[ua.DataValue], bool]) -> ua.DataValue:
        watch = _Watch(holds)
        subscription = await self.client.create_subscription(20, watch)
        try:
            await subscription.subscribe_data_change(self.node(path))
            async with asyncio.timeout(WAIT):
                return await watch.found
        except TimeoutError:
            raise AssertionError(f"{path} is {await self.read(path)}") from None
        finally:
            await subscription.delete()


def _value(found: ua.DataValue) -> Any:
    return found.Value.Value if found.Value is not None else None


class _Watch:
    def __init__(self, holds: Callable[[ua.DataValue], bool]) -> None:
        self._holds = holds
        self.found: asyncio.Future[ua.DataValue] = asyncio.get_running_loop().create_future()

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        found = data.monitored_item.Value
        if not self.found.done() and self._holds(found):
            self.found.set_result(found)


@asynccontextmanager
async def hmi(url: str, prefix: str = "") -> AsyncIterator[Hmi]:
    """An OPC UA client that is connected."""
    async with Client(url, timeout=WAIT) as client:
        yield Hmi(client, prefix)
