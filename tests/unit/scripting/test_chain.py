"""The order of scripts, and that nothing a script does leaves a station without an answer."""

from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.api import (
    Authorization,
    AuthorizeRequest,
    BootNotificationAnswer,
    BootNotificationRequest,
    DataTransferAnswer,
    DataTransferRequest,
    RequestHandler,
    StartTransactionRequest,
    StopTransactionRequest,
)
from bridge.scripting.chain import REJECTIONS
from bridge.scripting.outcome import TRACEBACK_LENGTH
from bridge.scripting.states import LAST_ERROR_LENGTH
from tests.unit.scripting.helpers import ACCEPTS, BLOCKS, PASSES, Script, chain

# order


@pytest.mark.parametrize(
    ("bodies", "status"),
    [
        ([ACCEPTS], "Accepted"),
        ([BLOCKS, ACCEPTS], "Blocked"),
        ([PASSES, BLOCKS, ACCEPTS], "Blocked"),
        (["pass", BLOCKS], "Blocked"),
        ([PASSES, "pass"], None),
        ([], None),
    ],
)
async def test_the_first_answer_that_is_not_none_wins(
    script: Script, request_: AuthorizeRequest, bodies: Sequence[str], status: str | None
) -> None:
    asked = await chain(*(script(body, f"s{index}") for index, body in enumerate(bodies)))
    answer = await asked.ask("authorize", request_)
    assert (None if answer is None else answer.status) == status  # type: ignore[attr-defined]
    assert asked.errors == 0


@pytest.mark.parametrize(
    "body",
    [
        "async def authorize(self, request): await asyncio.sleep(0); return Authorization.blocked()",
        "def authorize(self, request): return Authorization.blocked()",
        """\
        def authorize(self, request): return self._later()
        async def _later(self): return Authorization.blocked()
        """,
    ],
    ids=["async def", "plain def", "plain def that returns a coroutine"],
)
async def test_a_method_may_be_async_or_plain(script: Script, request_: AuthorizeRequest, body: str) -> None:
    asked = await chain(script(body))
    assert await asked.ask("authorize", request_) == Authorization.blocked()


async def test_every_request_reaches_its_method(script: Script, request_: AuthorizeRequest) -> None:
    asked = await chain(
        script(
            """\
            async def boot_notification(self, request):
                return BootNotificationAnswer(status="Pending", interval=7)
            async def authorize(self, request):
                return Authorization(status="Expired", parent_id_token=request.id_token, expiry=5)
            async def start_transaction(self, request):
                return Authorization(status="ConcurrentTx", parent_id_token=request.connector)
            async def stop_transaction(self, request):
                return Authorization.accepted(parent_id_token=request.reason)
            async def data_transfer(self, request):
                return DataTransferAnswer(status="Accepted", data={"got": request.data})
            """
        )
    )
    common: dict[str, Any] = {"station": request_.station, "version": "1.6", "payload": {}}
    boot = BootNotificationRequest(**common, vendor="V", model="M")
    start = StartTransactionRequest(**common, connector="Connector1", id_token="A")
    stop = StopTransactionRequest(**common, transaction_id="1")
    data = DataTransferRequest(**common, vendor_id="V", data="x")
    assert await asked.ask("boot_notification", boot) == BootNotificationAnswer(status="Pending", interval=7)
    assert await asked.ask("authorize", request_) == Authorization(
        status="Expired", parent_id_token="04A2B3C4", expiry=5.0
    )
    assert await asked.ask("start_transaction", start) == Authorization(
        status="ConcurrentTx", parent_id_token="Connector1"
    )
    assert await asked.ask("stop_transaction", stop) == Authorization.accepted(parent_id_token="Local")
    assert await asked.ask("data_transfer", data) == DataTransferAnswer(status="Accepted", data={"got": "x"})


# failures

