"""`ocpp-bridge tokens`: what it says, what is in the list afterwards, and what a file must look like."""

import json

import pytest

from bridge.api import Token
from bridge.store import Store
from tests.unit.cli.helpers import Ended, ocpp_bridge, rows

NOBODY_ASKS = "note: [handlers] scripts does not name token_list.py, which asks the token list\n"
FILE = """\
id_token,id_token_type,parent_id_token,parent_id_token_type,expiry,areas,blocked,note
04A2B3C4,,FLEET,Central,2026-12-31T12:00:00.000Z,Depot/Hall 1;Yard,false,"Anna, van 1"
1234,KeyCode,,,,,true,
"""


@pytest.fixture
def tokens(project):
    """Runs `ocpp-bridge tokens …` on a project whose bridge has never run."""
    config = project.folder / "config.toml"
    text = config.read_text("utf-8").replace('["default.py"]', '["token_list.py", "default.py"]')
    config.write_text(
        text + '\n[[station]]\nid = "CP1"\narea = "Depot/Hall 1"\n[[station]]\nid = "CP2"\narea = "Yard"\n'
    )

    def run(*arguments, **options):
        return ocpp_bridge("tokens", *arguments, "--project", project.folder, **options)

    return run


@pytest.fixture
def listed(project):
    def listed():
        with Store.peek(project.folder / "bridge.db") as reader:
            return list(reader.tokens())

    return listed


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "cards.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_token_is_added_before_the_bridge_has_run(tokens, listed):
    ended = tokens("add", "04A2B3C4", "--parent", "FLEET", "--expiry", "2026-12-31", "--area", "Yard", "--note", "Anna")
    assert ended == Ended(0, "04A2B3C4: added\n", "")
    assert listed() == [
        Token(id_token="04A2B3C4", parent_id_token="FLEET", expiry=1_798_675_200.0, areas=("Yard",), note="Anna")
    ]


def test_adding_a_token_again_changes_what_is_given_and_nothing_else(tokens, listed):
    tokens("add", "04A2B3C4", "--parent", "FLEET", "--expiry", "2026-12-31", "--area", "Yard", "--type", "ISO14443")
    assert tokens("add", "04a2b3c4", "--blocked").out == "04A2B3C4: changed\n"
    kept = {"id_token": "04A2B3C4", "id_token_type": "ISO14443", "parent_id_token": "FLEET"}
    assert listed() == [Token(**kept, expiry=1_798_675_200.0, areas=("Yard",), blocked=True)]
    tokens("add", "04A2B3C4", "--not-blocked", "--expiry", "", "--area", "")
    assert listed() == [Token(**kept)]


def test_a_token_of_several_kinds_is_changed_only_when_the_kind_is_said(tokens, listed):
    tokens("add", "1234", "--type", "KeyCode")
    tokens("add", "1234", "--type", "ISO14443")
    for command in (["add", "1234", "--blocked"], ["remove", "1234"]):
        ended = tokens(*command)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == "token 1234: is in the list as ISO14443, KeyCode: say which with --type\n"
    assert tokens("remove", "1234", "--type", "keycode").code == 0
    assert [token.id_token_type for token in listed()] == ["ISO14443"]


def test_a_token_is_removed(tokens, listed):
    tokens("add", "04A2B3C4")
    assert tokens("remove", "04a2b3c4") == Ended(0, "04A2B3C4: removed\n", "")
    assert listed() == []
    ended = tokens("remove", "04A2B3C4")
    assert (ended.code, ended.out, "`ocpp-bridge tokens list`" in ended.err) == (2, "", True)


def test_every_mistake_in_an_added_token_is_named(tokens):
    ended = tokens("add", "K\u00e4rtchen", "--type", "RFID", "--expiry", "soon", "--area", "Depot//1")
    assert (ended.code, ended.out) == (2, "")
    places = [line.split(": ")[1] for line in ended.err.splitlines()]
    assert places == ["id_token", "id_token_type", "expiry", "areas"]
    assert "expected ISO 8601 such as 2026-12-31T12:00:00Z, found 'soon'" in ended.err


def test_what_leaves_a_token_without_effect_is_said(project):
    ended = ocpp_bridge("tokens", "add", "04A2B3C4", "--area", "Dpeot", "--project", project.folder)
    assert ended == Ended(0, "04A2B3C4: added\n", NOBODY_ASKS + "note: no [[station]] is in the area Dpeot\n")


def test_an_area_above_a_station_is_one_of_its_areas(tokens):
    assert tokens("add", "04A2B3C4", "--area", "Depot").err == ""


def test_a_file_is_imported_and_exported_as_it_was(tokens, file, listed):
    assert tokens("import", file(FILE)).out.endswith("cards.csv: 2 tokens imported\n")
    assert listed()[0].areas == ("Depot/Hall 1", "Yard")
    exported = tokens("export")
    assert exported.out == FILE
    assert tokens("import", "-", "--replace", stdin=exported.out) == Ended(0, "stdin: 2 tokens imported\n", "")
    assert tokens("export") == exported


