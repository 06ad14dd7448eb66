"""The configuration: config.toml, overridden by environment variables, checked as a whole.

Every key has a default, which the shipped config.toml shows. A mistake is a Problem that names the file or
the variable, the key path (`ocpp.port`, `station[1].id`) and what was expected; all are found in one go.
"""

from bridge.config.load import load_config, weaknesses
from bridge.config.tables import (
    SPOKEN_VERSIONS,
    Config,
    HandlersConfig,
    LogConfig,
    OcppConfig,
    OpcuaConfig,
    OpcuaLimitsConfig,
    Role,
    StationConfig,
    StationsConfig,
    StoreConfig,
    UserConfig,
)

__all__ = [
    "SPOKEN_VERSIONS",
    "Config",
    "HandlersConfig",
    "LogConfig",
    "OcppConfig",
    "OpcuaConfig",
    "OpcuaLimitsConfig",
    "Role",
    "StationConfig",
    "StationsConfig",
    "StoreConfig",
    "UserConfig",
    "load_config",
    "weaknesses",
]
