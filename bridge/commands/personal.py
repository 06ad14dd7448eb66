"""Which fields of a command can hold an id tag, read off the JSON schemas: observers may not see those."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from bridge.ocpp.schemas import resolved, schemas
from bridge.ocpp.versions import Version

#: fields that are an id tag or several, whatever object they stand in
_TAG = re.compile(r"id(tag|token)s?$", re.IGNORECASE)
#: fields that name a customer, or may hold anything
FIELDS = frozenset({"customerIdentifier", "customerCertificate", "data"})


@cache
def personal_inputs(version: Version, action: str) -> frozenset[str]:
    """The fields of a request in which an id tag may stand, at whatever depth."""
    return frozenset(_found(schemas(version).request(action)))


@cache
def has_personal_answer(version: Version, action: str) -> bool:
    """Whether an id tag may stand in the answer."""
    return any(_found(schemas(version).response(action)))


def _found(schema: Mapping[str, Any]) -> Iterator[str]:
    for field, node in schema.get("properties", {}).items():
        if _is_personal(schema, field, node, ()):
            yield field


def _is_personal(schema: Mapping[str, Any], field: str, node: Mapping[str, Any], above: tuple[str, ...]) -> bool:
    if field in FIELDS or _TAG.search(field):
        return True
    reference = str(node.get("$ref", ""))
    if reference and reference in above:  # CustomData and the like may hold themselves
        return False
    target = resolved(schema, dict(node))
    seen = (*above, reference) if reference else above
    if isinstance(target.get("items"), dict):
        return _is_personal(schema, "", target["items"], seen)
    return any(_is_personal(schema, name, inner, seen) for name, inner in target.get("properties", {}).items())
