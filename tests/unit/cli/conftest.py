"""An empty current folder for every command, and a project whose bridge has run."""

from pathlib import Path

import pytest

from bridge.project import Project
from bridge.store import GroupRecord, Store
from tests.unit.store import helpers


@pytest.fixture(autouse=True)
def somewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder without a config.toml: the shipped project, whose store would be here."""
    folder = tmp_path_factory.mktemp("somewhere")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("OCPP_BRIDGE_PROJECT", raising=False)
    return folder


@pytest.fixture
async def site(project: Project) -> Path:
    """A project whose bridge has run: two stations, one transaction that ended and one that runs."""
    store = Store.open(project.folder / "bridge.db")
    await store.put_station(helpers.station(id="CP/001", name="CP_001", last_seen=1_767_268_800.0))
    await store.put_station(helpers.station(id="CP2", name="CP2", registration=None, boot={}, last_seen=None))
    first, *_ = await store.start_transaction(helpers.start(1, station="CP/001", start_time=1_767_268_800.0))
    await store.stop_transaction(helpers.stop(first, station="CP/001", stop_time=1_767_272_400.0))
    await store.start_transaction(helpers.start(2, station="CP2", start_time=1_767_355_200.0, id_tag="=[red]\x1b[2J"))
    store.put_values_soon(
        [
            GroupRecord(
                "CP_001.Connector2",
                [
                    (
                        "MeterValues.Power.Active.Import.L1",
                        "Double",
                        7360.5,
                        "GOOD",
                        1_767_268_800.0,
                        1_767_268_801.0,
                    )
                ],
            )
        ]
    )
    await store.close()
    return project.folder
