"""What all nodes of one row, folder or method have in common: class, names, types, fixed attributes.

Shapes are made when they are first asked for and kept, bounded, for all stations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from asyncua import ua

from bridge.opcua.variants import DATA_TYPES, SharedDataValue
from bridge.points.layout import Layout
from bridge.points.rows import Argument, Method, Row
from bridge.points.units import UNITS

NAMESPACE = 2  # urn:ocpp-bridge:points
UNITS_URI = "http://www.opcfoundation.org/UA/units/un/cefact"  # OPC 10000-8 §5.6.3.3

VALUE_AS_TEXT = "ValueAsText"
ENGINEERING_UNITS, EU_RANGE, ENUM_VALUES = "EngineeringUnits", "EURange", "EnumValues"
INPUTS, OUTPUTS = "InputArguments", "OutputArguments"
PROPERTIES = frozenset((VALUE_AS_TEXT, ENGINEERING_UNITS, EU_RANGE, ENUM_VALUES, INPUTS, OUTPUTS))

PROPERTY = ua.NodeId(ua.ObjectIds.PropertyType)
OBJECT = ua.NodeId(ua.ObjectIds.BaseObjectType)
FOLDER = ua.NodeId(ua.ObjectIds.FolderType)
_BASE_DATA = ua.NodeId(ua.ObjectIds.BaseDataVariableType)
_ANALOG_UNIT = ua.NodeId(ua.ObjectIds.AnalogUnitType)
_ANALOG_ITEM = ua.NodeId(ua.ObjectIds.AnalogItemType)
_MULTI_STATE = ua.NodeId(ua.ObjectIds.MultiStateValueDiscreteType)

READ = ua.AccessLevel.CurrentRead.mask
WRITE = ua.AccessLevel.CurrentWrite.mask
SCALAR, ARRAY = -1, 1

Attributes = dict[ua.AttributeIds, ua.DataValue]


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """`attributes` holds all but NodeId and the Value of a point. `name` is the BrowseName.

    `writable` and `executable` are what a user's role takes away. `properties` are the shapes of the
    node's properties by name.
    """

    name: str
    node_class: ua.NodeClass
    browse_name: ua.QualifiedName
    display_name: ua.LocalizedText
    type_definition: ua.NodeId | None
    attributes: Mapping[ua.AttributeIds, ua.DataValue]
    writable: bool = False
    properties: Mapping[str, "Shape"] = field(default_factory=dict)


@lru_cache(16_384)
def point(row: Row) -> Shape:
    """A Variable for a row (OPC 10000-3 §5.6, OPC 10000-8 §5.3)."""
    properties: dict[str, Shape] = {}
    if row.enumeration is not None:
        type_definition = _MULTI_STATE
        states = [
            ua.EnumValueType(number, ua.LocalizedText(name), ua.LocalizedText(name))
            for number, name in row.enumeration.names.items()
        ]
        properties[ENUM_VALUES] = _structures(ENUM_VALUES, states, ua.ObjectIds.EnumValueType)
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
    access = READ | WRITE if row.writable else READ
    return Shape(
        row.name,
        ua.NodeClass.Variable,
        ua.QualifiedName(row.name, NAMESPACE),
        ua.LocalizedText(row.name),
        type_definition,
        _common(ua.NodeClass.Variable, row.name, NAMESPACE, row.description)
        | _variable(DATA_TYPES[row.type], SCALAR, access),
        row.writable,
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
    """An Object for a folder of a layout; one that has methods is no mere FolderType."""
    has_methods = any(below in layout.methods for _, below in layout.folders.get(key, ()))
    return _object(key.rpartition(".")[2], layout.descriptions.get(key, ""), OBJECT if has_methods else FOLDER)


@lru_cache(256)
def group(name: str, kind: str) -> Shape:
    """An Object for a station, a connector or the bridge."""
    texts = {"station": "A charging station", "connector": "A connector", "bridge": "The bridge itself"}
    return _object(name, texts.get(kind, ""), OBJECT)


@lru_cache(256)
def area(name: str) -> Shape:
    """A folder of stations, as the configuration has it."""
    return _object(name, "An area of the site", FOLDER)


def _object(name: str, description: str, type_definition: ua.NodeId) -> Shape:
    attributes = _common(ua.NodeClass.Object, name, NAMESPACE, description)
    attributes[ua.AttributeIds.EventNotifier] = _variant(0, ua.VariantType.Byte)
    return Shape(
        name,
        ua.NodeClass.Object,
        ua.QualifiedName(name, NAMESPACE),
        ua.LocalizedText(name),
        type_definition,
        attributes,
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


def _engineering_units(symbol: str) -> Shape:
    unit = UNITS[symbol]
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


STATIONS = _object("Stations", "All charging stations, in their areas", FOLDER)
READ_ONLY = _variant(READ, ua.VariantType.Byte)
NOT_EXECUTABLE = _variant(False, ua.VariantType.Boolean)
