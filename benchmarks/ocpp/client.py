"""An OPC UA client in a process of its own: `python -m benchmarks.ocpp.client ENDPOINT`.

{"do": "monitor", "paths": [...], "interval": MS, "queue": N}   one subscription: {"first": how many came at once}
{"do": "count"}                                     {"count": notifications so far, "cpu": s, "silence": s}
`silence` is the longest time without a message since the last time it was asked.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.opcua import services
from benchmarks.opcua.listener import Listener
from benchmarks.opcua.wire import Channel
from benchmarks.processes import Child, module

CALL = 1000  # items in a request
FIRST = 15.0  # s that the first values may take
TURN = 0.2  # s


class Client:
    """Listens in a thread of its own."""

    def __init__(self, endpoint: str) -> None:
        self._channel = Channel(endpoint)
        services.log_in(self._channel, endpoint)
        self._listener: Listener
        self._silence = 0.0

    def monitor(self, paths: Sequence[str], interval: float, queue: int) -> dict[str, float]:
        self._listener = listener = Listener(self._channel, interval)
        listener.monitor(services.items_requests(listener.made.id, paths, 0.0, queue, CALL))
        listener.begin()
        if not listener.wait_for(len(paths), FIRST):
            raise RuntimeError(f"{listener.count} first values of {len(paths)}")
        threading.Thread(target=self._listen, daemon=True).start()
        return {"first": listener.count}

    def count(self) -> dict[str, float]:
        silence, self._silence = self._silence, 0.0
        return {"count": self._listener.count, "cpu": time.process_time(), "silence": silence}

    def _listen(self) -> None:
        last = time.monotonic()
        while True:
            messages = self._listener.messages
            self._listener.next(TURN)
            now = time.monotonic()
            self._silence = max(self._silence, now - last)
            if self._listener.messages > messages:
                last = now
            self._listener.look()


@contextmanager
def monitoring(endpoint: str, paths: Sequence[str], interval: float, queue: int = 1) -> Iterator[Child]:
    """Runs a client that monitors these points, with a publishing interval in ms and so many values that may wait."""
    with module("ocpp.client", endpoint) as child:
        child.ask(do="monitor", paths=paths, interval=interval, queue=queue)
        yield child


def read(endpoint: str, path: str) -> float:
    """The value of a Double."""
    channel = Channel(endpoint)
    services.log_in(channel, endpoint)
    [(_, value)] = services.read_values(channel.ask(services.READ, services.read_request([path])))
    services.log_out(channel)
    assert value is not None, path
    return value


def main(endpoint: str) -> None:
    client = Client(endpoint)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(client, request.pop("do"))(**request)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
