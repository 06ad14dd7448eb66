"""From what was written to the payload of a CALL, checked against the action's JSON schema. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from bridge.commands.table import Command
from bridge.errors import Refused
from bridge.ocpp.parameters import Parameter, check_value
from bridge.ocpp.schemas import schemas
from bridge.ocpp.versions import Version
from bridge.points.rows import Value

MASK = "***"
Hides = Callable[[Mapping[str, Any]], bool]
"""Whether what names a variable of a 2.x device model, in GetVariables or SetVariables, names a secret there."""
_MASKED_KEY = "authorizationkey"  # 1.6: of the configuration
_MASKED_VARIABLE = "basicauthpassword"  # 2.x: of SecurityCtrlr, in a device model
#: fields that are secrets wherever they stand: of SetNetworkProfile in 2.x
_SECRET_FIELDS = frozenset({"password", "apnPassword", "basicAuthPassword"})
#: customers' data is none of the log's business either
_SECRET_WORDS = (_MASKED_KEY, _MASKED_VARIABLE, "password", "notifycustomerinformation")
#: the password in a URL such as ftp://user:password@host (RFC 3986 §3.2.1)
_PASSWORD = re.compile(r"(?<=://)(?P<user>[^/?#\s:@]*:)[^/?#\s]*(?=@)")

#: a start's profile belongs to its transaction, whose id nobody knows yet
_REMOTE_STARTS = {
    "RemoteStartTransaction": "OCPP 1.6 §5.16.2",
    "RequestStartTransaction": "OCPP 2.0.1 F01.FR.08",
}


def from_parameters(command: Command, written: Mapping[str, Value]) -> dict[str, Any]:
    """The payload from the values of the parameters' points, by name; None is left out.

    An empty text is left out too where the parameter is optional: many HMIs cannot write a null.
    Raises Refused(BadInvalidState) for a required parameter that is missing.
    """
    payload: dict[str, Any] = {}
    for parameter in command.parameters:
        value = written.get(parameter.name)
        if value is None or (value == "" and not parameter.required):
            if parameter.required:
                raise Refused("BadInvalidState", f"{command.action}: {parameter.name} has not been written")
            continue
        payload[parameter.field] = _field(parameter, value)
    return payload


def from_arguments(command: Command, arguments: Sequence[Value]) -> dict[str, Any]:
    """The payload from a method's input arguments, in the parameters' order; None is left out.

    Raises Refused(BadInvalidArgument) with a StatusCode for each argument.
    """
    statuses: list[str] = []
    reasons: list[str] = []
    for parameter, value in zip(command.parameters, arguments, strict=True):
        reason = _wrong(parameter, value)
        statuses.append("BadOutOfRange" if reason else "Good")
        reasons += [f"{parameter.name} {reason}"] if reason else []
    if reasons:
        raise Refused("BadInvalidArgument", "; ".join(reasons), statuses)
    return {
        parameter.field: _field(parameter, value)
        for parameter, value in zip(command.parameters, arguments, strict=True)
        if value is not None and not (value == "" and not parameter.required)
    }


def from_json(command: Command, text: Value) -> dict[str, Any]:
    """The payload that was written as JSON. Raises Refused(BadOutOfRange) for what is no JSON object."""
    try:
        payload = msgspec.json.decode(text) if isinstance(text, str) else None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refused("BadOutOfRange", f"{command.action}.Request is not JSON: {error}") from None
    if not isinstance(payload, dict):
        raise Refused("BadOutOfRange", f"{command.action}.Request: a JSON object is expected")
    return payload


def fill(command: Command, payload: dict[str, Any], evse: Value, connector: Value) -> None:
    """Fills in the connector that a command stands at. Raises Refused(BadOutOfRange) where another one is named."""
    own: Mapping[str, Any] = {
        "connectorId": connector,
        "evseId": evse,
        "evse": {"id": evse, "connectorId": connector},
    }
    for field in command.filled:
        named = payload.setdefault(field, own[field])
        if field == "evse" and isinstance(named, dict):  # the EVSE alone is meant where no connector is named
            named = {"connectorId": connector, **{k: v for k, v in named.items() if k != "customData"}}
        if named != own[field]:
            raise Refused("BadOutOfRange", f"{field}: this is connector {connector} of EVSE {evse}")


def check_parameter(parameter: Parameter, value: Value) -> None:
    """Raises Refused(BadOutOfRange) for a value that the schema does not allow. None and "" mean: not given."""
    if value is None or value == "":
        return
    reason = check_value(parameter, value)
    if reason:
        raise Refused("BadOutOfRange", f"{parameter.name} {reason}")


def check_payload(version: Version, action: str, payload: Mapping[str, Any]) -> None:
    """Raises Refused for a payload that breaks the schema: BadInvalidState where a field is missing."""
    violations = schemas(version).check_request(action, dict(payload))
    if not violations:
        if reason := _breaks_rule(action, payload):
            raise Refused("BadOutOfRange", f"{action}: {reason}")
        return
    missing = all(violation.kind == "occurrence" for violation in violations)
    text = "; ".join(f"{violation.path}: {violation.message}" for violation in violations[:5])
    raise Refused("BadInvalidState" if missing else "BadOutOfRange", f"{action}: {text}")


def hides_nothing(named: Mapping[str, Any]) -> bool:
    """For a station whose device model is not known."""
    return False


def masked(action: str, payload: Mapping[str, Any], hides: Hides = hides_nothing) -> dict[str, Any]:
    """The payload as it may be stored and shown: without secrets."""
    if action == "ChangeConfiguration" and _is(payload.get("key"), _MASKED_KEY) and "value" in payload:
        return {**payload, "value": MASK}
    return _without_secrets(payload, hides if action in _NESTED else None)


def masked_response(action: str, response: Mapping[str, Any], hides: Hides = hides_nothing) -> dict[str, Any]:
    """A station's answer as it may be stored and shown: without secrets that it should not have told."""
    found = response.get("configurationKey")
    if action == "GetConfiguration" and isinstance(found, list):
        return {**response, "configurationKey": [_key_without_secret(entry) for entry in found]}
    return _without_secrets(response, hides if action in _NESTED else None)


