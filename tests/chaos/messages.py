"""A station's CALLs over one connection, one after the other, and its answers to what it is asked."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

PATIENCE = 0.6  # s that a station waits for an answer; longer each time that it was too short in calm
LOST = (OSError, TimeoutError, websockets.WebSocketException, EOFError)


#: messages that the bridge refuses while it cannot store them
KEPT = frozenset({"StartTransaction", "StopTransaction", "TransactionEvent"})
ANSWERS: dict[str, dict[str, Any]] = {"GetConfiguration": {}, "GetBaseReport": {"status": "NotSupported"}}


class Broken(AssertionError):  # noqa: N818 - what is broken is a promise of the bridge
    """The bridge has broken a promise."""


class NoAnswer(TimeoutError):  # noqa: N818 - nothing is wrong at the station
    """A station has waited for an answer as long as it does."""


class RefusedForNow(OSError):  # noqa: N818 - the same
    """The bridge could not store a message: it is to be sent again."""


class Conversation:
    """What is said over one connection. Every answer has been asked for, and is the only one."""

    def __init__(
        self,
        identity: str,
        socket: ClientConnection,
        rng: random.Random,
        note: Callable[[str], None],
        asked: Counter[str],
        patience: float,
        may_refuse: Callable[[], bool],
    ) -> None:
        """`asked` counts the commands that come, by their action. `may_refuse`: the bridge's disk is full."""
        self.socket = socket
        self._commands = asked
        self._identity = identity
        self._rng = rng
        self._note = note
        self._patience = patience
        self._may_refuse = may_refuse
        self._asked: dict[str, str] = {}
        self._answers: dict[str, str] = {}

    async def call(self, action: str, payload: dict[str, Any], message_id: str) -> dict[str, Any]:
        """Sends a CALL, perhaps once more where its answer was lost, and returns its answer. Raises one of LOST."""
        frame = json.dumps([2, message_id, action, payload])
        for attempt in range(1 + self._rng.randrange(2)):
            self._note(f"{'again ' if attempt else ''}> {frame}")
            self._asked[message_id] = action
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience):
                    await self.socket.send(frame)
                    return await self._answer(message_id)
        raise NoAnswer

    async def listen(self) -> None:
        """Answers what comes, for a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await self._take(await self.socket.recv())

    async def _answer(self, message_id: str) -> dict[str, Any]:
        while True:
            frame = await self._take(await self.socket.recv())
            if frame is not None and frame[1] == message_id:
                return dict(frame[2])

    async def _take(self, data: str | bytes) -> list[Any] | None:
        """Answers what it is asked; returns an answer to what it has asked."""
        self._note(f"< {data!r}")
        frame = json.loads(data)
        if frame[0] == 2:
            self._commands[frame[2]] += 1
            await self.socket.send(json.dumps([3, frame[1], ANSWERS.get(frame[2], {"status": "Accepted"})]))
            return None
        action = self._asked.get(frame[1])
        if frame[0] == 4 and frame[2] == "InternalError" and action in KEPT and self._may_refuse():
            raise RefusedForNow
        if frame[0] != 3 or action is None:
            raise Broken(f"{self._identity}: nobody has asked for {data!r} ({action})")
        if self._answers.setdefault(frame[1], str(data)) != data:
            raise Broken(f"{self._identity}: two answers to {action}: {self._answers[frame[1]]} and {data!r}")
        return list(frame)
