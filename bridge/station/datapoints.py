"""Takes changes of datapoints/*.yaml while the bridge runs, as far as that is possible."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from bridge.errors import ProjectError
from bridge.points.changes import needs_restart, relabel
from bridge.points.events import Event
from bridge.points.layout import Layout
from bridge.points.rows import Value
from bridge.points.table import Table, load_table
from bridge.points.tree import Tree, Update

log = structlog.get_logger()


class Datapoints:
    """The table that is in force, and the points that say so (`Bridge.Datapoints.*`).

    `files` finds the files as they are now, `layouts` are all that the table has been made into, `clock` gives Unix
    seconds.
    """

    def __init__(
        self,
        files: Callable[[], Mapping[str, Path]],
        table: Table,
        layouts: Sequence[Layout],
        tree: Tree,
        clock: Callable[[], float],
    ) -> None:
        self._files = files
        self._table = table
        self._layouts = layouts
        self._tree = tree
        self._clock = clock
        self._show("Loaded", LoadedAt=clock())

    async def reload(self) -> None:
        """Puts what the files say now in force, or says why that has to wait."""
        try:
            table = await asyncio.to_thread(load_table, self._files())  # 75 ms
        except ProjectError as error:
            for problem in error.problems:
                log.error("datapoints.not_reloaded", file=problem.file, where=problem.where, error=problem.what)
            self._show("Failed", LastError=str(error.problems[0]))
            self._emit("ConfigurationInvalid", "datapoints/*.yaml are wrong; what was loaded stays in force")
            return
        reasons = needs_restart(self._table, table)
        if reasons:
            log.warning("datapoints.restart_needed", reasons=reasons)
            self._show("RestartNeeded", LastError=reasons[0])
            self._emit("ConfigurationInvalid", "changes of datapoints/*.yaml wait for a restart")
        elif table.rows != self._table.rows:
            relabel(self._layouts, table)
            self._table = table
            log.info("datapoints.reloaded")
            self._show("Loaded", LoadedAt=self._clock(), LastError="")
            self._emit("ConfigurationReloaded", "datapoints/*.yaml are loaded anew")
        else:
            self._show("Loaded", LastError="")

    def _emit(self, kind: str, text: str) -> None:
        self._tree.emit(Event(kind, "", text, self._clock(), {"What": "datapoints"}))

    def _show(self, state: str, **values: Value) -> None:
        values["State"] = self._table.enumerations["FileState"].numbers[state]
        bridge, now = self._tree.bridge, self._clock()
        slots = {
            slot: value for name, value in values.items() if (slot := bridge.slot(f"Datapoints.{name}")) is not None
        }
        self._tree.apply(bridge, [Update(slot, value, now) for slot, value in slots.items()], now)
