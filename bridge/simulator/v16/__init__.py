"""Stations of OCPP 1.6, on the `ocpp` package's ChargePoint."""

from bridge.simulator.v16.chargepoint import ChargePoint
from bridge.simulator.v16.station import Station16

__all__ = ["ChargePoint", "Station16"]
