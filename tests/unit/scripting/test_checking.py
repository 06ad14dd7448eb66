"""What `ocpp-bridge check` says of scripts: each is loaded in a process of its own."""

import time
from collections.abc import Callable
from pathlib import Path

from bridge.errors import Problem, ProjectError
from bridge.scripting.checking import check_scripts
from tests.unit.scripting.helpers import ACCEPTS, Script


def finder(folder: Path) -> Callable[[str], Path]:
    def find(name: str) -> Path:
        if not (folder / name).exists():
            raise ProjectError([Problem(str(folder / name), "", "no such script")])
        return folder / name

    return find


async def test_check_names_the_problems_of_all_scripts_and_starts_none(script: Script, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    script(f"def started(self): open({str(trace)!r}, 'w').close()", "good")
    script("x = (", "syntax", whole=True)
    script("y = 1", "empty", whole=True)
    problems = await check_scripts(["syntax.py", "good.py", "empty.py", "no.py"], finder(tmp_path), {})
    assert [Path(problem.file).name for problem in problems] == ["syntax.py", "empty.py", "no.py"]
    assert problems[0].where == "line 1"
    assert not trace.exists()


async def test_a_script_that_ends_the_program_or_hangs_while_it_loads_is_a_problem_like_any_other(
    script: Script, tmp_path: Path
) -> None:
    """H10, H04: the others are looked at all the same."""
    script("import os\nos._exit(3)", "exits", whole=True)
    script("import sys\n\nwhile True:\n    pass", "hangs", whole=True)
    script("syntax error", "bad", whole=True)
    begin = time.monotonic()
    problems = await check_scripts(["exits.py", "hangs.py", "bad.py"], finder(tmp_path), {}, load_timeout=1.5)
    assert time.monotonic() - begin < 20
    assert [(Path(problem.file).name, problem.where) for problem in problems] == [
        ("exits.py", ""),
        ("hangs.py", problems[1].where),
        ("bad.py", "line 1"),
    ]
    assert "exit code 3" in problems[0].what
    assert problems[1].what == "does not load within 1.5 s"
    assert problems[1].where in {"line 3", "line 4"}


async def test_a_setting_that_a_script_refuses_is_a_problem_with_its_line(script: Script, tmp_path: Path) -> None:
    script(
        """\
        def __init__(self):
            if self.settings["timeout"] <= 0:
                raise ValueError("timeout: expected a number above 0")
        """,
        "strict",
    )
    (problem,) = await check_scripts(["strict.py"], finder(tmp_path), {"strict": {"timeout": -1}})
    assert problem == Problem(str(tmp_path / "strict.py"), "line 7", "ValueError: timeout: expected a number above 0")
    assert not await check_scripts(["strict.py"], finder(tmp_path), {"strict": {"timeout": 1}})


async def test_check_finds_nothing_wrong_with_a_good_script(script: Script, tmp_path: Path) -> None:
    script(ACCEPTS)
    assert await check_scripts(["site.py"], finder(tmp_path), {}) == []
