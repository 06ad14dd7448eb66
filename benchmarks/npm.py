"""Packages of Node.js that others are measured with, installed from their lock file when they are first asked for."""

import shutil
import subprocess
from pathlib import Path


def unavailable(folder: Path, *options: str) -> str:
    """Why the package in `folder` cannot be used; "" if it can. `options` are for `npm ci`."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return "Node.js and npm are not installed"
    installed = folder / "node_modules" / ".lock-installed"  # the lock file that was installed, so that it is done once
    lock = (folder / "package-lock.json").read_text(encoding="utf-8")
    if installed.is_file() and installed.read_text(encoding="utf-8") == lock:
        return ""
    print(f"npm ci in {folder.relative_to(Path(__file__).parents[1])}; this takes half a minute.", flush=True)
    command = [npm, "ci", *options, "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        return f"npm ci failed: {done.stderr.strip().splitlines()[-1:]}"
    installed.write_text(lock, encoding="utf-8")
    return ""
