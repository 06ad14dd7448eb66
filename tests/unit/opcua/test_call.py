"""Call: methods that wait for stations, and nobody else who waits for them."""

import asyncio

import pytest
from asyncua import ua

from bridge.errors import CallErrorAnswer, CallTimeout, Refused, StationOffline
from bridge.opcua.processor import MAX_CALLS
from tests.unit.opcua.helpers import call, read, text

pytestmark = pytest.mark.asyncio(loop_scope="session")

V = ua.VariantType


def outputs(result: ua.CallMethodResult) -> list[object]:
    return [variant.Value for variant in result.OutputArguments]


async def test_a_call_reaches_the_writer_and_returns_its_outputs(site, client):
    folder = f"{site.station().path}.Commands.Reset"
    result = await call(client, folder, text("Soft"))
    assert result.StatusCode.name == "Good"
    assert result.OutputArguments == [text("Accepted"), text('{"status":"Accepted"}')]
    assert site.writer.calls == [(f"{folder}.Call", ["Soft"], "anonymous")]


async def test_optional_arguments_may_be_null(site, client):
    folder = f"{site.station().path}.Commands.GetDiagnostics"
    result = await call(client, folder, text("ftp://x"), *[ua.Variant()] * 4)
    assert result.StatusCode.name == "Good"
    assert site.writer.calls[0][1] == ["ftp://x", None, None, None, None]


CALLS = [
    ("Commands.Reset", "", [], "BadArgumentsMissing", []),
    ("Commands.Reset", "", [text("Soft"), text("x")], "BadTooManyArguments", []),
    ("Commands.Reset", "", [ua.Variant(5, V.Int32)], "BadInvalidArgument", ["BadTypeMismatch"]),
    ("Commands.Reset", "", [ua.Variant(["Soft"], V.String)], "BadInvalidArgument", ["BadTypeMismatch"]),
    ("Commands.Reset", "", [ua.Variant()], "BadInvalidArgument", ["BadTypeMismatch"]),
    (
        "Commands.ChangeAvailability",
        "",
        [ua.Variant(2**40, V.Int64), text("Operative")],
        "BadInvalidArgument",
        ["BadOutOfRange", "Good"],
    ),
    ("Commands.Nothing", "", [], "BadNodeIdUnknown", []),
    ("Commands.Reset", "Commands.ClearCache.Call", [], "BadMethodInvalid", []),
    ("Commands.Reset", "Commands.Reset.Type", [], "BadMethodInvalid", []),
    ("Commands.Reset", "Commands.Reset.Nothing", [], "BadMethodInvalid", []),
    ("Info", "Commands.Reset.Call", [text("Soft")], "BadMethodInvalid", []),
]


@pytest.mark.parametrize(("folder", "method", "arguments", "code", "results"), CALLS)
async def test_a_call_that_cannot_be_says_why(site, client, folder, method, arguments, code, results):
    path = site.station().path
    result = await call(client, f"{path}.{folder}", *arguments, method=f"{path}.{method}" if method else "")
    assert result.StatusCode.name == code
    assert [status.name for status in result.InputArgumentResults] == results
    assert site.writer.calls == []


ENDS = [
    (Refused("BadNotConnected", "offline"), "BadNotConnected", [], []),
    (Refused("BadInvalidArgument", "no", ["BadOutOfRange"]), "BadInvalidArgument", ["BadOutOfRange"], []),
    (StationOffline("gone"), "BadNotConnected", [], []),
    (CallTimeout("late"), "BadTimeout", [], []),
    (RuntimeError("broken"), "BadInternalError", [], []),
]


@pytest.mark.parametrize(("error", "code", "results", "values"), ENDS)
async def test_a_call_ends_with_the_writers_status(site, client, error, code, results, values):
    folder = f"{site.station().path}.Commands.Reset"
    site.writer.refusals[f"{folder}.Call"] = error
    result = await call(client, folder, text("Soft"))
    assert result.StatusCode.name == code
    assert [status.name for status in result.InputArgumentResults] == results
    assert outputs(result) == values


