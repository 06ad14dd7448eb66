"""What the OPC UA server is told: a plain record, so that this room does not know the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Role = Literal["observer", "operator", "engineer"]

NONE = "None"
BASIC256SHA256 = "Basic256Sha256"


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
