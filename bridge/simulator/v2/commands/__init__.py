"""What a station answers to the commands of OCPP 2.0.1 and 2.1: a function each, else a row of `defaults`."""

from bridge.simulator.v2.commands import charging, energy, provisioning, reports, service
from bridge.simulator.v2.commands.defaults import ACTIONS_21, ANSWERS, ANSWERS_21
from bridge.simulator.v2.commands.table import ANSWERERS, RefusedError
from bridge.simulator.v2.station import Station2
from bridge.simulator.v2.transaction import Payload

__all__ = ["RefusedError", "answer", "charging", "energy", "provisioning", "reports", "service"]


def answer(station: Station2, action: str, payload: Payload) -> Payload:
    """The answer to a command. Raises RefusedError; KeyError, TypeError or ValueError for an invalid payload."""
    if action in ACTIONS_21 and station.version != "2.1":
        raise RefusedError("NotImplemented", action)
    function = ANSWERERS.get(action)
    if function is not None:
        return function(station, payload)
    default = ANSWERS.get(action, ANSWERS_21.get(action))
    if default is None:
        raise RefusedError("NotImplemented", action)
    return dict(default)
