"""Every way in with certificates, and the wrong ones, over real channels."""

import asyncio
import struct
from hashlib import sha256

import pytest
import pytest_asyncio
from asyncua import Client, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import uacrypto
from asyncua.ua.ua_binary import struct_to_binary
from cryptography.hazmat.primitives.serialization import Encoding

from bridge.opcua.certificate import load_identity, renew
from bridge.opcua.settings import Account
from bridge.opcua.trust import MOST_OF_MACHINE, MOST_REJECTED, TRUSTED, thumbprint
from tests.unit.opcua.certificates import POLICIES, URI, Party, party, signed_strangely
from tests.unit.opcua.helpers import USERS, Site, read
from tests.unit.opcua.raw import Raw, hello

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def _closed():
    yield
    await Raw.close_all()


def trust(folder, *clients):
    place = folder / "pki" / TRUSTED
    place.mkdir(parents=True, exist_ok=True)
    for number, client in enumerate(clients):
        (place / f"{number}.der").write_bytes(client.der)


async def works(client: Client) -> bool:
    async with client:
        return (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
@pytest.mark.parametrize("user", ["", "olga"])
async def test_every_policy_and_mode_lets_anonymous_and_a_password_in(site, tmp_path, policy, mode, user):
    assert await works(await party().secure(site.client(user), tmp_path, policy, mode))


@pytest_asyncio.fixture(loop_scope="session")
async def guarded(start_site):
    return await start_site(trusts_everybody=False, security=("None", *POLICIES))


async def test_a_client_that_is_not_trusted_is_refused_when_it_opens_its_channel_until_it_is(guarded, tmp_path):
    """U09"""
    own = party()
    refused = await own.secure(guarded.client(), tmp_path)
    await refused.connect_socket()
    await refused.send_hello()
    with pytest.raises((ua.UaError, ConnectionError, asyncio.TimeoutError)):  # no CreateSession is needed for that
        await refused.open_secure_channel()
    refused.disconnect_socket()
    assert guarded.tree.bridge.value("Security.Clients.RejectedCertificates") >= 1
    assert "not in the trust list" in str(guarded.tree.bridge.value("Security.Clients.LastRejectedCertificate"))
    (found,) = guarded.server._guard.certificates.listed()
    guarded.server._guard.certificates.trust(found)
    assert await works(await own.secure(guarded.client(), tmp_path))


async def test_a_client_that_is_trusted_no_more_cannot_come_back(guarded, tmp_path):
    """U09"""
    own = party()
    trust(tmp_path, own)
    assert await works(await own.secure(guarded.client(), tmp_path))
    (tmp_path / "pki" / TRUSTED / "0.der").unlink()
    with pytest.raises((ua.UaError, ConnectionError, asyncio.TimeoutError)):
        await (await own.secure(guarded.client(), tmp_path)).connect()


async def test_a_client_whose_authority_comes_with_it_stays_in(guarded, tmp_path):
    """Only the root is known here: what lies between came when the channel was opened, and is not sent again."""
    root = party("root", authority=True, number=1)
    middle = party("middle", issuer=root, authority=True, number=2)
    own = party(issuer=middle)
    trust(tmp_path, root)
    certificate, secret = own.save(tmp_path / "own")
    between, _ = middle.save(tmp_path / "middle")
    client = guarded.client("olga")
    client.application_uri = URI
    await client.set_security(POLICIES["Basic256Sha256"], certificate, secret, certificate_chain=[between])
    async with client:
        guarded.server._server.iserver.end_strangers()
        assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def test_strangers_certificates_bury_nobody_elses(guarded):
    """A certificate is made in no time where nobody looks at its signature; of a new client's there is one."""
    guard = guarded.server._guard
    new = party("new HMI")
    flood = [party(f"stranger {number}") for number in range(60)]
    for each, address in ((new, "10.0.0.2"), *((each, "10.0.0.1") for each in flood)):
        with pytest.raises(ServiceError):
            guard.check_certificate(each.der, address)
    assert guarded.tree.bridge.value("Security.Clients.RejectedCertificates") == 61
    kept = [listed.thumbprint for listed in guard.certificates.listed()]
    assert thumbprint(new.certificate) in kept
    assert len(kept) < 15


async def test_however_long_a_machine_sends_strangers_certificates_it_buries_nobody_elses(guarded, monkeypatch):
    guard = guarded.server._guard
    monkeypatch.setattr(guard._rejected, "_each_second", 1e9)  # as if each had come some time after the last one
    new = party("new HMI")
    flood = [party(f"stranger {number}") for number in range(MOST_REJECTED + 10)]
    for each, address in ((new, "10.0.0.2"), *((each, "10.0.0.1") for each in flood)):
        with pytest.raises(ServiceError):
            guard.check_certificate(each.der, address)
    kept = {listed.thumbprint for listed in guard.certificates.listed()}
    assert kept == {thumbprint(each.certificate) for each in (new, *flood[-MOST_OF_MACHINE:])}


async def test_a_certificate_of_which_nobody_knows_how_it_is_signed_is_refused_and_counted(site):
    """U09"""
    before = site.tree.bridge.value("Security.Clients.RejectedCertificates") or 0
    raw = await Raw.connect(site)
    raw.writer.write(hello(site.server.endpoint))
    await raw.frame()
    policy = "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256"
    header = ua.AsymmetricAlgorithmHeader(policy, signed_strangely(party()), bytes(20))
    body = struct_to_binary(header) + bytes(256)
    raw.writer.write(struct.pack("<4sII", b"OPNF", 12 + len(body), 0) + body)
    assert await raw.error() == "BadSecurityChecksFailed"
    assert site.tree.bridge.value("Security.Clients.RejectedCertificates") == before + 1
    assert "signature cannot be read" in str(site.tree.bridge.value("Security.Clients.LastRejectedCertificate"))


async def test_a_session_belongs_to_the_certificate_of_its_channel(guarded, tmp_path):
    """U10"""
    own, other = party(), party("other", number=1)
    trust(tmp_path, own, other)
    client = await own.secure(guarded.client(), tmp_path)
    await client.connect_socket()
    await client.send_hello()
    await client.open_secure_channel()
    client.security_policy.host_certificate = other.der  # what CreateSession will say
    with pytest.raises(ua.uaerrors.BadCertificateInvalid):
        await client.create_session()
    client.security_policy.host_certificate = None
    with pytest.raises(ua.uaerrors.BadCertificateInvalid):
        await client.create_session()
    client.disconnect_socket()


async def test_a_client_is_the_application_that_its_certificate_names(guarded, tmp_path):
    own = party(uri="urn:somebody:else")
    trust(tmp_path, own)
    with pytest.raises(ua.uaerrors.BadCertificateUriInvalid):
        await (await own.secure(guarded.client(), tmp_path)).connect()


async def test_another_clients_session_is_not_there_on_a_channel_of_ones_own(guarded, tmp_path):
    """U01, U04"""
    own, other = party(), party("other", number=1)
    trust(tmp_path, own, other)
    async with await own.secure(guarded.client(), tmp_path) as client:
        thief = await other.secure(guarded.client(), tmp_path / "other")
        await thief.connect_socket()
        await thief.send_hello()
        await thief.open_secure_channel()
        thief.uaclient.protocol.authentication_token = client.uaclient.protocol.authentication_token
        request = ua.ActivateSessionRequest()
        request.Parameters.UserIdentityToken = ua.AnonymousIdentityToken(PolicyId="anonymous")
        with pytest.raises(ua.uaerrors.BadSessionIdInvalid):
            await thief.uaclient.protocol.send_request(request)
        thief.disconnect_socket()
        assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def created(raw: Raw) -> ua.CreateSessionResult:
    result = (await raw.ask(ua.CreateSessionRequest(), ua.CreateSessionResponse)).Parameters
    raw.token = result.AuthenticationToken
    return result


def token(site: Site, name: str, secret: bytes) -> ua.UserNameIdentityToken:
    public = site.server._server.iserver.certificate.public_key()
    cipher = uacrypto.encrypt_rsa_oaep(public, secret)
    return ua.UserNameIdentityToken(
        PolicyId="username",
        UserName=name,
        Password=cipher,
        EncryptionAlgorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep",
    )


async def activation(raw: Raw, user_token: ua.UserNameIdentityToken) -> str:
    request = ua.ActivateSessionRequest()
    request.Parameters.UserIdentityToken = user_token
    return await raw.status(raw.encode(request))


def sealed(password: bytes, nonce: bytes) -> bytes:
    return (len(password) + len(nonce)).to_bytes(4, "little") + password + nonce


async def test_an_encrypted_password_that_was_overheard_is_worth_nothing_in_another_session(site):
    """U11"""
    first, second = await Raw.open(site), await Raw.open(site)
    overheard = token(site, "olga", sealed(b"done", (await created(first)).ServerNonce))
    await created(second)
    assert await activation(second, overheard) == "BadUserAccessDenied"
    assert await activation(first, overheard) == "Good"
    assert await activation(first, overheard) == "BadUserAccessDenied"  # nor once more in the same one


@pytest.mark.parametrize(
    "secret",
    [
        lambda nonce: b"done",
        lambda nonce: sealed(b"done", b""),
        lambda nonce: sealed(b"done", nonce[:-1]),
        lambda nonce: (4).to_bytes(4, "little") + b"done" + nonce,
        lambda nonce: (2**32 - 1).to_bytes(4, "little") + b"done" + nonce,
        lambda nonce: sealed(b"\xff\xfe", nonce),
    ],
)
async def test_a_password_without_the_sessions_nonce_is_refused(site, secret):
    """U11"""
    raw = await Raw.open(site)
    nonce = (await created(raw)).ServerNonce
    assert await activation(raw, token(site, "olga", secret(nonce))) == "BadUserAccessDenied"


async def test_a_password_that_is_too_long_or_encrypted_the_old_way_is_refused(site):
    raw = await Raw.open(site)
    nonce = (await created(raw)).ServerNonce
    long = token(site, "olga", sealed(b"done", nonce))
    long.Password *= 20
    assert await activation(raw, long) == "BadIdentityTokenInvalid"
    old = token(site, "olga", sealed(b"done", nonce))
    old.EncryptionAlgorithm = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"
    assert await activation(raw, old) == "BadIdentityTokenInvalid"


async def test_a_user_gets_in_with_a_certificate_and_its_key_alone(start_site, tmp_path):
    anna, stranger = party("anna", number=1), party("stranger", number=2)
    site = await start_site(users={"anna": Account(role="admin", certificate=sha256(anna.der).hexdigest())})
    for user, key, expected in (
        (anna, anna, ""),
        (stranger, stranger, "BadUserAccessDenied"),
        (anna, stranger, "BadUserSignatureInvalid"),
    ):
        client = await party().secure(site.client(), tmp_path)
        certificate, _ = user.save(tmp_path, "user")
        _, secret = key.save(tmp_path, "key")
        await client.load_client_certificate(str(certificate))
        await client.load_private_key(str(secret))
        if expected:
            with pytest.raises(getattr(ua.uaerrors, expected)):
                await client.connect()
        else:
            assert await works(client)
    assert [record.user for record in site.audit if record.status == "Good" and record.action == "login"] == ["anna"]


async def test_registrations_are_refused(site):
    """U15"""
    raw = await Raw.open(site)
    for service in ("RegisterServer", "RegisterServer2"):
        request = getattr(ua, f"{service}Request")()
        assert await raw.status(raw.encode(request)) == "BadServiceUnsupported"


async def test_a_channel_is_not_opened_again_and_again_without_a_session(site):
    raw = await Raw.open(site)
    for _ in range(5):
        raw.reopen()
    kinds = [(await raw.frame())[:3] for _ in range(5)]
    assert (kinds[0], kinds[-1]) == (b"OPN", b"ERR")
    assert await raw.reader.read() == b""


async def test_the_lifetime_of_a_channel_is_revised(site):
    client = site.client()
    client.secure_channel_timeout = 2**32 - 1
    async with client:
        assert client.uaclient.protocol._connection.security_token.RevisedLifetime == 3_600_000


async def reads_without_end(client: Client) -> None:
    while True:
        await read(client, "Bridge.StationsKnown")


async def test_a_user_who_was_removed_or_has_another_role_is_put_out(start_site):
    site = await start_site()
    gone = site.client("olga")
    await gone.connect()
    async with site.client("emma") as kept:
        changed = {**USERS, "olga": Account(role="observer", password_hash=USERS["olga"].password_hash)}
        site.server.set_users(changed)
        with pytest.raises((ua.UaError, ConnectionError, asyncio.TimeoutError)):
            await reads_without_end(gone)
        assert (await read(kept, "Bridge.StationsKnown")).StatusCode.name == "Good"
    async with site.client("olga") as again:
        assert (await read(again, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def test_after_its_certificate_was_renewed_the_server_answers_with_the_new_one(start_site, tmp_path):
    site = await start_site()
    before = site.server._server.iserver.certificate
    identity = load_identity(tmp_path / "pki", "127.0.0.1")
    site.server._server.replace_identity(renew(tmp_path / "pki", identity, "127.0.0.1"))
    endpoints = await site.client().connect_and_get_server_endpoints()
    told = {endpoint.ServerCertificate for endpoint in endpoints if endpoint.ServerCertificate}
    assert before.public_bytes(Encoding.DER) not in told
    assert await works(await party().secure(site.client("olga"), tmp_path))


async def test_a_user_with_a_certificate_does_not_wait_for_the_failures_of_another_one(start_site, tmp_path):
    """What is told of those names their certificate."""
    anna, stranger = party("anna", number=1), party("stranger", number=2)
    site = await start_site(users={"anna": Account(role="admin", certificate=sha256(anna.der).hexdigest())})
    waited, slowdown = [], site.server._guard.slowdown
    slept = slowdown._sleep
    slowdown._sleep = lambda seconds: waited.append(seconds) or slept(seconds)

    async def client_of(user: Party) -> Client:
        client = await party().secure(site.client(), tmp_path)
        certificate, secret = user.save(tmp_path, "user")
        await client.load_client_certificate(str(certificate))
        await client.load_private_key(str(secret))
        return client

    for _ in range(3):
        with pytest.raises(ua.uaerrors.BadUserAccessDenied):
            await (await client_of(stranger)).connect()
    assert await works(await client_of(anna))
    assert waited == []
    refused = {record.user for record in site.audit if record.status != "Good"}
    assert refused == {f"certificate {thumbprint(stranger.certificate)}"}


async def test_a_password_does_not_go_in_the_clear_over_a_channel_that_is_only_signed(site, tmp_path):
    """U08"""
    client = await party().secure(site.client(), tmp_path, mode="Sign")
    await client.connect_socket()
    await client.send_hello()
    await client.open_secure_channel()
    await client.create_session()
    client._encrypt_password = lambda password, policy: (password.encode(), None)
    with pytest.raises(ua.uaerrors.BadIdentityTokenRejected):
        await client.activate_session("olga", "done")
    client.disconnect_socket()


async def test_a_channel_is_renewed_by_the_client_alone_that_has_opened_it(guarded, tmp_path):
    """U10: not by another one, though it is trusted too and signs with its own key."""
    own, other = party(), party("other", number=1)
    trust(tmp_path, own, other)
    client = await own.secure(guarded.client(), tmp_path)
    await client.connect()
    await client.open_secure_channel(renew=True)
    await read(client, "Bridge.StationsKnown")
    policy = client.security_policy
    policy.host_certificate = other.der
    policy.asymmetric_cryptography.Signer.host_privkey = other.key
    with pytest.raises((ua.UaError, ConnectionError, asyncio.TimeoutError)):
        await client.open_secure_channel(renew=True)
    client.disconnect_socket()
    await client.disconnect()
