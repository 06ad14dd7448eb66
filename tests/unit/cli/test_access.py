"""Users, the trust list and the audit trail from the command line."""

import csv
import io
import json
from hashlib import sha256

import pytest
import tomli
from argon2 import PasswordHasher

from bridge.opcua.trust import TrustList, thumbprint
from bridge.project import Project
from bridge.store import AuditRecord, Store
from tests.unit.cli.helpers import ocpp_bridge
from tests.unit.opcua.certificates import party

SECRET = "correct horse"


def users(project: Project) -> list[dict[str, object]]:
    return json.loads(ocpp_bridge("user", "list", "--format", "json", "--project", project.folder).out)


def add(project: Project, name: str, *options: object, password: str = SECRET):
    return ocpp_bridge("user", "add", name, *options, "--stdin", "--project", project.folder, stdin=f"{password}\n")


def test_a_user_is_kept_in_the_store_with_its_role_and_nothing_of_its_password(project):
    done = add(project, "anna", "--role", "engineer")
    assert done.code == 0, done.err
    assert users(project) == [
        {"name": "anna", "role": "engineer", "password": "yes", "certificate": None, "kept_in": "store"}
    ]
    with Store.peek(project.folder / "bridge.db") as reader:
        (stored,) = reader.users()
    assert PasswordHasher().verify(stored.password_hash, SECRET)
    assert SECRET not in done.out + done.err
    assert SECRET.encode() not in (project.folder / "bridge.db").read_bytes()


def test_a_password_is_replaced_and_a_user_removed(project):
    add(project, "anna", "--role", "admin")
    ocpp_bridge("user", "password", "anna", "--stdin", "--project", project.folder, stdin="another one\n")
    with Store.peek(project.folder / "bridge.db") as reader:
        (stored,) = reader.users()
    assert (stored.role, PasswordHasher().verify(stored.password_hash, "another one")) == ("admin", True)
    assert ocpp_bridge("user", "remove", "anna", "--project", project.folder).code == 0
    assert users(project) == []


def test_a_user_may_have_a_certificate(project, tmp_path):
    own = party("anna")
    file, _ = own.save(tmp_path / "own")
    assert ocpp_bridge("user", "add", "anna", "--certificate", file, "--project", project.folder).code == 0
    with Store.peek(project.folder / "bridge.db") as reader:
        (stored,) = reader.users()
    assert (stored.certificate, stored.password_hash) == (sha256(own.der).hexdigest(), "")
    taken = ocpp_bridge("user", "add", "otto", "--certificate", file, "--project", project.folder)
    assert (taken.code, "certificate of anna" in taken.err) == (2, True)


@pytest.mark.parametrize("command", ["remove", "password"])
def test_a_user_that_there_is_not_is_named(project, command):
    add(project, "anna")
    done = ocpp_bridge(
        "user", command, "otto", *(["--stdin"] if command == "password" else []), "--project", project.folder
    )
    assert (done.code, "no such user" in done.err) == (2, True)


def test_a_user_of_the_configuration_is_changed_there(project):
    hashed = PasswordHasher().hash(SECRET)
    block = f'\n[[user]]\nname = "olga"\nrole = "operator"\npassword_hash = "{hashed}"\n'
    file = project.folder / "config.toml"
    file.write_text((file.read_text() if file.exists() else "") + block)
    done = add(project, "olga")
    assert (done.code, "config.toml" in done.err) == (2, True)
    assert [user["kept_in"] for user in users(project)] == ["config.toml"]


@pytest.mark.parametrize("name", ["anna", 'Anna "the boss" Ångström'])
def test_a_users_table_can_be_printed_for_the_configuration(project, name):
    ended = ocpp_bridge("user", "add", name, "--role", "engineer", "--print", "--stdin", stdin="secret\n")
    [user] = tomli.loads(ended.out)["user"]
    assert (user["name"], user["role"]) == (name, "engineer")
    assert PasswordHasher().verify(user["password_hash"], "secret")
    config = project.folder / "config.toml"
    config.write_text(config.read_text() + ended.out)
    assert ocpp_bridge("check", "--project", project.folder).code == 0


