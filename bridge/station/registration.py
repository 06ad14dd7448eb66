"""Registration: whether a station is accepted, and what its boot is answered."""

from collections.abc import Mapping
from typing import Any

import structlog

from bridge.api import BootNotificationAnswer
from bridge.errors import StoreError
from bridge.ocpp.secrets import masked
from bridge.ocpp.versions import Version
from bridge.points.tree import Update
from bridge.station.context import Context
from bridge.station.known import Known

log = structlog.get_logger()


async def answer_boot(
    context: Context,
    known: Known,
    payload: Mapping[str, Any],
    decided: BootNotificationAnswer | None,
    now: float,
) -> tuple[str, int]:
    """Status and interval (s) of the answer to a boot.

    A script's decision counts, for this boot; else Config.RegistrationStatus, which is kept in the store. A station
    that is accepted is Pending all the same while it has to be configured first (`Context.booting`). The interval of
    one that isn't told so is the time until it may ask again (OCPP 1.6 §4.2).
    """
    status = decided.status if decided else known.registration
    kept = known.record.registration if decided else status  # what a script decides is not an operator's decision
    fresh = known.record.registration != kept
    known.update(registration=kept, boot=masked(payload), last_seen=now, version=known.model.version.name)
    if fresh or known.unsaved:
        await keep(context, known)
    elif not known.removed:
        context.store.put_station_soon(known.record)
    told = context.booting(known, status)
    held, status = told != status, told
    if known.session is not None:
        known.session.registration, known.session.overruled = status, ""
    show_config(context, known)
    log.info("station.booted", station=known.id, status=status)
    accepted = status == "Accepted"
    interval = heartbeat_interval(context, known) if accepted else context.settings.boot_retry_interval
    if decided is not None and decided.interval is not None and not held:
        interval = decided.interval
    known.interval = interval if accepted else None
    return status, interval


async def keep(context: Context, known: Known) -> None:
    """Stores durably what was decided about a station. What the disk refuses is tried again (`Known.unsaved`).

    A station may run though the disk is full; it is transactions that are refused then.
    """
    if known.removed:
        return
    record = known.record
    known.unsaved = False
    try:
        await context.store.put_station(record)
    except StoreError as error:
        known.unsaved = True
        log.error("store.failed", station=record.id, error=str(error))


async def answer_sign_certificate(
    context: Context, known: Known, payload: Mapping[str, Any], now: float
) -> dict[str, Any]:
    """The answer to SignCertificate: Accepted where the certificate is going to be signed (OCPP 2.0.1 A02)."""
    signed = None if context.sign_certificate is None else await context.sign_certificate(known, payload, now)
    return {"status": signed or "Rejected"}


def heartbeat_interval(context: Context, known: Known) -> int:
    """The heartbeat interval that the station is told, in seconds."""
    return known.record.heartbeat_interval or context.settings.heartbeat_interval


def show_config(context: Context, known: Known) -> None:
    """Config.*: what is in force for the station."""
    group = known.points
    now = context.clock()
    status = group.slot("Config.RegistrationStatus")
    interval = group.slot("Config.HeartbeatInterval")
    updates = []
    if status is not None:
        enumeration = group.row(status).enumeration
        updates.append(Update(status, enumeration.numbers[known.registration] if enumeration else None))
    if interval is not None:
        updates.append(Update(interval, heartbeat_interval(context, known)))
    context.tree.apply(group, updates, now)


def heartbeat_command(version: Version, seconds: int) -> tuple[str, dict[str, Any]]:
    """The command that tells a station its heartbeat interval: the action and its payload."""
    if "ChangeConfiguration" in version.to_station:
        return "ChangeConfiguration", {"key": "HeartbeatInterval", "value": str(seconds)}
    variable = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    return "SetVariables", {"setVariableData": [{"attributeValue": str(seconds), **variable}]}
