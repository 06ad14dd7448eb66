"""`model`: the device model of a 2.x station: 1,000 variables in 40 NotifyReports that come in any order.

From the payloads to points with values in the tree. Beside the first station of its kind stands a second one, which
shares the rows of the first.
"""

import random
import time
import tracemalloc
from statistics import median
from typing import Any

from benchmarks.figures import Figure, spread
from bridge.points.layout import build_layout
from bridge.points.tree import Tree, Update
from bridge.station.v2.device_model import Catalogue, DeviceModel

VARIABLES, PARTS, ROUNDS = 1000, 40, 15
TITLE = f"Device model of a 2.x station: {VARIABLES} variables in {PARTS} parts, shuffled"
TYPES = {"decimal": "16.5", "integer": "7", "boolean": "true", "string": "text", "OptionList": "A"}


def run() -> list[Figure]:
    reports = _reports()
    times = [_timed(reports) for _ in range(ROUNDS)]
    sizes = _sizes(reports)
    return [
        Figure("first station", f"{median(first for first, _ in times) * 1e3:.0f} ms", goal="under 1 s"),
        Figure("second station", f"{median(second for _, second in times) * 1e3:.0f} ms", note=_note(times)),
        Figure("memory of the first", f"{sizes[0] / 1e3:.0f} KB", goal="under 1 MB"),
        Figure("memory of the second", f"{sizes[1] / 1e3:.0f} KB"),
    ]


def _note(times: list[tuple[float, float]]) -> str:
    return f"medians of {ROUNDS} rounds ({spread([second for _, second in times], 1e3, 1)} ms)"


def _reports() -> list[dict[str, Any]]:
    entries = [_entry(number, *list(TYPES.items())[number % len(TYPES)]) for number in range(VARIABLES)]
    size = VARIABLES // PARTS
    reports = [
        {
            "requestId": 1,
            "generatedAt": "2026-01-01T00:00:00Z",
            "seqNo": number,
            "tbc": number < PARTS - 1,
            "reportData": entries[number * size : (number + 1) * size],
        }
        for number in range(PARTS)
    ]
    random.Random(1).shuffle(reports)  # noqa: S311 - the same order every time
    return reports


def _entry(number: int, type_: str, value: str) -> dict[str, Any]:
    return {
        "component": {"name": f"Component{number // 20}", "evse": {"id": number % 4 + 1, "connectorId": 1}},
        "variable": {"name": f"Variable{number}"},
        "variableAttribute": [{"type": "Actual", "value": value, "mutability": "ReadWrite"}],
        "variableCharacteristics": {"dataType": type_, "supportsMonitoring": True, "valuesList": "A,B,C"},
    }


def _timed(reports: list[dict[str, Any]]) -> tuple[float, float]:
    """Seconds for a station, and for a second one of its kind."""
    catalogue = Catalogue()
    found = []
    for _ in range(2):
        began = time.perf_counter()
        _take(catalogue, reports)
        found.append(time.perf_counter() - began)
    return found[0], found[1]


def _sizes(reports: list[dict[str, Any]]) -> tuple[int, int]:
    """Bytes of both."""
    catalogue, kept = Catalogue(), []
    tracemalloc.start()
    try:
        kept.append(_take(catalogue, reports))
        first, _ = tracemalloc.get_traced_memory()
        kept.append(_take(catalogue, reports))
        both, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return first, both - first


def _take(catalogue: Catalogue, reports: list[dict[str, Any]]) -> tuple[DeviceModel, Tree]:
    layout = build_layout("station", [])
    model, tree = DeviceModel(catalogue), Tree(layout)
    group = tree.add_station("CP", "CP", layout)
    for report in reports:
        readings = [(group.extend(reading.described.row), reading.value) for reading in model.report(report)]
        tree.apply(group, [Update(slot, value, 1.0) for slot, value in readings if slot is not None], 2.0)
    assert len(model) == VARIABLES
    return model, tree
