"""The Publish requests of a session, which wait for something to publish (OPC 10000-4 §5.14.5)."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from asyncua import ua

from bridge.opcua.requests import Channel, Request
from bridge.opcua.subscriptions.notifications import publish_response

PUBLISH_RESPONSE = int(ua.ObjectIds.PublishResponse_Encoding_DefaultBinary)
BACKLOG = 1_048_576  # bytes that a client has not read yet: until it has, nothing more is published to it
AROUND = 256  # bytes of a Publish response besides what is counted
NUMBER_SIZE = 4  # bytes of a sequence number, and of the result of an acknowledgement
MAX_NOTICES = 1_000  # messages about subscriptions that are gone


class PublishRequest(NamedTuple):
    """`results` are those of its acknowledgements; `deadline` on the event loop's clock, 0.0: none."""

    request: Request
    results: Sequence[int]
    deadline: float


class PublishQueue:
    """At most `most` requests. `notices` are last messages, by subscription, that no request was there for."""

    __slots__ = ("_waiting", "channel", "most", "notices")

    def __init__(self, most: int) -> None:
        self.most = most
        self.channel: Channel | None = None
        self.notices: deque[tuple[int, bytes]] = deque(maxlen=MAX_NOTICES)
        self._waiting: deque[PublishRequest] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, waiting: PublishRequest) -> None:
        """Takes a request; one too many costs the oldest (OPC 10000-4 §5.14.5.1). Another channel ends what waits."""
        channel = waiting.request.channel
        if channel is not self.channel:
            self.leave()
            self.channel = channel
        if len(self._waiting) >= self.most:
            channel.fault(self._waiting.popleft().request, ua.StatusCodes.BadTooManyPublishRequests)
        self._waiting.append(waiting)

    def leave(self) -> None:
        """The session has moved to another channel: what waits on the old one is not answered any more."""
        self._waiting.clear()
        self.channel = None

    def ready(self, now: float) -> bool:
        """A request waits, and its client reads what it gets. Those whose time is over are answered."""
        channel = self.channel
        if channel is None or channel.closing:
            return False
        while self._waiting and 0.0 < self._waiting[0].deadline <= now:
            channel.fault(self._waiting.popleft().request, ua.StatusCodes.BadTimeout)
        return bool(self._waiting) and channel.backlog <= BACKLOG

    def room(self, available: int) -> int:
        """How many bytes of notifications may answer the oldest request, beside so many sequence numbers.

        There is one that is `ready`.
        """
        waiting = self._waiting[0]
        return waiting.request.channel.largest - AROUND - NUMBER_SIZE * (available + len(waiting.results))

    def answer(self, subscription_id: int, available: Sequence[int], more: bool, notification: bytes) -> None:
        """Answers the oldest request; there is one that is `ready`."""
        request, results, _ = self._waiting.popleft()
        body = publish_response(subscription_id, available, more, notification, results)
        request.channel.send(request, PUBLISH_RESPONSE, body)

    def fail(self, code: int) -> None:
        """Answers all with a fault."""
        while self._waiting:
            request = self._waiting.popleft().request
            request.channel.fault(request, code)
