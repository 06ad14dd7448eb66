"""What waits in an item's queue is counted, and fits into the room that there is."""

from dataclasses import dataclass, field

import pytest
from asyncua import ua

from bridge.opcua.sources import Fixed
from bridge.opcua.subscriptions.counts import Counts
from bridge.opcua.subscriptions.items import HANDLE_SIZE, DataItem, Item, Mode
from bridge.opcua.subscriptions.room import BLOCK, Room


@dataclass
class Reporter:
    room: Room
    counts: Counts = field(default_factory=Counts)
    waiting: list[Item] = field(default_factory=list)
    links: int = 0

    @property
    def waits(self):
        return self.waiting.append

    def triggers(self, item: Item) -> None:
        raise AssertionError


def encoded(text: str) -> bytes:
    """A DataValue whose StatusCode is there, as sources encode it."""
    raw = text.encode()
    return b"\x03\x0c" + len(raw).to_bytes(4, "little") + raw + bytes(4)


def item(room: Room, size: int = 100, *, discard_oldest: bool = True) -> DataItem:
    made = DataItem(1, Reporter(room), Fixed(ua.DataValue(ua.Variant("a"))), 3)
    made.configure(7, size, discard_oldest)
    made.mode = Mode.REPORTING
    return made


def texts(entries: list[bytes]) -> list[str]:
    """What was queued, with a mark where others were lost."""
    return [each[6:-4].decode() + "!" * (each[-4:] == b"\x80\x04\0\0") for each in entries]


LENGTH = len(encoded("0"))


def test_a_value_alone_takes_no_room_and_more_take_theirs():
    room = Room(1_000)
    one = item(room)
    one.put(encoded("0"))
    assert room.used == 0
    one.put(encoded("1"))
    one.put(encoded("2"))
    assert room.used == one.held == 3 * LENGTH
    assert texts(one.drain(2, 1_000)) == ["0", "1"]
    assert room.used == 0
    assert texts(one.drain(2, 1_000)) == ["2"]


@pytest.mark.parametrize(("discard_oldest", "expected"), [(True, ["3!", "4", "5"]), (False, ["0", "1", "5!"])])
def test_a_queue_without_room_loses_as_one_without_places(discard_oldest, expected):
    room = Room(3 * LENGTH)
    one = item(room, discard_oldest=discard_oldest)
    for number in range(6):
        one.put(encoded(str(number)))
        assert room.used <= 3 * LENGTH
    assert texts(one.drain(100, 1_000)) == expected
    assert (room.used, one.subscription.counts.overflows) == (0, 3)


def test_a_long_value_takes_the_place_of_several():
    room = Room(60)
    one = item(room)
    for text in ("0", "1", "2", "x" * 30):
        one.put(encoded(text))
    assert room.used <= 60
    assert texts(one.drain(100, 1_000)) == ["2!", "x" * 30]


@pytest.mark.parametrize("discard_oldest", [True, False])
def test_long_values_never_take_more_than_the_room(discard_oldest):
    room = Room(100)
    one = item(room, discard_oldest=discard_oldest)
    for length in (1, 2, 40, 3, 60, 70, 1, 30, 200):
        one.put(encoded("x" * length))
        assert 0 <= room.used <= 100
    assert [len(each) for each in one.drain(100, 1_000)] == [10 + 200]


def test_without_any_room_the_newest_is_kept():
    one = item(Room(0))
    for text in ("0", "1", "2"):
        one.put(encoded(text))
    assert texts(one.drain(100, 1_000)) == ["2!"]


def test_the_room_of_all_bounds_that_of_one():
    everything = Room(4 * LENGTH)
    first, second = item(Room(3 * LENGTH, everything)), item(Room(3 * LENGTH, everything))
    for one in (first, second):
        for number in range(3):
            one.put(encoded(str(number)))
    assert (everything.used, first.held, second.held) == (3 * LENGTH, 3 * LENGTH, 0)  # no two have room
    first.close()
    first.subscription.room.close()
    assert everything.used == 0
    second.put(encoded("3"))
    second.put(encoded("4"))
    assert texts(second.drain(100, 1_000)) == ["2!", "3", "4"]


@pytest.mark.parametrize("leave", [lambda one: one.switch(Mode.DISABLED), lambda one: one.close()])
def test_an_item_that_forgets_gives_its_room_back(leave):
    room = Room(1_000)
    one = item(room)
    for number in range(5):
        one.put(encoded(str(number)))
    one.configure(7, 3, True)
    assert room.used == 3 * LENGTH
    leave(one)
    assert (room.used, one.queue) == (0, None)


class Counted(bytes):
    """Knows how often anybody asked how long such bytes are."""

    asked = 0

    def __len__(self) -> int:
        Counted.asked += 1
        return super().__len__()


@pytest.mark.parametrize("discard_oldest", [True, False])
def test_a_change_costs_a_long_queue_that_is_full_no_more_than_a_short_one(discard_oldest):
    room = Room(100_000)
    one = item(room, 1_000, discard_oldest=discard_oldest)
    for _ in range(1_000):
        one.put(Counted(encoded("0")))
    Counted.asked = 0
    for number in range(10):
        one.put(Counted(encoded("0" * number)))
    assert Counted.asked <= 100
    assert room.used == one.held == sum(map(len, one.queue))
    Counted.asked = 0
    assert len(one.drain(5, 100_000)) == 5
    assert Counted.asked <= 100
    assert room.used == one.held == sum(map(len, one.queue))


def test_a_message_gets_as_many_as_it_has_bytes_for_and_one_at_least():
    one = item(Room(1_000))
    for number in range(5):
        one.put(encoded(str(number)))
    assert texts(one.drain(100, 2 * (LENGTH + HANDLE_SIZE))) == ["0", "1"]
    assert texts(one.drain(100, 1)) == ["2"]
    assert texts(one.drain(1, 1_000)) == ["3"]
    assert texts(one.drain(100, 1)) == ["4"]


def test_a_room_borrows_and_gives_back_what_it_does_not_need():
    everything = Room(10 * BLOCK)
    one = Room(5 * BLOCK, everything)
    assert one.has(1)
    assert (everything.used, one.used) == (BLOCK, 0)
    assert one.has(5 * BLOCK)
    one.left -= 5 * BLOCK
    assert not one.has(1)
    assert (everything.used, one.used) == (5 * BLOCK, 5 * BLOCK)
    one.give(5 * BLOCK)
    assert (everything.used, one.used) == (BLOCK, 0)
    one.close()
    assert everything.used == 0
