"""What a station answers to the 26 commands of a central system (OCPP 1.6, with the security extension)."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from ocpp.routing import on
from ocpp.v16 import call, call_result

from bridge.simulator.outlet import Customer, Reservation
from bridge.simulator.station import VENDOR
from bridge.simulator.timing import parse_time, timestamp
from bridge.simulator.v16.connector import Connector
from bridge.simulator.v16.link import Link
from bridge.simulator.v16.payloads import certificate_key, parse_profile

Function = TypeVar("Function", bound=Callable[..., Any])


def answers(action: str) -> Callable[[Function], Function]:
    """Marks the method that answers a command. The `ocpp` package's validation is too slow for a thousand."""
    return cast("Callable[[Function], Function]", on(action, skip_schema_validation=True))


class ChargePoint(Link):
    """A link that answers what the central system asks. Payloads' keys come in snake case."""

    def _connector(self, number: int) -> Connector | None:
        return self.station.connectors.get(number)

    def _charging(self, transaction_id: int) -> Connector | None:
        for connector in self.station.connectors.values():
            if connector.transaction and connector.transaction.id == transaction_id:
                return connector
        return None

    @answers("CancelReservation")
    def on_cancel_reservation(self, reservation_id: int, **_: Any) -> call_result.CancelReservation:
        for connector in self.station.connectors.values():
            if connector.reservation and connector.reservation.id == reservation_id:
                self.then(connector.reserve, None)
                return call_result.CancelReservation(status="Accepted")
        return call_result.CancelReservation(status="Rejected")

    @answers("CertificateSigned")
    def on_certificate_signed(self, **_: Any) -> call_result.CertificateSigned:
        return call_result.CertificateSigned(status="Accepted")

    @answers("ChangeAvailability")
    def on_change_availability(
        self,
        connector_id: int,
        type: str,  # noqa: A002
        **_: Any,
    ) -> call_result.ChangeAvailability:
        connectors = self.station.connectors
        if connector_id != 0 and connector_id not in connectors:
            return call_result.ChangeAvailability(status="Rejected")
        self.then(self.station.set_operative, connector_id, operative=type == "Operative")
        concerned = [found for number, found in connectors.items() if connector_id in (0, number)]
        waits = type == "Inoperative" and any(not connector.idle.is_set() for connector in concerned)
        return call_result.ChangeAvailability(status="Scheduled" if waits else "Accepted")

    @answers("ChangeConfiguration")
    def on_change_configuration(self, key: str, value: str, **_: Any) -> call_result.ChangeConfiguration:
        status = self.station.configuration.change(key, value)
        self.station.woken.set()
        return call_result.ChangeConfiguration(status=status)

    @answers("ClearCache")
    def on_clear_cache(self, **_: Any) -> call_result.ClearCache:
        return call_result.ClearCache(status="Accepted")

    @answers("ClearChargingProfile")
    def on_clear_charging_profile(self, **which: Any) -> call_result.ClearChargingProfile:
        cleared = self.station.profiles.clear(**which)
        return call_result.ClearChargingProfile(status="Accepted" if cleared else "Unknown")

    @answers("DataTransfer")
    def on_data_transfer(self, vendor_id: str, data: str | None = None, **_: Any) -> call_result.DataTransfer:
        if vendor_id != VENDOR:
            return call_result.DataTransfer(status="UnknownVendorId")
        return call_result.DataTransfer(status="Accepted", data=data)

    @answers("DeleteCertificate")
    def on_delete_certificate(self, certificate_hash_data: dict[str, str], **_: Any) -> call_result.DeleteCertificate:
        found = self.station.certificates.pop(certificate_key(certificate_hash_data), None)
        return call_result.DeleteCertificate(status="Accepted" if found else "NotFound")

    @answers("ExtendedTriggerMessage")
    def on_extended_trigger_message(
        self, requested_message: str, connector_id: int | None = None, **_: Any
    ) -> call_result.ExtendedTriggerMessage:
        return call_result.ExtendedTriggerMessage(status=self._trigger(requested_message, connector_id))

    @answers("GetCompositeSchedule")
    def on_get_composite_schedule(
        self, connector_id: int, duration: int, charging_rate_unit: str = "A", **_: Any
    ) -> call_result.GetCompositeSchedule:
        if connector_id != 0 and self._connector(connector_id) is None:
            return call_result.GetCompositeSchedule(status="Rejected")
        amperes = self.station.profiles.amperes(connector_id, time.time(), 230.0, 3)
        limit = 32.0 if amperes is None else amperes
        limit = round(limit * 690.0) if charging_rate_unit == "W" else round(limit)
        return call_result.GetCompositeSchedule(
            status="Accepted",
            connector_id=connector_id,
            schedule_start=timestamp(),
            charging_schedule={
                "duration": duration,
                "charging_rate_unit": charging_rate_unit,
                "charging_schedule_period": [{"start_period": 0, "limit": limit}],
            },
        )

    @answers("GetConfiguration")
    def on_get_configuration(self, key: list[str] | None = None, **_: Any) -> call_result.GetConfiguration:
        entries, unknown = self.station.configuration.read(key or [])
        return call_result.GetConfiguration(configuration_key=entries, unknown_key=unknown or None)

    @answers("GetDiagnostics")
    def on_get_diagnostics(self, **_: Any) -> call_result.GetDiagnostics:
        self.then(self.station.upload_diagnostics)
        return call_result.GetDiagnostics(file_name=f"{self.id}-diagnostics.txt")

    @answers("GetInstalledCertificateIds")
    def on_get_installed_certificate_ids(
        self, certificate_type: str, **_: Any
    ) -> call_result.GetInstalledCertificateIds:
        found = [
            {name: value for name, value in data.items() if name != "certificate_type"}
            for data in self.station.certificates.values()
            if data["certificate_type"] == certificate_type
        ]
        status = "Accepted" if found else "NotFound"
        return call_result.GetInstalledCertificateIds(status=status, certificate_hash_data=found or None)

    @answers("GetLocalListVersion")
    def on_get_local_list_version(self, **_: Any) -> call_result.GetLocalListVersion:
        return call_result.GetLocalListVersion(list_version=self.station.local_list_version)

    @answers("GetLog")
    def on_get_log(self, request_id: int, **_: Any) -> call_result.GetLog:
        self.then(self.station.upload_log, request_id)
        return call_result.GetLog(status="Accepted", filename=f"{self.id}.log")

    @answers("InstallCertificate")
    def on_install_certificate(
        self, certificate_type: str, certificate: str, **_: Any
    ) -> call_result.InstallCertificate:
        self.station.take_certificate(certificate_type, certificate)
        return call_result.InstallCertificate(status="Accepted")

    @answers("RemoteStartTransaction")
    def on_remote_start_transaction(
        self,
        id_tag: str,
        connector_id: int | None = None,
        charging_profile: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> call_result.RemoteStartTransaction:
        for connector in self.station.connectors.values():
            reserved = connector.reservation is not None and connector.reservation.id_tag != id_tag
            if connector_id in (None, connector.number) and connector.free and not reserved:
                if charging_profile is not None:
                    profile = parse_profile(connector.number, charging_profile, time.time())
                    self.station.profiles.put(profile)
                connector.come(Customer(id_tag, remote=True))
                return call_result.RemoteStartTransaction(status="Accepted")
        return call_result.RemoteStartTransaction(status="Rejected")

    @answers("RemoteStopTransaction")
    def on_remote_stop_transaction(self, transaction_id: int, **_: Any) -> call_result.RemoteStopTransaction:
        connector = self._charging(transaction_id)
        if connector is None:
            return call_result.RemoteStopTransaction(status="Rejected")
        connector.stop("Remote")
        return call_result.RemoteStopTransaction(status="Accepted")

    @answers("ReserveNow")
    def on_reserve_now(
        self, connector_id: int, expiry_date: str, id_tag: str, reservation_id: int, **_: Any
    ) -> call_result.ReserveNow:
        connector = self._connector(connector_id)
        if connector is None:
            return call_result.ReserveNow(status="Rejected")
        if not connector.operative:
            return call_result.ReserveNow(status="Unavailable")
        held = connector.reservation
        if not connector.free or (held is not None and held.id != reservation_id):
            return call_result.ReserveNow(status="Occupied")
        self.then(connector.reserve, Reservation(reservation_id, id_tag, parse_time(expiry_date)))
        return call_result.ReserveNow(status="Accepted")

    @answers("Reset")
    def on_reset(self, type: str, **_: Any) -> call_result.Reset:  # noqa: A002
        self.then(self.station.reset, hard=type == "Hard")
        return call_result.Reset(status="Accepted")

    @answers("SendLocalList")
    def on_send_local_list(
        self,
        list_version: int,
        update_type: str,
        local_authorization_list: list[dict[str, Any]] | None = None,
        **_: Any,
    ) -> call_result.SendLocalList:
        status = self.station.take_list(list_version, update_type, local_authorization_list or [])
        return call_result.SendLocalList(status=status)

    @answers("SetChargingProfile")
    def on_set_charging_profile(
        self, connector_id: int, cs_charging_profiles: Mapping[str, Any], **_: Any
    ) -> call_result.SetChargingProfile:
        connector = self._connector(connector_id)
        profile = parse_profile(connector_id, cs_charging_profiles, time.time())
        idle = connector is None or connector.transaction is None
        if (connector is None and connector_id != 0) or (profile.purpose == "TxProfile" and idle):
            return call_result.SetChargingProfile(status="Rejected")
        self.station.profiles.put(profile)
        return call_result.SetChargingProfile(status="Accepted")

    @answers("SignedUpdateFirmware")
    def on_signed_update_firmware(self, request_id: int, **_: Any) -> call_result.SignedUpdateFirmware:
        self.then(self.station.update_signed_firmware, request_id)
        return call_result.SignedUpdateFirmware(status="Accepted")

    @answers("TriggerMessage")
    def on_trigger_message(
        self, requested_message: str, connector_id: int | None = None, **_: Any
    ) -> call_result.TriggerMessage:
        return call_result.TriggerMessage(status=self._trigger(requested_message, connector_id))

    @answers("UnlockConnector")
    def on_unlock_connector(self, connector_id: int, **_: Any) -> call_result.UnlockConnector:
        connector = self._connector(connector_id)
        if connector is None:
            return call_result.UnlockConnector(status="NotSupported")
        if connector.transaction is not None:
            connector.stop("UnlockCommand")
        return call_result.UnlockConnector(status="Unlocked")

    @answers("UpdateFirmware")
    def on_update_firmware(self, **_: Any) -> call_result.UpdateFirmware:
        self.then(self.station.update_firmware)
        return call_result.UpdateFirmware()

    def _trigger(self, message: str, connector_id: int | None) -> str:
        station = self.station
        if connector_id not in (None, 0, *station.connectors):
            return "Rejected"
        idle: Mapping[str, Any] = {
            "DiagnosticsStatusNotification": call.DiagnosticsStatusNotification(status="Idle"),
            "FirmwareStatusNotification": call.FirmwareStatusNotification(status="Idle"),
            "LogStatusNotification": call.LogStatusNotification(status="Idle", request_id=0),
            "SignChargePointCertificate": call.SignCertificate(csr=f"a request by {self.id}"),
        }
        if message == "BootNotification":
            self.then(station.boot)
        elif message == "Heartbeat":
            self.then(station.heartbeat)
        elif message == "StatusNotification":
            self.then(station.send_status, connector_id)
        elif message == "MeterValues":
            self.then(station.send_meter_values, connector_id or None)
        elif message in idle:
            self.then(station.send, idle[message], unasked=False)
        else:
            return "NotImplemented"
        return "Accepted"
