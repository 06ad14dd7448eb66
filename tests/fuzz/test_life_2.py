"""The life of a station of OCPP 2.0.1 or 2.1 against the bridge, beside a model of what has to be known of it (L10)."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from tests.fuzz.life import CONNECTORS, Life

CHARGING = ("EVConnected", "Charging", "SuspendedEV")


@dataclass(eq=False)
class Charge:
    """A transaction in the model. `answered`: the numbers of the events that the bridge has."""

    id: str
    connector: int
    tag: str
    base: int  # Wh on the register when it began
    events: list[dict[str, Any]] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)

    @property
    def over(self) -> bool:
        return self.events[-1]["eventType"] == "Ended"

    @property
    def end_known(self) -> bool:
        return self.over and len(self.events) - 1 in self.answered

    @property
    def missing(self) -> int:
        return max(self.answered) + 1 - len(self.answered)


class Life2(Life):
    subprotocol = "ocpp2.0.1"
    boot_payload = {"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M"}}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.charges: list[Charge] = []
        self.waiting: list[tuple[Charge, int]] = []  # events without an answer, in the order in which they are sent
        self.frames: dict[tuple[str, int], str] = {}
        self.lost: set[tuple[str, int]] = set()  # events that may be in the store: no answer has come
        self.booted = False

    def written(self) -> None:
        """Of what is not durable the model knows nothing."""

    def killed(self) -> None:
        """The same."""

    def newest(self, connector: int) -> Charge | None:
        """The last transaction to start at a connector."""
        mine = [charge for charge in self.charges if charge.connector == connector]
        return mine[-1] if mine else None

    @property
    def running(self) -> list[Charge]:
        """The transactions that run."""
        return [charge for charge in map(self.newest, CONNECTORS) if charge is not None and not charge.over]

    # What the station does

    @precondition(lambda self: self.socket is None)
    @rule()
    def connect(self) -> None:
        self._run(self._connect())
        if not self.booted:
            self.boot()
            self.booted = True
        self.deliver()

    @precondition(lambda self: self.socket is not None)
    @rule(connector=st.sampled_from(CONNECTORS), status=st.sampled_from(["Occupied", "Faulted", "Unavailable"]))
    def status(self, connector: int, status: str) -> None:
        payload = {"connectorStatus": status, "evseId": connector, "connectorId": 1, "timestamp": self._stamp()}
        self._run(self._call("StatusNotification", payload))
        self.told.add(connector)

    @rule(connector=st.sampled_from(CONNECTORS), tag=st.sampled_from(["A", "B"]), energy=st.integers(1, 9))
    def start_or_stop(self, connector: int, tag: str, energy: int) -> None:
        """Also while it is offline."""
        self._plug(connector, tag, energy)
        self.deliver()

    @precondition(lambda self: self.running)
    @rule(data=st.data(), energy=st.integers(1, 9), charging=st.sampled_from(CHARGING))
    def go_on(self, data: st.DataObject, energy: int, charging: str) -> None:
        self._event(data.draw(st.sampled_from(self.running)), "Updated", energy, charging)
        self.deliver()

    @precondition(lambda self: self.socket is not None and self.running)
    @rule(data=st.data(), energy=st.integers(1, 9), ends=st.booleans())
    def events_out_of_order(self, data: st.DataObject, energy: int, ends: bool) -> None:
        """It sends what it kept in another order than that in which it happened, and some of it later."""
        charge = data.draw(st.sampled_from(self.running))
        for _ in range(2):
            self._event(charge, "Updated", energy, "Charging")
        if ends:
            self._plug(charge.connector, "", energy)
        own = [one for one in self.waiting if one[0] is charge]
        rest = [one for one in self.waiting if one[0] is not charge]
        self.waiting = rest + data.draw(st.permutations(own))
        for _ in range(data.draw(st.integers(1, len(self.waiting)))):
            self._run(self._deliver(*self.waiting[0]))
            del self.waiting[0]

    @precondition(lambda self: self.socket is not None and self.charges)
    @rule(data=st.data(), same_id=st.booleans())
    def repeat(self, data: st.DataObject, same_id: bool) -> None:
        """It has not noticed that events were answered."""
        charge = data.draw(st.sampled_from(self.charges))
        for number in sorted(charge.answered):
            self._run(self._deliver(charge, number, same_id=same_id))

    @precondition(lambda self: self.socket is not None)
    @rule(connector=st.sampled_from(CONNECTORS))
    def lose_an_answer(self, connector: int) -> None:
        """The connection goes before the answer comes; whether the bridge had the event is not known."""
        self._plug(connector, "LOST", 5)
        charge, number = self.waiting[0]
        self.lost.add((charge.id, number))
        self._run(self._send("TransactionEvent", self._payload(charge, number), f"lost-{self.clock}"))
        self._run(self._gone())

    def _plug(self, connector: int, tag: str, energy: int) -> None:
        charge = self.newest(connector)
        if charge is None or charge.over:
            charge = Charge(f"T{len(self.charges)}", connector, tag, base=100 * len(self.charges))
            self.charges.append(charge)
            self._event(charge, "Started", 0, "EVConnected", idToken={"idToken": tag, "type": "ISO14443"})
        else:
            self._event(charge, "Ended", energy, "EVConnected")

    def _event(self, charge: Charge, type_: str, energy: int, charging: str, **more: Any) -> None:
        register = charge.base + sum(event["energy"] for event in charge.events) + energy
        time = self._stamp()
        sample = {"value": float(register), "measurand": "Energy.Active.Import.Register"}
        charge.events.append(
            {
                "eventType": type_,
                "timestamp": time,
                "triggerReason": "Trigger",
                "seqNo": len(charge.events),
                "transactionInfo": {"transactionId": charge.id, "chargingState": charging},
                "evse": {"id": charge.connector, "connectorId": 1},
                "meterValue": [{"timestamp": time, "sampledValue": [sample]}],
                "energy": energy,
                **more,
            }
        )
        self.waiting.append((charge, len(charge.events) - 1))

    def deliver(self) -> None:
        while self.socket is not None and self.waiting:
            self._run(self._deliver(*self.waiting[0]))
            del self.waiting[0]

    def _payload(self, charge: Charge, number: int) -> dict[str, Any]:
        return {name: value for name, value in charge.events[number].items() if name != "energy"}

    async def _deliver(self, charge: Charge, number: int, *, same_id: bool = False) -> None:
        key = charge.id, number
        message_id = self.frames.get(key, "") if same_id else ""
        self.messages += 1
        self.frames[key] = message_id = message_id or f"d-{self.messages}"
        payload = self._payload(charge, number)
        answer = await self._call("TransactionEvent", payload, message_id)
        if number == 0:
            assert answer["idTokenInfo"]["status"] == "Accepted"
        charge.answered.add(number)
        self.lost.discard(key)

    # What must hold

    @invariant()
    def every_answered_event_is_in_the_store_once(self) -> None:
        if not hasattr(self, "rig"):
            return
        stored = [(event.transaction_id, event.seq_no) for event in self.rig.store._reader.events()]
        assert len(stored) == len(set(stored))
        answered = {(charge.id, number) for charge in self.charges for number in charge.answered}
        assert answered <= set(stored) <= answered | self.lost

    @invariant()
    def the_points_are_what_the_station_said(self) -> None:
        if not hasattr(self, "rig") or self.rig.stations.get("CP1") is None or self.lost:
            return
        if self.socket is not None:
            self._run(self._settle())
        for connector in CONNECTORS:
            known = [one for one in self.charges if one.connector == connector and one.answered]
            if known:
                self._check(f"CP1.Connector{connector}.Transaction", known)

    def _check(self, at: str, known: list[Charge]) -> None:
        newest = known[-1]
        shown = self.rig.values(at, "Active", "Id", "MissedEvents")
        runs = not newest.end_known
        assert shown == {"Active": runs, "Id": newest.id if runs else "", "MissedEvents": newest.missing}
        if 0 in newest.answered:
            assert self.rig.values(f"{at}.Start", "Id", "IdTag") == {"Id": newest.id, "IdTag": newest.tag}
        if len(newest.answered) == len(newest.events):
            assert self.rig.value(f"{at}.Energy") == sum(event["energy"] for event in newest.events)
        if self.waiting:
            return
        ended = [charge for charge in known if charge.over]
        if ended:
            energy = sum(event["energy"] for event in ended[-1].events)
            assert self.rig.values(f"{at}.Stop", "Id", "Energy") == {"Id": ended[-1].id, "Energy": energy}


class Life21(Life2):
    subprotocol = "ocpp2.1"


SETTINGS = settings(
    max_examples=25, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow], deadline=None
)
TestLife201 = Life2.TestCase
TestLife201.settings = SETTINGS
TestLife21 = Life21.TestCase
TestLife21.settings = SETTINGS
