"""Events in the log: readable, and never more than somebody can read."""

import pytest
import structlog
from structlog.testing import capture_logs

from bridge import event_log
from bridge.event_log import BURST, EACH_SECOND, EventLog
from bridge.points.events import Event


@pytest.fixture(autouse=True)
def _new_logger(monkeypatch):
    """One that has been used before has the processors of then."""
    monkeypatch.setattr(event_log, "log", structlog.get_logger())


def failed(user: str = "olga") -> Event:
    return Event("LoginFailed", "", "no", 0.0, {"User": user})


def test_an_event_is_a_line_with_its_fields_and_a_warning_from_500_on():
    log = EventLog(lambda: 0.0)
    with capture_logs() as lines:
        log(failed())
        log(Event("FirmwareStatus", "CP1", "goes on", 0.0, {"Status": "Installed"}))
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("event.LoginFailed", "warning"),
        ("event.FirmwareStatus", "info"),
    ]
    assert (lines[0]["User"], lines[1]["station"], lines[1]["Status"]) == ("olga", "CP1", "Installed")


def test_a_flood_of_one_type_is_cut_and_counted_and_drowns_no_other():
    now = 0.0
    log = EventLog(lambda: now)
    with capture_logs() as lines:
        for _ in range(BURST + 50):
            log(failed())
        log(Event("FirmwareStatus", "CP1", "here", 0.0))
        now = 1.0
        log(failed())
    assert len(lines) == BURST + 2
    assert lines[-1]["left_out"] == 50
    assert EACH_SECOND > 0
