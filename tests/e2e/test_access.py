"""Users, roles and the audit trail of a program that runs, through its own commands."""

import asyncio
from typing import Any

import pytest
from asyncua import Client, ua

from tests.e2e.parties import WAIT

CONFIG = 'anonymous = "none"\nplain_passwords = true'


def client(program: Any, user: str = "") -> Client:
    made = Client(program.opcua)
    if user:
        made.set_user(user)
        made.set_password("secret of " + user)
    return made


async def gets_in(program: Any, user: str) -> bool:
    try:
        async with client(program, user) as made:
            return bool(await made.get_node("ns=2;s=Bridge.Version").read_value())
    except (ua.UaError, ConnectionError):
        return False


async def until(program: Any, user: str, wanted: bool) -> None:
    """A running bridge notices what a command has changed."""
    async with asyncio.timeout(2 * WAIT):
        while await gets_in(program, user) is not wanted:  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.3)


async def test_users_come_and_go_while_it_runs_and_what_they_do_is_noted(run):
    """U12, U13, U14, U19"""
    program = run(opcua=CONFIG, stations='[[station]]\nid = "CP1"')
    await program.start()
    with pytest.raises(ua.UaError):
        await client(program).connect()
    for name, role in (("olga", "operator"), ("otto", "observer")):
        await program.command("user", "add", name, "--role", role, "--stdin", stdin=f"secret of {name}\n")
    for name in ("olga", "otto"):
        await until(program, name, True)
    interval = ua.DataValue(ua.Variant(77, ua.VariantType.Int32))
    for name, expected in (("olga", "Good"), ("otto", "BadUserAccessDenied")):
        async with client(program, name) as made:
            item = ua.WriteValue(ua.NodeId("CP1.Config.HeartbeatInterval", 2), ua.AttributeIds.Value, None, interval)
            (code,) = await made.uaclient.write(ua.WriteParameters([item]))
            assert code.name == expected
    trail = await program.command("audit", "--format", "csv")
    assert ",olga,operator,127.0.0.1," in trail
    assert "write,CP1.Config.HeartbeatInterval,77,Good" in trail
    assert "write,CP1.Config.HeartbeatInterval,,BadUserAccessDenied" in trail
    assert "secret" not in trail
    assert "secret" not in "\n".join(program.lines)
    await program.command("user", "remove", "olga")
    await until(program, "olga", False)
