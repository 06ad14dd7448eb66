"""Commands that change how a station logs in. Whatever becomes of them, the station gets in again.

The hash of a new password is stored before the station is sent it, and from then on the old and the new one are right,
also after a restart. A login with the new one ends that; so does the station's refusal. A lost answer changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import structlog

from bridge.errors import CallErrorAnswer, CallFailed
from bridge.station.context import Context
from bridge.station.credentials import fitting_hash, hash_password, password_problem
from bridge.station.known import Known

log = structlog.get_logger()

MOST_PENDING = 4
"""Passwords of a station of which nobody knows whether it has taken them."""
_TAKEN = frozenset({"Accepted", "RebootRequired"})
#: what makes or destroys trust: not over a line that somebody else may write to (OCPP whitepaper A02, M03 to M05)
CERTIFICATE_WORK = frozenset({"CertificateSigned", "DeleteCertificate", "InstallCertificate"})
CHANGES = frozenset({"ChangeConfiguration", "SetNetworkProfile", "SetVariables", *CERTIFICATE_WORK})

Payload = Mapping[str, Any]
Refused = Callable[[Payload], bool]


def forbidden(context: Context, known: Known, action: str, payload: Payload) -> str:
    """Why a command would lock the station out or lower its security; "" if it would not. Raises StoreError."""
    longest = 64 if known.model.version.name == "2.1" else 40
    for password, _ in _passwords(action, payload):
        if problem := password_problem(password, longest):
            return problem
    try:
        profile = min(_profiles(action, payload), default=None)
    except (TypeError, ValueError, OverflowError):
        return "SecurityProfile: expected 0, 1, 2 or 3"
    if profile is None:
        return ""
    least = context.least_profile(known.id)
    if profile < least:
        return f"the station's security profile is {least}, which is not lowered (OCPP 2.0.1 A05.FR.02)"
    if action != "ChangeConfiguration":
        return ""  # of a slot, perhaps for another central system
    if profile > context.best_profile:
        return f"stations can connect here with security profile {context.best_profile} at most"
    if profile in (1, 2) and not context.store.login(known.id).hashes:
        return "no password of the station is known: set its AuthorizationKey first"
    return ""


async def call_with_care(
    context: Context,
    known: Known,
    profile: int,
    action: str,
    payload: Payload,
    call: Callable[[], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:
    """Sends one of CHANGES over a connection of this security profile. Raises CallFailed, StoreError."""
    if action in CERTIFICATE_WORK and profile < 2:
        log.warning("certificate.insecure", station=known.id, action=action, profile=profile)
    added = [(await _announce(context, known, password), refused) for password, refused in _passwords(action, payload)]
    try:
        response = await call()
    except CallErrorAnswer:
        for stored, _ in added:
            await _withdraw(context, known, stored)
        raise
    for stored, refused in added:
        if refused(response):
            await _withdraw(context, known, stored)
    return response


async def _announce(context: Context, known: Known, password: str) -> str | None:
    """Stores the hash of a password; None: it is the one that the station has.

    One that waits already is stored once more: a station that is sent A, B and A again ends with A.
    """
    login = context.store.login(known.id)
    if not login.pending and await asyncio.to_thread(fitting_hash, login.hashes, password.encode()) is not None:
        return None
    stored = await asyncio.to_thread(hash_password, password, context.login_key)
    if not await context.store.add_pending_password(known.id, stored, MOST_PENDING):
        raise CallFailed(
            f"{MOST_PENDING} passwords were sent to the station and it has logged in with none; "
            "`ocpp-bridge stations password` sets the one that it has"
        )
    return stored


async def _withdraw(context: Context, known: Known, stored: str | None) -> None:
    if stored is not None:
        await context.store.drop_pending_password(known.id, stored)


def _passwords(action: str, payload: Payload) -> Iterator[tuple[str, Refused]]:
    """The passwords in a command, and how the answer refuses each."""
    if action == "ChangeConfiguration" and _is(payload.get("key"), "AuthorizationKey"):
        yield str(payload.get("value", "")), _status_refuses
    elif action == "SetNetworkProfile":  # OCPP 2.1
        password = _object(payload, "connectionData").get("basicAuthPassword")
        if isinstance(password, str):
            yield password, _status_refuses
    elif action == "SetVariables":
        for entry in payload.get("setVariableData") or ():
            if _is(_object(entry, "variable").get("name"), "BasicAuthPassword") and _is_actual(entry):
                yield str(entry.get("attributeValue", "")), _refuses(entry)


def _refuses(entry: Payload) -> Refused:
    """Whether the answer to SetVariables refuses this entry of it."""
    wanted = _component(entry)

    def refused(response: Payload) -> bool:
        found = [
            one.get("attributeStatus")
            for one in response.get("setVariableResult") or ()
            if isinstance(one, Mapping) and _component(one) == wanted and _is_actual(one)
        ]
        return bool(found) and not any(status in _TAKEN for status in found)

    return refused


def _status_refuses(response: Payload) -> bool:
    return response.get("status") not in _TAKEN


def _component(entry: Payload) -> tuple[str, str, str]:
    component, variable = _object(entry, "component"), _object(entry, "variable")
    names = component.get("name"), component.get("instance"), variable.get("name")
    one, two, three = (str(name or "").lower() for name in names)
    return one, two, three


def _is_actual(entry: Payload) -> bool:
    return bool(entry.get("attributeType", "Actual") == "Actual")


def _profiles(action: str, payload: Payload) -> Iterator[int]:
    """The security profiles that a command sets. Raises TypeError, ValueError, OverflowError for what is no number."""
    if action == "ChangeConfiguration" and _is(payload.get("key"), "SecurityProfile"):
        yield _number(payload.get("value"))
    elif action == "SetNetworkProfile":
        value = _object(payload, "connectionData").get("securityProfile")
        if value is not None:
            yield _number(value)
    elif action == "SetVariables":
        for entry in payload.get("setVariableData") or ():
            if _is(_object(entry, "variable").get("name"), "SecurityProfile") and _is_actual(entry):
                yield _number(entry.get("attributeValue"))


def _number(value: Any) -> int:
    """A station may read 0.9 as 0."""
    return int(float(value))


def _object(node: Any, field: str) -> Payload:
    found = node.get(field) if isinstance(node, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _is(found: Any, name: str) -> bool:
    """A station may be no stricter about blanks and capitals."""
    return isinstance(found, str) and found.strip().lower() == name.lower()
