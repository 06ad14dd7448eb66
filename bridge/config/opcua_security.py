"""Where the OPC UA side's settings leave it open."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from argon2 import extract_parameters

from bridge.config.ocpp_security import is_loopback
from bridge.config.tables import Config
from bridge.config.wording import Key

LEAST_WORK = 7 * 1024 * 5
"""KiB times passes of an argon2id hash (OWASP's cheat sheet on the storage of passwords)."""


def trusts_everybody(config: Config) -> bool:
    """Whether a client's certificate need not be in the trust list."""
    trust = config.opcua.trust
    return trust == "any" or (trust == "auto" and is_loopback(_host(config)))


def opcua_openings(config: Config) -> Iterator[tuple[Key, str]]:
    """What lets anyone who reaches the port read along, or write: not without `allow_insecure`."""
    host, opcua = _host(config), config.opcua
    if is_loopback(host):
        return
    if opcua.anonymous in ("operator", "engineer", "admin"):
        yield ("opcua", "anonymous"), f'"{opcua.anonymous}" lets anyone who reaches {host} write'
    if "None" in opcua.security:
        yield ("opcua", "security"), f'"None" leaves the traffic of {host} unsigned and unencrypted'
    if opcua.plain_passwords:
        yield ("opcua", "plain_passwords"), f"true lets users' passwords go to {host} unencrypted"


def opcua_weaknesses(config: Config) -> Iterator[tuple[Key, str]]:
    """What is less safe than it could be, though it may be meant."""
    host, opcua = _host(config), config.opcua
    if not opcua.hide_id_tags:
        yield ("opcua", "hide_id_tags"), "false shows observers the drivers' id tags"
    if is_loopback(host):
        if opcua.anonymous in ("engineer", "admin"):
            yield ("opcua", "anonymous"), f'"{opcua.anonymous}" lets every program on this machine do all that it may'
        return
    if opcua.anonymous == "observer":
        yield ("opcua", "anonymous"), f'"observer" lets anyone who reaches {host} read'
    if trusts_everybody(config):
        yield ("opcua", "trust"), '"any" takes every client, whatever certificate it has made itself'


def user_weaknesses(config: Config) -> Iterator[tuple[Key, str]]:
    """Hashes of passwords that are guessed too fast."""
    for number, user in enumerate(config.user):
        cost = extract_parameters(user.password_hash)
        if cost.memory_cost * cost.time_cost < LEAST_WORK:
            work = f"{cost.memory_cost} KiB and {cost.time_cost} passes are little"
            yield ("user", number, "password_hash"), f"{work}: `ocpp-bridge user add --print` makes a better one"


def _host(config: Config) -> str:
    return urlsplit(config.opcua.endpoint).hostname or ""
