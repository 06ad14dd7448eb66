"""A station's configuration keys (OCPP 1.6 §9)."""

from collections.abc import Iterable
from typing import Any

READ_ONLY = frozenset(
    {
        "ChargeProfileMaxStackLevel",
        "ChargingScheduleAllowedChargingRateUnit",
        "ChargingScheduleMaxPeriods",
        "GetConfigurationMaxKeys",
        "LocalAuthListMaxLength",
        "MaxChargingProfilesInstalled",
        "NumberOfConnectors",
        "SendLocalListMaxLength",
        "SupportedFeatureProfiles",
    }
)
WRITE_ONLY = frozenset({"AuthorizationKey"})
AFTER_REBOOT = frozenset({"SecurityProfile", "WebSocketPingInterval"})


class Configuration:
    """The keys with their values, all of them texts."""

    __slots__ = ("_values",)

    def __init__(self, connectors: int, meter_interval: float, heartbeat: float | None) -> None:
        self._values = {
            "AuthorizationKey": "",
            "AuthorizeRemoteTxRequests": "true",
            "ChargeProfileMaxStackLevel": "10",
            "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
            "ChargingScheduleMaxPeriods": "24",
            "ClockAlignedDataInterval": "0",
            "ConnectionTimeOut": "60",
            "CpoName": "",
            "GetConfigurationMaxKeys": "50",
            "HeartbeatInterval": f"{300.0 if heartbeat is None else heartbeat:g}",
            "LocalAuthListEnabled": "true",
            "LocalAuthListMaxLength": "100",
            "LocalAuthorizeOffline": "true",
            "LocalPreAuthorize": "false",
            "MaxChargingProfilesInstalled": "10",
            "MeterValueSampleInterval": f"{meter_interval:g}",
            "MeterValuesSampledData": "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage",
            "NumberOfConnectors": str(connectors),
            "ResetRetries": "1",
            "SecurityProfile": "0",
            "SendLocalListMaxLength": "100",
            "StopTransactionOnInvalidId": "true",
            "SupportedFeatureProfiles": "Core,FirmwareManagement,LocalAuthListManagement,Reservation,"
            "SmartCharging,RemoteTrigger",
            "TransactionMessageAttempts": "3",
            "TransactionMessageRetryInterval": "1",
            "UnlockConnectorOnEVSideDisconnect": "true",
            "WebSocketPingInterval": "0",
        }

    def seconds(self, key: str) -> float:
        """The value of a key that is an interval or a number."""
        return float(self._values[key])

    def is_true(self, key: str) -> bool:
        return self._values[key].lower() == "true"

    def set(self, key: str, value: str) -> None:
        """Sets a key by the station itself."""
        self._values[key] = value

    def change(self, key: str, value: str) -> str:
        """The central system's ChangeConfiguration; returns the ConfigurationStatus (§7.22)."""
        old = self._values.get(key)
        if old is None:
            return "NotSupported"
        if key in READ_ONLY or (_is_number(old) and not (value.isascii() and value.isdigit())):
            return "Rejected"
        if old in ("true", "false") and value.lower() not in ("true", "false"):
            return "Rejected"
        self._values[key] = value
        return "RebootRequired" if key in AFTER_REBOOT else "Accepted"

    def read(self, keys: Iterable[str]) -> tuple[list[dict[str, Any]], list[str]]:
        """The entries of these keys, of all when there are none, and the keys that are not known (§5.8)."""
        asked = list(keys) or sorted(self._values.keys() - WRITE_ONLY)
        known = [key for key in asked if key in self._values and key not in WRITE_ONLY]
        entries = [{"key": key, "readonly": key in READ_ONLY, "value": self._values[key]} for key in known]
        return entries, [key for key in asked if key not in known]


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
