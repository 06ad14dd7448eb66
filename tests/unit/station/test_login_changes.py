"""New passwords and security profiles by command: whatever becomes of them, the station gets in again."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from websockets.exceptions import InvalidStatus

from bridge.errors import Refused
from bridge.station import login_changes
from bridge.station.credentials import Credentials, hash_password
from bridge.station.login_changes import MOST_PENDING
from tests.unit.ocpp.secure import Ca, basic, living, secure, tls, trusting
from tests.unit.station.rig import WAIT, logged

OLD, NEW, OTHER = "the old password", "the new password", "another password"
HASH = hash_password(OLD)
KEY = "00112233445566778899AABBCCDDEEFF00112233"
GUARDED = {"security_profile": 1}


async def site(start, **config):
    rig = await start(**{"ocpp": GUARDED, **config})
    await rig.store.set_password("CP1", HASH)
    return rig


@asynccontextmanager
async def station(rig, password, subprotocol="ocpp1.6"):
    headers = basic("CP1", password)
    async with (
        rig.socket("CP1", subprotocols=[subprotocol], additional_headers=headers) as socket,
        living(socket) as found,
    ):
        yield found


async def gets_in(rig, password) -> bool:
    try:
        async with station(rig, password):
            return True
    except InvalidStatus as refused:
        return refused.response.status_code != 401


def variable(name, value):
    named = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": name}}
    return {**named, "attributeValue": value}


def result(name, status):
    named = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": name}}
    return {"setVariableResult": [{**named, "attributeStatus": status}]}


#: how a station is told a new password, and how its answer looks that has this status
WAYS = {
    "1.6": (
        "ocpp1.6",
        "CP1.Commands.ChangeConfiguration",
        lambda password: ("AuthorizationKey", password),
        lambda status: {"status": status},
    ),
    "2.0.1": (
        "ocpp2.0.1",
        "CP1.Commands.SetVariables",
        lambda password: (f"[{json.dumps(variable('BasicAuthPassword', password))}]",),
        lambda status: result("basicAuthPassword", status),
    ),
}


EACH_WAY = pytest.mark.parametrize(("subprotocol", "command", "arguments", "answer"), WAYS.values(), ids=WAYS)


async def change(rig, way, password, reply, with_password=OLD):
    """Sends a new password; the station answers so. Returns how the command ended."""
    subprotocol, command, arguments, _ = way
    number = (rig.value(f"{command}.Result.Id") or 0) if rig.stations.get("CP1") else 0
    async with station(rig, with_password, subprotocol) as one:
        one.answers[command.rpartition(".")[2]] = reply
        names = ("Key", "Value") if subprotocol == "ocpp1.6" else ("SetVariableData",)
        for name, value in zip(names, arguments(password), strict=True):
            rig.write(f"{command}.{name}", value)
        rig.write(f"{command}.Execute", True)
        await one.command()
        if reply is not None:
            return (await rig.ended(command, number + 1))["StateText"]
    return (await rig.ended(command, number + 1))["StateText"]


@EACH_WAY
async def test_after_accepted_the_new_password_is_right_and_once_used_the_only_one(
    start, subprotocol, command, arguments, answer
):
    """J11"""
    rig = await site(start)
    way = subprotocol, command, arguments, answer
    assert await change(rig, way, NEW, answer("Accepted")) == "Accepted"
    assert await gets_in(rig, OLD)  # a station may take it with its next boot
    assert await gets_in(rig, NEW)
    assert not await gets_in(rig, OLD)


@EACH_WAY
async def test_after_rejected_the_old_password_stays(start, subprotocol, command, arguments, answer):
    """J11"""
    rig = await site(start)
    assert await change(rig, (subprotocol, command, arguments, answer), NEW, answer("Rejected")) == "Rejected"
    assert not await gets_in(rig, NEW)
    assert await gets_in(rig, OLD)


@EACH_WAY
async def test_after_an_error_the_old_password_stays(start, subprotocol, command, arguments, answer):
    rig = await site(start)
    assert await change(rig, (subprotocol, command, arguments, answer), NEW, "InternalError") == "Failed"
    assert not await gets_in(rig, NEW)
    assert await gets_in(rig, OLD)


@EACH_WAY
@pytest.mark.parametrize("taken", [True, False])
async def test_a_lost_answer_locks_nobody_out_even_over_a_restart(
    start, subprotocol, command, arguments, answer, taken
):
    """J11: whether the station has taken it or not."""
    rig = await site(start)
    assert await change(rig, (subprotocol, command, arguments, answer), NEW, None) == "Offline"
    await rig.stop()
    rig = await start(ocpp=GUARDED)
    assert await gets_in(rig, NEW if taken else OLD)
    assert await gets_in(rig, OLD) is not taken


@EACH_WAY
@pytest.mark.parametrize("status", ["Accepted", "Rejected", None])
@pytest.mark.parametrize("taken", [True, False])
async def test_an_answer_that_comes_too_late_or_never_locks_nobody_out(
    start, subprotocol, command, arguments, answer, status, taken
):
    """J11: whether the station has taken it or not, and whatever it says of it then."""
    rig = await site(start, ocpp={**GUARDED, "call_timeout": 0.2})
    async with (
        rig.socket("CP1", subprotocols=[subprotocol], additional_headers=basic("CP1", OLD)) as socket,
        living(socket) as one,
    ):
        one.answers[command.rpartition(".")[2]] = None
        names = ("Key", "Value") if subprotocol == "ocpp1.6" else ("SetVariableData",)
        for name, value in zip(names, arguments(NEW), strict=True):
            rig.write(f"{command}.{name}", value)
        rig.write(f"{command}.Execute", True)
        await one.command()
        assert (await rig.ended(command))["StateText"] == "Timeout"
        if status is not None:
            await socket.send(json.dumps([3, one.last, answer(status)]))
        await one.call("Heartbeat", {})
    assert await gets_in(rig, NEW if taken else OLD)
    assert await gets_in(rig, OLD) is not taken


MOMENTS = ["nothing is stored", "the hash is stored", "it is sent", "it is answered", "all is done"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("status", ["Accepted", "Rejected"])
async def test_a_kill_at_any_step_of_a_change_locks_nobody_out(start, killed, monkeypatch, moment, status):
    """J11: the station has the password that it was sent, if it was and has accepted it, else the old one."""
    rig = await site(start)
    reached, released, store = asyncio.Event(), asyncio.Event(), rig.store
    add = store.add_pending_password

    async def stop(*arguments):
        reached.set()
        await released.wait()

    async def add_and_stop(*arguments):
        await add(*arguments)
        await stop()

    if moment == "nothing is stored":
        monkeypatch.setattr(store, "add_pending_password", stop)
    elif moment == "the hash is stored":
        monkeypatch.setattr(store, "add_pending_password", add_and_stop)
    elif (moment, status) == ("it is answered", "Rejected"):
        monkeypatch.setattr(store, "drop_pending_password", stop)
    async with station(rig, OLD) as one:
        one.answers["ChangeConfiguration"] = None if moment == "it is sent" else {"status": status}
        for name, value in (("Key", "AuthorizationKey"), ("Value", NEW), ("Execute", True)):
            rig.write(f"CP1.Commands.ChangeConfiguration.{name}", value)
        if moment == "it is sent":
            await one.command()
        elif store.add_pending_password != add or store.drop_pending_password.__name__ == "stop":
            async with asyncio.timeout(WAIT):
                await reached.wait()
        else:
            await rig.ended("CP1.Commands.ChangeConfiguration")
        again = await killed(rig, ocpp=GUARDED)
        released.set()
    has = NEW if status == "Accepted" and MOMENTS.index(moment) > 1 else OLD
    for _ in range(2):
        assert await gets_in(again, has)


async def test_a_kill_after_the_first_login_with_a_new_password_does_not_bring_the_old_one_back(start, killed):
    """J11: it is stored before the station is told that it is in."""
    rig = await site(start)
    await change(rig, WAYS["1.6"], NEW, {"status": "Accepted"})
    async with rig.socket("CP1", additional_headers=basic("CP1", NEW)):
        again = await killed(rig, ocpp=GUARDED)
    assert not await gets_in(again, OLD)
    assert await gets_in(again, NEW)


async def test_a_kill_after_the_first_login_with_a_higher_profile_lets_no_lower_one_in_again(start, killed, tmp_path):
    """OCPP 2.0.1 A05: what was shown is stored before the station is told that it is in."""
    ca = Ca(tmp_path)
    config = {**GUARDED, "tls": tls(ca.server(), ca=ca)}
    rig = await site(start, ocpp=config)
    async with station(rig, OLD):
        await rig.call("CP1.Commands.ChangeConfiguration", "SecurityProfile", "2")
    async with station(rig, OLD):
        pass  # it has not switched yet
    async with secure(rig, "CP1", trusting(ca), OLD):
        again = await killed(rig, ocpp=config)
    with pytest.raises(InvalidStatus, match="403"):
        async with station(again, OLD):
            pass
    async with secure(again, "CP1", trusting(ca), OLD):
        assert again.value("CP1.State.SecurityProfile") == 2


async def test_a_key_of_hexadecimal_digits_comes_back_as_bytes(start):
    """J10 J11"""
    rig = await site(start)
    await change(rig, WAYS["1.6"], KEY, {"status": "Accepted"})
    assert await gets_in(rig, bytes.fromhex(KEY))


async def test_a_password_of_a_network_profile_is_right_too(start):
    """OCPP 2.1 B09: it is used when the station takes the profile."""
    rig = await site(start)
    network = {
        "ocppInterface": "Wired0",
        "ocppTransport": "JSON",
        "messageTimeout": 30,
        "ocppCsmsUrl": "wss://x",
        "securityProfile": 2,
        "basicAuthPassword": NEW,
    }
    async with station(rig, OLD, "ocpp2.1"):
        await rig.call("CP1.Commands.SetNetworkProfile", 1, json.dumps(network))
    assert await gets_in(rig, OLD)
    assert await gets_in(rig, NEW)


async def test_a_script_that_sets_a_password_locks_nobody_out(start):
    script = """
        async def data_transfer(self, r):
            await r.station.call("ChangeConfiguration", {"key": "AuthorizationKey", "value": "the new password"})
            return None
    """
    rig = await start(script, ocpp=GUARDED)
    await rig.store.set_password("CP1", HASH)
    async with station(rig, OLD) as one:
        await one.call("DataTransfer", {"vendorId": "x"})
    assert await gets_in(rig, NEW)
    assert not await gets_in(rig, OLD)


async def test_the_same_password_again_changes_nothing(start):
    rig = await site(start)
    await change(rig, WAYS["1.6"], OLD, {"status": "Rejected"})
    assert await gets_in(rig, OLD)
    assert rig.store.login("CP1").pending == ()


async def test_so_many_passwords_may_be_under_way_and_no_more(start, monkeypatch):
    monkeypatch.setattr(login_changes, "MOST_PENDING", 1)
    rig = await site(start)
    assert await change(rig, WAYS["1.6"], NEW, {"status": "Accepted"}) == "Accepted"
    async with station(rig, OLD) as one:
        await rig.store.put_station(rig.known().record)
        rig.write("CP1.Commands.ChangeConfiguration.Key", "AuthorizationKey")
        rig.write("CP1.Commands.ChangeConfiguration.Value", OTHER)
        rig.write("CP1.Commands.ChangeConfiguration.Execute", True)
        ended = await rig.ended("CP1.Commands.ChangeConfiguration", 2)
        assert ended["StateText"] == "Failed"
        assert "logged in with none" in ended["Error"]
        assert one.commands.empty()
    assert MOST_PENDING >= 2


async def test_a_password_is_nowhere_in_the_clear(start, tmp_path):
    """S05"""
    with logged() as entries:
        rig = await site(start)
        async with station(rig, OLD):
            await rig.call("CP1.Commands.ChangeConfiguration", "AuthorizationKey", NEW)
        assert await gets_in(rig, NEW)
        await rig.stop()
    assert NEW not in str(rig.history)
    assert NEW not in str(entries)
    assert NEW not in str(rig.events)
    assert not [path for path in tmp_path.iterdir() if NEW.encode() in path.read_bytes()]


@EACH_WAY
@pytest.mark.parametrize("password", ["", "short", "x" * 15, "x" * 41])
async def test_what_is_no_password_of_ocpp_is_not_sent(start, subprotocol, command, arguments, answer, password):
    """OCPP 1.6 whitepaper A00.FR.205"""
    rig = await site(start)
    async with station(rig, OLD, subprotocol) as one:
        with pytest.raises(Refused, match="16 to 40 characters"):
            await rig.call(command, *arguments(password))
        assert one.commands.empty()
    assert rig.store.login("CP1").pending == ()


async def test_of_two_new_passwords_the_later_one_is_right_after_the_earlier_was_used(start):
    """J11: a station takes the second one with its next boot"""
    rig = await site(start)
    assert await change(rig, WAYS["1.6"], NEW, {"status": "Accepted"}) == "Accepted"
    assert await change(rig, WAYS["1.6"], OTHER, {"status": "RebootRequired"}) == "Accepted"
    assert await gets_in(rig, NEW)
    assert not await gets_in(rig, OLD)
    assert await gets_in(rig, OTHER)
    assert not await gets_in(rig, NEW)
    assert rig.store.login("CP1").pending == ()


async def test_a_password_that_was_sent_by_command_is_known_at_once(start):
    """J12"""
    rig = await site(start)
    await change(rig, WAYS["1.6"], NEW, {"status": "Accepted"})
    known = Credentials(rig.store.login, rig.context.login_key)
    assert known.recognize("CP1", "CP1", NEW.encode()) in rig.store.login("CP1").pending


async def test_a_password_that_is_sent_once_more_after_another_is_right_in_the_end(start):
    rig = await site(start)
    for password in (NEW, OTHER, NEW):
        assert await change(rig, WAYS["1.6"], password, {"status": "RebootRequired"}) == "Accepted"
    for password in (NEW, OTHER, NEW):  # as it takes one after the other
        assert await gets_in(rig, password)


# --- the security profile ---


@pytest.mark.parametrize(
    ("key", "value"), [("SecurityProfile", "0.0"), ("SecurityProfile ", "0"), ("securityprofile", "")]
)
async def test_no_spelling_of_a_key_lowers_the_security(start, key, value):
    """A05: a station may be more lenient than the bridge"""
    rig = await site(start)
    async with station(rig, OLD) as one:
        with pytest.raises(Refused, match=r"not lowered|expected 0, 1, 2 or 3"):
            await rig.call("CP1.Commands.ChangeConfiguration", key, value)
        assert one.commands.empty()


@pytest.mark.parametrize("component", ["NetworkConfiguration", "SecurityCtrlr"])
async def test_no_variable_lowers_the_security(start, component):
    rig = await site(start)
    entry = {"component": {"name": component}, "variable": {"name": "SecurityProfile"}, "attributeValue": "0"}
    other = {**entry, "variable": {"name": "Another"}}
    async with station(rig, OLD, "ocpp2.0.1") as one:
        with pytest.raises(Refused, match="not lowered"):
            await rig.call("CP1.Commands.SetVariables", json.dumps([other, entry]))
        assert one.commands.empty()


async def test_a_station_is_raised_from_nothing_to_a_password(start):
    """OCPP 1.6 whitepaper A01, A05"""
    rig = await start()
    async with rig.socket() as socket, living(socket):
        with pytest.raises(Refused, match="AuthorizationKey first"):
            await rig.call("CP1.Commands.ChangeConfiguration", "SecurityProfile", "1")
        await rig.call("CP1.Commands.ChangeConfiguration", "AuthorizationKey", NEW)
        await rig.call("CP1.Commands.ChangeConfiguration", "SecurityProfile", "1")
    assert await gets_in(rig, NEW)
    assert rig.value("CP1.State.SecurityProfile") == 1
    assert not await gets_in(rig, OLD)
    with pytest.raises(InvalidStatus, match="401"):  # it does not come back without
        async with rig.socket():
            pass


async def test_a_station_is_raised_to_tls_and_to_a_certificate(start, tmp_path):
    ca = Ca(tmp_path)
    rig = await site(start, ocpp={**GUARDED, "tls": tls(ca.server(), ca=ca)})
    async with station(rig, OLD):
        await rig.call("CP1.Commands.ChangeConfiguration", "SecurityProfile", "2")
    async with secure(rig, "CP1", trusting(ca), OLD) as socket, living(socket):
        await rig.call("CP1.Commands.ChangeConfiguration", "SecurityProfile", "3")
        with pytest.raises(Refused, match="not lowered"):
            await rig.call("CP1.Commands.ChangeConfiguration", "SecurityProfile", "1")
    async with secure(rig, "CP1", trusting(ca, ca.station("CP1"))) as socket, living(socket):
        assert rig.value("CP1.State.SecurityProfile") == 3
        with pytest.raises(Refused, match="not lowered"):
            await rig.call("CP1.Commands.ChangeConfiguration", "SecurityProfile", "2")
    with pytest.raises(InvalidStatus, match="401"):
        async with secure(rig, "CP1", trusting(ca), OLD):
            pass


async def test_a_profile_that_the_port_does_not_offer_is_not_sent(start):
    rig = await site(start)
    async with station(rig, OLD):
        with pytest.raises(Refused, match="profile 1 at most"):
            await rig.call("CP1.Commands.ChangeConfiguration", "SecurityProfile", "2")


async def test_a_network_profile_does_not_lower_the_security(start):
    """OCPP 2.0.1 B09.FR.04"""
    rig = await site(start)
    network = {
        "ocppVersion": "OCPP20",
        "ocppInterface": "Wired0",
        "ocppTransport": "JSON",
        "messageTimeout": 30,
        "ocppCsmsUrl": "ws://x",
        "securityProfile": 0,
    }
    async with station(rig, OLD, "ocpp2.0.1"):
        with pytest.raises(Refused, match="not lowered"):
            await rig.call("CP1.Commands.SetNetworkProfile", 1, json.dumps(network))


async def test_certificates_over_a_plain_line_are_warned_of(start):
    """S06"""
    rig = await site(start)
    async with station(rig, OLD):
        with logged() as entries:
            await rig.call("CP1.Commands.InstallCertificate", "CentralSystemRootCertificate", "PEM")
    assert [one["action"] for one in entries if one["event"] == "certificate.insecure"] == ["InstallCertificate"]
