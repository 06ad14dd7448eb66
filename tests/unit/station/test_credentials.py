"""Passwords of stations, and the hash that is kept of each."""

import pytest

from bridge.station.credentials import Credentials, hash_password, installation_key, make_key
from bridge.store import Login

KEY = bytes(range(200, 220))  # no UTF-8


def credentials(**passwords: str) -> Credentials:
    hashes = {identity: hash_password(password) for identity, password in passwords.items()}
    return Credentials(logins(hashes))


def logins(hashes: dict[str, str]):
    """What the store knows, of the hash of each station's password."""
    return lambda identity: Login(hashes.get(identity))


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
    assert (await credentials(CP1=stored).check("CP1", "CP1", sent) is not None) is right


@pytest.mark.parametrize("user", ["", "CP2", "cp1", "CP1 ", "CP1\0"])
async def test_the_user_has_to_be_the_station(user):
    """J09"""
    assert await credentials(CP1="secret", CP2="other").check("CP1", user, b"secret") is None


async def test_a_station_without_a_password_does_not_get_in():
    assert await credentials(CP1="secret").check("CP3", "CP3", b"secret") is None


async def test_an_empty_password_lets_nobody_in():
    assert await credentials(CP1="").check("CP1", "CP1", b"") is None


async def test_a_hash_that_cannot_be_read_lets_nobody_in():
    assert await Credentials(logins({"CP1": "no hash"})).check("CP1", "CP1", b"no hash") is None


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
    assert all([await known.check("CP1", "CP1", b"secret") for _ in range(3)])
    assert len(checks) == 1


async def test_a_wrong_password_pays_each_time(checks):
    known = credentials(CP1="secret")
    await known.check("CP1", "CP1", b"secret")
    assert not any([await known.check("CP1", "CP1", b"guess") for _ in range(3)])
    assert len(checks) == 4


async def test_a_good_login_of_one_station_says_nothing_of_another(checks):
    known = credentials(CP1="secret", CP2="secret")
    assert await known.check("CP1", "CP1", b"secret")
    assert not await known.check("CP2", "CP1", b"secret")
    assert not await known.check("CP1", "CP2", b"secret")
    assert len(checks) == 3


async def test_a_password_that_was_changed_is_not_remembered():
    hashes = {"CP1": hash_password("old")}
    known = Credentials(logins(hashes))
    assert await known.check("CP1", "CP1", b"old")
    hashes["CP1"] = hash_password("new")
    assert not await known.check("CP1", "CP1", b"old")
    assert await known.check("CP1", "CP1", b"new")
    del hashes["CP1"]
    assert not await known.check("CP1", "CP1", b"new")


async def test_a_password_with_a_mark_is_known_at_once_and_a_wrong_one_is_not(tmp_path, checks):
    """J12: also after a restart"""
    stored = hash_password("secret", installation_key(tmp_path))
    known = Credentials(lambda identity: Login(stored), installation_key(tmp_path))
    assert known.recognize("CP1", "CP1", b"secret") == stored
    assert known.recognize("CP1", "CP1", b"Secret") is None
    assert known.recognize("CP1", "CP2", b"secret") is None
    assert checks == []
    assert await known.check("CP1", "CP1", b"Secret") is None


@pytest.mark.parametrize("sent", [KEY, KEY.hex().encode(), KEY.hex().upper().encode()])
def test_a_marked_key_is_known_in_every_spelling(sent):
    stored = hash_password(KEY.hex(), b"k" * 32)
    assert Credentials(lambda identity: Login(stored), b"k" * 32).recognize("CP1", "CP1", sent) == stored


@pytest.mark.parametrize("key", [b"", b"another"])
async def test_without_the_key_of_the_installation_a_password_is_right_all_the_same(key, checks):
    """A store that was brought to another machine."""
    stored = hash_password("secret", b"k" * 32)
    known = Credentials(lambda identity: Login(stored), key)
    assert known.recognize("CP1", "CP1", b"secret") is None
    found = await known.check("CP1", "CP1", b"secret")
    assert found is not None
    assert found.stored == stored
    assert await known.check("CP1", "CP1", b"guess") is None


@pytest.mark.parametrize("before", [b"", b"another"])
@pytest.mark.parametrize("password", ["secret", KEY.hex()])
@pytest.mark.parametrize("sent", ["text", "bytes"])
async def test_a_login_tells_how_its_password_should_be_marked(before, password, sent):
    """J12: a hash from before there were marks, or from a backup"""
    bytes_sent = KEY if (password, sent) == (KEY.hex(), "bytes") else password.encode()
    known = Credentials(lambda identity: Login(hash_password(password, before)), b"k" * 32)
    found = await known.check("CP1", "CP1", bytes_sent)
    assert found is not None
    assert found.marked != found.stored
    again = Credentials(lambda identity: Login(found.marked), b"k" * 32)
    for spelling in {password.encode(), bytes_sent}:
        assert again.recognize("CP1", "CP1", spelling) == found.marked
    assert again.recognize("CP1", "CP1", b"guess") is None
    assert await Credentials(lambda identity: Login(found.marked)).check("CP1", "CP1", bytes_sent) is not None


def test_the_key_of_an_installation_is_made_once_and_nobody_else_may_read_it(tmp_path):
    """S05"""
    key = installation_key(tmp_path / "project")
    assert len(key) == 32
    assert installation_key(tmp_path / "project") == key
    [file] = (tmp_path / "project").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(b"")  # as a crash may leave it
    assert len(installation_key(tmp_path / "project")) == 32
    assert installation_key(tmp_path / "project") != key


async def test_no_more_logins_are_remembered_than_may_be(checks, monkeypatch):
    monkeypatch.setattr("bridge.station.credentials.REMEMBERED", 1)
    known = credentials(CP1="one", CP2="two")
    for identity, password in (("CP1", b"one"), ("CP2", b"two"), ("CP2", b"two"), ("CP1", b"one")):
        assert await known.check(identity, identity, password)
    assert len(checks) == 3


async def test_a_key_that_the_bridge_made_is_right_in_every_spelling_and_never_slow(checks):
    """J10 S05"""
    key, stored = make_key()
    assert len(bytes.fromhex(key)) == 20
    assert key not in stored
    known = Credentials(lambda identity: Login(stored))
    for sent in (bytes.fromhex(key), key.encode(), key.upper().encode()):
        assert await known.check("CP1", "CP1", sent) == (stored, stored)
    assert checks == []
    assert await known.check("CP1", "CP1", bytes.fromhex(make_key()[0])) is None


@pytest.mark.parametrize("stored", ["$blake2b$", "$blake2b$?$x", "$blake2b$AAAA$AAAA"])
async def test_a_quick_hash_that_cannot_be_read_lets_nobody_in(stored):
    assert await Credentials(lambda identity: Login(stored)).check("CP1", "CP1", b"x") is None


async def test_a_password_that_is_pending_is_right_beside_the_old_one():
    """J11"""
    old, new = hash_password("old"), hash_password("new")
    known = Credentials(lambda identity: Login(old, (new,)))
    assert await known.check("CP1", "CP1", b"old") == (old, old)
    assert await known.check("CP1", "CP1", b"new") == (new, new)
    assert await known.check("CP1", "CP1", b"other") is None
