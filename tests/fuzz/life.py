"""A station's life against the bridge, beside a model of what has to be known of it: what is common to all versions.

The station keeps what was not answered and sends it again before anything else (OCPP 1.6 §3.7, 2.0.1 E04). The bridge
is stopped, or killed: then it goes on with a copy of its store as it was on disk.
"""

import asyncio
import json
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from websockets.asyncio.client import ClientConnection

from tests.unit.station.rig import START, WAIT, Rig, at, closed

CONNECTORS = (1, 2)


class Life(RuleBasedStateMachine):
    """A version's own is in the methods that raise NotImplementedError."""

    subprotocol = "ocpp1.6"
    boot_payload: dict[str, Any] = {"chargePointVendor": "V", "chargePointModel": "M"}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.starts = 0
        self.told: set[int] = set()  # connectors whose status came over the present connection
        self.clock = 0
        self.messages = 0
        self.socket: ClientConnection | None = None
        self.stack = AsyncExitStack()

    def deliver(self) -> None:
        """Sends what waits."""
        raise NotImplementedError

    def written(self) -> None:
        """What the model knows is on disk."""
        raise NotImplementedError

    def killed(self) -> None:
        """What was not on disk is forgotten."""
        raise NotImplementedError

    def restarted(self) -> None:
        """The bridge begins anew."""

    @initialize()
    def begin(self) -> None:
        self.rig = self._start(self.folder / "0")

    def _start(self, folder: Path) -> Rig:
        folder.mkdir(exist_ok=True)
        return self._run(self._rig(folder / "bridge.db"))

    async def _rig(self, store: Path) -> Rig:
        rig = Rig(store, {}, [])
        rig.now = START + self.clock
        return await rig.start()

    def _run(self, coroutine: Any) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(2 * WAIT):
                return await coroutine

        return self.runner.run(bounded())

    def teardown(self) -> None:
        self._run(self.stack.aclose())
        self._run(self.rig.stop())
        self.runner.close()
        shutil.rmtree(self.folder)

    # What the station does

    def _stamp(self) -> str:
        self.clock += 1
        self.rig.now = START + self.clock
        return at(self.clock)

    async def _send(self, action: str, payload: dict[str, Any], message_id: str) -> None:
        assert self.socket is not None
        await self.socket.send(json.dumps([2, message_id, action, payload]))

    async def _call(self, action: str, payload: dict[str, Any], message_id: str = "") -> dict[str, Any]:
        assert self.socket is not None
        self.messages += 1
        message_id = message_id or f"m-{self.messages}"
        await self._send(action, payload, message_id)
        while (answer := json.loads(await self.socket.recv()))[0] == 2:  # the bridge asks for the device model
            await self.socket.send(json.dumps([4, answer[1], "NotSupported", "", {}]))
        assert answer[:2] == [3, message_id], answer
        return dict(answer[2])

    async def _settle(self) -> None:
        await self._call("Heartbeat", {})

    async def _connect(self) -> None:
        self._stamp()  # it never connects in the instant in which it was told something
        self.socket = await self.stack.enter_async_context(self.rig.socket(subprotocols=[self.subprotocol]))
        self.told.clear()

    @precondition(lambda self: self.socket is None)
    @rule(boot=st.booleans())
    def connect(self, boot: bool) -> None:
        self._run(self._connect())
        if boot:
            self.boot()
        self.deliver()

    @precondition(lambda self: self.socket is not None)
    @rule()
    def connect_anew_while_the_old_connection_seems_alive(self) -> None:
        old = self.socket
        self._run(self._connect())
        assert self._run(closed(old)) == 1000
        self.deliver()

    @precondition(lambda self: self.socket is not None)
    @rule(rudely=st.booleans())
    def disconnect(self, rudely: bool) -> None:
        assert self.socket is not None
        if rudely:
            self.socket.transport.abort()
        self._run(self._gone())

    async def _gone(self) -> None:
        await self.stack.aclose()
        self.socket = None
        await self.rig.until(lambda: self.rig.value("CP1.State.Connected") is False)
        self.told.clear()

    @precondition(lambda self: self.socket is not None)
    @rule()
    def boot(self) -> None:
        answer = self._run(self._call("BootNotification", self.boot_payload))
        assert answer["status"] == "Accepted"

    # What happens to the bridge

    @rule()
    def restart(self) -> None:
        """SIGTERM."""
        self._run(self._leave())
        self._run(self.rig.stop())
        self.written()
        self._again(self.folder / str(self.starts))

    @rule()
    def write(self) -> None:
        """Some seconds pass."""
        if self.socket is not None:
            self._run(self._settle())
        self.rig.last_values.flush_all()
        self._await_store()
        self.written()

    def _await_store(self) -> None:
        give_up = time.monotonic() + WAIT
        while self.rig.store.queue_length and time.monotonic() < give_up:
            time.sleep(0.001)

    @rule()
    def kill(self) -> None:
        """SIGKILL, not before it has noted that there is such a station: it would be a new one."""
        self._await_store()
        before, after = self.folder / str(self.starts), self.folder / str(self.starts + 1)
        shutil.copytree(before, after)
        self._run(self._leave())
        self._run(self.rig.stop())
        self.starts += 1
        self.killed()
        self._again(after)

    async def _leave(self) -> None:
        await self.stack.aclose()
        self.socket = None
        self.told.clear()

    def _again(self, folder: Path) -> None:
        self.restarted()
        self.rig = self._start(folder)
