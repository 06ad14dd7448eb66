"""The last word where no other script has decided: every token may charge.

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


class Handler(RequestHandler):
    """Accepts every token. Boots are left to the bridge: Config.RegistrationStatus, `[stations] unknown`."""

    async def started(self) -> None:
        log.warning("handlers.every_token_accepted", script="default.py", hint="put a script before it, or edit it")

    async def authorize(self, request: AuthorizeRequest) -> Authorization | None:
        return Authorization.accepted()

    async def start_transaction(self, request: StartTransactionRequest) -> Authorization | None:
        return Authorization.accepted()

    async def stop_transaction(self, request: StopTransactionRequest) -> Authorization | None:
        return Authorization.accepted()

    async def data_transfer(self, request: DataTransferRequest) -> DataTransferAnswer | None:
        return DataTransferAnswer(status="UnknownVendorId")
