"""What bridge.opcua takes for granted of asyncua's internals. Each of these fails loudly on an upgrade."""

import copy
import inspect

import asyncua
import pytest
from asyncua import Server, ua
from asyncua.server import address_space, binary_server_asyncio, internal_server, internal_session, uaprocessor
from asyncua.server.monitored_item_service import MonitoredItemService
from asyncua.server.subscription_service import SubscriptionService
from asyncua.ua.ua_binary import struct_to_binary

from bridge.opcua.processor import Listener, Processor, Protocol
from bridge.opcua.sessions import BridgeInternalServer, Session
from bridge.opcua.variants import SharedDataValue
from bridge.opcua.views import TreeViews


def parameters(function) -> list[str]:
    return list(inspect.signature(function).parameters)


SIGNATURES = [
    (address_space.AddressSpace.read_attribute_value, ["self", "nodeid", "attr"]),
    (address_space.AddressSpace.write_attribute_value, ["self", "nodeid", "attr", "value"]),
    (address_space.AddressSpace.add_datachange_callback, ["self", "nodeid", "attr", "callback"]),
    (address_space.AddressSpace.delete_datachange_callback, ["self", "handle"]),
    (address_space.ViewService._browse, ["self", "desc"]),
    (address_space.ViewService._navigate, ["self", "start_nodeid", "elements"]),
    (address_space.ViewService._find_elements_in_node, ["self", "el", "nodeid"]),
    (address_space.ViewService._translate_browsepath_to_nodeid, ["self", "path"]),
    (address_space.ViewService._suitable_reftype, ["self", "ref1", "ref2", "subtypes"]),
    (internal_server.InternalServer.create_session, ["self", "name", "user", "external"]),
    (internal_server.InternalServer.decrypt_user_token, ["self", "isession", "token"]),
    (internal_server.InternalServer.lookup_external_session, ["self", "auth_token"]),
    (internal_server.InternalServer.register_external_session, ["self", "session"]),
    (internal_session.InternalSession.activate_session, ["self", "params", "peer_certificate"]),
    (internal_session.InternalSession.read, ["self", "params"]),
    (internal_session.InternalSession.write, ["self", "params"]),
    (internal_session.InternalSession.call, ["self", "params"]),
    (uaprocessor.UaProcessor.__init__, ["self", "internal_server", "transport", "limits"]),
    (uaprocessor.UaProcessor._process_message, ["self", "typeid", "requesthdr", "seqhdr", "body"]),
    (uaprocessor.UaProcessor.send_response, ["self", "requesthandle", "seqhdr", "response", "msgtype"]),
    (binary_server_asyncio.BinaryServer.__init__, ["self", "internal_server", "hostname", "port", "limits"]),
    (
        binary_server_asyncio.OPCUAProtocol.__init__,
        ["self", "iserver", "policies", "clients", "closing_tasks", "limits"],
    ),
    (MonitoredItemService._create_data_change_monitored_item, ["self", "params"]),
    (MonitoredItemService._modify_monitored_item, ["self", "params"]),
    (MonitoredItemService._revise_queue_size, ["self", "requested"]),
    (MonitoredItemService.datachange_callback, ["self", "handle", "value", "error"]),
    (
        SubscriptionService.create_subscription,
        ["self", "params", "callback", "session_id", "request_callback"],
    ),
]


@pytest.mark.parametrize(("function", "expected"), SIGNATURES, ids=lambda value: getattr(value, "__qualname__", ""))
def test_what_is_called_or_overridden_has_the_same_parameters(function, expected):
    assert parameters(function) == expected


OVERRIDDEN = [
    (TreeViews, address_space.ViewService, ["_browse", "_find_elements_in_node", "_translate_browsepath_to_nodeid"]),
    (Session, internal_session.InternalSession, ["activate_session", "read", "write", "call"]),
    (BridgeInternalServer, internal_server.InternalServer, ["create_session", "stop"]),
    (Processor, uaprocessor.UaProcessor, ["_process_message", "send_response"]),
    (Protocol, binary_server_asyncio.OPCUAProtocol, ["connection_made"]),
    (Listener, binary_server_asyncio.BinaryServer, ["_make_protocol"]),
]


@pytest.mark.parametrize(("ours", "theirs", "names"), OVERRIDDEN, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_overridden_is_still_there(ours, theirs, names):
    for name in names:
        assert getattr(ours, name) is not getattr(theirs, name)


SOURCES = [
    (uaprocessor.UaProcessor._process_message, "await self.session.call(params.MethodsToCall)"),
    (uaprocessor.UaProcessor._process_message, "await self.session.read(params)"),
    (uaprocessor.UaProcessor._process_message, "await self.session.write(params)"),
    (uaprocessor.UaProcessor._process_message, "self.iserver.create_session(self.name, external=True)"),
    (uaprocessor.UaProcessor.process_message, "await self._process_message(typeid, requesthdr, seqhdr, body)"),
    (uaprocessor.UaProcessor._process_message, "pub_request_callback = self.get_publish_request"),
    (internal_session.InternalSession.activate_session, "if self.iserver.user_manager is not None"),
    (internal_session.InternalSession.close_session, "unregister_external_session(self)"),
    (binary_server_asyncio.OPCUAProtocol.connection_made, "self.processor.set_policies(self.policies)"),
    (MonitoredItemService._create_data_change_monitored_item, "await self.trigger_datachange("),
    (MonitoredItemService._delete_monitored_items, "self.aspace.delete_datachange_callback(handle)"),
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
