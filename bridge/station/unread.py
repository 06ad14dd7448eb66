"""Parameters of commands that may hold a secret: their points show it masked, and what was written waits here."""

from bridge.points.rows import Value
from bridge.points.tree import Group


class Unread:
    """By path of the group and key of the point."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, str], tuple[Value, Value]] = {}

    def keep(self, group: Group, key: str, value: Value, shown: Value) -> None:
        """A value that was written, and what is shown of it."""
        if shown == value:
            self.forget(group, key)
        else:
            self._written[group.path, key] = value, shown

    def value(self, group: Group, key: str) -> Value:
        """What was written; the point's value where that is shown, or has changed since."""
        found = group.value(key)
        value, shown = self._written.get((group.path, key), (found, found))
        return value if shown == found else found

    def hides(self, group: Group, key: str) -> bool:
        """Whether the point does not show what was written."""
        return (group.path, key) in self._written

    def forget(self, group: Group, key: str) -> None:
        self._written.pop((group.path, key), None)
