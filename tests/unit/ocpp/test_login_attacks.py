"""Who guesses passwords from many places, who listens, and who lets a browser do the work."""

import asyncio
import threading
from base64 import b64encode

import pytest
import websockets
from argon2 import PasswordHasher
from websockets.exceptions import InvalidStatus

from bridge.errors import StoreError
from bridge.station import admission, throttle
from bridge.station.admission import TOLD_OF_ADDRESS, Arrival
from bridge.station.credentials import Credentials, hash_password, make_key
from tests.unit.ocpp.secure import PASSWORD, basic, counted, eventually, lives
from tests.unit.station.rig import logged

HASH = hash_password(PASSWORD)
GUARDED = {"security_profile": 1}


async def login(rig, password, identity="CP1", host="127.0.0.1", **headers):
    """The HTTP status of a login from an address."""
    given = {**basic(identity, password), **headers} if password else headers
    try:
        async with rig.socket(identity, additional_headers=given, local_addr=(host, 0)):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.fixture
def stuck(monkeypatch):
    """Whoever's password has to be computed waits, as behind a thousand guessers."""
    go_on = threading.Event()
    verify = Credentials._verify

    def wait(self, *arguments):
        go_on.wait()
        return verify(self, *arguments)

    monkeypatch.setattr(Credentials, "_verify", wait)
    yield
    go_on.set()


@pytest.mark.parametrize("stored", ["a text", "a key that the bridge made"])
async def test_guessers_at_many_addresses_do_not_hold_up_the_station(start, stuck, stored):
    """J12: it has never been here since the start, and all the bridge's time for passwords is theirs."""
    rig = await start(ocpp=GUARDED)
    password, hashed = make_key() if "key" in stored else (PASSWORD, hash_password(PASSWORD, rig.context.login_key))
    await rig.store.set_password("CP1", hashed)
    guesses = [asyncio.create_task(login(rig, f"guess {n}", host=f"127.0.1.{n + 1}")) for n in range(20)]
    await eventually(lambda: len(rig.ocpp._connections) == 20)
    assert await login(rig, password) == 101
    assert await login(rig, password, host="127.0.1.1") == 101
    assert not any(guess.done() for guess in guesses)
    for guess in guesses:
        guess.cancel()
    await asyncio.gather(*guesses, return_exceptions=True)


@pytest.mark.parametrize("before", ["without a mark", "with the mark of another installation"])
@pytest.mark.parametrize("password", [PASSWORD, bytes(range(200, 220))], ids=["a text", "a key"])
async def test_a_password_from_before_is_known_at_once_after_its_first_login(start, monkeypatch, before, password):
    """J12: also after a restart, and amid guesses from its own address."""
    text = password if isinstance(password, str) else password.hex()
    rig = await start(ocpp=GUARDED)
    await rig.store.set_password("CP1", hash_password(text, b"" if "without" in before else b"k" * 32))
    assert await login(rig, password) == 101
    await rig.stop()
    rig = await start(ocpp=GUARDED)
    monkeypatch.setattr(throttle, "LONGEST_WAIT", 0.1)
    assert 429 in [await login(rig, f"guess {n}") for n in range(20)]
    assert await login(rig, "one guess more") == 429
    assert await login(rig, password) == 101
    assert await login(rig, text) == 101


async def test_who_guesses_is_not_told_at_once_which_guess_was_right(start, monkeypatch):
    """J12: else so many passwords could be tried as the line carries. The true station gets in a little later."""
    monkeypatch.setattr(throttle, "LONGEST_WAIT", 0.1)
    monkeypatch.setattr(throttle, "GLANCES", 5)
    monkeypatch.setattr(throttle, "GLANCES_EACH_SECOND", 0.001)
    rig = await start(ocpp=GUARDED)
    await rig.store.set_password("CP1", hash_password(PASSWORD, rig.context.login_key))
    statuses = [await login(rig, f"guess {n}") for n in range(8)]
    assert set(statuses) == {401, 429}
    assert await login(rig, PASSWORD) == 429
    assert await login(rig, PASSWORD, host="127.0.0.9") == 101
    rig.idle += 1_000
    assert await login(rig, PASSWORD) == 101


async def test_a_password_that_is_pending_gets_its_mark_too_and_is_settled(start):
    """J11 J12"""
    rig = await start(ocpp=GUARDED)
    await rig.store.set_password("CP1", HASH)
    await rig.store.add_pending_password("CP1", hash_password("the new password"), 4)
    assert await login(rig, "the new password") == 101
    assert rig.store.login("CP1").pending == ()
    known = Credentials(rig.store.login, rig.context.login_key)
    assert known.recognize("CP1", "CP1", b"the new password") == rig.store.login("CP1").hash
    assert await login(rig, PASSWORD) == 401


async def test_a_mark_that_cannot_be_stored_keeps_nobody_out(start, monkeypatch):
    rig = await start(ocpp=GUARDED)
    await rig.store.set_password("CP1", HASH)

    async def full(*arguments, **more):
        raise StoreError("the disk is full")

    monkeypatch.setattr(rig.store, "mark_password", full)
    assert await login(rig, PASSWORD) == 101


