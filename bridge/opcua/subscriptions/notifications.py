"""NotificationMessages and Publish responses as bytes (OPC 10000-4 §7.26, §5.14.5). Pure.

What is notified is encoded already: a message joins it.
"""

from collections.abc import Collection, Sequence
from struct import Struct

from asyncua import ua

_U32, _I32, _HEAD = Struct("<I"), Struct("<i"), Struct("<IqI")
_EXTENSION = Struct("<BBHBi")  # a four-byte NodeId, a body of bytes, its length
_RESPONSE = Struct("<Ii")
_NULL_ARRAY = b"\xff\xff\xff\xff"
_NO_DIAGNOSTICS = b"\0"


def _encoding(name: str) -> int:
    return int(getattr(ua.ObjectIds, f"{name}_Encoding_DefaultBinary"))


_DATA_CHANGE = _encoding("DataChangeNotification")
_EVENTS = _encoding("EventNotificationList")
_STATUS_CHANGE = _encoding("StatusChangeNotification")


def message(number: int, ticks: int, notifications: Sequence[bytes] = ()) -> bytes:
    """A NotificationMessage with its PublishTime; without notifications a keep-alive."""
    return _HEAD.pack(number, ticks, len(notifications)) + b"".join(notifications)


def data_change(count: int, parts: Sequence[bytes]) -> bytes:
    """A DataChangeNotification: `parts` are ClientHandle and DataValue in turn, `count` notifications in all."""
    return _extension(_DATA_CHANGE, b"".join((_U32.pack(count), *parts, _NULL_ARRAY)))


def event_list(count: int, parts: Sequence[bytes]) -> bytes:
    """An EventNotificationList: `parts` are ClientHandle and EventFields in turn."""
    return _extension(_EVENTS, b"".join((_U32.pack(count), *parts)))


def status_change(code: int) -> bytes:
    """A StatusChangeNotification: the last that a client hears of its subscription."""
    return _extension(_STATUS_CHANGE, _U32.pack(code) + _NO_DIAGNOSTICS)


def _extension(type_id: int, body: bytes) -> bytes:
    return _EXTENSION.pack(1, 0, type_id, 1, len(body)) + body


def publish_response(
    subscription_id: int, available: Collection[int], more: bool, notification: bytes, results: Sequence[int]
) -> bytes:
    """What stands behind the header: `available` sequence numbers, `results` of the acknowledgements."""
    return b"".join(
        (
            _RESPONSE.pack(subscription_id, len(available)),
            *map(_U32.pack, available),
            b"\1" if more else b"\0",
            notification,
            codes(results),
            _NULL_ARRAY,
        )
    )


def codes(results: Sequence[int]) -> bytes:
    """An array of StatusCodes."""
    return _I32.pack(len(results)) + b"".join(map(_U32.pack, results))
