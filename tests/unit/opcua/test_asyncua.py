"""What bridge.opcua takes for granted of asyncua's internals. Each of these fails loudly on an upgrade."""

import copy
import inspect

import asyncua
import pytest
from asyncua import Server, ua
from asyncua.common.connection import MessageChunk, SecureConnection, TransportLimits
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.server import address_space, binary_server_asyncio, internal_server, internal_session, uaprocessor
from asyncua.ua.ua_binary import struct_to_binary

from bridge.opcua.connection import Listener, Protocol
from bridge.opcua.processor import Processor
from bridge.opcua.sessions import BridgeInternalServer, Session
from bridge.opcua.variants import SharedDataValue


def parameters(function) -> list[str]:
    return list(inspect.signature(function).parameters)


SIGNATURES = [
    (address_space.AddressSpace.read_attribute_value, ["self", "nodeid", "attr"]),
    (address_space.AddressSpace.write_attribute_value, ["self", "nodeid", "attr", "value"]),
    (address_space.AddressSpace.add_datachange_callback, ["self", "nodeid", "attr", "callback"]),
    (address_space.AddressSpace.delete_datachange_callback, ["self", "handle"]),
    (internal_server.InternalServer.create_session, ["self", "name", "user", "external"]),
    (internal_server.InternalServer.decrypt_user_token, ["self", "isession", "token"]),
    (internal_server.InternalServer.lookup_external_session, ["self", "auth_token"]),
    (internal_server.InternalServer.register_external_session, ["self", "session"]),
    (internal_session.InternalSession.activate_session, ["self", "params", "peer_certificate"]),
    (uaprocessor.UaProcessor.__init__, ["self", "internal_server", "transport", "limits"]),
    (internal_server.InternalServer.get_endpoints, ["self", "params", "sockname"]),
    (internal_server.InternalServer.find_servers, ["self", "params", "sockname"]),
    (uaprocessor.UaProcessor.process, ["self", "header", "body"]),
    (uaprocessor.UaProcessor.process_message, ["self", "seqhdr", "body"]),
    (MessageChunk.max_body_size, ["crypto", "max_chunk_size"]),
    (internal_session.InternalSession.create_session, ["self", "params", "sockname"]),
    (uaprocessor.UaProcessor.send_response, ["self", "requesthandle", "seqhdr", "response", "msgtype"]),
    (binary_server_asyncio.BinaryServer.__init__, ["self", "internal_server", "hostname", "port", "limits"]),
    (
        binary_server_asyncio.OPCUAProtocol.__init__,
        ["self", "iserver", "policies", "clients", "closing_tasks", "limits"],
    ),
    (internal_session.InternalSession.close_session, ["self", "delete_subs"]),
    (internal_session.InternalSession._timeout_loop, ["self"]),
]


@pytest.mark.parametrize(("function", "expected"), SIGNATURES, ids=lambda value: getattr(value, "__qualname__", ""))
def test_what_is_called_or_overridden_has_the_same_parameters(function, expected):
    assert parameters(function) == expected


OVERRIDDEN = [
    (Session, internal_session.InternalSession, ["activate_session", "close_session", "_timeout_loop"]),
    (BridgeInternalServer, internal_server.InternalServer, ["create_session", "stop"]),
    (Processor, uaprocessor.UaProcessor, ["process_message", "send_response"]),
    (
        Protocol,
        binary_server_asyncio.OPCUAProtocol,
        ["connection_made", "connection_lost", "data_received", "_process_received_message_loop"],
    ),
    (Listener, binary_server_asyncio.BinaryServer, ["_make_protocol"]),
]


