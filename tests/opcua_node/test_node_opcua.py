"""node-opcua, a client that is not ours, sees what asyncua's client sees."""

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.opcua_node.conftest import FOLDER, NODE, NPM
from tests.unit.opcua.helpers import MODEL, NOW, make_site

pytestmark = [
    pytest.mark.skipif(not (NODE and NPM), reason="node and npm are not installed: node-opcua cannot be tried"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Where node-opcua keeps its own certificate."""
    return tmp_path_factory.mktemp("node-opcua")


async def look(site, station, folder: Path, *arguments: str) -> dict:
    """What client.js saw; it is told three states once it has subscribed."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        str(FOLDER / "client.js"),
        site.server.endpoint,
        station.path,
        *arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        limit=16 * 1024 * 1024,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
    )
    lines = []
    async for line in process.stdout:
        lines.append(line.decode())
        if line.strip() == b"subscribed":
            for number in (1, 2, 5):
                site.set(station.connectors["Connector1"], "Status.State", number)
    errors = (await process.stderr.read()).decode()
    assert await process.wait() == 0, f"{errors}\n{lines}"
    return json.loads(lines[-1])


@pytest.mark.parametrize(
    ("mode", "user", "password"),
    [("None", "", ""), ("SignAndEncrypt", "", ""), ("Sign", "olga", "done")],
)
async def test_node_opcua_sees_the_tree(tmp_path, home, mode, user, password):
    site = make_site(tmp_path)
    await site.server.start()
    try:
        station = site.station()
        connector = station.connectors["Connector1"]
        site.set(station, "Info.Vendor", "ACME", NOW - 5)
        site.set(connector, "Status.State", 3)
        site.set(connector, "Status.Time", NOW)
        seen = await look(site, station, home, mode, user, password)
    finally:
        await site.server.stop()
    assert seen["namespaces"][2:] == ["urn:ocpp-bridge:points", "urn:ocpp-bridge:types"]
    assert [child["id"] for child in seen["stations"]] == ["ns=2;s=Stations.NodeVersion", f"ns=2;s={station.path}"]
    ids = {node["id"] for node in seen["nodes"]}
    assert len(ids) == len(seen["nodes"])
    assert {f"ns=2;s={station.path}.{row.key}" for row in MODEL.station.layout.rows} <= ids
    assert {f"ns=2;s={station.path}.Connector1.{row.key}" for row in MODEL.connector.layout.rows} <= ids
    assert seen["vendor"] == {
        "status": "Good",
        "type": "String",
        "value": "ACME",
        "source": "2023-11-14T22:13:15.000Z",
    }
    assert (seen["waiting"]["status"], seen["waiting"]["value"]) == ("BadWaitingForInitialData", None)
    assert (seen["state"]["type"], seen["state"]["value"], seen["dataType"]) == ("Int32", 3, "Int32")
    assert seen["stateText"]["value"]["text"] == "Charging"
    assert [state["displayName"]["text"] for state in seen["enumValues"]["value"]][:2] == ["Unknown", "Available"]
    assert seen["units"]["value"]["unitId"] == int.from_bytes(b"WHR", "big")
    assert seen["time"]["value"] == "2023-11-14T22:13:20.000Z"
    assert seen["translated"] == [f"ns=2;s={connector.path}.Status.State"]
    assert seen["arguments"] == {"inputs": ["Type"], "outputs": ["Status", "Response"]}
    assert seen["write"] == ["Good", "BadTypeMismatch"]
    assert seen["call"] == {"status": "Good", "outputs": ["Accepted", '{"status":"Accepted"}']}
    assert seen["changes"] == [["Good", 3], ["Good", 1], ["Good", 2], ["Good", 5]]
    assert site.writer.writes == [(f"{station.path}.Config.HeartbeatInterval", 60, user or "anonymous")]
