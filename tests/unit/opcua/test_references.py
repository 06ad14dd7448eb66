"""What is encoded once for a whole layout is what each node's own links say."""

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary

from bridge.opcua.address_space import TreeAddressSpace
from bridge.opcua.nodes import NAMESPACE, Link
from bridge.opcua.references import CLASS, DEFINITION, DISPLAY, FORWARD, NAME, TYPE, References, Wanted
from bridge.points.rows import Row, Type
from bridge.points.tree import Group, Station
from tests.unit.opcua.helpers import NOW, TABLE, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOTH, FORWARD_ONLY, INVERSE_ONLY = (int(getattr(ua.BrowseDirection, name)) for name in ("Both", "Forward", "Inverse"))
ALL = TYPE | FORWARD | CLASS | NAME | DISPLAY | DEFINITION
VENDORS = Row(folder="Configuration.Vendor", name="Key", type=Type.STRING, description="A key", writable=True)


@pytest.fixture
def aspace(site: Site) -> TreeAddressSpace:
    return site.server._aspace


@pytest.fixture
def references(aspace: TreeAddressSpace) -> References:
    return References(aspace)


def own_station(site: Site, area: str = "") -> Station:
    """A station with two connectors, and with points that no other has."""
    station = site.station(area, connectors=2)
    measurand = TABLE.measurands.row_of("MeterValues.Current.Import.L1")
    assert measurand is not None
    for group, row in ((station, VENDORS), (station.connectors["Connector2"], measurand)):
        assert group.extend(row) is not None
        site.set(group, row.key, "x" if row is VENDORS else 1.0, NOW)
    return station


def filter_of(
    references: References, direction: int = BOTH, type_: int = 0, classes: int = 0, mask: int = ALL
) -> Wanted:
    wanted = references.wanted(direction, ua.NodeId(type_), True, classes, mask)
    assert isinstance(wanted, Wanted)
    return wanted


def decoded(encoded: bytes) -> ua.ReferenceDescription:
    return struct_from_binary(ua.ReferenceDescription, ua.utils.Buffer(encoded))


def shown(references: References, path: str, wanted: Wanted) -> set[tuple[object, ...]]:
    found = references.of(ua.NodeId(path, NAMESPACE), wanted)
    assert found is not None, path
    seen = [decoded(each) for each in found]
    keys = {
        (each.ReferenceTypeId, each.IsForward, each.NodeId, str(each.BrowseName), each.DisplayName.Text, each.NodeClass,
         each.TypeDefinition)
        for each in seen
    }  # fmt: skip
    assert len(keys) == len(seen), path
    return keys


def expected(aspace: TreeAddressSpace, path: str) -> set[tuple[object, ...]]:
    node = aspace.space.find(path)
    assert node is not None, path
    return {_as_key(aspace, link) for link in aspace.space.links(node)}


def _as_key(aspace: TreeAddressSpace, link: Link) -> tuple[object, ...]:
    if link.node is not None:
        shape = link.node.shape
        definition = shape.type_definition or ua.NodeId()
        name, display, node_class = shape.browse_name, shape.display_name, shape.node_class
        return link.type, link.forward, link.node.id, str(name), display.Text, node_class, definition
    name, display, node_class = (
        aspace.read_attribute_value(link.standard, getattr(ua.AttributeIds, attribute)).Value.Value
        for attribute in ("BrowseName", "DisplayName", "NodeClass")
    )
    target = aspace.get(link.standard)
    found = (
        [] if target is None else [each.NodeId for each in target.references if each.ReferenceTypeId == ua.NodeId(40)]
    )
    return (
        link.type,
        link.forward,
        link.standard,
        str(name),
        display.Text,
        node_class,
        found[0] if found else ua.NodeId(),
    )


def paths(aspace: TreeAddressSpace, group: Group) -> list[str]:
    """Every node of a group, properties and all."""
    found, level = [], [group.path]
    while level:
        path = level.pop()
        found.append(path)
        node = aspace.space.find(path)
        assert node is not None, path
        level += [link.node.path for link in aspace.space.children(node) if link.node is not None]
    return found


