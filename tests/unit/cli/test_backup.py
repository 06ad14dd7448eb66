"""The command that copies the store."""

from pathlib import Path

from bridge.project import Project
from bridge.store import Store
from tests.unit.cli.helpers import ocpp_bridge


def test_a_backup_can_be_made_and_restored(site: Path, tmp_path: Path) -> None:
    """D13"""
    copy = tmp_path / "copy.db"
    assert ocpp_bridge("backup", copy, "--project", site).code == 0
    assert "there is such a file already" in ocpp_bridge("backup", copy, "--project", site).err
    (site / "bridge.db").unlink()
    copy.rename(site / "bridge.db")
    with Store.peek(site / "bridge.db") as reader:
        assert [one.id for one in reader.stations()] == ["CP/001", "CP2"]
        assert len(list(reader.transactions())) == 2


def test_a_backup_of_a_bridge_that_has_not_run_says_so(project: Project, tmp_path: Path) -> None:
    assert "the bridge has not run" in ocpp_bridge("backup", tmp_path / "copy.db", "--project", project.folder).err
