"""Stations against the running program, read back through OPC UA."""

from datetime import UTC, datetime, timedelta

import pytest
import websockets
from ocpp.v16 import call

from tests.e2e.parties import Station, connected, hmi, now

CHARGING_STATION = {
    "charge_point_model": "Model",
    "charge_point_vendor": "Vendor",
    "charge_point_serial_number": "S-1",
    "firmware_version": "1.2.3",
    "iccid": "8949",
    "imsi": "2620",
    "meter_type": "MT",
    "meter_serial_number": "M-1",
}

SAMPLES = [
    {"value": "12.5", "unit": "kWh"},  # Energy.Active.Import.Register, as nothing else is said
    {"value": "11", "measurand": "Power.Active.Import", "unit": "kW"},
    {"value": "16.1", "measurand": "Current.Import", "phase": "L1", "unit": "A"},
    {"value": "230.4", "measurand": "Voltage", "phase": "L1-N", "unit": "V"},
    {"value": "50", "measurand": "SoC", "unit": "Percent", "location": "EV"},
    {"value": "300", "measurand": "Temperature", "unit": "K", "location": "Body"},
]


async def boot(station: Station, **changes: str) -> str:
    answer = await station.call(call.BootNotification(**{**CHARGING_STATION, **changes}))
    return str(answer.status)


async def test_a_boot_is_accepted_and_shows_what_the_station_is(program) -> None:
    """B06"""
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        answer = await station.call(call.BootNotification(**CHARGING_STATION))
        assert (answer.status, answer.interval) == ("Accepted", 300)
        assert abs(datetime.fromisoformat(answer.current_time) - datetime.now(UTC)) < timedelta(seconds=5)
        await client.until("CP001.Info.MeterSerialNumber", "M-1")
        shown = {
            name: await client.value(f"CP001.Info.{name}")
            for name in ("Id", "Vendor", "Model", "SerialNumber", "FirmwareVersion", "Iccid", "Imsi", "MeterType")
        }
        assert shown == {
            "Id": "CP001",
            "Vendor": "Vendor",
            "Model": "Model",
            "SerialNumber": "S-1",
            "FirmwareVersion": "1.2.3",
            "Iccid": "8949",
            "Imsi": "2620",
            "MeterType": "MT",
        }
        assert await client.value("CP001.State.OcppVersion") == "1.6"
        assert await client.value("CP001.State.SecurityProfile") == 0
        assert (await client.value("CP001.State.RemoteAddress")).startswith("127.0.0.1")
        assert await client.value("CP001.Config.RegistrationStatusText") == "Accepted"
        assert await client.status("CP001.State.LastHeartbeat") == "BadWaitingForInitialData"
        await station.call(call.Heartbeat())
        await client.until("CP001.State.LastHeartbeat", "Good")


async def test_a_pending_station_is_accepted_by_writing_a_point(run) -> None:
    """B02, B03"""
    program = run(unknown="pending")
    await program.start()
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        assert await boot(station) == "Pending"
        await client.until("CP001.Config.RegistrationStatusText", "Pending")
        await client.write("CP001.Commands.RemoteStartTransaction.IdTag", "TAG1")
        with pytest.raises(Exception, match="BadInvalidState"):
            await client.write("CP001.Commands.RemoteStartTransaction.Execute", True)
        station.answers["TriggerMessage"] = {"status": "Accepted"}
        await client.write("CP001.Commands.TriggerMessage.RequestedMessage", "StatusNotification")
        await client.write("CP001.Commands.TriggerMessage.Execute", True)
        await client.until("CP001.Commands.TriggerMessage.Result.StateText", "Accepted")
        await station.call(call.StatusNotification(1, "NoError", "Available"))
        await client.until("CP001.Connector1.Status.StateText", "Available")
        await client.write("CP001.Config.RegistrationStatus", 0)
        assert await boot(station) == "Accepted"


async def test_a_rejected_station_may_do_nothing_but_boot(run) -> None:
    """B04"""
    program = run(unknown="reject")
    await program.start()
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        assert await boot(station) == "Rejected"
        with pytest.raises(Exception, match="SecurityError"):
            await station.call(call.Heartbeat(), suppress=False)
        with pytest.raises(Exception, match="BadInvalidState"):
            await client.write("CP001.Commands.ClearCache.Execute", True)
        assert await boot(station) == "Rejected"


