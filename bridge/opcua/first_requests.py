"""What anybody may ask before a session is activated, decoded by hand (OPC 10000-4 §5.5 to §5.7). Pure.

asyncua would decode whatever ExtensionObject comes along, arrays of two billion nulls in it too, and text that is none.
Whatever is malformed raises ServiceError(BadDecodingError).
"""

from collections.abc import Callable, Mapping
from typing import Any

from asyncua import ua

from bridge.opcua.requests import request_header
from bridge.opcua.wire import Reader, malformed

MOST_URL = 1_000  # characters of an EndpointUrl that is looked at: each endpoint in the answer repeats its host
MOST_TEXT = 1_000  # characters of what a client says of itself, which diagnostics show
MOST_LOCALES = 10
MOST_TEXTS = 1_000  # in one list
_OPENING = ua.NodeId(ua.ObjectIds.OpenSecureChannelRequest_Encoding_DefaultBinary)


def opening(reader: Reader) -> tuple[int, ua.OpenSecureChannelParameters]:
    """OpenSecureChannel, from its TypeId on: the RequestHandle, and what is asked for."""
    if reader.node_id() != _OPENING:
        raise malformed()
    reader.node_id()
    handle, _, _ = request_header(reader)
    return handle, ua.OpenSecureChannelParameters(
        reader.uint32(),
        _one_of(ua.SecurityTokenRequestType, reader.int32()),
        _one_of(ua.MessageSecurityMode, reader.int32()),
        reader.bytestring(),
        reader.uint32(),
    )


def endpoints(reader: Reader) -> ua.GetEndpointsParameters:
    """GetEndpoints; what it asks to leave out is not left out."""
    url = _url(reader)
    _texts(reader)
    _texts(reader)
    return ua.GetEndpointsParameters(url)


def servers(reader: Reader) -> ua.FindServersParameters:
    url = _url(reader)
    _texts(reader)
    return ua.FindServersParameters(url, ServerUris=[text for text in _texts(reader) if text])


def creation(reader: Reader) -> ua.CreateSessionParameters:
    """CreateSession. Texts are cut, and a client's DiscoveryUrls left out: clients have none."""
    description = ua.ApplicationDescription(_text(reader), _text(reader), _localized(reader))
    description.ApplicationType = _one_of(ua.ApplicationType, reader.int32())
    description.GatewayServerUri, description.DiscoveryProfileUri = _text(reader), _text(reader)
    _texts(reader)
    return ua.CreateSessionParameters(
        description,
        ServerUri=_text(reader),
        EndpointUrl=_url(reader),
        SessionName=_text(reader),
        ClientNonce=reader.bytestring(),
        ClientCertificate=reader.bytestring(),
        RequestedSessionTimeout=reader.double(),
        MaxResponseMessageSize=reader.uint32(),
    )


def activation(reader: Reader) -> ua.ActivateSessionParameters:
    """ActivateSession; ClientSoftwareCertificates mean nothing (OPC 10000-4 §5.7.3.2)."""
    signature = _signature(reader)
    for _ in range(reader.count(8)):
        reader.bytestring()
        reader.bytestring()
    locales = _texts(reader)[:MOST_LOCALES]
    return ua.ActivateSessionParameters(
        signature,
        LocaleIds=[text[:MOST_TEXT] for text in locales if text],
        UserIdentityToken=_token(reader.extension_object()),
        UserTokenSignature=_signature(reader),
    )


def _token(found: ua.ExtensionObject) -> Any:
    """A UserIdentityToken (OPC 10000-4 §7.41); what is none of them stays as it is, and is refused as such."""
    read = _TOKENS.get(found.TypeId)
    return found if read is None else read(Reader(found.Body or b""))


def _anonymous(reader: Reader) -> ua.AnonymousIdentityToken:
    return ua.AnonymousIdentityToken(reader.string())


def _user_name(reader: Reader) -> ua.UserNameIdentityToken:
    return ua.UserNameIdentityToken(reader.string(), reader.string(), reader.bytestring(), reader.string())


def _certificate(reader: Reader) -> ua.X509IdentityToken:
    return ua.X509IdentityToken(reader.string(), reader.bytestring())


_TOKENS: Mapping[ua.NodeId, Callable[[Reader], Any]] = {
    ua.NodeId(getattr(ua.ObjectIds, f"{name}IdentityToken_Encoding_DefaultBinary")): read
    for name, read in (("Anonymous", _anonymous), ("UserName", _user_name), ("X509", _certificate))
}


def _signature(reader: Reader) -> ua.SignatureData:
    return ua.SignatureData(reader.string(), reader.bytestring())


def _one_of(enumeration: Callable[[int], Any], value: int) -> Any:
    try:
        return enumeration(value)
    except ValueError:
        raise malformed() from None


def _url(reader: Reader) -> str | None:
    """None for one that is too long to be one."""
    url = reader.string()
    return None if url is None or len(url) > MOST_URL else url


def _text(reader: Reader) -> str | None:
    text = reader.string()
    return None if text is None else text[:MOST_TEXT]


def _localized(reader: Reader) -> ua.LocalizedText:
    found = reader.localized_text()
    return ua.LocalizedText(found.Text and found.Text[:MOST_TEXT], found.Locale and found.Locale[:MOST_TEXT])


def _texts(reader: Reader) -> list[str | None]:
    count = reader.count(4)
    if count > MOST_TEXTS:
        raise malformed()
    return [reader.string() for _ in range(count)]
