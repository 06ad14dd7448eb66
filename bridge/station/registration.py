"""Registration: whether a station is accepted, and what its boot is answered."""

from collections.abc import Mapping
from typing import Any

import structlog

from bridge.api import BootNotificationAnswer
from bridge.errors import StoreError
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
    """Status and interval (s) of the answer to a boot; keeps both in the store.

    A script's decision counts, else Config.RegistrationStatus. The interval of a station that isn't accepted is
    the time until it may ask again (OCPP 1.6 §4.2).
    """
    status = decided.status if decided else known.registration
    fresh = known.record.registration != status
    record = known.update(registration=status, boot=dict(payload), last_seen=now, version=known.model.version.name)
    try:
        if fresh:
            await context.store.put_station(record)
        else:
            context.store.put_station_soon(record)
    except StoreError as error:  # a station may run though the disk is full; transactions are refused there
        log.error("store.failed", station=known.id, error=str(error))
    if known.session is not None:
        known.session.registration = status
    show_config(context, known)
    log.info("station.booted", station=known.id, status=status)
    if decided is not None and decided.interval is not None:
        return status, decided.interval
    return status, heartbeat_interval(context, known) if status == "Accepted" else context.settings.boot_retry_interval


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