async def test_an_unknown_station_is_refused_where_only_known_ones_may_connect(run) -> None:
    """J06"""
    program = run(unknown="refuse", stations='[[station]]\nid = "CP001"\narea = "Depot/Hall 1"\nconnectors = 2')
    await program.start()
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with connected(program.ocpp, "CP999"):
            pass
    assert refused.value.response.status_code == 404
    async with hmi(program.opcua) as client:
        assert await client.status("CP001.Connector2.Status.State") == "BadWaitingForInitialData"
        hall = client.client.get_node("ns=0;i=85")
        for name in ("Stations", "Depot", "Hall 1", "CP001", "Connector2"):
            hall = await hall.get_child(f"2:{name}")
        assert hall.nodeid.Identifier == "CP001.Connector2"
        async with connected(program.ocpp) as station:
            assert await boot(station) == "Accepted"


async def test_the_status_of_connectors_and_of_the_station(program) -> None:
    """B13: connector 0 is the station."""
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await boot(station)
        stamp = now()
        await station.call(call.StatusNotification(0, "NoError", "Available", timestamp=stamp))
        await station.call(
            call.StatusNotification(
                2, "GroundFailure", "Faulted", stamp, info="wet", vendor_id="V", vendor_error_code="E7"
            )
        )
        state = await client.until("CP001.Connector2.Status.State", 9)
        assert state.SourceTimestamp == datetime.fromisoformat(stamp)
        assert state.ServerTimestamp is not None
        shown = {
            name: await client.value(f"CP001.Connector2.Status.{name}")
            for name in ("StateText", "ErrorCode", "Info", "VendorId", "VendorErrorCode", "Time")
        }
        assert shown == {
            "StateText": "Faulted",
            "ErrorCode": "GroundFailure",
            "Info": "wet",
            "VendorId": "V",
            "VendorErrorCode": "E7",
            "Time": datetime.fromisoformat(stamp),
        }
        assert await client.value("CP001.Status.StateText") == "Available"
        assert await client.status("CP001.Connector0.Status.State") == "BadNodeIdUnknown"


async def test_a_script_decides_who_may_charge(run) -> None:
    program = run(scripts='["visitors.py", "default.py"]')
    (program.project / "handlers" / "visitors.py").write_text(
        "from bridge.api import Authorization, RequestHandler\n\n\n"
        "class Handler(RequestHandler):\n"
        "    def authorize(self, request):\n"
        "        if request.id_token.startswith('VISITOR'):\n"
        "            return Authorization.blocked()\n"
    )
    await program.start()
    async with connected(program.ocpp) as station:
        await boot(station)
        assert (await station.call(call.Authorize("VISITOR-1"))).id_tag_info == {"status": "Blocked"}
        assert (await station.call(call.Authorize("TAG1"))).id_tag_info == {"status": "Accepted"}


async def test_a_script_may_call_the_station_that_it_decides_about(run) -> None:
    program = run(scripts='["curious.py"]')
    (program.project / "handlers" / "curious.py").write_text(
        "from bridge.api import Authorization, RequestHandler\n\n\n"
        "class Handler(RequestHandler):\n"
        "    async def authorize(self, request):\n"
        "        answer = await request.station.call('GetLocalListVersion', {})\n"
        "        await request.station.write('Custom.List', answer['listVersion'])\n"
        "        return Authorization.accepted(parent_id_token=f\"L{answer['listVersion']}\")\n"
    )
    await program.start()
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await boot(station)
        station.answers["GetLocalListVersion"] = {"list_version": 4}
        answer = await station.call(call.Authorize("TAG1"))
        assert answer.id_tag_info == {"status": "Accepted", "parent_id_tag": "L4"}
        assert await client.value("CP001.Custom.List") == 4


