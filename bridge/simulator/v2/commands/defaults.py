"""Answers to commands that a simulated station takes without doing anything about them."""

from collections.abc import Mapping
from typing import Any

REASON = {"reasonCode": "NotSupported"}

ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "CertificateSigned": {"status": "Accepted"},
    "ClearCache": {"status": "Accepted"},
    "CostUpdated": {},
    "PublishFirmware": {"status": "Rejected", "statusInfo": REASON},
    "SetNetworkProfile": {"status": "Accepted"},
    "UnpublishFirmware": {"status": "NoFirmware"},
}
#: 2.1 only
ANSWERS_21: Mapping[str, Mapping[str, Any]] = {
    "AFRRSignal": {"status": "Accepted"},
    "NotifyAllowedEnergyTransfer": {"status": "Accepted"},
    "NotifyWebPaymentStarted": {},
}
#: commands of 2.1 that functions answer
ACTIONS_21 = frozenset(
    {
        *ANSWERS_21,
        "AdjustPeriodicEventStream",
        "ChangeTransactionTariff",
        "ClearDERControl",
        "ClearTariffs",
        "GetDERControl",
        "GetPeriodicEventStream",
        "GetTariffs",
        "RequestBatterySwap",
        "SetDERControl",
        "SetDefaultTariff",
        "UpdateDynamicSchedule",
        "UsePriorityCharging",
    }
)
