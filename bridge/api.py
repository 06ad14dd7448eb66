"""What a handler script imports: requests, answers, the station. The same for every OCPP version.

    from bridge.api import Authorization, AuthorizeRequest, RequestHandler


    class Handler(RequestHandler):
        async def authorize(self, request: AuthorizeRequest) -> Authorization | None:
            if request.id_token.startswith("VISITOR"):
                return Authorization.blocked()
            return None  # not mine: ask the next script

Requests and answers hold plain values only, so that they can cross a pipe to another process.
Times are Unix seconds (UTC) as float; energy is in Wh; `payload` is the message as it came, in OCPP's
own field names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Protocol

import msgspec

__all__ = [
    "Answer",
    "Authorization",
    "AuthorizeRequest",
    "BootNotificationAnswer",
    "BootNotificationRequest",
    "BridgeAccess",
    "DataTransferAnswer",
    "DataTransferRequest",
    "Request",
    "RequestHandler",
    "StartTransactionRequest",
    "Station",
    "StopTransactionRequest",
    "Token",
    "Tokens",
]

AuthorizationStatus = Literal[
    "Accepted",
    "Blocked",
    "Expired",
    "Invalid",
    "ConcurrentTx",
    # OCPP 2.x; a 1.6 station is told Invalid
    "NoCredit",
    "NotAllowedTypeEVSE",
    "NotAtThisLocation",
    "NotAtThisTime",
    "Unknown",
]
CertificateStatus = Literal[
    "Accepted",
    "SignatureError",
    "CertificateExpired",
    "CertificateRevoked",
    "NoCertificateAvailable",
    "CertChainError",
    "ContractCancelled",
]
RegistrationStatus = Literal["Accepted", "Pending", "Rejected"]
DataTransferStatus = Literal["Accepted", "Rejected", "UnknownMessageId", "UnknownVendorId"]
Value = bool | int | float | str | None


class Station(Protocol):
    """The station that a request came from, as far as a script may use it."""

    @property
    def id(self) -> str:
        """The station's OCPP identity, as it connected."""

    @property
    def area(self) -> str:
        """The folders that config.toml puts the station in (`Depot/Hall 1`); "": none."""

    async def read(self, path: str) -> Value:
        """The value of the point at `path` below the station (`Connector1.Status.State`); None: no value yet.

        Raises KeyError where there is no such point.
        """

    async def write(self, path: str, value: Value) -> None:
        """Sets a point below `Custom.` and creates it when it is new; its type is that of its first value.

        Raises ValueError for a path outside `Custom.` or a value of another type.
        """

    async def call(self, action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Sends a CALL to the station and returns the payload of its CALLRESULT.

        Raises bridge.errors.CallFailed (CALLERROR, timeout, offline). May be used inside a handler: the
        station's answers are read while a handler runs.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What every request carries."""

    station: Station
    version: str  # "1.6", "2.0.1", "2.1"
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BootNotificationRequest(Request):
    """A station boots (OCPP 1.6 §4.2)."""

    vendor: str
    model: str
    serial_number: str = ""
    firmware_version: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizeRequest(Request):
    """May this token charge? (OCPP 1.6 §4.1, 2.0.1 C01 to C08)

    What follows the token is of 2.x. `certificate` is the contract certificate (PEM) of a car, and
    `certificate_hash_data` what an OCSP responder is asked with (OCSPRequestDataType, in OCPP's field names).
    """

    id_token: str
    id_token_type: str = ""  # 2.x: ISO14443, eMAID, …; 1.6 has none
    additional_info: tuple[Mapping[str, Any], ...] = ()
    certificate: str = ""
    certificate_hash_data: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTransactionRequest(Request):
    """A transaction has started, or its token has come (OCPP 1.6 §4.8, 2.0.1 E01 to E03). It is recorded whatever the
    answer is. `transaction_id` is the station's own in 2.x; 1.6 has none yet.
    """

    connector: str  # "Connector1"
    id_token: str
    id_token_type: str = ""
    meter_start: float | None = None
    timestamp: float | None = None
    reservation_id: int | None = None
    transaction_id: str = ""
    remote_start_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTransactionRequest(Request):
    """A transaction has ended, or the token to end it has come (OCPP 1.6 §4.10, 2.0.1 E06 to E08)."""

    transaction_id: str
    connector: str = ""
    id_token: str = ""
    id_token_type: str = ""
    meter_stop: float | None = None
    timestamp: float | None = None
    reason: str = "Local"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTransferRequest(Request):
    """A vendor's own message (OCPP 1.6 §4.3). `data` is a string in 1.6, any JSON value in 2.x."""

    vendor_id: str
    message_id: str = ""
    data: Any = None


class Answer:
    """Base of the answers: a script returns one of these, or None to pass the request on."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BootNotificationAnswer(Answer):
    """How a boot is answered; None leaves the interval to the configuration. Seconds."""

    status: RegistrationStatus
    interval: Annotated[int, msgspec.Meta(ge=0, le=2_147_483_647)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization(Answer):
    """Whether a token may charge: the answer to authorize, start_transaction and stop_transaction.

    What follows `expiry` is of 2.x; a 1.6 station is not told of it. `parent_id_token` is 2.x's group token, of the
    kind `parent_id_token_type`. `evse_ids`: the EVSEs where it may charge, () for all. `personal_message` is shown to
    the driver. `fields` are further fields of the answer, in OCPP's own names: `totalCost`, 2.1's `tariff`,
    `transactionLimit`; those of the token itself stand below `idTokenInfo`.
    """

    status: AuthorizationStatus
    parent_id_token: str | None = None
    expiry: float | None = None  # Unix seconds
    parent_id_token_type: str = "Central"  # noqa: S105 - OCPP's name of a kind of token
    personal_message: str | None = None
    personal_message_language: str | None = None
    certificate_status: CertificateStatus | None = None
    charging_priority: Annotated[int, msgspec.Meta(ge=-9, le=9)] | None = None
    language: str | None = None
    evse_ids: tuple[Annotated[int, msgspec.Meta(ge=1)], ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def accepted(cls, *, parent_id_token: str | None = None, expiry: float | None = None) -> "Authorization":
        return cls(status="Accepted", parent_id_token=parent_id_token, expiry=expiry)

    @classmethod
    def blocked(cls) -> "Authorization":
        return cls(status="Blocked")

    @classmethod
    def expired(cls) -> "Authorization":
        return cls(status="Expired")

    @classmethod
    def invalid(cls) -> "Authorization":
        return cls(status="Invalid")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTransferAnswer(Answer):
    """The answer to a vendor's own message."""

    status: DataTransferStatus
    data: Any = field(default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An entry of the token list (`ocpp-bridge tokens`). Tokens and their kinds are told apart without regard to case.

    `id_token_type`: the kind that it must be in 2.x, "" for any. `areas`: where it may charge, () for everywhere; an
    area includes those below it.
    """

    id_token: str
    id_token_type: str = ""
    parent_id_token: str = ""  # 1.6's parentIdTag, 2.x's groupIdToken
    parent_id_token_type: str = "Central"  # noqa: S105 - OCPP's name of a kind of token
    expiry: float | None = None  # Unix seconds
    areas: tuple[str, ...] = ()
    blocked: bool = False
    note: str = ""


class Tokens(Protocol):
    """The token list of the bridge (`ocpp-bridge tokens`), to be read."""

    async def find(self, id_token: str, id_token_type: str = "") -> Token | None:
        """The token's entry as it is now; None: it is not in the list. Raises RuntimeError where the store fails."""


class BridgeAccess(Protocol):
    """What a script may use of the bridge itself, from `started` on."""

    @property
    def tokens(self) -> Tokens: ...


class RequestHandler:
    """Base of a script's `Handler`. Override what the site decides; each may be `async def` or plain `def`.

    Return None to leave the decision to the next script of the chain, and at last to the bridge's default.
    A script that raises, takes longer than `[handlers] timeout` or returns something else is passed over.

    `async def` is what can use the station (`await request.station.call(…)`); it must not block. Plain `def`
    runs in a thread of its own, several at once, so it may block, on a database for example. One instance
    serves every station, and requests overlap. A new instance takes its place when a file has changed or a script
    hangs, so what has to last longer than the instance is kept elsewhere.

    `settings` and `bridge` are there before `__init__` runs; a setting that is wrong is said by raising ValueError.
    """

    #: the table [handlers.settings.<the file's name without .py>] of config.toml
    settings: Mapping[str, Any] = MappingProxyType({})
    bridge: BridgeAccess

    #: method → the class that it has to return (or None)
    answers: ClassVar[Mapping[str, type[Answer]]] = {
        "boot_notification": BootNotificationAnswer,
        "authorize": Authorization,
        "start_transaction": Authorization,
        "stop_transaction": Authorization,
        "data_transfer": DataTransferAnswer,
    }

    async def started(self) -> None:
        """The script has been loaded."""

    async def stopped(self) -> None:
        """The script is about to go: the bridge stops, or the file has changed."""

    async def boot_notification(self, request: BootNotificationRequest) -> BootNotificationAnswer | None:
        return None

    async def authorize(self, request: AuthorizeRequest) -> Authorization | None:
        return None

    async def start_transaction(self, request: StartTransactionRequest) -> Authorization | None:
        return None

    async def stop_transaction(self, request: StopTransactionRequest) -> Authorization | None:
        return None

    async def data_transfer(self, request: DataTransferRequest) -> DataTransferAnswer | None:
        return None
