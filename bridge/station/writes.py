"""What an OPC UA client may write or call, and what becomes of it: the OPC UA server's way in."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import randrange
from typing import Any

import structlog

from bridge.commands.inputs import (
    check_parameter,
    check_payload,
    fill,
    from_arguments,
    from_json,
    from_parameters,
)
from bridge.commands.queue import CommandQueue, Done
from bridge.commands.table import EXECUTE, FOLDER, REQUEST, Command
from bridge.errors import CallErrorAnswer, Refused, StoreError
from bridge.ocpp.echoes import public
from bridge.ocpp.secrets import MASK, is_secret, masked, masked_text
from bridge.points.rows import Method, Row, Value
from bridge.points.tree import Group, Tree, Update
from bridge.points.values import to_json
from bridge.station import noted
from bridge.station.configuration import FOLDER as CONFIGURATION
from bridge.station.configuration import station_key
from bridge.station.context import Clock
from bridge.station.known import Known
from bridge.station.registration import heartbeat_command
from bridge.station.registry import Stations
from bridge.station.unread import Unread
from bridge.station.v2.addressing import parse_name
from bridge.station.v2.variables import set_request

log = structlog.get_logger()


class Writes:
    """Takes writes and method calls. A write never waits for a station."""

    def __init__(self, tree: Tree, stations: Stations, queue: CommandQueue, clock: Clock) -> None:
        self._tree = tree
        self._stations = stations
        self._queue = queue
        self._clock = clock
        self._unread = Unread()
        self._ways: Mapping[str, Callable[[Known, Group, int, Value, str], None]] = {
            FOLDER: self._write_command,
            "Config": self._write_config,
            CONFIGURATION: self._write_configuration,
        }

    def write(self, group: Group, slot: int, value: Value, user: str) -> None:
        """Takes a written value, which has the point's type already. Raises Refused, and nothing has changed."""
        row = group.row(slot)
        known = self._stations.of(group)
        way = self._ways.get(row.folder.partition(".")[0])
        if known is None or way is None or not row.writable:
            raise Refused("BadNotWritable", f"{group.path}.{row.key} cannot be written")
        way(known, group, slot, value, user)
        shown = "…" if row.folder.startswith(FOLDER) or _is_secret(known, row) else _public(value)
        log.info("point.written", station=known.id, point=row.key, value=shown, user=user)

    def shown(self, group: Group, slot: int, value: Value) -> str:
        """What may be noted of a value that was written, as JSON: no secret."""
        row, known = group.row(slot), self._stations.of(group)
        if known is None or _is_secret(known, row):
            return to_json(MASK)
        if not row.folder.startswith(FOLDER):
            return to_json(_public(value))
        return noted.written(*self._command(group, row.folder), row, value)

    def shown_arguments(self, group: Group, method: Method, arguments: Sequence[Value]) -> str:
        """The same of the arguments of a method."""
        return noted.called(*self._command(group, method.folder), arguments)

    async def call(self, group: Group, method: Method, arguments: Sequence[Value], user: str) -> Sequence[Value]:
        """Sends a command and waits for its end; returns Status and Response. Raises Refused or CallFailed."""
        known, command = self._command(group, method.folder)
        payload = from_arguments(command, self._with_given(known, group, command, arguments))
        # The command goes on though its caller goes away: the station has it, and Result.* tells how it ended.
        done = await asyncio.shield(self._send(known, group, command, payload, user, keeps=False))
        if isinstance(done.failure, CallErrorAnswer):
            error = done.failure
            details = {
                "errorCode": error.code,
                "errorDescription": masked_text(error.description),
                "errorDetails": masked(error.details, known.hides),
            }
            error.outputs = ("", to_json(details))
        if done.failure is not None:
            raise done.failure
        return done.status, to_json(masked(done.response, known.hides))

    # Commands.<Action>.*

    def _write_command(self, known: Known, group: Group, slot: int, value: Value, user: str) -> None:
        row = group.row(slot)
        known, command = self._command(group, row.folder)
        if row.name == EXECUTE:
            if value:
                self._execute(known, group, command, user)
            return
        if row.name == REQUEST:
            payload = {**self._given(known, group, command), **from_json(command, value)}
            self._send(known, group, command, payload, user)
            self._set(group, slot, to_json(masked(payload, known.hides)))
            return
        parameter = next(p for p in command.parameters if p.name == row.name)
        check_parameter(parameter, value)
        shown = noted.parameter(known, command, parameter.field, value)
        self._unread.keep(group, row.key, value, shown)
        self._set(group, slot, shown)
        self._queue.prepared.written(group, row, self._unread.hides)

    def _execute(self, known: Known, group: Group, command: Command, user: str) -> None:
        values = [self._unread.value(group, command.point(p.name)) for p in command.parameters]
        values = self._with_given(known, group, command, values)
        written = {p.name: value for p, value in zip(command.parameters, values, strict=True)}
        payload = from_parameters(command, written)
        try:
            self._send(known, group, command, payload, user)
        finally:
            self._forget_secrets(known, group, command, payload)
        self._queue.prepared.sent(group, command.folder, self._unread.hides)
        self._set_key(group, command.point(EXECUTE), True)
        self._set_key(group, command.point(EXECUTE), False)

    def _forget_secrets(self, known: Known, group: Group, command: Command, payload: Mapping[str, Any]) -> None:
        """What was sent, or refused, is not kept where it holds a secret."""
        shown = masked(payload, known.hides)
        for parameter in command.parameters:
            if shown.get(parameter.field) != payload.get(parameter.field):
                key = command.point(parameter.name)
                self._unread.forget(group, key)
                self._set_key(group, key, None)

    def _given(self, known: Known, group: Group, command: Command) -> dict[str, Value]:
        """At a connector, a stop without a transaction's id means the one that runs there. A remote start of 2.x
        that has no number gets one that was not used before (OCPP 2.0.1 F01).
        """
        asked = {p.field for p in command.parameters if p.required}
        given: dict[str, Value] = {}
        if "remoteStartId" in asked:
            given["remoteStartId"] = randrange(1, 2**31)  # noqa: S311 - it only must not come twice
        running = known.running_id(group)
        if "transactionId" in asked and running is not None:
            given["transactionId"] = running
        return given

    def _with_given(self, known: Known, group: Group, command: Command, values: Sequence[Value]) -> list[Value]:
        """The parameters' values, with those that the bridge knows where there is none."""
        given = self._given(known, group, command)
        pairs = zip(command.parameters, values, strict=True)
        return [given.get(p.field) if value is None else value for p, value in pairs]

    def _command(self, group: Group, folder: str) -> tuple[Known, Command]:
        known = self._stations.of(group)
        if known is None:
            raise Refused("BadNodeIdUnknown", f"there is no station {group.path}")
        part = known.model.station if group is known.points else known.model.connector
        command = part.commands.get(folder.split(".")[1])
        if command is None:
            raise Refused("BadNodeIdUnknown", f"{group.path} has no command {folder}")
        place = parse_name(group.path.rpartition(".")[2])
        if known.model.version.name == "1.6" and place is not None and place.connector != 1:
            raise Refused("BadNotSupported", f"OCPP 1.6, which the station speaks now, has no connector {group.path}")
        return known, command

    def _send(
        self,
        known: Known,
        group: Group,
        command: Command,
        payload: dict[str, Any],
        user: str,
        *,
        keeps: bool = True,
    ) -> asyncio.Task[Done]:
        fill(command, payload, group.value("Info.EvseId"), group.value("Info.ConnectorId"))
        self._check(known, command, payload)
        if known.id in self._queue.held:
            self._queue.admit(group, known.session, command)
            self._resume(known, overtaken=True)
        return self._queue.send(group, known.session, command, payload, user, known.hides, keeps=keeps)

    def _check(self, known: Known, command: Command, payload: dict[str, Any]) -> None:
        check_payload(known.model.version, command.action, payload)
        if reason := self._stations.forbidden(known, command.action, payload):
            raise Refused("BadInvalidState", reason)

    # What waits since before a restart

    def resume(self) -> None:
        """Once a second: sends setpoints that have waited for their stations since before the bridge's restart."""
        for station in tuple(self._queue.held):
            known = self._stations.get(station)
            if known is not None:
                try:
                    self._resume(known)
                except StoreError as error:  # they are asked about once more
                    log.debug("command.not_resumed", station=station, error=str(error))
                continue
            for held in self._queue.held.pop(station):
                self._queue.drop(held, None, None, "the station has been removed")

    def _resume(self, known: Known, *, overtaken: bool = False) -> None:
        """Sends what is held for a station, once all of it may be sent. `overtaken`: at once, since they were first and
        another one is about to go; what may not be sent now has failed.
        """
        session, waiting = known.session, self._queue.held[known.id]
        if session is None or (not overtaken and any(session.refusal(record.action) for _, record in waiting)):
            return
        while waiting:
            held = waiting[0]
            record = held[1]
            group, command = self._stations.group(known.id, record.connector) or known.points, None
            refusal = session.refusal(record.action)
            try:
                _, command = self._command(group, f"{FOLDER}.{record.action}")
                self._check(known, command, record.payload)
            except Refused as error:
                refusal = error.reason
            if refusal or command is None:
                self._queue.drop(held, group, command, refusal)
            else:
                self._queue.resume(held, group, session, command, known.hides)
            del waiting[0]  # not before: what the store cannot tell now is asked again
        del self._queue.held[known.id]

    # Config.*

    def _write_config(self, known: Known, group: Group, slot: int, value: Value, user: str) -> None:
        row = group.row(slot)
        if row.enumeration is not None:
            name = row.enumeration.names.get(value) if isinstance(value, int) else None
            if name is None:
                raise Refused("BadOutOfRange", f"{row.key}: expected one of {', '.join(row.enumeration.numbers)}")
            self._stations.register(known, name)
        elif isinstance(value, int) and row.range is not None and row.range[0] <= value <= row.range[1]:
            self._stations.set_heartbeat_interval(known, value)
            self._tell_interval(known, value, user)
        else:
            raise Refused("BadOutOfRange", f"{row.key}: expected {row.range}")

    def _tell_interval(self, known: Known, seconds: int, user: str) -> None:
        """A station that is connected learns the interval at once; another one with its next boot."""
        action, payload = heartbeat_command(known.model.version, seconds)
        if known.session is None:
            return
        try:
            command = known.model.station.commands[action]
            self._send(known, known.points, command, payload, user, keeps=False)  # a restart tells it with the boot
        except Refused as error:
            log.info("heartbeat_interval.not_sent", station=known.id, reason=error.reason)

    # Configuration.*

    def _write_configuration(self, known: Known, group: Group, slot: int, value: Value, user: str) -> None:
        command = known.model.station.commands.get("ChangeConfiguration")
        if command is None:
            self._write_variable(known, group, slot, value, user)
            return
        row = group.row(slot)
        if row.folder != CONFIGURATION:
            raise Refused("BadNotWritable", f"{row.key} is of OCPP 2.x, and the station speaks 1.6 now")
        key = station_key(known, row.name)
        self._send(known, known.points, command, {"key": key, "value": "" if value is None else value}, user)

    def _write_variable(self, known: Known, group: Group, slot: int, value: Value, user: str) -> None:
        """A variable of a 2.x device model: it changes when the station confirms."""
        row = group.row(slot)
        described = None if known.memory is None else known.memory.model.at(row.key)
        if described is None:
            raise Refused("BadNotWritable", f"{group.path}.{row.key} is not known to the station now")
        try:
            payload = set_request(described, value)
        except ValueError as error:
            raise Refused("BadOutOfRange", f"{row.key} {error}") from None
        self._send(known, known.points, known.model.station.commands["SetVariables"], payload, user)

    def _set_key(self, group: Group, key: str, value: Value) -> None:
        slot = group.slot(key)
        if slot is not None:
            self._set(group, slot, value)

    def _set(self, group: Group, slot: int, value: Value) -> None:
        self._tree.apply(group, [Update(slot, value)], self._clock())


def _public(value: Value) -> Value:
    return public(value) if isinstance(value, str) else value


def _is_secret(known: Known, row: Row) -> bool:
    """Whether what is written to a setting is none of the log's business."""
    described = None if known.memory is None else known.memory.model.at(row.key)
    hidden = described is not None and not described.readable
    return hidden or not row.readable or is_secret(row.name)
