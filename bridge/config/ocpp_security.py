"""What the OCPP side's security settings contradict each other in, and where they leave it open."""

import ipaddress
from collections.abc import Iterator

from bridge.config.tables import Config
from bridge.config.wording import Key


def profiles(config: Config) -> list[tuple[Key, int]]:
    """Every least security profile that is asked for, and where."""
    own: list[tuple[Key, int]] = [
        (("station", number, "security_profile"), station.security_profile)
        for number, station in enumerate(config.station)
        if station.security_profile >= 0
    ]
    return [(("ocpp", "security_profile"), config.ocpp.security_profile), *own]


def needs_plain_port(config: Config) -> bool:
    """Whether a station may come without TLS."""
    return min(profile for _, profile in profiles(config)) < 2


def needs_no_login(config: Config) -> bool:
    """Whether a station may come without saying who it is."""
    return min(profile for _, profile in profiles(config)) == 0


def reached_at(config: Config) -> str | None:
    """The first address that stations of other machines reach; None where there is none."""
    tls = config.ocpp.tls
    hosts = [config.ocpp.host] * needs_plain_port(config) + [tls.host or config.ocpp.host] * bool(tls.certificates)
    return next((host for host in hosts if not is_loopback(host)), None)


def ocpp_contradictions(config: Config) -> Iterator[tuple[Key, str]]:
    """Settings with which some station could never connect."""
    tls = config.ocpp.tls
    for key, profile in profiles(config):
        if profile >= 2 and not tls.certificates:
            yield key, f"{profile} needs TLS: ocpp.tls.certificates (`ocpp-bridge pki issue` makes one)"
        elif profile == 3 and not tls.client_ca:
            yield key, "3 needs ocpp.tls.client_ca: who signs the stations' certificates"
    if tls.crl and not tls.client_ca:
        yield ("ocpp", "tls", "crl"), "is of no use without ocpp.tls.client_ca"


def ocpp_openings(config: Config) -> Iterator[tuple[Key, str]]:
    """What lets anyone who reaches the port be a station: not without `allow_insecure`."""
    reached = reached_at(config)
    if reached is not None:
        for key, profile in profiles(config):
            if profile == 0:
                yield key, f"0 lets anyone who reaches {reached} be {'any' if key[0] == 'ocpp' else 'this'} station"


def ocpp_weaknesses(config: Config) -> Iterator[tuple[Key, str]]:
    """What is less safe than it could be, though it may be meant."""
    ocpp = config.ocpp
    if not is_loopback(ocpp.host):
        for key, profile in profiles(config):
            if profile == 1:
                yield key, f"1 sends passwords and all else over {ocpp.host} unencrypted: for a network of your own"
    if ocpp.tls.client_ca and not ocpp.tls.crl:
        yield ("ocpp", "tls", "crl"), "no list of revoked certificates: a stolen one holds until it ends"
    if ocpp.tls.certificates or not is_loopback(ocpp.host):
        yield from _unlimited(config)
    if ocpp.validation == "off":
        yield ("ocpp", "validation"), '"off" takes whatever a station sends, unchecked'
    if ocpp.web_pages and needs_no_login(config):
        yield ("ocpp", "web_pages"), "true lets any page that is looked at in a browser nearby be a station"
    if config.stations.unknown == "accept" and ocpp.security_profile == 0 and reached_at(config) is not None:
        yield ("stations", "unknown"), '"accept" takes every station that says a new name'


def _unlimited(config: Config) -> Iterator[tuple[Key, str]]:
    if not config.ocpp.max_connections_per_address:
        yield ("ocpp", "max_connections_per_address"), "0 lets one address hold every connection"
    if not config.ocpp.max_message_rate:
        yield ("ocpp", "max_message_rate"), "0 lets one station keep the bridge busy"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address that is listened on."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
