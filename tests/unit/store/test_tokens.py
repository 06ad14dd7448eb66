"""The token list: what is found for a station's token, and that an edit of another process counts at once."""

import pytest

from bridge.api import Token
from bridge.store import Store

PLAIN = Token(id_token="04A2B3C4")
FULL = Token(
    id_token="DE*ABC*1",
    id_token_type="eMAID",
    parent_id_token="FLEET",
    parent_id_token_type="Local",
    expiry=1_800_000_000.125,
    areas=("Depot/Hall 1", "Yard, north"),
    blocked=True,
    note="Anna's \N{LATIN SMALL LETTER A WITH DIAERESIS}",
)
CARD, KEY = (Token(id_token="1234", id_token_type=kind) for kind in ("ISO14443", "KeyCode"))


@pytest.fixture
def put(store, path):
    def put(*tokens: Token, replace: bool = False) -> None:
        with Store.edit(path) as editor:
            editor.put_tokens(tokens, replace=replace)

    return put


async def test_tokens_come_back_as_they_were_put(store, put, path, reopen):
    put(FULL, PLAIN)
    await store.close()
    assert reopen().find_token("04A2B3C4") == PLAIN
    with Store.peek(path) as reader:
        assert list(reader.tokens()) == [PLAIN, FULL]


def test_a_token_is_found_whatever_its_case(store, put):
    put(PLAIN, FULL)
    assert store.find_token("04a2b3c4") == PLAIN
    assert store.find_token("de*abc*1", "EMAID") == FULL
    assert store.find_token("04A2B3C") is None


def test_a_token_put_again_in_another_case_takes_the_place_of_the_first(store, put, path):
    put(PLAIN)
    put(Token(id_token="04a2b3c4", blocked=True))
    with Store.peek(path) as reader:
        assert list(reader.tokens()) == [Token(id_token="04a2b3c4", blocked=True)]


@pytest.mark.parametrize(
    ("listed", "kind", "found"),
    [
        ([PLAIN], "ISO14443", PLAIN),
        ([CARD, KEY], "keycode", KEY),
        ([CARD], "KeyCode", None),
        ([CARD, Token(id_token="1234")], "ISO14443", CARD),
        ([CARD, Token(id_token="1234")], "KeyCode", Token(id_token="1234")),
        ([CARD], "", CARD),
        ([CARD, KEY], "", None),
        ([CARD, KEY, Token(id_token="1234")], "", Token(id_token="1234")),
    ],
)
def test_the_kind_of_a_token_decides_which_is_meant(store, put, listed, kind, found):
    """ "": a 1.6 station, which names none."""
    put(*listed)
    assert store.find_token(listed[0].id_token, kind) == found


def test_an_edit_beside_the_bridge_counts_with_the_next_question(store, put, path):
    put(PLAIN)
    assert store.find_token("04A2B3C4") == PLAIN
    put(Token(id_token="04A2B3C4", blocked=True))
    assert store.find_token("04A2B3C4") == Token(id_token="04A2B3C4", blocked=True)
    with Store.edit(path) as editor:
        assert editor.remove_token("04a2b3c4")
        assert not editor.remove_token("04a2b3c4")
    assert store.find_token("04A2B3C4") is None


def test_replacing_leaves_nothing_of_the_list_before(store, put, path):
    put(PLAIN, FULL)
    put(CARD, replace=True)
    with Store.peek(path) as reader:
        assert list(reader.tokens()) == [CARD]


def test_tokens_that_cannot_all_be_stored_leave_the_list_as_it_was(store, put, path):
    put(PLAIN)

    def broken():
        yield CARD
        raise KeyError("the second one")

    with Store.edit(path) as editor, pytest.raises(KeyError):
        editor.put_tokens(broken(), replace=True)
    with Store.peek(path) as reader:
        assert list(reader.tokens()) == [PLAIN]
