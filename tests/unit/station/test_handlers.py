"""What scripts decide, and what they may do with the station."""

import pytest
from ocpp.v16 import call

from tests.unit.station.rig import SILENT, at

REFUSES = """
async def authorize(self, request):
    if request.id_token.startswith("VISITOR"):
        return Authorization.blocked()
"""


async def test_a_token_that_no_script_knows_is_accepted(rig):
    async with rig.station() as station:
        assert (await station.call(call.Authorize("T"))).id_tag_info == {"status": "Accepted"}


async def test_a_script_refuses_a_token(start):
    rig = await start(REFUSES)
    async with rig.station() as station:
        assert (await station.call(call.Authorize("VISITOR1"))).id_tag_info == {"status": "Blocked"}
        assert (await station.call(call.Authorize("STAFF"))).id_tag_info == {"status": "Accepted"}


async def test_an_authorization_has_its_group_and_its_end(start):
    rig = await start(
        "async def authorize(self, r): return Authorization.accepted(parent_id_token='P', expiry=1_800_000_000)"
    )
    async with rig.station() as station:
        answer = await station.call(call.Authorize("T"))
        assert answer.id_tag_info == {
            "status": "Accepted",
            "parent_id_tag": "P",
            "expiry_date": "2027-01-15T08:00:00.000Z",
        }


async def test_a_group_that_is_longer_than_a_16_station_takes_is_left_out(start):
    rig = await start(
        "async def authorize(self, r): return Authorization(status='Accepted', parent_id_token='P' * int(r.id_token))"
    )
    async with rig.station() as station:
        fitting, longer = [(await station.call(call.Authorize(length))).id_tag_info for length in ("20", "21")]
        assert fitting == {"status": "Accepted", "parent_id_tag": "P" * 20}
        assert longer == {"status": "Accepted"}


@pytest.mark.parametrize("expiry", [1e20, -1e20, 1e308], ids=str)
async def test_an_end_that_no_calendar_has_is_left_out(start, expiry):
    """A transaction is recorded and stopped though a script answers nonsense."""
    rig = await start(
        f"""
        async def start_transaction(self, request):
            return Authorization.accepted(expiry={expiry})

        async def stop_transaction(self, request):
            return Authorization.accepted(expiry={expiry})
        """
    )
    async with rig.station() as station:
        assert (await station.start_transaction()).id_tag_info == {"status": "Accepted"}
        assert (await station.stop_transaction(1, id_tag="T")).id_tag_info == {"status": "Accepted"}


async def test_a_start_shows_what_the_script_said(start):
    rig = await start("async def start_transaction(self, r): return Authorization.accepted(parent_id_token='P')")
    async with rig.station() as station:
        await station.start_transaction()
        await station.settle()
        prefix = "CP1.Connector1.Transaction.Start"
        assert rig.value(f"{prefix}.ParentIdTag") == "P"
        assert rig.value(f"{prefix}.Authorization") == "Accepted"


async def test_scripts_see_a_transaction_in_units_of_the_points(start):
    rig = await start(
        """
        async def start_transaction(self, r):
            found = [r.connector, r.id_token, r.meter_start, r.timestamp, r.reservation_id, r.version]
            await r.station.write("Custom.Start", repr([*found, r.payload["idTag"]]))

        async def stop_transaction(self, r):
            found = [r.transaction_id, r.connector, r.id_token, r.meter_stop, r.timestamp, r.reason]
            await r.station.write("Custom.Stop", repr(found))
        """
    )
    async with rig.station() as station:
        await station.call(call.StartTransaction(2, "T", 100, at(), reservation_id=9))
        await station.call(call.StopTransaction(300, at(5), 1, id_tag="U"))
        await station.settle()
        assert rig.value("CP1.Custom.Start") == "['Connector2', 'T', 100.0, 1800000000.0, 9, '1.6', 'T']"
        assert rig.value("CP1.Custom.Stop") == "['1', 'Connector2', 'U', 300.0, 1800000005.0, 'Local']"


async def test_a_script_calls_its_station_while_it_decides(start):
    """J18: the station is read meanwhile."""
    rig = await start(
        """
        async def authorize(self, request):
            answer = await request.station.call("GetLocalListVersion", {})
            return Authorization.accepted() if answer["listVersion"] == 7 else Authorization.invalid()
        """
    )
    async with rig.station() as station:
        station.answers["GetLocalListVersion"] = {"listVersion": 7}
        assert (await station.call(call.Authorize("T"))).id_tag_info == {"status": "Accepted"}
        station.answers["GetLocalListVersion"] = {"listVersion": 8}
        assert (await station.call(call.Authorize("T"))).id_tag_info == {"status": "Invalid"}


