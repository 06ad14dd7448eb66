"""Who was let in and may not be there any more, and the server's own certificate, while it runs."""

import asyncio
import shutil

import pytest
import structlog
from argon2 import PasswordHasher
from asyncua import Client, ua

from bridge.opcua import upkeep
from bridge.opcua.certificate import CERTIFICATE, KEY, application_uri
from bridge.opcua.settings import Account
from tests.unit.opcua.certificates import Party, party
from tests.unit.opcua.helpers import USERS, Site, read
from tests.unit.opcua.test_getting_in import reads_without_end

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOST = (ua.UaError, ConnectionError, asyncio.TimeoutError)
_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def often(monkeypatch):
    """The files are looked at all the time."""
    monkeypatch.setattr(upkeep, "EVERY", 0.02)


async def reads_until_it_is_put_out(client: Client) -> None:
    async with asyncio.timeout(60):
        with pytest.raises(LOST):
            await reads_without_end(client)
    await client.disconnect()


async def stays(client: Client) -> bool:
    return (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def guarded(start_site, folder, *trusted: Party) -> Site:
    place = folder / "pki" / "trusted" / "certs"
    place.mkdir(parents=True, exist_ok=True)
    (folder / "pki" / "trusted" / "crl").mkdir(exist_ok=True)
    for number, each in enumerate(trusted):
        (place / f"{number}.der").write_bytes(each.der)
    return await start_site(trusts_everybody=False, security=("Basic256Sha256",))


async def test_a_client_that_its_authority_revokes_is_put_out_and_others_stay(start_site, tmp_path, often):
    authority = party("authority", number=1, authority=True)
    good, bad = party("good", issuer=authority), party("bad", issuer=authority, number=2)
    site = await guarded(start_site, tmp_path, authority)
    revoked = await bad.secure(site.client(), tmp_path / "bad")
    await revoked.connect()
    async with await good.secure(site.client(), tmp_path / "good") as kept:
        (tmp_path / "pki" / "trusted" / "crl" / "authority.crl").write_bytes(authority.revokes(bad))
        await reads_until_it_is_put_out(revoked)
        assert await stays(kept)
    with pytest.raises(LOST):
        await (await bad.secure(site.client(), tmp_path / "bad")).connect()


async def test_a_client_that_is_moved_out_of_the_trusted_ones_is_put_out(start_site, tmp_path, often):
    own = party()
    site = await guarded(start_site, tmp_path, own)
    client = await own.secure(site.client(), tmp_path / "own")
    await client.connect()
    assert await stays(client)
    certificates = site.server._guard.certificates
    (listed,) = certificates.listed()
    certificates.reject(listed)
    await reads_until_it_is_put_out(client)


async def test_a_client_whose_certificate_ends_is_put_out(start_site, tmp_path, often):
    """No file changes: only time passes."""
    own = party()
    site = await guarded(start_site, tmp_path, own)
    client = await own.secure(site.client(), tmp_path / "own")
    await client.connect()
    assert await stays(client)
    end = own.certificate.not_valid_after_utc
    site.server._guard.certificates._clock = lambda: end.replace(year=end.year + 1)
    await reads_until_it_is_put_out(client)


async def test_whose_password_is_changed_is_put_out_and_gets_in_with_the_new_one(start_site):
    """Somebody else may know the old one."""
    site = await start_site()
    olga = site.client("olga")
    await olga.connect()
    async with site.client("emma") as emma:
        site.server.set_users({**USERS, "olga": Account(role="operator", password_hash=_HASHER.hash("new"))})
        await reads_until_it_is_put_out(olga)
        assert await stays(emma)
    with pytest.raises(ua.uaerrors.BadUserAccessDenied):
        await site.client("olga").connect()
    async with site.client("olga", "new") as again:
        assert await stays(again)


async def test_a_user_that_is_removed_while_the_password_is_looked_at_does_not_get_in(start_site, monkeypatch):
    site = await start_site()
    users, change = site.server._users, asyncio.get_running_loop().call_soon_threadsafe
    check = users._check

    def slow(stored: str, password: str | None) -> bool:
        change(site.server.set_users, {})
        return check(stored, password)

    monkeypatch.setattr(users, "_check", slow)
    with pytest.raises(ua.uaerrors.BadUserAccessDenied):
        await site.client("olga").connect()


# The server's own certificate


async def endpoints(site: Site) -> set[bytes]:
    found = await site.client().connect_and_get_server_endpoints()
    return {endpoint.ServerCertificate for endpoint in found if endpoint.ServerCertificate}


async def test_a_certificate_that_the_site_puts_in_its_place_is_taken_while_it_runs(start_site, tmp_path, often):
    site = await start_site()
    told = []
    site.tree.events.append(told.append)
    (before,) = await endpoints(site)
    own = party("site", number=3, uri=application_uri())
    certificate, key = own.save(tmp_path / "new")
    with structlog.testing.capture_logs() as lines:
        shutil.copy(certificate, tmp_path / "pki" / CERTIFICATE)  # for a moment they do not belong together
        async with asyncio.timeout(60):
            while not [line for line in lines if "not_taken" in line["event"]]:  # noqa: ASYNC110 - nobody tells when
                await asyncio.sleep(0.01)
    assert await endpoints(site) == {before}
    shutil.copy(key, tmp_path / "pki" / KEY)
    async with asyncio.timeout(60):
        while await endpoints(site) != {own.der}:  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.01)
    assert [event.type for event in told if event.type.startswith("Certificate")] == [
        "CertificateRenewed",
        "CertificateExpiring",  # it ends tomorrow
    ]
    client = await party().secure(site.client("olga"), tmp_path / "client")
    async with client:
        assert await stays(client)
