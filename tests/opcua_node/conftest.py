"""node-opcua, installed as the lock file has it."""

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
NODE, NPM = shutil.which("node"), shutil.which("npm")


@pytest.fixture(scope="session", autouse=True)
def _installed():
    """Kept between runs."""
    mark = FOLDER / "node_modules" / ".lock-installed"
    lock = (FOLDER / "package-lock.json").read_text()
    if not (NODE and NPM) or (mark.exists() and mark.read_text() == lock):
        return
    subprocess.run([NPM, "ci", "--omit=optional"], cwd=FOLDER, check=True, capture_output=True, timeout=240)
    mark.write_text(lock)
