"use strict";
// Browses, reads, translates, subscribes, writes and calls a bridge, and prints what it saw as JSON.
//   node client.js <endpoint> <station> <None|Sign|SignAndEncrypt> <user> <password>
// One line of JSON is the answer; the line "subscribed" before it asks the other side to change the state.
const opcua = require("node-opcua-client");
const { AttributeIds, BrowseDirection, DataType, MessageSecurityMode, SecurityPolicy, Variant } = opcua;

const [endpoint, station, mode, user, password] = process.argv.slice(2);
const id = (path) => `ns=2;s=${path}`;

async function browse(session, path) {
  const result = await session.browse({
    nodeId: id(path),
    browseDirection: BrowseDirection.Forward,
    referenceTypeId: "HierarchicalReferences",
    includeSubtypes: true,
    nodeClassMask: 0,
    resultMask: 63,
  });
  return result.references.map((reference) => ({
    id: reference.nodeId.toString(),
    name: reference.browseName.toString(),
    class: opcua.NodeClass[reference.nodeClass],
    type: reference.typeDefinition.toString(),
  }));
}

async function walk(session, path) {
  const found = [];
  for (const child of await browse(session, path)) {
    found.push(child);
    found.push(...(await walk(session, child.id.slice("ns=2;s=".length))));
  }
  return found;
}

async function read(session, path, attributeId = AttributeIds.Value) {
  const value = await session.read({ nodeId: id(path), attributeId });
  return {
    status: value.statusCode.name,
    type: DataType[value.value.dataType],
    value: value.value.toJSON().value ?? null,
    source: value.sourceTimestamp ? value.sourceTimestamp.toISOString() : null,
  };
}

async function follow(session, path) {
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 50,
    requestedLifetimeCount: 1000,
    requestedMaxKeepAliveCount: 10,
    maxNotificationsPerPublish: 100,
    publishingEnabled: true,
    priority: 1,
  });
  const seen = [];
  const item = await subscription.monitor(
    { nodeId: id(path), attributeId: AttributeIds.Value },
    { samplingInterval: 0, discardOldest: true, queueSize: 20 },
    opcua.TimestampsToReturn.Both,
  );
  await new Promise((resolve) => {
    item.on("changed", (value) => {
      seen.push([value.statusCode.name, value.value.value]);
      if (seen.length === 1) process.stdout.write("subscribed\n");
      if (seen.length === 4) resolve();
    });
  });
  await subscription.terminate();
  return seen;
}

async function main() {
  const client = opcua.OPCUAClient.create({
    endpointMustExist: false,
    connectionStrategy: { maxRetry: 1, initialDelay: 100 },
    securityMode: MessageSecurityMode[mode],
    securityPolicy: mode === "None" ? SecurityPolicy.None : SecurityPolicy.Basic256Sha256,
  });
  await client.connect(endpoint);
  const identity = user ? { type: opcua.UserTokenType.UserName, userName: user, password } : undefined;
  const session = await client.createSession(identity);
  const state = `${station}.Connector1.Status.State`;
  const seen = {
    namespaces: await session.readNamespaceArray(),
    stations: await browse(session, "Stations"),
    nodes: await walk(session, station),
    vendor: await read(session, `${station}.Info.Vendor`),
    waiting: await read(session, `${station}.Info.Model`),
    state: await read(session, state),
    stateText: await read(session, `${state}.ValueAsText`),
    dataType: await session.getBuiltInDataType(id(state)).then((type) => DataType[type]),
    enumValues: await read(session, `${state}.EnumValues`),
    units: await read(session, `${station}.Connector1.Transaction.Energy.EngineeringUnits`),
    time: await read(session, `${station}.Connector1.Status.Time`),
  };
  const path = opcua.makeBrowsePath("ObjectsFolder", `/2:Stations/2:${station}/2:Connector1/2:Status/2:State`);
  const translated = await session.translateBrowsePath(path);
  seen.translated = translated.targets.map((target) => target.targetId.toString());
  seen.arguments = await session.getArgumentDefinition(id(`${station}.Commands.Reset.Call`)).then((definition) => ({
    inputs: definition.inputArguments.map((argument) => argument.name),
    outputs: definition.outputArguments.map((argument) => argument.name),
  }));
  seen.write = await Promise.all(
    [new Variant({ dataType: DataType.Int32, value: 60 }), new Variant({ dataType: DataType.String, value: "60" })].map(
      (value) =>
        session
          .write({ nodeId: id(`${station}.Config.HeartbeatInterval`), attributeId: AttributeIds.Value, value: { value } })
          .then((status) => status.name),
    ),
  );
  const called = await session.call({
    objectId: id(`${station}.Commands.Reset`),
    methodId: id(`${station}.Commands.Reset.Call`),
    inputArguments: [{ dataType: DataType.String, value: "Soft" }],
  });
  seen.call = { status: called.statusCode.name, outputs: called.outputArguments.map((argument) => argument.value) };
  seen.changes = await follow(session, state);
  await session.close();
  await client.disconnect();
  await new Promise((written) => process.stdout.write(`${JSON.stringify(seen)}\n`, written));
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
