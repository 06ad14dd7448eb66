"""MeterValues of OCPP 1.6 as nearly every station sends them: read without a parser.

A meter reports the same measurands each time, so that two of its messages differ in their numbers alone. One that is
like an earlier one, which was decoded and checked (`typed`), is therefore as good as that one; what its values are
stands between the same texts.
"""

import re
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from bridge.ocpp.frames import CALL
from bridge.ocpp.typed import CallDecoder, moment

MAX_SHAPES = 1_000  # that are remembered; a fleet has some dozens
MAX_SAMPLES = 100  # of a telegram that is remembered: 22 measurands, of three phases where there are any
MAX_TEXT = 32_000  # characters of a message of which that is remembered which others may be like

# No text has an escape in it, so that every quote begins or ends one.
_TEXT = r'[^"\\\x00-\x1f]'
_HEAD = re.compile(
    rf'\[2,"({_TEXT}{{1,36}})","MeterValues",\{{"connectorId":(0|[1-9][0-9]{{0,8}})'
    r'(?:,"transactionId":(-?(?:0|[1-9][0-9]{0,8})))?,'
    rf'"meterValue":\[\{{"timestamp":"({_TEXT}+)","sampledValue":\[\{{(.*)',
    re.DOTALL,
)
_VALUE = re.compile(rf'"value":"({_TEXT}*)"')
_ARRAY = '"meterValue":'
#: behind the last sampled value there is nothing more
_END = "}]}]}]"
_kind_of = attrgetter("measurand", "phase", "location", "unit", "format")
_BEFORE_TIME = len('[{"timestamp":"')


class Kinds(tuple[tuple[Any, ...], ...]):
    """What the sampled values of a telegram are, in order: measurand, phase, location, unit, format, each UNSET where
    it is not there. One for all telegrams that are alike, and equal to nothing else.
    """

    __slots__ = ()
    __hash__ = object.__hash__
    __eq__ = object.__eq__


class Telegram(NamedTuple):
    """A MeterValues with one meterValue. transaction: its transactionId, None where it names none. time: Unix seconds.
    texts: the values of its sampled values. raw: the JSON of the array meterValue.
    """

    connector: int
    transaction: int | None
    time: float
    kinds: Kinds
    texts: list[str]
    raw: str


def telegram_decoder(decode: CallDecoder) -> CallDecoder:
    """What decodes MeterValues to a Telegram, where `decode` (typed) makes structs of them.

    It raises as `decode` does, and ValueError for what is no telegram: several meterValues in one message, or a field
    behind them.
    """
    shapes: dict[tuple[str, ...], Kinds] = {}
    known: dict[tuple[Any, ...], Kinds] = {}

    def telegram(text: str) -> tuple[int, str, str, Telegram]:
        if " " in text or "\n" in text or "\r" in text or "\t" in text:  # as Python's json writes it
            text = msgspec.json.format(text, indent=-1)
        parts = _VALUE.split(text)
        head = _HEAD.fullmatch(parts[0])
        if head is None:
            return _decoded(decode(text), text, known)
        message_id, connector, transaction, time, parts[0] = head.groups()
        kinds = shapes.get(shape := tuple(parts[::2]))
        if kinds is None:
            call = _decoded(decode(text), text, known)
            # A key that comes twice makes more values than samples, or a second array.
            as_many = len(call[3].kinds) == len(parts) // 2
            if as_many and "\\" not in text and text.endswith(_END) and len(text) <= MAX_TEXT:
                _bound(shapes)[shape] = call[3].kinds
            return call
        number = None if transaction is None else int(transaction)
        raw = text[head.start(4) - _BEFORE_TIME : -2]
        return (
            CALL,
            message_id,
            "MeterValues",
            Telegram(int(connector), number, float(moment(time)), kinds, parts[1::2], raw),
        )

    return telegram


def _decoded(
    call: tuple[int, str, str, Any], text: str, known: dict[tuple[Any, ...], Kinds]
) -> tuple[int, str, str, Telegram]:
    """The same of a message that was decoded to structs."""
    _, message_id, action, payload = call
    array = text.rfind(_ARRAY)
    if len(payload.meterValue) != 1 or array < 0 or not text.endswith("]}]"):
        raise ValueError("no telegram")
    (meter_value,) = payload.meterValue
    samples = meter_value.sampledValue
    if len(samples) > MAX_SAMPLES:
        raise ValueError("no telegram")
    plain = tuple(map(_kind_of, samples))
    kinds = known.get(plain)
    if kinds is None:
        kinds = _bound(known)[plain] = Kinds(plain)
    number = None if payload.transactionId is msgspec.UNSET else payload.transactionId
    raw, texts = text[array + len(_ARRAY) : -2], [sample.value for sample in samples]
    return (
        CALL,
        message_id,
        action,
        Telegram(payload.connectorId, number, float(meter_value.timestamp), kinds, texts, raw),
    )


def _bound(shapes: dict[Any, Kinds]) -> dict[Any, Kinds]:
    if len(shapes) >= MAX_SHAPES:
        shapes.clear()
    return shapes
