"""What is printed of texts that somebody else has chosen."""

import sys

import pytest

from bridge.cli.output import Format, show

ROWS = [{"name": "\x1b[2Jforged\x9b", "text": "two\nlines"}]


@pytest.mark.parametrize("form", Format)
def test_no_terminal_code_reaches_a_screen(capsys, monkeypatch, form):
    """Anybody who tries to log in chooses a name that the audit trail shows."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    show(("name", "text"), ROWS, form)
    shown = capsys.readouterr().out
    assert "forged" in shown
    assert "\x1b[2J" not in shown
    assert "\x9b" not in shown


def test_a_program_that_reads_csv_gets_what_there_is(capsys):
    show(("name", "text"), ROWS, Format.CSV)
    assert capsys.readouterr().out == 'name,text\n\x1b[2Jforged\x9b,"two\nlines"\n'
