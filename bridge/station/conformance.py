"""How well a station keeps to OCPP: the share of its last messages without a deviation."""

from collections import deque

WINDOW = 1_000  # messages


class Conformance:
    """Remembers which of a station's last messages deviated, by their numbers; a message that is fine costs nothing.

    It lives as long as the bridge knows the station: a reconnect changes nothing, a restart begins anew.
    """

    __slots__ = ("_beside", "_deviating")

    def __init__(self) -> None:
        self._deviating: deque[int] | None = None  # none of ten thousand stations that keep to OCPP needs one
        self._beside = 0  # handshakes that deviated: each counts like a message

    def deviates(self, number: int) -> None:
        """Message `number`, counted from the bridge's start, broke the rules."""
        if self._deviating is None:
            self._deviating = deque(maxlen=WINDOW)
        self._deviating.append(number + self._beside)

    def connects(self, number: int) -> None:
        """The handshake after message `number` was not quite right."""
        self._beside += 1
        self.deviates(number)

    def share(self, received: int) -> float | None:
        """Per cent of the last messages, of `received` in all; None before the first one."""
        total = received + self._beside
        if not total:
            return None
        found = self._deviating
        if not found:
            return 100.0
        while found and found[0] <= total - WINDOW:
            found.popleft()
        return max(0.0, round(100.0 - 100.0 * len(found) / min(total, WINDOW), 1))
