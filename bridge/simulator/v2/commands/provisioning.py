"""Commands that set a station up, and that make it say or do something now."""

from bridge.simulator.v2.commands.table import RefusedError, answers, evses, status
from bridge.simulator.v2.evse import Evse
from bridge.simulator.v2.examples import EXAMPLES, example
from bridge.simulator.v2.station import Station2
from bridge.simulator.v2.transaction import Payload
from bridge.simulator.v2.variables import Key

IDLE = {
    "FirmwareStatusNotification": {"status": "Idle"},
    "LogStatusNotification": {"status": "Idle"},
    "PublishFirmwareStatusNotification": {"status": "Idle"},
}
#: MessageTriggerEnumType → the certificateType that is asked to be signed
SIGNED = {
    "SignChargingStationCertificate": "ChargingStationCertificate",
    "SignCombinedCertificate": "ChargingStationCertificate",
    "SignV2G20Certificate": "V2G20Certificate",
    "SignV2GCertificate": "V2GCertificate",
}


def limit(station: Station2, items: list[Payload], name: str) -> list[Payload]:
    """More than ItemsPerMessage are refused (OCPP 2.0.1 B05.FR.11, B06.FR.16)."""
    if len(items) > station.device.number(name):
        raise RefusedError("OccurrenceConstraintViolation", name)
    return items


@answers("GetVariables")
def get_variables(station: Station2, payload: Payload) -> Payload:
    wanted = limit(station, payload["getVariableData"], "DeviceDataCtrlr.ItemsPerMessage[GetVariables]")
    return {"getVariableResult": [station.device.read(asked) for asked in wanted]}


@answers("SetVariables")
def set_variables(station: Station2, payload: Payload) -> Payload:
    wanted = limit(station, payload["setVariableData"], "DeviceDataCtrlr.ItemsPerMessage[SetVariables]")
    return {"setVariableResult": [station.device.write(one) for one in wanted]}


@answers("Reset")
def reset(station: Station2, payload: Payload) -> Payload:
    found, on_idle = evses(station, payload), payload["type"] == "OnIdle"
    if found is None:
        return status("Rejected", "UnknownEvse")
    busy = any(not evse.idle.is_set() for evse in found)
    if payload.get("evseId"):
        if station.device.value(Key.named("EVSE.AllowReset", found[0].number)) != "true":
            return status("Rejected", "NotAllowed")
        station.then(reset_evse, found[0], on_idle=on_idle)
    else:
        station.then(station.reset, on_idle=on_idle)
    return status("Scheduled" if on_idle and busy else "Accepted")


async def reset_evse(evse: Evse, *, on_idle: bool) -> None:
    if on_idle:
        await evse.idle.wait()
    await evse.restart()


@answers("ChangeAvailability")
def change_availability(station: Station2, payload: Payload) -> Payload:
    found, operative = evses(station, payload), payload["operationalStatus"] == "Operative"
    if found is None or payload.get("evse", {}).get("connectorId", 1) not in found[0].connectors:
        return status("Rejected", "UnknownEvse")
    station.then(station.set_operative, payload.get("evse", {}).get("id", 0), operative=operative)
    waits = not operative and any(not evse.idle.is_set() for evse in found)
    return status("Scheduled" if waits else "Accepted")


@answers("TriggerMessage")
def trigger_message(station: Station2, payload: Payload) -> Payload:
    message, found = payload["requestedMessage"], evses(station, payload)
    if found is None:
        return status("Rejected", "UnknownEvse")
    if message == "CustomTrigger":
        return trigger_example(station, str(payload.get("customTrigger")))
    if message in IDLE:
        station.then(station.send, message, IDLE[message], unasked=False)
    elif message in SIGNED:
        request = {"csr": f"a request by {station.settings.id}", "certificateType": SIGNED[message]}
        station.then(station.send, "SignCertificate", request, unasked=False)
    elif message == "Heartbeat":
        station.then(station.heartbeat)
    elif message == "BootNotification":
        if station.accepted.is_set():
            return status("Rejected", "NotAllowed")  # F06.FR.17
        station.then(station.boot, "Triggered")
    else:
        return trigger_at(station, message, found, payload.get("evse", {}).get("connectorId"))
    return status("Accepted")


def trigger_at(station: Station2, message: str, found: list[Evse], connector: int | None) -> Payload:
    """What is said of an EVSE."""
    if message == "TransactionEvent":
        busy = [evse for evse in found if evse.transaction is not None and evse.transaction.started]
        for evse in busy:
            station.then(trigger_transaction, evse)
        return status("Accepted" if busy else "Rejected")
    for evse in found:
        if message == "StatusNotification":
            station.then(evse.send_status, connector, unasked=False)
        elif message == "MeterValues":
            station.then(evse.tell_meter, "Trigger", "AlignedDataCtrlr.Measurands", unasked=False)
        else:
            return status("NotImplemented")
    return status("Accepted")


async def trigger_transaction(evse: Evse) -> None:
    evse.tell_transaction("Trigger", "Trigger", "SampledDataCtrlr.TxUpdatedMeasurands")


def trigger_example(station: Station2, action: str) -> Payload:
    """An example of a message that the station never sends by itself."""
    if action not in EXAMPLES or EXAMPLES[action].get("since", station.version) > station.version:
        return status("NotImplemented")
    station.then(station.send, action, example(action), unasked=False)
    return status("Accepted")


@answers("DataTransfer")
def data_transfer(station: Station2, payload: Payload) -> Payload:
    """Of this vendor, the message id names the message that shall be sent (see `examples`); data is sent back."""
    if payload["vendorId"] != "SIM":
        return status("UnknownVendorId")
    if "messageId" in payload and trigger_example(station, payload["messageId"])["status"] != "Accepted":
        return status("UnknownMessageId")
    return {"status": "Accepted", "data": payload["data"]} if "data" in payload else status("Accepted")
