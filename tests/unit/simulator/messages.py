"""Parts of commands."""

from datetime import UTC, datetime, timedelta

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
PROFILE = {
    "charging_profile_id": 1,
    "stack_level": 0,
    "charging_profile_purpose": "TxDefaultProfile",
    "charging_profile_kind": "Relative",
    "charging_schedule": {
        "charging_rate_unit": "A",
        "charging_schedule_period": [{"start_period": 0, "limit": 10}],
    },
}
FIRMWARE = {
    "location": "https://example.org/fw",
    "retrieve_date_time": "2026-01-01T00:00:00Z",
    "signing_certificate": CERTIFICATE,
    "signature": "AA==",
}


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()
