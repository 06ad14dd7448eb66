"""Keeps the last values in the store, behind the traffic: what changed is noted, and written once a second."""

from bridge.points.tree import Group, Quality, Tree
from bridge.store.records import ValueRecord
from bridge.store.store import Store


class LastValues:
    """Notes which live points have changed. What the bridge itself keeps (`kept`) is not stored here."""

    def __init__(self, tree: Tree, store: Store) -> None:
        self._store = store
        self._changed: dict[Group, set[int]] = {}
        tree.listeners.append(self._note)

    def _note(self, group: Group, slots: list[int]) -> None:
        if group.station is not None and group.station.online_since is not None:
            self._changed.setdefault(group, set()).update(slots)

    def flush(self) -> None:
        """Hands what has changed since the last time to the store."""
        changed, self._changed = self._changed, {}
        records = [record for group, slots in changed.items() for slot in slots if (record := _record(group, slot))]
        if records:
            self._store.put_values_soon(records)


def _record(group: Group, slot: int) -> ValueRecord | None:
    row = group.row(slot)
    if row.kept and row.folder != "Custom":
        return None
    sample = group.sample(slot)
    if sample.quality is Quality.WAITING or sample.server_time is None:
        return None
    return ValueRecord(
        path=f"{group.path}.{row.key}",
        type=row.type.value,
        value=sample.value,
        quality=sample.quality.name,
        source_time=sample.source_time,
        server_time=sample.server_time,
    )
