"""What `check` says of the files beside config.toml: those of TLS, and what others may read or write."""

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from bridge.cli.access import PKI
from bridge.config import Config
from bridge.errors import Problem
from bridge.ocpp.tls import TlsFiles, make_context
from bridge.project import DATAPOINTS, HANDLERS, Project

SOON = timedelta(days=30)
OPEN = "every user of this machine may read or write it; `chmod o-rwx` ends that"
WRITABLE = "every user of this machine may change what it does; `chmod o-w` ends that"


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


def tls_doubts(project: Project, config: Config) -> Iterator[Problem]:
    """Files of TLS that can be loaded, and with which stations are refused, or refuse the bridge, now or soon."""
    tls = config.ocpp.tls
    if not tls.certificates:
        return
    for name in tls.certificates:
        own = _certificates(project.resolve(name))[0]
        yield from _ending(name, own, "stations refuse it then")
        if not any(isinstance(extension.value, x509.SubjectAlternativeName) for extension in own.extensions):
            yield Problem(name, "", "it names no host (subjectAltName): stations that look at it refuse it")
    authorities = _certificates(project.resolve(tls.client_ca)) if tls.client_ca else []
    for authority in authorities:
        yield from _ending(tls.client_ca, authority, "stations with a certificate of it are refused then")
    if tls.crl:
        yield from _crl_doubts(tls.crl, project.resolve(tls.crl), authorities)


def _crl_doubts(name: str, file: Path, authorities: list[x509.Certificate]) -> Iterator[Problem]:
    end = "-----END X509 CRL-----"
    texts = [part + end for part in file.read_text("ascii", "replace").split(end)[:-1]]
    lists = [x509.load_pem_x509_crl(text.encode()) for text in texts]
    for one in lists:
        ends = one.next_update_utc
        if ends is not None and ends < datetime.now(UTC) + SOON:
            yield Problem(name, "", f"it ends on {ends:%Y-%m-%d}; every station with a certificate is refused then")
    issuers = [one.issuer for one in lists]
    for authority in authorities:
        if authority.subject not in issuers:
            subject = authority.subject.rfc4514_string()
            yield Problem(name, "", f"no list of {subject}: every station with a certificate of it is refused")


def _certificates(file: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(file.read_bytes())


def _ending(name: str, certificate: x509.Certificate, then: str) -> Iterator[Problem]:
    ends = certificate.not_valid_after_utc
    if ends < datetime.now(UTC) + SOON:
        yield Problem(name, "", f"{certificate.subject.rfc4514_string()} ends on {ends:%Y-%m-%d}; {then}")


def open_files(project: Project, config: Config) -> Iterator[Problem]:
    """Files with keys or passwords' hashes that every user of the machine may read or write, and what the bridge does
    that they may change: its scripts run with its rights.
    """
    folder, store = project.state_dir, project.resolve(config.store.path)
    private = [project.resolve(key) for key in config.ocpp.tls.keys]
    private += [*(folder / PKI).rglob("*.key"), *(folder / PKI).rglob("private/*"), folder / "logins.key"]
    private += [store.with_name(store.name + end) for end in ("", "-wal", "-shm")]
    for file in dict.fromkeys(private):
        if _may_others(file, stat.S_IROTH | stat.S_IWOTH):
            yield Problem(str(file), "", OPEN)
    tls = config.ocpp.tls
    named = (*tls.certificates, tls.client_ca, tls.crl, *config.pki.command)
    trusted = [*(project.resolve(name) for name in named if name), project.config_file]
    for folder, files in ((project.folder / DATAPOINTS, "*.yaml"), (project.folder / HANDLERS, "*.py")):
        trusted += [folder, *folder.rglob(files)]
    for file in dict.fromkeys(trusted):
        if _may_others(file, stat.S_IWOTH):
            yield Problem(str(file), "", WRITABLE)


def _may_others(file: Path, modes: int) -> bool:
    """Also of a folder, unless its files are only their owners' to replace, as in /tmp."""
    try:
        found = file.stat().st_mode
    except OSError:
        return False
    is_open = stat.S_ISREG(found) or (stat.S_ISDIR(found) and not found & stat.S_ISVTX)
    return is_open and bool(found & modes)