async def test_a_script_that_waits_too_long_is_passed_over_and_its_call_given_up(start):
    rig = await start(
        """
        async def authorize(self, request):
            await request.station.call("GetLocalListVersion", {})
            return Authorization.invalid()
        """,
        handlers={"timeout": 0.1},
    )
    async with rig.station() as station:
        station.answers["GetLocalListVersion"] = SILENT
        assert (await station.call(call.Authorize("T"))).id_tag_info == {"status": "Accepted"}
        assert rig.runner.errors == 1
        assert (await rig.call("CP1.Commands.ClearCache"))[0] == "Accepted"


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("Reset", "{'type': 'Medium'}"),
        ("Reset", "{}"),
        ("Nonsense", "{}"),
        ("Heartbeat", "{}"),
    ],
)
async def test_a_script_cannot_send_what_the_schema_does_not_allow(start, action, payload):
    rig = await start(
        f"""
        async def authorize(self, request):
            try:
                await request.station.call("{action}", {payload})
            except ValueError:
                return Authorization.blocked()
        """
    )
    async with rig.station() as station:
        assert (await station.call(call.Authorize("T"))).id_tag_info == {"status": "Blocked"}
        assert station.commands == []


async def test_a_script_reads_points_and_writes_its_own(start):
    rig = await start(
        """
        async def authorize(self, request):
            station = request.station
            vendor = await station.read("Info.Vendor")
            await station.write("Custom.Vendor", vendor + "!")
            await station.write("Custom.Limit.Power", 11)
            await station.write("Custom.Limit.Power", 12)
            await station.write("Custom.Ready", True)
            await station.write("Custom.Share", 0.5)
            await station.write("Custom.Share", 1)
            problems = []
            for path in ("Info.Vendor", "Custom.", "Custom.a b", "Custom.Ready", "Custom.a..b"):
                try:
                    await station.write(path, 1)
                except ValueError:
                    problems.append(path)
            try:
                await station.read("Info.Nothing")
            except KeyError:
                problems.append("read")
            await station.write("Custom.Problems", ",".join(problems))
        """
    )
    async with rig.station() as station:
        await station.call(call.Authorize("T"))
        assert rig.values("CP1.Custom", "Vendor", "Limit.Power", "Ready", "Share", "Problems") == {
            "Vendor": "Vendor!",
            "Limit.Power": 12,
            "Ready": True,
            "Share": 1.0,
            "Problems": "Info.Vendor,Custom.,Custom.a b,Custom.Ready,Custom.a..b,read",
        }
        assert rig.value("CP1.Info.Vendor") == "Vendor"


async def test_data_of_a_known_vendor_is_answered_by_its_script(start):
    """J45 B22"""
    rig = await start(
        """
        async def data_transfer(self, request):
            if request.vendor_id == "org.example":
                await request.station.write("Custom.Payload", repr(request.payload))
                return DataTransferAnswer(status="Accepted", data={"aB": [1, request.data]})
        """
    )
    async with rig.station() as station:
        answer = await station.call(call.DataTransfer("org.example", "m", '{"limit_L2": 1}'))
        assert (answer.status, answer.data) == ("Accepted", '{"aB":[1,"{\\"limit_L2\\": 1}"]}')
        assert "limit_L2" in rig.value("CP1.Custom.Payload")
        assert (await station.call(call.DataTransfer("org.other"))).status == "UnknownVendorId"


async def test_a_script_that_fails_is_passed_over_and_counted(start):
    """H01"""
    rig = await start("async def authorize(self, request): raise RuntimeError('no')")
    async with rig.station() as station:
        assert (await station.call(call.Authorize("T"))).id_tag_info == {"status": "Accepted"}
        assert rig.runner.errors == 1


async def test_a_repeated_start_is_not_decided_again(start):
    rig = await start(
        """
        count = 0

        async def start_transaction(self, request):
            self.count += 1
            await request.station.write("Custom.Asked", self.count)
            return Authorization.blocked() if self.count == 1 else Authorization.accepted()
        """
    )
    async with rig.station() as station:
        for _ in range(3):
            assert (await station.start_transaction()).id_tag_info == {"status": "Blocked"}
        assert rig.value("CP1.Custom.Asked") == 1
