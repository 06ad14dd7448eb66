"""The life of a station of OCPP 1.6 against the bridge, beside a model of what has to be known of it (L10)."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from bridge.points.tree import Quality
from tests.fuzz.life import CONNECTORS, Life


@dataclass
class Charge:
    """A transaction in the model. `id`: None until the station knows it."""

    connector: int
    payload: dict[str, Any]
    id: int | None = None
    meter: int | None = None  # the last register, where one was told since the bridge began
    stop: dict[str, Any] | None = None
    stop_answered: bool = False


@dataclass
class Model:
    """What the bridge has to know. `statuses`: by connector; None: not since the bridge was killed."""

    charges: list[Charge] = field(default_factory=list)
    statuses: dict[int, str] = field(default_factory=dict)
    written: dict[int, str] = field(default_factory=dict)  # the statuses that are on disk

    def running(self, connector: int) -> Charge | None:
        mine = [charge for charge in self.charges if charge.connector == connector]
        return mine[-1] if mine and mine[-1].stop is None else None


class Life16(Life):
    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.waiting: list[tuple[str, Charge]] = []  # messages without an answer, in order
        self.frames: dict[tuple[str, int], str] = {}

    def written(self) -> None:
        self.model.written = dict(self.model.statuses)

    def killed(self) -> None:
        self.model.statuses = dict(self.model.written)

    def restarted(self) -> None:
        for charge in self.model.charges:
            charge.meter = None

    @precondition(lambda self: self.socket is not None)
    @rule(connector=st.sampled_from(CONNECTORS), status=st.sampled_from(["Charging", "Faulted", "Finishing"]))
    def status(self, connector: int, status: str) -> None:
        payload = {"connectorId": connector, "errorCode": "NoError", "status": status, "timestamp": self._stamp()}
        self._run(self._call("StatusNotification", payload))
        self.model.statuses[connector] = status
        self.told.add(connector)

    @rule(connector=st.sampled_from(CONNECTORS), tag=st.sampled_from(["A", "B"]), energy=st.integers(0, 9))
    def start_or_stop(self, connector: int, tag: str, energy: int) -> None:
        """Also while it is offline."""
        self._plug(connector, tag, energy)
        self.deliver()

    def _plug(self, connector: int, tag: str, energy: int) -> None:
        charge = self.model.running(connector)
        if charge is None:
            payload = {"connectorId": connector, "idTag": tag, "meterStart": energy, "timestamp": self._stamp()}
            charge = Charge(connector, payload)
            self.model.charges.append(charge)
            self.waiting.append(("StartTransaction", charge))
        else:
            meter = charge.payload["meterStart"] + energy
            charge.stop = {"meterStop": meter, "timestamp": self._stamp(), "reason": "Remote"}
            self.waiting.append(("StopTransaction", charge))

    @precondition(lambda self: self.socket is not None)
    @rule(connector=st.sampled_from(CONNECTORS), energy=st.integers(0, 99))
    def meter(self, connector: int, energy: int) -> None:
        charge = self.model.running(connector)
        if charge is None:
            return
        charge.meter = charge.payload["meterStart"] + energy
        value = {"timestamp": self._stamp(), "sampledValue": [{"value": str(charge.meter)}]}
        payload = {"connectorId": connector, "transactionId": charge.id, "meterValue": [value]}
        self._run(self._call("MeterValues", payload))

    @precondition(lambda self: self.socket is not None and self.model.charges)
    @rule(data=st.data(), same_id=st.booleans(), whole=st.booleans())
    def repeat(self, data: st.DataObject, same_id: bool, whole: bool) -> None:
        """It has not noticed that a message was answered."""
        charge = data.draw(st.sampled_from(self.model.charges))
        self._run(self._deliver("StartTransaction", charge, same_id=same_id))
        if charge.stop is not None and whole:
            self._run(self._deliver("StopTransaction", charge, same_id=same_id))

    @precondition(lambda self: self.socket is not None)
    @rule(connector=st.sampled_from(CONNECTORS))
    def lose_an_answer(self, connector: int) -> None:
        """The connection goes before the answer comes; whether the bridge had the message is not known."""
        self._plug(connector, "LOST", 5)
        action, charge = self.waiting[-1]
        self._run(self._send(action, self._payload(action, charge), f"lost-{self.clock}"))
        self._run(self._gone())

    def deliver(self) -> None:
        while self.socket is not None and self.waiting:
            self._run(self._deliver(*self.waiting[0]))
            del self.waiting[0]

    def _payload(self, action: str, charge: Charge) -> dict[str, Any]:
        if action == "StartTransaction":
            return charge.payload
        assert charge.stop is not None
        return {**charge.stop, "transactionId": charge.id}

    async def _deliver(self, action: str, charge: Charge, *, same_id: bool = False) -> None:
        key = action, id(charge)
        message_id = self.frames.get(key, "") if same_id else ""
        self.messages += 1
        self.frames[key] = message_id = message_id or f"d-{self.messages}"
        answer = await self._call(action, self._payload(action, charge), message_id)
        if action == "StartTransaction":
            assert charge.id in (None, answer["transactionId"])
            assert answer["idTagInfo"] == {"status": "Accepted"}
            charge.id = answer["transactionId"]
        else:
            charge.stop_answered = True

    # What must hold

    @invariant()
    def every_answered_transaction_is_in_the_store_once(self) -> None:
        if not hasattr(self, "rig"):
            return
        stored = {row.id: row for row in self.rig.store.transactions()}
        known = [charge for charge in self.model.charges if charge.id is not None]
        assert len({charge.id for charge in known}) == len(known)
        unknown = len(self.model.charges) - len(known)
        assert len(known) <= len(stored) <= len(known) + unknown
        for charge in known:
            row = stored[charge.id]
            start, stop = charge.payload, charge.stop
            assert (row.connector, row.id_tag) == (f"Connector{charge.connector}", start["idTag"])
            assert row.meter_start == start["meterStart"]
            if charge.stop_answered or row.stop_time is not None:
                assert stop is not None
                assert (row.meter_stop, row.reason) == (stop["meterStop"], stop["reason"])

    @invariant()
    def the_points_are_what_the_station_said(self) -> None:
        if not hasattr(self, "rig") or self.rig.stations.get("CP1") is None:
            return
        if self.socket is not None:
            self._run(self._settle())
        there = self.rig.known().points.connectors
        for connector in CONNECTORS:
            if f"Connector{connector}" in there:
                self._check_points(connector)
            else:
                assert connector not in self.model.statuses

    def _check_points(self, connector: int) -> None:
        name = f"CP1.Connector{connector}"
        status = self.rig.sample(f"{name}.Status.StateText")
        assert status.value == self.model.statuses.get(connector)
        fresh = Quality.GOOD if connector in self.told else Quality.LAST
        assert status.quality is (fresh if connector in self.model.statuses else Quality.WAITING)
        if not self.waiting:
            self._check_transaction(f"{name}.Transaction", self.model.running(connector))

    def _check_transaction(self, at: str, running: Charge | None) -> None:
        shown = self.rig.values(at, "Active", "Id", "IdTag")
        if running is None:
            assert not shown["Active"]
            assert not shown["Id"]
            return
        assert shown == {"Active": True, "Id": str(running.id), "IdTag": running.payload["idTag"]}
        if running.meter is not None:
            assert self.rig.value(f"{at}.Energy") == running.meter - running.payload["meterStart"]


TestLife = Life16.TestCase
TestLife.settings = settings(
    max_examples=30, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow], deadline=None
)
