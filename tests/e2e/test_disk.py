"""A disk that is full, fails, cannot be written or is damaged, under the running program."""

import asyncio
import contextlib
import os
import sqlite3
import sys

import pytest
from asyncua import ua
from ocpp.exceptions import InternalError
from ocpp.v16 import call

from tests.e2e.disks import Trouble, failing, full, locked, remount_read_only, silent, store, unsynced
from tests.e2e.parties import WAIT, Program, Station, connected, hmi, now

pytestmark = pytest.mark.timeout(300)  # they start the program again and again
SERVICE_LEVEL = ua.NodeId(ua.ObjectIds.Server_ServiceLevel)


async def boot(station: Station) -> None:
    await station.call(call.BootNotification("Model", "Vendor"))


async def start(station: Station, meter: int, begun: str) -> int:
    """The id that a StartTransaction is answered. Raises InternalError."""
    answer = await station.call(call.StartTransaction(1, "TAG1", meter, begun), suppress=False)
    return int(answer.transaction_id)


async def start_when_healed(station: Station, meter: int, begun: str) -> int:
    """As a station does: again, while it is refused."""
    async with asyncio.timeout(4 * WAIT):
        while True:
            with contextlib.suppress(InternalError):
                return await start(station, meter, begun)
            await asyncio.sleep(0.1)


async def start_until_refused(station: Station, first: int) -> tuple[dict[int, int], int, str]:
    """Meter value → id of the transactions that were acknowledged; meter value and time of the first that was not."""
    acknowledged: dict[int, int] = {}
    for meter in range(first, first + 200):
        begun = now()
        try:
            acknowledged[meter] = await start(station, meter, begun)
        except InternalError:
            return acknowledged, meter, begun
    raise AssertionError("it is never refused")


def recorded(program: Program) -> dict[int, int]:
    """Meter value → id of every transaction in the store."""
    with contextlib.closing(sqlite3.connect(f"file:{store(program)}?mode=ro", uri=True)) as db:
        return {int(meter): number for meter, number in db.execute("SELECT meter_start, id FROM transactions")}


async def check_trouble(program: Program, trouble: Trouble) -> None:
    """Nothing is falsely acknowledged, everything else goes on, and it passes without a restart."""
    await program.start()
    async with connected(program.ocpp) as station, hmi(program.opcua) as client:
        await boot(station)
        first = await start(station, 1, now())
        with trouble(program):
            acknowledged, meter, begun = await start_until_refused(station, 2)
            await client.until("Bridge.ServiceLevel", 100)
            assert await client.client.get_node(SERVICE_LEVEL).read_value() == 100
            assert any("StoreFailed" in line for line in program.lines)
            with pytest.raises(InternalError):
                await station.call(call.StopTransaction(900, now(), first), suppress=False)
            assert (await station.call(call.Heartbeat())).current_time
            await station.call(call.StatusNotification(1, "NoError", "Charging"))
            await client.until("CP001.Connector1.Status.StateText", "Charging")
            assert recorded(program) == {1: first, **acknowledged}
        healed = await start_when_healed(station, meter, begun)
        assert healed > max([first, *acknowledged.values()])
        await station.call(call.StopTransaction(900, now(), first), suppress=False)
        await client.until("Bridge.ServiceLevel", 255)
        assert await client.client.get_node(SERVICE_LEVEL).read_value() == 255
        assert any("StoreRecovered" in line for line in program.lines)
        assert recorded(program) == {1: first, **acknowledged, meter: healed}


async def test_a_full_disk_refuses_transactions_and_nothing_else_until_there_is_room(disk) -> None:
    """D06"""
    await check_trouble(disk, full)


async def test_a_disk_that_fails_refuses_transactions_and_nothing_else_until_it_works(folder) -> None:
    """D07"""
    await check_trouble(folder, failing)


@pytest.mark.parametrize("trouble", [unsynced, locked, silent])
async def test_a_disk_that_keeps_nothing_or_does_not_answer_or_is_locked_is_the_same(folder, trouble) -> None:
    """D07"""
    await check_trouble(folder, trouble)


