"""Chunks as asyncua makes and reads them, with every security that there is."""

import struct

import pytest
from asyncua import ua
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.common.utils import Buffer
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256, SecurityPolicyNone
from asyncua.ua.ua_binary import header_from_binary

from bridge.opcua.certificate import Identity, load_identity
from bridge.opcua.chunks import count_chunks, seal, unseal

MODES = ["None", "Sign", "SignAndEncrypt"]
SIZES = [1, 100, 8_000, 8_150, 8_192, 8_193, 30_000]
OURS, THEIRS = b"o" * 32, b"t" * 32


@pytest.fixture(scope="module")
def identity(tmp_path_factory) -> Identity:
    return load_identity(tmp_path_factory.mktemp("pki"), "localhost")


def connection(identity: Identity, mode: str, *, ours: bytes = OURS, theirs: bytes = THEIRS) -> SecureConnection:
    """An open channel whose keys come from two nonces."""
    policy = SecurityPolicyNone()
    if mode != "None":
        certificate, key = identity.certificate, identity.key
        policy = SecurityPolicyBasic256Sha256(certificate, certificate, key, ua.MessageSecurityMode[mode])
    made = SecureConnection(policy, TransportLimits(max_send_buffer=8_192))
    policy.make_local_symmetric_key(theirs, ours)
    policy.make_remote_symmetric_key(ours, theirs, 60_000)
    made.security_token.TokenId, made.security_token.ChannelId = 13, 5
    made._open, made._peer_sequence_number = True, 0
    return made


def pair(identity: Identity, mode: str) -> tuple[SecureConnection, SecureConnection]:
    return connection(identity, mode), connection(identity, mode, ours=THEIRS, theirs=OURS)


def frames(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = struct.unpack_from("<I", data, 4)[0]
        found.append(data[:size])
        data = data[size:]
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES)
def test_a_message_is_sealed_to_the_byte_as_asyncua_does(identity, mode, size):
    ours, theirs = connection(identity, mode), connection(identity, mode)
    for request_id in (7, 8):
        body = bytes(range(256)) * (size // 256) + bytes(size % 256)
        sealed = seal(ours, body, request_id)
        assert sealed == theirs.message_to_binary(body, request_id=request_id)
        assert count_chunks(ours, size) == len(frames(sealed))
        assert all(len(frame) <= 8_192 for frame in frames(sealed))


@pytest.mark.parametrize("mode", MODES)
def test_what_asyncua_seals_is_unsealed(identity, mode):
    client, server = pair(identity, mode)
    for number, body in enumerate((b"first", b"second" * 100)):
        opened = unseal(server, client.message_to_binary(body, request_id=number))
        assert opened is not None
        request_id, data, start = opened
        assert (request_id, data[start:]) == (number, body)


@pytest.mark.parametrize("mode", MODES)
def test_what_we_seal_asyncua_reads(identity, mode):
    client, server = pair(identity, mode)
    for size in SIZES:
        body = bytes(size)
        for frame in frames(seal(server, body, 9)):
            buffer = Buffer(frame)
            message = client.receive_from_header_and_body(header_from_binary(buffer), buffer)
        assert (message.request_id(), bytes(message.body())) == (9, body)


def changed(frame: bytes, position: int) -> bytes:
    return frame[:position] + bytes([frame[position] ^ 1]) + frame[position + 1 :]


@pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
@pytest.mark.parametrize("position", [4, 8, 12, 16, 30, -1])
def test_a_frame_that_was_changed_is_not_unsealed(identity, mode, position):
    client, server = pair(identity, mode)
    frame = client.message_to_binary(b"body" * 20, request_id=1)
    assert unseal(server, changed(frame, position % len(frame))) is None
    assert unseal(server, frame) is not None, "the frame itself still comes through"


@pytest.mark.parametrize("mode", MODES)
def test_what_is_not_simple_is_left_to_asyncua(identity, mode):
    client, server = pair(identity, mode)
    frame = client.message_to_binary(b"body", request_id=1)
    assert unseal(server, frame) is not None
    assert unseal(server, frame) is None, "the same sequence number again"
    chunks = frames(client.message_to_binary(bytes(20_000), request_id=2))
    assert unseal(server, chunks[0]) is None
    server._incoming_parts.append(object())
    assert unseal(server, chunks[-1]) is None
    assert unseal(server, b"MSGF\x08\0\0\0") is None


def test_sequence_numbers_begin_again_where_they_end(identity):
    ours, theirs = connection(identity, "None"), connection(identity, "None")
    for each in (ours, theirs):
        each._sequence_number = 2**32 - 2
    for _ in range(3):
        assert seal(ours, b"x", 1) == theirs.message_to_binary(b"x", request_id=1)
