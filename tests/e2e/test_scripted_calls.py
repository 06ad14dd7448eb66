"""Every kind of CALL that scripts decide, while the script does something wrong with it; and who is asked."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import websockets

from bridge.ocpp.schemas import schemas
from bridge.ocpp.versions import VERSIONS
from bridge.project import init
from tests.e2e.conftest import write_config
from tests.e2e.parties import Program, hmi, now

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

WAIT = 30.0
METHODS = ("boot_notification", "authorize", "start_transaction", "stop_transaction", "data_transfer")
SCRIPT = """\
import asyncio, os, time
from bridge.api import *

class Handler(RequestHandler):
    async def _do(self, request):
        what = request.station.id.partition("-")[0]
        if what == "raises": raise ValueError("no card list")
        if what == "waits": await asyncio.sleep(600)
        if what == "blocks": time.sleep(600)
        if what == "ends": os._exit(1)
        return {"status": "Accepted"} if what == "dict" else None

""" + "\n".join(f"    {method} = _do" for method in METHODS)

SAYS = """\
from bridge.api import *

class Handler(RequestHandler):
    async def authorize(self, request):
        if request.id_token == "nonsense":
            return Authorization(
                status="Accepted", parent_id_token="FLEET" * 99, personal_message="Hi" * 9999, language="a language",
                fields={{"tariff": 5, "totalCost": "much", "idTokenInfo": {{"language2": 7, "status": "Yes"}}}},
            )
        return Authorization.accepted(parent_id_token="{word}")

    async def boot_notification(self, request):
        if request.model == "nonsense":
            return BootNotificationAnswer(status="Accepted", interval=-5)
"""
STATIONS = """
[[area]]
path = "Depot"
scripts = ["depot.py", "default.py"]

[[station]]
id = "OWN"
area = "Depot/Hall 1"
scripts = ["own.py"]

[[station]]
id = "HALL"
area = "Depot/Hall 1"

[[station]]
id = "YARD"
area = "Yard"
"""
TOKEN = {"idToken": "A", "type": "ISO14443"}


def calls(version: str) -> list[tuple[str, dict[str, Any]]]:
    """A CALL for each method of a script, as a station sends them one after the other."""
    if version == "1.6":
        return [
            ("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}),
            ("Authorize", {"idTag": "A"}),
            ("StartTransaction", {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": now()}),
            ("StopTransaction", {"transactionId": 1, "idTag": "A", "meterStop": 5, "timestamp": now()}),
            ("DataTransfer", {"vendorId": "V"}),
        ]
    event = {"transactionInfo": {"transactionId": "T1"}, "idToken": TOKEN, "timestamp": now()}
    return [
        ("BootNotification", {"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M"}}),
        ("Authorize", {"idToken": TOKEN}),
        ("TransactionEvent", {**event, "eventType": "Started", "triggerReason": "Authorized", "seqNo": 0}),
        ("TransactionEvent", {**event, "eventType": "Ended", "triggerReason": "StopAuthorized", "seqNo": 1}),
        ("DataTransfer", {"vendorId": "V"}),
    ]


class Raw:
    """A station that writes frames as they are."""

    def __init__(self, connection: Any, version: str) -> None:
        self._connection = connection
        self._version = version

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The one answer to a CALL, which the version's schema allows. A Heartbeat after it shows that it is one."""
        number, after = str(uuid.uuid4()), str(uuid.uuid4())
        await self._connection.send(json.dumps([2, number, action, payload]))
        await self._connection.send(json.dumps([2, after, "Heartbeat", {}]))
        frames: list[Any] = []
        async with asyncio.timeout(WAIT):
            while not frames or frames[-1][1] != after:
                frame = json.loads(await self._connection.recv())
                if frame[0] != 2:
                    frames.append(frame)
        assert [frame[:2] for frame in frames] == [[3, number], [3, after]]
        answer: dict[str, Any] = frames[0][2]
        assert schemas(VERSIONS[self._version]).check_response(action, answer) == ()
        return answer


@asynccontextmanager
async def connected(program: Program, version: str, identity: str) -> AsyncIterator[Raw]:
    async with websockets.connect(f"{program.ocpp}{identity}", subprotocols=[f"ocpp{version}"]) as connection:  # type: ignore[list-item]
        yield Raw(connection, version)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def program(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Program]:
    folder: Path = tmp_path_factory.mktemp("calls") / "site"
    init(folder)
    (folder / "handlers" / "site.py").write_text(SCRIPT, "utf-8")
    for word in ("own", "depot", "last"):
        (folder / "handlers" / f"{word}.py").write_text(SAYS.format(word=word), "utf-8")
    write_config(folder, scripts='["site.py", "last.py"]\ntimeout = 1.5\nmax_failures = 0', stations=STATIONS)
    program = Program(folder)
    await program.start()
    yield program
    if program.ocpp:
        assert await program.stop() == 0


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
@pytest.mark.parametrize("what", ["raises", "dict", "waits", "blocks", "ends"])
async def test_every_call_has_one_answer_whatever_the_script_does(program: Program, version: str, what: str) -> None:
    """H01, H02, H03, H10: and each failure is counted."""
    async with hmi(program.opcua) as client:
        before = await client.value("Bridge.HandlerErrors")
    async with connected(program, version, f"{what}-{version}") as station:
        answers: list[dict[str, Any]] = []
        for action, payload in calls(version):
            if action == "StopTransaction":
                payload["transactionId"] = answers[2]["transactionId"]
            answers.append(await station.call(action, payload))
        assert answers[0]["status"] == "Accepted"
        info = answers[1]["idTagInfo" if version == "1.6" else "idTokenInfo"]
        assert info["status"] == "Accepted"
        assert "last" in json.dumps(info), "the next script of the chain has decided"
        assert answers[-1]["status"] == "UnknownVendorId"
    async with hmi(program.opcua) as client:
        await client.until("Bridge.HandlerErrors", before + len(answers))


@pytest.mark.parametrize(
    ("identity", "asked"), [("OWN", "own"), ("HALL", "depot"), ("YARD", "last"), ("STRANGER", "last")]
)
async def test_a_station_is_decided_about_by_its_own_chain_or_its_areas_or_everyones(
    program: Program, identity: str, asked: str
) -> None:
    async with connected(program, "1.6", identity) as station:
        await station.call(*calls("1.6")[0])
        assert await station.call(*calls("1.6")[1]) == {"idTagInfo": {"status": "Accepted", "parentIdTag": asked}}


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_what_a_station_could_not_take_is_left_out_of_its_answer(program: Program, version: str) -> None:
    """H02: a script's values are of the right type, and no station would take them. What it decided reaches it."""
    boot, authorize = calls(version)[:2]
    async with connected(program, version, f"NONSENSE{version}") as station:
        (boot[1].get("chargingStation") or boot[1])["model" if version != "1.6" else "chargePointModel"] = "nonsense"
        assert (await station.call(*boot))["interval"] > 0
        asked = {"idTag": "nonsense"} if version == "1.6" else {"idToken": {**TOKEN, "idToken": "nonsense"}}
        answer = await station.call(authorize[0], asked)
        assert answer["idTagInfo" if version == "1.6" else "idTokenInfo"] == {"status": "Accepted"}
