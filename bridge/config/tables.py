"""The tables of config.toml, each with its keys, their types, ranges and defaults."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from bridge.config.wording import found, listed

SPOKEN_VERSIONS = ("2.1", "2.0.1", "1.6")
"""The OCPP versions that this version of the bridge speaks, best first."""

_INT32 = 2**31 - 1

Role = Literal["observer", "operator", "engineer", "admin"]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1, le=_INT32)]
Interval = Annotated[float, Field(ge=1, le=3_600_000, allow_inf_nan=False)]


def _in_folder(name: str) -> str:
    if "/" in name or "\\" in name:
        raise ValueError(f"expected the name of a file in handlers/, found {found(name)}")
    return name


Script = Annotated[Name, AfterValidator(_in_folder)]


class Table(BaseModel):
    """A table of config.toml. Strict: a number in quotes is a mistake, an unknown key too."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TlsConfig(Table):
    """[ocpp.tls]: the same with TLS, where there are certificates (OCPP security profiles 2 and 3)."""

    host: str = ""
    port: int = Field(9443, ge=0, le=65535)
    certificates: tuple[Name, ...] = Field((), strict=False)
    keys: tuple[Name, ...] = Field((), strict=False, validate_default=True)
    client_ca: str = ""
    crl: str = ""

    @field_validator("keys")
    @classmethod
    def _keys(cls, keys: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        certificates = info.data.get("certificates", ())
        if len(keys) != len(certificates):
            raise ValueError(f"expected a key for each of the {len(certificates)} certificates, found {len(keys)}")
        return keys


class PkiConfig(Table):
    """[pki]: who signs the certificates that stations ask for (SignCertificate)."""

    sign: Literal["auto", "ask", "never"] = "auto"
    organization: str = ""
    days: int = Field(365, ge=1, le=3650)
    command: tuple[Name, ...] = Field((), strict=False)
    timeout: Positive = 30


class OcppConfig(Table):
    """[ocpp]: the websocket that stations connect to. Times in seconds, sizes in bytes."""

    host: Name = "127.0.0.1"
    port: int = Field(9000, ge=0, le=65535)
    path: str = "/ocpp"
    versions: tuple[str, ...] = Field(SPOKEN_VERSIONS, min_length=1, strict=False)
    default_version: str = "1.6"
    security_profile: int = Field(0, ge=0, le=3)
    heartbeat_interval: int = Field(300, ge=1, le=_INT32)
    boot_retry_interval: int = Field(30, ge=1, le=_INT32)
    call_timeout: Positive = 30
    command_queue: int = Field(32, ge=1, le=10_000)
    read_configuration: bool = True
    ping_interval: NotNegative = 60
    ping_timeout: Positive = 30
    validation: Literal["strict", "lenient", "off"] = "lenient"
    max_message_size: int = Field(1_048_576, ge=1024, le=_INT32)
    max_message_rate: NotNegative = 500
    compression: bool = False
    max_connections_per_address: int = Field(20_000, ge=0, le=_INT32)
    max_clock_skew: NotNegative = 300
    web_pages: bool = False
    tls: TlsConfig = TlsConfig()

    @field_validator("path")
    @classmethod
    def _path(cls, path: str) -> str:
        if not path.startswith("/") or (path.endswith("/") and path != "/"):
            raise ValueError(f"expected a path such as /ocpp, found {found(path)}")
        return path

    @field_validator("versions")
    @classmethod
    def _versions(cls, versions: tuple[str, ...]) -> tuple[str, ...]:
        for version in versions:
            _spoken(version)
        return versions

    @field_validator("default_version")
    @classmethod
    def _default_version(cls, version: str, info: ValidationInfo) -> str:
        offered = info.data.get("versions", SPOKEN_VERSIONS)
        if version and version not in offered:
            raise ValueError(f'expected "" or one of ocpp.versions ({listed(offered)}), found {found(version)}')
        return version


class StationsConfig(Table):
    """[stations]: what happens to a station that is not declared."""

    unknown: Literal["accept", "pending", "reject", "refuse"] = "accept"
    max_unknown: Count = 10_000


class StationConfig(Table):
    """[[station]]: a station that is known before it connects."""

    id: Annotated[str, Field(min_length=1, max_length=48)]
    area: str = ""
    connectors: int = Field(0, ge=0, le=1000)
    profile: str = ""
    security_profile: int = Field(-1, ge=-1, le=3)
    scripts: tuple[Script, ...] = Field((), strict=False)

    @field_validator("id")
    @classmethod
    def _id(cls, identity: str) -> str:
        if "/" in identity or not identity.isprintable():
            raise ValueError(f"expected an identity without / and control characters, found {found(identity)}")
        return identity

    @field_validator("area")
    @classmethod
    def _area(cls, area: str) -> str:
        if area and not all(part.strip() for part in area.split("/")):
            raise ValueError(f"expected folders such as Depot/Hall 1, found {found(area)}")
        return area


class AreaConfig(Table):
    """[[area]]: the chain of scripts of the stations in an area, and in the areas below it."""

    path: Name
    scripts: tuple[Script, ...] = Field((), strict=False)


class OpcuaLimitsConfig(Table):
    """[opcua.limits]: how much HMIs may ask for and hold. Sizes in bytes, intervals in milliseconds."""

    max_connections: Count = 500
    max_connections_per_address: Count = 200
    max_sessions: Count = 100
    max_subscriptions: Count = 1_000
    max_subscriptions_per_session: Count = 100
    max_monitored_items: Count = 200_000
    max_monitored_items_per_subscription: Count = 100_000
    max_queue_size: Count = 1_000
    max_queued_notifications: Count = 2_000_000
    max_queued_bytes: int = Field(268_435_456, ge=1_048_576, le=_INT32)
    max_notifications_per_publish: Count = 10_000
    max_publish_requests: Count = 100
    max_retransmissions: Count = 200
    min_publishing_interval: Interval = 10.0
    min_sampling_interval: Interval = 10.0
    max_nodes_per_read: Count = 10_000
    max_nodes_per_write: Count = 2_000
    max_nodes_per_method_call: Count = 100
    max_nodes_per_browse: Count = 10_000
    max_nodes_per_register: Count = 10_000
    max_nodes_per_translate: Count = 10_000
    max_monitored_items_per_call: Count = 10_000
    max_references_per_node: Count = 10_000
    max_continuation_points: Count = 100
    max_message_size: int = Field(16_777_216, ge=65_536, le=_INT32)
    max_chunk_count: Count = 4_096
    max_backlog: int = Field(67_108_864, ge=65_536, le=_INT32)


Policy = Literal["None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]


class OpcuaConfig(Table):
    """[opcua]: the server that HMIs connect to."""

    endpoint: str = "opc.tcp://127.0.0.1:4840/ocpp-bridge"
    security: tuple[Policy, ...] = Field(
        ("None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"), min_length=1, strict=False
    )
    trust: Literal["auto", "list", "any"] = "auto"
    anonymous: Literal["none", "observer", "operator", "engineer", "admin"] = "operator"
    plain_passwords: bool = False
    hide_id_tags: bool = True
    initial_values: bool = False
    limits: OpcuaLimitsConfig = OpcuaLimitsConfig()

    @field_validator("endpoint")
    @classmethod
    def _endpoint(cls, endpoint: str) -> str:
        try:
            url = urlsplit(endpoint)
            complete = url.scheme == "opc.tcp" and url.hostname and url.port is not None
        except ValueError:
            complete = False
        if not complete:
            raise ValueError(f"expected opc.tcp://host:port/path, found {found(endpoint)}")
        return endpoint


class UserConfig(Table):
    """[[user]]: a user of the OPC UA server."""

    name: Name
    role: Role
    password_hash: str

    @field_validator("password_hash")
    @classmethod
    def _password_hash(cls, value: str) -> str:
        try:
            extract_parameters(value)
        except InvalidHashError:
            # not shown: what stands here by mistake is likely the password itself
            raise ValueError("expected an argon2 hash, as `ocpp-bridge user add --print` prints it") from None
        return value


class HandlersConfig(Table):
    """[handlers]: the chain of scripts, in the order in which they are asked."""

    scripts: tuple[Script, ...] = Field(("default.py",), strict=False)
    timeout: Positive = 5
    on_error: Literal["next", "reject"] = "next"
    isolation: Literal["process", "inline"] = "process"
    memory: int = Field(512, ge=0, le=1_048_576)
    max_failures: int = Field(10, ge=0, le=_INT32)
    pause: Positive = 300
    settings: dict[str, dict[str, Any]] = {}


class StoreConfig(Table):
    """[store]: the database file, relative to the project folder, and how many days it keeps what (0: for ever)."""

    path: Name = "bridge.db"
    keep_log: int = Field(400, ge=0, le=36_500)
    keep_events: int = Field(365, ge=0, le=36_500)
    audit_entries: int = Field(1_000_000, ge=1_000, le=_INT32)


class LogConfig(Table):
    """[log]: what is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Config(Table):
    """The whole configuration. `Config()` is the shipped one."""

    allow_insecure: bool = False
    ocpp: OcppConfig = OcppConfig()
    pki: PkiConfig = PkiConfig()
    stations: StationsConfig = StationsConfig()
    station: tuple[StationConfig, ...] = Field((), strict=False)
    area: tuple[AreaConfig, ...] = Field((), strict=False)
    opcua: OpcuaConfig = OpcuaConfig()
    user: tuple[UserConfig, ...] = Field((), strict=False)
    handlers: HandlersConfig = HandlersConfig()
    store: StoreConfig = StoreConfig()
    log: LogConfig = LogConfig()


def _spoken(version: str) -> None:
    if version not in SPOKEN_VERSIONS:
        raise ValueError(f"this version of the bridge speaks OCPP {listed(SPOKEN_VERSIONS)}, found {found(version)}")
