"""Stations of OCPP 2.0.1 and 2.1. Payloads are dicts with the keys of the wire."""

from bridge.simulator.v2.link import Link
from bridge.simulator.v2.station import Station21, Station201

__all__ = ["Link", "Station21", "Station201"]
