"""The computer's clock is wrong and is set right, two days back and three days ahead, while the program runs."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ocpp.v16 import call

from tests.e2e.parties import WAIT, Hmi, Program, Station, connected, hmi, now

DAY = 86_400.0
#: where Debian and Fedora put libfaketime: with it the whole process has another clock, not only the program's own
LIBRARIES = ("/usr/lib*/**/libfaketimeMT.so.1",)
CODE = """
import sys, time
from pathlib import Path

shift, real = Path({shift!r}), time.time
time.time = lambda: real() + float(shift.read_text())
from bridge.cli import main
main()
"""


class Clock:
    """The clock of a program. `shift`: seconds ahead of the real one."""

    def __init__(self, file: Path, write: Callable[[float], str]) -> None:
        self._file = file
        self._write = write
        self.shift = 0.0

    def set(self, shift: float) -> None:
        self.shift = shift
        new = self._file.with_suffix(".new")
        new.write_text(self._write(shift))
        new.replace(self._file)  # never empty

    @property
    def now(self) -> float:
        return time.time() + self.shift


def libfaketime() -> Iterator[Path]:
    for pattern in LIBRARIES:
        yield from Path("/").glob(pattern.removeprefix("/"))


@pytest.fixture(params=["injected", "libfaketime"])
async def site(request: Any, run: Callable[..., Program], tmp_path: Path) -> tuple[Program, Clock]:
    """A running program whose clock can be set."""
    program, file = run(), tmp_path / "clock"
    if request.param == "injected":
        clock = Clock(file, str)
        program.code = CODE.format(shift=str(file))
    else:
        library = next(libfaketime(), None)
        if library is None:
            pytest.skip("there is no libfaketime here")
        clock = Clock(file, lambda shift: f"{shift:+}")
        program.environ = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    clock.set(0.0)
    await program.start()
    return program, clock


async def tick(client: Hmi, station: Station) -> None:
    """Lets the program's second pass in which it looks around."""
    await station.call(call.Heartbeat())
    received = await client.value("CP001.State.MessagesReceived")
    await client.until_that("CP001.State.MessagesReceived", lambda found: found.Value.Value > received)


async def test_a_clock_that_jumps_ends_no_connection_no_transaction_and_no_command(site) -> None:
    """B25, B06"""
    program, clock = site
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await station.call(call.BootNotification("Model", "Vendor"))
        async with connected(program.ocpp, "CP002") as other:
            await other.call(call.BootNotification("Model", "Vendor"))
            await other.call(call.StatusNotification(1, "NoError", "Charging"))
        await client.until("CP002.State.Connected", False)
        await station.call(call.StatusNotification(1, "NoError", "Preparing"))
        number = (await station.call(call.StartTransaction(1, "TAG1", 100, now()))).transaction_id
        for shift, status in ((-2 * DAY, "Charging"), (3 * DAY, "SuspendedEV"), (0.0, "Finishing")):
            station.answers["ClearCache"] = answer = asyncio.Event()
            await client.write("CP001.Commands.ClearCache.Execute", True)
            await client.until("CP001.Commands.ClearCache.Result.StateText", "Sent")
            clock.set(shift)
            station.answers["ClearCache then"] = {"status": "Accepted"}
            answer.set()
            await client.until("CP001.Commands.ClearCache.Result.StateText", "Accepted")
            told = datetime.fromisoformat((await station.call(call.Heartbeat())).current_time).timestamp()
            assert abs(told - clock.now) < 30
            await station.call(call.StatusNotification(1, "NoError", status))
            await tick(client, station)
            shown = await client.read("CP001.Connector1.Status.StateText")
            assert (shown.Value.Value, shown.StatusCode.name) == (status, "Good")
            assert await client.value("CP001.State.Connected")
            assert not await client.value("CP001.State.Stale")
            assert await client.status("CP001.Info.Vendor") == "Good"
            assert await client.value("CP001.Connector1.Transaction.Id") == str(number)
            assert await client.status("CP002.Connector1.Status.State") == "UncertainLastUsableValue"
        stopped = await station.call(call.StopTransaction(600, now(), number))
        assert stopped is not None
        await client.until("CP001.Connector1.Transaction.Stop.Energy", 500.0)
        assert await client.value("CP001.State.Reconnects") == 0


async def test_a_client_is_told_every_change_in_its_order_while_the_clock_jumps(site) -> None:
    """B25"""
    program, clock = site
    seen: list[str] = []
    end = asyncio.Event()

    class Watch:
        def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
            seen.append(value)
            if value == "Faulted":
                end.set()

    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await station.call(call.BootNotification("Model", "Vendor"))
        await station.call(call.StatusNotification(1, "NoError", "Available"))
        await client.until("CP001.Connector1.Status.StateText", "Available")
        subscription = await client.client.create_subscription(20, Watch())
        await subscription.subscribe_data_change(
            client.node("CP001.Connector1.Status.StateText"), queuesize=50, sampling_interval=0
        )
        told = ["Available"]
        for shift in (-2 * DAY, 3 * DAY, 0.0):
            clock.set(shift)
            for status in ("Preparing", "Charging", "Finishing", "Available"):
                await station.call(call.StatusNotification(1, "NoError", status))
                told.append(status)
        await station.call(call.StatusNotification(1, "NoError", "Faulted"))
        async with asyncio.timeout(WAIT):
            await end.wait()
        changes = [value for at, value in enumerate(seen) if at == 0 or value != seen[at - 1]]
        assert changes[: len(told)] == told
