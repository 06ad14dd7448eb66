"""The catalogue of docs/reliability.md: each check with the tests that cover it, or the reason why none does.

A test covers the checks whose ids its name or its docstring holds, such as D02; the test cases of the Open Charge
Alliance are laid to tests in docs/checks.yaml.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"
MARK = "<!-- what follows is written by docs/generate.py from docs/checks.yaml and the tests: do not edit -->\n"
ID = re.compile(r"\b[JBSUDHL]\d\d\b")
#: ids of the use cases of a specification, which look the same
_USE_CASES = re.compile(r"OCPP \d[\d.]*(?:,? (?:to |and )?[A-Z]\d\d\b(?:\.FR\.\d+)?)+")
SHOWN = 3  # tests of one check that are named
GROUPS = {
    "J": "OCPP-J transport",
    "B": "OCPP behaviour",
    "S": "Station security",
    "U": "OPC UA",
    "D": "Store",
    "H": "Handlers",
    "L": "Load and chaos",
}


def catalogue() -> Mapping[str, Any]:
    """checks: id → what is checked; reasons: id → why no test covers it; cases: the test cases of the OCA."""
    found: Mapping[str, Any] = yaml.safe_load((ROOT / "docs" / "checks.yaml").read_text("utf-8"))
    return found


def tests() -> Iterator[tuple[str, str]]:
    """Every test as `path::name`, with what it says of itself."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        relative = path.relative_to(ROOT).as_posix()
        if "node_modules" not in relative:
            yield from _tests_of(ast.parse(path.read_text("utf-8")), relative)


def _tests_of(module: ast.Module, path: str) -> Iterator[tuple[str, str]]:
    about = ast.get_docstring(module) or ""
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            yield f"{path}::{node.name}", f"{node.name} {ast.get_docstring(node) or ''}"
        elif isinstance(node, ast.Assign) and re.fullmatch(r"Test\w+", ast.unparse(node.targets[0])):
            # a model of hypothesis: what it is about stands at the top
            yield f"{path}::{ast.unparse(node.targets[0])}", about


def covered() -> dict[str, list[str]]:
    """Check → the tests that name it; those that run the whole program first."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, text in tests():
        for check in dict.fromkeys(ID.findall(_USE_CASES.sub("", text))):
            found[check].append(name)
    for names in found.values():
        names.sort(key=lambda name: (not name.startswith(("tests/chaos", "tests/e2e")), name))
    return found


def page() -> str:
    """docs/reliability.md: as it is, with the catalogue written anew."""
    head = PAGE.read_text("utf-8").partition(MARK)[0]
    known, by_check = catalogue(), covered()
    parts = [head + MARK]
    for letter, title in GROUPS.items():
        checks = {check: text for check, text in known["checks"].items() if check[0] == letter}
        reasons = known["reasons"]
        rows = ((id_, text, _shown(by_check.get(id_, ()), reasons.get(id_))) for id_, text in checks.items())
        parts.append(f"### {title}\n\n" + _table(("check", "what must hold", "shown by"), rows))
    cases = ((", ".join(one["cases"]), one["about"], _shown(one["tests"], None)) for one in known["cases"])
    parts.append(
        "### Test cases of the Open Charge Alliance\n\n"
        "Those for a central system that matter most here, by what they are about, in our words.\n\n"
        + _table(("cases", "about", "shown by"), cases)
    )
    return "\n".join(parts)


def _shown(names: Iterable[str], reason: str | None) -> str:
    names = list(names)
    shown = [f"`{name.removeprefix('tests/')}`" for name in names[:SHOWN]]
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return "<br>".join([*shown, *more, *([reason] if reason else [])])


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
