"""bridge.config: what is read, what is refused, and in which words."""

import dataclasses
import re
from typing import Any

import pytest
import tomli
from argon2 import PasswordHasher
from pydantic import ValidationError

from bridge.config import (
    AreaConfig,
    Config,
    OpcuaLimitsConfig,
    StationConfig,
    UserConfig,
    load_config,
    trusts_everybody,
    weaknesses,
)
from bridge.errors import ProjectError
from bridge.opcua.settings import Limits
from bridge.project import Project, shipped

HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("secret")


def load(project: Project, toml: str = "", **environ: str) -> Config:
    project.config_file.write_text(toml, encoding="utf-8")
    return load_config(project, environ)


def mistakes(project: Project, toml: str = "", **environ: str) -> list[str]:
    """The problems as the user sees them, the long path of the file cut."""
    with pytest.raises(ProjectError) as caught:
        load(project, toml, **environ)
    return [str(problem).replace(str(project.config_file), "config.toml") for problem in caught.value.problems]


def test_shipped_config_shows_the_defaults():
    assert load_config(Project(shipped()), {}) == Config()


def test_shipped_config_names_every_key_and_no_other():
    text = (shipped() / "config.toml").read_text(encoding="utf-8")
    examples = re.sub(r"^# (\[\[|\w+ = )", r"\1", text, flags=re.MULTILINE)
    assert keys_of(tomli.loads(examples)) == keys_of(
        Config(
            station=(StationConfig(id="x"),),
            area=(AreaConfig(path="x"),),
            user=(UserConfig(name="x", role="observer", password_hash=HASH),),
        ).model_dump()
    )


def keys_of(table: dict[str, Any]) -> dict[str, Any]:
    """The keys of a configuration without their values, tables in lists as the first of them."""
    first = {
        key: value[0] if key in ("station", "area", "user") and not isinstance(value, str) else value
        for key, value in table.items()
    }
    return {key: keys_of(value) if isinstance(value, dict) else None for key, value in first.items()}


def test_empty_file_means_the_defaults(project):
    assert load(project) == Config()


def test_every_table_is_read(project):
    config = load(
        project,
        f"""
        [ocpp]
        port = 0
        versions = ["1.6"]
        default_version = "1.6"
        call_timeout = 2.5
        [stations]
        unknown = "pending"
        [[station]]
        id = "CP001"
        area = "Depot/Hall 1"
        connectors = 2
        [[station]]
        id = "CP002"
        [opcua]
        security = ["Basic256Sha256"]
        [[user]]
        name = "anna"
        role = "engineer"
        password_hash = "{HASH}"
        [handlers]
        scripts = []
        [store]
        path = "elsewhere.db"
        [log]
        format = "json"
        """,
    )
    assert (config.ocpp.port, config.ocpp.default_version, config.ocpp.call_timeout) == (0, "1.6", 2.5)
    assert config.stations.unknown == "pending"
    assert [(row.id, row.area, row.connectors) for row in config.station] == [
        ("CP001", "Depot/Hall 1", 2),
        ("CP002", "", 0),
    ]
    assert config.opcua.security == ("Basic256Sha256",)
    assert (config.user[0].name, config.user[0].role) == ("anna", "engineer")
    assert (config.handlers.scripts, config.store.path, config.log.format) == ((), "elsewhere.db", "json")


