"""What the OCPP side's security settings contradict each other in, and what leaves it open."""

import pytest
import tomli
from argon2 import PasswordHasher

from bridge.config import Config, load_config, needs_plain_port, weaknesses
from bridge.errors import ProjectError

TLS = "[ocpp.tls]\ncertificates = ['a.pem']\nkeys = ['a.key']\n"
OPCUA = "[opcua]\nanonymous = 'none'\n"
PUBLIC = "[ocpp]\nhost = '10.0.0.1'\nsecurity_profile = 1\n"
ONE_WITH_A_PASSWORD = "[[station]]\nid = 'a'\nsecurity_profile = 1"
USER = "[[user]]\nname = 'anna'\nrole = 'admin'\npassword_hash = "


def test_what_is_shipped_is_not_warned_of(project):
    strong = PasswordHasher().hash("x")
    assert weaknesses(load(project, f"{USER}'{strong}'")) == []


def load(project, toml: str) -> Config:
    project.config_file.write_text(toml)
    return load_config(project, {})


@pytest.mark.parametrize(
    ("toml", "where"),
    [
        ("[ocpp]\nsecurity_profile = 2", "ocpp.security_profile"),
        ("[ocpp]\nsecurity_profile = 3\n" + TLS, "ocpp.security_profile"),
        ("[[station]]\nid = 'a'\nsecurity_profile = 2", "station[0].security_profile"),
        ("[[station]]\nid = 'a'\nsecurity_profile = 3\n" + TLS, "station[0].security_profile"),
        ("[ocpp.tls]\ncertificates = ['a.pem']", "ocpp.tls.keys"),
        ("[ocpp.tls]\nkeys = ['a.pem']", "ocpp.tls.keys"),
        (TLS + "crl = 'c.pem'", "ocpp.tls.crl"),
    ],
)
def test_what_no_station_could_connect_with_is_a_mistake(project, toml, where):
    with pytest.raises(ProjectError) as caught:
        load(project, toml)
    assert [problem.where for problem in caught.value.problems] == [where]


@pytest.mark.parametrize(
    ("toml", "plain"),
    [
        ("", True),
        ("[ocpp]\nsecurity_profile = 1", True),
        ("[ocpp]\nsecurity_profile = 2\n" + TLS, False),
        ("[ocpp]\nsecurity_profile = 2\n" + TLS + "[[station]]\nid = 'a'\nsecurity_profile = 1", True),
        ("[ocpp]\nsecurity_profile = 1\n" + TLS + "[[station]]\nid = 'a'\nsecurity_profile = 2", True),
        ("[ocpp]\nsecurity_profile = 2\n" + TLS + "[[station]]\nid = 'a'\nsecurity_profile = 3\n", False),
    ],
)
def test_the_port_without_tls_is_open_only_where_a_station_may_use_it(plain, toml):
    assert needs_plain_port(Config.model_validate(tomli.loads(toml))) is plain


@pytest.mark.parametrize(
    "toml",
    [
        "[ocpp]\nhost = '0.0.0.0'",
        "[ocpp]\nhost = '0.0.0.0'\nsecurity_profile = 2\n" + TLS + "[[station]]\nid = 'a'\nsecurity_profile = 0",
        "[ocpp]\n" + TLS + "host = '0.0.0.0'",
    ],
)
def test_who_needs_no_password_is_refused_on_a_network(project, toml):
    with pytest.raises(ProjectError, match=r"security_profile: 0 lets anyone who reaches 0\.0\.0\.0 be"):
        load(project, OPCUA + toml)


@pytest.mark.parametrize("profile", [1, 2, 3])
def test_with_a_password_or_tls_the_bridge_starts_on_a_network(project, profile):
    config = load(project, f"[ocpp]\nhost = '0.0.0.0'\nsecurity_profile = {profile}\n" + TLS + "client_ca = 'c.pem'")
    assert config.ocpp.security_profile == profile


@pytest.mark.parametrize(
    ("toml", "where"),
    [
        ("[ocpp]\nhost = '10.0.0.1'\nsecurity_profile = 1", "ocpp.security_profile"),
        ("[ocpp]\nsecurity_profile = 3\n" + TLS + "client_ca = 'c.pem'", "ocpp.tls.crl"),
        ("[ocpp]\nmax_connections_per_address = 0\n" + TLS, "ocpp.max_connections_per_address"),
        (PUBLIC + "max_connections_per_address = 0", "ocpp.max_connections_per_address"),
        (PUBLIC + "max_message_rate = 0", "ocpp.max_message_rate"),
        ("[ocpp]\nvalidation = 'off'", "ocpp.validation"),
        ("[ocpp]\nweb_pages = true", "ocpp.web_pages"),
        ("allow_insecure = true\n[ocpp]\nhost = '0.0.0.0'", "ocpp.security_profile"),
        ("allow_insecure = true\n[ocpp]\nhost = '0.0.0.0'", "stations.unknown"),
        ("allow_insecure = true\n" + TLS + "host = '0.0.0.0'", "stations.unknown"),
        (
            "[ocpp]\nhost = '10.0.0.1'\nsecurity_profile = 2\n" + TLS + ONE_WITH_A_PASSWORD,
            "station[0].security_profile",
        ),
        ("[log]\nlevel = 'debug'", "log.level"),
        ("[handlers]\nisolation = 'inline'", "handlers.isolation"),
        ("[handlers]\nmemory = 0", "handlers.memory"),
        ("[opcua]\nanonymous = 'admin'", "opcua.anonymous"),
        ("[opcua]\nhide_id_tags = false", "opcua.hide_id_tags"),
        (USER + "'$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aaaaaaaaaaaaaaaaaaaaaa'", "user[0].password_hash"),
    ],
)
def test_what_could_be_safer_is_named(project, toml, where):
    assert where in [weakness.where for weakness in weaknesses(load(project, toml))]


def test_web_pages_are_no_weakness_where_every_station_has_to_log_in(project):
    config = load(project, "[ocpp]\nweb_pages = true\nsecurity_profile = 1")
    assert "ocpp.web_pages" not in [weakness.where for weakness in weaknesses(config)]
