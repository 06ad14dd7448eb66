"""Certificates for the tests of TLS, and stations that connect with them."""

import asyncio
import json
import ssl
from base64 import b64encode
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from websockets.exceptions import InvalidHandshake, InvalidStatus

from tests.unit.ocpp.wires import LOOPS
from tests.unit.station.rig import SUBPROTOCOL, WAIT, Rig, Starter, ask

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
PASSWORD = "correct horse battery"


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def subject(*names: str, organization: str = "") -> x509.Name:
    found = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names]
    more = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*found, *more])


class Files:
    """A certificate chain and its key, as files."""

    def __init__(self, stem: Path, certificate: x509.Certificate, key: Any) -> None:
        self.certificate, self.key = stem.with_suffix(".pem"), stem.with_suffix(".key")
        self.x509 = certificate
        self.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        self.key.touch(0o600)
        self.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


class Ca:
    """A certificate authority; `folder` gets the files of what it issues."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self._folder = folder
        self._key, self._name, self._count = ec_key(), subject(name), 0
        builder = self._builder(self._name, self._key.public_key(), NOW - DAY, NOW + 365 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.path = folder / f"{name.replace(' ', '-')}.pem"
        self.path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        self.crl = folder / f"{name.replace(' ', '-')}-crl.pem"
        self.revoke()

    def station(self, *names: str, since: datetime = NOW - DAY, until: datetime = NOW + 90 * DAY, **more: Any) -> Files:
        return self._issue(subject(*names, organization=more.pop("organization", "")), since, until, CLIENT, **more)

    def server(self, **more: Any) -> Files:
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")])
        until = more.pop("until", NOW + 90 * DAY)
        return self._issue(subject("127.0.0.1"), NOW - DAY, until, SERVER, names, **more)

    def revoke(self, *revoked: Files, until: datetime = NOW + 90 * DAY) -> None:
        """Writes its list of revoked certificates."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        builder = builder.last_update(NOW - DAY).next_update(until)
        for one in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(one.x509.serial_number).revocation_date(NOW).build()
            )
        self.crl.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def _issue(
        self, name: x509.Name, since: datetime, until: datetime, usage: Any, names: Any = None, key: Any = None
    ) -> Files:
        key = key or ec_key()
        builder = self._builder(name, key.public_key(), since, until)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        self._count += 1
        stem = self._folder / f"{self.path.stem}-{self._count}"
        return Files(stem, builder.sign(self._key, hashes.SHA256()), key)

    def _builder(self, name: x509.Name, key: Any, since: datetime, until: datetime) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder(issuer_name=self._name, subject_name=name, public_key=key)
        return builder.serial_number(x509.random_serial_number()).not_valid_before(since).not_valid_after(until)


def tls(*servers: Files, ca: Ca | None = None, **more: Any) -> dict[str, Any]:
    """`[ocpp.tls]`"""
    found: dict[str, Any] = {
        "port": 0,
        "certificates": [str(one.certificate) for one in servers],
        "keys": [str(one.key) for one in servers],
        **more,
    }
    return found if ca is None else {**found, "client_ca": str(ca.path)}


def trusting(ca: Ca, shown: Files | None = None) -> ssl.SSLContext:
    """What a station's TLS is like that trusts this authority and shows this certificate."""
    context = ssl.create_default_context(cafile=ca.path)
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    return context


def basic(user: str, password: str | bytes) -> dict[str, str]:
    secret = password if isinstance(password, bytes) else password.encode()
    return {"Authorization": "Basic " + b64encode(user.encode() + b":" + secret).decode()}


@asynccontextmanager
async def secure(rig: Rig, identity: str, context: ssl.SSLContext, password: str | bytes | None = None, **options: Any):
    """A websocket over TLS."""
    headers = {} if password is None else {"additional_headers": basic(identity, password)}
    given = {"subprotocols": [SUBPROTOCOL], "compression": None, "max_size": None, **headers, **options}
    async with websockets.connect(rig.ocpp.urls[-1] + identity, ssl=context, **given) as socket:
        yield socket


BEAT = [2, "beat", "Heartbeat", {}]


