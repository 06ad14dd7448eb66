"""The Server object says what there is, and nothing that is null and Good."""

from datetime import UTC, datetime

import pytest
from asyncua import ua

from bridge import RELEASED
from bridge.opcua.settings import Limits
from tests.unit.opcua.helpers import Changes
from tests.unit.opcua.raw import Raw

pytestmark = pytest.mark.asyncio(loop_scope="session")

IDS = ua.ObjectIds


async def read(client, identifier: int) -> ua.DataValue:
    item = ua.ReadValueId(ua.NodeId(identifier), ua.AttributeIds.Value)
    return (await client.uaclient.read(ua.ReadParameters(NodesToRead=[item])))[0]


async def value(client, name: str):
    return (await read(client, getattr(IDS, f"Server_{name}"))).Value.Value


async def below(client, node) -> list:
    """The variables of an object, at any depth."""
    found = []
    for child in await node.get_children_descriptions(refs=IDS.Aggregates):
        own = client.get_node(child.NodeId)
        if child.NodeClass == ua.NodeClass.Variable:
            found.append((child.BrowseName.Name, own))
        found += await below(client, own)
    return found


async def test_nothing_of_the_server_object_is_null_and_good(client):
    variables = await below(client, client.nodes.server)
    assert len(variables) > 60
    items = [ua.ReadValueId(node.nodeid, ua.AttributeIds.Value) for _, node in variables]
    values = await client.uaclient.read(ua.ReadParameters(NodesToRead=items))
    null = [
        name
        for (name, _), found in zip(variables, values, strict=True)
        if found.StatusCode.is_good()
        and (found.Value is None or found.Value.Value is None)
        and not found.Value.is_array
    ]
    assert null == []


async def test_status_is_that_of_now(client):
    status = await value(client, "ServerStatus")
    now = datetime.now(UTC)
    assert abs((now - status.CurrentTime.replace(tzinfo=UTC)).total_seconds()) < 5
    assert status.State is ua.ServerState.Running
    assert (status.SecondsTillShutdown, status.BuildInfo.ProductUri) == (0, "urn:ocpp-bridge")
    assert (status.BuildInfo.SoftwareVersion, status.BuildInfo.ProductName) == ("1.2.3", "ocpp-bridge")
    assert status.BuildInfo.BuildDate.replace(tzinfo=UTC) == datetime.fromisoformat(RELEASED)
    assert await value(client, "ServerStatus_State") == ua.ServerState.Running
    assert await value(client, "ServerStatus_StartTime") == status.StartTime
    assert await value(client, "ServerStatus_BuildInfo_SoftwareVersion") == "1.2.3"
    assert await value(client, "Auditing") is True
    assert await value(client, "ServerRedundancy_RedundancySupport") == ua.RedundancySupport.None_


async def test_limits_are_published(start_site):
    limits = Limits(max_nodes_per_read=77, max_sessions=5, max_continuation_points=9, max_queue_size=12)
    site = await start_site(limits=limits)
    async with site.client() as client:
        assert await value(client, "ServerCapabilities_OperationLimits_MaxNodesPerRead") == 77
        assert await value(client, "ServerCapabilities_MaxSessions") == 5
        assert await value(client, "ServerCapabilities_MaxBrowseContinuationPoints") == 9
        assert await value(client, "ServerCapabilities_MaxMonitoredItemsQueueSize") == 12
        assert await value(client, "ServerCapabilities_LocaleIdArray") == ["en"]
        assert await value(client, "ServerCapabilities_SoftwareCertificates") == []
        profiles = await value(client, "ServerCapabilities_ServerProfileArray")
        assert "http://opcfoundation.org/UA-Profile/Server/DataAccess" in profiles


async def test_what_the_bridge_has_not_is_not_there(client):
    for identifier in (IDS.Server_ServerCapabilities_RoleSet, IDS.PublishSubscribe, IDS.ServerConfiguration):
        assert (await read(client, identifier)).StatusCode.name == "BadNodeIdUnknown"
    shown = {child.BrowseName.Name for child in await client.nodes.server.get_children_descriptions()}
    assert {"ServerStatus", "ServerCapabilities", "ServerDiagnostics", "ServerRedundancy", "Namespaces"} <= shown
    assert "PublishSubscribe" not in shown
    assert "Locations" not in shown


async def test_every_reference_of_the_standard_nodes_leads_somewhere(site):
    aspace = site.server._aspace  # a client would need as many requests as there are nodes
    for node_id in list(aspace._nodes):
        for reference in aspace[node_id].references:
            assert aspace.knows(ua.NodeId(reference.NodeId.Identifier, reference.NodeId.NamespaceIndex)), node_id


