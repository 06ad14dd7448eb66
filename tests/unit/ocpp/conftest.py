"""The fixtures of the stations' tests."""

from tests.unit.station.conftest import rig, start

__all__ = ["rig", "start"]
