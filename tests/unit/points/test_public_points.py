"""The points that HMI projects save: an address, a type, a unit or a number here never changes its meaning.

To add a point, add its line. A line that is to be changed or taken out breaks the projects of every site.
"""

import pytest

from bridge.points.layout import build_layout
from bridge.points.table import Table

#: path, type (an enumeration: its name), R or W, unit
STATION = """
    Info.Id                       String             R
    Info.Vendor                   String             R
    Info.Model                    String             R
    Info.SerialNumber             String             R
    Info.FirmwareVersion          String             R
    Info.Iccid                    String             R
    Info.Imsi                     String             R
    Info.MeterType                String             R
    Info.MeterSerialNumber        String             R
    State.Connected               Boolean            R
    State.Stale                   Boolean            R
    State.InService               Boolean            R
    State.Throttled               Boolean            R
    State.ConnectedSince          DateTime           R
    State.LastMessage             DateTime           R
    State.LastHeartbeat           DateTime           R
    State.LastBoot                DateTime           R
    State.BootReason              String             R
    State.OcppVersion             String             R
    State.RemoteAddress           String             R
    State.SecurityProfile         Int32              R
    State.ClockOffset             Double             R  s
    State.FirmwareStatus          FirmwareStatus     R
    State.PublishFirmwareStatus   PublishFirmwareStatus R
    State.DiagnosticsStatus       DiagnosticsStatus  R
    State.LogStatus               LogStatus          R
    State.MessagesReceived        UInt32             R
    State.MessagesSent            UInt32             R
    State.Reconnects              UInt32             R
    State.InvalidMessages         UInt32             R
    State.LastError               String             R
    State.Conformance             Double             R Percent
    State.RebootRequired          Boolean            R
    State.MissedEvents            UInt32             R
    Config.RegistrationStatus     RegistrationStatus W
    Config.HeartbeatInterval      Int32              W  s
    Config.Profile                String             R
    Config.State                  ConfigurationState R
    Config.Drift                  UInt32             R
    Config.DriftDetails           String             R
    Security.LastEvent.Type       String             R
    Security.LastEvent.Time       DateTime           R
    Security.LastEvent.TechInfo   String             R
    Security.Certificate.NotAfter DateTime           R
    Security.CertificateRequest.State String         R
    Security.CertificateRequest.Error String         R
    Security.CertificateRequest.Time  DateTime       R
    Reports.ChargingProfiles      String             R
    Reports.DisplayMessages       String             R
    Reports.Monitors              String             R
    Reports.CustomerInformation   String             R
    Reports.DERControls           String             R
    Reservation.LastUpdate.Id     Int32              R
    Reservation.LastUpdate.Status String             R
    DER.LastAlarm.Type            String             R
    DER.LastAlarm.Fault           String             R
    DER.LastAlarm.Ended           Boolean            R
    DER.LastAlarm.Time            DateTime           R
    DER.LastAlarm.Info            String             R
    DER.LastControl.Id            String             R
    DER.LastControl.Started       Boolean            R
    DER.LastControl.Time          DateTime           R
    Payment.LastSettlement.TransactionId String      R
    Payment.LastSettlement.Status String             R
    Payment.LastSettlement.Amount Double             R
    Payment.LastSettlement.Time   DateTime           R
    Payment.LastSettlement.Reference String          R
"""

#: at the station (connector 0) and at every connector
BOTH = """
    Status.State                  ConnectorStatus    R
    Status.ErrorCode              String             R
    Status.Info                   String             R
    Status.VendorId               String             R
    Status.VendorErrorCode        String             R
    Status.Time                   DateTime           R
    MeterValues.Time              DateTime           R
    MeterValues.Raw               String             R
    ChargingLimit.Active          Boolean            R
    ChargingLimit.Source          String             R
    ChargingLimit.GridCritical    Boolean            R
    ChargingLimit.Schedule        String             R
"""

