"""A connected station that sends whatever a websocket message can hold, to a bridge with its store and its tree."""

import asyncio
import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from websockets.asyncio.client import ClientConnection

from bridge.ocpp.versions import VERSIONS, Version
from tests.fuzz import frames
from tests.fuzz.test_peer import called
from tests.unit.station.rig import WAIT, Rig, Starter, logged

BOOTS: dict[str, dict[str, Any]] = {
    "1.6": {"chargePointVendor": "V", "chargePointModel": "M"},
    "2.0.1": {"chargingStation": {"vendorName": "V", "model": "M"}, "reason": "PowerUp"},
    "2.1": {"chargingStation": {"vendorName": "V", "model": "M"}, "reason": "PowerUp"},
}
FAILURES = {"call.failed", "tree.failed", "store.failed", "handler.failed"}


async def sent(socket: ClientConnection, frame: str | bytes, after: str) -> list[list[Any]]:
    """What comes back for a frame, before the answer to a Heartbeat that is sent behind it."""
    await socket.send(frame)
    await socket.send(json.dumps([2, after, "Heartbeat", {}]))
    answers: list[list[Any]] = []
    async with asyncio.timeout(WAIT):
        while True:
            answer = json.loads(await socket.recv())
            if answer[1] == after:
                assert answer[0] == 3
                return answers
            if answer[0] != 2:  # the bridge asks too, for what a boot says is to be asked
                answers.append(answer)


class Conversation:
    """One connection that outlives every frame."""

    def __init__(self, rig: Rig, version: Version, socket: ClientConnection) -> None:
        self._rig = rig
        self._version = version
        self._socket = socket
        self._ids = itertools.count(1)

    async def boot(self) -> None:
        await self._socket.send(json.dumps([2, "boot", "BootNotification", BOOTS[self._version.name]]))
        assert json.loads(await self._socket.recv())[2]["status"] == "Accepted"

    def _is_send(self, frame: str | bytes) -> bool:
        """What is told without an answer need not be wrong (OCPP 2.1)."""
        head = frame.lstrip()[:3] if isinstance(frame, str) else ""
        return bool(self._version.sends) and head.startswith("[6")

    async def check(self, frame: str | bytes) -> None:
        path = "CP1.State.InvalidMessages"
        before = self._rig.value(path)
        with logged() as entries:
            answers = await sent(self._socket, frame, f"after-{next(self._ids)}")
        counted = self._rig.value(path) - before
        assert not [entry for entry in entries if entry["event"] in FAILURES or "exc_info" in entry]
        message_id = called(frame)
        if message_id is None:
            assert len(answers) <= 1
            assert counted == 1 or (counted == 0 and self._is_send(frame))
            assert all(answer[0] == 4 for answer in answers)
        else:
            assert [answer[1] for answer in answers] == [message_id]
            assert answers[0][0] in (3, 4)
            assert counted or answers[0][0] == 3


@pytest.mark.parametrize("validation", ["strict", "lenient", "off"])
@pytest.mark.parametrize("version", VERSIONS.values(), ids=list(VERSIONS))
def test_a_connection_outlives_every_frame_and_answers_every_call_once(tmp_path, version, validation):
    """L08, J27, J34, J35, J36, J37, J40, J41"""
    with asyncio.Runner() as runner:
        starter = Starter(tmp_path)
        failures: list[dict[str, Any]] = []
        runner.get_loop().set_exception_handler(lambda _, context: failures.append(context))
        rig = runner.run(starter(ocpp={"validation": validation, "versions": [version.name]}))
        connection = rig.socket(subprotocols=[version.subprotocol])
        conversation = Conversation(rig, version, runner.run(connection.__aenter__()))
        runner.run(conversation.boot())
        ids = itertools.count(1)

        @given(frames.frames(version, "ID"))
        @settings(max_examples=60)
        def check(frame: str | bytes) -> None:
            own = f"m-{next(ids)}"  # so that none is a repeated one
            frame = frame.replace('"ID"', f'"{own}"') if isinstance(frame, str) else frame
            runner.run(conversation.check(frame))

        try:
            check()
        finally:
            runner.run(connection.__aexit__(None, None, None))
            runner.run(starter.close())
        assert not failures
