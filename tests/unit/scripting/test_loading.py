"""A script's file: what loads, and how each mistake is named."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import Problem, ProjectError
from bridge.scripting.loading import load_script

Script = Callable[..., Path]

# line 1 is the import, line 2 the class
FILE = """\
from bridge.api import Authorization, RequestHandler
class Handler(RequestHandler):
"""


def problem(path: Path) -> Problem:
    with pytest.raises(ProjectError) as caught:
        load_script(path)
    (only,) = caught.value.problems
    assert only.file == str(path)
    return only


def test_a_script_is_loaded_by_its_path_alone(script: Script) -> None:
    path = script("async def authorize(self, request): return Authorization.blocked()", "my-tokens v2")
    before = list(sys.path)
    loaded = load_script(path)
    assert (loaded.name, loaded.path) == ("my-tokens v2.py", path)
    assert loaded.method("authorize") is not None
    assert loaded.method("boot_notification") is None, "not overridden: there is nothing to ask"
    assert sys.path == before
    assert [file.name for file in path.parent.iterdir()] == [path.name], "no __pycache__ in a site's folder"


def test_two_scripts_of_one_name_stay_apart(tmp_path: Path) -> None:
    loaded: list[Any] = []
    for folder in ("a", "b"):
        path = tmp_path / folder / "site.py"
        path.parent.mkdir()
        path.write_text(f"{FILE}    WHERE = {folder!r}\n")
        loaded.append(load_script(path).handler)
    assert [handler.WHERE for handler in loaded] == ["a", "b"]
    modules = {type(handler).__module__ for handler in loaded}
    assert len(modules) == 2
    assert modules <= set(sys.modules)


def test_a_changed_file_is_what_runs_even_within_the_same_second(script: Script) -> None:
    for word in ("aaa", "bbb"):
        path = script(f"word = {word!r}")
        handler: Any = load_script(path).handler
        assert handler.word == word


def test_a_script_may_use_annotations_and_data_classes_of_its_own(script: Script) -> None:
    path = script(
        """\
        from __future__ import annotations
        from dataclasses import dataclass
        from typing import ClassVar, get_type_hints
        from bridge.api import RequestHandler

        @dataclass
        class Card:
            known: ClassVar[int] = 1
            token: str

        get_type_hints(Card)

        class Handler(RequestHandler):
            card = Card("a")
        """,
        whole=True,
    )
    assert load_script(path).name == "site.py"


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("x = 1\ndef f(:\n", "line 2", "SyntaxError: invalid syntax"),
        ("x = 1\n\nimport no_such_module\n", "line 3", "No module named 'no_such_module'"),
        ("def f():\n    return 1 / 0\nf()\n", "line 2", "ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", "line 2", "SystemExit: 3"),
        ("import asyncio\nraise asyncio.CancelledError\n", "line 2", "CancelledError"),
        ("import json\njson.loads('{')\n", "line 2", "JSONDecodeError"),
        ("x = '\0'\n", "", "null bytes"),
        ("", "", "has no class Handler(RequestHandler)"),
        ("class Handler:\n    pass\n", "line 1", "has to be a subclass of bridge.api.RequestHandler"),
        ("\nHandler = 5\n", "", "has to be a subclass of bridge.api.RequestHandler"),
        ("from bridge.api import RequestHandler as Handler\n", "", "has to be a subclass"),
        (
            "from bridge.api import RequestHandler\nclass Tokens(RequestHandler): ...\n",
            "line 2",
            "class Tokens has to be called Handler",
        ),
        (FILE + "    pass\nclass Handler(RequestHandler): ...\n", "line 4", "the one of line 2 would never"),
        (FILE + "    def __init__(self, url):\n        pass\n", "", "missing 1 required positional argument"),
        (FILE + "    def __init__(self):\n        open('/no/such')\n", "line 4", "FileNotFoundError"),
    ],
)
def test_a_file_that_cannot_be_used_names_the_line_and_the_reason(
    script: Script, text: str, where: str, what: str
) -> None:
    found = problem(script(text, whole=True))
    assert found.where == where
    assert what in found.what


def test_a_failed_script_leaves_no_module_behind(script: Script) -> None:
    before = set(sys.modules)
    problem(script("1 / 0", whole=True))
    assert set(sys.modules) == before


def test_a_failed_change_leaves_the_module_of_the_last_good_version(script: Script) -> None:
    name = type(load_script(script("GOOD = True")).handler).__module__
    good = sys.modules[name]
    problem(script("1 / 0", whole=True))
    assert sys.modules[name] is good


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert problem(tmp_path / "gone.py").what == "cannot be read: No such file or directory"


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.txt"
    path.write_text(FILE + "    pass\n")
    assert "has to end in .py" in problem(path).what


@pytest.mark.parametrize(
    ("method", "what"),
    [
        ("async def authorise(self, request): ...", "did you mean authorize?"),
        ("async def start_transction(self, request): ...", "did you mean start_transaction?"),
        ("def on_authorize(self, request): ...", "did you mean authorize?"),
        ("def stopTransaction(self, request): ...", "did you mean stop_transaction?"),
        ("def BootNotification(self, request): ...", "did you mean boot_notification?"),
        ("async def start(self): ...", "did you mean started?"),
        ("async def stop(self): ...", "did you mean stopped?"),
        ("async def authorize(self): ...", "authorize has to be a method that takes (self, request)"),
        ("async def authorize(self, station, token): ...", "has to be a method that takes (self, request)"),
        ("async def started(self, request): ...", "started has to be a method that takes (self)"),
        ("authorize = True", "authorize has to be a method that takes (self, request)"),
        ("async def authorize(self, request): yield 1", "authorize contains `yield`"),
        ("def authorize(self, request): yield 1", "authorize contains `yield`"),
    ],
)
def test_a_method_that_would_never_be_asked_rightly_is_a_problem(script: Script, method: str, what: str) -> None:
    found = problem(script(f"{FILE}    NAME = 'x'\n    {method}\n", whole=True))
    assert found.where == ("line 2" if method == "authorize = True" else "line 4")
    assert what in found.what


@pytest.mark.parametrize(
    "method",
    [
        "def authorize(self, request, /): ...",
        "def authorize(self, anything, limit=3): ...",
        "def authorize(self, *arguments): ...",
        "def _authorise(self, request): ...",
        "def look_up(self, token): ...",
        "authorised = frozenset({'A'})",
    ],
)
def test_helpers_and_other_signatures_that_fit_are_no_problem(script: Script, method: str) -> None:
    load_script(script(method))


def test_all_problems_of_a_script_are_named_at_once(script: Script) -> None:
    path = script("def authorise(self, request): ...\ndef data_transfer(self): ...\n")
    with pytest.raises(ProjectError) as caught:
        load_script(path)
    assert [found.where for found in caught.value.problems] == ["line 5", "line 6"]
