"""Who may do what: datapoints/roles.yaml → `Roles`. Pure."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal

from bridge.points.rows import Row

Role = Literal["observer", "operator", "engineer", "admin"]
ROLES: tuple[Role, ...] = ("observer", "operator", "engineer", "admin")
"""Each may do all that those before it may."""

_LEVELS: Mapping[str, int] = {role: level for level, role in enumerate(ROLES)}
_COMMANDS = "Commands."
MOST_KNOWN = 20_000  # keys that are not looked for again


class Roles:
    """The role that a user needs at least. What is in neither table is an administrator's.

    `points` maps patterns of points' keys (`*` any text), of which the first that fits counts; `commands` actions.
    """

    def __init__(self, points: Mapping[str, Role], commands: Mapping[str, Role]) -> None:
        self.points = points
        self.commands = commands
        self._known: dict[str, Role] = {}

    def needed(self, key: str) -> Role:
        """To write the point, or call the method, with this key."""
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            found = self._known[key] = self._find(key)
        return found

    def permit(self, role: str, key: str) -> bool:
        """Whether the role may write the point, or call the method, with this key."""
        return _LEVELS.get(role, -1) >= _LEVELS[self.needed(key)]

    def _find(self, key: str) -> Role:
        if key.startswith(_COMMANDS):
            return self.commands.get(key.split(".")[1], "admin")
        return next((role for pattern, role in self.points.items() if fnmatchcase(key, pattern)), "admin")


def at_least(role: str, least: Role) -> bool:
    """Whether a role may do all that another one may."""
    return _LEVELS.get(role, -1) >= _LEVELS[least]


def sees(role: str, row: Row, *, hidden: bool) -> bool:
    """Whether the role may read the point. `hidden`: observers see nothing that is personal."""
    return not (hidden and row.personal and role == "observer")
