"""A station of any version that says what it is told to, and answers what it is asked, in OCPP's own JSON."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import websockets

from tests.e2e.parties import WAIT, now

Payload = dict[str, Any]
TOKEN = {"idToken": "TAG1", "type": "ISO14443"}
BOOTS: dict[str, Payload] = {
    "1.6": {"chargePointVendor": "Vendor", "chargePointModel": "Model"},
    "2.0.1": {"reason": "PowerUp", "chargingStation": {"vendorName": "Vendor", "model": "Model"}},
    "2.1": {"reason": "PowerUp", "chargingStation": {"vendorName": "Vendor", "model": "Model"}},
}


class Wire:
    """`answers`: action → the payload of the answer; `{"status": "Accepted"}` where there is none."""

    def __init__(self, socket: Any, version: str) -> None:
        self.version = version
        self.answers: dict[str, Payload] = {"GetBaseReport": {"status": "NotSupported"}, "GetConfiguration": {}}
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[list[Any]]] = {}
        self._asked: asyncio.Queue[tuple[str, Payload]] = asyncio.Queue()

    async def read(self) -> None:
        async for text in self._socket:
            frame = json.loads(text)
            if frame[0] == 2:
                self._asked.put_nowait((frame[2], frame[3]))
                answer = self.answers.get(frame[2], {"status": "Accepted"})
                await self._socket.send(json.dumps([3, frame[1], answer]))
            else:
                self._waiting.pop(frame[1]).set_result(frame)

    async def call(self, action: str, payload: Payload) -> Payload:
        """The payload of the answer, which must be no error."""
        frame = await self.ask(action, payload)
        assert frame[0] == 3, frame
        return dict(frame[2])

    async def ask(self, action: str, payload: Payload) -> list[Any]:
        """The answer, a CALLERROR too."""
        message_id = f"m{next(self._ids)}"
        answer = self._waiting[message_id] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps([2, message_id, action, payload]))
        async with asyncio.timeout(WAIT):
            return await answer

    def hang_up(self) -> None:
        """Its line is cut."""
        self._socket.transport.abort()

    async def asked(self, action: str) -> Payload:
        """The payload of the next command of this action; others are passed over."""
        async with asyncio.timeout(WAIT):
            while True:
                name, payload = await self._asked.get()
                if name == action:
                    return payload

    # What differs between the versions

    @property
    def is_16(self) -> bool:
        return self.version == "1.6"

    async def status(self, status: str) -> None:
        if self.is_16:
            await self.call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": status})
        else:
            payload = {"timestamp": now(), "connectorStatus": status, "evseId": 1, "connectorId": 1}
            await self.call("StatusNotification", payload)

    async def start(self, register: int, trigger: str, time: str = "", **info: Any) -> str:
        """A transaction begins; its id."""
        time = time or now()
        if self.is_16:
            start = {"connectorId": 1, "idTag": "TAG1", "meterStart": register, "timestamp": time}
            return str((await self.call("StartTransaction", start))["transactionId"])
        number = f"T{next(self._ids)}"
        await self._event("Started", 0, trigger, register, time, {"transactionId": number, **info}, idToken=TOKEN)
        return number

    async def stop(self, transaction: str, register: int, reason: str, time: str = "") -> None:
        time = time or now()
        if self.is_16:
            stop = {"transactionId": int(transaction), "meterStop": register, "timestamp": time, "reason": reason}
            await self.call("StopTransaction", stop)
        else:
            info = {"transactionId": transaction, "stoppedReason": reason}
            await self._event("Ended", 1, "StopAuthorized", register, time, info)

    async def _event(
        self, type_: str, number: int, trigger: str, register: int, time: str, info: Payload, **more: Any
    ) -> None:
        context = "Transaction.Begin" if type_ == "Started" else "Transaction.End"
        payload = {
            "eventType": type_,
            "timestamp": time,
            "triggerReason": trigger,
            "seqNo": number,
            "transactionInfo": info,
            "evse": {"id": 1, "connectorId": 1},
            "meterValue": [{"timestamp": time, "sampledValue": [{"value": float(register), "context": context}]}],
            **more,
        }
        await self.call("TransactionEvent", payload)


@asynccontextmanager
async def booted(url: str, identity: str, version: str) -> AsyncIterator[Wire]:
    """A station that has connected and booted."""
    async with websockets.connect(
        f"{url}{identity}", subprotocols=[websockets.Subprotocol(f"ocpp{version}")]
    ) as socket:
        station = Wire(socket, version)
        reading = asyncio.create_task(station.read())
        try:
            assert (await station.call("BootNotification", BOOTS[version]))["status"] == "Accepted"
            yield station
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError, websockets.ConnectionClosed):
                await reading
