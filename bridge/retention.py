"""Deletes what the store need not keep any longer, now and then."""

import structlog

from bridge.config import StoreConfig
from bridge.errors import StoreError
from bridge.store.store import Store

log = structlog.get_logger()

EVERY = 3600  # s
DAY = 86_400.0  # s


async def forget(store: Store, config: StoreConfig, now: float) -> None:
    """Deletes what is older than the configuration says; what the disk refuses is left for the next time."""
    try:
        if config.keep_events:
            await store.forget_events(now - config.keep_events * DAY)
        if config.keep_log:
            await store.forget_log(now - config.keep_log * DAY)
        await store.trim_audit(config.audit_entries)
    except StoreError as error:
        log.error("store.failed", error=str(error))