async def test_a_transaction_from_its_start_to_its_stop(program) -> None:
    """J43, B12: every point of a transaction and of meter values, in base units."""
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await boot(station)
        begun = now()
        started = await station.call(call.StartTransaction(1, "TAG1", 1500, begun, reservation_id=9))
        assert started.id_tag_info == {"status": "Accepted"}
        number = started.transaction_id
        await client.until("CP001.Connector1.Transaction.Active", True)
        at = "CP001.Connector1.Transaction"
        assert await client.value(f"{at}.Id") == str(number)
        assert await client.value(f"{at}.IdTag") == "TAG1"
        assert await client.value(f"{at}.Energy") == 0.0
        shown = {
            name: await client.value(f"{at}.Start.{name}")
            for name in ("Id", "IdTag", "ParentIdTag", "Authorization", "MeterStart", "Time", "ReservationId")
        }
        assert shown == {
            "Id": str(number),
            "IdTag": "TAG1",
            "ParentIdTag": "",
            "Authorization": "Accepted",
            "MeterStart": 1500.0,
            "Time": datetime.fromisoformat(begun),
            "ReservationId": 9,
        }
        metered = now()
        await station.call(
            call.MeterValues(1, [{"timestamp": metered, "sampled_value": SAMPLES}], transaction_id=number)
        )
        energy = await client.until(f"{at}.Energy", 11000.0)
        assert energy.SourceTimestamp == datetime.fromisoformat(metered)
        values = {
            name: await client.value(f"CP001.Connector1.MeterValues.{name}")
            for name in (
                "Energy.Active.Import.Register",
                "Power.Active.Import",
                "Current.Import.L1",
                "Voltage.L1-N",
                "SoC",
                "Temperature.Body",
                "Time",
            )
        }
        assert values == {
            "Energy.Active.Import.Register": 12500.0,
            "Power.Active.Import": 11000.0,
            "Current.Import.L1": 16.1,
            "Voltage.L1-N": 230.4,
            "SoC": 50.0,
            "Temperature.Body": pytest.approx(26.85),
            "Time": datetime.fromisoformat(metered),
        }
        assert '"sampledValue"' in await client.value("CP001.Connector1.MeterValues.Raw")
        stopped = now()
        await station.call(
            call.StopTransaction(
                14000,
                stopped,
                number,
                reason="Remote",
                id_tag="TAG1",
                transaction_data=[{"timestamp": stopped, "sampled_value": [{"value": "14000"}]}],
            )
        )
        await client.until(f"{at}.Active", False)
        shown = {
            name: await client.value(f"{at}.Stop.{name}")
            for name in ("Id", "IdTag", "Reason", "MeterStop", "Energy", "Time")
        }
        assert shown == {
            "Id": str(number),
            "IdTag": "TAG1",
            "Reason": "Remote",
            "MeterStop": 14000.0,
            "Energy": 12500.0,
            "Time": datetime.fromisoformat(stopped),
        }
        assert (await client.value(f"{at}.Id"), await client.value(f"{at}.IdTag")) == ("", "")
        assert await client.value("CP001.Connector1.MeterValues.Energy.Active.Import.Register") == 14000.0


async def test_the_notifications_of_firmware_diagnostics_logs_and_security(program) -> None:
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await boot(station)
        stamp = now()
        await station.call(call.FirmwareStatusNotification("Downloading"))
        await client.until("CP001.State.FirmwareStatusText", "Downloading")
        await station.call(call.SignedFirmwareStatusNotification("SignatureVerified", 1))
        await client.until("CP001.State.FirmwareStatusText", "SignatureVerified")
        await station.call(call.DiagnosticsStatusNotification("Uploaded"))
        await client.until("CP001.State.DiagnosticsStatusText", "Uploaded")
        await station.call(call.LogStatusNotification("Uploading", 1))
        await client.until("CP001.State.LogStatusText", "Uploading")
        await station.call(call.SecurityEventNotification("TamperDetectionActivated", stamp, "door"))
        await client.until("CP001.Security.LastEvent.TechInfo", "door")
        assert await client.value("CP001.Security.LastEvent.Type") == "TamperDetectionActivated"
        assert await client.value("CP001.Security.LastEvent.Time") == datetime.fromisoformat(stamp)
        assert (await station.call(call.SignCertificate("CSR"))).status == "Rejected"
        assert (await station.call(call.DataTransfer("Vendor"))).status == "UnknownVendorId"


