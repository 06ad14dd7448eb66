"""default.py: the last word about tokens."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.api import (
    Authorization,
    BootNotificationRequest,
    DataTransferAnswer,
    DataTransferRequest,
    StartTransactionRequest,
    StopTransactionRequest,
)
from bridge.errors import ProjectError


@pytest.fixture
def common(station) -> dict[str, Any]:
    return {"station": station, "version": "1.6", "payload": {}}


async def test_the_default_accepts_every_token_and_knows_no_vendor(load, asks, common) -> None:
    """B22."""
    runner = await load("default")
    start = StartTransactionRequest(**common, connector="Connector1", id_token="any")
    stop = StopTransactionRequest(**common, transaction_id="1")
    data = DataTransferRequest(**common, vendor_id="any")
    assert await runner.ask("authorize", asks()) == Authorization.accepted()
    assert await runner.ask("start_transaction", start) == Authorization.accepted()
    assert await runner.ask("stop_transaction", stop) == Authorization.accepted()
    assert await runner.ask("data_transfer", data) == DataTransferAnswer(status="UnknownVendorId")
    assert runner.errors == 0


async def test_a_site_may_have_it_reject_what_no_script_before_it_knows(load, asks, common) -> None:
    runner = await load("default", default={"tokens": "reject"})
    start = StartTransactionRequest(**common, connector="Connector1", id_token="any")
    assert await runner.ask("authorize", asks()) == Authorization.invalid()
    assert await runner.ask("start_transaction", start) == Authorization.invalid()


async def test_a_token_that_is_rejected_may_still_end_a_transaction(load, common) -> None:
    runner = await load("default", default={"tokens": "reject"})
    stop = StopTransactionRequest(**common, transaction_id="1", id_token="any")
    assert await runner.ask("stop_transaction", stop) == Authorization.accepted()


async def test_the_default_leaves_boots_to_the_bridge(load, common) -> None:
    runner = await load("default")
    boot = BootNotificationRequest(**common, vendor="V", model="M")
    assert await runner.ask("boot_notification", boot) is None


@pytest.mark.parametrize(
    ("settings", "warnings"),
    [({}, ["handlers.every_token_accepted"]), ({"tokens": "accept"}, []), ({"tokens": "reject"}, [])],
)
async def test_it_warns_that_every_token_is_accepted_until_the_site_says_what_it_wants(
    load, settings, warnings
) -> None:
    with capture_logs() as logs:
        await load("default", default=settings)
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == warnings


async def test_a_setting_that_it_does_not_know_is_a_mistake_of_the_project(load) -> None:
    with pytest.raises(ProjectError, match=r"default\.py.*token"):
        await load("default", default={"token": "reject"})
