"""Simulated stations of OCPP 1.6, 2.0.1 and 2.1 against any central system: a party of its own, which knows
nothing of the bridge.

`physics` and `profiles` reckon what flows, `outlet` is the life where a car charges, `station` what a station knows
and does, `connection` its way to the central system, `swarm` many of them. `v16` and `v2` are the messages.
"""

from bridge.simulator.settings import BootReason, Counters, SimulatedStation, Version
from bridge.simulator.swarm import Simulator

__all__ = ["BootReason", "Counters", "SimulatedStation", "Simulator", "Version"]
