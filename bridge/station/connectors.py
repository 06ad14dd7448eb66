"""The connectors of stations: each group of points is made the first time that it is heard of."""

from collections.abc import Mapping

from bridge.config import StationConfig
from bridge.points.tree import Group
from bridge.station.context import Context
from bridge.station.known import Known
from bridge.station.model import Model
from bridge.station.v2.addressing import Place, choose, connector_name, parse_name

#: connectors of one station that are not declared: whatever number it sends, its memory stays bounded
MAX_CONNECTORS = 128


class Connectors:
    """Finds and makes the groups of connectors. `configured` are the stations of the configuration, by identity."""

    def __init__(self, context: Context, configured: Mapping[str, StationConfig]) -> None:
        self._context = context
        self._configured = configured

    def connector(self, known: Known, number: int) -> Group | None:
        """The points of a connector, made the first time that it is heard of; 0 is the station itself."""
        found = known.numbered.get(number)
        if found is not None:
            return found
        if number == 0:
            known.numbered[0] = known.points
            return known.points
        group = self._made(known, f"Connector{number}") if 0 < number <= self._limit(known) else None
        if group is not None:
            known.numbered[number] = group
        return group

    def outlet(self, known: Known, place: Place) -> Group | None:
        """The points of a connector of an EVSE (OCPP 2.x); EVSE 0 is the station itself."""
        if place.evse == 0:
            return known.points
        number = place.connector or choose(known.outlets(place.evse)) or 1
        return self._made(known, connector_name(place.evse, number))

    def named(self, known: Known, name: str) -> Group | None:
        """The points of the connector that is called so (`Connector1`); None for what is no connector's name."""
        place = parse_name(name)
        return None if place is None else self.outlet(known, place)

    def use_model(self, known: Known, model: Model) -> None:
        """A station speaks another version than before: its points get the layouts of that one."""
        if known.model is model:
            return
        known.model = model
        self._context.tree.relayout(known.points, model.station.layout)
        for group in known.points.connectors.values():
            self._context.tree.relayout(group, model.connector.layout)
            self._show_place(known, group)

    def _made(self, known: Known, name: str) -> Group | None:
        group = known.points.connectors.get(name)
        if group is None and len(known.points.connectors) < self._limit(known):
            group = self._context.tree.add_connector(known.points, name, known.model.connector.layout)
            self._show_place(known, group)
        return group

    def _show_place(self, known: Known, group: Group) -> None:
        """Info.EvseId and Info.ConnectorId. Connector n of OCPP 1.6 is connector 1 of EVSE n in 2.x."""
        place = parse_name(group.path.rpartition(".")[2])
        if place is not None:
            number = place.connector
            if known.model.version.name == "1.6":
                number = place.evse if place.connector == 1 else None  # 1.6 cannot name the others
            self._context.set_points(group, {"Info.EvseId": place.evse, "Info.ConnectorId": number})

    def _limit(self, known: Known) -> int:
        configured = self._configured.get(known.id)
        return max(MAX_CONNECTORS, configured.connectors if configured else 0)
