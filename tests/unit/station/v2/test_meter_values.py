"""Meter values of OCPP 2.x become the same points as those of 1.6."""

import pytest

from bridge.points.layout import build_layout
from bridge.points.measurands import Measurands
from bridge.points.table import load_table
from bridge.points.tree import Group, Quality
from bridge.project import Project, shipped
from bridge.station.v2.samples import unit_of

TABLE = load_table(Project(shipped()).datapoints())


def read(*samples):
    """Point → (value, quality) of a telegram."""
    measurands = Measurands(TABLE.measurands.known, TABLE.measurands.phases, TABLE.measurands.locations)
    group = Group("CP.Connector1", build_layout("connector", measurands.rows()), None)
    values = [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": list(samples)}]
    telegram = measurands.telegram(group, values, lambda stamp: stamp, unit_of)
    points = {group.row(update.slot).name: (update.value, update.quality) for update in telegram.updates}
    return points, telegram


def sample(value, measurand=None, unit=None, multiplier=None, **fields):
    measure = {name: found for name, found in (("unit", unit), ("multiplier", multiplier)) if found is not None}
    named = {"measurand": measurand} if measurand else {}
    return {"value": value, **named, **({"unitOfMeasure": measure} if measure else {}), **fields}


@pytest.mark.parametrize(
    ("given", "point", "value"),
    [
        (sample(1500), "Energy.Active.Import.Register", 1500.0),
        (sample(1.5, unit="kWh"), "Energy.Active.Import.Register", 1500.0),
        (sample(11.04, "Power.Active.Import", "W", 3), "Power.Active.Import", 11040.0),
        (sample(11.04, "Power.Active.Import", "kW"), "Power.Active.Import", 11040.0),
        (sample(3, "Current.Import", "A", -1, phase="L1"), "Current.Import.L1", 0.3),
        (sample(161, "Current.Import", "A", -1, phase="L2"), "Current.Import.L2", 16.1),
        (sample(230, "Voltage", phase="L1-N"), "Voltage.L1-N", 230.0),
        (sample(55, "SoC", "Percent", location="EV"), "SoC", 55.0),
        (sample(7, "Energy.Apparent.Net", "kVAh"), "Energy.Apparent.Net", 7000.0),
        (sample(7, "Display.PresentSOC", "Percent"), "Display.PresentSOC", 7.0),
        (sample(7, "Power.Active.Import", location="Upstream"), "Power.Active.Import.Upstream", 7.0),
    ],
)
def test_a_value_is_shown_in_the_base_unit(given, point, value):
    assert read(given)[0] == {point: (value, Quality.GOOD)}


@pytest.mark.parametrize(
    "given", [sample(1, unit="kW"), sample(1, unit="parsec"), sample(1, multiplier=99), sample(1, multiplier="3")]
)
def test_a_value_whose_unit_makes_no_sense_is_marked(given):
    points, telegram = read(given)
    assert points == {"Energy.Active.Import.Register": (None, Quality.SUBNORMAL)}
    assert telegram.problem.startswith("Energy.Active.Import.Register: ")


def test_the_register_and_the_time_are_told_for_the_transaction():
    _, telegram = read(sample(2, unit="kWh"), sample(5, "Voltage"))
    assert (telegram.register, telegram.time) == (2000.0, 1767225600.0)


def test_a_signed_value_counts_like_any_other():
    signed = {"signedMeterData": "AA==", "signingMethod": "x", "encodingMethod": "OCMF", "publicKey": "y"}
    assert read(sample(5, signedMeterValue=signed))[0] == {"Energy.Active.Import.Register": (5.0, Quality.GOOD)}
