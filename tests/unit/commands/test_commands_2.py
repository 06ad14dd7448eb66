"""The commands of OCPP 2.0.1 and 2.1, made from their schemas."""

import json
from typing import Any

import pytest

from bridge.commands.inputs import (
    check_payload,
    fill,
    from_arguments,
    from_json,
    from_parameters,
)
from bridge.commands.table import Command, command_methods, command_rows, commands
from bridge.errors import Refused
from bridge.ocpp.outcomes import outcome
from bridge.ocpp.schemas import schemas
from bridge.ocpp.secrets import MASK, masked, may_hold_secret
from bridge.ocpp.versions import VERSIONS
from bridge.points.rows import Enumeration, Type
from tests.unit.commands.actions_2 import ACTIONS, AT_CONNECTOR, NETWORK, PROFILE, TOKEN

STATES = Enumeration("CommandState", {"Idle": 0})
EACH = pytest.mark.parametrize(
    ("version", "action"), [(version, action) for version, actions in ACTIONS.items() for action in actions]
)
EACH_AT_CONNECTOR = pytest.mark.parametrize(
    ("version", "action"), [(version, action) for version, actions in AT_CONNECTOR.items() for action in actions]
)


def offered(version: str, *, connector: bool = False) -> dict[str, Command]:
    return commands(VERSIONS[version], connector=connector)


def written(payload: dict[str, Any]) -> dict[str, Any]:
    """The parameters' points as an HMI writes them."""
    return {
        field[0].upper() + field[1:]: json.dumps(value) if isinstance(value, dict | list) else value
        for field, value in payload.items()
    }


@pytest.mark.parametrize("version", ACTIONS)
def test_all_commands_of_the_version_are_here(version):
    assert list(offered(version)) == sorted(ACTIONS[version]) == list(VERSIONS[version].to_station)
    assert set(offered(version, connector=True)) == set(AT_CONNECTOR[version])


@EACH
def test_a_payload_comes_of_points_of_json_and_of_arguments_alike(version, action):
    payload, _, _ = ACTIONS[version][action]
    command = offered(version)[action]
    values = written(payload)
    arguments = [values.get(parameter.name) for parameter in command.parameters]
    assert values.keys() <= {parameter.name for parameter in command.parameters}
    assert from_parameters(command, values) == payload
    assert from_arguments(command, arguments) == payload
    assert from_json(command, json.dumps(payload)) == payload
    check_payload(VERSIONS[version], action, payload)


@EACH
def test_an_answer_means_yes_or_no(version, action):
    _, yes, no = ACTIONS[version][action]
    for answer, accepted in ((yes, True), (no, False)):
        if answer is not None:
            assert schemas(VERSIONS[version]).check_response(action, answer) == ()
            assert outcome(action, answer)[0] is accepted


@EACH
def test_a_required_parameter_that_was_not_written_is_named(version, action):
    command = offered(version)[action]
    for parameter in command.parameters:
        if parameter.required:
            values = written(ACTIONS[version][action][0]) | {parameter.name: None}
            with pytest.raises(Refused, match=f"{action}: {parameter.name} has not been written"):
                from_parameters(command, values)


@EACH_AT_CONNECTOR
def test_the_connector_fills_in_where_the_command_stands(version, action):
    command = offered(version, connector=True)[action]
    expected = AT_CONNECTOR[version][action]
    assert set(command.filled) == set(expected)
    assert not {parameter.field for parameter in command.parameters} & set(expected)
    payload = {k: v for k, v in ACTIONS[version][action][0].items() if k not in expected}
    fill(command, payload, 2, 3)
    assert payload | expected == payload
    check_payload(VERSIONS[version], action, payload)


@pytest.mark.parametrize(
    ("action", "named"),
    [
        ("ChangeAvailability", {"evse": {"id": 2, "connectorId": 3}}),
        ("ChangeAvailability", {"evse": {"id": 2}}),  # the whole EVSE
        ("ChangeAvailability", {"evse": {"id": 2, "customData": {"vendorId": "V"}}}),
        ("UnlockConnector", {"evseId": 2}),
        ("Reset", {"evseId": 2}),
    ],
)
def test_what_names_the_connector_itself_is_left_as_it_is(action, named):
    payload = dict(named)
    fill(offered("2.0.1", connector=True)[action], payload, 2, 3)
    assert payload | named == payload


