"""Parts of arrays and texts: OPC UA's NumericRange (OPC 10000-4 §7.27). Pure."""

import re
from collections.abc import Sequence
from typing import Any

from asyncua import ua

_RANGE = re.compile(r"\d{1,10}(:\d{1,10})?(,\d{1,10}(:\d{1,10})?)*", re.ASCII)

Slices = Sequence[slice]
MAX_TEXT = 100  # characters: no value has more than three dimensions


def parse(text: str) -> Slices | None:
    """`"2"`, `"0:3"`, `"1:2,0:1"` as one slice for each dimension; None where it is no range."""
    if len(text) > MAX_TEXT or not _RANGE.fullmatch(text):
        return None
    slices: list[slice] = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        if last and int(last) <= int(first):
            return None
        slices.append(slice(int(first), int(last or first) + 1))
    return slices


def part_of(variant: ua.Variant, slices: Slices) -> ua.Variant | None:
    """The part of an array, a String or a ByteString; None where nothing lies in the range.

    The dimension behind the last one of an array counts characters or bytes of its elements.
    """
    found = _cut(variant.Value, slices)
    if found is None:
        return None
    if not variant.is_array:
        return ua.Variant(found, variant.VariantType)
    return ua.Variant(found, variant.VariantType, is_array=True)


def _cut(value: Any, slices: Slices) -> Any:
    if not slices:
        return value
    if isinstance(value, str | bytes):
        return (value[slices[0]] or None) if len(slices) == 1 else None
    if not isinstance(value, list | tuple):
        return None
    parts = [_cut(each, slices[1:]) for each in value[slices[0]]]
    return parts if parts and all(part is not None for part in parts) else None
