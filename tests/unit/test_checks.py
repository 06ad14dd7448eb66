"""The catalogue in docs/checks.yaml: every check has a test or a reason, and every test that it names is there."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
COUNTS = {"J": 45, "B": 25, "S": 6, "U": 30, "D": 15, "H": 12, "L": 12}


@pytest.fixture(scope="module")
def checks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_checks", ROOT / "docs" / "checks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_check_is_left_out(checks: ModuleType) -> None:
    ids = checks.catalogue()["checks"]
    assert list(ids) == [f"{letter}{number:02}" for letter, count in COUNTS.items() for number in range(1, count + 1)]


def test_every_check_has_a_test_or_a_reason(checks: ModuleType) -> None:
    known, covered = checks.catalogue(), checks.covered()
    assert [id_ for id_ in known["checks"] if id_ not in covered and id_ not in known["reasons"]] == []


def test_reasons_are_given_for_checks_that_there_are(checks: ModuleType) -> None:
    known = checks.catalogue()
    assert known["reasons"].keys() <= known["checks"].keys()


def test_tests_name_checks_that_there_are(checks: ModuleType) -> None:
    assert checks.covered().keys() <= checks.catalogue()["checks"].keys()


def test_every_test_that_a_test_case_is_laid_to_is_there(checks: ModuleType) -> None:
    there = {name for name, _ in checks.tests()}
    cases = checks.catalogue()["cases"]
    assert [name for case in cases for name in case["tests"] if name not in there] == []
    assert all(case["tests"] for case in cases)


def test_every_test_case_that_matters_here_is_there_once(checks: ModuleType) -> None:
    cases = [one for case in checks.catalogue()["cases"] for one in case["cases"]]
    assert len(cases) == len(set(cases))
    assert len([case for case in cases if case[0].isdigit()]) == 30
    assert len([case for case in cases if case[0].isalpha()]) == 93
