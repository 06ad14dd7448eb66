"""node-opcua's client uses the services of OPC 10000-4 as HMIs do. It runs once; each test is about one behaviour."""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.opcua.settings import Limits
from bridge.points.tree import Quality
from tests.opcua_node.conftest import FOLDER, NODE, NPM
from tests.unit.opcua.helpers import MODEL, NOW, Site, make_site

pytestmark = [
    pytest.mark.skipif(not (NODE and NPM), reason="node and npm are not installed: node-opcua cannot be tried"),
    pytest.mark.timeout(300),
]

LIMITS = Limits(
    max_nodes_per_read=50,
    max_nodes_per_write=50,
    max_nodes_per_browse=50,
    max_nodes_per_translate=50,
    max_nodes_per_method_call=5,
    max_monitored_items_per_call=50,
)
GOOD, UNKNOWN = "Good", "BadNodeIdUnknown"


class Side:
    """Does what the client's script asks for."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.times = 0.0

    def act(self, asked: dict[str, Any]) -> Any:
        method: Callable[..., Any] = getattr(self, asked.pop("do"))
        return method(**asked)

    def set(self, path: str, values: list[Any], quality: Quality = Quality.GOOD) -> None:
        group, key = self.site.tree.find(path)
        for value in values:
            self.times += 1
            self.site.set(group, key, value, NOW + self.times, quality)

    def quality(self, path: str, value: Any) -> None:
        self.set(path, [value], Quality.SUBNORMAL)

    def add(self, area: str = "") -> dict[str, str]:
        return {"station": self.site.station(area).path}

    def connector(self, station: str) -> None:
        self.site.tree.add_connector(self.site.tree.stations[station], "Connector2", MODEL.connector.layout)

    def remove(self, station: str) -> None:
        self.site.tree.remove_station(self.site.tree.stations[station])

    async def gone(self, subscription: int) -> None:
        async with asyncio.timeout(10):
            while subscription in self._service.subscriptions:  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.01)

    def cut(self, subscription: int) -> None:
        self._service.subscriptions[subscription].owner.channel._transport.abort()

    def hold(self, path: str) -> None:
        self.site.writer.started.clear()
        self.site.writer.waits[path] = asyncio.Event()

    async def called(self) -> None:
        await asyncio.wait_for(self.site.writer.started.wait(), 10)

    def release(self, path: str) -> None:
        self.site.writer.waits.pop(path).set()

    def written(self) -> dict[str, Any]:
        return {"values": [value for _, value, _ in self.site.writer.writes]}

    @property
    def _service(self) -> Any:
        return self.site.server._server.iserver.subscription_service


async def run(folder: Path) -> tuple[str, dict[str, Any]]:
    """The name of the station, and what the script saw."""
    site = make_site(folder, limits=LIMITS)
    await site.server.start()
    station = site.station()
    side = Side(site)
    seen: dict[str, Any] = {}
    process = await asyncio.create_subprocess_exec(
        NODE,
        str(FOLDER / "services.js"),
        site.server.endpoint,
        station.path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        limit=16 * 1024 * 1024,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
    )
    try:
        async with asyncio.timeout(200):
            async for line in process.stdout:
                asked = json.loads(line) if line.startswith(b"{") else {}
                if "do" in asked:
                    answer = side.act(asked)
                    answer = await answer if asyncio.iscoroutine(answer) else answer
                    process.stdin.write(json.dumps(answer).encode() + b"\n")
                seen = asked.get("seen", seen)
            errors = (await process.stderr.read()).decode()
        assert await process.wait() == 0, errors
    finally:
        if process.returncode is None:
            process.kill()
        await site.server.stop()
    return station.path, seen


@pytest.fixture(scope="module")
def _run(tmp_path_factory) -> tuple[str, dict[str, Any]]:
    return asyncio.run(run(tmp_path_factory.mktemp("services")))


@pytest.fixture
def station(_run) -> str:
    return _run[0]


@pytest.fixture
def saw(_run) -> Callable[[str], Any]:
    def of(name: str) -> Any:
        found = _run[1][name]
        assert "error" not in found, found["error"]
        return found

    return of


# ---------------------------------------------------------------------- monitored items


def test_every_change_is_reported_or_what_there_is_at_each_sample(saw):
    assert saw("sampling") == {"intervals": [0, 400], "every": [1, 2, 3], "slow": [3]}


def test_a_queue_that_overflows_says_where(saw):
    oldest, newest = saw("queues")
    assert oldest == [[4, True], [5, False], [6, False]]
    assert newest == [[1, False], [2, False], [6, True]]


def test_filters_say_what_is_reported(saw):
    seen = saw("filters")
    bad = "UncertainSubNormal"
    assert seen["status"] == [[GOOD, 100], [bad, 116]]
    assert seen["value"] == [[GOOD, 100], [GOOD, 105], [GOOD, 115], [GOOD, 116], [bad, 116]]
    assert seen["timestamp"] == [[GOOD, 100], [GOOD, 100], [GOOD, 105], [GOOD, 115], [GOOD, 116], [bad, 116]]
    assert seen["absolute"] == [[GOOD, 100], [GOOD, 115], [bad, 116]]
    assert seen["percent"] == [1000, 20000]
    assert seen["refused"] == ["BadMonitoredItemFilterUnsupported", "BadFilterNotAllowed"]


def test_items_and_subscriptions_can_be_modified(saw):
    seen = saw("modified")
    assert seen["item"] == [GOOD, 300, 5]
    assert seen["subscription"] == [70, 7, 90]
    assert seen["values"] == [8]


def test_modes_of_items_and_of_publishing(saw):
    seen = saw("modes")
    assert seen["codes"] == [GOOD] * 5
    assert (seen["whileSampling"], seen["values"]) == (1, [2, 3, 4, 5])


def test_an_item_can_trigger_another(saw):
    seen = saw("triggering")
    assert (seen["made"], seen["before"]) == ([GOOD], 0)
    assert seen["values"] == [41, 42]
    assert seen["gone"] == [GOOD, "BadMonitoredItemIdInvalid"]


def test_other_attributes_parts_of_texts_and_versions_can_be_monitored(saw):
    seen = saw("attributes")
    assert (seen["name"], seen["versions"]) == ("State", 2)
    assert seen["part"] == [
        ["BadWaitingForInitialData", None],
        [GOOD, "CM"],
        ["BadIndexRangeNoData", None],
        [GOOD, " l"],
    ]
    assert seen["refused"] == ["BadIndexRangeNoData", "BadAttributeIdInvalid", UNKNOWN, UNKNOWN]
    assert seen["areas"] == ["Hall 1"]


# ---------------------------------------------------------------------- subscriptions


def test_messages_are_bounded_kept_and_sent_again(saw):
    seen = saw("messages")
    assert (seen["handles"], seen["more"], seen["numbers"]) == ([[1, 2], [3, 4], [5]], [True, True, False], [1, 2, 3])
    assert seen["acknowledged"] == [GOOD, "BadSequenceNumberUnknown", "BadSubscriptionIdInvalid"]
    assert (seen["available"], seen["again"], seen["gone"]) == ([2, 3], [3, 4], "BadMessageNotAvailable")


def test_a_quiet_subscription_says_that_it_lives_and_one_without_client_ends(saw):
    seen = saw("lifetime")
    assert seen["keepAlive"] == [[0, 1], [0, 1]]
    assert (seen["ended"], seen["status"], seen["unknown"]) == (True, "BadTimeout", "BadNoSubscription")


def test_a_subscription_goes_to_another_session_of_its_user(saw):
    seen = saw("transfer")
    assert seen["told"] == [[1, 4]]
    assert seen["refused"] == ["BadUserAccessDenied"]
    assert seen["moved"] == [[GOOD, [1]]]
    assert (seen["again"], seen["notice"]) == ([[1, 4]], "GoodSubscriptionTransferred")


def test_a_client_that_has_lost_count_finds_its_items_and_their_values(saw):
    seen = saw("transfer")
    assert seen["items"] == [2, [1, 2]]
    assert seen["resent"] == [GOOD, [[1, 4]]]
    assert seen["foreign"] == ["BadUserAccessDenied"] * 2
    assert seen["missing"] == "BadSubscriptionIdInvalid"


def test_a_client_that_is_cut_off_goes_on_with_its_session_and_misses_nothing(saw):
    seen = saw("reconnect")
    assert seen["same"]
    # The client may ask for a message again (Republish) that a Publish of its own brings as well.
    assert list(dict.fromkeys(seen["values"])) == [1, 2, 3, 4]


def test_stations_and_connectors_that_come_and_go_are_events(saw, station):
    seen = saw("events")
    added = seen["added"]
    assert seen["type"] == "ns=0;i=2133"
    assert seen["server"] == seen["stations"]
    first = dict(seen["server"][:5])
    assert first == {added: 5, f"{added}.Connector1": 1, "Stations": 4, f"{station}.Connector2": 1, station: 4}
    assert dict(seen["server"][5:])[added] & 2
    assert dict(seen["own"]) == {f"{station}.Connector2": 1, station: 4}
    assert seen["item"] == ["BadWaitingForInitialData", UNKNOWN]
    assert (seen["refused"], seen["noEvents"]) == (UNKNOWN, "BadNotSupported")


# ---------------------------------------------------------------------- the other services


def test_references_come_in_parts_and_both_ways(saw, station):
    seen = saw("browsing")
    assert seen["same"]
    assert set(seen["sizes"][:-1]) == {4}
    assert len(seen["sizes"]) > 1
    assert (seen["unknown"], seen["stale"]) == (UNKNOWN, "BadContinuationPointInvalid")
    prefix = f"ns=2;s={station}"
    assert seen["inverse"] == [[f"{prefix}.Connector1.Status"], [prefix], ["ns=2;s=Stations"]]
    assert seen["stations"] == ["ns=0;i=85", "ns=0;i=2253"]


def test_values_are_read_in_parts_with_the_times_that_are_asked_for(saw):
    seen = saw("reading")
    assert seen["parts"] == [
        [GOOD, "CM"],
        ["BadIndexRangeNoData", None],
        ["BadIndexRangeNoData", None],
        ["BadAttributeIdInvalid", None],
        [UNKNOWN, None],
    ]
    assert seen["times"] == {
        "Source": [True, False],
        "Server": [False, True],
        "Both": [True, True],
        "Neither": [False, False],
    }
    assert (seen["maxAge"], seen["old"]) == ("BadMaxAgeInvalid", GOOD)
    assert (seen["many"], seen["none"]) == ("BadTooManyOperations", "BadNothingToDo")


def test_each_write_has_its_own_result(saw):
    seen = saw("writing")
    assert seen["results"] == [
        *(GOOD, GOOD, "BadTypeMismatch", "BadOutOfRange", "BadTypeMismatch"),
        *("BadNotWritable", UNKNOWN, "BadNotWritable", "BadWriteNotSupported"),
    ]
    assert (seen["written"], seen["many"]) == ([60, 61], "BadTooManyOperations")


def test_a_call_says_which_argument_is_wrong_and_waits_beside_others(saw):
    seen = saw("calling")
    assert (seen["beside"], seen["endedEarly"]) == (GOOD, False)
    assert seen["wrong"] == [
        ["BadInvalidArgument", ["BadTypeMismatch"]],
        ["BadArgumentsMissing", []],
        ["BadTooManyArguments", []],
        ["BadMethodInvalid", []],
    ]
    assert seen["result"] == [GOOD, ["Accepted", '{"status":"Accepted"}']]
    assert seen["many"] == "BadTooManyOperations"


def test_operation_limits_hold(saw):
    assert set(saw("limits").values()) == {"BadTooManyOperations"}


# ---------------------------------------------------------------------- types and the Server object


def test_every_instance_has_its_type_and_the_types_are_there(saw):
    seen = saw("types")
    assert seen["untyped"] == []
    assert (seen["station"], seen["connector"]) == ("ns=3;s=StationType", "ns=3;s=ConnectorType")
    assert {"Info", "Config", "Commands", "<Connector>"} <= set(seen["members"])
    assert seen["rule"] == ["Mandatory"]


def test_points_say_their_units_ranges_and_states(saw):
    seen = saw("types")
    assert seen["range"] == {"low": 1, "high": 86400}
    assert seen["units"] == [int.from_bytes(b"WHR", "big"), "Wh"]
    assert seen["states"] == ["Unknown", "Available", "Preparing"]
    assert seen["text"] == "Charging"


def test_the_server_says_what_it_is_and_how_it_is(saw):
    seen = saw("server")
    assert seen["build"] == ["ocpp-bridge", "1.2.3", "urn:ocpp-bridge"]
    assert (seen["state"], seen["redundancy"]) == ("Running", 0)
    assert 0 <= seen["level"] <= 255
    assert "http://opcfoundation.org/UA-Profile/Server/EmbeddedUA2017" in seen["profiles"]
    assert seen["limits"] == [50, 1_000]
    assert seen["security"] == "BadUserAccessDenied"


def test_diagnostics_count_what_a_subscription_does(saw):
    seen = saw("server")
    assert seen["subscription"] == {
        "interval": 250,
        "items": 2,
        "disabled": 1,
        "published": 1,
        "notified": [1, 1],
        "unacknowledged": 1,
        "next": 2,
        "republish": [1, 0],
        "overflows": 2,
    }
    assert seen["counted"] == [True, True, 0]
    assert seen["sessions"]
