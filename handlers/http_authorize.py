"""Asks a web service whether a token may charge. Needs `pip install "ocpp-bridge[http]"`.

    [handlers.settings.http_authorize]
    url = "https://tokens.example.com/authorize"
    headers = { Authorization = "Bearer ${TOKENS_KEY}" }   # ${NAME}: a variable of the environment; $$ is a $
    timeout = 4.0            # s for one answer, all attempts together; less than [handlers] timeout
    attempts = 2
    cache_time = 60.0        # s that an answer is good for
    cache_size = 10_000      # answers that are remembered
    remember = 86_400.0      # s that an older answer is good for while the service is away
    away = "next"            # what else is answered then: next, as the next script says | Accepted | Blocked | Invalid

The service is sent a POST with a JSON object: station, area, request ("authorize", "start_transaction" or
"stop_transaction"), id_token and id_token_type ("" in OCPP 1.6). It answers

    200    {"status": "Accepted", "parent_id_token": "FLEET", "expiry": "2026-12-31T12:00:00Z"}, all but status optional
    204    it does not know the token: the next script is asked

Anything else counts as a service that is away; 404 too, which is what a wrong url gets. The log names the status or the
kind of the error, never what was sent: that holds the secret.
"""

import asyncio
import os
import time
from collections import OrderedDict
from dataclasses import replace
from datetime import datetime
from string import Template
from typing import Annotated, Literal
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
import stamina
import structlog
from yarl import URL

from bridge.api import (
    Authorization,
    AuthorizationStatus,
    AuthorizeRequest,
    RequestHandler,
    StartTransactionRequest,
    StopTransactionRequest,
)

log = structlog.get_logger()

LARGEST = 1_000_000  # bytes of an answer

Asked = AuthorizeRequest | StartTransactionRequest | StopTransactionRequest
Key = tuple[str, str, str]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: Annotated[str, msgspec.Meta(pattern="^https?://")]
    headers: dict[str, str] = {}
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 4.0
    attempts: Count = 2
    cache_time: Seconds = 60.0
    cache_size: Count = 10_000
    remember: Seconds = 86_400.0
    away: Literal["next", "Accepted", "Blocked", "Invalid"] = "next"


class AwayError(Exception):
    """The service has not answered as it should. `again`: it is worth another attempt.

    It says nothing of the request, whose headers hold the secret: errors end up in logs.
    """

    def __init__(self, why: str, *, again: bool = False) -> None:
        super().__init__(why)
        self.again = again


class ServiceAnswer(msgspec.Struct, frozen=True):
    status: AuthorizationStatus
    parent_id_token: str | None = None
    parent_id_token_type: str = "Central"  # noqa: S105 - OCPP's name of a kind of token
    expiry: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    personal_message: str | None = None

    def authorization(self) -> Authorization:
        return Authorization(
            status=self.status,
            parent_id_token=self.parent_id_token,
            parent_id_token_type=self.parent_id_token_type,
            expiry=None if self.expiry is None else self.expiry.timestamp(),
            personal_message=self.personal_message,
        )


