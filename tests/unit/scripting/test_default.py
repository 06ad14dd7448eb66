"""The shipped script, as it is shipped."""

from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from bridge.api import (
    Authorization,
    AuthorizeRequest,
    BootNotificationRequest,
    DataTransferAnswer,
    DataTransferRequest,
    StartTransactionRequest,
    StopTransactionRequest,
)
from bridge.scripting import InlineRunner

DEFAULT = Path(__file__).parents[3] / "handlers" / "default.py"


async def test_the_default_accepts_every_token_and_knows_no_vendor(request_: AuthorizeRequest) -> None:
    """B22."""
    runner = InlineRunner([DEFAULT], timeout=5)
    await runner.start()
    common: dict[str, Any] = {"station": request_.station, "version": "1.6", "payload": {}}
    start = StartTransactionRequest(**common, connector="Connector1", id_token="any")
    stop = StopTransactionRequest(**common, transaction_id="1")
    data = DataTransferRequest(**common, vendor_id="any")
    assert await runner.ask("authorize", request_) == Authorization.accepted()
    assert await runner.ask("start_transaction", start) == Authorization.accepted()
    assert await runner.ask("stop_transaction", stop) == Authorization.accepted()
    assert await runner.ask("data_transfer", data) == DataTransferAnswer(status="UnknownVendorId")
    assert runner.errors == 0


async def test_the_default_leaves_boots_to_the_bridge(request_: AuthorizeRequest) -> None:
    runner = InlineRunner([DEFAULT], timeout=5)
    await runner.start()
    boot = BootNotificationRequest(station=request_.station, version="1.6", payload={}, vendor="V", model="M")
    assert await runner.ask("boot_notification", boot) is None


async def test_the_default_warns_that_every_token_is_accepted() -> None:
    runner = InlineRunner([DEFAULT], timeout=5)
    with capture_logs() as logs:
        await runner.start()
    warnings = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
    assert warnings == ["handlers.every_token_accepted"]
