"""MeterValues that are like earlier ones: read without a parser, to the same as with one, whatever they are."""

import json
import string
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.ocpp.schemas import schemas
from bridge.ocpp.telegrams import (
    MAX_CUTS,
    MAX_SAMPLES,
    MAX_SHAPES,
    MISSES,
    RESTS,
    Forms,
    Kinds,
    Shape,
    telegram_decoder,
)
from bridge.ocpp.typed import call_decoder
from bridge.ocpp.versions import VERSIONS

PARSE = call_decoder("MeterValues", schemas(VERSIONS["1.6"]).request("MeterValues"))
NOON = "2026-11-21T12:00:00Z"
SAMPLES: list[dict[str, str]] = [
    {"value": "1234.5", "measurand": "Energy.Active.Import.Register", "unit": "kWh", "context": "Sample.Periodic"},
    {"value": "230", "measurand": "Voltage", "phase": "L1-N", "unit": "V"},
    {"value": "7"},
]


def text_of(samples: Any = SAMPLES, message_id: str = "m1", stamp: str = NOON, **fields: Any) -> str:
    payload = {"connectorId": 1, "transactionId": 5, **fields}
    payload["meterValue"] = [{"timestamp": stamp, "sampledValue": samples}]
    return json.dumps([2, message_id, "MeterValues", payload], separators=(",", ":"))


def told(decode: Any, text: str) -> Any:
    """What a text is decoded to; None for one that goes the ordinary way."""
    try:
        return decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def parsed(text: str) -> Any:
    """The same by a decoder that has seen nothing before."""
    return told(telegram_decoder(PARSE), text)


def plain(call: Any) -> Any:
    """With the kinds by what they are: those of two decoders are never equal."""
    return call and (*call[:3], call[3]._replace(kinds=tuple(call[3].kinds)))


@pytest.fixture
def decode():
    """A decoder that knows the telegram of `text_of`."""
    decode = telegram_decoder(PARSE)
    assert decode(text_of())
    return decode


def test_a_telegram_has_what_the_message_says(decode):
    text = text_of(message_id="m2", connectorId=2, transactionId=7)
    two, message_id, action, telegram = decode(text)
    assert (two, message_id, action) == (2, "m2", "MeterValues")
    assert (telegram.connector, telegram.transaction, telegram.time) == (2, 7, 1795262400.0)
    assert telegram.texts == ("1234.5", "230", "7")
    assert telegram.raw == json.dumps(json.loads(text)[3]["meterValue"], separators=(",", ":"))
    unset = msgspec.UNSET
    assert [*telegram.kinds] == [
        ("Energy.Active.Import.Register", unset, unset, "kWh", unset),
        ("Voltage", "L1-N", unset, "V", unset),
        (unset, unset, unset, unset, unset),
    ]


def test_a_telegram_may_be_in_no_transaction(decode):
    payload = {"connectorId": 1, "meterValue": [{"timestamp": NOON, "sampledValue": SAMPLES}]}
    text = json.dumps([2, "m2", "MeterValues", payload], separators=(",", ":"))
    assert decode(text)[3].transaction is None


def test_telegrams_of_the_same_kinds_share_them_however_they_are_written(decode):
    first = decode(text_of())[3].kinds
    turned = [dict(reversed(sample.items())) for sample in SAMPLES]
    blanks = json.dumps(json.loads(text_of()))
    assert decode(text_of(turned))[3].kinds is decode(text_of(turned))[3].kinds is decode(blanks)[3].kinds is first


CHARACTERS = st.sampled_from([*string.printable, "\\", "\x00", "\x1f", "\x7f", "\x85", "\u2028", "٣", "é", "😀"])


@st.composite
def nearly(draw: st.DrawFn) -> str:
    """The text of a good telegram, in which something was taken out, put in or written twice."""
    samples = [{**sample, "value": draw(st.text(CHARACTERS, max_size=6))} for sample in SAMPLES]
    text = text_of(samples if draw(st.booleans()) else SAMPLES, draw(st.text(CHARACTERS, max_size=4)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 12)))
        new = draw(
            st.text(CHARACTERS, max_size=3) | st.sampled_from(['"value":"', '","', "},{", "]}]", text[at:end] * 2])
        )
        text = text[:at] + new + text[end:]
    return text


