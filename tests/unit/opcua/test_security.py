"""Who gets in, as whom, and how."""

import asyncio

import pytest
from asyncua import Client, ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.opcua.helpers import call, read, text, write

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def secure(client: Client, folder, mode: ua.MessageSecurityMode) -> Client:
    """Gives a client a certificate of its own."""
    uri = "urn:test:client"
    client.application_uri = uri
    certificate, key = folder / "client.der", folder / "client.pem"
    await setup_self_signed_certificate(
        key, certificate, uri, "localhost", [ExtendedKeyUsageOID.CLIENT_AUTH], {"commonName": "client"}
    )
    await client.set_security(SecurityPolicyBasic256Sha256, certificate, key, mode=mode)
    return client


@pytest.mark.parametrize("mode", [ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt])
@pytest.mark.parametrize("user", ["", "olga"])
async def test_a_signed_and_an_encrypted_session_read_write_and_call(site, tmp_path, mode, user):
    station = site.station()
    async with await secure(site.client(user), tmp_path, mode) as client:
        site.set(station, "Info.Vendor", "V")
        assert (await read(client, f"{station.path}.Info.Vendor")).Value.Value == "V"
        assert await write(client, (f"{station.path}.Commands.Reset.Type", text("Soft"))) == ["Good"]
        assert (await call(client, f"{station.path}.Commands.Reset", text("Soft"))).StatusCode.name == "Good"
    assert {name for *_, name in site.writer.calls} == {user or "anonymous"}


async def test_the_certificate_names_the_application_uri(site, client):
    uri = (await client.get_namespace_array())[1]
    endpoints = await client.get_endpoints()
    for endpoint in endpoints:
        assert endpoint.Server.ApplicationUri == uri
        certificate = x509.load_der_x509_certificate(endpoint.ServerCertificate)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [uri]
    policies = {endpoint.SecurityPolicyUri.rpartition("#")[2] for endpoint in endpoints}
    assert policies == {"None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"}


BAD_LOGINS = [("olga", "wrong"), ("olga", ""), ("admin", "admin"), ("admin", ""), ("Admin", "x"), ("nobody", "done")]


@pytest.mark.parametrize(("name", "password"), BAD_LOGINS)
async def test_a_wrong_name_or_password_gets_nothing(site, name, password):
    """U13"""
    client = site.client(name, password)
    with pytest.raises(ua.UaStatusCodeError) as caught:
        await client.connect()
    # asyncua's client does not encrypt an empty password, and then it is refused for that
    expected = "BadUserAccessDenied" if password else "BadIdentityTokenRejected"
    assert type(caught.value).__name__ == expected


async def test_without_anonymous_only_users_get_in(start_site):
    """U12"""
    site = await start_site(anonymous="none")
    station = site.station()
    with pytest.raises(ua.UaError):
        await site.client().connect()
    async with site.client("otto") as client:
        assert (await read(client, f"{station.path}.State.Connected")).StatusCode.name == "Good"


async def test_an_anonymous_observer_may_only_look(start_site):
    """U12"""
    site = await start_site(anonymous="observer")
    path = f"{site.station().path}.Commands.Reset"
    async with site.client() as client:
        assert (await read(client, f"{path}.Type")).StatusCode.name == "Good"
        assert await write(client, (f"{path}.Type", text("Soft"))) == ["BadUserAccessDenied"]
        assert (await call(client, path, text("Soft"))).StatusCode.name == "BadUserAccessDenied"


async def test_a_plain_channel_can_only_discover_where_none_is_not_configured(start_site, tmp_path):
    """U07"""
    site = await start_site(security=("Basic256Sha256",))
    endpoints = await site.client().connect_and_get_server_endpoints()
    assert {endpoint.SecurityMode.name for endpoint in endpoints} == {"Sign", "SignAndEncrypt"}
    plain = site.client()
    await plain.connect_socket()
    await plain.send_hello()
    await plain.open_secure_channel()
    with pytest.raises(ua.uaerrors.BadSecurityPolicyRejected):
        await plain.create_session()
    await plain.close_secure_channel()
    plain.disconnect_socket()
    async with await secure(site.client(), tmp_path, ua.MessageSecurityMode.SignAndEncrypt) as client:
        assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def test_a_password_does_not_go_in_the_clear(start_site):
    """U08"""
    site = await start_site(security=("None",))
    with pytest.raises(ua.UaError):
        await site.client("olga").connect()


