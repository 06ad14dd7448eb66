"""bridge.logs: what a line looks like, and what never becomes one."""

import contextlib
import io
import json
import logging
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
import structlog
from websockets.exceptions import ConnectionClosedError

from bridge import logs
from bridge.logs import configure


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_json_is_one_object_per_event():
    out = io.StringIO()
    configure("info", "json", out)
    structlog.get_logger().info("station connected", station="CP001", values=[1, {"a": None}])
    event = json.loads(out.getvalue())
    assert event.pop("timestamp").endswith("Z")
    assert list(event.items()) == [
        ("level", "info"),
        ("event", "station connected"),
        ("station", "CP001"),
        ("values", [1, {"a": None}]),
    ]


def test_console_is_one_line_of_keys_and_values():
    out = io.StringIO()
    configure("info", "console", out)
    structlog.get_logger().info("station connected", station="CP001", vendor="Zürich Süd", n=3)
    _, line = out.getvalue().split(" ", 1)
    assert line == 'info    station connected station=CP001 vendor="Zürich Süd" n=3\n'


@pytest.mark.parametrize("style", ["console", "json"])
def test_station_can_neither_forge_lines_nor_send_terminal_codes(style):
    out = io.StringIO()
    configure("info", style, out)
    structlog.get_logger().info("boot", model="x\n2026 info forged\x1b[2J\x9b2J\u2028\ud800", vendor="\x1b[1m")
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().rstrip("\n").isprintable()


@pytest.mark.parametrize(("out", "is_json"), [(io.StringIO(), True), (Terminal(), False)])
def test_auto_is_readable_on_a_terminal_and_json_elsewhere(out, is_json):
    configure("info", "auto", out)
    structlog.get_logger().info("started")
    assert out.getvalue().startswith("{") is is_json


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_level_filters(level, seen):
    out = io.StringIO()
    configure(level, "json", out)
    log = structlog.get_logger()
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)(name)
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == seen


def test_traceback_is_a_field_in_json_and_follows_the_line_in_console():
    for style in ("json", "console"):
        out = io.StringIO()
        configure("info", style, out)
        structlog.get_logger().error("handler.failed", script="tokens.py", exc_info=ValueError("no good"))
        first, *rest = out.getvalue().splitlines()
        if style == "json":
            assert json.loads(first)["exception"].endswith("ValueError: no good")
            assert rest == []
        else:
            assert first.endswith("handler.failed script=tokens.py")
            assert rest[-1] == "    ValueError: no good"


def test_libraries_come_out_the_same_way_from_warning_on():
    out = io.StringIO()
    configure("debug", "json", out)
    logging.getLogger("asyncua.server").info("chatter")
    logging.getLogger("asyncua.server").warning("dropped %s", "session")
    event = json.loads(out.getvalue())
    assert (event["event"], event["level"], event["logger"]) == (
        "dropped session",
        "warning",
        "asyncua.server",
    )


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (ConnectionClosedError(None, None), False),
        (ConnectionResetError(), False),
        (EOFError(), False),
        (KeyError("a bug of ours"), True),
    ],
)
def test_websockets_reports_faults_but_not_peers_that_hang_up(error, logged):
    out = io.StringIO()
    configure("debug", "json", out)
    logging.getLogger("websockets.server").error("connection handler failed", exc_info=error)
    assert bool(out.getvalue()) is logged


def test_a_stream_that_is_closed_or_broken_stops_nobody():
    class Broken(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    closed = io.StringIO()
    closed.close()
    for out in (closed, Broken()):
        configure("info", "json", out)
        structlog.get_logger().error("store.failing")


@pytest.mark.parametrize("length", [10, 3_000])
def test_lines_that_the_reader_does_not_take_are_lost_and_counted_and_no_other(length):
    reads, writes = os.pipe()
    os.set_blocking(reads, False)

    def told() -> str:
        parts = []
        with contextlib.suppress(BlockingIOError):
            while part := os.read(reads, 65_536):
                parts.append(part)
        return b"".join(parts).decode()

    with os.fdopen(writes, "w", encoding="utf-8") as out:
        configure("info", "json", out)
        log = structlog.get_logger()
        for number in range(2_000):
            log.info("line", number=number, text="x" * length)
        text = told()
        log.info("after")
        text += told()
    os.close(reads)
    *whole, after, lost = (json.loads(line) for line in text.splitlines() if line.endswith("}"))
    assert (after["event"], lost["event"]) == ("after", "log.lines_lost")
    assert [line["number"] for line in whole] == list(range(len(whole)))
    assert 0 < len(whole) == 2_000 - lost["lines"]


def test_a_reader_that_takes_a_line_now_and_then_is_not_waited_for_with_each(monkeypatch):
    waits = []

    class Poll:
        def __init__(self) -> None:
            self._poll = select.poll()
            self.register = self._poll.register

        def poll(self, milliseconds: int) -> list[tuple[int, int]]:
            if milliseconds:
                waits.append(milliseconds)
            return self._poll.poll(milliseconds)

    monkeypatch.setattr(logs, "select", type("", (), {"poll": Poll, "POLLOUT": select.POLLOUT}))
    monkeypatch.setattr(logs, "PATIENT_EVERY", 3_600.0)
    reads, writes = os.pipe()
    with os.fdopen(writes, "w", encoding="utf-8") as out:
        configure("info", "json", out)
        log = structlog.get_logger()
        for _ in range(5):
            for number in range(500):
                log.info("line", number=number, text="x" * 500)
            os.read(reads, 16_384)  # some of it is taken
        text = os.read(reads, 1_000_000)
    os.close(reads)
    assert b"log.lines_lost" in text
    assert waits == [logs.PATIENCE]


def test_long_lines_of_the_bridge_and_of_libraries_in_other_threads_do_not_get_into_each_other(tmp_path):
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with (tmp_path / "log").open("w", encoding="utf-8") as out:
            configure("info", "json", out)

            def write(log: Callable[[str], object], text: str) -> None:
                for _ in range(100):
                    log(text)

            ways = {"a": structlog.get_logger().warning, "b": logging.getLogger("library").warning}
            threads = [threading.Thread(target=write, args=(log, name * 20_000)) for name, log in ways.items()]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(before)
    lines = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(lines) == ["a" * 20_000] * 100 + ["b" * 20_000] * 100
