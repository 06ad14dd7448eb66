"""The documentation says what the program does."""

import re
import subprocess
import sys
from pathlib import Path

from bridge.scripting.loading import load_script
from tests.unit.station.deviations import DEVIATIONS

ROOT = Path(__file__).resolve().parents[2]


def test_generated_parts_are_up_to_date() -> None:
    found = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.stdout == ""
    assert found.returncode == 0, found.stderr


def test_the_handler_of_the_readme_loads(tmp_path: Path) -> None:
    script = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[0]
    path = tmp_path / "visitors.py"
    path.write_text(script, "utf-8")
    assert load_script(path).method("authorize") is not None


def test_the_table_of_tolerated_deviations_is_that_of_the_tests() -> None:
    text = (ROOT / "docs" / "tolerance.md").read_text("utf-8").partition("<!-- rows")[2].partition("\n## ")[0]
    told = {
        cells[0]: {"1.6": cells[2], "2.0.1": cells[3], "2.1": cells[3]}
        for line in text.splitlines()[3:]
        if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 4
    }
    assert told.keys() == {row.name for row in DEVIATIONS}
    for row in DEVIATIONS:
        for version in row.versions:
            assert told[row.name][version] == (row.refusal(version) or "answered"), (row.name, version)
