"""Commands of 2.1: tariffs, distributed energy resources, dynamic schedules, battery swaps."""

from dataclasses import replace

from bridge.simulator.timing import timestamp
from bridge.simulator.v2.commands.table import answers, charging, status
from bridge.simulator.v2.station import Station2
from bridge.simulator.v2.transaction import Payload

#: DERControlEnumType → (the field of SetDERControl and ReportDERControl, the field inside a report); else a curve
CONTROLS = {
    "EnterService": ("enterService", "enterService"),
    "FixedPFAbsorb": ("fixedPFAbsorb", "fixedPF"),
    "FixedPFInject": ("fixedPFInject", "fixedPF"),
    "FixedVar": ("fixedVar", "fixedVar"),
    "FreqDroop": ("freqDroop", "freqDroop"),
    "Gradients": ("gradient", "gradient"),
    "LimitMaxDischarge": ("limitMaxDischarge", "limitMaxDischarge"),
}
WITHOUT_FLAGS = frozenset({"enterService", "gradient"})  # their reports say neither isDefault nor isSuperseded


@answers("SetDefaultTariff")
def set_default_tariff(station: Station2, payload: Payload) -> Payload:
    evse, tariff = payload["evseId"], payload["tariff"]
    if evse and evse not in station.evses:
        return status("Rejected")
    if any(held["tariffId"] == tariff["tariffId"] for held in station.memory.tariffs.values()):
        return status("DuplicateTariffId")
    station.memory.tariffs[evse] = tariff
    return status("Accepted")


@answers("GetTariffs")
def get_tariffs(station: Station2, payload: Payload) -> Payload:
    found = {
        evse: tariff for evse, tariff in station.memory.tariffs.items() if payload["evseId"] in (0, evse) or not evse
    }
    if not found:
        return status("NoTariff")
    assigned = [
        {
            "tariffId": tariff["tariffId"],
            "tariffKind": "DefaultTariff",
            "evseIds": [evse] if evse else list(station.evses),
        }
        for evse, tariff in found.items()
    ]
    return {"status": "Accepted", "tariffAssignments": assigned}


@answers("ClearTariffs")
def clear_tariffs(station: Station2, payload: Payload) -> Payload:
    tariffs = station.memory.tariffs
    wanted = payload.get("tariffIds") or [tariff["tariffId"] for tariff in tariffs.values()]
    results = []
    for name in wanted:
        places = [evse for evse, tariff in tariffs.items() if tariff["tariffId"] == name]
        for evse in places:
            del tariffs[evse]
        results.append({"tariffId": name, "status": "Accepted" if places else "NoTariff"})
    return {"clearTariffsResult": results or [{"status": "NoTariff"}]}


@answers("ChangeTransactionTariff")
def change_transaction_tariff(station: Station2, payload: Payload) -> Payload:
    evse = charging(station, payload["transactionId"])
    if evse is None:
        return status("TxNotFound")
    station.memory.tariffs[evse.number] = payload["tariff"]
    return status("Accepted")


@answers("SetDERControl")
def set_der_control(station: Station2, payload: Payload) -> Payload:
    held = station.memory.controls
    older = [
        name
        for name, one in held.items()
        if one["controlType"] == payload["controlType"] and name != payload["controlId"]
    ]
    held[payload["controlId"]] = payload
    event = {"controlId": payload["controlId"], "started": True, "timestamp": timestamp()}
    more = {"supersededIds": older[:24]} if older else {}
    station.then(station.send, "NotifyDERStartStop", {**event, **more})
    return {"status": "Accepted", **more}


@answers("GetDERControl")
def get_der_control(station: Station2, payload: Payload) -> Payload:
    found = _controls(station, payload)
    if not found:
        return status("NotFound")
    report: Payload = {"requestId": payload["requestId"]}
    for control in found:
        name, inner = CONTROLS.get(control["controlType"], ("curve", "curve"))
        flags = {} if name in WITHOUT_FLAGS else {"isDefault": control["isDefault"], "isSuperseded": False}
        kind = {"curveType": control["controlType"]} if name == "curve" else {}
        entry = {inner: control[name], "id": control["controlId"], **flags, **kind}
        report.setdefault(name, []).append(entry)
    station.then(station.send, "ReportDERControl", report)
    return status("Accepted")


@answers("ClearDERControl")
def clear_der_control(station: Station2, payload: Payload) -> Payload:
    found = _controls(station, payload)
    for control in found:
        del station.memory.controls[control["controlId"]]
        event = {"controlId": control["controlId"], "started": False, "timestamp": timestamp()}
        station.then(station.send, "NotifyDERStartStop", event)
    return status("Accepted" if found else "NotFound")


def _controls(station: Station2, payload: Payload) -> list[Payload]:
    """The controls that a command speaks of."""
    return [
        control
        for name, control in station.memory.controls.items()
        if payload.get("controlId") in (None, name)
        and payload.get("controlType") in (None, control["controlType"])
        and payload.get("isDefault") in (None, control["isDefault"])
    ]


@answers("UpdateDynamicSchedule")
def update_dynamic_schedule(station: Station2, payload: Payload) -> Payload:
    limit = payload["scheduleUpdate"].get("limit")
    for profile in station.profiles:
        if profile.id == payload["chargingProfileId"]:
            if limit is not None:
                station.profiles.put(replace(profile, periods=((0.0, float(limit)),)))
            return status("Accepted")
    return status("Rejected")


@answers("UsePriorityCharging")
def use_priority_charging(station: Station2, payload: Payload) -> Payload:
    if charging(station, payload["transactionId"]) is None:
        return status("Rejected", "TxNotFound")
    event = {"transactionId": payload["transactionId"], "activated": payload["activate"]}
    station.then(station.send, "NotifyPriorityCharging", event)
    return status("Accepted")


@answers("RequestBatterySwap")
def request_battery_swap(station: Station2, payload: Payload) -> Payload:
    station.then(_swap, station, payload["requestId"], payload["idToken"])
    return status("Accepted")


async def _swap(station: Station2, request: int, token: Payload) -> None:
    """A battery comes in, another goes out (S of 2.1)."""
    for event, charge, serial in (("BatteryIn", 12.0, "B-1"), ("BatteryOut", 96.0, "B-2")):
        battery = {"evseId": 1, "serialNumber": serial, "soC": charge, "soH": 98.0}
        swap = {"batteryData": [battery], "eventType": event, "idToken": token, "requestId": request}
        await station.send("BatterySwap", swap)
        await station.pass_time()
