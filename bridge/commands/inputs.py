"""From what was written to the payload of a CALL, checked against the action's JSON schema. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bridge.commands.table import Command
from bridge.errors import Refused
from bridge.ocpp.parameters import Parameter, check_value
from bridge.ocpp.schemas import schemas
from bridge.ocpp.versions import Version
from bridge.points.rows import Value

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