CONNECTOR = """
    Info.EvseId                          Int32     R
    Info.ConnectorId                     Int32     R
    Transaction.Active                   Boolean   R
    Transaction.Id                       String    R
    Transaction.IdTag                    String    R
    Transaction.ChargingState            String    R
    Transaction.TimeCharging             Int32     R  s
    Transaction.MissedEvents             UInt32    R
    Transaction.PriorityCharging         Boolean   R
    Transaction.Cost                     Double    R
    Transaction.Currency                 String    R
    Transaction.Energy                   Double    R  Wh
    Transaction.Start.Id                 String    R
    Transaction.Start.IdTag              String    R
    Transaction.Start.IdTokenType        String    R
    Transaction.Start.ParentIdTag        String    R
    Transaction.Start.Authorization      String    R
    Transaction.Start.MeterStart         Double    R  Wh
    Transaction.Start.Time               DateTime  R
    Transaction.Start.ReservationId      Int32     R
    Transaction.Start.RemoteStartId      Int32     R
    Transaction.Stop.Id                  String    R
    Transaction.Stop.IdTag               String    R
    Transaction.Stop.Reason              String    R
    Transaction.Stop.MeterStop           Double    R  Wh
    Transaction.Stop.Energy              Double    R  Wh
    Transaction.Stop.Time                DateTime  R
    EV.EnergyTransfer                    String    R
    EV.DepartureTime                     DateTime  R
    EV.RequestedEnergy                   Double    R  Wh
    EV.Needs                             String    R
    EV.Schedule                          String    R
"""

BRIDGE = """
    Version            String    R
    StartTime          DateTime  R
    StationsKnown      UInt32    R
    StationsConnected  UInt32    R
    StationsUnknown    UInt32    R
    MessagesReceived   UInt32    R
    MessagesPerSecond  Double    R
    HandlerErrors      UInt32    R
    LastHandlerError   String    R
    HandlerRestarts    UInt32    R
    StoreQueue         UInt32    R
    ServiceLevel       UInt32    R
    LongestPause       Double    R  s
    RecentPause        Double    R  s
    RecentDelay        Double    R  s
    Security.Clients.FailedLogins             UInt32    R
    Security.Clients.LastFailedLogin          String    R
    Security.Clients.LastFailedLoginTime      DateTime  R
    Security.Clients.RejectedCertificates     UInt32    R
    Security.Clients.LastRejectedCertificate  String    R
    Datapoints.State      FileState R
    Datapoints.LoadedAt   DateTime  R
    Datapoints.LastError  String    R
    Security.Stations.RefusedLogins       UInt32   R
    Security.Stations.RefusedUnknown      UInt32   R
    Security.Stations.RefusedInsecure     UInt32   R
    Security.Stations.SlowedLogins        UInt32   R
    Security.Stations.RefusedConnections  UInt32   R
    Security.Stations.FailedHandshakes    UInt32   R
    Security.Stations.CertificateEnds     DateTime R
"""

#: at every connector and at the station, below MeterValues; with phases and locations they come at run time
METER_VALUES = """
    Energy.Active.Export.Register    Wh
    Energy.Active.Import.Register    Wh
    Energy.Reactive.Export.Register  varh
    Energy.Reactive.Import.Register  varh
    Energy.Active.Export.Interval    Wh
    Energy.Active.Import.Interval    Wh
    Energy.Reactive.Export.Interval  varh
    Energy.Reactive.Import.Interval  varh
    Power.Active.Export              W
    Power.Active.Import              W
    Power.Offered                    W
    Power.Reactive.Export            var
    Power.Reactive.Import            var
    Power.Factor
    Current.Import                   A
    Current.Export                   A
    Current.Offered                  A
    Voltage                          V
    Frequency                        Hz
    Temperature                      Celsius
    SoC                              Percent
    RPM                              rpm
"""

#: enumeration → its states by number
ENUMERATIONS = {
    "RegistrationStatus": "Accepted Pending Rejected",
    "FileState": "Loaded Failed Disabled RestartNeeded",
    "ConfigurationState": "NotRequired Unconfigured Configuring Configured Drifted RebootRequired",
    "ConnectorStatus": (
        "Unknown Available Preparing Charging SuspendedEVSE SuspendedEV Finishing Reserved Unavailable Faulted Occupied"
    ),
    "FirmwareStatus": (
        "Idle Downloading Downloaded DownloadFailed DownloadScheduled DownloadPaused Installing Installed "
        "InstallationFailed InstallRebooting InstallScheduled InstallVerificationFailed InvalidSignature "
        "SignatureVerified"
    ),
    "PublishFirmwareStatus": (
        "Idle DownloadScheduled Downloading Downloaded Published DownloadFailed DownloadPaused InvalidChecksum "
        "ChecksumVerified PublishFailed"
    ),
    "DiagnosticsStatus": "Idle Uploading Uploaded UploadFailed",
    "LogStatus": (
        "Idle Uploading Uploaded UploadFailure BadMessage NotSupportedOperation PermissionDenied AcceptedCanceled"
    ),
    "CommandState": "Idle Queued Sent Accepted Rejected Failed Timeout Offline",
}

