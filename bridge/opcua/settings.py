"""What the OPC UA server is told: plain records, so that this room does not know the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Role = Literal["observer", "operator", "engineer"]

NONE = "None"
BASIC256SHA256 = "Basic256Sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much clients may ask for and hold. Published in ServerCapabilities (OPC 10000-5 §6.3.2, §6.3.11).

    `max_nodes_per_…` and `max_monitored_items_per_call` bound one request; `max_connections` all clients;
    `max_message_size` (bytes) and `max_chunk_count` one message, either way; `max_backlog` (bytes) what
    may wait for a client that does not read before it is disconnected.

    `max_queue_size` bounds one item's queue and `max_queued_notifications` all that have more than one place, with
    `max_queued_bytes` of them and of messages that were not acknowledged, of which one subscription has a quarter;
    `max_publish_requests` those that a session has waiting, `max_retransmissions` the messages of a
    subscription that were not acknowledged. The intervals are in ms.
    """

    max_connections: int = 500
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
    """`users` maps a name to its role and the argon2 hash of its password; `anonymous` is the role of a
    client without a user. `pki_dir` keeps the application's certificate and key.

    `plain_passwords` allows a password that is not encrypted on a channel that is not either.
    """

    endpoint: str
    security: tuple[str, ...]
    anonymous: Literal["none", "observer", "operator", "engineer"]
    pki_dir: Path
    initial_values: bool = False
    users: Mapping[str, tuple[Role, str]] = field(default_factory=dict)
    plain_passwords: bool = False
    limits: Limits = Limits()
