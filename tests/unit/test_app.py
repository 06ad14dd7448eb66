"""The composition root: what one part meets holds up no other."""

import asyncio
from collections.abc import Callable

import pytest

from bridge.app import Bridge
from bridge.config import load_config
from bridge.errors import StoreError
from bridge.project import Project
from bridge.store import StationRecord, Store

WAIT = 60.0  # s
CONFIG = """
[ocpp]
port = 0
[opcua]
endpoint = "opc.tcp://127.0.0.1:0/ocpp-bridge"
security = ["None"]
[handlers]
isolation = "inline"
[[station]]
id = "CP1"
"""


@pytest.fixture
async def bridge(project: Project):
    (project.folder / "config.toml").write_text(CONFIG, "utf-8")
    found = Bridge(project, load_config(project))
    found.store.put_station_soon(StationRecord(id="OLD", name="OLD", first_seen=1.0))
    await found.start()
    await until(lambda: [record.id for record in found.store.stations()] == ["OLD", "CP1"])
    yield found
    await found.stop()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


def breaks(*_: object) -> None:
    raise StoreError("a page cannot be read")


@pytest.mark.parametrize("part", ["_certificates.turn", "_writes.resume", "_admission.show", "stations.tick"])
async def test_a_part_that_fails_every_second_keeps_the_others_from_nothing(bridge, project, monkeypatch, part):
    """D07"""
    owner, name = part.split(".")
    monkeypatch.setattr(getattr(bridge, owner), name, breaks)
    with Store.edit(project.folder / "bridge.db") as editor:
        assert editor.set_registration("CP1", "Rejected")
    group, _ = bridge.tree.find("CP1.Config.RegistrationStatusText")
    await until(lambda: group.value("Config.RegistrationStatusText") == "Rejected")


@pytest.mark.parametrize("read", ["registrations", "removals", "requests", "users"])
async def test_what_another_process_has_changed_is_not_lost_with_a_read_that_failed(bridge, project, monkeypatch, read):
    """D07"""
    reader = bridge.store._reader
    whole, failed = getattr(reader, read), []

    def fails_once(*arguments: object) -> object:
        if not failed:
            failed.append(read)
            raise StoreError("a page cannot be read")
        return whole(*arguments)

    monkeypatch.setattr(reader, read, fails_once)
    with Store.edit(project.folder / "bridge.db") as editor:
        assert editor.set_registration("CP1", "Rejected")
        assert editor.remove_station("CP1")
    await until(lambda: bridge.stations.get("CP1") is None)
    assert failed
    await until(lambda: bridge.store.healthy)


@pytest.mark.parametrize("part", ["_last_values.flush_all", "stations.stop"])
async def test_the_store_is_closed_whatever_fails_before_that(bridge, project, monkeypatch, part):
    owner, name = part.split(".")

    with monkeypatch.context() as broken:
        broken.setattr(getattr(bridge, owner), name, breaks)
        await bridge.stop()
    Store.open(project.folder / "bridge.db").close_sync()