@pytest.mark.parametrize(("ours", "theirs", "names"), OVERRIDDEN, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_overridden_is_still_there(ours, theirs, names):
    for name in names:
        assert getattr(ours, name) is not getattr(theirs, name)


SOURCES = [
    (uaprocessor.UaProcessor.process, "self._connection.receive_from_header_and_body(header, body)"),
    (uaprocessor.UaProcessor.process, "await self.process_message(msg.SequenceHeader(), msg.body())"),
    (uaprocessor.UaProcessor.close, "self._should_close_session_on_transport_loss()"),
    (uaprocessor.UaProcessor._should_close_session_on_transport_loss, "sub.session_id == self.session.session_id"),
    (internal_session.InternalSession.activate_session, "if self.iserver.user_manager is not None"),
    (internal_session.InternalSession.close_session, "unregister_external_session(self)"),
    (binary_server_asyncio.OPCUAProtocol.connection_made, "self.processor.set_policies(self.policies)"),
    (binary_server_asyncio.OPCUAProtocol.connection_made, "create_task(self._process_received_message_loop())"),
    (binary_server_asyncio.OPCUAProtocol.connection_made, "len(self.clients) >= self.iserver.max_connections"),
    (binary_server_asyncio.OPCUAProtocol.connection_made, "if self.iserver.max_pending_activation_seconds > 0"),
    (binary_server_asyncio.OPCUAProtocol.connection_lost, "self._task.cancel()"),
    (internal_session.InternalSession.create_session, "result.MaxRequestMessageSize = 65536"),
    (internal_session.InternalSession.close_session, "await self.delete_subscriptions("),
    (internal_session.InternalSession._timeout_loop, "await self.close_session(True)"),
    (internal_session.InternalSession._timeout_loop, "self._last_activity"),
    (address_space.AddressSpace.write_attribute_value, "await v(k, value)"),
    (internal_server.InternalServer._set_current_time_loop, "asyncio.sleep(1)"),
    (Server.start, "await self._setup_server_nodes()"),
    (Server.start, "self.bserver.set_policies(self._policies)"),
    (Server.start, "await self.iserver.start()"),
]


@pytest.mark.parametrize(("function", "line"), SOURCES, ids=lambda value: getattr(value, "__qualname__", ""))
def test_asyncua_still_goes_the_way_that_we_step_into(function, line):
    assert line in inspect.getsource(function)


def test_asyncua_is_of_the_version_that_this_was_written_for():
    assert asyncua.__version__.startswith("2.1.")


def test_a_secure_connection_has_what_chunks_are_made_with():
    connection = SecureConnection(SecurityPolicyNone(), TransportLimits())
    assert (connection._sequence_number, connection._peer_sequence_number) == (0, None)
    assert (connection._incoming_parts, connection._incoming_size) == ([], 0)
    assert (connection.security_token.TokenId, connection.security_token.ChannelId) == (0, 0)
    assert not connection.is_open()
    assert connection._limits.max_send_buffer == 65_535


def test_a_shared_value_is_encoded_like_any_other_and_not_copied():
    plain, shared = (kind(ua.Variant(1.5, ua.VariantType.Double)) for kind in (ua.DataValue, SharedDataValue))
    assert copy.deepcopy(shared) is shared
    assert struct_to_binary(ua.MonitoredItemNotification(1, shared)) == struct_to_binary(
        ua.MonitoredItemNotification(1, plain)
    )


@pytest.mark.parametrize("name", ["AnalogUnitType", "AnalogItemType", "MultiStateValueDiscreteType", "PropertyType"])
async def test_the_standard_address_space_has_the_types_that_points_use(name):
    server = internal_server.InternalServer()
    await server.load_standard_address_space()
    assert ua.NodeId(getattr(ua.ObjectIds, name)) in server.aspace
    server.method_service.stop()


async def test_references_of_the_standard_address_space_say_all_that_browse_shows():
    server = internal_server.InternalServer()
    await server.load_standard_address_space()
    for reference in server.aspace[ua.NodeId(ua.ObjectIds.Server)].references:
        assert reference.BrowseName.Name
        assert reference.DisplayName.Text
        assert reference.NodeClass
        assert reference.TypeDefinition.is_null() == (reference.NodeClass not in (1, 2))
    server.method_service.stop()
