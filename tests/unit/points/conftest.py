"""The shipped rows, and a small tree of them."""

import pytest

from bridge.points.layout import Layout, build_layout
from bridge.points.measurands import Measurands
from bridge.points.table import Table, load_table
from bridge.points.tree import Group, Station, Tree
from bridge.project import Project, shipped


@pytest.fixture(scope="session")
def table() -> Table:
    return load_table(Project(shipped()).datapoints())


@pytest.fixture
def measurands(table: Table) -> Measurands:
    return Measurands(table.measurands.known, table.measurands.phases, table.measurands.locations)


@pytest.fixture(scope="session")
def bridge_layout(table: Table) -> Layout:
    return build_layout("bridge", [found.row for found in table.rows["bridge"]])


@pytest.fixture(scope="session")
def station_layout(table: Table) -> Layout:
    return build_layout("station", [*(found.row for found in table.rows["station"]), *table.measurands.rows()])


@pytest.fixture(scope="session")
def connector_layout(table: Table) -> Layout:
    return build_layout("connector", [*(found.row for found in table.rows["connector"]), *table.measurands.rows()])


@pytest.fixture
def tree(bridge_layout: Layout) -> Tree:
    return Tree(bridge_layout)


@pytest.fixture
def station(tree: Tree, station_layout: Layout) -> Station:
    """A station that is connected since t = 1000."""
    station = tree.add_station("CP 1", "CP_1", station_layout)
    tree.set_online(station, 1000.0)
    return station


@pytest.fixture
def connector(tree: Tree, station: Station, connector_layout: Layout) -> Group:
    return tree.add_connector(station, "Connector1", connector_layout)


@pytest.fixture
def load(tmp_path):
    """Loads the shipped files with others in place of, or beside, some of them: name → text, None to leave out."""

    def load(**changed: str | bytes | None) -> Table:
        files = dict(Project(shipped()).datapoints())
        for stem, text in changed.items():
            path = files[f"{stem}.yaml"] = tmp_path / f"{stem}.yaml"
            if text is None:
                del files[f"{stem}.yaml"]
            elif isinstance(text, bytes):
                path.write_bytes(text)
            else:
                path.write_text(text, encoding="utf-8")
        return load_table(files)

    return load