async def test_what_a_station_reported_becomes_uncertain_when_it_goes(program) -> None:
    """U29, U30: the last value stays, with its own time; Good again only when the station has said so again."""
    async with hmi(program.opcua) as client:
        async with connected(program.ocpp) as station:
            await boot(station)
            stamp = now()
            await station.call(call.StatusNotification(1, "NoError", "Charging", stamp))
            await client.until("CP001.Connector1.Status.State", "Good")
        state = await client.until("CP001.Connector1.Status.State", "UncertainLastUsableValue")
        assert state.Value.Value == 3
        assert state.SourceTimestamp == datetime.fromisoformat(stamp)
        connection = await client.read("CP001.State.Connected")
        assert (connection.Value.Value, connection.StatusCode.name) == (False, "Good")
        assert await client.status("CP001.Connector1.Status.Time") == "UncertainLastUsableValue"
        assert await client.status("CP001.Connector1.Transaction.Start.Id") == "BadWaitingForInitialData"
        async with connected(program.ocpp) as station:
            await client.until("CP001.State.Connected", True)
            assert await client.status("CP001.Connector1.Status.State") == "UncertainLastUsableValue"
            await station.call(call.StatusNotification(1, "NoError", "Charging", now()))
            await client.until("CP001.Connector1.Status.State", "Good")
            assert await client.value("CP001.State.Reconnects") == 1


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_after_a_restart_a_running_transaction_still_runs(program, end: str) -> None:
    """D02, D05, D09, B05, B07: values are Uncertain, ids go on, a repeated start gets its old answer."""
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await boot(station)
        begun = now()
        await station.call(call.StatusNotification(1, "NoError", "Charging", begun))
        first = (await station.call(call.StartTransaction(1, "TAG1", 100, begun))).transaction_id
        await client.until("CP001.Connector1.Transaction.Id", str(first))
        if end == "stop":
            assert await program.stop() == 0
        else:
            await program.kill()
    await program.start()
    async with hmi(program.opcua) as client:
        active = await client.read("CP001.Connector1.Transaction.Active")
        assert (active.Value.Value, active.StatusCode.name) == (True, "UncertainLastUsableValue")
        assert await client.value("CP001.Connector1.Transaction.Start.IdTag") == "TAG1"
        if end == "stop":
            state = await client.read("CP001.Connector1.Status.State")
            assert (state.Value.Value, state.StatusCode.name) == (3, "UncertainLastUsableValue")
            assert state.SourceTimestamp == datetime.fromisoformat(begun)
        async with connected(program.ocpp) as station:
            again = await station.call(call.StartTransaction(1, "TAG1", 100, begun))
            assert again.transaction_id == first
            await client.until("CP001.Connector1.Transaction.Active", "Good")
            await station.call(call.StopTransaction(600, now(), first))
            await client.until("CP001.Connector1.Transaction.Stop.Energy", 500.0)
            second = await station.call(call.StartTransaction(1, "TAG1", 600, now()))
            assert second.transaction_id > first


async def test_a_newer_connection_replaces_the_older(program) -> None:
    """J14, J15"""
    async with hmi(program.opcua) as client, connected(program.ocpp) as old:
        await boot(old)
        async with connected(program.ocpp) as new:
            await old._connection.wait_closed()
            await boot(new, charge_point_model="New")
            await client.until("CP001.Info.Model", "New")
            assert await client.value("CP001.State.Connected") is True
            new.answers["ClearCache"] = {"status": "Accepted"}
            await client.write("CP001.Commands.ClearCache.Execute", True)
            await client.until("CP001.Commands.ClearCache.Result.StateText", "Accepted")


async def test_an_identity_with_other_characters_gets_a_safe_path(program) -> None:
    """J07"""
    async with connected(program.ocpp, "RDAM%20123") as station, hmi(program.opcua) as client:
        await boot(station)
        await client.until("RDAM_123.Info.Vendor", "Vendor")
        assert await client.value("RDAM_123.Info.Id") == "RDAM 123"
        async with connected(program.ocpp, "RDAM_123/") as other:
            await boot(other)
            assert await client.value("RDAM_123~2.Info.Id") == "RDAM_123"


async def test_nonsense_is_counted_and_the_connection_lives(program) -> None:
    """J35, J36, J37"""
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await boot(station)
        for frame in ("nonsense", "[]", "{}", b"\x00\x01", "[" * 100_000, '[2,"1","Unheard",{}]', '[2,"2",[],{}]'):
            await station._connection.send(frame)
        await station.call(call.Heartbeat())
        await client.until("CP001.State.InvalidMessages", 7)
        assert await client.value("CP001.State.LastError")
        assert await client.value("CP001.State.Connected") is True