async def test_what_was_acknowledged_before_the_disk_was_full_outlives_a_stop_and_a_kill(disk) -> None:
    """D02, D06"""
    await disk.start()
    async with connected(disk.ocpp) as station:
        await boot(station)
        first = await start(station, 1, now())
        with full(disk):
            acknowledged, _, _ = await start_until_refused(station, 2)
            assert await disk.stop() == 0
    assert recorded(disk) == {1: first, **acknowledged}
    await disk.start()
    async with connected(disk.ocpp) as station:
        with full(disk):
            more, meter, begun = await start_until_refused(station, 500)
            await disk.kill()
    await disk.start()
    async with connected(disk.ocpp) as station:
        healed = await start(station, meter, begun)
        assert healed not in {first, *acknowledged.values(), *more.values()}
        assert recorded(disk) == {1: first, **acknowledged, **more, meter: healed}


DIES = """
import os
from bridge.api import Authorization, RequestHandler

class Handler(RequestHandler):
    async def authorize(self, request):
        if request.id_token == "DIES":
            os._exit(1)
        return Authorization(status="Accepted", parent_id_token="SCRIPT")
"""


async def test_scripts_come_back_while_the_disk_is_full(disk) -> None:
    """D06, H10: and there is no place for temporary files either."""
    temporary = disk.project / "temporary"
    temporary.mkdir()
    disk.environ["TMPDIR"] = str(temporary)
    (disk.project / "handlers" / "default.py").write_text(DIES, "utf-8")
    await disk.start()
    temporary.rmdir()
    async with connected(disk.ocpp) as station:
        await boot(station)
        with full(disk):
            for number in range(3):  # one waits to take the place of the first
                async with connected(disk.ocpp, f"DEADLY{number}") as deadly:
                    await boot(deadly)
                    await deadly.call(call.Authorize("DIES"))
            async with asyncio.timeout(4 * WAIT):
                while (  # noqa: ASYNC110 - a station asks again
                    (await station.call(call.Authorize("TAG"))).id_tag_info.get("parent_id_tag") != "SCRIPT"
                ):
                    await asyncio.sleep(0.1)  # there is none yet


# At the start


async def ended(program: Program) -> tuple[int, str]:
    """Exit code and output of a program that cannot start."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from bridge.cli import main; main()", "run", "--project", str(program.project)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "1000"},
    )
    async with asyncio.timeout(2 * WAIT):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_a_file_system_that_cannot_be_written_ends_the_start_with_a_clear_message(disk) -> None:
    """D08"""
    await disk.start()
    await disk.stop()
    remount_read_only(disk.project / "disk")
    code, output = await ended(disk)
    assert code == 1
    assert "cannot be written" in output
    assert "Traceback" not in output


async def test_a_full_disk_ends_the_start_with_a_clear_message_and_nothing_is_lost(disk) -> None:
    """D06"""
    await disk.start()
    async with connected(disk.ocpp) as station:
        await boot(station)
        first = await start(station, 1, now())
    await disk.stop()
    with full(disk):
        code, output = await ended(disk)
    assert (code, "the disk is full" in output, "Traceback" in output) == (1, True, False)
    await disk.start()
    assert recorded(disk) == {1: first}


async def test_a_damaged_store_ends_the_start_with_a_clear_message_and_is_left_as_it_is(folder) -> None:
    """D03"""
    await folder.start()
    async with connected(folder.ocpp) as station:
        await boot(station)
        for meter in range(300):
            await start(station, meter, now())
    await folder.stop()
    content = bytearray(store(folder).read_bytes())
    content[len(content) // 2 :] = os.urandom(len(content) - len(content) // 2)
    store(folder).write_bytes(content)
    code, output = await ended(folder)
    assert code == 1
    assert "damaged; restore a backup" in output
    assert "Traceback" not in output
    assert store(folder).read_bytes() == content


async def test_a_second_bridge_on_the_same_store_is_refused_and_the_first_goes_on(folder) -> None:
    """D11"""
    await folder.start()
    code, output = await ended(folder)
    assert code == 1
    assert "another bridge" in output
    async with connected(folder.ocpp) as station:
        await boot(station)
        assert await start(station, 1, now()) == 1