class Handler(RequestHandler):
    """Remembers what the service has answered: it is asked again after `cache_time`, and only then."""

    def __init__(self) -> None:
        self._settings = msgspec.convert(dict(self.settings), Settings)
        if not URL(self._settings.url).host:
            raise ValueError(f'url: expected https://host/path, found "{self._settings.url}"')
        self._headers = {name: _with_secrets(text) for name, text in self._settings.headers.items()}
        self._answers: OrderedDict[Key, tuple[float, Authorization | None]] = OrderedDict()
        self._asking: dict[Key, asyncio.Task[Authorization | None]] = {}

    async def started(self) -> None:
        each = aiohttp.ClientTimeout(total=self._settings.timeout / self._settings.attempts)
        # Not trust_env=True: that also sends what a ~/.netrc has for the host.
        proxy = _proxy(URL(self._settings.url))
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=each, proxy=proxy)

    async def stopped(self) -> None:
        await self._session.close()

    async def authorize(self, request: AuthorizeRequest) -> Authorization | None:
        return await self._decide("authorize", request)

    async def start_transaction(self, request: StartTransactionRequest) -> Authorization | None:
        return await self._decide("start_transaction", request)

    async def stop_transaction(self, request: StopTransactionRequest) -> Authorization | None:
        return await self._decide("stop_transaction", request)

    async def _decide(self, asked_for: str, request: Asked) -> Authorization | None:
        if not request.id_token:  # a stop without a token: nobody asks for anything
            return None
        key = request.station.id, request.id_token.lower(), request.id_token_type
        when, answer = self._answers.get(key, (float("-inf"), None))
        if time.monotonic() - when >= self._settings.cache_time:
            answer = await self._asked_once(key, asked_for, request)
        return _in_force(answer)

    async def _asked_once(self, key: Key, asked_for: str, request: Asked) -> Authorization | None:
        """Who asks the same while the service is being asked gets that answer."""
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._found(key, asked_for, request))
            task.add_done_callback(lambda _: self._asking.pop(key))
        return await asyncio.shield(task)

    async def _found(self, key: Key, asked_for: str, request: Asked) -> Authorization | None:
        try:
            async with asyncio.timeout(self._settings.timeout):
                answer = await self._ask(asked_for, request)
        except (AwayError, TimeoutError) as error:
            log.warning("http_authorize.away", station=request.station.id, error=str(error) or type(error).__name__)
            when, answer = self._answers.get(key, (float("-inf"), None))
            if time.monotonic() - when < self._settings.remember:
                return answer
            return None if self._settings.away == "next" else Authorization(status=self._settings.away)
        self._remember(key, answer)
        return answer

    async def _ask(self, asked_for: str, request: Asked) -> Authorization | None:
        question = {
            "station": request.station.id,
            "area": request.station.area,
            "request": asked_for,
            "id_token": request.id_token,
            "id_token_type": request.id_token_type,
        }
        # A service that says no is not asked again, one that has trouble is.
        async for attempt in stamina.retry_context(on=_is_trouble, attempts=self._settings.attempts, wait_max=0.2):
            with attempt:
                return await self._attempt(question)
        return None

    async def _attempt(self, question: dict[str, str]) -> Authorization | None:
        try:
            # Redirections are not followed: they could carry the secret elsewhere.
            async with self._session.post(self._settings.url, json=question, allow_redirects=False) as response:
                if response.status == 204:
                    return None
                if response.status != 200:
                    raise AwayError(f"status {response.status}", again=response.status >= 500)
                return _read(await _body(response))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise AwayError(type(error).__name__, again=True) from None

    def _remember(self, key: Key, answer: Authorization | None) -> None:
        self._answers[key] = time.monotonic(), answer
        self._answers.move_to_end(key)
        if len(self._answers) > self._settings.cache_size:
            self._answers.popitem(last=False)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    try:
        await response.content.readexactly(LARGEST)
    except asyncio.IncompleteReadError as end:
        return end.partial
    raise AwayError(f"an answer of {LARGEST:,} bytes and more")


def _read(body: bytes) -> Authorization:
    try:
        return msgspec.json.decode(body, type=ServiceAnswer).authorization()
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise AwayError(f"no answer as it should be: {type(error).__name__}") from None


def _in_force(answer: Authorization | None) -> Authorization | None:
    if answer is None or answer.status != "Accepted" or answer.expiry is None or answer.expiry > time.time():
        return answer
    return replace(answer, status="Expired")


def _is_trouble(error: Exception) -> bool:
    return isinstance(error, AwayError) and error.again


def _proxy(url: URL) -> str | None:
    """The proxy that the environment names (HTTPS_PROXY, NO_PROXY)."""
    return None if proxy_bypass(url.host or "") else getproxies().get(url.scheme)


def _with_secrets(text: str) -> str:
    try:
        return Template(text).substitute(os.environ)
    except KeyError as missing:
        raise ValueError(f"headers: there is no environment variable {missing}") from None
