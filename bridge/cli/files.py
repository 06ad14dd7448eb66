"""What `check` says of the files beside config.toml: those of TLS, and what others may read or write."""

import stat
from collections.abc import Iterator
from pathlib import Path

from bridge.cli.access import PKI
from bridge.config import Config
from bridge.errors import Problem
from bridge.ocpp.tls import TlsFiles, make_context
from bridge.project import Project


def tls_problems(project: Project, config: Config) -> list[Problem]:
    """Files of TLS with which the bridge would not start."""
    tls = config.ocpp.tls
    if not tls.certificates:
        return []
    try:
        make_context(TlsFiles.named(project.resolve, tls.certificates, tls.keys, tls.client_ca, tls.crl))
    except (OSError, ValueError) as error:
        return [Problem(str(project.config_file), "ocpp.tls", str(error))]
    return []


def open_files(project: Project, config: Config) -> Iterator[Problem]:
    """Files with keys or passwords' hashes that every user of the machine may read or write."""
    folder, store = project.state_dir, project.resolve(config.store.path)
    private = [project.resolve(key) for key in config.ocpp.tls.keys]
    private += [*(folder / PKI).rglob("*.key"), *(folder / PKI).rglob("private/*"), folder / "logins.key"]
    private += [store.with_name(store.name + end) for end in ("", "-wal", "-shm")]
    for file in dict.fromkeys(private):
        if _is_open(file):
            yield Problem(str(file), "", "every user of this machine may read or write it; `chmod o-rwx` ends that")


def _is_open(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))
    except OSError:
        return False
