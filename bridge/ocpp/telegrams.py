"""MeterValues of OCPP 1.6 as nearly every station sends them: read without a parser.

A meter reports the same measurands each time, so that two of its messages differ in their numbers alone. One that is
like an earlier one, which was decoded and checked (`typed`), is therefore as good as that one; what its values are
stands at the same places, counted from its end.
"""

import re
from collections.abc import Callable, Iterable
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import msgspec

from bridge.ocpp.frames import CALL
from bridge.ocpp.typed import CallDecoder, moment

MAX_SHAPES = 1_000  # kinds of telegrams that are remembered; a fleet has some dozens
MAX_FORMS = 2_000  # that are remembered; a kind has several, as its numbers have more or fewer digits
MAX_ALIKE = 4  # of them with the same length, so that what is like none costs no more than these
MAX_SAMPLES = 100  # of a telegram that is remembered: 22 measurands, of three phases where there are any
MAX_TEXT = 32_000  # characters of a message of which that is remembered which others may be like

# No text has an escape in it, so that every quote begins or ends one.
_TEXT = r'[^"\\\x00-\x1f]'
_HEAD = re.compile(
    rf'\[2,"({_TEXT}{{1,36}})","MeterValues",\{{"connectorId":(0|[1-9][0-9]{{0,8}})'
    r'(?:,"transactionId":(-?(?:0|[1-9][0-9]{0,8})))?,'
    rf'"meterValue":\[\{{"timestamp":"({_TEXT}+)","sampledValue":\[\{{'
)
_VALUE = re.compile(rf'"value":"({_TEXT}*)"')
#: all values of a telegram, one behind the other: digits as Python and everybody else reads them
_are_numbers = re.compile(r"[-+.0-9eE]*").fullmatch
_ARRAY = '"meterValue":'
#: behind the last sampled value there is nothing more
_END = "}]}]}]"
#: a NamedTuple's own constructor is a Python function and costs three times as much
_new = tuple.__new__
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
    texts: the values of its sampled values, of nothing but digits, signs, points and exponents. raw: the JSON of the
    array meterValue.
    """

    connector: int
    transaction: int | None
    time: float
    kinds: Kinds
    texts: tuple[str, ...]
    raw: str


class Form(NamedTuple):
    """How the text of a telegram is laid out behind its head. cut: its pieces, values and what stands between them;
    between: those pieces that are always the same.
    """

    cut: Callable[[str], tuple[str, ...]]
    between: tuple[str, ...]
    kinds: Kinds


class Forms:
    """Those that are known, by the length of what stands behind the head."""

    def __init__(self) -> None:
        self.alike: dict[int, tuple[Form, ...]] = {}
        self._missed = 0  # since they were forgotten

    def learn(self, text: str, length: int, kinds: Kinds) -> None:
        """Takes note of a telegram's form, unless it is an odd one. length: of what stands behind its head."""
        if "\\" in text or not text.endswith(_END) or len(text) > MAX_TEXT:
            return
        values = [found.span(1) for found in _VALUE.finditer(text, len(text) - length)]
        if len(values) != len(kinds):  # a key that comes twice makes more values than samples, or a second array
            return
        self._missed += 1
        if self._missed > MAX_FORMS:  # stations come and go: what was learned first is not what is always needed
            self.alike.clear()
            self._missed = 0
        alike = self.alike.get(length, ())
        if len(alike) < MAX_ALIKE:
            self.alike[length] = (*alike, _form(text, length, values, kinds))


def _form(text: str, length: int, values: Iterable[tuple[int, int]], kinds: Kinds) -> Form:
    edges = [-length, *(edge - len(text) for span in values for edge in span)]
    cut = itemgetter(*map(slice, edges, [*edges[1:], None]))
    return Form(cut, cut(text)[::2], kinds)


def telegram_decoder(decode: CallDecoder) -> CallDecoder:
    """What decodes MeterValues to a Telegram, where `decode` (typed) makes structs of them.

    It raises as `decode` does, and ValueError for what is no telegram: several meterValues in one message, a field
    behind them, or a value that is no plain number.
    """
    forms = Forms()
    alike = forms.alike
    known: dict[tuple[Any, ...], Kinds] = {}

    def telegram(text: str) -> tuple[int, str, str, Telegram]:
        if " " in text or "\n" in text or "\r" in text or "\t" in text:  # as Python's json writes it
            text = msgspec.json.format(text, indent=-1)
        head = _HEAD.match(text)
        if head is None:
            return _decoded(decode(text), text, known)
        length = len(text) - head.end()
        for cut, between, kinds in alike.get(length, ()):
            pieces = cut(text)
            if pieces[::2] == between:
                return _like(kinds, head, pieces[1::2], text)
        call = _decoded(decode(text), text, known)
        forms.learn(text, length, call[3].kinds)
        return call

    return telegram


def _like(kinds: Kinds, head: re.Match[str], texts: tuple[str, ...], text: str) -> tuple[int, str, str, Telegram]:
    """A message that is like an earlier one but for what is in its head and for its values."""
    if not _are_numbers("".join(texts)):
        raise ValueError("no telegram")
    message_id, connector, transaction, time = head.groups()
    number = None if transaction is None else int(transaction)
    raw = text[head.start(4) - _BEFORE_TIME : -2]
    return (
        CALL,
        message_id,
        "MeterValues",
        _new(Telegram, (int(connector), number, float(moment(time)), kinds, texts, raw)),
    )


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
    texts = tuple([sample.value for sample in samples])
    if len(samples) > MAX_SAMPLES or not _are_numbers("".join(texts)):
        raise ValueError("no telegram")
    plain = tuple(map(_kind_of, samples))
    kinds = known.get(plain)
    if kinds is None:
        if len(known) >= MAX_SHAPES:
            known.clear()
        kinds = known[plain] = Kinds(plain)
    number = None if payload.transactionId is msgspec.UNSET else payload.transactionId
    raw = text[array + len(_ARRAY) : -2]
    return (
        CALL,
        message_id,
        action,
        Telegram(payload.connectorId, number, float(meter_value.timestamp), kinds, texts, raw),
    )
