"""A TCP proxy that does to connections what networks do: it delays, splits, cuts, freezes, drops and repeats."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Seen = Callable[[str], None]

CHUNK = 65_536
TEXT = 0x81  # FIN and the opcode of a text message


@dataclass(frozen=True)
class Weather:
    """How bad a network is. `fates` are the kinds of connections, each with its weight; the rest are chances."""

    fates: tuple[tuple[str, int], ...]
    drop: float = 0.0  # of a message to get lost
    repeat: float = 0.0  # of a message to the bridge to arrive twice


CALM = Weather((("clean", 1),))
STATIONS = Weather(
    (("clean", 6), ("slow", 2), ("dribble", 1), ("cut", 3), ("reset", 2), ("frozen", 2), ("mute", 2)),
    drop=0.05,
    repeat=0.02,
)
CLIENTS = Weather((("clean", 6), ("slow", 2), ("dribble", 1), ("cut", 2), ("reset", 1), ("frozen", 1)))


class Proxy:
    """Listens on a port of its own and forwards to `target`. `seen` is told each message to the bridge.

    The fates of a connection:
      clean    nothing happens
      slow     every piece waits up to 30 ms
      dribble  arrives byte by byte, or in pieces of up to 7 bytes
      cut      both ends are closed after a while
      reset    the same, with RST
      frozen   after a while nothing is forwarded any more, not even that an end has closed
      mute     the same from the bridge to the other end only: answers are lost, what was asked for is done
    """

    def __init__(self, rng: random.Random, weather: Weather, *, messages: bool) -> None:
        """`messages`: websocket messages can be told apart, so that they can be dropped and repeated."""
        self._rng = rng
        self._bad = weather
        self.weather = weather
        self.messages = messages
        self.target = 0
        self.open = False
        self.seen: Seen | None = None
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.shut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def calm(self) -> None:
        """From now on nothing happens to a connection that nothing has happened to yet."""
        self.weather = CALM
        for link in self._links:
            link.fate = link.fate if link.frozen or link.mute else "clean"

    def freeze(self) -> None:
        """Nothing is forwarded any more over the connections that there are, and neither end is told."""
        for link in self._links:
            link.frozen = True

    def storm(self) -> None:
        self.weather = self._bad

    def shut(self) -> None:
        """Ends every connection, and takes no new ones until `open` is set."""
        self.open = False
        for link in list(self._links):
            link.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # an end is gone, or the proxy stops
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.open:
            return
        to_bridge = await asyncio.open_connection("127.0.0.1", self.target)
        names, weights = zip(*self.weather.fates, strict=True)
        fate = self._rng.choices(names, weights)[0]
        link = _Link(self, random.Random(self._rng.random()), fate, (reader, writer), to_bridge)  # noqa: S311
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, rng: random.Random, fate: str, outside: Streams, bridge: Streams) -> None:
        self.fate = fate
        self.frozen = self.mute = False
        self._proxy = proxy
        self._rng = rng
        self._outside = outside
        self._bridge = bridge

    async def run(self) -> None:
        doom = asyncio.create_task(self._doom(self._rng.expovariate(2.0)))
        pumps = [asyncio.create_task(self._pump(up)) for up in (True, False)]
        try:
            await asyncio.gather(*pumps)
        finally:
            for task in (doom, *pumps):
                task.cancel()
            self.abort()

    def abort(self) -> None:
        for _, writer in (self._outside, self._bridge):
            writer.transport.abort()

    async def _doom(self, after: float) -> None:
        await asyncio.sleep(after)
        if self.fate == "cut":
            for _, writer in (self._outside, self._bridge):
                writer.close()
        elif self.fate == "reset":
            self.abort()
        elif self.fate == "frozen":
            self.frozen = True
        elif self.fate == "mute":
            self.mute = True

    def _stuck(self, up: bool) -> bool:
        return self.frozen or (self.mute and not up)

    async def _pump(self, up: bool) -> None:
        reader, writer = (self._outside[0], self._bridge[1]) if up else (self._bridge[0], self._outside[1])
        messages = _Messages() if self._proxy.messages else None
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self._stuck(up):
                    continue
                for piece in messages.split(data) if messages else [data]:
                    await self._forward(writer, piece, up)
        if not self._stuck(up):
            writer.close()

    async def _forward(self, writer: asyncio.StreamWriter, piece: bytes, up: bool) -> None:
        if self._proxy.messages and piece[0] == TEXT:
            chance = self._rng.random()
            if chance < self._proxy.weather.drop:
                return
            if up and self._proxy.seen is not None:
                self._proxy.seen(_text(piece))
            if up and chance > 1 - self._proxy.weather.repeat:
                piece += piece
        if self.fate == "slow":
            await asyncio.sleep(self._rng.random() * 0.03)
        if self.fate == "dribble":
            largest = self._rng.choice((1, 7))
            while piece and not writer.is_closing():
                length = self._rng.randint(1, largest)
                writer.write(piece[:length])
                piece = piece[length:]
                await asyncio.sleep(0)
        else:
            writer.write(piece)
        await writer.drain()


class _Messages:
    """Finds the frames of a websocket's stream, behind the handshake (RFC 6455 §5.2)."""

    def __init__(self) -> None:
        self._rest = b""
        self._open = False

    def split(self, data: bytes) -> Iterator[bytes]:
        self._rest += data
        if not self._open:
            head, end, rest = self._rest.partition(b"\r\n\r\n")
            if not end:
                return
            self._open, self._rest = True, rest
            yield head + end
        while (length := _length(self._rest)) and len(self._rest) >= length:
            yield self._rest[:length]
            self._rest = self._rest[length:]


def _length(data: bytes) -> int:
    """Of the frame at the beginning; 0: cannot be told yet."""
    if len(data) < 2:
        return 0
    size, head = data[1] & 0x7F, 2
    if size > 125:
        head += 2 if size == 126 else 8
        if len(data) < head:
            return 0
        size = int.from_bytes(data[2:head], "big")
    return head + (4 if data[1] & 0x80 else 0) + size


def _text(frame: bytes) -> str:
    """What a masked frame says."""
    size = frame[1] & 0x7F
    start = 2 + (0 if size < 126 else 2 if size == 126 else 8)
    mask, body = frame[start : start + 4], frame[start + 4 :]
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(body)).decode("utf-8", "replace")
