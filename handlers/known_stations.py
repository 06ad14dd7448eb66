"""Decides which stations may boot, by what they say of themselves.

    [[handlers.settings.known_stations.rules]]
    vendor = "Alpitronic*"          # patterns: * any text, ? any character, [12] one of these; case does not matter
    serial_number = "HYC-2024-*"
    status = "Accepted"             # Accepted | Pending | Rejected

    [[handlers.settings.known_stations.rules]]
    status = "Pending"              # a rule without patterns, at the end: all others
    interval = 600                  # s until it may ask again; for an accepted one its heartbeat interval

The first rule that fits decides. Where none does, the next script is asked, and at last the bridge, by
Config.RegistrationStatus and `[stations] unknown`. A station can say anything of itself: this sorts stations, it keeps
nobody out who wants in. Passwords and certificates do.
"""

from fnmatch import fnmatchcase

import msgspec

from bridge.api import BootNotificationAnswer, BootNotificationRequest, RegistrationStatus, RequestHandler


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a station must say of itself, and how its boot is answered then."""

    status: RegistrationStatus
    interval: int | None = None
    id: str = "*"
    vendor: str = "*"
    model: str = "*"
    serial_number: str = "*"
    firmware_version: str = "*"

    def fits(self, boot: BootNotificationRequest) -> bool:
        said = (
            (self.id, boot.station.id),
            (self.vendor, boot.vendor),
            (self.model, boot.model),
            (self.serial_number, boot.serial_number),
            (self.firmware_version, boot.firmware_version),
        )
        return all(fnmatchcase(text.lower(), pattern.lower()) for pattern, text in said)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rules: list[Rule]


class Handler(RequestHandler):
    """Answers a boot by the first rule that fits."""

    def __init__(self) -> None:
        self._rules = msgspec.convert(dict(self.settings), Settings).rules

    async def boot_notification(self, request: BootNotificationRequest) -> BootNotificationAnswer | None:
        for rule in self._rules:
            if rule.fits(request):
                return BootNotificationAnswer(status=rule.status, interval=rule.interval)
        return None
