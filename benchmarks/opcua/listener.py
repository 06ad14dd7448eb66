"""One subscription of the client: counts what comes, keeps it, and looks into it when there is time."""

import struct
import time
from collections.abc import Sequence

from benchmarks.opcua import services
from benchmarks.opcua.wire import BODY, Channel, ProtocolError, Reader, numeric

OUTSTANDING = 10  # Publish requests that wait at the server; asyncua takes no more of one session
DATA_CHANGE = numeric(811)  # DataChangeNotification
NOT_NOTIFIED = 0xFFFFFFFF

_HEAD = struct.Struct("<II")
_ITEM = struct.Struct("<IB")
_VALUE = struct.Struct("<d")


class Listener:
    """`count` is how many notifications came so far: the array lengths that the messages give."""

    def __init__(self, channel: Channel, interval: float, per_publish: int = 0) -> None:
        self._channel = channel
        self.made = services.create_subscription(channel, interval, per_publish)
        self.count = self.messages = 0
        self.last = 0.0  # time.monotonic() of the last notifications
        self._kept: list[tuple[bytes, int, int]] = []
        self._values: dict[int, float | None] = {}
        self._statuses: set[int] = set()
        channel.published = self._published

    def monitor(self, requests: Sequence[bytes]) -> list[tuple[int, float, int]]:
        return [item for request in requests for item in self._made(request)]

    def begin(self) -> None:
        for _ in range(OUTSTANDING):
            self._channel.send(services.PUBLISH, services.publish_request())

    def listen(self, seconds: float) -> None:
        """Takes what comes for so long."""
        until = time.monotonic() + seconds
        while self._channel.listen(until):
            pass

    def wait_for(self, count: int, seconds: float) -> bool:
        """Takes what comes until there were `count` notifications in all; False: there were not, in that time."""
        until = time.monotonic() + seconds
        while self.count < count:
            if not self._channel.listen(until):
                return False
        return True

    def next(self, seconds: float) -> None:
        """Waits for one message."""
        self._channel.listen(time.monotonic() + seconds)

    def look(self) -> dict[int, float | None]:
        """Walks through all that came since the last look; the last value of every item by its client handle.

        Raises ProtocolError where a message does not hold the notifications that it said it does.
        """
        for body, at, count in self._kept:
            self._walk(body, at, count)
        self._kept.clear()
        return self._values

    def statuses(self) -> set[int]:
        """The StatusCodes that came, but for Good."""
        return self._statuses

    def end(self) -> None:
        self._channel.published = lambda body: None  # the requests that wait get an error now
        services.delete_subscription(self._channel, self.made.id)

    def _made(self, request: bytes) -> list[tuple[int, float, int]]:
        return services.items_made(self._channel.ask(services.CREATE_ITEMS, request))

    def _published(self, message: bytes) -> None:
        """A PublishResponse (§5.14.5): counts it and sends the next request with its acknowledgement."""
        result = int.from_bytes(message[16:20], "little")
        if result & 0x80000000:
            raise ProtocolError(f"Publish: 0x{result:08X}")
        subscription, available = _HEAD.unpack_from(message, BODY)
        at = BODY + 8 + 4 * (0 if available == NOT_NOTIFIED else available) + 1  # behind MoreNotifications
        sequence = int.from_bytes(message[at : at + 4], "little")
        parts = int.from_bytes(message[at + 12 : at + 16], "little", signed=True)
        at += 16
        for _ in range(parts):
            if message[at : at + 4] != DATA_CHANGE:
                raise ProtocolError(f"no DataChangeNotification: {message[at : at + 12]!r}")
            size, count = _HEAD.unpack_from(message, at + 5)
            self._kept.append((message, at + 13, count))
            self.count += count
            at += 9 + size
        if parts > 0:
            self.messages += 1
            self.last = time.monotonic()
        acknowledged = [(subscription, sequence)] if parts > 0 else []
        self._channel.send(services.PUBLISH, services.publish_request(acknowledged))

    def _walk(self, body: bytes, at: int, count: int) -> None:
        for _ in range(count):
            handle, mask = _ITEM.unpack_from(body, at)
            if mask & 3 == 1 and body[at + 5] == services.DOUBLE:
                self._values[handle] = _VALUE.unpack_from(body, at + 6)[0]
                at += 14 + _TIMES[mask]
                continue
            reader = Reader(body, at + 4)
            status, self._values[handle] = services._data_value(reader)
            self._statuses.add(status)
            at = reader.at
        # the array of DiagnosticInfo is behind the last item: null or empty
        if body[at : at + 4] not in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00"):
            raise ProtocolError("a message does not hold as many notifications as it says")


#: bytes of the times of a DataValue by its mask
_TIMES = [sum(size for bit, size in ((4, 8), (16, 2), (8, 8), (32, 2)) if mask & bit) for mask in range(64)]