@pytest.mark.parametrize(
    ("action", "named"),
    [
        ("ChangeAvailability", {"evse": {"id": 1}}),
        ("ChangeAvailability", {"evse": {"id": 2, "connectorId": 1}}),
        ("ChangeAvailability", {"evse": 2}),
        ("UnlockConnector", {"evseId": 2, "connectorId": 1}),
        ("Reset", {"evseId": 1}),
    ],
)
def test_a_command_for_another_connector_is_refused(action, named):
    with pytest.raises(Refused, match="this is connector 3 of EVSE 2"):
        fill(offered("2.0.1", connector=True)[action], dict(named), 2, 3)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("plain text", "plain text"),
        ("", None),
        ("5", 5),
        ('"5"', "5"),
        ('{"aB": [1, {"C_d": null}]}', {"aB": [1, {"C_d": None}]}),
        ("[1, 2", "[1, 2"),
        ("null", None),
        ("true", True),
    ],
)
def test_the_data_of_a_transfer_is_any_json_or_else_a_text(text, sent):
    """J45"""
    payload = from_parameters(offered("2.0.1")["DataTransfer"], {"VendorId": "V", "Data": text})
    assert payload.get("data") == sent
    check_payload(VERSIONS["2.0.1"], "DataTransfer", payload)


@pytest.mark.parametrize("version", ACTIONS)
def test_every_command_has_points_and_a_method(version):
    found = offered(version)
    rows = {row.key: row for row in command_rows(found, STATES)}
    methods = {method.folder: method for method in command_methods(found)}
    for action, command in found.items():
        assert {f"Commands.{action}.{name}" for name in ("Execute", "Request", "Result.State")} <= rows.keys()
        assert len(methods[command.folder].inputs) == len(command.parameters)
    assert rows["Commands.SetVariables.SetVariableData"].type is Type.STRING
    assert rows["Commands.CostUpdated.TotalCost"].type is Type.DOUBLE
    assert "any JSON" in rows["Commands.DataTransfer.Data"].description
    assert all(row.description for row in rows.values())


# --- rules that no schema can say, and secrets


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"chargingProfilePurpose": "TxDefaultProfile"}, "has to be TxProfile"),
        ({"transactionId": "T1"}, "must not name a transactionId"),
    ],
)
def test_the_profile_of_a_remote_start_belongs_to_its_transaction(change, reason):
    """B23"""
    payload = {"idToken": TOKEN, "remoteStartId": 1, "chargingProfile": PROFILE | change}
    with pytest.raises(Refused, match=reason):
        check_payload(VERSIONS["2.0.1"], "RequestStartTransaction", payload)


def secret(name: str) -> dict[str, Any]:
    return {"attributeValue": "s", "component": {"name": "SecurityCtrlr"}, "variable": {"name": name}}


def test_secrets_are_masked_wherever_they_stand():
    sent = {"setVariableData": [secret("BasicAuthPassword"), secret("basicauthpassword"), secret("Identity")]}
    shown = masked(sent)
    assert [entry["attributeValue"] for entry in shown["setVariableData"]] == [MASK, MASK, "s"]
    assert sent["setVariableData"][0]["attributeValue"] == "s"
    network = NETWORK | {"apn": {"apn": "x", "apnPassword": "s"}, "vpn": {"password": "s"}, "basicAuthPassword": "s"}
    shown = masked({"configurationSlot": 1, "connectionData": network})["connectionData"]
    assert (shown["apn"], shown["vpn"], shown["basicAuthPassword"]) == (
        {"apn": "x", "apnPassword": MASK},
        {"password": MASK},
        MASK,
    )
    told = masked({"getVariableResult": [secret("BasicAuthPassword")]})
    assert told["getVariableResult"][0]["attributeValue"] == MASK


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ftp://user:secret@host/logs", "ftp://user:***@host/logs"),
        ("sftp://user:se@cret@host:22/a?b=c", "sftp://user:***@host:22/a?b=c"),
        ("https://:token@host", "https://:***@host"),
        ("ftp://user@host/logs", "ftp://user@host/logs"),
        ("http://host:8080/a@b", "http://host:8080/a@b"),
        ("mailto:a@b", "mailto:a@b"),
    ],
)
def test_a_password_in_a_url_is_masked(url, shown):
    assert masked({"location": url, "retries": 1}) == {"location": shown, "retries": 1}
    assert masked({"log": {"remoteLocation": url}}) == {"log": {"remoteLocation": shown}}
    assert masked({"data": url}) == {"data": shown}


@pytest.mark.parametrize(
    ("frame", "may"),
    [
        ('[3,"1",{"apnPassword":"s"}]', True),
        ('[3,"1",{"apnPassword":""}]', False),
        ('[3,"1",{"apnPassword":"s"', True),
        ("[]", False),
        (b"p", False),
        ('[2,"1","NotifyCustomerInformation",{}]', True),
    ],
)
def test_a_frame_that_may_hold_a_secret_is_known_by_its_words(frame, may):
    assert may_hold_secret(frame) is may
