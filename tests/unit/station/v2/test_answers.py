"""What 2.x stations are answered holds to their schemas."""

import math

import pytest

from bridge.api import Authorization
from bridge.ocpp.schemas import schemas
from bridge.ocpp.versions import VERSIONS
from bridge.station.v2.answers import AUTOMATIC, COMPUTED, authorized

V201, V21 = VERSIONS["2.0.1"], VERSIONS["2.1"]
BOTH = pytest.mark.parametrize("version", [V201, V21], ids=lambda version: version.name)
ASKED = {
    "Authorize",
    "BootNotification",
    "DataTransfer",
    "SecurityEventNotification",
    "SignCertificate",
    "TransactionEvent",
}
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "c"}
REQUESTS = {
    "GetCertificateChainStatus": {
        "certificateStatusRequests": [
            {"certificateHashData": HASH, "source": source, "urls": ["http://x"]} for source in ("OCSP", "CRL")
        ]
    },
    "VatNumberValidation": {"vatNumber": "DE1", "evseId": 2},
}


def test_every_message_of_both_versions_has_an_answer():
    assert AUTOMATIC.keys() | COMPUTED.keys() | ASKED == V21.from_station
    assert V201.from_station < V21.from_station


@BOTH
@pytest.mark.parametrize("action", AUTOMATIC)
def test_an_automatic_answer_is_one_of_the_schema(version, action):
    if action in version.from_station:
        assert schemas(version).check_response(action, AUTOMATIC[action](1.7e9)) == ()


@pytest.mark.parametrize("action", COMPUTED)
def test_an_answer_that_is_made_from_the_request_is_one_of_the_schema(action):
    request = REQUESTS[action]
    assert schemas(V21).check_request(action, request) == ()
    assert schemas(V21).check_response(action, COMPUTED[action](request, 1.7e9)) == ()


@pytest.mark.parametrize("odd", [{}, {"certificateStatusRequests": 5}, {"certificateStatusRequests": [None]}])
def test_a_request_without_sense_is_answered(odd):
    assert COMPUTED["GetCertificateChainStatus"](odd, 1.7e9) == {"certificateStatus": []}


TARIFF = {"tariffId": "T", "currency": "EUR"}
FULL = Authorization(
    status="Accepted",
    parent_id_token="GROUP",
    expiry=1.7e9,
    personal_message="Hello",
    personal_message_language="en",
    certificate_status="Accepted",
    charging_priority=3,
    language="de",
    evse_ids=(1, 2),
    fields={"tariff": TARIFF, "totalCost": 1.25, "nonsense": 1, "idTokenInfo": {"language2": "fr", "odd": 1}},
)
INFO = {
    "status": "Accepted",
    "groupIdToken": {"idToken": "GROUP", "type": "Central"},
    "cacheExpiryDateTime": "2023-11-14T22:13:20.000Z",
    "chargingPriority": 3,
    "language1": "de",
    "language2": "fr",
    "evseId": [1, 2],
    "personalMessage": {"format": "UTF8", "content": "Hello", "language": "en"},
}


@pytest.mark.parametrize(
    ("version", "action", "beside"),
    [
        (V201, "Authorize", {"certificateStatus": "Accepted"}),
        (V201, "TransactionEvent", {"totalCost": 1.25}),
        (V21, "Authorize", {"certificateStatus": "Accepted", "tariff": TARIFF}),
        (V21, "TransactionEvent", {"totalCost": 1.25}),
    ],
)
def test_one_decision_serves_both_messages_of_both_versions(version, action, beside):
    answer = authorized(version, action, FULL)
    assert answer == {"idTokenInfo": INFO, **beside}
    assert schemas(version).check_response(action, answer) == ()


@BOTH
@pytest.mark.parametrize(
    "status",
    [
        *("Accepted", "Blocked", "ConcurrentTx", "Expired", "Invalid", "NoCredit", "NotAllowedTypeEVSE"),
        *("NotAtThisLocation", "NotAtThisTime", "Unknown"),
    ],
)
def test_every_status_of_the_standard_can_be_decided(version, status):
    answer = authorized(version, "Authorize", Authorization(status=status))
    assert answer == {"idTokenInfo": {"status": status}}
    assert schemas(version).check_response("Authorize", answer) == ()


def test_without_a_decision_a_token_is_accepted_and_at_a_station_that_is_not_it_is_not():
    assert authorized(V201, "Authorize", None) == {"idTokenInfo": {"status": "Accepted"}}
    assert authorized(V201, "Authorize", FULL, accepted=False) == {"idTokenInfo": {"status": "Invalid"}}


@pytest.mark.parametrize("expiry", [1e30, -1e30, math.inf])
def test_an_expiry_that_no_calendar_has_is_left_out(expiry):
    answer = authorized(V201, "Authorize", Authorization(status="Accepted", expiry=expiry))
    assert answer == {"idTokenInfo": {"status": "Accepted"}}


@BOTH
@pytest.mark.parametrize("action", ["Authorize", "TransactionEvent"])
def test_what_the_schema_does_not_allow_is_left_out_and_the_decision_stays(version, action):
    """A station takes nothing of an answer that it cannot read."""
    odd = Authorization(
        status="Blocked",
        parent_id_token="x" * 500,
        language="de",
        fields={
            "totalCost": "much",
            "tariff": 5,
            "certificateStatus": 5,
            "idTokenInfo": {"status": "Yes", "language2": 5},
        },
    )
    answer = authorized(version, action, odd)
    assert answer == {"idTokenInfo": {"status": "Blocked", "language1": "de"}}
