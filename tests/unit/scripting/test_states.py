"""A script that fails again and again is switched off for a while (H11), and what is shown of scripts."""

from collections.abc import Callable
from typing import Any

import pytest

from bridge.api import Authorization, AuthorizeRequest
from bridge.points.events import Event
from bridge.points.layout import build_layout
from bridge.points.rows import Enumeration
from bridge.points.tree import Tree
from bridge.scripting.chain import OnError
from bridge.scripting.points import HandlerPoints, folders
from tests.unit.scripting.helpers import BLOCKS, Script, chain

FAILS = (
    "async def authorize(self, request):\n    if request.id_token == 'good': return Authorization.accepted()\n    1 / 0"
)
STATES = Enumeration("FileState", {"Loaded": 0, "Failed": 1, "Disabled": 2, "RestartNeeded": 3})


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tree() -> Tree:
    return Tree(build_layout("bridge", []))


@pytest.fixture
def failing(script: Script, clock: Clock, tree: Tree) -> Callable[..., Any]:
    async def make(**options: Any) -> Any:
        points = HandlerPoints(tree, STATES, ["fails.py", "next.py"], clock)
        limits = {"max_failures": 3, "pause": 60, "clock": clock, "monotonic": clock, "changed": points.show}
        return await chain(script(FAILS, "fails"), script(BLOCKS, "next"), **{**limits, **options})

    return make


def good(request: AuthorizeRequest) -> AuthorizeRequest:
    return AuthorizeRequest(station=request.station, version="1.6", payload={}, id_token="good")


async def test_a_script_that_fails_in_a_row_is_switched_off_for_a_while_and_tried_again(
    failing: Callable[..., Any], request_: AuthorizeRequest, clock: Clock, tree: Tree
) -> None:
    """H11"""
    asked = await failing()
    asked.states.loaded("fails.py")
    events: list[Event] = []
    tree.events.append(events.append)
    for _ in range(3):
        assert tree.bridge.value("Handlers.fails.StateText") in (None, "Loaded")
        assert events == []
        assert await asked.ask("authorize", request_) == Authorization.blocked()
    assert [(event.type, event.fields["Script"]) for event in events] == [("HandlerFailed", "fails.py")]
    assert (asked.errors, tree.bridge.value("Handlers.fails.StateText")) == (3, "Disabled")
    assert await asked.ask("authorize", good(request_)) == Authorization.blocked(), "it is not asked"
    clock.now += 61
    assert await asked.ask("authorize", good(request_)) == Authorization.accepted()
    assert tree.bridge.value("Handlers.fails.StateText") == "Loaded"


async def test_the_next_failure_switches_it_off_again(
    failing: Callable[..., Any], request_: AuthorizeRequest, clock: Clock
) -> None:
    """H11: not until it has failed as often once more."""
    asked = await failing()
    for _ in range(3):
        await asked.ask("authorize", request_)
    clock.now += 61
    await asked.ask("authorize", request_)
    assert asked.errors == 4
    await asked.ask("authorize", request_)
    assert asked.errors == 4


async def test_failures_with_answers_between_them_switch_nothing_off(
    failing: Callable[..., Any], request_: AuthorizeRequest
) -> None:
    """H11: one station whose messages it cannot take does not switch it off for all."""
    asked = await failing()
    for _ in range(10):
        await asked.ask("authorize", request_)
        assert await asked.ask("authorize", good(request_)) == Authorization.accepted()
    assert asked.errors == 10


@pytest.mark.parametrize(("on_error", "status"), [("next", "Blocked"), ("reject", "Invalid")])
async def test_while_it_is_off_on_error_says_what_is_answered(
    failing: Callable[..., Any], request_: AuthorizeRequest, on_error: OnError, status: str
) -> None:
    """H11: where a failure rejects, so does a script that is switched off."""
    asked = await failing(on_error=on_error)
    for _ in range(5):
        assert (await asked.ask("authorize", request_)).status == status
    assert asked.errors == 3


async def test_zero_failures_mean_never(failing: Callable[..., Any], request_: AuthorizeRequest) -> None:
    asked = await failing(max_failures=0)
    for _ in range(50):
        await asked.ask("authorize", request_)
    assert asked.errors == 50


async def test_points_show_what_is_known_of_a_script(
    failing: Callable[..., Any], request_: AuthorizeRequest, clock: Clock, tree: Tree
) -> None:
    asked = await failing()
    clock.now = 2000.0
    asked.states.loaded("fails.py")
    assert tree.bridge.value("Handlers.fails.LoadedAt") == 2000.0
    await asked.ask("authorize", request_)
    shown = {row.key.rpartition(".")[2]: tree.bridge.value(row.key) for row in tree.bridge.extra_rows()[:5]}
    assert shown == {
        "State": 0,
        "StateText": "Loaded",
        "LoadedAt": 2000.0,
        "Errors": 1,
        "LastError": "fails.py: line 7: authorize: ZeroDivisionError: division by zero",
    }


async def test_a_new_version_and_a_broken_one_are_events(failing: Callable[..., Any], tree: Tree, clock: Clock) -> None:
    asked = await failing()
    events: list[Event] = []
    tree.events.append(events.append)
    asked.states.loaded("fails.py")
    assert events == [], "the start is none"
    clock.now += 1
    asked.states.loaded("fails.py")
    asked.states.broken("fails.py", "fails.py: line 1: SyntaxError")
    asked.states.mended("fails.py")
    told = [(event.type, event.fields) for event in events]
    what = {"What": "handlers/fails.py"}
    assert told == [("ConfigurationReloaded", what), ("ConfigurationInvalid", what)]


def test_a_scripts_name_becomes_one_that_a_node_id_may_hold() -> None:
    names = ["a b.py", "a.b.py", "a_b.py", "token-list.py", "ä.py"]
    assert list(folders(names).values()) == ["a_b", "a_b~2", "a_b~3", "token-list", "_"]


async def test_a_script_that_is_not_asked_about_a_station_is_an_event(tree: Tree, clock: Clock) -> None:
    events: list[Event] = []
    tree.events.append(events.append)
    HandlerPoints(tree, STATES, ["site.py"], clock).passed_over("site.py", "CP001")
    (event,) = events
    assert (event.type, event.fields["Script"]) == ("HandlerFailed", "site.py")
    assert "not asked about CP001" in event.message
