"""Simulated OCPP 1.6 stations against any central system: a party of its own, which knows nothing of the bridge.

`physics` and `profiles` reckon what flows, `connector` is the life at one connector, `station` what a station
knows and does, `chargepoint` its answers to commands, `line` its connection, `swarm` many of them.
"""

from bridge.simulator.settings import Counters, SimulatedStation
from bridge.simulator.swarm import Simulator

__all__ = ["Counters", "SimulatedStation", "Simulator"]
