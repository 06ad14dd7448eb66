"""node-opcua, a client that is not ours, gets in by every policy and token, and by no wrong one."""

import asyncio
import json
import os
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from bridge.opcua.settings import Account
from tests.opcua_node.conftest import FOLDER, NODE, NPM
from tests.unit.opcua.certificates import party
from tests.unit.opcua.helpers import USERS, make_site

pytestmark = [
    pytest.mark.skipif(not (NODE and NPM), reason="node and npm are not installed: node-opcua cannot be tried"),
    pytest.mark.timeout(300),
]

POLICIES = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")
CHANNELS = [("None", "None"), *((policy, mode) for policy in POLICIES for mode in ("Sign", "SignAndEncrypt"))]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Where node-opcua keeps its own certificate."""
    return tmp_path_factory.mktemp("node-opcua")


async def log_in(site, folder: Path, ways: list[dict[str, Any]]) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        NODE,
        str(FOLDER / "login.js"),
        site.server.endpoint,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
    )
    out, errors = await process.communicate(json.dumps(ways).encode())
    assert process.returncode == 0, errors.decode()
    return json.loads(out.splitlines()[-1])


async def test_every_policy_with_every_token(tmp_path, home):
    anna, stranger = party("anna", number=1), party("stranger", number=2)
    files = []
    for each in (anna, stranger):
        certificate, key = each.save(tmp_path, each.certificate.subject.rfc4514_string())
        files.append({"certificate": str(certificate), "key": str(key)})
    users = {**USERS, "anna": Account(role="admin", certificate=sha256(anna.der).hexdigest())}
    site = make_site(tmp_path, users=users)
    await site.server.start()
    tokens: list[dict[str, Any]] = [
        {},
        {"user": "olga", "password": "done"},
        {"user": "olga", "password": "wrong"},
        files[0],
        files[1],
    ]
    expected = ["Good", "Good", "BadUserAccessDenied", "Good", "BadUserAccessDenied"]
    try:
        for policy, mode in CHANNELS:
            ways = [{"policy": policy, "mode": mode, **token} for token in tokens]
            ended = await log_in(site, home, ways)
            assert [want in got for want, got in zip(expected, ended, strict=True)] == [True] * 5, (policy, mode, ended)
    finally:
        await site.server.stop()


async def test_a_client_that_is_not_trusted_gets_in_once_it_is(tmp_path, home):
    """U09"""
    site = make_site(tmp_path, trusts_everybody=False, security=POLICIES)
    await site.server.start()
    way = {"policy": "Aes256_Sha256_RsaPss", "mode": "SignAndEncrypt", "user": "olga", "password": "done"}
    try:
        (refused,) = await log_in(site, home, [way])
        assert refused != "Good"
        certificates = site.server._guard.certificates
        (listed,) = certificates.listed()
        certificates.trust(listed)
        assert await log_in(site, home, [way]) == ["Good"]
    finally:
        await site.server.stop()
