"""The certificate is made once and kept; passwords are checked against their hashes."""

import pytest
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import UserRole
from cryptography import x509

from bridge.errors import ProjectError
from bridge.opcua.certificate import CERTIFICATE, KEY, application_uri, load_identity
from bridge.opcua.users import Users, may_write
from tests.unit.opcua.helpers import USERS


def test_the_certificate_is_made_once_and_kept(tmp_path):
    first, second = load_identity(tmp_path, "127.0.0.1"), load_identity(tmp_path, "127.0.0.1")
    assert first.certificate == second.certificate
    assert first.uri == application_uri()


def test_the_key_can_be_read_by_its_owner_only(tmp_path):
    load_identity(tmp_path, "127.0.0.1")
    assert (tmp_path / KEY).stat().st_mode & 0o077 == 0


def test_the_certificate_names_the_hosts_that_clients_use(tmp_path):
    certificate = load_identity(tmp_path, "bridge.example").certificate
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"bridge.example", "localhost"} <= set(names.get_values_for_type(x509.DNSName))
    assert certificate.public_key().key_size == 2048


@pytest.mark.parametrize("broken", [CERTIFICATE, KEY])
def test_a_certificate_that_cannot_be_used_names_its_file(tmp_path, broken):
    load_identity(tmp_path, "127.0.0.1")
    (tmp_path / broken).write_bytes(b"nonsense")
    with pytest.raises(ProjectError, match=r"ocpp-bridge\.der"):
        load_identity(tmp_path, "127.0.0.1")


def test_a_key_of_another_certificate_is_refused(tmp_path):
    load_identity(tmp_path / "a", "127.0.0.1")
    load_identity(tmp_path / "b", "127.0.0.1")
    (tmp_path / "a" / KEY).write_bytes((tmp_path / "b" / KEY).read_bytes())
    with pytest.raises(ProjectError, match="is not the key of"):
        load_identity(tmp_path / "a", "127.0.0.1")


@pytest.mark.parametrize(("name", "password", "role"), [("otto", "seen", "observer"), ("emma", "made", "engineer")])
async def test_a_user_has_the_configured_role_and_is_no_administrator(name, password, role):
    users = Users("none", USERS)
    user = await users.with_password(name, password)
    assert (user.name, user.rights, user.role) == (name, role, UserRole.User)
    users.close()


@pytest.mark.parametrize(("name", "password"), [("otto", "made"), ("otto", ""), ("", ""), ("nobody", "seen")])
async def test_any_other_login_is_refused(name, password):
    users = Users("none", USERS)
    with pytest.raises(ServiceError):
        await users.with_password(name, password)
    users.close()


@pytest.mark.parametrize("role", ["observer", "operator", "engineer"])
def test_anonymous_has_the_configured_role(role):
    users = Users(role, {})
    assert users.anonymous().rights == role
    users.close()


@pytest.mark.parametrize(("role", "may"), [("observer", False), ("operator", True), ("engineer", True), ("", False)])
def test_who_may_write(role, may):
    assert may_write(role) is may
