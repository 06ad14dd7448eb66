"""Passwords of stations, and the hash that is kept of each."""

import pytest

from bridge.station.credentials import Credentials, hash_password

KEY = bytes(range(200, 220))  # no UTF-8


def credentials(**passwords: str) -> Credentials:
    hashes = {identity: hash_password(password) for identity, password in passwords.items()}
    return Credentials(hashes.get)


@pytest.mark.parametrize(
    ("stored", "sent", "right"),
    [
        ("secret", b"secret", True),
        ("secret", b"Secret", False),
        ("secret", b"", False),
        ("pässword", "pässword".encode(), True),
        ("pässword", "pässword".encode("latin-1"), False),
        (KEY.hex(), KEY, True),
        (KEY.hex().upper(), KEY, True),
        (KEY.hex(), KEY.hex().encode(), True),
        (KEY.hex(), KEY.hex().upper().encode(), True),
        (KEY.hex(), KEY[:-1], False),
        (KEY.hex(), KEY[:-1] + b"\0", False),
        ("ABCDEF", b"abcdef", False),
    ],
)
async def test_a_password_is_right_or_wrong(stored, sent, right):
    """J10: a key of hexadecimal digits is the bytes that they stand for."""
    assert await credentials(CP1=stored).check("CP1", "CP1", sent) is right


@pytest.mark.parametrize("user", ["", "CP2", "cp1", "CP1 ", "CP1\0"])
async def test_the_user_has_to_be_the_station(user):
    """J09"""
    assert await credentials(CP1="secret", CP2="other").check("CP1", user, b"secret") is False


async def test_a_station_without_a_password_does_not_get_in():
    assert await credentials(CP1="secret").check("CP3", "CP3", b"secret") is False


async def test_a_hash_that_cannot_be_read_lets_nobody_in():
    assert await Credentials({"CP1": "no hash"}.get).check("CP1", "CP1", b"no hash") is False


def test_a_hash_does_not_hold_the_password_and_differs_each_time():
    """S05"""
    first, second = hash_password("secret"), hash_password("secret")
    assert first != second
    assert "secret" not in first
    assert first.startswith("$argon2id$")


@pytest.fixture
def checks(monkeypatch):
    """How often a password was compared with a hash."""
    made = []
    verify = Credentials._verify

    def counted(self, *arguments):
        made.append(arguments)
        return verify(self, *arguments)

    monkeypatch.setattr(Credentials, "_verify", counted)
    return made


async def test_a_good_login_that_comes_again_is_not_computed_again(checks):
    known = credentials(CP1="secret")
    assert [await known.check("CP1", "CP1", b"secret") for _ in range(3)] == [True, True, True]
    assert len(checks) == 1


async def test_a_wrong_password_pays_each_time(checks):
    known = credentials(CP1="secret")
    await known.check("CP1", "CP1", b"secret")
    assert [await known.check("CP1", "CP1", b"guess") for _ in range(3)] == [False, False, False]
    assert len(checks) == 4


async def test_a_good_login_of_one_station_says_nothing_of_another(checks):
    known = credentials(CP1="secret", CP2="secret")
    assert await known.check("CP1", "CP1", b"secret")
    assert not await known.check("CP2", "CP1", b"secret")
    assert not await known.check("CP1", "CP2", b"secret")
    assert len(checks) == 3


async def test_a_password_that_was_changed_is_not_remembered():
    hashes = {"CP1": hash_password("old")}
    known = Credentials(hashes.get)
    assert await known.check("CP1", "CP1", b"old")
    hashes["CP1"] = hash_password("new")
    assert not await known.check("CP1", "CP1", b"old")
    assert await known.check("CP1", "CP1", b"new")
    del hashes["CP1"]
    assert not await known.check("CP1", "CP1", b"new")


async def test_no_more_logins_are_remembered_than_may_be(checks, monkeypatch):
    monkeypatch.setattr("bridge.station.credentials.REMEMBERED", 1)
    known = credentials(CP1="one", CP2="two")
    for identity, password in (("CP1", b"one"), ("CP2", b"two"), ("CP2", b"two"), ("CP1", b"one")):
        assert await known.check(identity, identity, password)
    assert len(checks) == 3
