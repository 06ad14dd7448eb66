"""Commands about what happens at the EVSEs: transactions, reservations, charging profiles."""

import time
from typing import Any

from bridge.simulator.outlet import Customer, Reservation
from bridge.simulator.physics import MAX_CURRENT
from bridge.simulator.profiles import Profile
from bridge.simulator.timing import parse_time, timestamp
from bridge.simulator.v2.commands.table import answers, charging, evses, status
from bridge.simulator.v2.station import Station2
from bridge.simulator.v2.transaction import Payload
from bridge.simulator.v2.variables import without_nones


def parse_profile(evse: int, data: Payload) -> Profile:
    """A ChargingProfileType, of whose schedules the first counts. Raises KeyError, TypeError or ValueError."""
    schedule = data["chargingSchedule"][0]
    periods = ((p["startPeriod"], p["limit"]) for p in schedule["chargingSchedulePeriod"] if "limit" in p)
    begins = schedule.get("startSchedule") if data["chargingProfileKind"] == "Absolute" else None
    return Profile(
        id=int(data["id"]),
        connector=evse,
        purpose=str(data["chargingProfilePurpose"]),
        stack_level=int(data["stackLevel"]),
        unit=str(schedule["chargingRateUnit"]),
        periods=tuple(sorted((float(start), float(limit)) for start, limit in periods)),
        since=time.time() if begins is None else parse_time(begins),
        data=data,
    )


def put_profile(station: Station2, profile: Profile) -> None:
    station.profiles.put(profile)
    station.device.put("SmartChargingCtrlr.Entries[ChargingProfiles]", str(len(list(station.profiles))))


@answers("RequestStartTransaction")
def request_start(station: Station2, payload: Payload) -> Payload:
    token, profile = payload["idToken"], payload.get("chargingProfile")
    if not station.accepted.is_set():
        return status("Rejected", "NotAccepted")  # B02.FR.05
    for evse in evses(station, payload) or ():
        reserved = evse.reservation is not None and evse.reservation.id_tag != token["idToken"]
        if evse.free and evse.operative and not reserved:
            if profile is not None:
                put_profile(station, parse_profile(evse.number, profile))
            evse.come(Customer(token["idToken"], remote=True, remote_id=payload["remoteStartId"], kind=token["type"]))
            return status("Accepted")
    return status("Rejected")


@answers("RequestStopTransaction")
def request_stop(station: Station2, payload: Payload) -> Payload:
    evse = charging(station, payload["transactionId"])
    if evse is None or not station.accepted.is_set():
        return status("Rejected", "TxNotFound")
    evse.stop("Remote")
    return status("Accepted")


@answers("GetTransactionStatus")
def get_transaction_status(station: Station2, payload: Payload) -> Payload:
    transaction = payload.get("transactionId")
    ongoing = None if transaction is None else charging(station, transaction) is not None
    return {**without_nones({"ongoingIndicator": ongoing}), "messagesInQueue": station.outbox.holds(transaction)}


@answers("UnlockConnector")
def unlock_connector(station: Station2, payload: Payload) -> Payload:
    evse = station.evses.get(payload["evseId"])
    if evse is None or payload["connectorId"] not in evse.connectors:
        return status("UnknownConnector")
    if evse.transaction is not None and evse.transaction.started:
        return status("OngoingAuthorizedTransaction")
    return status("Unlocked")


@answers("ReserveNow")
def reserve_now(station: Station2, payload: Payload) -> Payload:
    found = evses(station, payload)
    if found is None:
        return status("Rejected", "UnknownEvse")
    for evse in found:
        held = evse.reservation
        if evse.operative and evse.free and (held is None or held.id == payload["id"]):
            expires = parse_time(payload["expiryDateTime"])
            station.then(evse.reserve, Reservation(payload["id"], payload["idToken"]["idToken"], expires))
            return status("Accepted")
    return status("Occupied" if any(evse.operative for evse in found) else "Unavailable")


@answers("CancelReservation")
def cancel_reservation(station: Station2, payload: Payload) -> Payload:
    for evse in station.evses.values():
        if evse.reservation is not None and evse.reservation.id == payload["reservationId"]:
            station.then(evse.reserve, None)
            return status("Accepted")
    return status("Rejected")


@answers("SetChargingProfile")
def set_charging_profile(station: Station2, payload: Payload) -> Payload:
    data, number = payload["chargingProfile"], payload["evseId"]
    if number and number not in station.evses:
        return status("Rejected", "UnknownEvse")
    if data["chargingProfilePurpose"] == "TxProfile":
        evse = charging(station, data.get("transactionId", ""))
        if evse is None or evse.number != number:
            return status("Rejected", "TxNotFound")
    put_profile(station, parse_profile(number, data))
    station.then(_tell_rate, station)
    return status("Accepted")


async def _tell_rate(station: Station2) -> None:
    for evse in station.evses.values():
        evse.tell_transaction("ChargingRateChanged", "Other", "SampledDataCtrlr.TxUpdatedMeasurands")


@answers("ClearChargingProfile")
def clear_charging_profile(station: Station2, payload: Payload) -> Payload:
    criteria = payload.get("chargingProfileCriteria", {})
    cleared = station.profiles.clear(
        payload.get("chargingProfileId"),
        criteria.get("evseId"),
        criteria.get("chargingProfilePurpose"),
        criteria.get("stackLevel"),
    )
    station.device.put("SmartChargingCtrlr.Entries[ChargingProfiles]", str(len(list(station.profiles))))
    return status("Accepted" if cleared else "Unknown")


@answers("GetChargingProfiles")
def get_charging_profiles(station: Station2, payload: Payload) -> Payload:
    asked, evse = payload["chargingProfile"], payload.get("evseId")
    found: dict[int, list[Any]] = {}
    for profile in station.profiles:
        if (
            evse in (None, profile.connector)
            and profile.id in asked.get("chargingProfileId", [profile.id])
            and asked.get("chargingProfilePurpose") in (None, profile.purpose)
            and asked.get("stackLevel") in (None, profile.stack_level)
            and "CSO" in asked.get("chargingLimitSource", ["CSO"])
        ):
            found.setdefault(profile.connector, []).append(profile.data)
    if not found:
        return status("NoProfiles")
    station.then(_report_profiles, station, payload["requestId"], found)
    return status("Accepted")


async def _report_profiles(station: Station2, request: int, found: dict[int, list[Any]]) -> None:
    """ReportChargingProfiles, one for each EVSE (K09)."""
    left = len(found)
    for evse, profiles in found.items():
        left -= 1
        report = {"requestId": request, "chargingLimitSource": "CSO", "evseId": evse, "tbc": left > 0}
        await station.send("ReportChargingProfiles", {**report, "chargingProfile": profiles})


@answers("GetCompositeSchedule")
def get_composite_schedule(station: Station2, payload: Payload) -> Payload:
    evse, unit = payload["evseId"], payload.get("chargingRateUnit", "A")
    if evse and evse not in station.evses:
        return status("Rejected", "UnknownEvse")
    amperes = station.profiles.amperes(evse, time.time(), 230.0, 3)
    limit = MAX_CURRENT if amperes is None else amperes
    return {
        "status": "Accepted",
        "schedule": {
            "evseId": evse,
            "duration": payload["duration"],
            "scheduleStart": timestamp(),
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": round(limit * 690.0 if unit == "W" else limit, 1)}],
        },
    }
