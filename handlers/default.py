"""The last word where no other script has decided: every token may charge, or none.

    [handlers.settings.default]
    tokens = "accept"   # or "reject": only tokens that a script before this one has accepted may charge

This file is yours to edit. The scripts that `[handlers] scripts` in config.toml names are asked in order, and
the first that returns something other than None has decided. So a site's own rules go before this file, or
into it:

    async def authorize(self, request: AuthorizeRequest) -> Authorization | None:
        if request.id_token in {"04A2B3C4", "04D5E6F7"}:
            return Authorization.accepted()
        return Authorization.invalid()

`request.payload` is the message as it came, `request.station` the station. `ocpp-bridge check` says what is
wrong with a script before a station finds out.
"""

from typing import Literal

import msgspec
import structlog

from bridge.api import (
    Authorization,
    AuthorizeRequest,
    DataTransferAnswer,
    DataTransferRequest,
    RequestHandler,
    StartTransactionRequest,
    StopTransactionRequest,
)

log = structlog.get_logger()


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tokens: Literal["accept", "reject"] | None = None  # None: the site has not said what it wants


class Handler(RequestHandler):
    """The same for every token. Boots are left to the bridge: Config.RegistrationStatus, `[stations] unknown`."""

    def __init__(self) -> None:
        self._tokens = msgspec.convert(dict(self.settings), Settings).tokens
        self._answer = Authorization.invalid() if self._tokens == "reject" else Authorization.accepted()

    async def started(self) -> None:
        if self._tokens is None:
            hint = 'set tokens = "accept" or "reject" in [handlers.settings.default], or put a script before it'
            log.warning("handlers.every_token_accepted", script="default.py", hint=hint)

    async def authorize(self, request: AuthorizeRequest) -> Authorization | None:
        return self._answer

    async def start_transaction(self, request: StartTransactionRequest) -> Authorization | None:
        return self._answer

    async def stop_transaction(self, request: StopTransactionRequest) -> Authorization | None:
        return Authorization.accepted()  # whoever it is: the car has been charged, and the cable has to come out

    async def data_transfer(self, request: DataTransferRequest) -> DataTransferAnswer | None:
        return DataTransferAnswer(status="UnknownVendorId")
