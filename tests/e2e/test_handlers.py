"""The shipped scripts as a site combines them: one program, a web service, stations of every version.

The tests share the program; each has tokens and stations of its own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from ocpp.v16 import call

from bridge.project import init
from tests.e2e import parties_2
from tests.e2e.conftest import write_config
from tests.e2e.parties import Program, connected, hmi, now
from tests.unit.cli.helpers import ocpp_bridge
from tests.webservice import WebService

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]
VERSIONS = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])

CHAIN = """["known_stations.py", "data_transfer_points.py", "token_list.py", "http_authorize.py", "default.py"]

[[handlers.settings.known_stations.rules]]
vendor = "Stolen*"
status = "Rejected"
interval = 1234

[[handlers.settings.data_transfer_points.rules]]
vendor_id = "com.acme"
folder = "Acme"

[handlers.settings.http_authorize]
url = "{url}"
headers = {{ Authorization = "Bearer ${{TOKENS_KEY}}" }}
attempts = 2

[handlers.settings.default]
tokens = "reject"
"""
AREAS = """
[[station]]
id = "HALL"
area = "Depot/Hall 1"

[[station]]
id = "YARD"
area = "Yard"
"""
EXPIRY = "2099-12-31T12:00:00.000Z"


class Site(NamedTuple):
    """A running program and the web service that it asks."""

    program: Program
    service: WebService

    def tokens(self, *arguments: str) -> str:
        """`ocpp-bridge tokens …` beside the running program; what it prints."""
        ended = ocpp_bridge("tokens", *arguments, "--project", self.program.project)
        assert ended.code == 0, ended.err
        return ended.out

    def station(self, version: str, identity: str) -> AbstractAsyncContextManager[Any]:
        if version == "1.6":
            return connected(self.program.ocpp, identity)
        return parties_2.connected(self.program.ocpp, version, identity)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder: Path = tmp_path_factory.mktemp("handlers") / "site"
    init(folder)
    with WebService((204, b"")) as service:
        write_config(folder, scripts=CHAIN.format(url=service.url), stations=AREAS)
        program = Program(folder)
        program.environ["TOKENS_KEY"] = "s3cret"
        try:
            await program.start()
            yield Site(program, service)
        finally:
            if program.ocpp:
                await program.stop()


async def boot(station: Any, vendor: str = "Acme") -> tuple[str, int]:
    if isinstance(station, parties_2.Station2):
        answer = await station.boot(vendorName=vendor)
        return answer["status"], answer["interval"]
    accepted = await station.call(call.BootNotification(charge_point_model="Wall", charge_point_vendor=vendor))
    return accepted.status, accepted.interval


async def authorize(station: Any, token: str) -> tuple[str, str | None, str | None]:
    """Status, group and expiry that the station is told."""
    if isinstance(station, parties_2.Station2):
        answer = await station.send("Authorize", {"idToken": {"idToken": token, "type": "ISO14443"}})
        info = answer["idTokenInfo"]
        return info["status"], info.get("groupIdToken", {}).get("idToken"), info.get("cacheExpiryDateTime")
    info = (await station.call(call.Authorize(id_tag=token))).id_tag_info
    return info["status"], info.get("parent_id_tag"), info.get("expiry_date")


@asynccontextmanager
async def booted(site: Site, version: str, identity: str) -> AsyncIterator[Any]:
    async with site.station(version, identity) as station:
        assert (await boot(station))[0] == "Accepted"
        yield station


@VERSIONS
async def test_services_are_asked_in_order_and_the_first_that_knows_the_token_wins(site: Site, version: str) -> None:
    """A list, a web service, and a last word that rejects the others; group and expiry reach the station."""
    listed, known_there, nobodys = (f"{name}{version}" for name in ("LIST", "WEB", "NONE"))
    site.tokens("add", listed, "--parent", "FLEET", "--expiry", EXPIRY)
    answer = {"status": "Accepted", "parent_id_token": "GUESTS", "expiry": EXPIRY}
    site.service.asked.clear()
    site.service.replies = [(200, answer), (204, b"")]
    async with booted(site, version, f"ORDER{version}") as station:
        assert await authorize(station, listed.lower()) == ("Accepted", "FLEET", EXPIRY)
        assert await authorize(station, known_there) == ("Accepted", "GUESTS", EXPIRY)
        assert await authorize(station, nobodys) == ("Invalid", None, None)
    assert site.service.tokens == [known_there, nobodys]
    assert {headers["Authorization"] for _, headers, _ in site.service.asked} == {"Bearer s3cret"}


@VERSIONS
async def test_a_changed_token_is_in_force_at_once(site: Site, version: str) -> None:
    token = f"CHANGED{version}"
    site.service.replies = [(204, b"")]
    async with booted(site, version, f"CHANGE{version}") as station:
        site.tokens("add", token)
        assert (await authorize(station, token))[0] == "Accepted"
        site.tokens("add", token, "--blocked")
        assert (await authorize(station, token))[0] == "Blocked"
        site.tokens("add", token, "--not-blocked", "--expiry", "2020-01-01")
        assert (await authorize(station, token))[0] == "Expired"
        site.tokens("remove", token)
        assert (await authorize(station, token))[0] == "Invalid"


@pytest.mark.parametrize(("version", "refused"), [("1.6", "Invalid"), ("2.0.1", "NotAtThisLocation")])
async def test_a_token_is_good_in_its_areas_only(site: Site, version: str, refused: str) -> None:
    site.tokens("add", "DEPOT", "--area", "Depot")
    for identity, status in (("HALL", "Accepted"), ("YARD", refused)):
        async with booted(site, version, identity) as station:
            assert (await authorize(station, "DEPOT"))[0] == status


async def test_a_transaction_is_told_of_group_and_expiry_too(site: Site) -> None:
    site.tokens("add", "STARTER", "--parent", "FLEET", "--expiry", EXPIRY)
    async with booted(site, "1.6", "START16") as station:
        started = await station.call(
            call.StartTransaction(connector_id=1, id_tag="STARTER", meter_start=0, timestamp=now())
        )
        assert started.id_tag_info == {"status": "Accepted", "parent_id_tag": "FLEET", "expiry_date": EXPIRY}
    async with booted(site, "2.1", "START21") as station:
        token = {"idToken": "STARTER", "type": "ISO14443"}
        answer = await station.event("Started", 0, idToken=token, evse={"id": 1, "connectorId": 1})
        group = {"idToken": "FLEET", "type": "Central"}
        assert answer["idTokenInfo"] == {"status": "Accepted", "groupIdToken": group, "cacheExpiryDateTime": EXPIRY}


async def test_while_the_web_service_is_away_the_rest_of_the_chain_decides(site: Site) -> None:
    site.tokens("add", "OFFLINE")
    site.service.replies = [(503, {})]
    async with booted(site, "1.6", "AWAY") as station:
        assert (await authorize(station, "OFFLINE"))[0] == "Accepted"
        assert (await authorize(station, "STRANGER"))[0] == "Invalid"
    assert any("http_authorize.away" in line for line in site.program.lines)
    assert not any("s3cret" in line for line in site.program.lines)


@VERSIONS
async def test_a_boot_is_decided_by_what_the_station_says_of_itself(site: Site, version: str) -> None:
    async with site.station(version, f"BOOT{version}") as station:
        assert await boot(station, "Stolen & Sons") == ("Rejected", 1234)
    async with site.station(version, f"BOOT{version}") as station:
        assert (await boot(station, "Acme"))[0] == "Accepted"


async def test_a_vendors_data_become_points_that_an_hmi_reads(site: Site) -> None:
    async with booted(site, "1.6", "DATA16") as station, hmi(site.program.opcua) as client:
        sent = call.DataTransfer(vendor_id="com.acme", data='{"fan": {"rpm": 900}, "door": true}')
        assert (await station.call(sent)).status == "Accepted"
        await client.until("DATA16.Custom.Acme.fan.rpm", 900.0)
        assert await client.value("DATA16.Custom.Acme.door") is True
        other = await station.call(call.DataTransfer(vendor_id="org.other", data="x"))
        assert other.status == "UnknownVendorId"
    async with booted(site, "2.0.1", "DATA201") as station, hmi(site.program.opcua) as client:
        answer = await station.send("DataTransfer", {"vendorId": "com.acme", "data": {"fan": {"rpm": 901}}})
        assert answer["status"] == "Accepted"
        await client.until("DATA201.Custom.Acme.fan.rpm", 901.0)


async def test_a_crowd_is_answered_while_the_web_service_is_slow(site: Site) -> None:
    """A token that waits for the web service holds up nobody whose token is in the list."""
    site.tokens("add", "QUICK")
    site.service.replies = [(200, {"status": "Accepted"})]
    site.service.gate.clear()
    try:
        async with booted(site, "1.6", "SLOW") as slow, booted(site, "2.1", "FAST") as fast:
            waiting = asyncio.create_task(authorize(slow, "PATIENT"))
            assert (await authorize(fast, "QUICK"))[0] == "Accepted"
            assert not waiting.done()
            site.service.gate.set()
            assert (await waiting)[0] == "Accepted"
    finally:
        site.service.gate.set()


async def test_nobody_is_warned_of_tokens_that_the_site_has_decided_about(site: Site) -> None:
    assert [line for line in site.program.lines if "every_token_accepted" in line] == []