@given(nearly())
@example(text_of().replace('"230"', '"23\\"'))
@example(text_of().replace('"230"', '"230\x0b"'))
@example(text_of().replace(":1,", ":01,"))
@example(text_of().replace(":5,", ":5000000000,"))
@example(text_of() + " ")
@example(text_of().replace('"meterValue"', '"meterValue":[],"meterValue"'))
def test_what_is_nearly_like_an_earlier_one_is_what_a_parser_says(text):
    decode = telegram_decoder(PARSE)
    assert decode(text_of())
    found = plain(told(decode, text))
    assert found == plain(parsed(text))
    if found is not None:
        _, message_id, _, payload = json.loads(text)
        assert (message_id, payload["connectorId"]) == (found[1], found[3].connector)
        assert json.loads(found[3].raw) == payload["meterValue"]


@pytest.mark.parametrize(
    "text",
    [
        text_of(stamp="2026-11-21"),
        text_of(SAMPLES * (MAX_SAMPLES // len(SAMPLES) + 1)),
        text_of([]),
        text_of(connectorId="1"),
        text_of(more=1),
        text_of().replace(
            '"meterValue":[', '"meterValue":[{"timestamp":"' + NOON + '","sampledValue":[{"value":"1"}]},'
        ),
        json.dumps(
            [2, "m", "MeterValues", {"meterValue": [{"timestamp": NOON, "sampledValue": SAMPLES}], "connectorId": 1}]
        ),
    ],
)
def test_what_is_no_telegram_goes_the_ordinary_way(decode, text):
    assert told(decode, text) is None


def test_any_number_of_kinds_is_read(decode):
    for number in range(MAX_SHAPES + 2):
        samples = [{"value": "1", "measurand": "Voltage", "phase": f"L{1 + (number >> bit & 1)}"} for bit in range(10)]
        assert plain(decode(text_of(samples))) == plain(decode(text_of(samples))) == plain(parsed(text_of(samples)))


TWICE = [
    text_of([{"value": "20", "measurand": "Voltage"}, {"value": "7"}]).replace('"20"', '"10","value":"20"'),
    text_of().replace(
        "}]}]", '}]}],"connectorId":2,"meterValue":[{"timestamp":"' + NOON + '","sampledValue":[{"value":"3"}]}]'
    ),
]


@pytest.mark.parametrize("text", TWICE)
def test_of_two_equal_keys_the_last_one_counts_also_the_second_time(text):
    decode = telegram_decoder(PARSE)
    first = told(decode, text)
    other = text.replace('"m1"', '"m2"')
    assert plain(told(decode, other)) == plain(parsed(other))
    assert plain(told(decode, text)) == plain(first)


def test_a_long_text_is_not_remembered():
    """However often a key is written, which all count but for the last one."""
    decode, text = telegram_decoder(PARSE), text_of().replace('"unit":"V"', ",".join(['"unit":"V"'] * 20_000))
    assert plain(decode(text)) == plain(decode(text))
    assert decode(text)[3].texts == ("1234.5", "230", "7")


def test_numbers_of_any_length_are_read():
    """However many forms there are: those that are of no use are given up, and learned again."""
    decode = telegram_decoder(PARSE)
    for number in range(MISSES + 50):
        digits = 1 + number % 7, 1 + number // 7 % 11, 1 + number // 77 % 13
        samples = [{**sample, "value": "1" * count} for sample, count in zip(SAMPLES, digits, strict=True)]
        assert decode(text_of(samples))[3].texts == tuple("1" * count for count in digits)


def test_forms_take_a_bounded_room_and_rest_where_they_are_of_no_use():
    forms, shape = Forms(), Shape(Kinds([()] * 2), ("a", "b", "c"))
    for length in range(MISSES - 1):
        forms.learn(100 + length, shape, ("1", "2"))
    assert len(forms.alike) == MISSES - 1
    for _ in range(RESTS + 1):
        forms.learn(1, shape, ("1", "2"))
    assert forms.alike == {}
    forms.learn(1, shape, ("1", "2"))
    assert len(forms.alike) == 1
    many = Shape(Kinds([()] * 100), ("a",) * 101)
    for length in range(MISSES - 10):
        forms.hits += 100
        forms.learn(length, many, ("1",) * 100)
        assert sum(2 * len(form.shape.between) - 1 for alike in forms.alike.values() for form in alike) <= MAX_CUTS
