"""Which names are those of secrets, and what of a text is one."""

import json

import pytest

from bridge.ocpp.secrets import MASK, is_secret, masked, masked_values, may_hold_secret, speaks_of_secret

KEYS = """
    AuthorizationKey authorizationkey AUTHORIZATIONKEY Authorization_Key BasicAuthPassword basicAuthPassword
    apiKey APIKey api-key API_KEY ApiKeys Key1 key2 VpnKey vpn.Key WifiKey wifi_psk WiFiPSK WlanPassphrase
    EncryptionKey PrivateKey ServerPrivateKey LondonKey MicrosoftKey passkey ClientSecret SimPin PIN puk AccessToken
"""
OPEN = """
    key keys Key configurationKey ConfigurationKey unknownKey GetConfigurationMaxKeys PublicKey MeterPublicKey[1]
    server_public_key serverpublickey Hotkey HotKey HOTKEY Hot_Key2 Vendor_Hotkey hotkeys SoftKey FunctionKey
    ArrowKey PrimaryKey Turkey Monkey Keyboard KeyId HeartbeatInterval idToken Mapping Spinning Donkeys
"""


@pytest.mark.parametrize("name", KEYS.split())
def test_a_secrets_name_is_known(name):
    assert is_secret(name)
    assert masked({name: "hush"}) == {name: MASK}
    assert masked({"key": name, "value": "hush"}) == {"key": name, "value": MASK}


@pytest.mark.parametrize("name", OPEN.split())
def test_a_name_that_only_looks_like_a_secrets_is_none(name):
    assert not is_secret(name)
    assert masked({"key": name, "readonly": False, "value": "F1"}) == {"key": name, "readonly": False, "value": "F1"}


def test_whatever_stands_below_a_secrets_name_is_masked():
    told = {"apiKeys": ["hush", {"id": "hush", "on": True}, None], "password": {"value": "hush", "kind": ""}}
    assert masked(told) == {"apiKeys": [MASK, {"id": MASK, "on": True}, None], "password": {"value": MASK, "kind": ""}}
    assert masked({"unknownKey": ["A"], "key": ["AuthorizationKey"]}) == {
        "unknownKey": ["A"],
        "key": ["AuthorizationKey"],
    }


def test_a_pin_is_masked_and_what_else_is_told_of_a_token_is_not():
    more = [{"additionalIdToken": "1234", "type": "PIN"}, {"additionalIdToken": "AB-1", "type": "licensePlate"}]
    assert masked({"additionalInfo": more}) == {"additionalInfo": [{**more[0], "additionalIdToken": MASK}, more[1]]}


PEM = "-----BEGIN {}KEY-----\nhush\n-----END {}KEY-----\n"


@pytest.mark.parametrize("kind", ["PRIVATE ", "RSA PRIVATE ", "ENCRYPTED PRIVATE "])
def test_a_private_key_is_masked_wherever_it_stands(kind):
    text = PEM.format(kind, kind)
    assert masked({"certificate": text, "data": {"chain": [text]}}) == {"certificate": MASK, "data": {"chain": [MASK]}}
    assert may_hold_secret(json.dumps([2, "1", "InstallCertificate", {"certificate": text}]))
    public = PEM.format("PUBLIC ", "PUBLIC ")
    assert masked({"certificate": public}) == {"certificate": public}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ftp://anna:pa/hush@host/x", "ftp://anna:***@host/x"),
        ("ftp://anna:hu?sh#hush@host/x", "ftp://anna:***@host/x"),
        ("FTP://anna:hush@HOST", "FTP://anna:***@HOST"),
        ("see ftp://a:hush@h and ftp://b:hush@h", "see ftp://a:***@h and ftp://b:***@h"),
        ("http://host:8080/a@b", "http://host:8080/a@b"),
        ("http://[::1]:8080/a@b", "http://[::1]:8080/a@b"),
        ("ws://host:8080", "ws://host:8080"),
    ],
)
def test_a_password_in_a_url_is_masked_whatever_characters_it_has(url, shown):
    assert masked({"location": url}) == {"location": shown}


@pytest.mark.parametrize(
    ("text", "speaks"),
    [
        ('[2,"1","X",{"location":"ftp://anna:hush@host"', True),
        ('[2,"1","X",{"location":"https://host/?token=hush"', True),
        ('[2,"1","X",{"certificate":"-----BEGIN PRIVATE KEY-----', True),
        ('[2,"1","X",{"location":"ftp://anna@host/"', False),
        ('[2,"1","X",{"hotkeys":1', False),
    ],
)
def test_a_broken_frame_with_a_secret_in_it_is_known(text, speaks):
    assert speaks_of_secret(text) is speaks
    assert may_hold_secret(text) is speaks


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("login failed: wrong password", "login failed: wrong password"),
        ("set AuthorizationKey=hush, WifiKey: 'hush'; ok", "set AuthorizationKey=***, WifiKey: '***'; ok"),
        ('{"password":"hush","tries":3}', '{"password":"***","tries":3}'),
        ("from ftp://anna:hush@host at 12:30", "from ftp://anna:***@host at 12:30"),
    ],
)
def test_of_what_somebody_wrote_the_values_of_secrets_are_masked(text, shown):
    assert masked_values(text) == shown
