"""A bridge without its servers: tree, scripts and stations on a store that nobody keeps."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from bridge.api import Token
from bridge.config import Config
from bridge.errors import StoreError
from bridge.points.rows import Value
from bridge.points.table import load_table
from bridge.points.tree import Group, Tree
from bridge.project import Project
from bridge.scripting.build import build_runner
from bridge.station.context import Context
from bridge.station.model import bridge_layout, build_models
from bridge.station.profiles.load import load_profiles
from bridge.station.registry import Stations
from bridge.store import Reader, Store
from bridge.store.records import StationRecord

CALL_TIMEOUT = 3600.0  # s; a recorded station answers when its line comes


class World:
    """What a recording is run through. `now` is its clock, `failures` what its scripts failed with."""

    def __init__(self, project: Project, config: Config, folder: Path) -> None:
        """`folder` is an empty one, for the store. Raises ProjectError."""
        self.now = 0.0
        self.failures: list[str] = []
        table = load_table(project.datapoints())
        assigned = [station.profile for station in config.station]
        profiles = load_profiles(project.profiles(), table.measurands, assigned, str(project.config_file))
        ocpp = config.ocpp.model_copy(update={"call_timeout": CALL_TIMEOUT})
        handlers = config.handlers.model_copy(update={"isolation": "inline"})  # nobody else is to be protected here
        config = config.model_copy(update={"ocpp": ocpp, "handlers": handlers})
        self._models, self._config, self._profiles = build_models(table), config, profiles
        self.tree = Tree(bridge_layout(table), config.ocpp.max_clock_skew)
        self._changed: dict[str, Value] = {}
        self.tree.listeners.append(self._note)
        self._tokens = _tokens_of(project.resolve(config.store.path))
        self.store = Store.open(folder / "replay.db")
        self.runner = build_runner(
            project,
            config,
            self.tree,
            table.enumerations["FileState"],
            {"tokens.find": self._find_token},
            clock=self._clock,
            on_failure=self.failures.append,
            replaced=self.failures.append,
        )
        self.stations: Stations
        self.context = Context(self.tree, self.store, self.runner, ocpp, self._clock, monotonic=self._clock)

    async def start(self, records: Iterable[StationRecord]) -> None:
        """Loads the scripts, and the stations as they were known. Raises ProjectError, StoreError."""
        await self.runner.start()
        for record in records:
            await self.store.put_station(record)
        self.stations = Stations(self.context, self._config, self._models, self._profiles)
        self.stations.load()
        self._changed.clear()

    async def stop(self) -> None:
        """Ends what still runs."""
        background = list(self.context.background)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await self.runner.stop()
        await self.store.close()
        if self._tokens is not None:
            self._tokens.close()

    def changes(self) -> dict[str, Value]:
        """The points of stations that have changed since this was asked last, by their paths."""
        found, self._changed = self._changed, {}
        return found

    def _clock(self) -> float:
        return self.now

    def _note(self, group: Group, slots: list[int]) -> None:
        if group.station is None:
            return
        for slot in slots:
            self._changed[f"{group.path}.{group.row(slot).key}"] = group.sample(slot).value

    async def _find_token(self, id_token: str, id_token_type: str) -> Token | None:
        return None if self._tokens is None else self._tokens.find_token(id_token, id_token_type)


def _tokens_of(path: Path) -> Reader | None:
    """The project's own store, of which only the list of tokens is read."""
    with suppress(StoreError):
        return Store.peek(path) if path.is_file() else None
    return None
