"""What commands leave in a 2.x station."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

Payload = dict[str, Any]


@dataclass(slots=True)
class Memory:
    """Payloads as they came, under what identifies them."""

    local_list: dict[tuple[str, str], Payload] = field(default_factory=dict)  # (idToken, type) → idTokenInfo
    local_list_version: int = 0
    certificates: dict[tuple[str, ...], tuple[str, Payload]] = field(default_factory=dict)  # → use, hash data
    messages: dict[int, Payload] = field(default_factory=dict)  # MessageInfoType
    controls: dict[str, Payload] = field(default_factory=dict)  # SetDERControlRequest (2.1)
    tariffs: dict[int, Payload] = field(default_factory=dict)  # EVSE, 0 for all → TariffType (2.1)

    def tariff(self, evse: int) -> Payload | None:
        """The default tariff that holds at an EVSE."""
        return self.tariffs.get(evse) or self.tariffs.get(0)

    def take_list(self, version: int, kind: str, entries: list[Payload]) -> str:
        """SendLocalList; returns the SendLocalListStatusEnumType (OCPP 2.0.1 D01)."""
        if kind == "Differential" and version <= self.local_list_version:
            return "VersionMismatch"
        if kind == "Full":
            self.local_list.clear()
        for entry in entries:
            token = entry["idToken"]["idToken"], entry["idToken"]["type"]
            if entry.get("idTokenInfo") is None:
                self.local_list.pop(token, None)
            else:
                self.local_list[token] = entry["idTokenInfo"]
        self.local_list_version = version
        return "Accepted"

    def take_certificate(self, use: str, certificate: str) -> None:
        """InstallCertificate; what identifies it is made from its text."""
        hashed = hashlib.sha256(certificate.encode()).hexdigest()
        data = {
            "hashAlgorithm": "SHA256",
            "issuerNameHash": hashed,
            "issuerKeyHash": hashed[::-1],
            "serialNumber": hashed[:16],
        }
        self.certificates[certificate_key(data)] = use, data


def certificate_key(data: Payload) -> tuple[str, ...]:
    """What identifies a certificate (CertificateHashDataType)."""
    return data["issuerNameHash"], data["issuerKeyHash"], data["serialNumber"]