def test_the_list_is_printed_in_every_format(tokens, file):
    tokens("import", file(FILE))
    assert [row["note"] for row in rows(tokens("list", "--format", "csv"))] == ["Anna, van 1", ""]
    assert json.loads(tokens("list", "--format", "json").out)[1] == {
        "id_token": "1234",
        "id_token_type": "KeyCode",
        "parent_id_token": "",
        "parent_id_token_type": "",
        "expiry": None,
        "areas": "",
        "blocked": True,
        "note": "",
    }
    assert "Anna, van 1" in tokens("list").out


def test_an_import_adds_to_the_list_and_replaces_it_only_when_asked(tokens, file, listed):
    tokens("add", "OLD")
    tokens("import", file("id_token\nNEW\n"))
    assert [token.id_token for token in listed()] == ["NEW", "OLD"]
    tokens("import", file("id_token\nNEW\n"), "--replace")
    assert [token.id_token for token in listed()] == ["NEW"]


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbfid_token;expiry;areas;blocked\r\n04A2;2026-12-31;"Depot/Hall 1;Yard";TRUE\r\n;;;\r\n',
        b"Blocked, expiry ,ID_TOKEN,areas\nTrue,2026-12-31 00:00, 04A2 ,Depot/Hall 1; Yard\n\n",
    ],
    ids=["spreadsheet", "by hand"],
)
def test_files_as_people_and_spreadsheets_write_them_are_understood(tokens, file, listed, content):
    assert tokens("import", file(content)).code == 0
    [token] = listed()
    assert token == Token(id_token="04A2", expiry=1_798_675_200.0, areas=("Depot/Hall 1", "Yard"), blocked=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "line 1: expected a heading with id_token and any of id_token_type,"),
        ("04A2\n", "line 1: expected a heading"),
        ("id_token,parent_id_tokn\n", "line 1: unknown column 'parent_id_tokn'; did you mean parent_id_token?"),
        ("id_token,note,note\n", "line 1: a second column note"),
        ("id_token\nA\n\nB,x\n", "line 4: expected 1 columns, found 2"),
        ("id_token,note\n,Anna\n", "line 2, column id_token: expected 1 to 255 printable ASCII characters, found ''"),
        ("id_token,expiry\nA,31.12.2026\n", "line 2, column expiry: expected ISO 8601"),
        ("id_token,blocked\nA,no\n", "line 2, column blocked: expected true or false, found 'no'"),
        ("id_token,areas\nA,Yard;\n", "line 2, column areas: expected areas such as"),
        ("id_token,id_token_type\nA,RFID\n", "line 2, column id_token_type: expected one of Central,"),
        ("id_token\nabc\nX\nABC\n", "line 4, column id_token: ABC stands in line 2 already"),
        ("id_token\nA\n1.23457E+12\n", "line 3, column id_token: expected the token's own id, found '1.23457E+12'"),
        ("id_token;note\n1,2E+15;x\n", "line 2, column id_token: expected the token's own id"),
        ("id_token,parent_id_token\nA,1E+05\n", "line 2, column parent_id_token: expected the token's own id"),
        ("id_token,note\n", "has no tokens, so the list would be empty; --empty if it is meant"),
        (b"id_token\n\xff\n", "byte 9: not UTF-8"),
        ('id_token\n"A\n', "line 2: not CSV: "),
    ],
)
def test_a_mistake_in_a_file_is_named_and_nothing_of_the_file_imported(tokens, file, listed, content, said):
    tokens("add", "OLD")
    path = file(content)
    ended = tokens("import", path, "--replace")
    assert (ended.code, ended.out) == (2, "")
    assert f"{path}: {said}" in ended.err
    assert [token.id_token for token in listed()] == ["OLD"]


def test_a_list_is_emptied_by_a_file_without_tokens_only_where_that_is_meant(tokens, file, listed):
    tokens("add", "OLD")
    assert tokens("import", file("id_token\n")).code == 0
    assert len(listed()) == 1
    assert tokens("import", file("id_token\n"), "--replace", "--empty").out.endswith(": 0 tokens imported\n")
    assert listed() == []


def test_ids_with_an_e_in_them_are_ids(tokens, file, listed):
    tokens("import", file("id_token\n1234E567\nE+5\n04E2B3\n"))
    assert len(listed()) == 3


def test_all_mistakes_of_a_file_are_named_up_to_a_page_of_them(tokens, file):
    ended = tokens("import", file("id_token,blocked\n" + "A,maybe\n" * 60))
    lines = ended.err.splitlines()
    assert (len(lines), lines[1].rsplit(": ", 1)[0][-22:]) == (51, "line 3, column blocked")
    assert lines[-1].endswith("10 more mistakes")


def test_the_list_changes_beside_a_running_bridge(tokens, project):
    store = Store.open(project.folder / "bridge.db")
    try:
        assert tokens("add", "04A2B3C4").code == 0
        assert store.find_token("04a2b3c4") == Token(id_token="04A2B3C4")
        tokens("remove", "04A2B3C4")
        assert store.find_token("04a2b3c4") is None
    finally:
        store.close_sync()


def test_a_list_that_nobody_has_made_is_asked_for_in_vain(tokens):
    ended = tokens("list")
    assert (ended.code, "no store yet" in ended.err) == (2, True)


def test_a_file_that_is_not_there_is_named(tokens, tmp_path):
    ended = tokens("import", tmp_path / "none.csv")
    assert (ended.code, ended.err) == (2, f"{tmp_path / 'none.csv'}: cannot be read: No such file or directory\n")