async def test_a_plain_password_is_taken_where_that_is_allowed(start_site):
    """U08"""
    site = await start_site(security=("None",), plain_passwords=True)
    async with site.client("olga") as client:
        assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def test_tokens_of_sessions_cannot_be_guessed(site, client):
    """U03"""
    async with site.client() as other:
        tokens = {each.uaclient.session.authentication_token.Identifier for each in (client, other)}
    assert len(tokens) == 2
    assert all(isinstance(token, bytes) and len(token) >= 16 for token in tokens)


async def test_a_token_that_nobody_was_given_is_refused(site, client):
    """U02"""
    protocol = client.uaclient.protocol
    own = protocol.authentication_token
    for wrong in (bytes(32), own.Identifier[:-1] + bytes([own.Identifier[-1] ^ 1])):
        protocol.authentication_token = ua.NodeId(wrong, own.NamespaceIndex, ua.NodeIdType.ByteString)
        with pytest.raises(ua.uaerrors.BadSessionIdInvalid):
            await read(client, "Bridge.StationsKnown")
    protocol.authentication_token = own
    assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def test_another_sessions_token_is_refused_and_changes_nothing(site, client):
    """U01"""
    async with site.client() as other:
        mine, theirs = (each.uaclient.protocol for each in (client, other))
        own, mine.authentication_token = mine.authentication_token, theirs.authentication_token
        with pytest.raises(ua.uaerrors.BadSessionIdInvalid):
            await read(client, "Bridge.StationsKnown")
        mine.authentication_token = own
        for each in (client, other):
            assert (await read(each, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def test_stopping_ends_every_session_and_leaves_no_task(tmp_path, start_site):
    site = await start_site()
    station = site.station()
    site.writer.waits[f"{station.path}.Commands.ClearCache.Call"] = asyncio.Event()
    client = site.client()
    await client.connect()
    await client.create_subscription(20, object())
    waiting = asyncio.create_task(call(client, f"{station.path}.Commands.ClearCache"))
    await site.writer.started.wait()
    tasks = asyncio.all_tasks()
    await site.server.stop()
    await client.disconnect()
    with pytest.raises((ConnectionError, ua.UaError, asyncio.CancelledError)):
        await waiting
    left = [task for task in tasks if not task.done() and "bridge" in repr(task.get_coro())]
    assert left == []


async def channel(site, token: ua.NodeId, user: str = "") -> Client:
    """A new connection with a channel, for a session that is another's."""
    client = site.client(user)
    await client.connect_socket()
    await client.send_hello()
    await client.open_secure_channel()
    client.uaclient.protocol.authentication_token = token
    return client


async def activate(client: Client, token: object) -> None:
    request = ua.ActivateSessionRequest()
    request.Parameters.UserIdentityToken = token
    await client.uaclient.protocol.send_request(request)


async def test_a_session_moves_to_a_new_connection_of_the_same_user(site, client):
    """U04"""
    own = client.uaclient.protocol.authentication_token
    second = await channel(site, own)
    await activate(second, ua.AnonymousIdentityToken(PolicyId="anonymous"))
    assert (await read(second, "Bridge.StationsKnown")).StatusCode.name == "Good"
    with pytest.raises(ua.uaerrors.BadSessionIdInvalid):
        await read(client, "Bridge.StationsKnown")
    await activate(client, ua.AnonymousIdentityToken(PolicyId="anonymous"))
    second.disconnect_socket()
    assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def test_a_session_does_not_move_to_another_user(start_site):
    """U04, U05"""
    site = await start_site(plain_passwords=True)
    async with site.client() as client:
        second = await channel(site, client.uaclient.protocol.authentication_token)
        with pytest.raises(ua.uaerrors.BadUserAccessDenied):
            await activate(second, ua.UserNameIdentityToken(PolicyId="username", UserName="olga", Password=b"done"))
        with pytest.raises(ua.UaStatusCodeError):
            await read(second, "Bridge.StationsKnown")
        second.disconnect_socket()
        assert (await read(client, "Bridge.StationsKnown")).StatusCode.name == "Good"


async def test_a_wrong_password_leaves_a_session_what_it_was(start_site):
    """U05"""
    site = await start_site(plain_passwords=True)
    station = site.station()
    async with site.client("otto") as client:
        with pytest.raises(ua.uaerrors.BadUserAccessDenied):
            await activate(client, ua.UserNameIdentityToken(PolicyId="username", UserName="olga", Password=b"no"))
        codes = await write(client, (f"{station.path}.Commands.Reset.Type", text("Soft")))
        assert codes == ["BadUserAccessDenied"]
