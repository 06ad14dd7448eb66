"""The documentation says what the program does."""

import re
import subprocess
import sys
from pathlib import Path

from bridge.scripting.loading import load_script

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