def test_a_role_that_there_is_not_is_refused(project):
    assert add(project, "anna", "--role", "king").code == 2


@pytest.fixture
def rejected(project):
    """A client whose certificate was refused."""
    own = party("hmi")
    TrustList(project.state_dir / "pki").keep_rejected(own.der, "10.0.0.1")
    return own


def states(project: Project) -> list[str]:
    rows = json.loads(ocpp_bridge("opcua", "list", "--format", "json", "--project", project.folder).out)
    return [row["state"] for row in rows]


def test_a_client_is_trusted_and_rejected_by_the_beginning_of_its_thumbprint(project, rejected):
    short = thumbprint(rejected.certificate)[:8].lower()
    assert states(project) == ["rejected"]
    assert ocpp_bridge("opcua", "trust", short, "--project", project.folder).code == 0
    assert states(project) == ["trusted"]
    assert ocpp_bridge("opcua", "reject", short, "--project", project.folder).code == 0
    assert states(project) == ["rejected"]


@pytest.mark.parametrize("wanted", ["FFFFFFFF", "A", ""])
def test_a_thumbprint_that_fits_none_changes_nothing(project, rejected, wanted):
    done = ocpp_bridge("opcua", "trust", wanted, "--project", project.folder)
    assert (done.code, states(project)) == (2, ["rejected"])


@pytest.fixture
async def audited(project):
    store = Store.open(project.folder / "bridge.db")
    common = {"role": "operator", "session": "12", "address": "10.0.0.7", "certificate": "", "status": "Good"}
    store.put_audit_soon(
        AuditRecord(time=time, user=user, action="write", path="CP1.Config.HeartbeatInterval", value="60", **common)
        for time, user in ((1_767_268_800.0, "olga"), (1_767_355_200.0, "emma"))
    )
    await store.close()


def trail(project: Project, *options: str) -> list[dict[str, object]]:
    return json.loads(ocpp_bridge("audit", *options, "--format", "json", "--project", project.folder).out)


async def test_the_audit_trail_is_printed_by_user_and_time(project, audited):
    """U19"""
    assert [row["user"] for row in trail(project)] == ["olga", "emma"]
    assert [row["user"] for row in trail(project, "--user", "olga")] == ["olga"]
    (row,) = trail(project, "--since", "2026-01-02")
    assert (row["user"], row["path"], row["value"], row["time"]) == (
        "emma",
        "CP1.Config.HeartbeatInterval",
        "60",
        "2026-01-02T12:00:00.000Z",
    )


#: what strangers call themselves when they log in: SQL, a terminal's command, a second line, a spreadsheet's formula
NAMES = ["'; DROP TABLE audit; --", "\x1b[2Jhidden", "a\n2026-01-02  anna", '=HYPERLINK("http://x")', "a\0b", "@x"]


@pytest.mark.parametrize("form", ["table", "csv", "json"])
async def test_names_of_strangers_are_stored_and_printed_and_do_nothing(project, form):
    store = Store.open(project.folder / "bridge.db")
    common = {"role": "", "session": "12", "address": "10.0.0.7", "certificate": "", "action": "login"}
    store.put_audit_soon(
        AuditRecord(time=1_767_268_800.0 + n, user=name, status="BadUserAccessDenied", **common)
        for n, name in enumerate(NAMES)
    )
    await store.close()
    printed = ocpp_bridge("audit", "--format", form, "--project", project.folder).out
    assert "\x1b" not in printed
    assert printed.count("BadUserAccessDenied") == len(NAMES)
    if form == "json":
        assert [row["user"] for row in json.loads(printed)] == NAMES
    else:
        assert len(printed.splitlines()) == 1 + len(NAMES)
    if form == "csv":
        cells = [row["user"] for row in csv.DictReader(io.StringIO(printed))]
        assert not any(cell.startswith(("=", "@")) for cell in cells)


async def test_the_audit_trail_is_bounded(project, audited):
    store = Store.open(project.folder / "bridge.db")
    await store.trim_audit(1)
    await store.close()
    assert [row["user"] for row in trail(project)] == ["emma"]
