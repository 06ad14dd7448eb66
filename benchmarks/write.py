"""`write`: from an OPC UA write of a command to the CALL at the station.

The client is asyncua's. It and the station are in one process, so that one clock tells both ends; the client's
own time for the request is in the figure.
"""

import asyncio
import time

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds

from benchmarks.figures import Figure, p50_p99
from benchmarks.processes import RunningBridge, bridge
from benchmarks.station import booted

TITLE = "From an OPC UA write to the CALL at the station"
ACTION = "TriggerMessage"
PAYLOAD = '{"requestedMessage":"Heartbeat"}'
SAMPLES = 1000
TIMEOUT = 10.0  # s


def run() -> list[Figure]:
    with bridge() as running:
        calls, answers = asyncio.run(_measure(running))
        assert not running.complaints(), running.complaints()[:3]
    call_p50, call_p99 = p50_p99(calls)
    answer_p50, answer_p99 = p50_p99(answers)
    note = f"{len(calls)} writes of Commands.{ACTION}.Request, one after the other"
    return [
        Figure("CALL at the station, p50", call_p50, note=note),
        Figure("CALL at the station, p99", call_p99),
        Figure("write answered, p50", answer_p50),
        Figure("write answered, p99", answer_p99),
    ]


async def _measure(running: RunningBridge) -> tuple[list[float], list[float]]:
    calls: list[float] = []
    answers: list[float] = []
    value = ua.DataValue(ua.Variant(PAYLOAD, ua.VariantType.String))
    async with booted(running.ocpp + "BENCH") as station, Client(running.opcua) as client:
        arrived = asyncio.Event()
        at: list[float] = []

        def called(action: str, now: float) -> None:
            if action == ACTION:
                at.append(now)
                arrived.set()

        station.called = called
        node = client.get_node(f"ns=2;s=BENCH.Commands.{ACTION}.Request")
        for _ in range(SAMPLES):
            arrived.clear()
            began = time.perf_counter()
            await node.write_attribute(AttributeIds.Value, value)
            answers.append(time.perf_counter() - began)
            async with asyncio.timeout(TIMEOUT):
                await arrived.wait()
            calls.append(at[-1] - began)
    return calls, answers