#: Good also while the station is away
KEPT = {
    "Info.Id",
    "State.Connected",
    "State.Stale",
    "State.Throttled",
    "State.MessagesReceived",
    "State.MessagesSent",
    "State.Reconnects",
    "State.InvalidMessages",
    "State.LastError",
    "State.MissedEvents",
    "Config.RegistrationStatus",
    "Config.HeartbeatInterval",
    "Config.Profile",
    "Config.State",
    "Config.Drift",
    "Config.DriftDetails",
    "Security.CertificateRequest.State",
    "Security.CertificateRequest.Error",
    "Security.CertificateRequest.Time",
}


def lines(text: str) -> dict[str, tuple[str, str, str]]:
    """path → type, access, unit."""
    found = {}
    for path, *rest in (line.split() for line in text.split("\n") if line.strip()):
        type_, access, *unit = rest
        found[path] = (type_, access, unit[0] if unit else "")
    return found


def shipped_points(table: Table, kind: str) -> dict[str, tuple[str, str, str]]:
    return {
        row.key: (
            row.enumeration.name if row.enumeration else row.type.value,
            "W" if row.writable else "R",
            row.unit,
        )
        for row in (found.row for found in table.rows[kind])
    }


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("station", STATION + BOTH), ("connector", CONNECTOR + BOTH), ("bridge", BRIDGE)],
)
def test_the_points_are_these(table, kind, expected):
    assert shipped_points(table, kind) == lines(expected)


def test_the_meter_values_are_these(table):
    expected = {
        f"MeterValues.{name}": ("Double", unit[0] if unit else "", False)
        for name, *unit in (line.split() for line in METER_VALUES.split("\n") if line.strip())
    }
    rows = table.measurands.rows()
    assert {row.key: (row.type.value, row.unit, row.writable) for row in rows} == expected


@pytest.mark.parametrize("name", ENUMERATIONS)
def test_the_numbers_of_an_enumeration_are_these(table, name):
    numbers = {state: number for number, state in enumerate(ENUMERATIONS[name].split())}
    assert table.enumerations[name].numbers == numbers


def test_there_are_no_other_enumerations(table):
    assert table.enumerations.keys() == ENUMERATIONS.keys()


def test_every_enumeration_has_a_text_beside_it(station_layout, connector_layout):
    for layout, keys in (
        (
            station_layout,
            {
                "State.FirmwareStatus",
                "State.PublishFirmwareStatus",
                "State.DiagnosticsStatus",
                "State.LogStatus",
                "Config.RegistrationStatus",
                "Config.State",
                "Status.State",
            },
        ),
        (connector_layout, {"Status.State"}),
    ):
        twins = {row.twin_of: row for row in layout.rows if row.twin_of}
        assert twins.keys() == keys
        assert all(twins[key].key == f"{key}Text" for key in keys)


def test_what_stays_good_while_the_station_is_away_is_this(table):
    assert {found.row.key for found in table.rows["station"] if found.row.kept} == KEPT
    assert {found.row.key for found in table.rows["connector"] if found.row.kept} == {
        "Info.EvseId",
        "Info.ConnectorId",
    }
    assert all(found.row.kept for found in table.rows["bridge"])


def test_only_the_configuration_of_the_bridge_may_be_written(table):
    writable = {found.row.key for rows in table.rows.values() for found in rows if found.row.writable}
    assert writable == {"Config.RegistrationStatus", "Config.HeartbeatInterval"}


def test_a_writable_number_has_a_range(table):
    # A writable analog point is an AnalogItemType with EURange.
    for rows in table.rows.values():
        for found in rows:
            assert not (found.row.writable and found.row.unit) or found.row.range is not None


def test_addresses_are_ascii_words_with_dots_between(table):
    for kind in ("station", "connector", "bridge"):
        layout = build_layout(kind, [found.row for found in table.rows[kind]])
        for key in layout.index:
            assert all(part.isalnum() and part.isascii() for part in key.split("."))
