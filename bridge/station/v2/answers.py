"""What a 2.x station is answered: by the bridge itself, and from what scripts decide."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import structlog

from bridge.api import Authorization
from bridge.ocpp.schemas import resolved, schemas
from bridge.ocpp.versions import Version
from bridge.points.values import format_time

log = structlog.get_logger()

#: what is answered without asking anybody: the time (Unix seconds) → the response
AUTOMATIC: Mapping[str, Callable[[float], dict[str, Any]]] = {
    "BatterySwap": lambda now: {},
    "ClearedChargingLimit": lambda now: {},
    "ClosePeriodicEventStream": lambda now: {},
    "FirmwareStatusNotification": lambda now: {},
    "Get15118EVCertificate": lambda now: {"status": "Failed", "exiResponse": ""},  # nobody issues certificates
    "GetCertificateStatus": lambda now: {"status": "Failed"},
    "Heartbeat": lambda now: {"currentTime": format_time(now)},
    "LogStatusNotification": lambda now: {},
    "MeterValues": lambda now: {},
    "NotifyChargingLimit": lambda now: {},
    "NotifyCustomerInformation": lambda now: {},
    "NotifyDERAlarm": lambda now: {},
    "NotifyDERStartStop": lambda now: {},
    "NotifyDisplayMessages": lambda now: {},
    "NotifyEVChargingNeeds": lambda now: {"status": "Rejected"},  # nobody computes schedules: charge without one
    "NotifyEVChargingSchedule": lambda now: {"status": "Accepted"},
    "NotifyEvent": lambda now: {},
    "NotifyMonitoringReport": lambda now: {},
    "NotifyPriorityCharging": lambda now: {},
    "NotifyReport": lambda now: {},
    "NotifySettlement": lambda now: {},
    "OpenPeriodicEventStream": lambda now: {"status": "Accepted"},
    "PublishFirmwareStatusNotification": lambda now: {},
    "PullDynamicScheduleUpdate": lambda now: {"status": "Rejected"},
    "ReportChargingProfiles": lambda now: {},
    "ReportDERControl": lambda now: {},
    "ReservationStatusUpdate": lambda now: {},
    "StatusNotification": lambda now: {},
}


def certificate_chain_status(payload: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The answer to GetCertificateChainStatus: nobody was asked, so none of them is known to be good."""
    requests = payload.get("certificateStatusRequests")
    return {
        "certificateStatus": [
            {
                "certificateHashData": request.get("certificateHashData"),
                "source": request.get("source"),
                "status": "Failed",
                "nextUpdate": format_time(now),
            }
            for request in (requests if isinstance(requests, list) else [])
            if isinstance(request, dict)
        ]
    }


def vat_number_validation(payload: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The answer to VatNumberValidation: there is no tax authority to ask."""
    evse = {"evseId": payload["evseId"]} if "evseId" in payload else {}
    return {"vatNumber": payload.get("vatNumber"), "status": "Rejected", **evse}


#: what is answered from the request alone: payload and time (Unix seconds) → the response
COMPUTED: Mapping[str, Callable[[Mapping[str, Any], float], dict[str, Any]]] = {
    "GetCertificateChainStatus": certificate_chain_status,
    "VatNumberValidation": vat_number_validation,
}


def authorized(
    version: Version, action: str, decided: Authorization | None, *, accepted: bool = True
) -> dict[str, Any]:
    """The answer to Authorize or TransactionEvent, from what a script decided (None: nothing, so Accepted).

    `accepted`: the station's registration is; a station that isn't charges nobody. Fields that this version's answer
    has not, or not so, are left out: one script serves all versions, and a station that cannot read a field would take
    nothing of the answer.
    """
    if not accepted:
        return {"idTokenInfo": {"status": "Invalid"}}
    if decided is None:
        return {"idTokenInfo": {"status": "Accepted"}}
    schema = schemas(version).response(action)
    more = decided.fields.get("idTokenInfo")
    info = {**_id_token_info(decided), **(more if isinstance(more, Mapping) else {})}
    answer: dict[str, Any] = {**decided.fields}
    if decided.certificate_status is not None:
        answer["certificateStatus"] = decided.certificate_status
    known = schema["properties"]
    token = resolved(schema, known["idTokenInfo"])["properties"]
    info = {name: value for name, value in info.items() if name in token}
    answer = {name: value for name, value in answer.items() if name in known and name != "idTokenInfo"}
    if not schemas(version).check_response(action, {**answer, "idTokenInfo": info}):
        return {**answer, "idTokenInfo": info}
    return _what_fits(version, action, answer, {"status": decided.status}, info)


def _what_fits(
    version: Version, action: str, answer: dict[str, Any], status: dict[str, Any], info: dict[str, Any]
) -> dict[str, Any]:
    """The fields of an answer, and of its idTokenInfo, that the schema allows each."""

    def fits(**fields: Any) -> bool:
        return not schemas(version).check_response(action, {"idTokenInfo": status, **fields})

    taken = {name: value for name, value in answer.items() if fits(**{name: value})}
    told = {name: value for name, value in info.items() if fits(idTokenInfo={**status, name: value})}
    left_out = sorted((answer.keys() - taken.keys()) | (info.keys() - told.keys()))
    log.warning("handler.fields_left_out", action=action, version=version.name, fields=left_out)
    return {**taken, "idTokenInfo": {**status, **told}}


def _id_token_info(decided: Authorization) -> dict[str, Any]:
    """OCPP 2.0.1 §2.29 IdTokenInfoType."""
    info: dict[str, Any] = {"status": decided.status}
    if decided.parent_id_token is not None:
        info["groupIdToken"] = {"idToken": decided.parent_id_token, "type": decided.parent_id_token_type}
    if decided.expiry is not None:
        # One that no calendar has is left out: the station is answered all the same.
        with suppress(ValueError, OverflowError, OSError):
            info["cacheExpiryDateTime"] = format_time(decided.expiry)
    if decided.charging_priority is not None:
        info["chargingPriority"] = decided.charging_priority
    if decided.language is not None:
        info["language1"] = decided.language
    if decided.evse_ids:
        info["evseId"] = list(decided.evse_ids)
    if decided.personal_message is not None:
        message = {"format": "UTF8", "content": decided.personal_message}
        if decided.personal_message_language is not None:
            message["language"] = decided.personal_message_language
        info["personalMessage"] = message
    return info
