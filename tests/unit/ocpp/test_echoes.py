"""Secrets that a station repeats."""

import json

import pytest

from bridge.ocpp.echoes import frame_without, public, secrets_in, without
from bridge.ocpp.secrets import hides_nothing

KEY = "0011223344556677"
PEM = f"-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"key": "AuthorizationKey", "value": KEY}, {KEY}),
        ({"key": "HeartbeatInterval", "value": KEY}, set()),
        ({"location": f"ftp://anna:{KEY}@host/x"}, {KEY, f"ftp://anna:{KEY}@host/x"}),
        ({"connectionData": {"vpn": {"password": KEY}, "apn": {"simPin": 731954}}}, {KEY, "731954"}),
        ({"key": "AuthorizationKey", "value": "abc"}, set()),
        ({"data": f'{{ "pwd": "{KEY}" }}'}, {KEY, f'{{ "pwd": "{KEY}" }}'}),
        ({"certificate": PEM}, {PEM, KEY}),
    ],
)
def test_the_secrets_of_a_call_are_found(payload, expected):
    assert secrets_in(payload, hides_nothing) == expected


def test_they_are_masked_wherever_they_are_repeated():
    told = {"info": [f"value {KEY} too short", 731954, 5, True, None], KEY: "x"}
    assert without(told, {KEY, "731954"}) == {"info": ["value *** too short", "***", 5, True, None], "***": "x"}


@pytest.mark.parametrize("frame", [json.dumps([4, "1", "GenericError", f"not {KEY}", {}]), f"[no JSON {KEY}"])
def test_also_in_a_frame(frame):
    assert KEY not in frame_without(frame, {KEY})
    assert frame_without(frame, {"another"}) == frame
    assert KEY not in frame_without(frame.encode(), {KEY})


def test_a_pin_that_stands_in_what_a_station_says_unasked_by_chance_is_left():
    """Or the recording of a charge could not be replayed."""
    start = json.dumps([2, "1", "StartTransaction", {"idTag": "04731954", "meterStart": 731954}])
    assert frame_without(start, {"731954"}) == start
    assert frame_without(json.dumps([3, "1", {"pin": 731954}]), {"731954"}) == '[3,"1",{"pin":"***"}]'
    assert KEY not in frame_without(json.dumps([2, "1", "DataTransfer", {"data": KEY}]), {KEY})


def test_a_setting_is_told_without_the_password_in_its_url():
    assert public(f"wss://anna:{KEY}@host/") == "wss://anna:***@host/"
    assert [public(text) for text in ("", "60", "https://host/a?b=c", "{}")] == ["", "60", "https://host/a?b=c", "{}"]
