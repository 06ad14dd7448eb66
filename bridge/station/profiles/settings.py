"""What a station's profile says about reading its messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Validation = Literal["strict", "lenient", "off"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the messages of a station are read.

    validation: None means as `[ocpp] validation` says. clock_offset: seconds that its timestamps are ahead of UTC.
    units: measurand → the unit that its values are in, whatever the station says. phases: phase as the station sends
    it → the phase of datapoints/measurands.yaml that it is, "" for none. meter: the unit of meterStart and meterStop
    (OCPP 1.6), "" for Wh.
    """

    validation: Validation | None = None
    clock_offset: float = 0.0
    units: Mapping[str, str] = field(default_factory=dict)
    phases: Mapping[str, str] = field(default_factory=dict)
    meter: str = ""


DEFAULT = Settings()
"""Of every station without a profile that says something else: one object, so that `is` tells."""
