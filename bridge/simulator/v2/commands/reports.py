"""Commands about the device model as a whole: reports and monitors."""

from bridge.simulator.v2.commands.provisioning import limit
from bridge.simulator.v2.commands.table import answers, status
from bridge.simulator.v2.monitors import Monitor
from bridge.simulator.v2.station import Station2
from bridge.simulator.v2.transaction import Payload

#: SetMonitoringBase → the kinds of monitors that stay
BASES = {
    "All": ("HardWiredMonitor", "PreconfiguredMonitor", "CustomMonitor"),
    "FactoryDefault": ("HardWiredMonitor", "PreconfiguredMonitor"),
    "HardWiredOnly": ("HardWiredMonitor",),
}


@answers("GetBaseReport")
def get_base_report(station: Station2, payload: Payload) -> Payload:
    return _report(station, payload["requestId"], station.device.report(payload["reportBase"]))


@answers("GetReport")
def get_report(station: Station2, payload: Payload) -> Payload:
    found = station.device.select(payload.get("componentVariable", []), payload.get("componentCriteria", []))
    return _report(station, payload["requestId"], found)


def _report(station: Station2, request: int, data: list[Payload]) -> Payload:
    if not data:
        return status("EmptyResultSet")
    size = int(station.device.number("DeviceDataCtrlr.ItemsPerMessage[GetReport]"))
    station.then(station.send_parts, "NotifyReport", "reportData", data, size, requestId=request)
    return status("Accepted")


@answers("GetMonitoringReport")
def get_monitoring_report(station: Station2, payload: Payload) -> Payload:
    criteria, places = payload.get("monitoringCriteria", []), payload.get("componentVariable", [])
    found = station.monitors.report(criteria, places)
    if not found:
        return status("EmptyResultSet")
    station.then(station.send_parts, "NotifyMonitoringReport", "monitor", found, 10, requestId=payload["requestId"])
    return status("Accepted")


@answers("SetVariableMonitoring")
def set_variable_monitoring(station: Station2, payload: Payload) -> Payload:
    results = []
    for item in limit(station, payload["setMonitoringData"], "MonitoringCtrlr.ItemsPerMessage[SetVariableMonitoring]"):
        result, monitor = station.monitors.set(item)
        results.append(result)
        if monitor is not None and "periodicEventStream" in item:
            station.then(_stream, station, monitor, item["periodicEventStream"])
    return {"setMonitoringResult": results}


async def _stream(station: Station2, monitor: Monitor, params: Payload) -> None:
    await station.streams.run(monitor, params)


@answers("ClearVariableMonitoring")
def clear_variable_monitoring(station: Station2, payload: Payload) -> Payload:
    return {
        "clearMonitoringResult": [{"id": number, **status(station.monitors.clear(number))} for number in payload["id"]]
    }


@answers("SetMonitoringBase")
def set_monitoring_base(station: Station2, payload: Payload) -> Payload:
    station.monitors.keep(BASES[payload["monitoringBase"]])
    station.device.put("MonitoringCtrlr.ActiveMonitoringBase", payload["monitoringBase"])
    return status("Accepted")


@answers("SetMonitoringLevel")
def set_monitoring_level(station: Station2, payload: Payload) -> Payload:
    if not 0 <= payload["severity"] <= 9:
        return status("Rejected")
    station.monitors.level = payload["severity"]
    station.device.put("MonitoringCtrlr.ActiveMonitoringLevel", str(payload["severity"]))
    return status("Accepted")


@answers("GetPeriodicEventStream")
def get_periodic_event_stream(station: Station2, _payload: Payload) -> Payload:
    streams = station.streams.describe()
    return {"constantStreamData": streams} if streams else {}


@answers("AdjustPeriodicEventStream")
def adjust_periodic_event_stream(station: Station2, payload: Payload) -> Payload:
    stream = station.streams.get(payload["id"])
    if stream is None:
        return status("Rejected")
    stream.adjust(payload["params"])
    return status("Accepted")
