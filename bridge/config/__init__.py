"""The configuration: config.toml, overridden by environment variables, checked as a whole.

Every key has a default, which the shipped config.toml shows. A mistake is a Problem that names the file or
the variable, the key path (`ocpp.port`, `station[1].id`) and what was expected; all are found in one go.
"""

from bridge.config.load import load_config, weaknesses
from bridge.config.ocpp_security import needs_plain_port, ocpp_weaknesses
from bridge.config.opcua_security import trusts_everybody
from bridge.config.tables import (
    SPOKEN_VERSIONS,
    AreaConfig,
    Config,
    HandlersConfig,
    LogConfig,
    OcppConfig,
    OpcuaConfig,
    OpcuaLimitsConfig,
    PkiConfig,
    Role,
    StationConfig,
    StationsConfig,
    StoreConfig,
    TlsConfig,
    UserConfig,
)

__all__ = [
    "SPOKEN_VERSIONS",
    "AreaConfig",
    "Config",
    "HandlersConfig",
    "LogConfig",
    "OcppConfig",
    "OpcuaConfig",
    "OpcuaLimitsConfig",
    "PkiConfig",
    "Role",
    "StationConfig",
    "StationsConfig",
    "StoreConfig",
    "TlsConfig",
    "UserConfig",
    "load_config",
    "needs_plain_port",
    "ocpp_weaknesses",
    "trusts_everybody",
    "weaknesses",
]
