"""A site with a profile: simulated stations of every version from their first connection until they are in service, and
out of the tree again, by the running program, an OPC UA client and the command line.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from asyncua import ua

from bridge.simulator import Simulator
from tests.e2e.parties import WAIT, Hmi, Program, hmi

PROFILE = """
match: {vendor: SIM}
configuration:
  MeterValueSampleInterval: 17
  WebSocketPingInterval: 30
  NumberOfConnectors: 9
variables:
  SampledDataCtrlr.TxUpdatedInterval: 17
  OCPPCommCtrlr.WebSocketPingInterval: 30
reset: when-idle
"""
VERSIONS = ("1.6", "2.0.1", "2.1")
IDS = ("SIM0001", "SIM0002", "SIM0003")


@asynccontextmanager
async def simulated(url: str) -> AsyncIterator[None]:
    """A station of each version, at which nobody charges."""
    simulator = Simulator(url, 3, ocpp=VERSIONS, pause=1e6, speed=50.0, back_off=(0.1, 0.5))
    running = asyncio.create_task(simulator.run())
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def ocpp_bridge(program: Program, *arguments: str) -> str:
    """What a command prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from bridge.cli import main; main()",
        *arguments,
        "--project",
        str(program.project),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


async def drift(client: Hmi, station: str) -> dict[str, tuple[str, str, str]]:
    found = json.loads(await client.value(f"{station}.Config.DriftDetails") or "[]")
    return {entry["key"]: (entry["wanted"], entry["is"], entry["why"]) for entry in found}


async def test_stations_come_are_accepted_configured_and_removed(run: Callable[..., Program]) -> None:
    program = run(unknown="pending", ocpp="boot_retry_interval = 1")
    config = program.project / "config.toml"
    config.write_text(config.read_text("utf-8").replace("read_configuration = false", ""), "utf-8")
    (program.project / "datapoints" / "profiles" / "sim.yaml").write_text(PROFILE, "utf-8")
    await program.start()
    async with hmi(program.opcua) as client, simulated(program.ocpp):
        # They wait for somebody to decide, with what they say of themselves.
        for station in IDS:
            await _appears(client, station)
            await client.until(f"{station}.Info.Vendor", "SIM")
            assert await client.value(f"{station}.Config.RegistrationStatusText") == "Pending"
            assert await client.value(f"{station}.State.InService") is False
        assert await client.value("Bridge.StationsUnknown") == 3
        # The operator accepts two, the command line the third.
        for station in IDS[:2]:
            await client.write(f"{station}.Config.RegistrationStatus", 0)
        assert await ocpp_bridge(program, "stations", "accept", IDS[2]) == f"{IDS[2]}: Accepted\n"
        for station in IDS[1:]:
            await client.until(f"{station}.Config.StateText", "Configured")
            await client.until(f"{station}.State.InService", True)
            assert await client.value(f"{station}.Config.Profile") == "sim"
            await client.until(f"{station}.Configuration.SampledDataCtrlr.TxUpdatedInterval", 17)
        # What cannot be written stays, and is shown.
        await client.until(f"{IDS[0]}.Config.StateText", "Drifted")
        assert await drift(client, IDS[0]) == {"NumberOfConnectors": ("9", "2", "ReadOnly")}
        assert await client.value(f"{IDS[0]}.Configuration.MeterValueSampleInterval") == "17"
        # Somebody changes a value.
        await client.write(f"{IDS[1]}.Configuration.SampledDataCtrlr.TxUpdatedInterval", 99)
        await client.until(f"{IDS[1]}.Config.StateText", "Drifted")
        assert await drift(client, IDS[1]) == {"SampledDataCtrlr.TxUpdatedInterval": ("17", "99", "")}
        # One is removed, and comes again as a stranger.
        await client.until("Bridge.StationsUnknown", 0)
        assert "removed" in await ocpp_bridge(program, "stations", "remove", IDS[2])
        await client.until("Bridge.StationsUnknown", 1)
        await _appears(client, IDS[2])
        await client.until(f"{IDS[2]}.Config.RegistrationStatusText", "Pending")


async def _appears(client: Hmi, station: str) -> None:
    """Waits until there is a station of this name."""
    async with asyncio.timeout(WAIT):
        while (await client.read(f"{station}.Info.Id")).StatusCode.value == ua.StatusCodes.BadNodeIdUnknown:
            await client.until_that(
                "Bridge.StationsConnected", _another(await client.value("Bridge.StationsConnected"))
            )


def _another(known: int) -> Callable[[ua.DataValue], bool]:
    return lambda found: found.Value is not None and found.Value.Value != known
