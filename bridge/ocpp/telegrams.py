"""MeterValues of OCPP 1.6 as nearly every station sends them: read without a parser.

A meter reports the same measurands each time, so that two of its messages differ in their numbers alone. One that is
like an earlier one, which was decoded and checked (`typed`), is therefore as good as that one; what its values are
stands between the same texts, and mostly at the same places, counted from its end.
"""

import re
from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, TypeVar

import msgspec

from bridge.ocpp.frames import CALL
from bridge.ocpp.typed import CallDecoder, moment

MAX_SHAPES = 500  # kinds of telegrams that are remembered; a fleet has some dozens
MAX_SAMPLES = 100  # of a telegram that is remembered: 22 measurands, of three phases where there are any
MAX_TEXT = 16_000  # characters of a message of which that is remembered which others may be like
MAX_CUTS = 50_000  # pieces that forms have in all: a kind has several, as its numbers have more or fewer digits
MAX_ALIKE = 4  # forms of the same length, so that what is like none costs no more than these
MISSES, WORTH, RESTS = 1_000, 4, 20_000  # after so many, unless there were as many hits for each, none for a while

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
Known = TypeVar("Known")
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


class Shape(NamedTuple):
    """What is the same in telegrams that are alike. between: what stands before, between and behind their values."""

    kinds: Kinds
    between: tuple[str, ...]


class Form(NamedTuple):
    """How the text of a telegram is laid out behind its head. cut: its pieces, by turns what is the same in all that
    are alike and values, each with as many characters.
    """

    cut: Callable[[str], tuple[str, ...]]
    shape: Shape


class Forms:
    """Those that are known, by the length of what stands behind the head. `hits` counts what they were of use for:
    where values have now more and now fewer digits, there are too many forms to find the right one.
    """

    def __init__(self) -> None:
        self.alike: dict[int, tuple[Form, ...]] = {}
        self.hits = 0
        self._misses = self._resting = self._cuts = 0

    def learn(self, length: int, shape: Shape, texts: Sequence[str]) -> None:
        """Takes note of the form of a telegram that was like none. length: of what stands behind its head."""
        if self._resting:
            self._resting -= 1
            return
        self._misses += 1
        if self._misses >= MISSES:
            few = self.hits < WORTH * self._misses
            self._resting = RESTS if few else 0
            self.hits = self._misses = 0
            self._forget()
            return
        cuts = 2 * len(texts) + 1
        if self._cuts + cuts > MAX_CUTS:
            self._forget()
        alike = self.alike.get(length, ())
        if len(alike) < MAX_ALIKE:
            self._cuts += cuts
            self.alike[length] = (*alike, Form(_cut(length, shape, texts), shape))

    def _forget(self) -> None:
        """Stations come and go: what was learned first is not what is always needed."""
        self.alike.clear()
        self._cuts = 0


def _cut(length: int, shape: Shape, texts: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    edges = [-length]
    for between, value in zip(shape.between, texts, strict=False):
        edges.append(edges[-1] + len(between))
        edges.append(edges[-1] + len(value))
    return itemgetter(*map(slice, edges, [*edges[1:], None]))


def telegram_decoder(decode: CallDecoder) -> CallDecoder:
    """What decodes MeterValues to a Telegram, where `decode` (typed) makes structs of them.

    It raises as `decode` does, and ValueError for what is no telegram: several meterValues in one message, a field
    behind them, or a value that is no plain number.
    """
    forms = Forms()
    shapes: dict[tuple[str, ...], Shape] = {}
    known: dict[tuple[Any, ...], Kinds] = {}

    def telegram(text: str) -> tuple[int, str, str, Telegram]:
        if " " in text or "\n" in text or "\r" in text or "\t" in text:  # as Python's json writes it
            text = msgspec.json.format(text, indent=-1)
        head = _HEAD.match(text)
        if head is None:
            return _decoded(decode(text), text, known)
        length = len(text) - head.end()
        for cut, shape in forms.alike.get(length, ()):
            pieces = cut(text)
            if pieces[::2] == shape.between:
                forms.hits += 1
                return _like(shape.kinds, head, pieces[1::2], text)
        parts = _VALUE.split(text[-length:])
        found = shapes.get(words := tuple(parts[::2]))
        if found is None:
            call = _decoded(decode(text), text, known)
            kinds = call[3].kinds
            # A key that comes twice makes more values than samples, or a second array.
            as_many = len(kinds) == len(parts) // 2
            if as_many and "\\" not in text and text.endswith(_END) and len(text) <= MAX_TEXT:
                _bound(shapes)[words] = Shape(kinds, _between(words))
            return call
        texts = tuple(parts[1::2])
        forms.learn(length, found, texts)
        return _like(found.kinds, head, texts, text)

    return telegram


def _between(words: Sequence[str]) -> tuple[str, ...]:
    """What _VALUE has split, with what it takes away around the values."""
    last = len(words) - 1
    return tuple('"' * (at > 0) + each + '"value":"' * (at < last) for at, each in enumerate(words))


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
        kinds = _bound(known)[plain] = Kinds(plain)
    number = None if payload.transactionId is msgspec.UNSET else payload.transactionId
    raw = text[array + len(_ARRAY) : -2]
    return (
        CALL,
        message_id,
        action,
        Telegram(payload.connectorId, number, float(meter_value.timestamp), kinds, texts, raw),
    )


def _bound(found: dict[Any, Known]) -> dict[Any, Known]:
    if len(found) >= MAX_SHAPES:
        found.clear()
    return found
