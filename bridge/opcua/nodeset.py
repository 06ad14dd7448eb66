"""The types of namespace 3 as a NodeSet2 file (OPC 10000-6 Annex F), for engineering tools and other servers."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from asyncua import ua

from bridge.opcua.node import HAS_COMPONENT, HAS_PROPERTY, HAS_TYPE_DEFINITION, Link, Node
from bridge.opcua.shapes import NAMESPACE, POINTS_URI, SCALAR, TYPES, TYPES_URI
from bridge.opcua.typespace import HAS_MODELLING_RULE, HAS_SUBTYPE, TypeSpace
from bridge.points.rows import Type

#: what the file itself numbers its namespaces with
_INDEXES: Mapping[int, int] = {TYPES: 1, NAMESPACE: 2}
_REFERENCES = {
    HAS_COMPONENT: "HasComponent",
    HAS_PROPERTY: "HasProperty",
    HAS_SUBTYPE: "HasSubtype",
    HAS_TYPE_DEFINITION: "HasTypeDefinition",
    HAS_MODELLING_RULE: "HasModellingRule",
}
#: The points' namespace has no nodes here but BrowseNames, and an importer wants every namespace to have its model.
_HEAD = """<?xml version="1.0" encoding="utf-8"?>
<UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd" \
xmlns:uax="http://opcfoundation.org/UA/2008/02/Types.xsd">
  <NamespaceUris>
    <Uri>{types}</Uri>
    <Uri>{points}</Uri>
  </NamespaceUris>
  <Models>
    <Model ModelUri="{points}" Version={version} PublicationDate={published} />
    <Model ModelUri="{types}" Version={version} PublicationDate={published}>
      <RequiredModel ModelUri="http://opcfoundation.org/UA/" Version="1.05.01" PublicationDate="2022-02-24T00:00:00Z" />
    </Model>
  </Models>
  <Aliases>
{aliases}
  </Aliases>
"""
_A = ua.AttributeIds


def nodeset(types: TypeSpace, *, version: str, published: str) -> Iterator[str]:
    """The text of the file, node by node, in an order that is that of the rows.

    `published` is the time of the release, ISO 8601 in UTC: no time of today, so that two files can be compared.
    """
    aliases = [f'    <Alias Alias="{name}">{id_.to_string()}</Alias>' for id_, name in _REFERENCES.items()]
    yield _HEAD.format(
        types=TYPES_URI,
        points=POINTS_URI,
        version=quoteattr(version),
        published=quoteattr(published),
        aliases="\n".join(aliases),
    )
    for node in types.all():
        element = _element(node, list(types.links(node)))
        ET.indent(element, level=1)
        yield f"  {ET.tostring(element, encoding='unicode')}\n"
    yield "</UANodeSet>\n"


def _element(node: Node, links: Sequence[Link]) -> ET.Element:
    shape = node.shape
    name = f"{_index(shape.browse_name.NamespaceIndex)}{shape.browse_name.Name}"
    element = ET.Element(f"UA{shape.node_class.name}", NodeId=_id(node.id), BrowseName=name)
    element.attrib |= _own_attributes(node)
    ET.SubElement(element, "DisplayName").text = shape.display_name.Text
    description = _value(node, _A.Description).Text
    if description:
        ET.SubElement(element, "Description").text = description
    references = ET.SubElement(element, "References")
    for link in links:
        is_child = link.forward and link.node is not None
        if not is_child:  # the child itself names its parent
            attributes = {"ReferenceType": _REFERENCES[link.type]} | ({} if link.forward else {"IsForward": "false"})
            target = link.node.id if link.node is not None else link.standard
            ET.SubElement(references, "Reference", attributes).text = _id(target)
            if not link.forward and node.key and link.node is not None:
                element.set("ParentNodeId", _id(link.node.id))
    if shape.node_class is ua.NodeClass.DataType:
        _add_definition(element, _value(node, _A.DataTypeDefinition), name)
    elif shape.node_class is ua.NodeClass.Variable:
        _add_value(element, node)
    return element


def _own_attributes(node: Node) -> dict[str, str]:
    """Those of the node's class that are not at the schema's default."""
    found: dict[str, str] = {}
    if node.shape.node_class is ua.NodeClass.Variable:
        found["DataType"] = _id(_value(node, _A.DataType))
        rank, access = _value(node, _A.ValueRank), _value(node, _A.AccessLevel)
        if rank != SCALAR:
            found["ValueRank"] = str(rank)
            found["ArrayDimensions"] = ",".join(str(length) for length in _value(node, _A.ArrayDimensions))
        if access != 1:
            found["AccessLevel"] = str(access)
    elif node.shape.node_class is ua.NodeClass.ObjectType and _value(node, _A.IsAbstract):
        found["IsAbstract"] = "true"
    return found


def _add_definition(element: ET.Element, definition: ua.EnumDefinition, name: str) -> None:
    inner = ET.SubElement(element, "Definition", Name=name)
    for field in definition.Fields:
        ET.SubElement(inner, "Field", Name=field.Name, Value=str(field.Value))


def _add_value(element: ET.Element, node: Node) -> None:
    """What every instance has: of a property its value, of a point what it begins with."""
    row, fixed = node.row, node.shape.attributes.get(_A.Value)
    value = None if fixed is None else fixed.Value.Value
    if value is not None:
        outer = ET.SubElement(element, "Value")
        if isinstance(value, list):
            items = ET.SubElement(outer, "uax:ListOfExtensionObject")
            for item in value:
                _add_structure(items, item)
        else:
            _add_structure(outer, value)
    elif row is not None and not node.as_text and row.type is not Type.DATETIME and row.initial not in {None, ""}:
        ET.SubElement(ET.SubElement(element, "Value"), f"uax:{row.type.value}").text = _text(row.initial)


def _add_structure(outer: ET.Element, value: Any) -> None:
    name = type(value).__name__
    encoding = ua.NodeId(getattr(ua.ObjectIds, f"{name}_Encoding_DefaultXml"))
    extension = ET.SubElement(outer, "uax:ExtensionObject")
    ET.SubElement(ET.SubElement(extension, "uax:TypeId"), "uax:Identifier").text = _id(encoding)
    body = ET.SubElement(ET.SubElement(extension, "uax:Body"), f"uax:{name}")
    for field in dataclasses.fields(value):
        _add_field(body, field.name, getattr(value, field.name))


def _add_field(body: ET.Element, name: str, value: Any) -> None:
    """A field of a structure, in its XML encoding (OPC 10000-6 §5.3); one that is empty is left out."""
    if value is None or value == [] or value == ua.LocalizedText():
        return
    element = ET.SubElement(body, f"uax:{name}")
    if isinstance(value, ua.LocalizedText):
        ET.SubElement(element, "uax:Text").text = value.Text
    elif isinstance(value, ua.NodeId):
        ET.SubElement(element, "uax:Identifier").text = _id(value)
    else:
        element.text = _text(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(node: Node, attribute: ua.AttributeIds) -> Any:
    return node.shape.attributes[attribute].Value.Value


def _id(node_id: ua.NodeId) -> str:
    index = _INDEXES.get(node_id.NamespaceIndex)
    return node_id.to_string() if index is None else f"ns={index};s={node_id.Identifier}"


def _index(namespace: int) -> str:
    return f"{_INDEXES[namespace]}:" if namespace in _INDEXES else ""
