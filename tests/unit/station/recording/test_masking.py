"""What a recording must not show."""

import json

import pytest

from bridge.ocpp.secrets import MASK, hides_nothing
from bridge.station.recording import masking
from bridge.station.recording.masking import Tokens, masked_frame

LOCK = {"component": {"name": "Lock"}, "variable": {"name": "Foo"}}
VARIABLE = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
SECRETS = [
    [2, "1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": "hush"}],
    [2, "1", "ChangeConfiguration", {"key": "Vendor_WifiPassword", "value": "hush"}],
    [3, "1", {"configurationKey": [{"key": "authorizationkey", "readonly": False, "value": "hush"}]}],
    [2, "1", "SetVariables", {"setVariableData": [{**VARIABLE, "attributeValue": "hush"}]}],
    [3, "1", {"getVariableResult": [{**VARIABLE, "attributeStatus": "Accepted", "attributeValue": "hush"}]}],
    [
        2,
        "1",
        "NotifyReport",
        {"reportData": [{**VARIABLE, "variableAttribute": [{"type": "Actual", "value": "hush"}]}]},
    ],
    [2, "1", "NotifyEvent", {"eventData": [{**VARIABLE, "actualValue": "hush"}]}],
    [2, "1", "SetNetworkProfile", {"connectionData": {"basicAuthPassword": "hush", "apn": {"apnPassword": "hush"}}}],
    [2, "1", "GetDiagnostics", {"location": "ftp://anna:hush@example.org/logs"}],
    [
        2,
        "1",
        "UpdateFirmware",
        {"location": "https://anna:hush@example.org/fw", "retrieveDate": "2027-01-15T08:00:00Z"},
    ],
    [2, "1", "GetLog", {"log": {"remoteLocation": "sftp://anna:hush@example.org/"}, "requestId": 1}],
    [2, "1", "NotifyCustomerInformation", {"data": "hush", "seqNo": 0}],
    [2, "1", "DataTransfer", {"vendorId": "V", "data": '{"password":"hush"}'}],
    [2, "1", "DataTransfer", {"vendorId": "V", "data": {"pwd": "hush", "wifi": {"key": "hush"}, "API-Key": "hush"}}],
    [2, "1", "SetNetworkProfile", {"connectionData": {"vpn": {"user": "u", "key": "hush"}, "apn": {"simPin": "hush"}}}],
    [3, "1", {"ConfigurationKey": [{"Key": "AUTHORIZATIONKEY", "Value": "hush"}, {"key": "WifiPSK", "value": "hush"}]}],
    [
        2,
        "1",
        "NotifyReport",
        {"reportData": [{"Variable": {"Name": "Password"}, "VariableAttribute": [{"Value": "hush"}]}]},
    ],
    [2, "1", "NotifyReport", {"reportData": [{**VARIABLE, "variableAttribute": {"value": "hush"}}]}],
    [
        2,
        "1",
        "NotifyReport",
        {"reportData": [{**LOCK, "variableAttribute": [{"mutability": "WriteOnly", "value": "hush"}]}]},
    ],
    [2, "1", "NotifyCustomerInformation", {"Data": "hush", "seqNo": 0}],
    [2, "1", "UpdateFirmware", {"location": "https://example.org/fw?v=2&token=hush&X-Amz-Signature=hush#a"}],
    [2, "1", "UpdateFirmware", {"location": "https://hush@example.org/fw"}],
    [4, "1", "PropertyConstraintViolation", "", {"key": "AuthorizationKey", "value": "hush"}],
]
LEFT = [
    [3, "1", {"configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]}],
    [2, "1", "GetConfiguration", {"key": ["AuthorizationKey"]}],
    [2, "1", "DataTransfer", {"vendorId": "V", "data": '{"keyboard": "qwerty", "publicKey": "04ab"}'}],
    [2, "1", "GetDiagnostics", {"location": "ftp://anna@example.org/logs?day=1"}],
    [
        2,
        "1",
        "NotifyReport",
        {"reportData": [{"variable": {"name": "Enabled"}, "variableAttribute": [{"value": "1"}]}]},
    ],
    [4, "1", "GenericError", "the key does not turn", {}],
    [3, "1", {"idTagInfo": {"status": "Accepted"}}],
]
TOKENS = [
    [2, "1", "Authorize", {"idTag": "TOKEN1"}],
    [
        2,
        "1",
        "SendLocalList",
        {"localAuthorizationList": [{"idTag": "token1", "idTagInfo": {"parentIdTag": "TOKEN1"}}]},
    ],
    [2, "1", "TransactionEvent", {"idToken": {"idToken": "Token1", "type": "ISO14443"}}],
    [2, "1", "Authorize", {"IdTag": "TOKEN1"}],
    [2, "1", "DataTransfer", {"vendorId": "V", "data": '{"idTag":"TOKEN1"}'}],
    [3, "1", {"getVariableResult": [{"variable": {"name": "MasterPassGroupId"}, "attributeValue": "TOKEN1"}]}],
    [
        2,
        "1",
        "NotifyReport",
        {"reportData": [{"variable": {"name": "MasterPassGroupId"}, "variableAttribute": [{"value": "TOKEN1"}]}]},
    ],
    [
        2,
        "1",
        "NotifyEvent",
        {"eventData": [{"component": {"name": "TokenReader"}, "variable": {"name": "Token"}, "actualValue": "TOKEN1"}]},
    ],
    [2, "1", "CustomerInformation", {"requestId": 1, "report": True, "clear": False, "customerIdentifier": "TOKEN1"}],
    [3, "1", {"idTokenInfo": {"groupIdToken": {"idToken": "TOKEN1", "type": "Central"}}}],
]


@pytest.mark.parametrize("frame", SECRETS, ids=lambda frame: str(frame[2])[:20])
def test_a_secret_is_masked_and_the_rest_left(frame):
    shown = masked_frame(frame, hides_nothing, None)
    assert "hush" not in json.dumps(shown)
    assert json.dumps(shown) == json.dumps(frame).replace("hush", MASK)


@pytest.mark.parametrize("frame", LEFT, ids=lambda frame: str(frame[2])[:20])
def test_what_is_no_secret_is_left_as_it_came(frame):
    assert masked_frame(frame, hides_nothing, None) == frame


def test_an_error_that_repeats_a_secret_is_masked():
    frame = [4, "1", "PropertyConstraintViolation", "AuthorizationKey=hush is too short", {}]
    assert masked_frame(frame, hides_nothing, None)[3] == MASK


def test_a_variable_that_may_only_be_written_is_masked():
    """Whatever its name: the device model says that nobody may read it."""
    pin = {"component": {"name": "Lock"}, "variable": {"name": "Pin"}, "attributeValue": "1234"}
    frame = [2, "1", "SetVariables", {"setVariableData": [pin]}]
    shown = masked_frame(frame, lambda named: named["variable"]["name"] == "Pin", None)
    assert shown[3]["setVariableData"][0]["attributeValue"] == MASK


@pytest.mark.parametrize("frame", TOKENS, ids=lambda frame: str(frame[2])[:20])
def test_tokens_are_hidden_on_demand_each_behind_one_code(frame):
    assert masked_frame(frame, hides_nothing, None) == frame
    tokens = Tokens()
    shown = json.dumps(masked_frame(frame, hides_nothing, tokens))
    assert "token1" not in shown.lower()
    assert tokens.hidden("TOKEN1") in shown
    assert len(tokens.hidden("TOKEN1")) <= 20
    assert tokens.hidden("TOKEN2") != tokens.hidden("TOKEN1") != Tokens().hidden("TOKEN1")


REPEATS = [
    [4, "1", "GenericError", "unknown: token1", {}],
    [3, "1", {"status": "Rejected", "data": "TOKEN1 is blocked"}],
    [2, "1", "SecurityEventNotification", {"type": "X", "techInfo": "TOKEN1, Token1"}],
    [2, "1", "StatusNotification", {"status": "Faulted", "info": "reader: TOKEN1"}],
    [2, "1", "DataTransfer", {"vendorId": "V", "data": '{"said":"TOKEN1","idTag":"TOKEN1"}'}],
]


@pytest.mark.parametrize("frame", REPEATS, ids=lambda frame: str(frame[2])[:20])
def test_a_token_that_has_come_before_is_hidden_in_what_somebody_wrote(frame):
    tokens = Tokens()
    masked_frame([2, "0", "Authorize", {"idTag": "TOKEN1"}], hides_nothing, tokens)
    shown = json.dumps(masked_frame(frame, hides_nothing, tokens))
    assert "token1" not in shown.lower()
    assert tokens.hidden("TOKEN1") in shown


def test_a_text_without_a_token_is_left_and_so_is_a_short_one_that_may_stand_there_by_chance():
    tokens = Tokens()
    for token in ("TOKEN1", "ing"):
        tokens.hidden(token)
    assert tokens.hidden_in("charging") == "charging"


def test_only_so_many_tokens_are_kept(monkeypatch):
    monkeypatch.setattr(masking, "MAX_TOKENS", 2)
    tokens = Tokens()
    for number in range(5):
        tokens.hidden(f"TOKEN{number}")
    assert [tokens.hidden_in(f"TOKEN{number}").startswith("#") for number in range(5)] == [False] * 3 + [True] * 2
