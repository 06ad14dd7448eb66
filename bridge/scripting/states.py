"""What is known of each script: whether it is in force, since when, how often it has failed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from bridge.scripting.outcome import Failure

State = Literal["Loaded", "Failed", "Disabled"]

# Characters
LAST_ERROR_LENGTH = 500


@dataclass(slots=True)
class ScriptState:
    """One script. `loaded_at` is Unix seconds; `errors` since the start."""

    name: str
    loaded_at: float | None = None
    errors: int = 0
    last_error: str = ""
    broken: bool = False  # its file has changed, and does not load
    failures: int = 0  # in a row
    off_until: float | None = None  # by a clock that nobody sets

    @property
    def state(self) -> State:
        if self.off_until is not None:
            return "Disabled"
        return "Failed" if self.broken else "Loaded"


class States:
    """The states of all scripts, and when one is switched off: after `limit` failures in a row (0: never), for
    `pause` seconds. Then it is tried again, and the next failure switches it off again.

    `changed` hears of every change, `on_failure` of each failure's text; `clock` gives Unix seconds, `monotonic`
    seconds that no change of it moves.
    """

    def __init__(
        self,
        names: Iterable[str],
        *,
        limit: int,
        pause: float,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        changed: Callable[[ScriptState], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self.by_name = {name: ScriptState(name) for name in names}
        self.errors = 0
        self.last_error = ""
        self._limit = limit
        self._pause = pause
        self._clock = clock
        self._monotonic = monotonic
        self._changed = changed
        self._on_failure = on_failure

    def is_off(self, name: str) -> bool:
        """Whether a script is switched off now."""
        state = self.by_name[name]
        if state.off_until is None:
            return False
        if self._monotonic() < state.off_until:
            return True
        state.off_until = None
        self._changed(state)
        return False

    def succeeded(self, name: str) -> None:
        self.by_name[name].failures = 0

    def failed(self, name: str, method: str, failure: Failure) -> bool:
        """Counts a failure; returns whether the script is switched off by it."""
        state = self.by_name[name]
        place = f"{name}: line {failure.line}" if failure.line else name
        self.errors += 1
        state.errors += 1
        self.last_error = state.last_error = f"{place}: {method}: {failure.what}"[:LAST_ERROR_LENGTH]
        state.failures += failure.blame
        off = bool(self._limit) and state.failures >= self._limit and state.off_until is None
        if off:
            state.failures = self._limit - 1
            state.off_until = self._monotonic() + self._pause
        self._changed(state)
        self._on_failure(self.last_error)
        return off

    def switch_off(self, name: str, what: str) -> None:
        """A script is not asked for `pause` seconds."""
        state = self.by_name[name]
        state.off_until = self._monotonic() + self._pause
        self.note(name, what)

    def note(self, name: str, what: str) -> None:
        """Shows what is wrong with a script, where it is no failure of a call."""
        state = self.by_name[name]
        self.last_error = state.last_error = f"{name}: {what}"[:LAST_ERROR_LENGTH]
        self._changed(state)
        self._on_failure(self.last_error)

    def loaded(self, name: str) -> None:
        """A script, or a new version of it, is in force."""
        state = self.by_name[name]
        state.loaded_at, state.broken, state.failures, state.off_until = self._clock(), False, 0, None
        self._changed(state)

    def mended(self, name: str) -> None:
        """The file of a script is again as the version in force."""
        state = self.by_name[name]
        if state.broken:
            state.broken = False
            self._changed(state)

    def broken(self, name: str, what: str) -> None:
        """A new version of a script does not load; the last good one stays in force."""
        state = self.by_name[name]
        state.broken, state.last_error = True, what[:LAST_ERROR_LENGTH]
        self._changed(state)
