"""The public API of handler scripts: what it exports, and that it can cross a pipe to another process."""

import dataclasses
import pickle
from typing import Any

import msgspec
import pytest

import bridge.api
from bridge.api import (
    Answer,
    Authorization,
    AuthorizeRequest,
    BootNotificationAnswer,
    BootNotificationRequest,
    DataTransferAnswer,
    DataTransferRequest,
    Request,
    RequestHandler,
    StartTransactionRequest,
    StopTransactionRequest,
)

# The station stands as its id: on the other side of a pipe another object takes its place.
COMMON: dict[str, Any] = {
    "station": "CP001",
    "version": "1.6",
    "payload": {"idTag": "A", "meter": [1, 2.5, None]},
}

REQUESTS = [
    BootNotificationRequest(**COMMON, vendor="V", model="M", serial_number="1", firmware_version="2", reason="PowerUp"),
    AuthorizeRequest(
        **COMMON,
        id_token="A",
        id_token_type="eMAID",
        additional_info=({"additionalIdToken": "X", "type": "vin"},),
        certificate="-----BEGIN CERTIFICATE-----",
        certificate_hash_data=({"hashAlgorithm": "SHA256", "serialNumber": "1"},),
    ),
    StartTransactionRequest(
        **COMMON, connector="Connector1", id_token="A", meter_start=1.5, timestamp=1.7e9, reservation_id=3
    ),
    StopTransactionRequest(**COMMON, transaction_id="1", connector="Connector1", meter_stop=9.0, timestamp=1.7e9),
    DataTransferRequest(**COMMON, vendor_id="V", message_id="m", data={"a": ["b", {}]}),
]
ANSWERS = [
    BootNotificationAnswer(status="Accepted", interval=300),
    Authorization(
        status="NotAtThisTime",
        parent_id_token="P",
        expiry=1.7e9,
        personal_message="Come back at nine",
        certificate_status="Accepted",
        evse_ids=(1, 2),
        fields={"totalCost": 1.5, "idTokenInfo": {"language2": "fr"}},
    ),
    DataTransferAnswer(status="Accepted", data={"a": ["b", {}]}),
]


def test_the_samples_are_all_the_classes_there_are() -> None:
    classes = {value for value in vars(bridge.api).values() if isinstance(value, type)}
    for base, samples in ((Request, REQUESTS), (Answer, ANSWERS)):
        assert {type(sample) for sample in samples} == {c for c in classes if issubclass(c, base)} - {base}


@pytest.mark.parametrize("value", [*REQUESTS, *ANSWERS], ids=lambda value: type(value).__name__)
def test_requests_and_answers_cross_a_pipe_unchanged(value: Request | Answer) -> None:
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - our own bytes
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}  # type: ignore[arg-type]
    fields = {name: list(found) if isinstance(found, tuple) else found for name, found in fields.items()}
    assert msgspec.json.decode(msgspec.json.encode(value)) == fields
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(value)) == fields


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda value: type(value).__name__)
def test_an_answer_is_made_again_from_its_fields(answer: Answer) -> None:
    assert msgspec.json.decode(msgspec.json.encode(answer), type=type(answer)) == answer


@pytest.mark.parametrize(("value", "field"), [(REQUESTS[1], "id_token"), (ANSWERS[1], "status")])
def test_requests_and_answers_cannot_be_changed(value: Any, field: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, "other")


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Authorization.accepted(), "Accepted"),
        (Authorization.blocked(), "Blocked"),
        (Authorization.expired(), "Expired"),
        (Authorization.invalid(), "Invalid"),
    ],
)
def test_authorization_has_a_short_form_for_each_plain_status(answer: Authorization, status: str) -> None:
    assert answer == Authorization(status=status)  # type: ignore[arg-type]


def test_accepted_takes_what_goes_with_it() -> None:
    answer = Authorization.accepted(parent_id_token="P", expiry=1.7e9)
    assert (answer.parent_id_token, answer.expiry) == ("P", 1.7e9)


@pytest.mark.parametrize("method", RequestHandler.answers)
async def test_a_handler_that_overrides_nothing_decides_nothing(method: str) -> None:
    assert await getattr(RequestHandler(), method)(REQUESTS[0]) is None


def test_all_that_is_exported_exists_and_all_that_a_script_needs_is_exported() -> None:
    public = {name for name, value in vars(bridge.api).items() if getattr(value, "__module__", "") == "bridge.api"}
    assert set(bridge.api.__all__) == public - {name for name in public if name.startswith("_")}