async def test_a_wrong_login_costs_the_same_whatever_is_wrong(start, monkeypatch):
    """J08: so the time that it takes tells nobody who is known, who has a password, and of which kind."""
    rig = await start(ocpp=GUARDED, station=[{"id": "CP4"}])
    await rig.store.set_password("CP1", hash_password(PASSWORD, rig.context.login_key))
    await rig.store.set_password("CP2", HASH)
    await rig.store.set_password("CP3", make_key()[1])
    await login(rig, "wrong", "X")  # the first wrong one of all makes what the unknown are compared with
    computed = []
    verify = PasswordHasher.verify
    monkeypatch.setattr(PasswordHasher, "verify", lambda *a, **k: computed.append(1) or verify(*a, **k))
    costs = {}
    for identity in ("CP1", "CP2", "CP3", "CP4", "CP5"):
        assert await login(rig, "a wrong password", identity) == 401
        costs[identity] = len(computed)
        computed.clear()
    for headers in (basic("CP2", "a wrong password"), basic("CP1", b""), basic("CP1", b"\xff" * 20)):
        assert await login(rig, "", "CP1", **headers) == 401
        costs[str(headers)] = len(computed)
        computed.clear()
    assert set(costs.values()) == {2}, costs


async def test_what_is_told_of_a_flood_of_wrong_logins_can_still_be_read(start, monkeypatch):
    """All are counted; of one address only so many are told, and the others' besides."""
    monkeypatch.setattr(throttle, "LONGEST_WAIT", 0.1)
    rig = await start(ocpp=GUARDED)
    await rig.store.set_password("CP1", HASH)
    statuses = [await login(rig, "guess") for _ in range(60)]
    assert counted(rig, "RefusedLogins") + counted(rig, "SlowedLogins") == 60
    assert 101 not in statuses
    told = [event for event in rig.events if event.type == "StationLoginFailed"]
    assert len(told) == TOLD_OF_ADDRESS
    assert await login(rig, "guess", host="127.0.0.9") == 401
    assert rig.events[-1].fields["RemoteAddress"] == "127.0.0.9"
    rig.idle += 3600
    await login(rig, "guess")
    assert rig.events[-1].message.endswith("; 40 more from there")


async def test_a_flood_from_everywhere_is_told_no_faster_than_it_can_be_read(start, monkeypatch):
    monkeypatch.setattr(admission, "TOLD", 5)
    rig = await start(ocpp=GUARDED)
    for number in range(9):
        rig.admission.refused("FailedHandshakes", f"10.0.{number}.1", None, "no TLS")
    assert counted(rig, "FailedHandshakes") == 9
    assert len(rig.events) == 5
    rig.idle += 3600
    rig.admission.refused("FailedHandshakes", "10.0.100.1", None, "no TLS")
    assert rig.events[-1].message.endswith("; 4 more elsewhere")


SECRETS = ("guessed-secret-1", "guessed-secret-2", "guessed-secret-3", "guessed-secret-4", "guessed-secret-5")


async def test_nothing_that_somebody_tries_to_log_in_with_is_kept_or_shown(start, tmp_path):
    """S05: a station's true password may have been typed in at the wrong place."""
    one, two, three, four, five = SECRETS
    with logged() as entries:
        rig = await start(ocpp=GUARDED)
        await rig.store.set_password("CP1", hash_password(five))
        assert await login(rig, one) == 401
        assert await login(rig, "x", f"CP1?token={two}") == 401
        assert await login(rig, "", Authorization=f"Bearer {three}") == 401
        assert await login(rig, "", Authorization="Basic " + b64encode(f"{four}:x".encode()).decode()) == 401
        assert await login(rig, five) == 101
        await rig.stop()
    seen = f"{rig.history}{entries}{rig.events}"
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in SECRETS:
        assert secret not in seen
        assert secret.encode() not in kept


def test_what_shows_an_arrival_shows_no_password():
    """S05"""
    assert PASSWORD not in repr(Arrival(identity="CP1", host="x", login=("CP1", PASSWORD.encode())))


# --- browsers ---

BROWSER = {"Origin": "https://evil.example", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"}


async def test_a_web_page_is_no_station_where_nobody_has_to_log_in(start):
    """Every page that is looked at on this machine reaches what listens on loopback."""
    rig = await start()
    with pytest.raises(InvalidStatus, match="403"):
        async with page(rig):
            pass
    assert counted(rig, "RefusedInsecure") == 1
    assert rig.stations.get("CP1") is None
    async with rig.socket("CP1") as station:
        with pytest.raises(InvalidStatus, match="403"):
            async with page(rig):
                pass
        await lives(station)


@pytest.mark.parametrize("missing", BROWSER)
async def test_a_station_that_says_half_of_what_browsers_say_gets_in(start, missing):
    rig = await start()
    async with page(rig, missing) as station:
        await lives(station)


async def test_a_simulator_in_a_browser_gets_in_where_that_is_meant(start):
    rig = await start(ocpp={"web_pages": True})
    async with page(rig) as station:
        await lives(station)


async def test_who_has_logged_in_may_be_whatever_it_says(start):
    rig = await start(ocpp=GUARDED)
    await rig.store.set_password("CP1", HASH)
    async with page(rig, **basic("CP1", PASSWORD)) as station:
        await lives(station)


def page(rig, missing="", **more):
    """What a page in a browser sends: these headers it cannot change."""
    headers = {name: value for name, value in {**BROWSER, **more}.items() if name not in {missing, "User-Agent"}}
    agent = None if missing == "User-Agent" else BROWSER["User-Agent"]
    return websockets.connect(
        rig.url("CP1"), subprotocols=["ocpp1.6"], additional_headers=headers, user_agent_header=agent
    )