@pytest.mark.parametrize("area", ["", "Depot/Hall 1"])
async def test_every_node_shows_all_its_references(site, aspace, references, area):
    station = own_station(site, area)
    other = own_station(site)  # what was encoded for the one must fit the other
    wanted = filter_of(references)
    for group in (station, other):
        for path in paths(aspace, group):
            assert shown(references, path, wanted) == expected(aspace, path), path


@pytest.mark.parametrize("path", ["Stations", "Stations/Depot", "Stations/Depot/Hall 1", "Bridge"])
async def test_every_root_and_area_shows_all_its_references(site, aspace, references, path):
    own_station(site, "Depot/Hall 1")
    own_station(site, "Depot")
    assert shown(references, path, filter_of(references)) == expected(aspace, path)


@pytest.mark.parametrize("direction", [FORWARD_ONLY, INVERSE_ONLY])
@pytest.mark.parametrize("type_", [0, 31, 33, 40, 46, 47])
@pytest.mark.parametrize("classes", [0, 1, 2, 4, 3])
async def test_a_filter_leaves_what_it_asks_for(site, aspace, references, direction, type_, classes):
    station = own_station(site)
    types = references.types(ua.NodeId(type_), True)
    wanted = filter_of(references, direction, type_, classes)
    for path in (station.path, f"{station.path}.Connector2.MeterValues", f"{station.path}.Connector1.Status.State"):
        kept = {
            key
            for key in expected(aspace, path)
            if key[1] is (direction == FORWARD_ONLY)
            and (types is None or key[0] in types)
            and (not classes or classes & key[5])
        }
        assert shown(references, path, wanted) == kept


@pytest.mark.parametrize("bit", [0, TYPE, FORWARD, CLASS, NAME, DISPLAY, DEFINITION])
@pytest.mark.parametrize("path", ["Stations", "{}", "{}.Connector1.Status", "{}.Connector2.MeterValues", "i=2253"])
async def test_only_what_the_result_mask_asks_for_is_shown(site, references, bit, path):
    station = own_station(site)
    node_id = ua.NodeId(2253) if path == "i=2253" else ua.NodeId(path.format(station.path), NAMESPACE)
    whole = [decoded(each) for each in references.of(node_id, filter_of(references))]
    masked = [decoded(each) for each in references.of(node_id, filter_of(references, mask=bit))]
    assert [each.NodeId for each in masked] == [each.NodeId for each in whole]
    for all_, some in zip(whole, masked, strict=True):
        assert some.ReferenceTypeId == (all_.ReferenceTypeId if bit == TYPE else ua.NodeId())
        assert some.IsForward is (all_.IsForward if bit == FORWARD else False)
        assert some.NodeClass == (all_.NodeClass if bit == CLASS else 0)
        assert some.BrowseName == (all_.BrowseName if bit == NAME else ua.QualifiedName())
        assert some.DisplayName == (all_.DisplayName if bit == DISPLAY else ua.LocalizedText())
        assert some.TypeDefinition == (all_.TypeDefinition if bit == DEFINITION else ua.NodeId())


async def test_a_point_that_comes_later_is_shown_at_once(site, aspace, references):
    station = site.station()
    wanted = filter_of(references)
    folder = f"{station.path}.Connector1.MeterValues"
    before = shown(references, folder, wanted)
    measurand = TABLE.measurands.row_of("MeterValues.Current.Import.L1")
    station.connectors["Connector1"].extend(measurand)
    after = shown(references, folder, wanted)
    assert {key[4] for key in after - before} == {"Current.Import.L1"}


async def test_what_is_not_there_has_no_references(references):
    wanted = filter_of(references)
    for node_id in (ua.NodeId("Nowhere", 2), ua.NodeId("Stations/Nowhere", 2), ua.NodeId("No", 3), ua.NodeId(99_999)):
        assert references.of(node_id, wanted) is None
