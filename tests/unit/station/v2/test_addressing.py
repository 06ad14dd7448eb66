"""Which connector a message of OCPP 2.x speaks of."""

import pytest

from bridge.station.v2.addressing import Outlet, Place, choose, connector_name, parse_name, place_of


@pytest.mark.parametrize(
    ("payload", "evse", "connector", "expected"),
    [
        ({"evseId": 2, "connectorId": 1}, "evseId", "connectorId", Place(2, 1)),
        ({"evseId": 2, "connectorId": 3}, "evseId", "connectorId", Place(2, 3)),
        ({"evseId": 2}, "evseId", "", Place(2)),
        ({"evseId": 2, "connectorId": 3}, "evseId", "", Place(2)),
        ({"evseId": 0}, "evseId", "", Place(0)),
        ({}, "evseId", "", Place(0)),
        ({"evseId": 2}, "", "", Place(0)),
        ({"evse": {"id": 1}}, "evse", "", Place(1)),
        ({"evse": {"id": 1, "connectorId": 2}}, "evse", "", Place(1, 2)),
        ({"evse": {"id": 1, "connectorId": 0}}, "evse", "", Place(1)),  # nobody has a connector 0
        ({"evse": {"id": 0, "connectorId": 0}}, "evse", "", Place(0)),
        ({"evse": {}}, "evse", "", Place(0)),
    ],
)
def test_a_message_speaks_of_a_place(payload, evse, connector, expected):
    """B12, B13."""
    assert place_of(payload, evse, connector) == expected


@pytest.mark.parametrize("wrong", ["1", 1.5, -1, True, 2**31, [], {"id": -1}, {"id": 1, "connectorId": "2"}])
def test_what_is_no_number_is_refused(wrong):
    with pytest.raises(ValueError, match=r"the number of the (EVSE|connector) is none"):
        place_of({"evse": wrong}, "evse", "")


NAMES = [("Connector1", 1, 1), ("Connector12", 12, 1), ("Connector1_2", 1, 2), ("Connector12_10", 12, 10)]


@pytest.mark.parametrize(("name", "evse", "connector"), NAMES)
def test_a_connector_has_one_name(name, evse, connector):
    assert connector_name(evse, connector) == name
    assert parse_name(name) == Place(evse, connector)


@pytest.mark.parametrize(
    "name", ["", "Connector", "Connector0", "Connector01", "Connector1_1", "Connector1_0", "Connector1_2_3", "State"]
)
def test_nothing_else_is_a_connectors_name(name):
    assert parse_name(name) is None


@pytest.mark.parametrize(
    ("outlets", "chosen"),
    [
        ([], 1),
        ([Outlet(2, False, False)], 2),
        ([Outlet(1, False, False), Outlet(2, False, False)], None),
        ([Outlet(1, False, False), Outlet(2, False, True)], 2),
        ([Outlet(2, True, False), Outlet(1, False, True)], 2),
        ([Outlet(2, True, True), Outlet(1, True, True)], 1),
        ([Outlet(3, False, True), Outlet(2, False, True)], None),
    ],
)
def test_an_evse_alone_means_the_connector_that_charges_else_the_occupied_one_else_the_only_one(outlets, chosen):
    """B21"""
    assert choose(outlets) == chosen