FAILURES = {
    "raises": ("raise ValueError('no card list')", "ValueError: no card list"),
    "exits": ("sys.exit(1)", "SystemExit: 1"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "base exception": ("raise BaseException('odd')", "BaseException: odd"),
    "cancels": ("raise asyncio.CancelledError", "CancelledError"),
    "stops iteration": ("raise StopIteration", "StopIteration"),
    "recurses": ("return (lambda f: f(f))(lambda f: f(f))", "RecursionError"),
    "dict": ("return {'status': 'Accepted'}", "returned dict, not Authorization or None"),
    "bool": ("return False", "returned bool, not Authorization or None"),
    "another class": ("return DataTransferAnswer(status='Accepted')", "returned DataTransferAnswer"),
    "the class": ("return Authorization", "returned the class Authorization"),
    "a subclass": ("return type('Mine', (Authorization,), {})(status='Accepted')", "returned Mine"),
    "wrong enum": ("return Authorization(status='Yes')", "Invalid enum value 'Yes' - at `$.status`"),
    "wrong case": ("return Authorization(status='accepted')", "Invalid enum value"),
    "status is None": ("return Authorization(status=None)", "at `$.status`"),
    "wrong field": ("return Authorization.accepted(parent_id_token=7)", "at `$.parent_id_token`"),
    "out of range": ("return Authorization(status='Accepted', charging_priority=99)", "at `$.charging_priority`"),
    "no JSON": ("return Authorization(status='Accepted', fields={'x': object()})", "type object is unsupported"),
    "too large": ("return Authorization.accepted(parent_id_token='x' * 2_000_000)", "more than 1048576"),
    "unprintable": (
        "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})()",
        "Odd: <exception str() failed>",
    ),
}


@pytest.mark.parametrize("style", ["async def", "def"])
@pytest.mark.parametrize(("statement", "text"), FAILURES.values(), ids=FAILURES)
async def test_a_script_that_fails_is_passed_over_logged_and_counted(
    script: Script, request_: AuthorizeRequest, style: str, statement: str, text: str
) -> None:
    """H01, H02."""
    told: list[str] = []
    bad = script(f"{style} authorize(self, request):\n    {statement}", "bad")
    asked = await chain(bad, script(BLOCKS, "good"), on_failure=told.append)
    with capture_logs() as logs:
        assert await asked.ask("authorize", request_) == Authorization.blocked()
    assert asked.errors == 1
    assert asked.last_error.startswith("bad.py: ")
    assert text in asked.last_error
    assert told == [asked.last_error]
    (entry,) = logs
    assert (entry["script"], entry["method"], entry["station"]) == ("bad.py", "authorize", "CP001")
    assert text in entry["exception"]


async def test_a_failure_names_the_line_in_the_script_and_its_log_the_traceback(
    script: Script, request_: AuthorizeRequest
) -> None:
    asked = await chain(script("async def authorize(self, request):\n    x = 1\n    return int(request.id_token)"))
    with capture_logs() as logs:
        assert await asked.ask("authorize", request_) is None
    assert asked.last_error == (
        "site.py: line 7: authorize: ValueError: invalid literal for int() with base 10: '04A2B3C4'"
    )
    assert 'site.py", line 7, in authorize\n    return int(request.id_token)' in logs[0]["exception"]


async def test_a_failure_from_a_library_names_the_scripts_own_line(script: Script, request_: AuthorizeRequest) -> None:
    asked = await chain(script("def authorize(self, request):\n    re.compile('(')"))
    await asked.ask("authorize", request_)
    assert asked.last_error.startswith("site.py: line 6: authorize: ")


async def test_the_kept_text_of_a_failure_is_bounded(script: Script, request_: AuthorizeRequest) -> None:
    asked = await chain(script("async def authorize(self, request): raise ValueError('x' * 100_000)"))
    with capture_logs() as logs:
        await asked.ask("authorize", request_)
    assert len(asked.last_error) == LAST_ERROR_LENGTH
    assert len(logs[0]["exception"]) == TRACEBACK_LENGTH


@pytest.mark.parametrize("data", ["object()", "b'\\xff'.decode('latin-1') + '\\ud800'"])
async def test_data_that_cannot_be_sent_is_a_failure_of_the_script(
    script: Script, request_: AuthorizeRequest, data: str
) -> None:
    body = f"async def data_transfer(self, request): return DataTransferAnswer(status='Accepted', data={data})"
    asked = await chain(script(body), on_error="reject")
    request = DataTransferRequest(station=request_.station, version="1.6", payload={}, vendor_id="V")
    assert await asked.ask("data_transfer", request) == DataTransferAnswer(status="Rejected")
    assert asked.errors == 1


async def test_what_a_script_changes_after_its_answer_changes_nothing(
    script: Script, request_: AuthorizeRequest
) -> None:
    body = "DATA = []\nasync def data_transfer(self, request):\n    self.DATA.append(len(self.DATA))\n"
    asked = await chain(script(body + "    return DataTransferAnswer(status='Accepted', data=self.DATA)"))
    request = DataTransferRequest(station=request_.station, version="1.6", payload={}, vendor_id="V")
    answer = await asked.ask("data_transfer", request)
    assert await asked.ask("data_transfer", request) == DataTransferAnswer(status="Accepted", data=[0, 1])
    assert answer == DataTransferAnswer(status="Accepted", data=[0])


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("boot_notification", BootNotificationAnswer(status="Rejected")),
        ("authorize", Authorization(status="Invalid")),
        ("start_transaction", Authorization(status="Invalid")),
        ("stop_transaction", Authorization(status="Invalid")),
        ("data_transfer", DataTransferAnswer(status="Rejected")),
    ],
)
async def test_on_error_reject_answers_at_once_with_no(
    script: Script, request_: AuthorizeRequest, method: str, answer: object
) -> None:
    """H01: the scripts behind the one that failed are not asked."""
    bad = script(f"async def {method}(self, request): raise ValueError", "bad")
    behind = script(f"async def {method}(self, request): sys.exit('asked')", "behind")
    asked = await chain(bad, behind, on_error="reject")
    assert await asked.ask(method, request_) == answer
    assert asked.errors == 1


def test_there_is_a_rejection_for_every_method_of_the_contract() -> None:
    assert {name: type(answer) for name, answer in REJECTIONS.items()} == RequestHandler.answers


async def test_on_error_reject_does_not_touch_an_answer_that_came_before(
    script: Script, request_: AuthorizeRequest
) -> None:
    bad = script("async def authorize(self, request): raise ValueError", "bad")
    asked = await chain(script(ACCEPTS, "good"), bad, on_error="reject")
    assert await asked.ask("authorize", request_) == Authorization.accepted()
