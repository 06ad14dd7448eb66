"""The quick way of a message and the ordinary one: whatever comes, the same is answered and shown."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.ocpp.peer import Peer, ReceivedCall, ReceivedQuick
from bridge.ocpp.versions import VERSIONS
from bridge.station import v16
from bridge.station.dialects import DIALECTS, quick_decoders
from tests.fuzz import frames
from tests.fuzz.test_session import sent
from tests.unit.station.rig import MODELS, Rig, Starter, at

V16 = VERSIONS["1.6"]
QUICK = [(name, action) for name, dialect in DIALECTS.items() for action in dialect.QUICK]

NUMBERS = st.integers(0, 99_999).map(str) | st.sampled_from(["1.5", "-3", "1e3", "1e400", "NaN", "abc", "", " 7 ", "٣"])
MOMENTS = st.sampled_from([at(-290), at(-5), at(0), at(30), at(290), "2027-01-15T10:00:00.5+02:00"])


@st.composite
def telegrams(draw: st.DrawFn) -> dict[str, Any]:
    """A MeterValues of 1.6 whose values, units and times are of every kind."""
    payload = draw(frames.valid(V16, "MeterValues"))
    payload["meterValue"] = payload.pop("meterValue")  # last, as the quick way wants it
    payload["connectorId"] = draw(st.integers(-1, 3))
    if "transactionId" in payload:
        payload["transactionId"] = draw(st.integers(0, 3))
    for telegram in payload["meterValue"]:
        telegram["timestamp"] = draw(MOMENTS)
        for sample in telegram["sampledValue"]:
            sample["value"] = draw(NUMBERS)
    return payload


@pytest.mark.parametrize(("name", "action"), QUICK)
@given(data=st.data())
def test_nothing_goes_the_quick_way_that_is_not_good(name, action, data):
    version = VERSIONS[name]
    payload = data.draw(frames.valid(version, action) | frames.nearly_valid(version, action))
    text = json.dumps([2, "a", action, payload])
    quick = Peer(version, "lenient", str, quick_decoders(MODELS[name])).receive(text)
    if isinstance(quick, ReceivedQuick):
        assert quick.plain() == Peer(version, "strict", str).receive(text) == ReceivedCall("a", action, payload)


def shown(rig: Rig) -> Iterator[tuple[str, Any]]:
    """Every point of the station that has a value, but for how often it has complained."""
    for group in rig.known().points.groups():
        for slot in group.slots():
            key = group.row(slot).key
            sample = group.sample(slot)
            if key == "MeterValues.Raw":  # as it was written, or written anew
                sample = sample._replace(value=json.dumps(json.loads(str(sample.value))))
            if group.row(slot).folder != "State":
                yield f"{group.path}.{key}", sample


def counted_ways(monkeypatch: pytest.MonkeyPatch) -> Counter[bool]:
    """How many MeterValues went the quick way, and how many did not."""
    found: Counter[bool] = Counter()
    quick = v16.QUICK["MeterValues"].take

    def take(*arguments: Any) -> bool:
        taken = quick(*arguments)
        found[taken] += 1
        return taken

    monkeypatch.setitem(v16.QUICK, "MeterValues", v16.QUICK["MeterValues"]._replace(take=take))
    return found


def test_both_ways_show_the_same(tmp_path, monkeypatch):
    with asyncio.Runner() as runner, ExitStack() as stack:
        rigs, sockets = [], []
        for number, decoders in enumerate((quick_decoders, lambda model: {})):
            monkeypatch.setattr("bridge.station.session.quick_decoders", decoders)
            folder = tmp_path / str(number)
            folder.mkdir()
            starter = Starter(folder)
            stack.callback(lambda starter=starter: runner.run(starter.close()))
            rigs.append(runner.run(starter()))
            connection = rigs[-1].socket()
            stack.callback(lambda connection=connection: runner.run(connection.__aexit__(None, None, None)))
            sockets.append(runner.run(connection.__aenter__()))
        ways = counted_ways(monkeypatch)
        ids = itertools.count(1)
        starting = {"connectorId": 1, "idTag": "T", "meterStart": 5, "timestamp": at()}
        for socket in sockets:
            assert runner.run(sent(socket, json.dumps([2, "s", "StartTransaction", starting]), "after"))

        @given(telegrams())
        @settings(max_examples=150)
        def check(payload: dict[str, Any]) -> None:
            number = next(ids)
            frame = json.dumps([2, f"m-{number}", "MeterValues", payload], separators=(",", ":"))
            answers = [runner.run(sent(socket, frame, f"after-{number}")) for socket in sockets]
            assert answers[0] == answers[1] == [[3, f"m-{number}", {}]]
            assert dict(shown(rigs[0])) == dict(shown(rigs[1]))

        check()
        assert min(ways[True], ways[False]) > 0