async def test_namespaces_have_their_metadata(client):
    array = await client.get_namespace_array()
    described = await client.nodes.namespaces.get_children_descriptions()
    assert {each.BrowseName.Name for each in described} == {array[0], *array[2:]}
    types = next(each for each in described if each.BrowseName == ua.QualifiedName("urn:ocpp-bridge:types", 3))
    node = client.get_node(types.NodeId)
    assert await node.read_type_definition() == ua.NodeId(IDS.NamespaceMetadataType)
    assert await (await node.get_child("0:NamespaceVersion")).read_value() == "1.2.3"
    assert await (await node.get_child("0:NamespaceUri")).read_value() == "urn:ocpp-bridge:types"


async def test_diagnostics_count_sessions_subscriptions_and_requests(client, site):
    before = await value(client, "ServerDiagnostics_ServerDiagnosticsSummary")
    async with site.client() as other:
        other.description = "the other one"
        subscription = await other.create_subscription(250, Changes())
        station = site.station()
        await subscription.subscribe_data_change(other.get_node(ua.NodeId(f"{station.path}.Info.Vendor", 2)))
        await value(other, "Auditing")
        after = await value(client, "ServerDiagnostics_ServerDiagnosticsSummary")
        assert after.CurrentSessionCount == before.CurrentSessionCount + 1
        assert after.CumulatedSessionCount == before.CumulatedSessionCount + 1
        assert after.CurrentSubscriptionCount == before.CurrentSubscriptionCount + 1
        assert after.CumulatedSubscriptionCount == before.CumulatedSubscriptionCount + 1
        sessions = await value(client, "ServerDiagnostics_SessionsDiagnosticsSummary_SessionDiagnosticsArray")
        seen = (each for each in sessions if each.ClientDescription.ApplicationUri == other.application_uri)
        own = next(each for each in seen if each.CurrentMonitoredItemsCount)
        assert own.CreateMonitoredItemsCount.TotalCount == 1
        assert own.ReadCount.TotalCount >= 1
        assert own.TotalRequestCount.TotalCount > own.ReadCount.TotalCount
        subscriptions = await value(client, "ServerDiagnostics_SubscriptionDiagnosticsArray")
        found = next(each for each in subscriptions if each.SubscriptionId == subscription.subscription_id)
        assert (found.SessionId, found.PublishingInterval, found.MonitoredItemCount) == (own.SessionId, 250, 1)
    last = await value(client, "ServerDiagnostics_ServerDiagnosticsSummary")
    assert last.CurrentSubscriptionCount == before.CurrentSubscriptionCount


async def test_diagnostics_count_what_is_refused(client, site):
    before = await value(client, "ServerDiagnostics_ServerDiagnosticsSummary")
    stranger = site.client("olga", "wrong")
    with pytest.raises(ua.UaStatusCodeError):
        await stranger.connect()
    with pytest.raises(ua.UaStatusCodeError):
        await client.uaclient.read(ua.ReadParameters(NodesToRead=[]))
    raw = await Raw.activated(site)
    await raw.ask(ua.CreateSessionRequest(), ua.CreateSessionResponse)  # in the place of the one before
    raw.token = ua.NodeId(b"another", 0)
    assert await raw.status(raw.encode(ua.ReadRequest())) == "BadSessionIdInvalid"
    await Raw.close_all()
    after = await value(client, "ServerDiagnostics_ServerDiagnosticsSummary")
    assert after.SecurityRejectedSessionCount == before.SecurityRejectedSessionCount + 1
    assert after.RejectedSessionCount == before.RejectedSessionCount + 1
    assert after.RejectedRequestsCount == before.RejectedRequestsCount + 3
    assert after.SecurityRejectedRequestsCount == before.SecurityRejectedRequestsCount + 2
    assert after.SessionAbortCount == before.SessionAbortCount + 1
    sessions = await value(client, "ServerDiagnostics_SessionsDiagnosticsSummary_SessionDiagnosticsArray")
    assert [each.ReadCount.ErrorCount for each in sessions if each.ReadCount.ErrorCount] == [1]


async def test_current_time_is_reported_to_who_monitors_it(client):
    heard = Changes()
    subscription = await client.create_subscription(100, heard)
    await subscription.subscribe_data_change(client.get_node(ua.NodeId(IDS.Server_ServerStatus_CurrentTime)))
    times = [found.Value.Value for found in await heard.wait(3)]
    assert times == sorted(set(times))
    await subscription.delete()


async def test_security_of_other_sessions_is_shown_to_nobody(client):
    name = "ServerDiagnostics_SessionsDiagnosticsSummary_SessionSecurityDiagnosticsArray"
    assert (await read(client, getattr(IDS, f"Server_{name}"))).StatusCode.name == "BadUserAccessDenied"
