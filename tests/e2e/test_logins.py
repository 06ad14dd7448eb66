"""Stations' passwords, certificates and security profiles with the program itself, which is killed at any moment."""

import asyncio
import json
import re
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from bridge.pki import Authority
from bridge.station.certificates import AUTHORITY
from tests.e2e.parties import WAIT, Program, hmi

COMMAND = "CP1.Commands.ChangeConfiguration"
FIRST = "the first password"


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"CP1:{password}".encode()).decode()}


async def status(program: Program, password: str) -> int:
    """The HTTP status of a login."""
    try:
        async with websockets.connect(
            program.ocpp + "CP1", subprotocols=["ocpp1.6"], additional_headers=basic(password)
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


class Charger:
    """A station that takes a new password as soon as it is sent it, or refuses it; `password` is the one it has."""

    def __init__(self, answers: str) -> None:
        self.password = FIRST
        self.came, self.answered = asyncio.Event(), asyncio.Event()
        self._answers = answers

    async def live(self, program: Program, connected: asyncio.Event, *, silent: bool) -> None:
        headers = basic(self.password)
        with suppress(ConnectionClosed):
            async with websockets.connect(
                program.ocpp + "CP1", subprotocols=["ocpp1.6"], additional_headers=headers
            ) as socket:
                await socket.send(json.dumps([2, "boot", "BootNotification", BOOT]))
                await socket.recv()
                connected.set()
                async for text in socket:
                    _, number, action, payload = json.loads(text)
                    if action == "ChangeConfiguration" and self._answers == "Accepted":
                        self.password = payload["value"]
                    self.came.set()
                    if not silent:
                        await socket.send(json.dumps([3, number, {"status": self._answers}]))
                        self.answered.set()


BOOT = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
MOMENTS = ["as it is written", "as it arrives", "as it is answered", "once it has ended"]


async def kill_during_a_change(program: Program, charger: Charger, moment: str, password: str) -> None:
    connected = asyncio.Event()
    living = asyncio.create_task(charger.live(program, connected, silent=moment == "as it arrives"))
    async with asyncio.timeout(2 * WAIT), hmi(program.opcua) as client:
        await connected.wait()
        charger.came.clear()
        charger.answered.clear()
        await client.write(f"{COMMAND}.Key", "AuthorizationKey")
        await client.write(f"{COMMAND}.Value", password)
        await client.write(f"{COMMAND}.Execute", True)
        if moment == "as it arrives":
            await charger.came.wait()
        elif moment == "as it is answered":
            await charger.answered.wait()
        elif moment == "once it has ended":
            await client.until_that(f"{COMMAND}.Result.StateText", lambda found: found.Value.Value in ENDS)
        await program.kill()
    await living


ENDS = {"Accepted", "Rejected"}


@pytest.mark.parametrize("answers", ["Accepted", "Rejected"])
async def test_a_kill_during_a_change_of_the_password_locks_the_station_out_never(
    run: Callable[..., Program], answers: str
) -> None:
    """J11: kill -9 at every step, one after the other on the same store."""
    program = run(ocpp="security_profile = 1")
    await program.command("stations", "password", "CP1", "--stdin", stdin=f"{FIRST}\n")
    await program.start()
    charger = Charger(answers)
    for number, moment in enumerate(MOMENTS):
        await kill_during_a_change(program, charger, moment, f"password number {number}")
        await program.start()
        for _ in range(2):
            assert await status(program, charger.password) == 101, moment
        assert await status(program, "a wrong password") == 401
    if answers == "Accepted":
        assert charger.password == f"password number {len(MOMENTS) - 1}"
        await program.kill()  # right after the first login with the new one
        await program.start()
        assert await status(program, FIRST) == 401
    assert await status(program, charger.password) == 101


# --- certificates ---

TLS = """
security_profile = 1
[ocpp.tls]
port = 0
certificates = ["pki/ocpp/server-localhost-ec.pem"]
keys = ["pki/ocpp/server-localhost-ec.key"]
client_ca = "pki/ocpp/ca.pem"
crl = "pki/ocpp/crl.pem"
"""


class Site:
    """What a site does with its authority while the program runs."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.folder = program.project / AUTHORITY

    def begin(self) -> None:
        """A new authority, and a certificate of it for the server."""
        self.authority = Authority.create(self.folder, "Site CA")
        self.renew()

    def renew(self) -> None:
        self.authority.issue_server(["localhost", "127.0.0.1"])

    def station(self, identity: str) -> ssl.SSLContext:
        """What a new certificate of a station, and trust in the authority of now, look like."""
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        context.load_cert_chain(*self.authority.issue_station(identity, 30))
        return context

    async def url_told(self) -> bool:
        """It says where it listens in one line after the other."""
        return "wss://" in "\n".join(self.program.lines)

    @property
    def url(self) -> str:
        found = re.search(r"wss://[^\s\"<]+/", "\n".join(self.program.lines))
        assert found is not None, self.program.lines
        return found[0]

    async def server(self, identity: str, context: ssl.SSLContext) -> str:
        """The serial number of the server's certificate; "" for a station that does not get in."""
        try:
            async with websockets.connect(self.url + identity, subprotocols=["ocpp1.6"], ssl=context) as socket:
                await socket.send('[2,"1","Heartbeat",{}]')
                await socket.recv()
                return str(socket.transport.get_extra_info("peercert")["serialNumber"])
        except (InvalidHandshake, ConnectionClosed, ssl.SSLError, ConnectionError):
            return ""


async def until(ask: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """What is asked for, once it is as wanted; files are looked at once a second."""
    async with asyncio.timeout(2 * WAIT):
        while not wanted(found := await ask()):  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.2)
    return found


async def test_certificates_and_authorities_are_replaced_and_revoked_without_a_restart(
    run: Callable[..., Program],
) -> None:
    """S04"""
    stations = "".join(f'[[station]]\nid = "{one}"\nsecurity_profile = 3\n' for one in ("CP1", "CP2"))
    site = Site(run(ocpp=TLS, stations=stations))
    site.begin()
    one, two = site.station("CP1"), site.station("CP2")
    await site.program.start()
    await until(site.url_told, bool)
    first = await site.server("CP1", one)
    assert first
    assert await site.server("CP2", one) == ""

    await site.program.command("pki", "revoke", "CP1")
    await until(lambda: site.server("CP1", one), lambda found: not found)
    assert await site.server("CP2", two) == first

    site.renew()
    second = await until(lambda: site.server("CP2", two), lambda found: found not in ("", first))

    site.folder.rename(site.folder.with_name("before"))
    site.begin()
    new = site.station("CP2")
    third = await until(lambda: site.server("CP2", new), bool)
    assert third != second
    old = two
    old.load_verify_locations(site.folder / "ca.pem")  # it trusts the server; the server not it
    assert await site.server("CP2", old) == ""
    assert await site.server("CP1", site.station("CP1"))
    assert await site.program.stop() == 0
