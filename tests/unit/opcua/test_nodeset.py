"""The NodeSet2 file keeps to its schema (OPC 10000-6 Annex F), element by element."""

import re
from xml.etree import ElementTree as ET

import pytest

from bridge.opcua.nodeset import nodeset
from bridge.opcua.typespace import TypeSpace
from tests.unit.opcua.helpers import LAYOUTS

UA = "{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}"
COMMON = ["DisplayName", "Description", "References"]
#: per element: what may follow the common children, and the attributes besides NodeId and BrowseName
SCHEMA = {
    "UAObjectType": ([], {"IsAbstract"}),
    "UADataType": (["Definition"], {"IsAbstract"}),
    "UAObject": ([], {"ParentNodeId", "EventNotifier"}),
    "UAVariable": (["Value"], {"ParentNodeId", "DataType", "ValueRank", "ArrayDimensions", "AccessLevel"}),
    "UAMethod": ([], {"ParentNodeId"}),
}
ID = re.compile(r"i=\d+|ns=[12];s=.+")


@pytest.fixture(scope="module")
def root():
    return ET.fromstring("".join(nodeset(TypeSpace(LAYOUTS), version="1.2.3", published="2026-01-31T00:00:00Z")))  # noqa: S314


def tag(element) -> str:
    return element.tag.removeprefix(UA)


def test_file_has_the_parts_of_the_schema_in_its_order(root):
    assert [tag(child) for child in root[:3]] == ["NamespaceUris", "Models", "Aliases"]
    assert {tag(child) for child in root[3:]} == set(SCHEMA)
    assert [uri.text for uri in root.find(f"{UA}NamespaceUris")] == ["urn:ocpp-bridge:types", "urn:ocpp-bridge:points"]


def test_every_node_keeps_to_the_schema(root):
    for element in root[3:]:
        more, attributes = SCHEMA[tag(element)]
        assert set(element.attrib) <= {"NodeId", "BrowseName"} | attributes
        children = [tag(child) for child in element]
        assert children == [name for name in (*COMMON, *more) if name in children]
        assert {"DisplayName", "References"} <= set(children)
        assert re.fullmatch(r"([12]:)?[^:]+", element.get("BrowseName"))
        assert ID.fullmatch(element.get("NodeId"))


def test_every_reference_leads_to_a_node_of_the_file_or_of_opc_ua(root):
    aliases = {alias.get("Alias") for alias in root.find(f"{UA}Aliases")}
    nodes = [element.get("NodeId") for element in root[3:]]
    assert len(nodes) == len(set(nodes))
    for reference in root.iter(f"{UA}Reference"):
        assert reference.get("ReferenceType") in aliases
        assert reference.text.startswith("i=") or reference.text in nodes
    for element in root[3:]:
        assert element.get("ParentNodeId", nodes[0]) in nodes


def test_file_has_no_time_but_the_releases(root):
    text = ET.tostring(root, encoding="unicode")
    assert set(re.findall(r"\d{4}-\d\d-\d\dT[\d:]+Z", text)) <= {
        "2026-01-31T00:00:00Z",
        "2022-02-24T00:00:00Z",  # of the model that is required
        "2026-01-31T12:00:00Z",  # an example in a description
    }
