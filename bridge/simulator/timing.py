"""Moments, and waiting for what may not come."""

import asyncio
from datetime import UTC, datetime


def timestamp(seconds: float | None = None) -> str:
    """A moment in Unix seconds, now when None, as OCPP wants it."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> float:
    """An OCPP dateTime as Unix seconds; UTC where it does not say. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


async def happens(event: asyncio.Event, seconds: float | None) -> bool:
    """Waits for an event, at most so long; true if it came."""
    try:
        async with asyncio.timeout(seconds):  # wait_for of Python 3.11 may swallow a cancellation
            await event.wait()
    except TimeoutError:
        return False
    return True
