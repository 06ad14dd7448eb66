"""The exported NodeSet2 file is one that other parties load: node-opcua's server, asyncua's importer."""

import json
import subprocess

import pytest
from asyncua import Server, ua
from asyncua.common.xmlimporter import XmlImporter

from bridge.opcua.nodeset import nodeset
from bridge.opcua.typespace import TypeSpace
from tests.opcua_node.conftest import FOLDER, NODE, NPM
from tests.unit.opcua.helpers import LAYOUTS, MODEL

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def types() -> TypeSpace:
    return TypeSpace(LAYOUTS)


@pytest.fixture
def file(types, tmp_path):
    path = tmp_path / "types.xml"
    path.write_text("".join(nodeset(types, version="1.2.3", published="2026-01-31T00:00:00Z")))
    return path


@pytest.mark.skipif(not (NODE and NPM), reason="node and npm are not installed: node-opcua cannot be tried")
def test_node_opcua_loads_the_types_and_makes_a_station_of_them(file, types):
    ended = subprocess.run(
        [NODE, FOLDER / "nodeset.js", file], cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    seen = json.loads(ended.stdout)
    shown = {node.path: node for node in types.all() if not node.key}
    assert {name for name, _ in seen["types"] + seen["enumerations"]} == set(shown)
    assert dict(seen["types"])["ResetCommandType"] == "CommandType"
    assert {parent for _, parent in seen["enumerations"]} == {"Enumeration"}
    folders = {name for name, _ in MODEL.station.layout.folders[""]}
    assert set(seen["station"]) == folders
    assert seen["vendor"] == "BaseDataVariableType"
    assert set(seen["command"]) == {"Type", "Request", "Execute", "Result", "Call"}
    assert seen["arguments"] == ["Type"]
    assert seen["range"] == {"low": 1, "high": 86400}
    assert seen["units"] == int.from_bytes(b"WHR", "big")
    assert seen["states"][:2] == ["Unknown", "Available"]
    assert seen["rule"] == "OptionalPlaceholder"


async def test_asyncua_imports_every_node_without_a_complaint(file, types, caplog):
    server = Server()
    await server.init()
    importer = XmlImporter(server, strict_mode=True)
    caplog.clear()
    imported = await importer.import_xml(str(file))
    assert [record.getMessage() for record in caplog.records if record.levelname != "INFO"] == []
    assert len(imported) == len(list(types.all()))
    index = await server.get_namespace_index("urn:ocpp-bridge:types")
    for node in types.all():
        found = server.get_node(ua.NodeId(node.path, index))
        assert await found.read_node_class() is node.shape.node_class
    states = await server.get_node(ua.NodeId("ConnectorStatus.EnumValues", index)).read_value()
    assert states == types.find("ConnectorStatus.EnumValues").shape.attributes[ua.AttributeIds.Value].Value.Value
    inputs = await server.get_node(ua.NodeId("ResetCommandType.Call.InputArguments", index)).read_value()
    assert [(argument.Name, argument.DataType) for argument in inputs] == [("Type", ua.NodeId(ua.ObjectIds.String))]
