"""The points of the scripts, `Bridge.Handlers.<script>.*`, where <script> is the file's name without .py."""

import re
from collections.abc import Callable, Iterable

from bridge.points.events import Event
from bridge.points.layout import text_twin
from bridge.points.rows import Enumeration, Row, Type, Value
from bridge.points.tree import Tree, Update
from bridge.scripting.states import ScriptState

OFF = "it has failed so often that it is switched off for a while"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


class HandlerPoints:
    """Shows the states of scripts. `states` is the enumeration FileState, `clock` gives Unix seconds."""

    def __init__(self, tree: Tree, states: Enumeration, names: Iterable[str], clock: Callable[[], float]) -> None:
        self._tree = tree
        self._states = states
        self._clock = clock
        self._slots = {name: self._add(folder) for name, folder in folders(names).items()}

    def _add(self, folder: str) -> dict[str, int]:
        slots = {row.name: self._tree.bridge.extend(row) for row in _rows(f"Handlers.{folder}", self._states)}
        return {name: slot for name, slot in slots.items() if slot is not None}

    def show(self, state: ScriptState) -> None:
        """Sets the points of a script."""
        values: dict[str, Value] = {
            "State": self._states.numbers[state.state],
            "StateText": state.state,
            "LoadedAt": state.loaded_at,
            "Errors": state.errors & 0xFFFFFFFF,
            "LastError": state.last_error,
        }
        bridge, slots = self._tree.bridge, self._slots[state.name]
        if state.loaded_at is not None:
            self._tell(state, bridge.sample(slots["State"]).value, bridge.sample(slots["LoadedAt"]).value)
        updates = [
            Update(slots[name], value)
            for name, value in values.items()
            if name in slots and bridge.sample(slots[name]).value != value
        ]
        self._tree.apply(bridge, updates, self._clock())

    def passed_over(self, script: str, station: str) -> None:
        """A script is not asked about a station for a while."""
        text = f"{script} is not asked about {station} for a while: it has ended or blocked its process with it"
        self._tree.emit(Event("HandlerFailed", "", text, self._clock(), {"Script": script, "Reason": text}))

    def _tell(self, state: ScriptState, shown: Value, loaded_at: Value) -> None:
        """The events of a change. They do not say what a script raised, which may hold an id tag."""
        what, now = {"What": f"handlers/{state.name}"}, self._clock()
        if shown != self._states.numbers[state.state]:
            if state.state == "Disabled":
                fields = {"Script": state.name, "Reason": OFF}
                self._tree.emit(Event("HandlerFailed", "", f"{state.name}: {OFF}", now, fields))
            elif state.state == "Failed":
                text = f"{state.name} does not load; its last good version stays in force"
                self._tree.emit(Event("ConfigurationInvalid", "", text, now, what))
        if loaded_at is not None and loaded_at != state.loaded_at:
            self._tree.emit(Event("ConfigurationReloaded", "", f"{state.name} is loaded anew", now, what))


def folders(names: Iterable[str]) -> dict[str, str]:
    """Script → the name of its folder: what a NodeId may hold, with ~2, ~3 … where two would be alike."""
    found: dict[str, str] = {}
    for name in names:
        safe = _UNSAFE.sub("_", name.removesuffix(".py"))
        number = 1 + sum(_UNSAFE.sub("_", other.removesuffix(".py")) == safe for other in found)
        found[name] = safe if number == 1 else f"{safe}~{number}"
    return found


def _rows(folder: str, states: Enumeration) -> Iterable[Row]:
    def row(name: str, kind: Type, description: str, **more: object) -> Row:
        return Row(folder=folder, name=name, type=kind, description=description, kept=True, source="the bridge", **more)  # type: ignore[arg-type]

    state = row(
        "State",
        Type.INT32,
        "Loaded: in force as it is in its file; Failed: its file does not load, the last good version is in force; "
        "Disabled: switched off for a while, because it has failed too often",
        enumeration=states,
        initial=states.numbers["Loaded"],
    )
    return (
        state,
        text_twin(state, states.names),
        row("LoadedAt", Type.DATETIME, "When the version in force was loaded"),
        row("Errors", Type.UINT32, "Its failures since the start", initial=0),
        row("LastError", Type.STRING, "The last failure, or what is wrong with its file", initial="", personal=True),
    )
