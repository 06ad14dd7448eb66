"""The site's own authority, stations' keys and profiles, on the command line; and simulated stations with all of it."""

import asyncio
import os
import shutil
import ssl
import stat
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from bridge.config import load_config
from bridge.project import Project, shipped
from bridge.station.certificates import AUTHORITY
from bridge.station.credentials import Credentials
from bridge.store import CertificateRequest, Store
from tests.unit.cli.helpers import ocpp_bridge, rows
from tests.unit.ocpp.secure import DAY, NOW, Ca


def pki(site, *arguments, code=0):
    ended = ocpp_bridge("pki", *arguments, "--project", site)
    assert ended.code == code, ended.err
    return ended


def configure(site, *printed):
    """Puts what the commands printed into the project's config.toml."""
    (site / "config.toml").write_text("[ocpp.tls]\n" + "".join(printed))


def test_an_authority_and_a_servers_certificate_make_a_configuration(site):
    """What is printed can be put into config.toml, and the files work together."""
    trust, server = pki(site, "init").out, pki(site, "issue", "bridge.example", "10.0.0.7", "::1").out
    lines = [line for line in trust.splitlines(keepends=True) if " = " in line]
    configure(site, *lines, server)
    config = load_config(Project(site), {}).ocpp.tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site / config.certificates[0], site / config.keys[0])
    context.load_verify_locations(site / config.client_ca)
    context.load_verify_locations(site / config.crl)
    found = x509.load_pem_x509_certificate((site / config.certificates[0]).read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["bridge.example"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.7", "::1"]


@pytest.mark.parametrize(("kind", "expected"), [("ec", ec.EllipticCurvePublicKey), ("rsa", rsa.RSAPublicKey)])
def test_keys_are_of_the_kind_that_was_asked_for(site, kind, expected):
    pki(site, "init", "--key", kind)
    pki(site, "issue", "localhost", "--key", kind)
    for path in ((site / AUTHORITY / "ca.pem"), next((site / AUTHORITY).glob("server-*.pem"))):
        assert isinstance(x509.load_pem_x509_certificate(path.read_bytes()).public_key(), expected)


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_only_the_bridge_may_read_a_key(site):
    previous = os.umask(0)
    try:
        pki(site, "init")
        pki(site, "issue", "localhost")
        pki(site, "issue", "CP1", "--station")
    finally:
        os.umask(previous)
    keys = list((site / AUTHORITY).glob("*.key"))
    assert len(keys) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_an_authority_is_not_made_twice(site):
    pki(site, "init")
    before = (site / AUTHORITY / "ca.key").read_bytes()
    assert "there is an authority already" in pki(site, "init", code=2).err
    assert (site / AUTHORITY / "ca.key").read_bytes() == before


@pytest.mark.parametrize("command", [["show"], ["issue", "localhost"], ["revoke", "CP1"]])
def test_without_an_authority_it_says_how_to_make_one(site, command):
    assert "pki init" in pki(site, *command, code=2).err


@pytest.mark.parametrize("name", ["../x", "a b", "", "-x", "x\n"])
def test_what_is_no_host_gets_no_certificate(site, name):
    pki(site, "init")
    ended = ocpp_bridge("pki", "issue", "--project", site, "--", name)
    assert (ended.code, "expected a host name" in ended.err) == (2, True)


@pytest.mark.parametrize("identity", ["../../x", "CP/1", "Säule 1"])
def test_a_stations_certificate_is_for_any_identity(site, identity):
    pki(site, "init")
    certificate, key = pki(site, "issue", identity, "--station").out.split()
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key)
    assert certificate.startswith(str(site / AUTHORITY))
    assert [row["name"] for row in rows(pki(site, "show", "--format", "csv"))] == [identity]


def test_what_was_revoked_is_shown_and_in_the_list(site):
    pki(site, "init")
    for name in ("CP1", "CP1", "CP2"):
        pki(site, "issue", name, "--station")
    assert "nobody looks at it" in pki(site, "revoke", "CP1").err
    found = rows(pki(site, "show", "--format", "csv"))
    assert sorted((row["name"], row["state"]) for row in found) == [
        ("CP1", "revoked"),
        ("CP1", "revoked"),
        ("CP2", "station"),
    ]
    last = next(row["serial"] for row in found if row["name"] == "CP2")
    pki(site, "revoke", last)
    crl = x509.load_pem_x509_crl((site / AUTHORITY / "crl.pem").read_bytes())
    assert {f"{one.serial_number:x}" for one in crl} == {row["serial"] for row in found}
    assert crl.is_signature_valid(
        x509.load_pem_x509_certificate((site / AUTHORITY / "ca.pem").read_bytes()).public_key()
    )
    pki(site, "revoke", "CP1", code=2)


def test_a_request_that_waits_is_shown_and_signed(project):
    site = project.folder
    pki(site, "init")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CP2")])
    csr = x509.CertificateSigningRequestBuilder(subject).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    async def ask():
        store = Store.open(site / "bridge.db")
        await store.put_request(CertificateRequest(station="CP2", type="", csr=csr, received=1.0))
        await store.close()

    asyncio.run(ask())
    assert [row["state"] for row in rows(pki(site, "show", "--format", "csv"))] == ["asked for"]
    pki(site, "sign", "CP1", code=2)
    pki(site, "sign", "CP2")
    with Store.peek(site / "bridge.db") as reader:
        [request] = reader.requests("CP2")
    assert x509.load_pem_x509_certificate(request.chain.encode()).public_key() == key.public_key()
    pki(site, "sign", "CP2", code=2)


# --- stations' keys and profiles ---


async def test_a_key_is_made_and_printed_once(site):
    """S05: what is printed is right, and the store does not hold it."""
    ended = ocpp_bridge("stations", "password", "CP2", "--generate", "--project", site)
    assert ended.code == 0
    key = ended.out.strip()
    assert len(bytes.fromhex(key)) == 20
    assert key.encode() not in (site / "bridge.db").read_bytes()
    with Store.peek(site / "bridge.db") as reader:
        assert await Credentials(reader.login).check("CP2", "CP2", bytes.fromhex(key))


def test_a_profile_is_raised_and_lowered_by_the_operator(site):
    for profile in (3, 1):
        assert ocpp_bridge("stations", "profile", "CP2", profile, "--project", site).code == 0
        with Store.peek(site / "bridge.db") as reader:
            assert reader.login("CP2").profile == profile
    assert ocpp_bridge("stations", "profile", "CP2", 4, "--project", site).code == 2


# --- simulated stations ---


def test_half_a_certificate_is_a_mistake(site):
    ended = ocpp_bridge("simulate", "wss://localhost:1/ocpp", "--cert", __file__)
    assert (ended.code, "--cert and --key" in ended.err) == (2, True)


def test_files_that_are_no_pem_are_a_mistake(site):
    ended = ocpp_bridge("simulate", "wss://localhost:1/ocpp", "--ca", __file__)
    assert (ended.code, "of no use" in ended.err) == (2, True)


@pytest.mark.parametrize("profile", [2, 3])
def test_a_simulated_station_connects_with_tls(site, profile):
    """As a user tries it: authority, certificates, key, bridge, station."""
    trust, server = pki(site, "init").out, pki(site, "issue", "localhost", "127.0.0.1").out
    lines = [line for line in trust.splitlines(keepends=True) if " = " in line]
    text = (
        f"[ocpp]\nsecurity_profile = {profile}\n[opcua]\nendpoint = 'opc.tcp://127.0.0.1:0/x'\n[ocpp.tls]\nport = 0\n"
    )
    (site / "config.toml").write_text(text + "".join(lines) + server)
    ca = site / AUTHORITY / "ca.pem"
    key = ocpp_bridge("stations", "password", "SIM0001", "--generate", "--project", site).out.strip()
    certificate, secret = pki(site, "issue", "SIM0001", "--station").out.split()
    shown = ["--password", key] if profile == 2 else ["--cert", certificate, "--key", secret]
    program = [sys.executable, "-c", "from bridge.cli import main; main()"]
    with subprocess.Popen(
        [*program, "run", "--project", site], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as bridge:
        try:
            url = next(
                line.split()[3].partition("<")[0] for line in bridge.stdout if line.startswith("stations connect")
            )
            assert url.startswith("wss://")
            told = [*program, "simulate", url, "--ca", ca, "--duration", "1", *shown]
            ended = subprocess.run(told, capture_output=True, text=True, timeout=60, check=False)
            assert "boots 1" in ended.stdout, ended.stderr
            assert ended.returncode == 0
        finally:
            bridge.terminate()


# What `check` says of the files


def test_check_names_files_of_tls_that_are_of_no_use(site):
    configure(site, 'certificates = ["nope.pem"]\nkeys = ["nope.key"]\n')
    ended = ocpp_bridge("check", "--project", site)
    assert (ended.code, "ocpp.tls" in ended.err, "nope.pem" in ended.err) == (2, True, True)


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_check_names_keys_that_everybody_may_read(site):
    trust, server = pki(site, "init").out, pki(site, "issue", "localhost").out
    configure(site, *[line for line in trust.splitlines(keepends=True) if " = " in line], server)
    ocpp_bridge("stations", "password", "CP2", "--stdin", "--project", site, stdin=f"{'x' * 16}\n")
    assert "every user of this machine" not in ocpp_bridge("check", "--project", site).err
    private = [*(site / AUTHORITY).glob("*.key"), site / "logins.key", site / "bridge.db"]
    assert len(private) >= 4
    for file in private:
        file.chmod(0o644)
    ended = ocpp_bridge("check", "--project", site)
    assert ended.code == 0
    for file in private:
        assert f"warning: {file}: every user of this machine" in ended.err


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_check_names_files_with_which_everybody_could_be_a_station(site):
    """Whoever can change the authority, or the program that signs."""
    lines = [line for line in pki(site, "init").out.splitlines(keepends=True) if " = " in line]
    configure(site, *lines, pki(site, "issue", "localhost").out)
    program = site / "sign.sh"
    program.write_text("exit 1")
    with (site / "config.toml").open("a") as file:
        file.write(f"[pki]\ncommand = ['{program}']\n")
    trusted = [site / AUTHORITY / "ca.pem", site / AUTHORITY / "crl.pem", program]
    assert "may change what it does" not in ocpp_bridge("check", "--project", site).err
    for file in trusted:
        file.chmod(0o646)
    said = ocpp_bridge("check", "--project", site).err
    for file in trusted:
        assert f"warning: {file}: every user of this machine may change what it does" in said


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_check_names_scripts_and_settings_that_everybody_could_change(site):
    """A script runs with the rights of the bridge."""
    edited = [site / "config.toml", site / "handlers", site / "handlers" / "own.py", site / "datapoints" / "roles.yaml"]
    for file in edited:
        (file if file == edited[1] else file.parent).mkdir(exist_ok=True)
    edited[2].write_text("")
    shutil.copyfile(shipped() / "datapoints" / "roles.yaml", edited[3])
    for file in (*edited, edited[3].parent):
        file.chmod(0o755)
    assert "may change what it does" not in ocpp_bridge("check", "--project", site).err
    for file in edited:
        file.chmod(0o757)
    said = ocpp_bridge("check", "--project", site).err
    for file in edited:
        assert f"warning: {file}: every user of this machine may change what it does" in said


def test_check_names_certificates_and_lists_with_which_stations_do_not_get_in(site, tmp_path):
    ca, other = Ca(tmp_path), Ca(tmp_path, "Other CA")
    names = "[ocpp.tls]\ncertificates = ['{}']\nkeys = ['{}']\nclient_ca = '{}'\ncrl = '{}'\n"

    def said(own, authorities=ca.path, crl=ca.crl):
        (site / "config.toml").write_text(names.format(own.certificate, own.key, authorities, crl))
        ended = ocpp_bridge("check", "--project", site)
        assert ended.code == 0
        return ended.err

    good = ca.server()
    assert str(tmp_path) not in said(good)
    assert "stations refuse it" in said(ca.server(until=NOW + 9 * DAY))
    assert "stations refuse it" in said(ca.server(until=NOW - DAY / 2))
    assert "names no host" in said(ca.station("localhost"))
    both = tmp_path / "both.pem"
    both.write_text(ca.path.read_text() + other.path.read_text())
    assert "no list of CN=Other CA" in said(good, both)
    lists = tmp_path / "lists.pem"
    lists.write_text(ca.crl.read_text() + other.crl.read_text())
    assert "no list of" not in said(good, both, lists)
    ca.revoke(until=NOW + DAY)
    assert "every station with a certificate is refused then" in said(good)
