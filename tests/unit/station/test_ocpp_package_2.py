"""The `ocpp` package's own stations of 2.0.1 and 2.1, with its routing and renaming of keys, at a running bridge."""

import asyncio
from contextlib import suppress
from typing import Any

import ocpp.v21
import ocpp.v201
import ocpp.v201.call
import ocpp.v201.call_result
import pytest
import websockets
from ocpp.routing import on

from tests.unit.station.rig import START, at

CONFIG = {"versions": ["2.1", "2.0.1", "1.6"], "validation": "strict"}
VERSIONS = {"2.0.1": ocpp.v201, "2.1": ocpp.v21}


def station_class(package: Any) -> Any:
    class Station(package.ChargePoint):
        stopped: str = ""

        @on("RequestStopTransaction")
        def on_stop(self, transaction_id: str, **more: Any) -> Any:
            self.stopped = transaction_id
            return package.call_result.RequestStopTransaction(status="Accepted")

        @on("GetBaseReport")
        def on_report(self, request_id: int, report_base: str, **more: Any) -> Any:
            return package.call_result.GetBaseReport(status="Accepted")

    return Station


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_charge_of_a_station_that_is_not_ours(start, version):
    package = VERSIONS[version]
    call = package.call
    rig = await start(ocpp=CONFIG)
    async with websockets.connect(rig.url(), subprotocols=[f"ocpp{version}"]) as socket:
        station = station_class(package)("CP1", socket, response_timeout=10)
        reading = asyncio.create_task(station.start())
        boot = await station.call(
            call.BootNotification(charging_station={"model": "M", "vendor_name": "V"}, reason="PowerUp")
        )
        assert boot.status == "Accepted"
        await station.call(
            call.StatusNotification(timestamp=at(), connector_status="Occupied", evse_id=1, connector_id=1)
        )
        meter = [{"timestamp": at(), "sampled_value": [{"value": 1.5, "unit_of_measure": {"unit": "kWh"}}]}]
        answer = await station.call(
            call.TransactionEvent(
                event_type="Started",
                timestamp=at(),
                trigger_reason="Authorized",
                seq_no=0,
                transaction_info={"transaction_id": "T1", "charging_state": "Charging"},
                meter_value=meter,
                evse={"id": 1, "connector_id": 1},
                id_token={"id_token": "04A2B3", "type": "ISO14443"},
            )
        )
        assert answer.id_token_info["status"] == "Accepted"
        await station.call(call.Heartbeat())
        assert rig.value("CP1.Connector1.Status.StateText") == "Charging"
        assert rig.values("CP1.Connector1.Transaction.Start", "Id", "IdTag", "MeterStart", "Time") == {
            "Id": "T1",
            "IdTag": "04A2B3",
            "MeterStart": 1500.0,
            "Time": START,
        }
        rig.write("CP1.Connector1.Commands.RequestStopTransaction.Execute", True)
        ended = await rig.ended("CP1.Connector1.Commands.RequestStopTransaction")
        assert (ended["StateText"], station.stopped) == ("Accepted", "T1")
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
