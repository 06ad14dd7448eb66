"""data_transfer_points.py: what a vendor's DataTransfer leaves below Custom. of the station."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.api import DataTransferAnswer, DataTransferRequest
from bridge.errors import ProjectError

TAKEN = DataTransferAnswer(status="Accepted")
DATA = {"temps": [21, 22.5], "door open": True, "fan": {"state": "on"}, "load": None}


@pytest.fixture
def send(load, station, known):
    """Starts the script with one rule and gives what sends it a message: the answer and all points below Custom."""
    running: dict[str, Any] = {}

    async def send(data: Any, rule: dict[str, Any] | None = None, vendor_id: str = "com.acme") -> Any:
        if "runner" not in running:
            settings = {"rules": [{"vendor_id": "com.acme", "folder": "Acme", **(rule or {})}]}
            running["runner"] = await load("data_transfer_points", data_transfer_points=settings)
        request = DataTransferRequest(
            station=station, version="1.6", payload={}, vendor_id=vendor_id, message_id="State", data=data
        )
        answer = await running["runner"].ask("data_transfer", request)
        assert running["runner"].errors == 0
        points = known.points
        return answer, {row.key: points.value(row.key) for row in points.extra_rows()}

    return send


@pytest.mark.parametrize("as_sent", [DATA, json.dumps(DATA)], ids=["2.x: JSON", "1.6: a text"])
async def test_every_value_becomes_a_point_named_by_its_path(send, as_sent) -> None:
    assert await send(as_sent) == (
        TAKEN,
        {
            "Custom.Acme.temps.0": 21.0,
            "Custom.Acme.temps.1": 22.5,
            "Custom.Acme.door_open": True,
            "Custom.Acme.fan.state": "on",
        },
    )


async def test_only_what_is_mapped_becomes_a_point_where_there_is_a_mapping(send) -> None:
    mapping = {"temps.1": "Outlet.Temperature", "fan.state": "Fan", "missing": "Missing"}
    assert await send(DATA, {"points": mapping}) == (
        TAKEN,
        {"Custom.Acme.Outlet.Temperature": 22.5, "Custom.Acme.Fan": "on"},
    )


@pytest.mark.parametrize(("data", "value"), [("hello", "hello"), ("21.5", 21.5), (True, True), ('"x"', "x")])
async def test_a_plain_value_becomes_one_point(send, data, value) -> None:
    assert await send(data) == (TAKEN, {"Custom.Acme.Value": value})


@pytest.mark.parametrize("data", [None, "", {}, [], "null", '{"a": 1e999, "b": NaN}'])
async def test_where_there_is_no_value_there_is_no_point(send, data) -> None:
    answer, points = await send(data)
    assert answer == TAKEN
    assert points in ({}, {"Custom.Acme.Value": ""})


async def test_a_point_follows_the_vendor_and_has_no_value_once_that_says_null(send) -> None:
    await send({"a": 1})
    assert (await send({"a": 1.5}))[1] == {"Custom.Acme.a": 1.5}
    assert (await send({"a": None}))[1] == {"Custom.Acme.a": None}


async def test_a_value_of_another_type_is_left_out_and_said(send) -> None:
    await send({"a": 1, "b": 1})
    with capture_logs() as logs:
        answer, points = await send({"a": "warm", "b": 2})
    assert (answer, points) == (TAKEN, {"Custom.Acme.a": 1.0, "Custom.Acme.b": 2.0})
    assert [entry["event"].partition(".")[2] for entry in logs] == ["not_written", "left_out"]


@pytest.mark.parametrize("rule", [{"vendor_id": "COM.*"}, {"message_id": "sta?e"}, {"vendor_id": "*"}])
async def test_a_rule_fits_by_patterns(send, rule) -> None:
    assert await send("x", rule) == (TAKEN, {"Custom.Acme.Value": "x"})


async def test_messages_of_others_are_left_to_the_next_script(send) -> None:
    assert await send("x", vendor_id="org.other") == (None, {})


async def test_no_more_points_are_made_than_the_rule_allows(send) -> None:
    with capture_logs() as logs:
        _, points = await send({f"key{n}": n for n in range(100)}, {"max_points": 3})
    assert list(points) == ["Custom.Acme.key0", "Custom.Acme.key1", "Custom.Acme.key2"]
    assert [entry["points"] for entry in logs if entry["event"] == "data_transfer_points.left_out"] == [97]
    _, points = await send({"new": 1, "key1": 7})
    assert points == {"Custom.Acme.key0": 0.0, "Custom.Acme.key1": 7.0, "Custom.Acme.key2": 2.0}


async def test_text_and_depth_are_bounded(send) -> None:
    deep: Any = 1
    for _ in range(50):
        deep = {"a": deep}
    _, points = await send({"deep": deep, "long": "x" * 5000})
    assert points == {"Custom.Acme.long": "x" * 1000}


async def test_json_that_nests_too_deep_to_be_read_is_a_text(send) -> None:
    _, points = await send("[" * 100_000)
    assert points == {"Custom.Acme.Value": "[" * 1000}


async def test_names_that_opc_ua_clients_stumble_over_are_written_plainly(send) -> None:
    assert (await send({"T\u00fcr;1": {"": 1}}))[1] == {"Custom.Acme.T_r_1._": 1.0}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rules": [{"vendor_id": "v"}]},
        {"rules": [{"vendor_id": "v", "folder": "a..b"}]},
        {"rules": [{"vendor_id": "v", "folder": "a", "max_points": 0}]},
    ],
)
async def test_wrong_settings_are_a_mistake_of_the_project(load, settings) -> None:
    with pytest.raises(ProjectError, match=r"data_transfer_points\.py"):
        await load("data_transfer_points", data_transfer_points=settings)