def test_configuration_cannot_be_changed_once_read():
    with pytest.raises(ValidationError, match="frozen"):
        Config().ocpp.port = 1


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ('ocpp.port = "x"', 'ocpp.port: expected an integer between 0 and 65535, found "x"'),
        ("ocpp.port = 65536", "ocpp.port: expected an integer between 0 and 65535, found 65536"),
        ("ocpp.port = true", "ocpp.port: expected an integer between 0 and 65535, found true"),
        ("ocpp.port = 9000.5", "ocpp.port: expected an integer between 0 and 65535, found 9000.5"),
        ("ocpp.prt = 1", "ocpp.prt: unknown key; did you mean port?"),
        ("log.xyz = 1", "log.xyz: unknown key; known here: format, level"),
        ("opcau.endpoint = 1", "opcau: unknown key; did you mean opcua?"),
        ("ocpp = 5", "ocpp: expected a table, found 5"),
        ('ocpp.host = ""', 'ocpp.host: expected a text that is not empty, found ""'),
        ('ocpp.path = "ocpp"', 'ocpp.path: expected a path such as /ocpp, found "ocpp"'),
        ("ocpp.call_timeout = 0", "ocpp.call_timeout: expected a number above 0, found 0"),
        ("ocpp.call_timeout = nan", "ocpp.call_timeout: expected a number above 0, found NaN"),
        ("ocpp.ping_interval = -1", "ocpp.ping_interval: expected a number of at least 0, found -1"),
        (
            'ocpp.validation = "Off"',
            'ocpp.validation: expected one of "strict", "lenient", "off", found "Off"',
        ),
        (
            "ocpp.security_profile = 2",
            "ocpp.security_profile: 2 needs TLS: ocpp.tls.certificates (`ocpp-bridge pki issue` makes one)",
        ),
        (
            'ocpp.versions = ["2.0"]',
            'ocpp.versions: this version of the bridge speaks OCPP "2.1", "2.0.1", "1.6", found "2.0"',
        ),
        (
            "ocpp.versions = []",
            "ocpp.versions: expected a list that is not empty, each item a text, found []",
        ),
        (
            'ocpp.versions = ["1.6"]\nocpp.default_version = "2.1"',
            'ocpp.default_version: expected "" or one of ocpp.versions ("1.6"), found "2.1"',
        ),
        ("ocpp.read_configuration = 1", "ocpp.read_configuration: expected true or false, found 1"),
        (
            'opcua.security = ["None", "none"]',
            (
                'opcua.security[1]: expected one of "None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", '
                '"Aes256_Sha256_RsaPss", found "none"'
            ),
        ),
        (
            'opcua.endpoint = "http://a:1"',
            'opcua.endpoint: expected opc.tcp://host:port/path, found "http://a:1"',
        ),
        (
            'opcua.endpoint = "opc.tcp://a:x/"',
            'opcua.endpoint: expected opc.tcp://host:port/path, found "opc.tcp://a:x/"',
        ),
        ("[[station]]\narea = 'x'", "station[0].id: missing; expected a text of 1 to 48 characters"),
        ("[station]\nid = 'x'", 'station: expected a list of tables, found {"id": "x"}'),
        (
            "[[station]]\nid = 'a/b'",
            'station[0].id: expected an identity without / and control characters, found "a/b"',
        ),
        (
            "handlers.scripts = ['sub/x.py']",
            'handlers.scripts[0]: expected the name of a file in handlers/, found "sub/x.py"',
        ),
        (
            "[[station]]\nid = 'a'\narea = '/x'",
            'station[0].area: expected folders such as Depot/Hall 1, found "/x"',
        ),
        ("[[station]]\nid = 'a'\n[[station]]\nid = 'a'", 'station[1].id: "a" is also station[0].id'),
    ],
)
def test_mistake_names_place_and_expectation(project, toml, expected):
    assert mistakes(project, toml) == [f"config.toml: {expected}"]


def test_all_mistakes_are_reported_in_one_go(project):
    toml = "allow_insecure = 'yes'\n[ocpp]\nport = -1\nprot = 1\n[[station]]\n[log]\nlevel = 'loud'"
    assert [text.split(": ")[1] for text in mistakes(project, toml)] == [
        "allow_insecure",
        "ocpp.port",
        "ocpp.prot",
        "station[0].id",
        "log.level",
    ]


def test_two_users_of_one_name_are_a_mistake(project):
    user = f"[[user]]\nname = 'a'\nrole = 'observer'\npassword_hash = '{HASH}'\n"
    assert mistakes(project, user * 2) == ['config.toml: user[1].name: "a" is also user[0].name']


