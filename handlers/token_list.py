"""Decides about the tokens of the token list, which `ocpp-bridge tokens` keeps. A change of it is in force at once.

[handlers]
scripts = ["token_list.py", "default.py"]

[handlers.settings.default]
tokens = "reject"   # a token that is not in the list is the next script's affair: here nobody else may charge
"""

import time

from bridge.api import (
    Authorization,
    AuthorizationStatus,
    AuthorizeRequest,
    RequestHandler,
    StartTransactionRequest,
    StopTransactionRequest,
    Token,
)


class Handler(RequestHandler):
    """Blocked, expired, in a place where it may not charge, or accepted; with its group and its expiry."""

    async def authorize(self, request: AuthorizeRequest) -> Authorization | None:
        return await self._decide(request)

    async def start_transaction(self, request: StartTransactionRequest) -> Authorization | None:
        return await self._decide(request)

    async def stop_transaction(self, request: StopTransactionRequest) -> Authorization | None:
        return await self._decide(request)

    async def _decide(
        self, request: AuthorizeRequest | StartTransactionRequest | StopTransactionRequest
    ) -> Authorization | None:
        token = await self.bridge.tokens.find(request.id_token, request.id_token_type)
        if token is None:
            return None
        return Authorization(
            status=_status(token, request.station.area),
            parent_id_token=token.parent_id_token or None,
            parent_id_token_type=token.parent_id_token_type,
            expiry=token.expiry,
        )


def _status(token: Token, area: str) -> AuthorizationStatus:
    if token.blocked:
        return "Blocked"
    if token.expiry is not None and token.expiry <= time.time():
        return "Expired"
    return "Accepted" if _is_good_in(area, token) else "NotAtThisLocation"


def _is_good_in(area: str, token: Token) -> bool:
    """An area includes those below it; a token without areas is good everywhere."""
    return not token.areas or any(area == allowed or area.startswith(f"{allowed}/") for allowed in token.areas)
