"""What goes out to a station: frames, and our CALLs, one at a time (OCPP-J 1.6 §4.1.1)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import structlog

from bridge.errors import CallErrorAnswer, CallFailed, CallTimeout, StationOffline
from bridge.ocpp.echoes import Sent, frame_without, secrets_in, text_without, texts_without, without
from bridge.ocpp.peer import Peer
from bridge.ocpp.schemas import schemas
from bridge.ocpp.secrets import Hides, masked, may_hold_secret
from bridge.station.context import Context, Dialect
from bridge.station.known import Known

log = structlog.get_logger()

_NOTHING: frozenset[str] = frozenset()


class Link(Protocol):
    """The websocket of a session. profile: its security profile; certificate_ends: Unix seconds, of the station's."""

    profile: int
    certificate_ends: float | None

    @property
    def remote(self) -> str:
        """The station's address."""

    def write(self, text: str) -> None:
        """Sends a frame. Raises StationOffline when the connection is gone."""

    async def drain(self) -> None:
        """Waits while the station does not read. Raises StationOffline."""

    def after(self, work: Callable[..., None], *arguments: object) -> None:
        """Calls `work`, which must not raise, once what was written until now has gone out."""

    def hold(self) -> None:
        """Takes nothing more from the station until `release`, which may come at any time."""

    def release(self) -> None:
        """Goes on."""

    def close(self, code: int, reason: str) -> None:
        """Begins to close the connection; returns at once."""


#: actions whose payloads are kept as they are
WHOLE = frozenset({"Authorize", "StartTransaction", "StopTransaction", "TransactionEvent", "MeterValues"})


class Calls:
    """The CALLs to one station over one connection. `triggered` are the messages that they have asked it for."""

    def __init__(self, context: Context, known: Known, link: Link, peer: Peer, dialect: Dialect) -> None:
        self._context = context
        self._known = known
        self._link = link
        self._peer = peer
        self._dialect = dialect
        self._turn = asyncio.Lock()
        self._waiting: tuple[str, asyncio.Future[dict[str, Any]]] | None = None
        self._closed = False
        self._shows_frames = log.is_enabled_for(logging.DEBUG)
        self.triggered = _NOTHING

    def write(self, text: str, shown: str = "") -> None:
        """Sends a frame, which the log shows as `shown` where it holds a secret. Raises StationOffline."""
        if self._shows_frames:
            if not shown:
                shown = "…" if may_hold_secret(text, self._known.hides) else text
            log.debug("frame.sent", station=self._known.id, frame=shown)
        if self._known.tap is not None:
            self._known.tap("out", text)
        self._known.sent += 1
        self._link.write(text)

    async def send(self, text: str, shown: str = "") -> None:
        """Sends a frame and waits while the station does not read. Raises StationOffline."""
        self.write(text, shown)
        await self._link.drain()

    async def call(
        self,
        action: str,
        payload: Mapping[str, Any],
        sent: Callable[[], None] | None = None,
        going: Callable[[], Awaitable[None]] | None = None,
    ) -> dict[str, Any]:
        """Sends a CALL when its turn comes, one at a time (OCPP-J 1.6 §4.1.1), and returns the response.

        `going` comes before it is sent, `sent` after. Raises CallErrorAnswer, CallTimeout or StationOffline.
        """
        async with self._turn:
            self._check_open()
            outgoing = self._peer.call(action, payload)
            if secrets := secrets_in(payload, self._known.hides):
                self._known.secrets = self._known.secrets or Sent()
                self._known.secrets.add(secrets)
            future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            self._waiting = outgoing.id, future
            if more := self._dialect.triggered(action, payload):
                self.triggered |= more  # may come before the answer is looked at
            try:
                async with asyncio.timeout(self._context.settings.call_timeout):
                    await self._link.drain()  # or CALLs that time out would pile up before a station that reads nothing
                    if going is not None:
                        await going()
                        self._check_open()
                    await self.send(outgoing.text, _shown(action, payload, self._known.hides))
                    if sent is not None:
                        sent()
                    return await future
            except TimeoutError:
                seconds = self._context.settings.call_timeout
                raise CallTimeout(f"no answer to {action} within {seconds:g} s") from None
            finally:
                self._waiting = None
                self._peer.expire(outgoing.id)
                if future.done() and not future.cancelled():
                    future.exception()  # seen, though nobody may have come as far as to await it
                del future  # its exception refers to this frame: a ring, which nobody looks for

    def settle(self, message_id: str, result: dict[str, Any] | CallFailed) -> None:
        """The station has answered."""
        if self._waiting is None or self._waiting[0] != message_id or self._waiting[1].done():
            return
        if isinstance(result, CallErrorAnswer):
            description, details = self._bare(result.description), self._bare(result.details)
            self._waiting[1].set_exception(CallErrorAnswer(result.code, description, details))
        elif isinstance(result, CallFailed):
            self._waiting[1].set_exception(result)
        else:
            self._waiting[1].set_result(self._bare(result))

    def _bare(self, answer: Any) -> Any:
        """What a station answers, with none of its secrets, however it spells them."""
        sent = self._known.secrets
        return answer if sent is None else texts_without(without(answer, sent.all), sent.spelled, {}, {})

    def told(self, frame: str | bytes) -> str | bytes:
        """A frame of the station as log and recording may have it: no secret that the station has been sent."""
        if isinstance(frame, str):
            frame = self.clean(frame)
        return frame_without(frame, self._secrets) if self._secrets else frame

    @property
    def _secrets(self) -> frozenset[str]:
        return _NOTHING if self._known.secrets is None else self._known.secrets.all

    def clean(self, text: str) -> str:
        """A text in which there may be words of the station, without these secrets."""
        return text if self._known.secrets is None else text_without(text, self._known.secrets.spelled)

    def cleaned(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """What a station says unasked, as it is taken: points, store, scripts and events have no secret of it either.

        What a transaction is recognised by stays: a token that is a password by chance is the station's own word, and
        the same request has to mean the same whatever was sent to the station in between.
        """
        if self._known.secrets is None or action in WHOLE:
            return payload
        schema = schemas(self._known.model.version).request(action)
        found: dict[str, Any] = texts_without(payload, self._known.secrets.spelled, schema, schema)
        return found

    def _check_open(self) -> None:
        if self._closed:
            raise StationOffline("the connection to the station is closed")

    def close(self) -> None:
        """The connection is gone: what waits for an answer ends now."""
        self._closed = True
        if self._waiting is not None and not self._waiting[1].done():
            self._waiting[1].set_exception(StationOffline("the connection closed before the answer came"))


def _shown(action: str, payload: Mapping[str, Any], hides: Hides) -> str:
    """What the log shows of a CALL with a secret in it; "" for one without."""
    hidden = masked(payload, hides)
    return f"{action} {hidden}" if hidden != payload else ""
