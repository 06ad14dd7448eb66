"""What NotifyEvent says beside a variable's value: an alert of a connector, and values of monitors (OCPP 2.0.1 N07).

1.6 tells an error with the status of a connector; 2.x tells it as an event of a component. Status.ErrorCode is its
techCode (such as CX001, a lock that does not hold), else what has raised it: `<Component>.<Variable>`.
"""

from collections.abc import Mapping
from typing import Any

from bridge.points.rows import Value
from bridge.points.values import parse_time
from bridge.station.v2.addressing import STATION, Place, place
from bridge.station.v2.variables import Variable, variable_of

NO_ERROR = "NoError"  # as in 1.6
MAX_MONITORS = 2_000


def alert(entry: Mapping[str, Any]) -> tuple[Place, dict[str, Value]] | None:
    """Where an alert shows and what of Status.* it changes; None: the event is no alert, or makes no sense.

    Which event an alert is cleared by is not kept: the last one counts, as the last StatusNotification does in 1.6.
    """
    variable = variable_of(entry.get("component"), entry.get("variable"))
    if variable is None or entry.get("trigger") != "Alerting":
        return None
    if entry.get("cleared") is True:
        return _place(variable), {"Status.ErrorCode": NO_ERROR, "Status.Info": ""}
    code = entry.get("techCode") or f"{variable.component}.{variable.name}"
    info = entry.get("techInfo") or entry.get("actualValue")
    return _place(variable), {"Status.ErrorCode": str(code), "Status.Info": str(info or "")}


def time_of(entry: Mapping[str, Any]) -> float | None:
    """The station's own time of an event."""
    try:
        return parse_time(entry.get("timestamp"))
    except ValueError:
        return None


class Monitors:
    """Which variable a station's monitors watch, and which of them its periodic streams bring (OCPP 2.1 N11)."""

    __slots__ = ("_streams", "_variables")

    def __init__(self) -> None:
        self._variables: dict[int, Variable] = {}
        self._streams: dict[int, int] = {}

    def set(self, response: Mapping[str, Any]) -> None:
        """Takes an answer to SetVariableMonitoring in."""
        for entry in _objects(response.get("setMonitoringResult")):
            if entry.get("status") == "Accepted":
                self._note(entry.get("id"), variable_of(entry.get("component"), entry.get("variable")))

    def report(self, payload: Mapping[str, Any]) -> None:
        """Takes a NotifyMonitoringReport in."""
        for entry in _objects(payload.get("monitor")):
            variable = variable_of(entry.get("component"), entry.get("variable"))
            for monitor in _objects(entry.get("variableMonitoring")):
                self._note(monitor.get("id"), variable)

    def opened(self, payload: Mapping[str, Any]) -> None:
        """Takes an OpenPeriodicEventStream in."""
        data = payload.get("constantStreamData")
        stream, monitor = (data.get("id"), data.get("variableMonitoringId")) if isinstance(data, dict) else (None, None)
        if type(stream) is int and type(monitor) is int and len(self._streams) < MAX_MONITORS:
            self._streams[stream] = monitor

    def closed(self, payload: Mapping[str, Any]) -> None:
        """Takes a ClosePeriodicEventStream in."""
        stream = payload.get("id")
        if type(stream) is int:
            self._streams.pop(stream, None)

    def values(self, payload: Mapping[str, Any]) -> list[tuple[Variable, str, float | None]]:
        """What a NotifyPeriodicEventStream brings: values with their times; [] where the variable is not known."""
        stream = payload.get("id")
        variable = self._variables.get(self._streams.get(stream, -1)) if type(stream) is int else None
        if variable is None:
            return []
        try:
            base = parse_time(payload.get("basetime"))
        except ValueError:
            base = None
        return [
            (
                variable,
                entry["v"],
                None if base is None or type(entry.get("t")) not in (int, float) else base + entry["t"],
            )
            for entry in _objects(payload.get("data"))
            if isinstance(entry.get("v"), str)
        ]

    def _note(self, monitor: Any, variable: Variable | None) -> None:
        if type(monitor) is int and variable is not None and len(self._variables) < MAX_MONITORS:
            self._variables[monitor] = variable


def _place(variable: Variable) -> Place:
    return place(variable.evse, variable.connector) if variable.evse else STATION


def _objects(found: Any) -> list[dict[str, Any]]:
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
