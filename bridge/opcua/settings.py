"""What the OPC UA server is told: plain records, so that this room does not know the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bridge.points.roles import Role, Roles

NONE = "None"
SECURE = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")
"""The policies of OPC 10000-7 that are not deprecated, each with the modes Sign and SignAndEncrypt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user: argon2's hash of the password, SHA-256 (hex) of the DER of the certificate; "" where there is none."""

    role: Role
    password_hash: str = ""
    certificate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much clients may ask for and hold. Published in ServerCapabilities (OPC 10000-5 §6.3.2, §6.3.11).

    `max_nodes_per_…` and `max_monitored_items_per_call` bound one request; `max_connections` all clients and
    `max_connections_per_address` those of one machine; `max_message_size` (bytes) and `max_chunk_count` one message,
    either way; `max_backlog` (bytes) what may wait for a client that does not read before it is disconnected.

    `max_queue_size` bounds one item's queue and `max_queued_notifications` all that have more than one place, with
    `max_queued_bytes` of them and of messages that were not acknowledged, of which one subscription has a quarter;
    `max_publish_requests` those that a session has waiting, `max_retransmissions` the messages of a
    subscription that were not acknowledged. The intervals are in ms.
    """

    max_connections: int = 500
    max_connections_per_address: int = 200
    max_sessions: int = 100
    max_continuation_points: int = 100
    max_nodes_per_read: int = 10_000
    max_nodes_per_write: int = 2_000
    max_nodes_per_method_call: int = 100
    max_nodes_per_browse: int = 10_000
    max_nodes_per_register: int = 10_000
    max_nodes_per_translate: int = 10_000
    max_monitored_items_per_call: int = 10_000
    max_references_per_node: int = 10_000
    max_message_size: int = 16_777_216
    max_chunk_count: int = 4_096
    max_backlog: int = 67_108_864
    max_subscriptions: int = 1_000
    max_subscriptions_per_session: int = 100
    max_monitored_items: int = 200_000
    max_monitored_items_per_subscription: int = 100_000
    max_queue_size: int = 1_000
    max_queued_notifications: int = 2_000_000
    max_queued_bytes: int = 268_435_456
    max_notifications_per_publish: int = 10_000
    max_publish_requests: int = 100
    max_retransmissions: int = 200
    min_publishing_interval: float = 10.0
    min_sampling_interval: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpcUaSettings:
    """`users` are by name; `anonymous` is the role of a client without a user. `pki_dir` keeps the application's
    certificate and key, and the trust list.

    `plain_passwords` allows a password that is not encrypted on a channel that is not either. `trusts_everybody`: no
    client has to be in the trust list. `roles` says who may do what, `hide_personal` that an observer sees no id tags.
    """

    endpoint: str
    security: tuple[str, ...]
    anonymous: Literal["none"] | Role
    pki_dir: Path
    roles: Roles
    initial_values: bool = False
    users: Mapping[str, Account] = field(default_factory=dict)
    plain_passwords: bool = False
    trusts_everybody: bool = False
    hide_personal: bool = True
    limits: Limits = Limits()
