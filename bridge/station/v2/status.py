"""Status.State of a connector in OCPP 2.x: connectorStatus together with what its transaction is doing.

2.x reports Available, Occupied, Reserved, Unavailable and Faulted; what 1.6 tells apart within Occupied is the
chargingState of the transaction (OCPP 2.0.1 E02, 1.6 §4.9).

- Faulted and Unavailable count as reported: an operator has to see them, whatever the transaction says.
- Charging, SuspendedEV, SuspendedEVSE and EVConnected are those of the transaction, unless the connector is Available
  afterwards: the car has gone, and the end of the transaction is under way. At Idle, where there may be no car yet,
  that is so where the connector has become Available since.
- EVConnected and Idle are Preparing until the transaction has charged, Finishing afterwards: that is what 1.6 calls
  the time before the first and after the last energy.
- A connector that stays Occupied when its transaction has ended is Finishing, as in 1.6; so is one that has never
  been reported.
- Occupied remains where no transaction says more.
"""

import msgspec

CHARGING = frozenset({"Charging", "SuspendedEV", "SuspendedEVSE"})
_REPORTED = frozenset({"Faulted", "Unavailable"})


class ConnectorReport(msgspec.Struct):
    """What StatusNotification last said of a connector: "" for nothing yet. `since`: how long it has said so.

    `since` and `time` are the station's own, as those of its transactions are, however wrong its clock may be.
    `believed` is the last time by a clock that does not jump, which says what is older.
    """

    status: str = ""
    since: float = 0.0
    time: float = 0.0
    believed: float = 0.0

    def take(self, status: str, time: float, believed: float) -> bool:
        """Takes a StatusNotification in; False: it is older than what is known."""
        if self.status and believed < self.believed:
            return False
        if status != self.status:
            self.status, self.since = status, time
        self.time, self.believed = time, believed
        return True


class ChargingReport(msgspec.Struct, frozen=True):
    """What the newest transaction at a connector is doing. `time`: of the chargingState, or of the end.

    state: the chargingState, "" where none was told. charged: it has drawn energy at some time.
    """

    state: str
    time: float
    charged: bool = False
    ended: bool = False


def state(report: ConnectorReport, charging: ChargingReport | None) -> str | None:
    """Status.State by name; None: nothing is known that could change it."""
    if report.status in _REPORTED or charging is None:
        return report.status or None
    if charging.ended:
        stays = report.status == "Occupied" and report.since <= charging.time
        return "Finishing" if stays or not report.status else report.status
    has_car = charging.state in CHARGING or charging.state == "EVConnected"
    if report.status == "Available" and (report.time if has_car else report.since) > charging.time:
        return "Available"
    if charging.state in CHARGING:
        return charging.state
    if charging.state in ("EVConnected", "Idle") or (not charging.state and report.status == "Available"):
        return "Finishing" if charging.charged else "Preparing"
    return report.status or None
