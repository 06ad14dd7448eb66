"""Who tried to get in and was refused: counted in points, told as events, noted in the audit trail."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import structlog
from asyncua import ua
from asyncua.common.utils import ServiceError
from cryptography import x509

from bridge.errors import Refused
from bridge.opcua import trust
from bridge.opcua.identity import MOST_NAME
from bridge.opcua.slowdown import Slowdown, machine
from bridge.opcua.trust import TrustList
from bridge.opcua.users import ANONYMOUS, Place, Users
from bridge.points.allowance import Allowance
from bridge.points.events import Event
from bridge.points.rows import Value
from bridge.points.tree import Tree, Update
from bridge.store.records import AuditRecord

log = structlog.get_logger()

FOLDER = "Security.Clients."
LINES, LINES_EACH_SECOND = 100, 5.0  # of the log about refusals, from one machine
NOTED, NOTED_EACH_SECOND = 500, 5.0  # of the audit trail about what was refused, and nobody's logins, from one machine
GLANCES, GLANCES_EACH_SECOND = 5, 0.2  # at passwords, of one place and name; what was right does not count
GLANCES_OF_MACHINE, GLANCES_OF_MACHINE_EACH_SECOND = 20, 1.0  # the same, whatever the names
KEPT, KEPT_EACH_SECOND = 10, 0.1  # certificates that were refused, from one machine: each is a file that is written
MOST_AUDITED = 1_000  # characters of what is noted of a value


class Auditor(Protocol):
    """Keeps the audit trail; returns at once."""

    def __call__(self, records: list[AuditRecord]) -> None: ...


class Guard:
    """The trust list, the users, and what becomes of those who are neither. `audit` takes what is to be kept."""

    def __init__(
        self, tree: Tree, users: Users, certificates: TrustList, audit: Auditor, clock: Callable[[], float] = time.time
    ) -> None:
        self.users = users
        self.certificates = certificates
        self.slowdown = Slowdown()
        self._audit = audit
        self._refusals = Allowance(NOTED, NOTED_EACH_SECOND, clock)
        self._visits = Allowance(NOTED, NOTED_EACH_SECOND, clock)
        self._glances = Allowance(GLANCES, GLANCES_EACH_SECOND, clock)
        self._glances_of_machine = Allowance(GLANCES_OF_MACHINE, GLANCES_OF_MACHINE_EACH_SECOND, clock)
        self._lines = Allowance(LINES, LINES_EACH_SECOND, clock)
        self._rejected = Allowance(KEPT, KEPT_EACH_SECOND, clock)
        self._tree = tree
        self._clock = clock

    def check_certificate(self, sent: bytes, address: str) -> x509.Certificate:
        """The client's certificate. Raises ServiceError(BadSecurityChecksFailed), which says no more on purpose.

        A client learns nothing of what is wrong (OPC 10000-4 §6.1.3); who runs the bridge does.
        """
        try:
            return self.certificates.check(sent)
        except Refused as error:
            self._certificate_refused(sent, address, error)
            raise ServiceError(ua.StatusCodes.BadSecurityChecksFailed) from None

    def trusts(self, chain: bytes) -> bool:
        """Whether a client that was let in with these certificates would be let in now. b"": with none."""
        try:
            if chain:
                self.certificates.check(chain)
        except Refused:
            return False
        return True

    def place(self, address: str, certificate: str) -> Place:
        """Where somebody tries to log in: a machine, and the client there, where not everybody can be a new one."""
        return machine(address), "" if self.certificates.everybody else certificate

    def may_glance(self, place: Place, name: str) -> bool:
        """Whether a password shows at once to be right, or wrong: somebody with that name has logged in from there.

        Who was there before need not wait behind those who guess beside it. So few are looked at like this that nobody
        gets far with guessing. What was right is `recognized`, and does not count.
        """
        if not self.users.was_here(place, name) or self._glances.admit((*place, name)) is None:
            return False
        if self._glances_of_machine.admit(place[0]) is None:
            self._glances.give_back((*place, name))
            return False
        return True

    def recognized(self, place: Place, name: str) -> None:
        self._glances.give_back((*place, name))
        self._glances_of_machine.give_back(place[0])

    def _certificate_refused(self, sent: bytes, address: str, error: Refused) -> None:
        fields: dict[str, Value] = {"Reason": error.reason}
        name = "?"
        try:
            certificate = trust.parse(sent)[0]
            name = trust.name_of(certificate)[:MOST_NAME]
            fields["Thumbprint"] = trust.thumbprint(certificate)
            fields["Subject"] = certificate.subject.rfc4514_string()
            if error.status in ("BadCertificateUntrusted", "BadCertificateTimeInvalid"):
                self._keep_rejected(sent, address)
        except (Refused, ValueError):
            pass
        text = f"{name} {fields.get('Thumbprint', '')} at {address}: {error.reason}"
        self.count("RejectedCertificates", LastRejectedCertificate=text)
        self.tell("CertificateRejected", f"The certificate of {text}", fields)

    def _keep_rejected(self, sent: bytes, address: str) -> None:
        there = machine(address)
        if not self.certificates.has_rejected(sent) and self._rejected.admit(there) is not None:
            self.certificates.keep_rejected(sent, there)

    def login_failed(self, name: str, address: str, code: int, session: str, certificate: str) -> None:
        """Somebody was not let in, to this session and from a channel with this certificate (thumbprint)."""
        reason, now = ua.StatusCode(code).name, self._clock()
        self.count("FailedLogins", LastFailedLogin=f"{name} at {address}: {reason}", LastFailedLoginTime=now)
        fields: dict[str, Value] = {"User": name, "RemoteAddress": address, "Reason": reason}
        self.tell("LoginFailed", f"{name} at {address} was not let in: {reason}", fields)
        note = AuditRecord(
            time=now,
            user=name,
            role="",
            session=session,
            address=address,
            certificate=certificate,
            action="login",
            status=reason,
        )
        self.audit([note])

    def count(self, counter: str, **values: Value) -> None:
        """One more in Security.Clients, with what is said of the last one."""
        bridge = self._tree.bridge
        before = bridge.value(FOLDER + counter)
        values[counter] = ((before if isinstance(before, int) else 0) + 1) & 0xFFFFFFFF
        slots = ((bridge.slot(FOLDER + name), value) for name, value in values.items())
        self._tree.apply(bridge, [Update(slot, value) for slot, value in slots if slot is not None], self._clock())

    def tell(self, type_: str, message: str, fields: Mapping[str, Value]) -> None:
        self._tree.emit(Event(type_, "", message, self._clock(), fields))

    def log(self, event: str, address: str, **what: object) -> None:
        """A line of the log about what was refused to a machine; a flood of them leaves most out."""
        left_out = self._lines.admit(machine(address))
        if left_out is not None:
            more = {"left_out": left_out} if left_out else {}
            log.info(event, client=address, **what, **more)

    def audit(self, records: list[AuditRecord]) -> None:
        """Keeps what was done, and of what was refused, or who came without a name, as much as buries nothing else."""
        self._audit([kept for record in records if (kept := self._kept(record)) is not None])

    def _kept(self, record: AuditRecord) -> AuditRecord | None:
        is_visit = record.action in ("login", "logout") and record.user == ANONYMOUS
        if record.status == "Good" and not is_visit:
            return record
        left_out = (self._visits if record.status == "Good" else self._refusals).admit(machine(record.address))
        if left_out is None:
            return None
        return replace(record, path=f"{record.path} and {left_out} left out") if left_out else record

    def note(self, session: Any, action: str, status: str, path: str = "", value: str = "") -> AuditRecord:
        """An entry for the audit trail, about what a session did or tried."""
        user = session.user
        return AuditRecord(
            time=self._clock(),
            user=(user.name or "")[:MOST_NAME],
            role=user.rights,
            session=str(session.session_id.Identifier),
            address=session.address,
            certificate=session.thumbprint,
            action=action,
            path=path[:MOST_AUDITED],
            value=value[:MOST_AUDITED],
            status=status,
        )