def may_hold_secret(frame: str | bytes) -> bool:
    """Whether a frame that has not been read yet may hold a secret in the clear."""
    if not isinstance(frame, str):
        return False
    text = frame.lower()
    return any(word in text for word in _SECRET_WORDS)


#: actions of 2.x whose payloads may hold secrets at any depth
_NESTED = frozenset({"GetVariables", "SetNetworkProfile", "SetVariables"})


def _without_secrets(node: Mapping[str, Any], hides: Hides | None) -> dict[str, Any]:
    """`hides`: None where no field can be a secret; a URL may hold a password in any action."""
    variable = node.get("variable")
    secret = (
        hides is not None
        and isinstance(variable, Mapping)
        and (_is(variable.get("name"), _MASKED_VARIABLE) or hides(node))
    )
    return {
        field: MASK
        if hides is not None and (field in _SECRET_FIELDS or (secret and field == "attributeValue"))
        else _below(child, hides)
        for field, child in node.items()
    }


def _below(node: Any, hides: Hides | None) -> Any:
    if isinstance(node, str):
        return _PASSWORD.sub(rf"\g<user>{MASK}", node) if "://" in node else node
    if isinstance(node, list):
        return [_below(child, hides) for child in node]
    return _without_secrets(node, hides) if isinstance(node, Mapping) else node


def _key_without_secret(entry: Any) -> Any:
    if isinstance(entry, dict) and _is(entry.get("key"), _MASKED_KEY) and entry.get("value") is not None:
        return {**entry, "value": MASK}
    return entry


def _is(found: Any, name: str) -> bool:
    """Names of a station's settings are the same in capital and small letters (CiString, identifierString)."""
    return isinstance(found, str) and found.lower() == name


def _breaks_rule(action: str, payload: Mapping[str, Any]) -> str:
    """A rule of OCPP that no schema can say."""
    profile = payload.get("chargingProfile")
    if action not in _REMOTE_STARTS or not isinstance(profile, dict):
        return ""
    if profile.get("chargingProfilePurpose") != "TxProfile":
        return f"chargingProfile: its chargingProfilePurpose has to be TxProfile ({_REMOTE_STARTS[action]})"
    return "chargingProfile: it must not name a transactionId" if "transactionId" in profile else ""


def _wrong(parameter: Parameter, value: Value) -> str | None:
    if value is None or (value == "" and not parameter.required):
        return "is required" if parameter.required else None
    return check_value(parameter, value)


def _field(parameter: Parameter, value: Value) -> Any:
    if parameter.type == "json" and isinstance(value, str):
        return msgspec.json.decode(value)
    if parameter.type == "any" and isinstance(value, str):
        try:
            return msgspec.json.decode(value)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return value
    return value
