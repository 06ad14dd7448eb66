"""The certificate is made once and kept; passwords are checked against their hashes."""

import time
from datetime import timedelta

import pytest
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import UserRole
from cryptography import x509

from bridge.errors import ProjectError
from bridge.opcua.certificate import CERTIFICATE, KEY, application_uri, load_identity
from bridge.opcua.guard import Guard
from bridge.opcua.trust import TrustList
from bridge.opcua.upkeep import Upkeep
from bridge.opcua.users import Users
from bridge.points.tree import Tree
from bridge.station.model import bridge_layout
from tests.unit.opcua.certificates import party
from tests.unit.opcua.helpers import TABLE, USERS


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
    user = await users.with_password(("10.0.0.1", ""), name, password)
    assert (user.name, user.rights, user.role) == (name, role, UserRole.User)
    users.close()


@pytest.mark.parametrize(("name", "password"), [("otto", "made"), ("otto", ""), ("", ""), ("nobody", "seen")])
async def test_any_other_login_is_refused(name, password):
    users = Users("none", USERS)
    with pytest.raises(ServiceError):
        await users.with_password(("10.0.0.1", ""), name, password)
    users.close()


@pytest.mark.parametrize("role", ["observer", "operator", "engineer", "admin"])
def test_anonymous_has_the_configured_role(role):
    users = Users(role, {})
    assert users.anonymous().rights == role
    users.close()


class Renewed:
    """Upkeep of an identity in a folder; `told` are the events."""

    def __init__(self, folder, ends):
        self.now = time.time()
        self.identity = load_identity(folder, "127.0.0.1")
        left = self.identity.certificate.not_valid_after_utc.timestamp() - self.now
        self.now += left - ends
        self.replaced, self.told = [], []
        tree = Tree(bridge_layout(TABLE))
        tree.events.append(self.told.append)
        guard = Guard(tree, Users("none", {}), TrustList(folder), lambda records: None)
        self.upkeep = Upkeep(
            folder, "127.0.0.1", guard, replace=self.replaced.append, end_strangers=int, clock=lambda: self.now
        )


def test_a_certificate_is_made_anew_before_it_ends_and_the_old_one_kept(tmp_path):
    world = Renewed(tmp_path, ends=30 * 86_400)
    made = world.upkeep.look_after(world.identity)
    assert world.replaced == [made]
    assert [event.type for event in world.told] == ["CertificateRenewed"]
    assert made.certificate != world.identity.certificate
    assert (made.key.private_numbers(), made.uri) == (world.identity.key.private_numbers(), world.identity.uri)
    assert load_identity(tmp_path, "127.0.0.1").certificate == made.certificate
    (old,) = (tmp_path / CERTIFICATE).parent.glob("*.old")
    assert x509.load_der_x509_certificate(old.read_bytes()) == world.identity.certificate


def test_a_certificate_with_time_left_stays(tmp_path):
    world = Renewed(tmp_path, ends=90 * 86_400)
    assert world.upkeep.look_after(world.identity) is world.identity
    assert world.told == []


def test_a_sites_own_certificate_is_only_warned_of_once_a_day(tmp_path):
    own = party("site", ends=timedelta(days=10))
    (tmp_path / CERTIFICATE).parent.mkdir(parents=True)
    (tmp_path / KEY).parent.mkdir(parents=True)
    certificate, key = own.save(tmp_path)
    certificate.replace(tmp_path / CERTIFICATE)
    key.replace(tmp_path / KEY)
    world = Renewed(tmp_path, ends=5 * 86_400)
    for _ in range(3):
        assert world.upkeep.look_after(world.identity) is world.identity
        world.now += 43_200
    assert [event.type for event in world.told] == ["CertificateExpiring"] * 2
