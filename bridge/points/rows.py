"""What a point is: a row. Rows are immutable and shared by every station."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Type(enum.StrEnum):
    """The types of points: OPC UA built-ins that every HMI can read.

    Values are Python's bool, int, float and str; a DateTime is a float of Unix seconds (UTC).
    """

    BOOLEAN = "Boolean"
    INT32 = "Int32"
    UINT32 = "UInt32"
    DOUBLE = "Double"
    STRING = "String"
    DATETIME = "DateTime"


Value = bool | int | float | str | None

#: the values of `initial_values = true`: a typed zero for a point that has no value yet
ZEROS: Mapping[Type, Value] = {
    Type.BOOLEAN: False,
    Type.INT32: 0,
    Type.UINT32: 0,
    Type.DOUBLE: 0.0,
    Type.STRING: "",
    Type.DATETIME: 0.0,
}

INTEGER_RANGES: Mapping[Type, tuple[int, int]] = {
    Type.INT32: (-(2**31), 2**31 - 1),
    Type.UINT32: (0, 2**32 - 1),
}


@dataclass(frozen=True, slots=True)
class Enumeration:
    """A named list of states: `numbers` maps a state's name to its number, `names` the reverse."""

    name: str
    numbers: Mapping[str, int]
    names: Mapping[int, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", {number: name for name, number in self.numbers.items()})

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of point.

    `folder` and `name` make up `key`, its path below the station or connector; a name may hold dots
    (`Power.Active.Import`). `kept` points are Good always, the others Uncertain while the station is away.
    `writable` points may be written by an OPC UA client; one that is not `readable` never has a value. `twin_of` is
    the key of the enumeration whose name this String shows. A `personal` one may hold an id tag.
    """

    folder: str
    name: str
    type: Type
    description: str
    unit: str = ""
    writable: bool = False
    readable: bool = True
    enumeration: Enumeration | None = None
    initial: Value = None
    kept: bool = False
    range: tuple[float, float] | None = None
    twin_of: str = ""
    source: str = ""  # where the value comes from, for people
    personal: bool = False
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.folder}.{self.name}" if self.folder else self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument of a method. An optional one may be null."""

    name: str
    type: Type
    description: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method of a station or connector: `folder` is the object that it belongs to, `Commands.Reset`."""

    folder: str
    name: str
    description: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]

    @property
    def key(self) -> str:
        return f"{self.folder}.{self.name}" if self.folder else self.name
