"""A central system for 2.x on raw frames. Every frame that it gets has passed the schemas of the `ocpp` package."""

import asyncio
import functools
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import ocpp
from jsonschema import Draft4Validator
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

FOLDERS = {"2.0.1": "v201", "2.1": "v21"}
HERE = Path(ocpp.__file__).parent
#: what an accepted answer to an action is, where it is not an empty object
ANSWERS: dict[str, dict[str, Any]] = {
    "Get15118EVCertificate": {"status": "Accepted", "exiResponse": "AA=="},
    "GetCertificateStatus": {"status": "Accepted", "ocspResult": "AA=="},
    "NotifyEVChargingNeeds": {"status": "Accepted"},
    "NotifyEVChargingSchedule": {"status": "Accepted"},
    "OpenPeriodicEventStream": {"status": "Accepted"},
    "PullDynamicScheduleUpdate": {"status": "Accepted", "scheduleUpdate": {"limit": 10.0}},
    "SignCertificate": {"status": "Accepted"},
    "VatNumberValidation": {"status": "Accepted", "vatNumber": "DE123456789"},
}


@functools.cache
def validator(version: str, name: str) -> Draft4Validator:
    text = (HERE / FOLDERS[version] / "schemas" / f"{name}.json").read_text(encoding="utf-8-sig")
    return Draft4Validator(json.loads(text))


def actions(version: str) -> set[str]:
    """Of all messages of a version, both ways."""
    folder = HERE / FOLDERS[version] / "schemas"
    return {path.name.removesuffix("Request.json") for path in folder.glob("*Request.json")}


def now() -> str:
    return datetime.now(UTC).isoformat()


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


class CallError(Exception):
    """The station's CALLERROR."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Csms:
    """Says what it is told to say, and remembers what it heard."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.url = ""
        self.registrations = ["Accepted"]
        self.interval = 300
        self.token_status = "Accepted"
        self.transaction_answer: dict[str, Any] = {}  # more of the answer to an event with a token
        self.refused: set[str] = set()  # actions that get a CALLERROR
        self.broken: set[str] = set()  # actions whose answer is no object
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.sent: list[dict[str, Any]] = []  # payloads of SEND frames
        self.errors: list[list[Any]] = []  # CALLERRORs and CALLRESULTERRORs to frames that are no calls of ours
        self.connections: list[ServerConnection] = []
        self.invalid: list[str] = []
        self._news = asyncio.Condition()
        self._asked: dict[str, tuple[str, asyncio.Future[dict[str, Any]]]] = {}

    def check(self, name: str, payload: Any) -> None:
        self.invalid += [
            f"{name}: {error.json_path} {error.message}" for error in validator(self.version, name).iter_errors(payload)
        ]

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.subprotocol == f"ocpp{self.version}"
        self.connections.append(connection)
        with suppress(ConnectionClosed):
            async for frame in connection:
                await self._take(connection, json.loads(frame))
        async with self._news:
            self._news.notify_all()

    async def _take(self, connection: ServerConnection, frame: list[Any]) -> None:
        match frame:
            case [2, unique, action, payload]:
                self.check(f"{action}Request", payload)
                if action in self.broken:
                    await connection.send(json.dumps([3, unique, "no object"]))
                elif action in self.refused:
                    await connection.send(json.dumps([4, unique, "InternalError", "", {}]))
                else:
                    answer = self._answer(action, payload)
                    assert not list(validator(self.version, f"{action}Response").iter_errors(answer)), answer
                    await connection.send(json.dumps([3, unique, answer]))
                self.heard.append((action, payload))
            case [3, unique, payload]:
                action, answered = self._asked.pop(unique)
                self.check(f"{action}Response", payload)
                answered.set_result(payload)
            case [4, unique, code, _description, dict()] if unique in self._asked:
                self._asked.pop(unique)[1].set_exception(CallError(code))
            case [4 | 5, *_]:
                self.errors.append(frame)
            case [6, _unique, "NotifyPeriodicEventStream", payload]:
                self.check("NotifyPeriodicEventStream", payload)
                self.sent.append(payload)
            case _:
                self.invalid.append(f"no frame: {frame}")
        async with self._news:
            self._news.notify_all()

    def _answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        match action:
            case "BootNotification":
                status = self.registrations.pop(0) if len(self.registrations) > 1 else self.registrations[0]
                return {"currentTime": now(), "interval": self.interval, "status": status}
            case "Heartbeat":
                return {"currentTime": now()}
            case "Authorize":
                return {"idTokenInfo": {"status": self.token_status}}
            case "TransactionEvent" if "idToken" in payload:
                return {"idTokenInfo": {"status": self.token_status}, **self.transaction_answer}
            case "GetCertificateChainStatus":
                data = payload["certificateStatusRequests"][0]
                found = {"certificateHashData": data["certificateHashData"], "source": "OCSP"}
                return {"certificateStatus": [{**found, "status": "Good", "nextUpdate": now()}]}
        return ANSWERS.get(action, {})

    async def command(self, action: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        """Sends a command that is valid; returns the answer. Raises CallError."""
        payload = payload or {}
        errors = list(validator(self.version, f"{action}Request").iter_errors(payload))
        assert not errors, errors[0]
        return await self.send(action, payload)

    async def send(self, action: str, payload: Any) -> dict[str, Any]:
        """Sends a command whether it is valid or not."""
        unique = str(uuid4())
        answered = asyncio.get_running_loop().create_future()
        self._asked[unique] = (action, answered)
        await self.connections[-1].send(json.dumps([2, unique, action, payload]))
        return await asyncio.wait_for(answered, 20)

    def of(self, action: str, **fields: Any) -> list[dict[str, Any]]:
        """The messages of this kind with these fields, so far."""
        return [
            payload
            for heard, payload in self.heard
            if heard == action and all(payload.get(name) == value for name, value in fields.items())
        ]

    async def until(self, condition: Callable[[], Any]) -> Any:
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(condition)
        return condition()

    async def hear(self, action: str, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        """Waits for so many messages of this kind with these fields."""
        await self.until(lambda: len(self.of(action, **fields)) >= count)
        return self.of(action, **fields)

    async def start(self, evse: int = 1, id_tag: str = "AFAR", **more: Any) -> str:
        """Starts a transaction from afar; returns its id once power flows."""
        request = {"idToken": {"idToken": id_tag, "type": "Central"}, "remoteStartId": 7, "evseId": evse, **more}
        assert (await self.command("RequestStartTransaction", request))["status"] == "Accepted"

        def flows() -> list[str]:
            return [
                event["transactionInfo"]["transactionId"]
                for event in self.of("TransactionEvent", triggerReason="ChargingStateChanged")
                if event["evse"]["id"] == evse
            ]

        return (await self.until(flows))[-1]


def variable(component: str, name: str, evse: int | None = None, **more: Any) -> dict[str, Any]:
    """component and variable; `instance` is the variable's."""
    instance = more.pop("instance", None)
    return {
        "component": {"name": component, **({} if evse is None else {"evse": {"id": evse}})},
        "variable": {"name": name, **({} if instance is None else {"instance": instance})},
        **more,
    }
