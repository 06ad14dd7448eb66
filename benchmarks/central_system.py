"""The peer of `ocpp`: a central system as the documentation of the `ocpp` package shows it, and nothing more.

It answers, and keeps nothing. Validation, logging and the websockets are as the libraries have them by default.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar

import websockets
from ocpp import routing
from ocpp.v16 import ChargePoint as ChargePointV16
from ocpp.v16 import call_result
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import Action, AuthorizationStatus, RegistrationStatus

Handler = TypeVar("Handler", bound=Callable[..., Any])
#: the package's own decorator, which has no types
on: Callable[[Action], Callable[[Handler], Handler]] = routing.on

ACCEPTED = IdTagInfo(status=AuthorizationStatus.accepted)

transaction_ids = count(1)


class ChargePoint(ChargePointV16):  # type: ignore[misc]
    """Accepts whatever a station asks for."""

    @on(Action.boot_notification)
    def on_boot_notification(self, **_: Any) -> Any:
        return call_result.BootNotification(
            current_time=datetime.now(UTC).isoformat(), interval=300, status=RegistrationStatus.accepted
        )

    @on(Action.heartbeat)
    def on_heartbeat(self) -> Any:
        return call_result.Heartbeat(current_time=datetime.now(UTC).isoformat())

    @on(Action.status_notification)
    def on_status_notification(self, **_: Any) -> Any:
        return call_result.StatusNotification()

    @on(Action.meter_values)
    def on_meter_values(self, **_: Any) -> Any:
        return call_result.MeterValues()

    @on(Action.authorize)
    def on_authorize(self, **_: Any) -> Any:
        return call_result.Authorize(id_tag_info=ACCEPTED)

    @on(Action.start_transaction)
    def on_start_transaction(self, **_: Any) -> Any:
        return call_result.StartTransaction(transaction_id=next(transaction_ids), id_tag_info=ACCEPTED)

    @on(Action.stop_transaction)
    def on_stop_transaction(self, **_: Any) -> Any:
        return call_result.StopTransaction()


async def on_connect(connection: websockets.ServerConnection) -> None:
    assert connection.request is not None
    charge_point = ChargePoint(connection.request.path.strip("/"), connection)
    with contextlib.suppress(websockets.ConnectionClosed):
        await charge_point.start()


async def main(port: int) -> None:
    server = await websockets.serve(on_connect, "127.0.0.1", port, subprotocols=[websockets.Subprotocol("ocpp1.6")])
    print("{}", flush=True)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