@pytest.mark.parametrize("password", ['"hunter2"', "42", '"$argon2id$hunter2"'])
def test_password_in_place_of_its_hash_is_not_shown(project, password):
    [text] = mistakes(project, f"[[user]]\nname = 'a'\nrole = 'observer'\npassword_hash = {password}\n")
    assert text.startswith("config.toml: user[0].password_hash: expected ")
    assert password.strip('"') not in text


def test_long_value_is_cut(project):
    [text] = mistakes(project, f"ocpp.port = '{'x' * 1000}'")
    assert text.endswith("xxx…")
    assert len(text) < 200


def test_syntax_error_names_its_line(project):
    [text] = mistakes(project, "[ocpp]\nport 9000\n")
    assert text.startswith("config.toml: line 2, column 6: not TOML: ")


def test_file_that_is_not_utf8_is_a_mistake(project):
    project.config_file.write_bytes(b"# caf\xe9\n")
    with pytest.raises(ProjectError, match="not UTF-8"):
        load_config(project, {})


@pytest.mark.parametrize(
    ("name", "value", "path", "expected"),
    [
        ("OCPP_BRIDGE__OCPP__PORT", "9001", "ocpp.port", 9001),
        ("ocpp_bridge__ocpp__port", "9001", "ocpp.port", 9001),
        ("OCPP_BRIDGE__OCPP__CALL_TIMEOUT", "2.5", "ocpp.call_timeout", 2.5),
        ("OCPP_BRIDGE__OCPP__HOST", "localhost", "ocpp.host", "localhost"),
        ("OCPP_BRIDGE__STORE__PATH", "12", "store.path", "12"),
        ("OCPP_BRIDGE__OPCUA__INITIAL_VALUES", "true", "opcua.initial_values", True),
        ("OCPP_BRIDGE__ALLOW_INSECURE", "true", "allow_insecure", True),
        ("OCPP_BRIDGE__OPCUA__SECURITY", '["None"]', "opcua.security", ("None",)),
        ("OCPP_BRIDGE__OCPP", '{"port": 9001}', "ocpp.port", 9001),
    ],
)
def test_variable_overrides_the_file(project, name, value, path, expected):
    config = load(project, "[ocpp]\nport = 1\nheartbeat_interval = 17\n", **{name: value})
    table, _, key = path.rpartition(".")
    assert getattr(getattr(config, table) if table else config, key) == expected
    assert config.ocpp.heartbeat_interval == 17  # the table's other keys stay the file's


def test_stations_can_be_given_by_a_variable(project):
    config = load(project, "[[station]]\nid = 'x'\n", OCPP_BRIDGE__STATION='[{"id": "a"}, {"id": "b"}]')
    assert [station.id for station in config.station] == ["a", "b"]


def test_variable_of_one_key_wins_over_that_of_its_table(project):
    environ = {"OCPP_BRIDGE__OCPP__PORT": "2", "OCPP_BRIDGE__OCPP": '{"port": 1, "host": "::1"}'}
    config = load(project, **environ)
    assert (config.ocpp.port, config.ocpp.host) == (2, "::1")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "OCPP_BRIDGE__OCPP__PORT",
            "high",
            'ocpp.port: expected an integer between 0 and 65535, found "high"',
        ),
        ("OCPP_BRIDGE__OCPP__PROT", "1", "ocpp.prot: unknown key; did you mean port?"),
        ("OCPP_BRIDGE__OCP__PORT", "1", "ocp.port: unknown key; did you mean ocpp?"),
        ("OCPP_BRIDGE__OCPP", '{"prot": 1}', "ocpp.prot: unknown key; did you mean port?"),
        ("OCPP_BRIDGE__STORE", "x", 'store: expected a table, found "x"'),
        (
            "OCPP_BRIDGE__OCPP__PORT__X",
            "1",
            "ocpp.port.x: ocpp.port is an integer between 0 and 65535, and is given as a whole",
        ),
        (
            "OCPP_BRIDGE__STATION__0__ID",
            "a",
            "station.0.id: station is a list of tables, and is given as a whole",
        ),
        ("OCPP_BRIDGE__STATION", "[{}]", "station[0].id: missing; expected a text of 1 to 48 characters"),
        (
            "OCPP_BRIDGE__OCPP__VERSIONS",
            "1.6",
            "ocpp.versions: expected a list that is not empty, each item a text, found 1.6",
        ),
    ],
)
def test_mistake_in_a_variable_names_the_variable(project, name, value, expected):
    assert mistakes(project, **{name: value}) == [f"{name}: {expected}"]


