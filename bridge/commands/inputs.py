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

#: (action, field that names it, its value in small letters) → the field that holds a secret
_SECRETS = {("ChangeConfiguration", "key", "authorizationkey"): "value"}
#: (action, list of its answer, field that names an entry, its value in small letters) → the field with the secret
_TOLD = {("GetConfiguration", "configurationKey", "key", "authorizationkey"): "value"}
MASK = "***"


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


def masked(action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload as it may be stored and shown: without secrets."""
    shown = dict(payload)
    for (secret_action, field, name), hidden in _SECRETS.items():
        if action == secret_action and _is(shown.get(field), name) and hidden in shown:
            shown[hidden] = MASK
    return shown


def masked_response(action: str, response: Mapping[str, Any]) -> dict[str, Any]:
    """A station's answer as it may be stored and shown: without secrets that it should not have told."""
    shown = dict(response)
    for (secret_action, entries, field, name), hidden in _TOLD.items():
        if action == secret_action and isinstance(shown.get(entries), list):
            shown[entries] = [
                {**entry, hidden: MASK}
                if isinstance(entry, dict) and _is(entry.get(field), name) and entry.get(hidden) is not None
                else entry
                for entry in shown[entries]
            ]
    return shown


def may_hold_secret(frame: str | bytes) -> bool:
    """Whether a frame that has not been read yet may hold a secret in the clear."""
    return isinstance(frame, str) and "authorizationkey" in frame.lower()


def _is(found: Any, name: str) -> bool:
    """Keys of a station's configuration are the same in capital and small letters (OCPP 1.6 §7, CiString)."""
    return isinstance(found, str) and found.lower() == name


def _breaks_rule(action: str, payload: Mapping[str, Any]) -> str:
    """A rule of OCPP that no schema can say."""
    profile = payload.get("chargingProfile")
    if action != "RemoteStartTransaction" or not isinstance(profile, dict):
        return ""
    if profile.get("chargingProfilePurpose") != "TxProfile":
        return "chargingProfile: its chargingProfilePurpose has to be TxProfile (OCPP 1.6 §5.16.2)"
    return "chargingProfile: it must not name a transactionId" if "transactionId" in profile else ""


def _wrong(parameter: Parameter, value: Value) -> str | None:
    if value is None or (value == "" and not parameter.required):
        return "is required" if parameter.required else None
    return check_value(parameter, value)


def _field(parameter: Parameter, value: Value) -> Any:
    if parameter.type == "json" and isinstance(value, str):
        return msgspec.json.decode(value)
    return value
