"""What a user's role allows at a node: the table of roles, and what is hidden from observers."""

from bridge.opcua.node import Node
from bridge.opcua.shapes import READ, WRITE
from bridge.points.roles import Roles
from bridge.points.rows import Row

_OBSERVER = "observer"


class Rights:
    """`hidden`: observers do not see personal points."""

    def __init__(self, roles: Roles, *, hidden: bool) -> None:
        self._roles = roles
        self._hidden = hidden

    def hides(self, role: str) -> bool:
        """Whether there is anything that the role may not see."""
        return self._hidden and role == _OBSERVER

    def sees(self, role: str, row: Row) -> bool:
        """Whether the role may read the point."""
        return not (row.personal and self._hidden and role == _OBSERVER)

    def permits(self, role: str, key: str) -> bool:
        """Whether the role may write the point, or call the method, with this key."""
        return self._roles.permit(role, key)

    def allows_all(self, role: str, node: Node) -> bool:
        """Whether the role may do with a node all that can be done with it."""
        if node.row is not None:
            if not self.sees(role, node.row):
                return False
            return not node.shape.writable or self.permits(role, node.row.key)
        return node.method is None or self.permits(role, node.method.key)

    def access(self, role: str, node: Node) -> int:
        """The UserAccessLevel of a point's Value."""
        if node.row is None:
            return int(READ)
        reads = node.shape.readable and self.sees(role, node.row)
        writes = node.shape.writable and self.permits(role, node.row.key)
        return int((READ if reads else 0) | (WRITE if writes else 0))
