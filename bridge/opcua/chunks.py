"""Messages of a secure channel in one piece (OPC 10000-6 §6.7), with asyncua's keys and its counters.

asyncua makes objects of every header and encodes each anew. What is rare is left to it: several chunks,
opening and renewing a channel, a key that has just been replaced.
"""

import struct

from asyncua.common.connection import MessageChunk, SecureConnection
from asyncua.crypto.security_policies import SecurityPolicyNone

FRAME = struct.Struct("<4sI")  # type and kind of chunk, size
SMALLEST_BUFFER = 8_192  # of a client (OPC 10000-6 §7.1.2.3)

_SYMMETRIC = struct.Struct("<4sIII")  # … channel, token
_SEQUENCE = struct.Struct("<II")  # sequence number, request
_PLAIN = struct.Struct("<4sIIIII")
_LAST_SEQUENCE = 2**32 - 1


def unseal(connection: SecureConnection, frame: bytes) -> tuple[int, bytes, int] | None:
    """A message that is one chunk: its request's id, the bytes that it stands in, and from where on.

    None: it is nothing so simple, or is wrong; asyncua says which.
    """
    if len(frame) < _PLAIN.size or connection._incoming_parts or not connection.is_open():
        return None
    kind, _, channel, token = _SYMMETRIC.unpack_from(frame)
    current = connection.security_token
    if kind != b"MSGF" or channel != current.ChannelId or token != current.TokenId:
        return None
    if connection.security_policy.URI == SecurityPolicyNone.URI:
        data, start = frame, _SYMMETRIC.size
    else:
        plain = _decrypted(connection, frame)
        if plain is None:
            return None
        data, start = plain, 0
    sequence, request_id = _SEQUENCE.unpack_from(data, start)
    if connection._peer_sequence_number is None or sequence != connection._peer_sequence_number + 1:
        return None
    connection._peer_sequence_number = sequence
    return request_id, data, start + _SEQUENCE.size


def _decrypted(connection: SecureConnection, frame: bytes) -> bytes | None:
    crypto = connection.security_policy.symmetric_cryptography
    crypto.use_prev_key = False
    try:
        plain = crypto.decrypt(frame[_SYMMETRIC.size :])
        size = crypto.vsignature_size()
        crypto.verify(frame[: _SYMMETRIC.size] + plain[:-size], plain[-size:])
        body = bytes(crypto.remove_padding(plain[:-size]))
    except Exception:  # noqa: BLE001 - whatever is wrong, asyncua tries the key before and raises its own error
        return None
    return body if len(body) >= _SEQUENCE.size else None


def seal(connection: SecureConnection, body: bytes, request_id: int) -> bytes:
    """A message ready to be sent, in as many chunks as the client's buffer wants."""
    token = connection.security_token
    if connection.security_policy.URI == SecurityPolicyNone.URI:
        size = len(body) + _PLAIN.size
        if size <= connection._limits.max_send_buffer:
            number = _next_number(connection)
            return _PLAIN.pack(b"MSGF", size, token.ChannelId, token.TokenId, number, request_id) + body
    room = room_of(connection)
    return b"".join(
        _chunk(connection, body[start : start + room], request_id, final=start + room >= len(body))
        for start in range(0, len(body), room)
    )


def _chunk(connection: SecureConnection, part: bytes, request_id: int, *, final: bool) -> bytes:
    token, crypto = connection.security_token, connection.security_policy.symmetric_cryptography
    plain = _SEQUENCE.pack(_next_number(connection), request_id) + part
    plain += crypto.padding(len(plain))
    sealed = (len(plain) + crypto.signature_size()) // crypto.plain_block_size() * crypto.encrypted_block_size()
    kind = b"MSGF" if final else b"MSGC"
    head = _SYMMETRIC.pack(kind, _SYMMETRIC.size + sealed, token.ChannelId, token.TokenId)
    return head + bytes(crypto.encrypt(plain + crypto.signature(head + plain)))


def count_chunks(connection: SecureConnection, size: int) -> int:
    """How many chunks a message of so many bytes makes."""
    return -(-size // room_of(connection))


def room_of(connection: SecureConnection) -> int:
    """How many bytes of a message one chunk has."""
    crypto = connection.security_policy.symmetric_cryptography
    return int(MessageChunk.max_body_size(crypto, connection._limits.max_send_buffer))


def _next_number(connection: SecureConnection) -> int:
    number = connection._sequence_number + 1
    connection._sequence_number = number = number if number <= _LAST_SEQUENCE else 1
    return number
