"""The table of rows that stations share: slots, twins, folders."""

import pytest

from bridge.points.layout import build_layout, text_twin, with_twins
from bridge.points.rows import ZEROS, Argument, Enumeration, Method, Type
from tests.unit.points.helpers import COLOURS, row


def method(folder: str, name: str = "Call") -> Method:
    argument = Argument(name="A", type=Type.INT32, description="an argument")
    return Method(folder=folder, name=name, description="a method", inputs=(argument,), outputs=())


def test_a_slot_is_the_place_in_the_table():
    layout = build_layout("station", [row("A"), row("F.B")], [row("F.C")])
    assert [layout.rows[layout.index[key]].key for key in ("A", "F.B", "F.C")] == ["A", "F.B", "F.C"]
    assert (layout.kind, layout.dense, len(layout.rows)) == ("station", 2, 3)


def test_an_enumeration_is_followed_by_the_text_that_shows_it():
    layout = build_layout("station", [row("F.Colour", enumeration=COLOURS), row("F.Other")])
    assert [point.key for point in layout.rows] == ["F.Colour", "F.ColourText", "F.Other"]
    assert layout.twins == (1, -1, -1)
    assert layout.dense == 3
    twin = layout.rows[1]
    assert (twin.type, twin.enumeration, twin.twin_of) == (Type.STRING, None, "F.Colour")
    assert twin.description == "Colour of a test, as text"


def test_a_sparse_enumeration_has_its_twin_among_the_sparse():
    layout = build_layout("station", [row("A")], [row("F.Colour", enumeration=COLOURS)])
    assert (layout.dense, layout.twins) == (1, (-1, 2, -1))


@pytest.mark.parametrize(("initial", "text"), [(1, "Green"), (None, None), (7, None)])
def test_a_twin_starts_as_the_name_of_the_first_state(initial, text):
    point = row("F.Colour", enumeration=COLOURS, initial=initial, writable=True, kept=True)
    twin = text_twin(point, COLOURS.names)
    assert (twin.initial, twin.writable, twin.kept) == (text, False, True)


def test_rows_without_enumerations_have_no_twins():
    rows = [row("A"), row("B", Type.INT32)]
    assert with_twins(rows) == tuple(rows)


def test_folders_hold_what_lies_directly_below_them_folders_first():
    layout = build_layout(
        "station",
        [row("Top"), row("F.Point"), row("F.G.Deep")],
        methods=[method("Commands.Reset")],
        descriptions={"Empty": "an empty folder", "F": "a folder"},
    )
    assert layout.folders == {
        "": (("Empty", "Empty"), ("F", "F"), ("Commands", "Commands"), ("Top", "Top")),
        "Empty": (),
        "F": (("G", "F.G"), ("Point", "F.Point")),
        "F.G": (("Deep", "F.G.Deep"),),
        "Commands": (("Reset", "Commands.Reset"),),
        "Commands.Reset": (("Call", "Commands.Reset.Call"),),
    }
    assert layout.descriptions["F"] == "a folder"
    assert layout.methods["Commands.Reset.Call"].inputs[0].name == "A"


def test_a_name_with_dots_is_one_child():
    point = row("MeterValues.Voltage")
    measurand = point.__class__(
        folder="MeterValues", name="Power.Active.Import", type=Type.DOUBLE, description="power", unit="W"
    )
    layout = build_layout("connector", [point, measurand])
    assert layout.folders["MeterValues"] == (
        ("Voltage", "MeterValues.Voltage"),
        ("Power.Active.Import", "MeterValues.Power.Active.Import"),
    )


@pytest.mark.parametrize(
    ("dense", "sparse", "key"),
    [
        ([row("A"), row("B"), row("A")], [], "A"),
        ([row("A")], [row("A")], "A"),
        ([row("ColourText"), row("Colour", enumeration=COLOURS)], [], "ColourText"),
    ],
)
def test_two_rows_with_one_key_are_refused(dense, sparse, key):
    with pytest.raises(ValueError, match=f"two rows of the station have the key {key}"):
        build_layout("station", dense, sparse)


def test_layouts_are_compared_by_identity():
    assert build_layout("station", [row("A")]) != build_layout("station", [row("A")])


def test_an_enumeration_knows_both_ways():
    assert (COLOURS.numbers["Green"], COLOURS.names[1]) == (1, "Green")
    assert len({COLOURS, Enumeration("Colour", {"Red": 0, "Green": 1})}) == 1


def test_every_type_has_a_zero_of_its_kind():
    kinds = {"Boolean": bool, "Int32": int, "UInt32": int, "Double": float, "String": str, "DateTime": float}
    assert {type_.value: type(zero) for type_, zero in ZEROS.items()} == kinds
    assert not any(ZEROS.values())
