"""Stations of OCPP 2.0.1 and 2.1 for the end-to-end tests, made with the `ocpp` package's classes of the version."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import ocpp.v21
import ocpp.v201
import websockets
from asyncua import ua
from ocpp.messages import Call, CallError, validate_payload

from tests.e2e.parties import WAIT, Hmi, Program, hmi, now

SILENT = object()  # a station's answer: none
TOKEN = {"idToken": "04A2B3", "type": "ISO14443"}
CHARGING_STATION = {"model": "Model", "vendorName": "Vendor", "serialNumber": "S-1", "firmwareVersion": "1.2.3"}
KWH = {"unitOfMeasure": {"unit": "kWh"}}

Payload = dict[str, Any]


class Answers(dict[str, Any]):
    """Action → what the station answers: a payload, the code of a CALLERROR, or SILENT."""


class Asked:
    """The commands that a station was sent, as they came."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[str, Payload]] = asyncio.Queue()

    def put(self, action: str, payload: Payload) -> None:
        self._queue.put_nowait((action, payload))

    async def next(self, action: str) -> Payload:
        """The payload of the next request of this action; others are passed over."""
        async with asyncio.timeout(WAIT):
            while True:
                name, payload = await self._queue.get()
                if name == action:
                    return payload

    def empty(self) -> bool:
        return self._queue.empty()


class Station2:
    """What both versions' stations do beside the package: names stay as on the wire, which it would rename.

    The package checks each payload that comes and goes against its schemas, finds the answers to calls and reads the
    connection.
    """

    def __init__(self, identity: str, connection: Any) -> None:
        super().__init__(identity, connection, response_timeout=WAIT)  # type: ignore[call-arg]
        self.answers = Answers()
        self.asked = Asked()

    async def _handle_call(self: Any, message: Call) -> None:
        self.asked.put(message.action, deepcopy(message.payload))  # the check turns floats into decimals
        await validate_payload(message, self._ocpp_version)
        answer = self.answers.get(message.action, {"status": "Accepted"})
        if isinstance(answer, str):
            await self._send(CallError(message.unique_id, answer, "the station is broken", {}).to_json())
        elif answer is not SILENT:
            result = message.create_call_result(deepcopy(answer))
            await validate_payload(result, self._ocpp_version)
            await self._send(json.dumps([3, message.unique_id, answer]))

    async def send(self: Any, action: str, payload: Payload) -> Payload:
        """Calls; the payload of the CALLRESULT. Raises OCPPError for a CALLERROR."""
        message = Call(str(self._unique_id_generator()), action, deepcopy(payload))
        await validate_payload(message, self._ocpp_version)
        async with self._call_lock:
            await self._send(json.dumps([2, message.unique_id, action, payload]))
            response = await self._get_specific_response(message.unique_id, WAIT)
        if isinstance(response, CallError):
            raise response.to_exception()
        response.action = action
        found = deepcopy(response.payload)
        await validate_payload(response, self._ocpp_version)
        return found

    async def boot(self, reason: str = "PowerUp", **station: Any) -> Payload:
        return await self.send("BootNotification", {"reason": reason, "chargingStation": CHARGING_STATION | station})

    async def settle(self) -> None:
        """Once this is answered, all that was sent before has changed the points."""
        await self.send("Heartbeat", {})

    async def status(self, status: str, evse: int = 1, connector: int = 1, time: str = "") -> None:
        payload = {"connectorStatus": status, "evseId": evse, "connectorId": connector, "timestamp": time or now()}
        await self.send("StatusNotification", payload)

    async def event(self, type_: str, seq: int, info: Payload | None = None, time: str = "", **fields: Any) -> Payload:
        """A TransactionEvent of the transaction T1."""
        payload = {
            "eventType": type_,
            "timestamp": time or now(),
            "triggerReason": "Trigger",
            "seqNo": seq,
            "transactionInfo": {"transactionId": "T1", **(info or {})},
            **fields,
        }
        return await self.send("TransactionEvent", payload)


class Station201(Station2, ocpp.v201.ChargePoint):
    """OCPP 2.0.1"""


class Station21(Station2, ocpp.v21.ChargePoint):
    """OCPP 2.1"""


STATIONS = {"2.0.1": Station201, "2.1": Station21}


@asynccontextmanager
async def connected(url: str, version: str, identity: str = "CP001") -> AsyncIterator[Any]:
    """A station that is connected."""
    subprotocol: Any = f"ocpp{version}"
    async with websockets.connect(f"{url}{identity}", subprotocols=[subprotocol]) as connection:
        assert connection.subprotocol == subprotocol
        station = STATIONS[version](identity, connection)
        running = asyncio.create_task(station.start())
        try:
            yield station
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError, websockets.ConnectionClosed):
                await running


@dataclass(frozen=True)
class Site:
    """A running program that tests share: each has stations of its own there, with `prefix` before their identities."""

    program: Program
    prefix: str

    def connected(self, version: str, identity: str = "CP001") -> AbstractAsyncContextManager[Any]:
        """A station that is connected."""
        return connected(self.program.ocpp, version, f"{self.prefix}{identity}")

    def hmi(self) -> AbstractAsyncContextManager[Hmi]:
        """An OPC UA client that is connected, for which these are the only stations."""
        return hmi(self.program.opcua, self.prefix)


class Results:
    """How an HMI follows its commands: one subscription for Result.StateText of all of them."""

    def __init__(self, client: Hmi) -> None:
        self._client = client
        self._states: dict[str, str] = {}
        self._changed = asyncio.Event()

    async def watch(self, folders: Iterable[str]) -> None:
        subscription = await self._client.client.create_subscription(10, self)
        await subscription.subscribe_data_change(
            [self._client.node(f"{folder}.Result.StateText") for folder in folders]
        )

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self._states[self._client.path(node).removesuffix(".Result.StateText")] = value
        self._changed.set()

    async def ended(self, folder: str, state: str) -> dict[str, Any]:
        """Result.* once the command is in this state."""
        try:
            async with asyncio.timeout(WAIT):
                while self._states.get(folder) != state:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{folder} is {self._states.get(folder)}, not {state}") from None
        names = ("Status", "Response", "Error", "Id")
        nodes = [self._client.node(f"{folder}.Result.{name}") for name in names]
        return dict(zip(names, await self._client.client.read_values(nodes), strict=True))


async def arguments(client: Hmi, method: str, payload: Payload) -> list[ua.Variant]:
    """The input arguments of a command's method, as its declaration names them; objects and arrays are JSON."""
    given = {name[0].upper() + name[1:]: value for name, value in payload.items()}
    found = []
    for argument in await client.value(f"{method}.InputArguments"):
        value = given.pop(argument.Name, None)
        text = json.dumps(value) if isinstance(value, dict | list) else value
        found.append(ua.Variant() if value is None else ua.Variant(text, ua.VariantType(argument.DataType.Identifier)))
    assert given == {}, given
    return found
