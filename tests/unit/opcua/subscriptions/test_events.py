"""Who hears of an event, and when."""

from collections.abc import Iterator

from asyncua import ua
from asyncua.server.address_space import AddressSpace

from bridge.opcua.node import SERVER
from bridge.opcua.subscriptions.events import BASE, SLICE, Events


class Listener:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def tell(self, event, lost, told) -> None:
        self.heard.append(event.fields["Message"].Value.Text)


class Jobs(list[Iterator[None]]):
    """Takes work, and leaves it until it is asked for."""

    def add(self, priority: int, job: Iterator[None]) -> None:
        self.append(job)


def test_many_hear_of_events_in_slices_and_everybody_in_their_order():
    jobs = Jobs()
    events = Events(AddressSpace(), jobs)
    listeners = [Listener() for _ in range(SLICE + 1)]
    for listener in listeners:
        events.add(SERVER, listener)
    for text in "ab":
        events.emit(events.make(BASE, SERVER, "Server", text))
    (job,) = jobs
    slices = [sum(len(listener.heard) for listener in listeners) for _ in job]
    assert slices == [SLICE, SLICE + 1, 2 * SLICE + 1, 2 * SLICE + 2]
    assert {tuple(listener.heard) for listener in listeners} == {("a", "b")}
    events.emit(events.make(BASE, ua.NodeId(), "Server", "c"))
    assert len(jobs) == 2
