"""What NotifyEvent says beside a variable's value: an alert of a connector, and values of monitors (OCPP 2.0.1 N07).

1.6 tells an error with the status of a connector; 2.x tells it as an event of a component. Status.ErrorCode is its
techCode (such as CX001, a lock that does not hold), else what has raised it: `<Component>.<Variable>`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from bridge.ocpp.secrets import Hides, hides_nothing, masked
from bridge.points.rows import Value
from bridge.points.values import parse_time
from bridge.station.v2.addressing import STATION, Place, place
from bridge.station.v2.variables import Variable, variable_of

NO_ERROR = "NoError"  # as in 1.6
MAX_MONITORS = 2_000
MAX_ALERTS = 256


class Alert(msgspec.Struct, frozen=True):
    """What a monitor of a variable says. `at`: the name of the connector where it shows, "" for the station."""

    variable: Variable
    monitor: int | None
    at: str
    code: str
    info: str

    @property
    def points(self) -> dict[str, Value]:
        return {"Status.ErrorCode": self.code, "Status.Info": self.info}


class Alerts(msgspec.Struct):
    """The alerts of a station that are not cleared, the newest last."""

    active: list[Alert] = []

    def take(self, entry: Mapping[str, Any], at: str, hides: Hides = hides_nothing) -> dict[str, dict[str, Value]]:
        """Takes an alert of this place in: what of Status.* it changes, and where. One that is cleared leaves those
        that are not.
        """
        variable = variable_of(entry.get("component"), entry.get("variable"))
        if variable is None:
            return {}
        number = entry.get("variableMonitoringId")
        monitor = number if type(number) is int else None
        cleared = entry.get("cleared") is True
        over = [found for found in self.active if _is_of(found, variable, monitor, cleared=cleared)]
        self.active = [found for found in self.active if found not in over]
        if not cleared:
            code = entry.get("techCode") or f"{variable.component}.{variable.name}"
            new = Alert(variable.folded(), monitor, at, str(code), info_of(entry, hides))
            self.active = [*self.active[1 - MAX_ALERTS :], new]
        return {place: self._shown(place) for place in {at, *(found.at for found in over)}}

    def _shown(self, at: str) -> dict[str, Value]:
        newest = next((found for found in reversed(self.active) if found.at == at), None)
        return {"Status.ErrorCode": NO_ERROR, "Status.Info": ""} if newest is None else newest.points


def info_of(entry: Mapping[str, Any], hides: Hides) -> str:
    """What an event says beside its code: no secret that a variable holds."""
    shown = masked(entry, hides)
    return str(shown.get("techInfo") or shown.get("actualValue") or "")


def _is_of(alert: Alert, variable: Variable, monitor: int | None, *, cleared: bool) -> bool:
    """Whether an alert is of this monitor; where no monitor is named, any of the variable is cleared."""
    unsure = cleared and None in (alert.monitor, monitor)
    return alert.variable == variable.folded() and (unsure or alert.monitor == monitor)


def place_of_alert(entry: Mapping[str, Any]) -> Place | None:
    """Where an alert shows; None: the event is no alert, or makes no sense."""
    variable = variable_of(entry.get("component"), entry.get("variable"))
    return None if variable is None or entry.get("trigger") != "Alerting" else _place(variable)


def time_of(entry: Mapping[str, Any]) -> float | None:
    """The station's own time of an event."""
    try:
        return parse_time(entry.get("timestamp"))
    except ValueError:
        return None


class Monitors(msgspec.Struct):
    """Which variable a station's monitors watch, and which of them its periodic streams bring (OCPP 2.1 N11)."""

    variables: dict[int, Variable] = {}
    streams: dict[int, int] = {}

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
        if type(stream) is int and type(monitor) is int and len(self.streams) < MAX_MONITORS:
            self.streams[stream] = monitor

    def closed(self, payload: Mapping[str, Any]) -> None:
        """Takes a ClosePeriodicEventStream in."""
        stream = payload.get("id")
        if type(stream) is int:
            self.streams.pop(stream, None)

    def values(self, payload: Mapping[str, Any]) -> list[tuple[Variable, str, float | None]]:
        """What a NotifyPeriodicEventStream brings: values with their times. Raises LookupError where the variable is
        not known.
        """
        stream = payload.get("id")
        variable = self.variables.get(self.streams.get(stream, -1)) if type(stream) is int else None
        if variable is None:
            raise LookupError(f"stream {stream}: which variable it brings is not known before a GetMonitoringReport")
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
        if type(monitor) is int and variable is not None and len(self.variables) < MAX_MONITORS:
            self.variables[monitor] = variable


def _place(variable: Variable) -> Place:
    return place(variable.evse, variable.connector) if variable.evse else STATION


def _objects(found: Any) -> list[dict[str, Any]]:
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