def test_other_variables_are_left_alone(project):
    assert load(project, OCPP_BRIDGE_PROJECT="/x", OCPP__PORT="1", PATH="/bin") == Config()


ADVICE = "; allow_insecure = true if it is meant"
OPEN = '[ocpp]\nhost = "0.0.0.0"\n[opcua]\nendpoint = "opc.tcp://192.0.2.1:4840/x"\n'


def test_bridge_that_others_can_reach_is_refused(project):
    assert mistakes(project, OPEN) == [
        f"config.toml: ocpp.security_profile: 0 lets anyone who reaches 0.0.0.0 be any station{ADVICE}",
        f'config.toml: opcua.anonymous: "operator" lets anyone who reaches 192.0.2.1 write{ADVICE}',
        f'config.toml: opcua.security: "None" leaves the traffic of 192.0.2.1 unsigned and unencrypted{ADVICE}',
    ]


def test_bridge_that_others_can_reach_starts_where_it_is_meant(project):
    config = load(project, f"allow_insecure = true\n{OPEN}")
    assert [problem.where for problem in weaknesses(config)] == [
        "ocpp.security_profile",
        "opcua.anonymous",
        "opcua.security",
        "stations.unknown",
    ]


@pytest.mark.parametrize(
    ("opcua", "weak"),
    [
        ('anonymous = "none"', []),
        ('anonymous = "observer"', ["opcua.anonymous"]),
        ('anonymous = "none"\ntrust = "any"', ["opcua.trust"]),
        ('anonymous = "none"\nhide_id_tags = false', ["opcua.hide_id_tags"]),
    ],
)
def test_an_opcua_server_that_protects_itself_may_be_reached_and_what_is_weak_is_named(project, opcua, weak):
    config = load(project, f'[opcua]\nendpoint = "opc.tcp://0.0.0.0:4840/x"\nsecurity = ["Basic256Sha256"]\n{opcua}')
    assert [problem.where for problem in weaknesses(config)] == weak


@pytest.mark.parametrize("opcua", ['anonymous = "admin"', 'security = ["None"]', "plain_passwords = true"])
def test_an_opcua_server_that_anybody_could_use_is_refused(project, opcua):
    base = {"anonymous": '"none"', "security": '["Basic256Sha256"]', opcua.partition(" ")[0]: opcua.partition("= ")[2]}
    text = "\n".join(f"{key} = {value}" for key, value in base.items())
    (found,) = mistakes(project, f'[opcua]\nendpoint = "opc.tcp://0.0.0.0:4840/x"\n{text}')
    assert found.endswith(ADVICE)


@pytest.mark.parametrize(
    ("trust", "host", "everybody"),
    [
        ("auto", "127.0.0.1", True),
        ("auto", "10.0.0.7", False),
        ("list", "127.0.0.1", False),
        ("any", "10.0.0.7", True),
    ],
)
def test_a_client_has_to_be_trusted_beyond_loopback_or_where_that_is_said(project, trust, host, everybody):
    text = f'allow_insecure = true\n[opcua]\nendpoint = "opc.tcp://{host}:4840/x"\ntrust = "{trust}"'
    assert trusts_everybody(load(project, text)) is everybody


@pytest.mark.parametrize(
    ("host", "reachable"),
    [
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),  # noqa: S104 - that it is refused is what is tested
        ("::", True),
        ("10.0.0.7", True),
        ("localhost.example.org", True),
        ("bridge", True),
    ],
)
def test_only_loopback_is_out_of_reach(project, host, reachable):
    config = load(project, f'allow_insecure = true\nocpp.host = "{host}"')
    assert bool(weaknesses(config)) is reachable


def test_limits_of_opcua_are_those_of_the_server():
    assert OpcuaLimitsConfig().model_dump() == dataclasses.asdict(Limits())
