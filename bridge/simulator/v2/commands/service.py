"""Commands about what a station keeps, and the long work of logs and firmware."""

from bridge.simulator.timing import timestamp
from bridge.simulator.v2.commands.table import answers, charging, status
from bridge.simulator.v2.memory import certificate_key
from bridge.simulator.v2.station import Station2
from bridge.simulator.v2.transaction import Payload


@answers("GetLog")
def get_log(station: Station2, payload: Payload) -> Payload:
    station.then(_upload, station, payload["requestId"])
    return {"status": "Accepted", "filename": f"{station.settings.id}-{payload['logType']}.log"}


async def _upload(station: Station2, request: int) -> None:
    for step in ("Uploading", "Uploaded"):
        await station.send("LogStatusNotification", {"status": step, "requestId": request})
        await station.pass_time()


@answers("UpdateFirmware")
def update_firmware(station: Station2, payload: Payload) -> Payload:
    station.then(_update, station, payload["requestId"], payload["firmware"])
    return status("Accepted")


async def _update(station: Station2, request: int, firmware: Payload) -> None:
    """The steps of L01, of L02 where there is no signature; then the station boots with what is new."""
    checked = ["SignatureVerified"] if "signature" in firmware else []
    for step in ["Downloading", "Downloaded", *checked, "Installing", "InstallRebooting"]:
        await station.send("FirmwareStatusNotification", {"status": step, "requestId": request})
        await station.pass_time()
    version = firmware["location"].rpartition("/")[2][:50] or "1.1"
    station.device.put("Controller.FirmwareVersion", version)
    await station.reset(on_idle=True, reason="FirmwareUpdate")
    await station.accepted.wait()
    await station.send("FirmwareStatusNotification", {"status": "Installed", "requestId": request})


@answers("GetLocalListVersion")
def get_local_list_version(station: Station2, _payload: Payload) -> Payload:
    return {"versionNumber": station.memory.local_list_version}


@answers("SendLocalList")
def send_local_list(station: Station2, payload: Payload) -> Payload:
    entries = payload.get("localAuthorizationList", [])
    taken = station.memory.take_list(payload["versionNumber"], payload["updateType"], entries)
    station.device.put("LocalAuthListCtrlr.Entries", str(len(station.memory.local_list)))
    return status(taken)


@answers("InstallCertificate")
def install_certificate(station: Station2, payload: Payload) -> Payload:
    station.memory.take_certificate(payload["certificateType"], payload["certificate"])
    _count_certificates(station)
    return status("Accepted")


@answers("DeleteCertificate")
def delete_certificate(station: Station2, payload: Payload) -> Payload:
    found = station.memory.certificates.pop(certificate_key(payload["certificateHashData"]), None)
    _count_certificates(station)
    return status("Accepted" if found else "NotFound")


def _count_certificates(station: Station2) -> None:
    station.device.put("SecurityCtrlr.CertificateEntries", str(len(station.memory.certificates)))


@answers("GetInstalledCertificateIds")
def get_installed_certificate_ids(station: Station2, payload: Payload) -> Payload:
    wanted = payload.get("certificateType")
    found = [
        {"certificateType": use, "certificateHashData": data}
        for use, data in station.memory.certificates.values()
        if wanted is None or use in wanted
    ]
    return {"status": "Accepted", "certificateHashDataChain": found} if found else status("NotFound")


@answers("CustomerInformation")
def customer_information(station: Station2, payload: Payload) -> Payload:
    if payload["report"]:
        known = ", ".join(sorted({token for token, _ in station.memory.local_list})) or "nothing is kept"
        report = {"data": known[:512], "seqNo": 0, "generatedAt": timestamp(), "requestId": payload["requestId"]}
        station.then(station.send, "NotifyCustomerInformation", report)
    return status("Accepted" if payload["report"] or payload["clear"] else "Rejected")


@answers("SetDisplayMessage")
def set_display_message(station: Station2, payload: Payload) -> Payload:
    message = payload["message"]
    if message["message"]["format"] not in station.device.members("DisplayMessageCtrlr.SupportedFormats"):
        return status("NotSupportedMessageFormat")
    if "transactionId" in message and charging(station, message["transactionId"]) is None:
        return status("UnknownTransaction")
    station.memory.messages[message["id"]] = message
    _count_messages(station)
    return status("Accepted")


@answers("ClearDisplayMessage")
def clear_display_message(station: Station2, payload: Payload) -> Payload:
    found = station.memory.messages.pop(payload["id"], None)
    _count_messages(station)
    return status("Accepted" if found else "Unknown")


def _count_messages(station: Station2) -> None:
    station.device.put("DisplayMessageCtrlr.DisplayMessages", str(len(station.memory.messages)))


@answers("GetDisplayMessages")
def get_display_messages(station: Station2, payload: Payload) -> Payload:
    found = [
        message
        for number, message in station.memory.messages.items()
        if number in payload.get("id", [number])
        and payload.get("priority") in (None, message["priority"])
        and payload.get("state") in (None, message.get("state"))
    ]
    if not found:
        return status("Unknown")
    station.then(station.send, "NotifyDisplayMessages", {"requestId": payload["requestId"], "messageInfo": found})
    return status("Accepted")