async def test_a_callerror_comes_with_its_outputs(site, client):
    folder = f"{site.station().path}.Commands.Reset"
    error = CallErrorAnswer("GenericError", "no", {})
    error.outputs = ("", '{"errorCode":"GenericError"}')
    site.writer.refusals[f"{folder}.Call"] = error
    result = await call(client, folder, text("Soft"))
    assert result.StatusCode.name == "BadUnexpectedError"
    assert outputs(result) == ["", '{"errorCode":"GenericError"}']


async def test_a_call_that_waits_holds_nobody_up(site, client):
    """U18: neither its own client nor another, and both go on while it waits."""
    path = site.station().path
    release = site.writer.waits[f"{path}.Commands.Reset.Call"] = asyncio.Event()
    waiting = asyncio.create_task(call(client, f"{path}.Commands.Reset", text("Soft")))
    await site.writer.started.wait()
    async with site.client() as other:
        for reader in (client, other):
            assert (await read(reader, "Bridge.StationsKnown")).StatusCode.name == "Good"
        result = await call(client, f"{path}.Commands.ClearCache")
        assert result.StatusCode.name == "Good"
    assert not waiting.done()
    release.set()
    assert (await waiting).StatusCode.name == "Good"


async def test_the_calls_of_one_request_wait_side_by_side(site, client):
    folders = [f"{site.station().path}.Commands.ClearCache" for _ in range(3)]
    releases = [site.writer.waits.setdefault(f"{folder}.Call", asyncio.Event()) for folder in folders]
    requests = [ua.CallMethodRequest(ua.NodeId(f, 2), ua.NodeId(f"{f}.Call", 2), []) for f in folders]
    waiting = asyncio.create_task(client.uaclient.call(requests))
    async with asyncio.timeout(10):
        while len(site.writer.calls) < len(folders):
            await read(client, "Bridge.StationsKnown")
    for release in releases:
        release.set()
    assert [result.StatusCode.name for result in await waiting] == ["Good"] * 3


async def test_calls_that_wait_are_bounded_and_the_client_lives(site, client):
    folder = f"{site.station().path}.Commands.ClearCache"
    release = site.writer.waits[f"{folder}.Call"] = asyncio.Event()
    client.uaclient.set_max_concurrent_requests(2 * MAX_CALLS)
    waiting = [asyncio.create_task(call(client, folder)) for _ in range(MAX_CALLS)]
    async with asyncio.timeout(10):
        while len(site.writer.calls) < MAX_CALLS:
            await read(client, "Bridge.StationsKnown")
    with pytest.raises(ua.uaerrors.BadTooManyOperations):
        await call(client, folder)
    release.set()
    assert {result.StatusCode.name for result in await asyncio.gather(*waiting)} == {"Good"}
    assert (await call(client, folder)).StatusCode.name == "Good"


async def test_a_client_that_goes_does_not_end_its_call(site):
    folder = f"{site.station().path}.Commands.Reset"
    release = site.writer.waits[f"{folder}.Call"] = asyncio.Event()
    gone = site.client()
    await gone.connect()
    waiting = asyncio.create_task(call(gone, folder, text("Soft")))
    await site.writer.started.wait()
    await gone.disconnect()
    with pytest.raises((ConnectionError, ua.UaError, asyncio.CancelledError)):
        await waiting
    release.set()
    async with site.client() as client:
        assert (await call(client, folder, text("Hard"))).StatusCode.name == "Good"


async def test_an_observer_may_call_nothing_and_sees_so(site):
    """U14"""
    folder = f"{site.station().path}.Commands.Reset"
    async with site.client("otto") as client:
        assert (await call(client, folder, text("Soft"))).StatusCode.name == "BadUserAccessDenied"
        assert (await read(client, f"{folder}.Call", ua.AttributeIds.UserExecutable)).Value.Value is False
        assert (await read(client, f"{folder}.Call", ua.AttributeIds.Executable)).Value.Value is True
    async with site.client("olga") as client:
        assert (await call(client, folder, text("Soft"))).StatusCode.name == "Good"
        assert (await read(client, f"{folder}.Call", ua.AttributeIds.UserExecutable)).Value.Value is True
    assert [user for _, _, user in site.writer.calls] == ["olga"]
