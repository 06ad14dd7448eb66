"""What all nodes of one row, folder or method have in common: class, names, types, fixed attributes.

Shapes are made when they are first asked for and kept, bounded, for all stations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from asyncua import ua

from bridge.opcua.variants import DATA_TYPES, SharedDataValue, bad
from bridge.points.layout import Layout
from bridge.points.rows import Argument, Enumeration, Method, Row
from bridge.points.units import unit_named

#: namespaces 2 and 3: the points, and their types
POINTS_URI, TYPES_URI = "urn:ocpp-bridge:points", "urn:ocpp-bridge:types"
NAMESPACE, TYPES = 2, 3
UNITS_URI = "http://www.opcfoundation.org/UA/units/un/cefact"  # OPC 10000-8 §5.6.3.3

VALUE_AS_TEXT = "ValueAsText"
ENGINEERING_UNITS, EU_RANGE, ENUM_VALUES = "EngineeringUnits", "EURange", "EnumValues"
INPUTS, OUTPUTS = "InputArguments", "OutputArguments"
NODE_VERSION = "NodeVersion"
PROPERTIES = frozenset((VALUE_AS_TEXT, ENGINEERING_UNITS, EU_RANGE, ENUM_VALUES, INPUTS, OUTPUTS, NODE_VERSION))

#: the ObjectType of a group, by the kind of its layout
GROUP_TYPES: Mapping[str, str] = {"station": "StationType", "connector": "ConnectorType", "bridge": "BridgeType"}

PROPERTY = ua.NodeId(ua.ObjectIds.PropertyType)
FOLDER = ua.NodeId(ua.ObjectIds.FolderType)
_BASE_DATA = ua.NodeId(ua.ObjectIds.BaseDataVariableType)
_ANALOG_UNIT = ua.NodeId(ua.ObjectIds.AnalogUnitType)
_ANALOG_ITEM = ua.NodeId(ua.ObjectIds.AnalogItemType)
_MULTI_STATE = ua.NodeId(ua.ObjectIds.MultiStateValueDiscreteType)

READ = ua.AccessLevel.CurrentRead.mask
WRITE = ua.AccessLevel.CurrentWrite.mask
SCALAR, ARRAY = -1, 1
SUBSCRIBE_TO_EVENTS = 1  # of an EventNotifier (OPC 10000-3 §8.59)

_NOT_YET = bad("BadWaitingForInitialData")  # what instances have before anybody has told them

Attributes = dict[ua.AttributeIds, ua.DataValue]


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """`attributes` holds all but NodeId and the Value of a point. `name` is the BrowseName.

    `readable`: its Value is told. `writable` and `executable` are what a user's role takes away. `properties` are the
    shapes of the node's properties by name.
    """

    name: str
    node_class: ua.NodeClass
    browse_name: ua.QualifiedName
    display_name: ua.LocalizedText
    type_definition: ua.NodeId | None
    attributes: Mapping[ua.AttributeIds, ua.DataValue]
    writable: bool = False
    readable: bool = True
    properties: Mapping[str, "Shape"] = field(default_factory=dict)


@lru_cache(16_384)
def point(row: Row) -> Shape:
    """A Variable for a row (OPC 10000-3 §5.6, OPC 10000-8 §5.3)."""
    properties: dict[str, Shape] = {}
    if row.enumeration is not None:
        type_definition = _MULTI_STATE
        properties[ENUM_VALUES] = _enum_values(row.enumeration)
        properties[VALUE_AS_TEXT] = _property(VALUE_AS_TEXT, ua.ObjectIds.LocalizedText, SCALAR)
    elif row.unit:
        type_definition = _ANALOG_UNIT
        properties[ENGINEERING_UNITS] = _engineering_units(row.unit)
    else:
        type_definition = _BASE_DATA
    if row.enumeration is None and row.range is not None:
        span = _variant(ua.Range(*map(float, row.range)), ua.VariantType.ExtensionObject)
        properties[EU_RANGE] = _property(EU_RANGE, ua.ObjectIds.Range, SCALAR, span)
        type_definition = _ANALOG_ITEM
    access = (READ if row.readable else 0) | (WRITE if row.writable else 0)
    return Shape(
        row.name,
        ua.NodeClass.Variable,
        ua.QualifiedName(row.name, NAMESPACE),
        ua.LocalizedText(row.name),
        type_definition,
        _common(ua.NodeClass.Variable, row.name, NAMESPACE, row.description)
        | _variable(DATA_TYPES[row.type], SCALAR, access),
        row.writable,
        row.readable,
        properties,
    )


@lru_cache(4096)
def method(method: Method) -> Shape:
    """A Method (OPC 10000-3 §5.7)."""
    name = method.name
    true = _variant(True, ua.VariantType.Boolean)
    attributes = _common(ua.NodeClass.Method, name, NAMESPACE, method.description)
    attributes |= {ua.AttributeIds.Executable: true, ua.AttributeIds.UserExecutable: true}
    properties = {
        key: _structures(key, [_argument(argument) for argument in arguments], ua.ObjectIds.Argument)
        for key, arguments in ((INPUTS, method.inputs), (OUTPUTS, method.outputs))
        if arguments
    }
    return Shape(
        name,
        ua.NodeClass.Method,
        ua.QualifiedName(name, NAMESPACE),
        ua.LocalizedText(name),
        None,
        attributes,
        properties=properties,
    )


@lru_cache(4096)
def folder(layout: Layout, key: str) -> Shape:
    """An Object for a folder of a layout; one of the folders that are of a type of their own has that type."""
    name, own = key.rpartition(".")[2], layout.types.get(key)
    return _object(name, layout.descriptions.get(key, ""), FOLDER if own is None else ua.NodeId(own, TYPES))


@lru_cache(256)
def group(name: str, kind: str) -> Shape:
    """An Object for a station, a connector or the bridge."""
    type_definition = ua.NodeId(GROUP_TYPES[kind], TYPES)
    return _object(name, GROUP_TEXTS[kind], type_definition, versioned=kind == "station")


@lru_cache(256)
def area(name: str) -> Shape:
    """A folder of stations, as the configuration has it."""
    return _object(name, "An area of the site", FOLDER, versioned=True)


@lru_cache(256)
def object_type(name: str, description: str, *, abstract: bool) -> Shape:
    """An ObjectType of ours (OPC 10000-3 §5.5.2)."""
    versioned = {NODE_VERSION: _property(NODE_VERSION, ua.ObjectIds.String, SCALAR, _NOT_YET)}
    properties = versioned if name == GROUP_TYPES["station"] else {}
    return _type(ua.NodeClass.ObjectType, name, description, {}, properties, abstract=abstract)


@lru_cache(256)
def data_type(enumeration: Enumeration) -> Shape:
    """An enumeration as a DataType (OPC 10000-3 §5.8.3, §8.52)."""
    fields = [
        ua.EnumField(Name=name, DisplayName=ua.LocalizedText(name), Description=ua.LocalizedText(), Value=number)
        for number, name in enumeration.names.items()
    ]
    definition = _variant(ua.EnumDefinition(fields), ua.VariantType.ExtensionObject)
    return _type(
        ua.NodeClass.DataType,
        enumeration.name,
        "States of points",
        {ua.AttributeIds.DataTypeDefinition: definition},
        {ENUM_VALUES: _enum_values(enumeration)},
        abstract=False,
    )


@lru_cache(256)
def any_point(name: str, description: str, data_type: int) -> Shape:
    """A Variable that stands for those that come at run time (OPC 10000-3 §6.4.4.4.4)."""
    attributes = _common(ua.NodeClass.Variable, name, NAMESPACE, description)
    attributes |= _variable(ua.NodeId(data_type), SCALAR, READ) | {ua.AttributeIds.Value: _NOT_YET}
    browse_name, display_name = ua.QualifiedName(name, NAMESPACE), ua.LocalizedText(name)
    return Shape(name, ua.NodeClass.Variable, browse_name, display_name, _BASE_DATA, attributes)


@lru_cache(256)
def any_object(name: str, description: str, type_name: str) -> Shape:
    """An Object that stands for those that come at run time."""
    return _object(name, description, ua.NodeId(type_name, TYPES))


def _type(
    node_class: ua.NodeClass,
    name: str,
    description: str,
    more: Attributes,
    properties: Mapping[str, Shape],
    *,
    abstract: bool,
) -> Shape:
    attributes = _common(node_class, name, TYPES, description) | more
    attributes[ua.AttributeIds.IsAbstract] = _variant(abstract, ua.VariantType.Boolean)
    browse_name, display_name = ua.QualifiedName(name, TYPES), ua.LocalizedText(name)
    return Shape(name, node_class, browse_name, display_name, None, attributes, properties=properties)


def _object(name: str, description: str, type_definition: ua.NodeId, *, versioned: bool = False) -> Shape:
    """`versioned`: what lies below it comes and goes, of which it has events (OPC 10000-3 §9.32.2)."""
    attributes = _common(ua.NodeClass.Object, name, NAMESPACE, description)
    attributes[ua.AttributeIds.EventNotifier] = _variant(SUBSCRIBE_TO_EVENTS if versioned else 0, ua.VariantType.Byte)
    return Shape(
        name,
        ua.NodeClass.Object,
        ua.QualifiedName(name, NAMESPACE),
        ua.LocalizedText(name),
        type_definition,
        attributes,
        properties={NODE_VERSION: VERSION} if versioned else {},
    )


def _property(name: str, data_type: int, rank: int, value: ua.DataValue | None = None, length: int = 0) -> Shape:
    """A property that OPC UA defines, so its BrowseName is of namespace 0. Without a value: it changes."""
    attributes = _common(ua.NodeClass.Variable, name, 0, "") | _variable(ua.NodeId(data_type), rank, READ)
    if rank == ARRAY:
        dimensions = ua.Variant([length], ua.VariantType.UInt32)
        attributes[ua.AttributeIds.ArrayDimensions] = SharedDataValue(dimensions)
    if value is not None:
        attributes[ua.AttributeIds.Value] = value
    return Shape(name, ua.NodeClass.Variable, ua.QualifiedName(name, 0), ua.LocalizedText(name), PROPERTY, attributes)


def _structures(name: str, items: list[ua.EnumValueType] | list[ua.Argument], data_type: int) -> Shape:
    value = _variant(items, ua.VariantType.ExtensionObject)
    return _property(name, data_type, ARRAY, value, len(items))


@lru_cache(256)
def _enum_values(enumeration: Enumeration) -> Shape:
    states = [
        ua.EnumValueType(number, ua.LocalizedText(name), ua.LocalizedText())
        for number, name in enumeration.names.items()
    ]
    return _structures(ENUM_VALUES, states, ua.ObjectIds.EnumValueType)


def _engineering_units(symbol: str) -> Shape:
    unit = unit_named(symbol)
    information = ua.EUInformation(
        UNITS_URI, unit.id, ua.LocalizedText(unit.symbol), ua.LocalizedText(unit.description)
    )
    value = _variant(information, ua.VariantType.ExtensionObject)
    return _property(ENGINEERING_UNITS, ua.ObjectIds.EUInformation, SCALAR, value)


def _argument(argument: Argument) -> ua.Argument:
    return ua.Argument(
        Name=argument.name,
        DataType=DATA_TYPES[argument.type],
        ValueRank=SCALAR,
        ArrayDimensions=[],
        Description=ua.LocalizedText(argument.description),
    )


def _common(node_class: ua.NodeClass, name: str, namespace: int, description: str) -> Attributes:
    """OPC 10000-3 §5.2: the attributes of every node but its NodeId. Nobody may write any of them."""
    zero = _variant(0, ua.VariantType.UInt32)
    return {
        ua.AttributeIds.NodeClass: _variant(node_class, ua.VariantType.Int32),
        ua.AttributeIds.BrowseName: _variant(ua.QualifiedName(name, namespace), ua.VariantType.QualifiedName),
        ua.AttributeIds.DisplayName: _variant(ua.LocalizedText(name), ua.VariantType.LocalizedText),
        ua.AttributeIds.Description: _variant(ua.LocalizedText(description), ua.VariantType.LocalizedText),
        ua.AttributeIds.WriteMask: zero,
        ua.AttributeIds.UserWriteMask: zero,
    }


def _variable(data_type: ua.NodeId, rank: int, access: int) -> Attributes:
    level = _variant(access, ua.VariantType.Byte)
    return {
        ua.AttributeIds.DataType: _variant(data_type, ua.VariantType.NodeId),
        ua.AttributeIds.ValueRank: _variant(rank, ua.VariantType.Int32),
        ua.AttributeIds.AccessLevel: level,
        ua.AttributeIds.UserAccessLevel: level,
        # 0: changes are reported as they come (OPC 10000-3 §5.6.2)
        ua.AttributeIds.MinimumSamplingInterval: _variant(0.0, ua.VariantType.Double),
        ua.AttributeIds.Historizing: _variant(False, ua.VariantType.Boolean),
    }


def _variant(value: object, type_: ua.VariantType) -> ua.DataValue:
    return SharedDataValue(ua.Variant(value, type_))


GROUP_TEXTS: Mapping[str, str] = {
    "station": "A charging station",
    "connector": "A connector",
    "bridge": "The bridge itself",
}
VERSION = _property(NODE_VERSION, ua.ObjectIds.String, SCALAR)
STATIONS = _object("Stations", "All charging stations, in their areas", FOLDER, versioned=True)
ACCESS = {level: _variant(level, ua.VariantType.Byte) for level in (0, READ, WRITE, READ | WRITE)}
NOT_EXECUTABLE = _variant(False, ua.VariantType.Boolean)
