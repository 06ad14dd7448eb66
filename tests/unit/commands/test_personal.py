"""Which fields of commands may hold an id tag."""

import pytest

from bridge.commands.personal import has_personal_answer, personal_inputs
from bridge.ocpp.schemas import schemas
from bridge.ocpp.versions import VERSIONS


@pytest.mark.parametrize(
    ("version", "action", "fields"),
    [
        ("1.6", "RemoteStartTransaction", {"idTag"}),
        ("1.6", "ReserveNow", {"idTag", "parentIdTag"}),
        ("1.6", "SendLocalList", {"localAuthorizationList"}),
        ("1.6", "Reset", set()),
        ("2.0.1", "RequestStartTransaction", {"idToken", "groupIdToken"}),
        ("2.0.1", "CustomerInformation", {"idToken", "customerIdentifier", "customerCertificate"}),
        ("2.1", "SendLocalList", {"localAuthorizationList"}),
        ("2.1", "SetChargingProfile", set()),
    ],
)
def test_these_may(version, action, fields):
    assert personal_inputs(VERSIONS[version], action) == fields


def test_an_answer_may_too_where_a_vendor_says_what_is_in_it():
    assert has_personal_answer(VERSIONS["1.6"], "DataTransfer")
    assert not has_personal_answer(VERSIONS["1.6"], "GetConfiguration")


def test_no_message_has_an_id_tag_that_is_overlooked():
    """Whatever the schemas have that is called a tag or a token, at any depth and wherever it is defined."""
    for version in VERSIONS.values():
        for action in version.to_station:
            request, answer = schemas(version).request(action), schemas(version).response(action)
            assert bool(personal_inputs(version, action)) >= speaks_of_tags(request), (version.name, action)
            assert has_personal_answer(version, action) >= speaks_of_tags(answer), (version.name, action)
    assert has_personal_answer(VERSIONS["2.1"], "GetTariffs")


def speaks_of_tags(node) -> bool:
    if isinstance(node, list):
        return any(map(speaks_of_tags, node))
    if not isinstance(node, dict):
        return False
    names = [name.lower() for name in node.get("properties", {})]
    return any("idtag" in name or "token" in name for name in names) or any(map(speaks_of_tags, node.values()))
