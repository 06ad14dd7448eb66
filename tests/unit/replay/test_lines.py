"""Recordings as they are read from files."""

from pathlib import Path

import pytest

from bridge.errors import ProjectError
from bridge.replay import read_recording

HEAD = b'{"recording":1}'
GOOD = b'{"time":1,"station":"CP1","version":"1.6","direction":"in","frame":[2,"1","Heartbeat",{}]}'


def recording(folder: Path, *lines: bytes, end: bytes = b"\n") -> Path:
    path = folder / "r.jsonl"
    path.write_bytes(b"\n".join(lines) + end)
    return path


@pytest.mark.parametrize(
    "bad",
    [
        b'{"time":-1e18,"station":"CP1","version":"1.6","event":"open"}',
        b'{"time":1e18,"station":"CP1","version":"1.6","event":"open"}',
        b'{"time":1,"station":"CP1","version":"1.6","direction":"in","binary":1000000000000}',
        b'{"time":1,"station":"CP1","version":"1.6","direction":"in","binary":-1}',
        b'{"time":1,"station":"CP1","version":"1.6","event":"open","registration":"Foo"}',
        b'{"time":1,"station":"CP1","version":"9","event":"open"}',
        b'{"time":1,"station"',
        b"[" * 100_000,
        b"7",
    ],
)
def test_a_bad_line_is_named(tmp_path, bad):
    with pytest.raises(ProjectError) as raised:
        read_recording(recording(tmp_path, HEAD, GOOD, bad, GOOD))
    assert "line 3" in str(raised.value)


def test_blank_lines_are_passed_over(tmp_path):
    assert len(read_recording(recording(tmp_path, HEAD, b"", GOOD, b" \r", GOOD, b""))) == 2


def test_a_last_line_that_was_cut_off_is_left_out_and_told(tmp_path):
    notes: list[str] = []
    assert len(read_recording(recording(tmp_path, HEAD, GOOD, GOOD[:40], end=b""), notes.append)) == 1
    assert len(notes) == 1
    assert "line 3" in notes[0]


@pytest.mark.parametrize("lines", [(), (b"",), (HEAD[:7],), (GOOD,)])
def test_what_is_no_recording_is_refused(tmp_path, lines):
    with pytest.raises(ProjectError):
        read_recording(recording(tmp_path, *lines, end=b""))
