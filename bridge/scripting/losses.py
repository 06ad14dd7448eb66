"""Which script, asked about which station, has cost it its process: ended it, or blocked it.

A good answer about another station makes nothing good here: whoever waits for a process that takes nothing up, or for
another one to start, waits for every such request anew.
"""

from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

LOSSES, WITHIN = 3, 300.0  # so many within so many seconds, and a script is not asked about a station for a while
SCRIPT_WITHIN = 60.0  # s, for a script's losses with all stations

SUSPECT, UNPROVEN = 5.0, 2.0  # s, see caution

K = TypeVar("K")
Pair = tuple[str, str]


class Losses:
    """Counts losses by script and station. `limit` is how many of one script within SCRIPT_WITHIN are too many, 0 for
    no limit, of a station either; `pause` in seconds, by the clock `monotonic`.
    """

    def __init__(self, *, limit: int, pause: float, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._pause = pause
        self._monotonic = monotonic
        self._pairs: dict[Pair, list[float]] = {}
        self._scripts: dict[str, list[float]] = {}
        self._off: dict[Pair, float] = {}  # until when
        self._suspects: dict[Pair, float] = {}  # since when
        self._lately: dict[str, float] = {}  # script → when it had a suspect
        self._proven: set[Pair] = set()

    def is_off(self, script: str, station: str) -> bool:
        """Whether a script is not to be asked about a station now."""
        until = self._off.get((script, station))
        if until is None:
            return False
        if self._monotonic() < until:
            return True
        del self._off[script, station]
        return False

    def caution(self, script: str, station: str) -> float:
        """The seconds for which it should rather wait than make others wait. It may have cost its process, or another
        one of the script has lately, and it has not been answered since.
        """
        if (script, station) in self._proven:
            return 0.0
        now = self._monotonic()
        if self._suspects.get((script, station), -WITHIN) > now - WITHIN:
            return SUSPECT
        return UNPROVEN if self._lately.get(script, -SCRIPT_WITHIN) > now - SCRIPT_WITHIN else 0.0

    def answered(self, script: str, station: str) -> None:
        """The script has got through a request of the station."""
        self._proven.add((script, station))

    def suspect(self, pairs: Collection[Pair]) -> None:
        """One of these keeps others waiting."""
        now = self._monotonic()
        self._proven -= set(pairs)
        self._suspects = {pair: time for pair, time in self._suspects.items() if time > now - WITHIN}
        self._suspects.update(dict.fromkeys(pairs, now))
        self._lately.update(dict.fromkeys((script for script, _ in pairs), now))

    def count(self, suspects: Collection[Pair]) -> tuple[list[Pair], list[str]]:
        """A process is lost: the pairs that are not to be asked about from now on, and the scripts with too many. A
        pair without a station counts for its script alone.
        """
        now = self._monotonic()
        self._pairs, self._scripts = _since(self._pairs, now - WITHIN), _since(self._scripts, now - SCRIPT_WITHIN)
        pairs = _add(self._pairs, [pair for pair in suspects if pair[1]], now, LOSSES if self._limit else 0)
        self._off.update(dict.fromkeys(pairs, now + self._pause))
        return pairs, _add(self._scripts, {script for script, _ in suspects}, now, self._limit)

    def forget(self, script: str) -> None:
        """Another version of a script is in force."""
        self._scripts.pop(script, None)
        self._lately.pop(script, None)
        self._suspects = {pair: time for pair, time in self._suspects.items() if pair[0] != script}
        self._pairs = {pair: times for pair, times in self._pairs.items() if pair[0] != script}
        self._proven = {pair for pair in self._proven if pair[0] != script}
        self._off = {pair: until for pair, until in self._off.items() if pair[0] != script}


def _since(found: dict[K, list[float]], begin: float) -> dict[K, list[float]]:
    recent = {key: [time for time in times if time > begin] for key, times in found.items()}
    return {key: times for key, times in recent.items() if times}


def _add(found: dict[K, list[float]], keys: Iterable[K], now: float, limit: int) -> list[K]:
    """Notes a loss of each; those that have reached the limit, which begin anew."""
    for key in keys:
        found.setdefault(key, []).append(now)
    full = [key for key in keys if limit and len(found[key]) >= limit]
    for key in full:
        del found[key]
    return full
