"""token_list.py: what is answered for a token of the list."""

import time
from typing import Any

import pytest

from bridge.api import Authorization, StartTransactionRequest, StopTransactionRequest, Token

CARD = "04A2B3C4"
PAST, FUTURE = time.time() - 60, time.time() + 3600


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        ({}, "Accepted"),
        ({"blocked": True}, "Blocked"),
        ({"expiry": PAST}, "Expired"),
        ({"expiry": FUTURE}, "Accepted"),
        ({"blocked": True, "expiry": PAST, "areas": ("Yard",)}, "Blocked"),
        ({"areas": ("Depot/Hall 1",)}, "Accepted"),
        ({"areas": ("Yard", "Depot")}, "Accepted"),
        ({"areas": ("Depot/Hall 10",)}, "NotAtThisLocation"),
        ({"areas": ("Depot/Hall",)}, "NotAtThisLocation"),
        ({"areas": ("Depot/Hall 1/Row 2",)}, "NotAtThisLocation"),
    ],
)
async def test_the_entry_decides(load, put, asks, entry: dict[str, Any], status: str) -> None:
    """The station is in Depot/Hall 1."""
    put(Token(id_token=CARD, **entry))
    answer = await (await load("token_list")).ask("authorize", asks(CARD))
    assert answer == Authorization(status=status, expiry=entry.get("expiry"))  # type: ignore[arg-type]


async def test_group_and_expiry_go_with_the_answer(load, put, asks) -> None:
    put(Token(id_token=CARD, parent_id_token="FLEET", parent_id_token_type="Local", expiry=FUTURE))
    assert await (await load("token_list")).ask("authorize", asks(CARD)) == Authorization(
        status="Accepted", parent_id_token="FLEET", parent_id_token_type="Local", expiry=FUTURE
    )


async def test_a_token_that_is_not_in_the_list_is_the_next_scripts_affair(load, put, asks) -> None:
    put(Token(id_token=CARD, blocked=True), Token(id_token="1234", id_token_type="KeyCode"))
    runner = await load("token_list", "default")
    assert await runner.ask("authorize", asks("other")) == Authorization.accepted()
    assert await runner.ask("authorize", asks("1234", "ISO14443")) == Authorization.accepted()
    assert await runner.ask("authorize", asks(CARD)) == Authorization.blocked()


async def test_case_makes_no_difference_to_any_version(load, put, asks) -> None:
    put(Token(id_token=CARD, id_token_type="ISO14443", blocked=True))
    runner = await load("token_list")
    for request in (asks(CARD.lower()), asks(CARD.lower(), "ISO14443"), asks(CARD, "iso14443")):
        assert await runner.ask("authorize", request) == Authorization.blocked()


async def test_starts_and_stops_are_decided_alike(load, put, station) -> None:
    put(Token(id_token=CARD, blocked=True))
    runner = await load("token_list")
    common: dict[str, Any] = {"station": station, "version": "1.6", "payload": {}}
    start = StartTransactionRequest(**common, connector="Connector1", id_token=CARD)
    stop = StopTransactionRequest(**common, transaction_id="1", id_token=CARD)
    without = StopTransactionRequest(**common, transaction_id="1")
    assert await runner.ask("start_transaction", start) == Authorization.blocked()
    assert await runner.ask("stop_transaction", stop) == Authorization.blocked()
    assert await runner.ask("stop_transaction", without) is None


async def test_a_changed_token_is_in_force_with_the_next_question(load, put, asks) -> None:
    runner = await load("token_list")
    assert await runner.ask("authorize", asks(CARD)) is None
    put(Token(id_token=CARD))
    assert await runner.ask("authorize", asks(CARD)) == Authorization.accepted()
    put(Token(id_token=CARD, blocked=True))
    assert await runner.ask("authorize", asks(CARD)) == Authorization.blocked()


async def test_a_store_that_fails_is_an_error_of_the_script_and_accepts_nobody(load, store, asks) -> None:
    runner = await load("token_list")
    store.close_sync()
    assert await runner.ask("authorize", asks(CARD)) is None
    assert runner.errors == 1
