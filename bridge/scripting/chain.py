"""The scripts in order: the first answer that is not None wins, and a script that fails is passed over."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal

import structlog

from bridge.api import (
    Answer,
    Authorization,
    BootNotificationAnswer,
    DataTransferAnswer,
    Request,
    Station,
)
from bridge.scripting.host import Host, How
from bridge.scripting.losses import LOSSES, Losses
from bridge.scripting.outcome import Failure
from bridge.scripting.states import States

OnError = Literal["next", "reject"]

#: method → what `on_error = "reject"` answers in place of a script that failed
REJECTIONS: Mapping[str, Answer] = {
    "boot_notification": BootNotificationAnswer(status="Rejected"),
    "authorize": Authorization.invalid(),
    "start_transaction": Authorization.invalid(),
    "stop_transaction": Authorization.invalid(),
    "data_transfer": DataTransferAnswer(status="Rejected"),
}

log = structlog.get_logger(__name__)


class Chains:
    """Which scripts are asked about a station: its own chain, else that of its area, else everyone's.

    Of several areas that a station lies in (`Depot`, `Depot/Hall 1`) the longest counts. A chain takes the place of
    the more general one; the two are not joined.
    """

    def __init__(
        self,
        everyone: Sequence[str],
        areas: Mapping[str, Sequence[str]] | None = None,
        stations: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._everyone = tuple(everyone)
        self._areas = {area: tuple(names) for area, names in (areas or {}).items()}
        self._stations = {identity: tuple(names) for identity, names in (stations or {}).items()}

    def names(self) -> tuple[str, ...]:
        """All scripts, each once."""
        return tuple(dict.fromkeys(name for chain in self._all() for name in chain))

    def _all(self) -> Iterator[tuple[str, ...]]:
        yield self._everyone
        yield from self._areas.values()
        yield from self._stations.values()

    def of(self, station: Station) -> tuple[str, ...]:
        """The chain that is asked about this station."""
        own = self._stations.get(station.id)
        if own is not None:
            return own
        area = station.area if self._areas else ""
        while area:
            if area in self._areas:
                return self._areas[area]
            area = area.rpartition("/")[0]
        return self._everyone


class Asking:
    """Asks the scripts of a chain in order, and counts what fails. `passed_over` hears of a script and the station
    about which it is not asked for a while.
    """

    def __init__(
        self,
        chains: Chains,
        host: Host,
        states: States,
        losses: Losses,
        on_error: OnError,
        passed_over: Callable[[str, str], None],
    ) -> None:
        self._chains = chains
        self._host = host
        self._states = states
        self._losses = losses
        self._on_error = on_error
        self._passed_over = passed_over

    async def ask(self, method: str, request: Request) -> Answer | None:
        """The first script's answer to one of `RequestHandler.answers`; None: nobody decided."""
        station, losses = request.station.id, self._losses
        for name in self._chains.of(request.station):
            if not self._host.has(name, method):
                continue
            if not self._states.is_off(name) and not losses.is_off(name, station):
                careful = partial(losses.caution, name, station)
                answer, failure = await self._host.run(name, method, request, careful=careful)
                if failure is None:
                    losses.answered(name, station)
                    self._states.succeeded(name)
                    if answer is not None:
                        return answer
                    continue
                self.failed(name, method, failure, station=station)
                if losses.is_off(name, station):
                    self._note_off(name, station)  # what it has failed with has taken its place
            if self._on_error == "reject":
                return REJECTIONS[method]
        return None

    def failed(self, name: str, method: str, failure: Failure, **about: str) -> None:
        """A call, or a hook, has failed."""
        if failure.left:
            log.info("handler.left_by_its_station", script=name, method=method, **about)
            return
        log.error(
            "handler.failed",
            script=name,
            method=method,
            **about,
            error=failure.what,
            **({"exception": failure.trace} if failure.trace else {}),
        )
        if self._states.failed(name, method, failure):
            log.error("handler.disabled", script=name)

    def lost(self, suspects: Collection[tuple[str, str]], how: How) -> None:
        """One of these, of a script and a station, has cost the scripts their process."""
        self._losses.suspect(suspects)
        if how == "stuck":
            return
        pairs, scripts = self._losses.count(suspects)
        for name, station in pairs:
            log.error("handler.passed_over", script=name, station=station)
            self._note_off(name, station)
            self._passed_over(name, station)
        for name in scripts:
            log.error("handler.disabled", script=name)
            self._states.switch_off(name, "switched off for a while: it ends or blocks its process again and again")

    def _note_off(self, name: str, station: str) -> None:
        what = f"not asked about {station} for a while: it has ended or blocked its process {LOSSES} times with it"
        self._states.note(name, what)
