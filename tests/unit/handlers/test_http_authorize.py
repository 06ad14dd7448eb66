"""http_authorize.py against a real web server: what it asks, what it answers, and what it does when that is away."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.api import Authorization, StopTransactionRequest
from bridge.errors import ProjectError
from tests.webservice import WebService

ACCEPTED = (200, {"status": "Accepted"})
TROUBLE = (503, {})
UNKNOWN = (204, b"")
SECRET = "s3cret-of-the-site"
FULL = {
    "status": "Accepted",
    "parent_id_token": "FLEET",
    "parent_id_token_type": "Local",
    "expiry": "2099-12-31T13:00:00+01:00",
    "personal_message": "Welcome",
    "what else it says": [1],
}


@pytest.fixture
def service() -> Iterator[WebService]:
    with WebService(ACCEPTED) as running:
        yield running


@pytest.fixture
def start(load, service):
    """Starts the script with these settings; it asks the service."""

    async def start(**settings: Any) -> Any:
        return await load("http_authorize", http_authorize={"url": service.url, **settings})

    return start


async def test_the_service_is_told_who_asks_and_its_answer_is_taken_over(start, service, asks, monkeypatch) -> None:
    monkeypatch.setenv("TOKENS_KEY", "s3cret")
    service.replies = [(200, FULL)]
    runner = await start(headers={"Authorization": "Bearer ${TOKENS_KEY}", "X-Price": "$$1"})
    assert await runner.ask("authorize", asks("04A2", "ISO14443")) == Authorization(
        status="Accepted",
        parent_id_token="FLEET",
        parent_id_token_type="Local",
        expiry=4_102_401_600.0,
        personal_message="Welcome",
    )
    [(path, headers, question)] = service.asked
    assert (path, headers["Authorization"], headers["X-Price"]) == ("/tokens", "Bearer s3cret", "$1")
    assert question == {
        "station": "CP1",
        "area": "Depot/Hall 1",
        "request": "authorize",
        "id_token": "04A2",
        "id_token_type": "ISO14443",
    }


async def test_a_token_that_the_service_does_not_know_is_the_next_scripts_affair(start, service, asks) -> None:
    service.replies = [UNKNOWN]
    runner = await start()
    assert await runner.ask("authorize", asks()) is None
    assert runner.errors == 0


async def test_an_answer_is_remembered_whatever_the_tokens_case(start, service, asks) -> None:
    runner = await start()
    for token in ("04a2", "04A2", "04a2"):
        assert await runner.ask("authorize", asks(token)) == Authorization.accepted()
    assert service.tokens == ["04a2"]


async def test_no_more_answers_are_remembered_than_the_cache_holds(start, service, asks) -> None:
    runner = await start(cache_size=2)
    for token in ("A", "B", "C", "C", "B", "A"):
        await runner.ask("authorize", asks(token))
    assert service.tokens == ["A", "B", "C", "A"]


async def test_an_old_answer_is_asked_for_again(start, service, asks) -> None:
    runner = await start(cache_time=0)
    service.replies = [ACCEPTED, (200, {"status": "Blocked"})]
    assert await runner.ask("authorize", asks()) == Authorization.accepted()
    assert await runner.ask("authorize", asks()) == Authorization.blocked()


async def test_a_service_that_stumbles_is_asked_again(start, service, asks) -> None:
    service.replies = [TROUBLE, ACCEPTED]
    runner = await start(attempts=2)
    assert await runner.ask("authorize", asks()) == Authorization.accepted()
    assert (len(service.asked), runner.errors) == (2, 0)


@pytest.mark.parametrize(
    ("reply", "attempts"),
    [
        (TROUBLE, 2),
        ((403, {}), 1),
        ((404, {}), 1),
        ((302, {}), 1),
        ((302, {"status": "Accepted"}), 1),
        ((201, {"status": "Accepted"}), 1),
        ((200, b'{"status":"Accepted","parent_id_token":"\xff"}'), 1),
        ((200, b'{"x":' + b"[" * 100_000), 1),
        ((200, b" " * 1_000_000), 1),
        ((200, {"status": "Fine"}), 1),
        ((200, {"status": "Accepted", "expiry": "tomorrow"}), 1),
        ((200, b"<html>"), 1),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_anything_else_counts_as_a_service_that_is_away(start, service, asks, reply, attempts) -> None:
    service.replies = [reply]
    runner = await start(attempts=2)
    with capture_logs() as logs:
        assert await runner.ask("authorize", asks()) is None  # the next script's affair
    assert [entry["event"] for entry in logs if entry["event"].startswith("http")] == ["http_authorize.away"]
    assert (len(service.asked), runner.errors) == (attempts, 0)
    assert {path for path, *_ in service.asked} == {"/tokens"}  # a redirection could carry the secret elsewhere


@pytest.mark.parametrize("reply", [TROUBLE, (401, {}), (302, {}), (200, b"<html>"), (200, {"status": SECRET}), None])
async def test_the_secret_is_in_no_log_whatever_goes_wrong(start, service, asks, monkeypatch, reply) -> None:
    monkeypatch.setenv("TOKENS_KEY", SECRET)
    service.replies = [reply or ACCEPTED]
    if reply is None:
        service.gate.clear()  # no answer at all
    runner = await start(headers={"Authorization": "Bearer ${TOKENS_KEY}"}, attempts=2, timeout=0.5)
    with capture_logs() as logs:
        await runner.ask("authorize", asks())
    assert service.asked[0][1]["Authorization"] == f"Bearer {SECRET}"
    assert "http_authorize.away" in [entry["event"] for entry in logs]
    assert SECRET not in repr(logs)


async def test_a_netrc_file_is_not_used(start, service, asks, monkeypatch, tmp_path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login anna password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    runner = await start()
    assert await runner.ask("authorize", asks()) == Authorization.accepted()
    assert "Authorization" not in service.asked[0][1]


async def test_the_proxy_of_the_environment_is_used(load, asks, service, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", service.url.replace("//", "//anna:secret@"))
    monkeypatch.delenv("no_proxy", raising=False)
    runner = await load("http_authorize", http_authorize={"url": "http://tokens.example.com/authorize"})
    assert await runner.ask("authorize", asks()) == Authorization.accepted()
    [(path, headers, _)] = service.asked
    assert path == "http://tokens.example.com/authorize"
    assert headers["Proxy-Authorization"] == "Basic YW5uYTpzZWNyZXQ="


async def test_who_asks_the_same_at_the_same_time_shares_the_answer(start, service, asks) -> None:
    runner = await start()
    answers = await asyncio.gather(*(runner.ask("authorize", asks(token)) for token in ("A", "a", "B", "A")))
    assert answers == [Authorization.accepted()] * 4
    assert sorted(service.tokens) == ["A", "B"]


async def test_a_token_that_has_expired_is_so_whatever_the_service_says(start, service, asks) -> None:
    service.replies = [(200, {"status": "Accepted", "expiry": "2000-01-01T00:00:00Z"})]
    runner = await start()
    for _ in range(2):  # the second one is remembered
        assert await runner.ask("authorize", asks()) == Authorization(status="Expired", expiry=946_684_800.0)


@pytest.mark.parametrize("away", ["Accepted", "Blocked", "Invalid"])
async def test_a_site_decides_what_is_answered_while_the_service_is_away(start, service, asks, away) -> None:
    service.replies = [TROUBLE]
    runner = await start(away=away)
    assert await runner.ask("authorize", asks()) == Authorization(status=away)
    assert runner.errors == 0


async def test_nobody_listening_is_a_service_that_is_away(load, asks) -> None:
    with WebService(ACCEPTED) as gone:
        url = gone.url
    runner = await load("http_authorize", http_authorize={"url": url, "away": "Invalid"})
    assert await runner.ask("authorize", asks()) == Authorization.invalid()


async def test_a_service_that_does_not_answer_is_given_up_at_the_timeout(start, service, asks) -> None:
    service.gate.clear()
    runner = await start(timeout=0.2, attempts=2, away="Blocked")
    assert await runner.ask("authorize", asks()) == Authorization.blocked()


async def test_what_was_answered_before_holds_while_the_service_is_away(start, service, asks) -> None:
    service.replies = [(200, {"status": "Blocked"}), UNKNOWN, TROUBLE]
    runner = await start(cache_time=0, away="Invalid")
    before = [await runner.ask("authorize", asks(token)) for token in ("A", "B")]
    assert before == [Authorization.blocked(), None]
    during = [await runner.ask("authorize", asks(token)) for token in ("A", "B", "C")]
    assert during == [*before, Authorization.invalid()]  # the service was never asked about C


async def test_nothing_is_remembered_for_bad_days_where_the_site_does_not_want_it(start, service, asks) -> None:
    service.replies = [ACCEPTED, TROUBLE]
    runner = await start(cache_time=0, remember=0, away="Invalid")
    await runner.ask("authorize", asks())
    assert await runner.ask("authorize", asks()) == Authorization.invalid()


async def test_a_stop_without_a_token_asks_nobody(start, service, station) -> None:
    runner = await start()
    stop = StopTransactionRequest(station=station, version="1.6", payload={}, transaction_id="1")
    assert await runner.ask("stop_transaction", stop) is None
    assert service.asked == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "ftp://x"}, "url"),
        ({"url": "http://"}, "url: expected https://host/path"),
        ({"timeout": 0}, "timeout"),
        ({"away": "open"}, "away"),
        ({"cache": 1}, "cache"),
        ({"headers": {"Authorization": "Bearer ${NOT_THERE}"}}, "no environment variable 'NOT_THERE'"),
    ],
)
async def test_wrong_settings_are_a_mistake_of_the_project(start, settings, said) -> None:
    with pytest.raises(ProjectError, match=rf"http_authorize\.py.*{said}"):
        await start(**settings)