async def lives(socket):
    assert (await ask(socket, BEAT))[:2] == [3, "beat"]


async def refused(rig, context, password=None, identity="CP1", **options):
    """The HTTP status that a station is refused with, or None where its TLS handshake failed."""
    with pytest.raises((InvalidHandshake, OSError)) as caught:
        async with asyncio.timeout(WAIT), secure(rig, identity, context, password, **options) as socket:
            await socket.recv()  # with TLS 1.3 a client hears late that its certificate was refused
    assert not isinstance(caught.value, TimeoutError), "it got in"
    return caught.value.response.status_code if isinstance(caught.value, InvalidStatus) else None


async def eventually(condition):
    """Waits until something holds of which nobody tells."""
    async with asyncio.timeout(2 * WAIT):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def counted(rig, name):
    rig.admission.show()
    return rig.value(f"Bridge.Security.Stations.{name}")


# What is no station


def address(rig):
    """Of the port with TLS, where there is one."""
    host, port = rig.ocpp.urls[-1].split("/")[2].split(":")
    return host, int(port)


@asynccontextmanager
async def half_open(rig, data=b"", **options):
    """A connection that sends this and no more; what comes back."""
    reader, writer = await asyncio.open_connection(*address(rig), **options)
    writer.write(data)
    try:
        yield reader
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def ended(reader):
    """Waits until the bridge has ended a connection, in whatever way."""
    with suppress(ConnectionError):
        while await reader.read(65536):
            pass


def run_on(loop, tmp_path, test, **ocpp):
    """A test with a bridge of its own, on one kind of event loop."""

    async def bounded():
        async with asyncio.timeout(2 * WAIT), AsyncExitStack() as stack:
            starter = Starter(tmp_path)
            stack.push_async_callback(starter.close)
            ca = Ca(tmp_path)
            rig = await starter(ocpp={"security_profile": 3, "tls": tls(ca.server(), ca=ca), **ocpp})
            await test(rig, ca)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(bounded())


ON_BOTH_LOOPS = pytest.mark.parametrize("loop", LOOPS)


# Stations


BOOTS: dict[str, Any] = {
    "ocpp1.6": {"chargePointVendor": "Vendor", "chargePointModel": "Model"},
    "ocpp2.0.1": {"reason": "PowerUp", "chargingStation": {"model": "Model", "vendorName": "Vendor"}},
}
BOOTS["ocpp2.1"] = BOOTS["ocpp2.0.1"]


class PlainStation:
    """A station of any version. It answers commands from `answers`; None: not at all."""

    def __init__(self, socket: Any) -> None:
        self.answers: dict[str, Any] = {}
        self.last = ""  # the id of the last command
        self.commands: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self._socket = socket
        self._results: dict[str, asyncio.Future[Any]] = {}
        self._count = 0

    async def read(self) -> None:
        async for text in self._socket:
            kind, number, *rest = json.loads(text)
            if kind != 2:
                self._results.pop(number).set_result(rest[-1] if kind == 3 else rest[0])
                continue
            self.last = number
            self.commands.put_nowait((rest[0], rest[1]))
            answer = self.answers.get(rest[0], {"status": "Accepted"})
            if isinstance(answer, str):
                await self._socket.send(json.dumps([4, number, answer, "", {}]))
            elif answer is not None:
                await self._socket.send(json.dumps([3, number, answer]))

    async def call(self, action: str, payload: dict[str, Any]) -> Any:
        """The response; of a CALLERROR its code."""
        self._count += 1
        number = f"s{self._count}-{action}"
        self._results[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps([2, number, action, payload]))
        return await asyncio.wait_for(self._results[number], WAIT)

    async def command(self) -> tuple[str, dict[str, Any]]:
        return await asyncio.wait_for(self.commands.get(), WAIT)


@asynccontextmanager
async def living(socket: Any):
    """A station that has booted, over a websocket."""
    station = PlainStation(socket)
    reading = asyncio.create_task(station.read())
    try:
        assert (await station.call("BootNotification", BOOTS[socket.subprotocol]))["status"] == "Accepted"
        yield station
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError, websockets.ConnectionClosed):
            await reading
