"use strict";
// Uses a bridge's services as HMIs do, and prints what it saw as JSON, a key for each behaviour.
//   node services.js <endpoint> <station>
// A line of JSON {"do": ...} asks the other side to act; its line of JSON on stdin is the answer. The last line is
// {"seen": ...}.
const readline = require("node:readline");
const opcua = require("node-opcua-client");
const {
  AttributeIds,
  BrowseDirection,
  DataChangeFilter,
  DataChangeTrigger,
  DataType,
  DeadbandType,
  MessageSecurityMode,
  MonitoringMode,
  SecurityPolicy,
  TimestampsToReturn,
  Variant,
} = opcua;
const NumericRange = new opcua.ReadValueId({}).indexRange.constructor; // which the package does not export

const [endpoint, station] = process.argv.slice(2);
const connector = `${station}.Connector1`;
const STATE = `${connector}.Status.State`;
const ENERGY = `${connector}.MeterValues.Energy.Active.Import.Register`;
const INTERVAL = `${station}.Config.HeartbeatInterval`; // 1 to 86400
const VENDOR = `${station}.Info.Vendor`;
const LONG = 100000;
const id = (path) => (typeof path === "string" ? `ns=2;s=${path}` : `i=${path.i}`);

// ---------------------------------------------------------------------- the other side

const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let turn = Promise.resolve();

function act(what, more = {}) {
  const asked = turn.then(async () => {
    process.stdout.write(`${JSON.stringify({ do: what, ...more })}\n`);
    return JSON.parse((await answers.next()).value);
  });
  turn = asked.catch(() => undefined);
  return asked;
}

const set = (path, ...values) => act("set", { path, values });

// ---------------------------------------------------------------------- what many of them need

async function connect(user) {
  const client = opcua.OPCUAClient.create({
    endpointMustExist: false,
    connectionStrategy: { maxRetry: 100, initialDelay: 50, maxDelay: 200, randomisationFactor: 0 },
    securityMode: user ? MessageSecurityMode.SignAndEncrypt : MessageSecurityMode.None,
    securityPolicy: user ? SecurityPolicy.Basic256Sha256 : SecurityPolicy.None,
    requestedSessionTimeout: 600000,
  });
  await client.connect(endpoint);
  const identity = user && { type: opcua.UserTokenType.UserName, userName: user, password: "done" };
  return { client, session: await client.createSession(identity || undefined) };
}

const ask = (session, service, options) => session.performMessageTransaction(new opcua[`${service}Request`](options));

/** The StatusCode of a request that fails as a whole. */
async function fault(asked) {
  try {
    await asked;
  } catch (error) {
    return /Bad[A-Za-z]+/.exec(error.message)[0];
  }
  return "Good";
}

function names(codes) {
  return codes.map((code) => code.name);
}

async function subscribe(session, more = {}) {
  return session.createSubscription2({
    requestedPublishingInterval: 50,
    requestedLifetimeCount: LONG,
    requestedMaxKeepAliveCount: 1000,
    maxNotificationsPerPublish: 0,
    publishingEnabled: true,
    priority: 1,
    ...more,
  });
}

/** A monitored item and what it was told: [status, value] each; `until(n)` there are n. */
async function follow(subscription, path, parameters = {}, monitored = {}, mode = MonitoringMode.Reporting) {
  const told = [];
  let heard = () => undefined;
  const item = opcua.ClientMonitoredItem.create(
    subscription,
    { nodeId: id(path), attributeId: AttributeIds.Value, ...monitored },
    { samplingInterval: 0, discardOldest: true, queueSize: 20, ...parameters },
    TimestampsToReturn.Both,
    mode,
  );
  item.on("changed", (value) => {
    if (Array.isArray(value)) told.push(value.map((field) => field.toJSON().value));
    else told.push([value.statusCode.name.split("#")[0], value.value.value, (value.statusCode.value & 0x480) === 0x480]);
    heard();
  });
  await new Promise((resolve, reject) => {
    item.on("initialized", resolve);
    item.on("err", (message) => reject(new Error(message)));
  });
  const until = async (count) => {
    while (told.length < count) await new Promise((resolve) => (heard = resolve));
    return told;
  };
  return { item, told, until, values: () => told.map(([, value]) => value) };
}

/** What a client without a publish engine does itself. */
class Raw {
  constructor(session) {
    this.session = session;
  }

  async subscribe(more = {}) {
    const made = await ask(this.session, "CreateSubscription", {
      requestedPublishingInterval: 20,
      requestedLifetimeCount: LONG,
      requestedMaxKeepAliveCount: LONG,
      maxNotificationsPerPublish: 0,
      publishingEnabled: true,
      priority: 0,
      ...more,
    });
    return made.subscriptionId;
  }

  async monitor(subscriptionId, items) {
    const made = await ask(this.session, "CreateMonitoredItems", {
      subscriptionId,
      timestampsToReturn: TimestampsToReturn.Both,
      itemsToCreate: items.map(({ path, attributeId, indexRange, mode, ...parameters }, index) => ({
        itemToMonitor: {
          nodeId: id(path),
          attributeId: attributeId || AttributeIds.Value,
          indexRange: indexRange ? new NumericRange(indexRange) : undefined,
        },
        monitoringMode: mode === undefined ? MonitoringMode.Reporting : mode,
        requestedParameters: { clientHandle: index + 1, samplingInterval: 0, queueSize: 10, discardOldest: true, ...parameters },
      })),
    });
    return made.results;
  }

  publish(acknowledged = []) {
    return ask(this.session, "Publish", {
      subscriptionAcknowledgements: acknowledged.map(([subscriptionId, sequenceNumber]) => ({ subscriptionId, sequenceNumber })),
    });
  }

  /** [client handle, value] each of the next message. */
  async changes() {
    return changesOf(await this.publish());
  }

  end(...subscriptionIds) {
    return ask(this.session, "DeleteSubscriptions", { subscriptionIds });
  }
}

function changesOf(response) {
  const data = response.notificationMessage.notificationData || [];
  return data.flatMap((each) => (each.monitoredItems || []).map((one) => [one.clientHandle, one.value.value.value]));
}

function filter(trigger, deadbandType = DeadbandType.None, deadbandValue = 0) {
  return new DataChangeFilter({ trigger, deadbandType, deadbandValue });
}

// ---------------------------------------------------------------------- monitored items

async function sampling({ session }) {
  const subscription = await subscribe(session);
  const every = await follow(subscription, STATE);
  const slow = await follow(subscription, STATE, { samplingInterval: 400 });
  await Promise.all([every.until(1), slow.until(1)]);
  await set(STATE, 1, 2, 3);
  await Promise.all([every.until(4), slow.until(2)]);
  const intervals = [every, slow].map(({ item }) => item.monitoringParameters.samplingInterval);
  await subscription.terminate();
  return { intervals, every: every.values().slice(1), slow: slow.values().slice(1) };
}

async function queues({ session }) {
  const subscription = await subscribe(session, { requestedPublishingInterval: 100 });
  const followed = [];
  for (const discardOldest of [true, false]) {
    followed.push(await follow(subscription, STATE, { queueSize: 3, discardOldest }));
  }
  await Promise.all(followed.map((one) => one.until(1)));
  await set(STATE, 1, 2, 3, 4, 5, 6);
  const told = await Promise.all(followed.map((one) => one.until(4)));
  await subscription.terminate();
  return told.map((one) => one.slice(1).map(([, value, overflow]) => [value, overflow]));
}

async function filters({ session }) {
  const subscription = await subscribe(session);
  await set(ENERGY, 100);
  const { Status, StatusValue, StatusValueTimestamp } = DataChangeTrigger;
  const wanted = {
    status: filter(Status),
    value: filter(StatusValue),
    timestamp: filter(StatusValueTimestamp),
    absolute: filter(StatusValue, DeadbandType.Absolute, 10),
  };
  const seen = {};
  for (const [name, one] of Object.entries(wanted)) seen[name] = await follow(subscription, ENERGY, { filter: one });
  await set(INTERVAL, 1000);
  const percent = await follow(subscription, INTERVAL, { filter: filter(StatusValue, DeadbandType.Percent, 10) });
  const last = await follow(subscription, STATE);
  await Promise.all([...Object.values(seen), percent, last].map((one) => one.until(1)));
  await set(ENERGY, 100, 105, 115, 116);
  await set(INTERVAL, 5000, 20000, 20001);
  await act("quality", { path: ENERGY, value: 116 });
  await set(STATE, 7);
  await last.until(2); // it changed last, so the others have been told
  const refused = {};
  for (const [path, one] of [[ENERGY, filter(StatusValue, DeadbandType.Percent, 10)], [VENDOR, wanted.absolute]]) {
    refused[path] = (await new Raw(session).monitor(subscription.subscriptionId, [{ path, filter: one }]))[0].statusCode.name;
  }
  await subscription.terminate();
  const told = Object.fromEntries(Object.entries(seen).map(([name, one]) => [name, one.told.map(([code, value]) => [code, value])]));
  return { ...told, percent: percent.values(), refused: Object.values(refused) };
}

async function modified({ session }) {
  const subscription = await subscribe(session);
  const followed = await follow(subscription, STATE);
  await followed.until(1);
  const result = await followed.item.modify({ samplingInterval: 300, queueSize: 5, discardOldest: false });
  const changed = await subscription.modify({ requestedPublishingInterval: 70, requestedMaxKeepAliveCount: 7, requestedLifetimeCount: 90 });
  await set(STATE, 8);
  await followed.until(2);
  await subscription.terminate();
  return {
    item: [result.statusCode.name, result.revisedSamplingInterval, result.revisedQueueSize],
    subscription: [changed.revisedPublishingInterval, changed.revisedMaxKeepAliveCount, changed.revisedLifetimeCount],
    values: followed.values().slice(1),
  };
}

async function modes({ session }) {
  const subscription = await subscribe(session);
  const followed = await follow(subscription, STATE);
  const other = await follow(subscription, ENERGY);
  await Promise.all([followed.until(1), other.until(1)]);
  const codes = [await followed.item.setMonitoringMode(MonitoringMode.Disabled)];
  await set(STATE, 1, 2);
  codes.push(await followed.item.setMonitoringMode(MonitoringMode.Sampling)); // begins with 2
  await set(STATE, 3);
  await set(ENERGY, 900);
  await other.until(2);
  const whileSampling = followed.told.length;
  codes.push(await followed.item.setMonitoringMode(MonitoringMode.Reporting));
  await followed.until(3);
  codes.push(await subscription.setPublishingMode(false));
  await set(STATE, 4, 5);
  codes.push(await subscription.setPublishingMode(true));
  await followed.until(5);
  await subscription.terminate();
  return { codes: names(codes), whileSampling, values: followed.values().slice(1) };
}

async function triggering({ session }) {
  const subscription = await subscribe(session);
  const trigger = await follow(subscription, STATE);
  const linked = await follow(subscription, ENERGY, {}, {}, MonitoringMode.Sampling);
  await trigger.until(1);
  const made = await subscription.setTriggering(trigger.item, [linked.item], null);
  await set(ENERGY, 41, 42);
  const before = linked.told.length;
  await set(STATE, 2);
  await linked.until(3);
  const gone = await subscription.setTriggering(trigger.item, null, [linked.item, linked.item]);
  await subscription.terminate();
  return { made: names(made.addResults), before, values: linked.values().slice(1), gone: names(gone.removeResults) };
}

async function attributes({ session }) {
  const subscription = await subscribe(session);
  const name = await follow(subscription, STATE, {}, { attributeId: AttributeIds.DisplayName });
  const part = await follow(subscription, VENDOR, {}, { indexRange: new NumericRange("1:2") });
  const version = await follow(subscription, "Stations.NodeVersion");
  await Promise.all([name, part, version].map((one) => one.until(1)));
  await set(VENDOR, "ACME", "X", "A long name");
  await part.until(4);
  const { station: added } = await act("add", { area: "Depot/Hall 1" });
  await version.until(2);
  const refused = await new Raw(session).monitor(subscription.subscriptionId, [
    { path: STATE, indexRange: "0:1" },
    { path: STATE, attributeId: AttributeIds.Executable },
    { path: "Nowhere.Status.State" },
    { path: { i: 4711 } },
  ]);
  const areas = await session.browse({ nodeId: id("Stations/Depot"), referenceTypeId: "Organizes", resultMask: 63 });
  await act("remove", { station: added });
  await subscription.terminate();
  return {
    name: name.told[0][1].text,
    part: part.told.map(([code, value]) => [code, value]),
    versions: new Set(version.values()).size,
    refused: names(refused.map((one) => one.statusCode)),
    areas: areas.references.map((one) => one.browseName.name),
  };
}

// ---------------------------------------------------------------------- subscriptions

async function messages({ session }) {
  const raw = new Raw(session);
  const number = await raw.subscribe({ maxNotificationsPerPublish: 2 });
  const paths = ["Id", "Vendor", "Model", "Iccid", "Imsi"].map((name) => ({ path: `${station}.Info.${name}` }));
  await raw.monitor(number, paths);
  const told = [await raw.publish(), await raw.publish(), await raw.publish([[number, 1], [number, 99], [12345, 1]])];
  const again = await ask(session, "Republish", { subscriptionId: number, retransmitSequenceNumber: 2 });
  const gone = await fault(ask(session, "Republish", { subscriptionId: number, retransmitSequenceNumber: 1 }));
  await raw.end(number);
  return {
    handles: told.map((one) => changesOf(one).map(([handle]) => handle)),
    more: told.map((one) => one.moreNotifications),
    numbers: told.map((one) => one.notificationMessage.sequenceNumber),
    available: told[2].availableSequenceNumbers && [...told[2].availableSequenceNumbers],
    acknowledged: names(told[2].results),
    again: changesOf(again).map(([handle]) => handle),
    gone,
  };
}

async function lifetime({ session }) {
  const raw = new Raw(session);
  const quiet = await raw.subscribe({ requestedMaxKeepAliveCount: 2 });
  const alive = [await raw.publish(), await raw.publish()];
  await raw.end(quiet);
  const short = await raw.subscribe({ requestedMaxKeepAliveCount: 1, requestedLifetimeCount: 3 });
  await act("gone", { subscription: short });
  const last = await raw.publish();
  const unknown = await fault(raw.publish());
  return {
    keepAlive: alive.map((one) => [(one.notificationMessage.notificationData || []).length, one.notificationMessage.sequenceNumber]),
    ended: last.subscriptionId === short,
    status: last.notificationMessage.notificationData[0].status.name,
    unknown,
  };
}

async function transfer() {
  const first = await connect("olga");
  const second = await connect("olga");
  const stranger = await connect();
  const [before, after] = [new Raw(first.session), new Raw(second.session)];
  const number = await before.subscribe();
  await set(STATE, 4);
  await before.monitor(number, [{ path: STATE }, { path: VENDOR, mode: MonitoringMode.Sampling }]);
  const told = await before.changes();
  const move = (session) => ask(session, "TransferSubscriptions", { subscriptionIds: [number], sendInitialValues: true });
  const refused = await move(stranger.session);
  const moved = await move(second.session);
  const again = await after.changes();
  const notice = await before.publish();
  const seen = {
    told,
    refused: names(refused.results.map((one) => one.statusCode)),
    moved: moved.results.map((one) => [one.statusCode.name, [...one.availableSequenceNumbers]]),
    again,
    notice: notice.notificationMessage.notificationData[0].status.name,
  };
  const method = (session, methodId) =>
    session.call({ objectId: "i=2253", methodId, inputArguments: [{ dataType: DataType.UInt32, value: number }] });
  const items = await second.session.getMonitoredItems(number);
  seen.items = [items.serverHandles.length, [...items.clientHandles]];
  seen.resent = [(await method(second.session, "i=12873")).statusCode.name, await after.changes()];
  seen.foreign = names([await method(first.session, "i=11492"), await method(first.session, "i=12873")].map((one) => one.statusCode));
  const wrong = await second.session.call({ objectId: "i=2253", methodId: "i=12873", inputArguments: [{ dataType: DataType.UInt32, value: 99999 }] });
  seen.missing = wrong.statusCode.name;
  await after.end(number);
  for (const one of [first, second, stranger]) {
    await one.session.close();
    await one.client.disconnect();
  }
  return seen;
}

async function reconnect() {
  const { client, session } = await connect();
  const subscription = await subscribe(session);
  const followed = await follow(subscription, STATE);
  await followed.until(1);
  const before = [session.sessionId.toString(), subscription.subscriptionId];
  const back = new Promise((resolve) => client.once("after_reconnection", resolve));
  await act("cut", { subscription: subscription.subscriptionId });
  await set(STATE, 1, 2, 3);
  await back;
  await set(STATE, 4);
  await followed.until(5);
  while (!followed.values().includes(4)) await followed.until(followed.values().length + 1);
  const after = [session.sessionId.toString(), subscription.subscriptionId];
  const seen = { same: JSON.stringify(before) === JSON.stringify(after), values: followed.values().slice(1) };
  await subscription.terminate();
  await session.close();
  await client.disconnect();
  return seen;
}

// ---------------------------------------------------------------------- stations that come and go

async function events({ session }) {
  const subscription = await subscribe(session);
  const [base, change] = ["i=2041", "i=2133"];
  const select = (typeDefinitionId, name) => ({ typeDefinitionId, browsePath: [{ name }], attributeId: AttributeIds.Value });
  const wanted = new opcua.EventFilter({ selectClauses: [select(base, "EventType"), select(change, "Changes")], whereClause: {} });
  const listen = (path) => follow(subscription, path, { filter: wanted }, { attributeId: AttributeIds.EventNotifier });
  const [server, stations, own] = [await listen({ i: 2253 }), await listen("Stations"), await listen(station)];
  const { station: added } = await act("add", {});
  await act("connector", { station });
  const state = await follow(subscription, `${added}.Connector1.Status.State`);
  await Promise.all([server, stations, own, state].map((one) => one.until(1)));
  await act("remove", { station: added });
  await state.until(2);
  const [refused] = await new Raw(session).monitor(subscription.subscriptionId, [{ path: `${added}.Info.Vendor` }]);
  const [noEvents] = await new Raw(session).monitor(subscription.subscriptionId, [
    { path: connector, attributeId: AttributeIds.EventNotifier, filter: wanted },
  ]);
  await server.until(2);
  const told = (one) => one.told.flatMap(([, changes]) => changes.map((each) => [each.affected.replace("ns=2;s=", ""), each.verb]));
  await subscription.terminate();
  return {
    added,
    type: server.told[0][0],
    server: told(server),
    stations: told(stations),
    own: told(own),
    item: state.told.map(([code]) => code),
    refused: refused.statusCode.name,
    noEvents: noEvents.statusCode.name,
  };
}

// ---------------------------------------------------------------------- the other services

async function browsing({ session }) {
  const wanted = { nodeId: id(station), browseDirection: BrowseDirection.Forward, referenceTypeId: "i=33", includeSubtypes: true, nodeClassMask: 0, resultMask: 63 };
  const all = await session.browse(wanted);
  const first = await ask(session, "Browse", { requestedMaxReferencesPerNode: 4, nodesToBrowse: [wanted, { ...wanted, nodeId: id("Nowhere") }] });
  const pages = [first.results[0]];
  while (pages.at(-1).continuationPoint && pages.at(-1).continuationPoint.length) {
    const next = await ask(session, "BrowseNext", { releaseContinuationPoints: false, continuationPoints: [pages.at(-1).continuationPoint] });
    pages.push(next.results[0]);
  }
  const stale = await ask(session, "BrowseNext", { releaseContinuationPoints: false, continuationPoints: [pages[0].continuationPoint] });
  const ids = (pages) => pages.flatMap((page) => page.references.map((one) => one.nodeId.toString()));
  const inverse = async (path) => {
    const found = await session.browse({ ...wanted, nodeId: id(path), browseDirection: BrowseDirection.Inverse });
    return found.references.map((one) => one.nodeId.toString());
  };
  return {
    sizes: pages.map((page) => page.references.length),
    same: JSON.stringify(ids(pages)) === JSON.stringify(ids([all])),
    unknown: first.results[1].statusCode.name,
    stale: stale.results[0].statusCode.name,
    inverse: [await inverse(STATE), await inverse(connector), await inverse(station)],
    stations: await inverse("Stations"),
  };
}

async function reading({ session }) {
  await set(VENDOR, "ACME");
  await set(STATE, 3);
  const items = [
    { nodeId: id(VENDOR), attributeId: AttributeIds.Value, indexRange: new NumericRange("1:2") },
    { nodeId: id(VENDOR), attributeId: AttributeIds.Value, indexRange: new NumericRange("7:9") },
    { nodeId: id(STATE), attributeId: AttributeIds.Value, indexRange: new NumericRange("0:1") },
    { nodeId: id(STATE), attributeId: AttributeIds.Executable },
    { nodeId: id("Nowhere"), attributeId: AttributeIds.Value },
  ];
  const read = (more) => ask(session, "Read", { maxAge: 0, timestampsToReturn: TimestampsToReturn.Both, ...more });
  const parts = await read({ nodesToRead: items });
  const times = {};
  for (const name of ["Source", "Server", "Both", "Neither"]) {
    const [value] = (await read({ timestampsToReturn: TimestampsToReturn[name], nodesToRead: [{ nodeId: id(STATE), attributeId: AttributeIds.Value }] })).results;
    times[name] = [value.sourceTimestamp !== null, value.serverTimestamp !== null];
  }
  return {
    parts: parts.results.map((one) => [one.statusCode.name, one.value.value]),
    times,
    maxAge: await fault(read({ maxAge: -1, nodesToRead: items })),
    old: await fault(read({ maxAge: 1e9, nodesToRead: items })),
    many: await fault(read({ nodesToRead: Array(51).fill(items[0]) })),
    none: await fault(read({ nodesToRead: [] })),
  };
}

async function writing({ session }) {
  const write = (path, dataType, value, more = {}) => ({
    nodeId: id(path),
    attributeId: AttributeIds.Value,
    value: { value: new Variant({ dataType, value }), ...more },
  });
  const wanted = [
    write(INTERVAL, DataType.Int32, 60),
    write(INTERVAL, DataType.Double, 61),
    write(INTERVAL, DataType.Double, 61.5),
    write(INTERVAL, DataType.Int32, 0),
    write(INTERVAL, DataType.String, "60"),
    write(VENDOR, DataType.String, "X"),
    write("Nowhere", DataType.Int32, 1),
    { ...write(INTERVAL, DataType.Int32, 1), attributeId: AttributeIds.DisplayName },
    write(INTERVAL, DataType.Int32, 62, { statusCode: opcua.StatusCodes.BadDeviceFailure }),
  ];
  const results = (await ask(session, "Write", { nodesToWrite: wanted })).results;
  const many = await fault(ask(session, "Write", { nodesToWrite: Array(51).fill(wanted[0]) }));
  return { results: names(results), written: (await act("written")).values, many };
}

async function calling({ session }) {
  const reset = (...inputArguments) => ({ objectId: id(`${station}.Commands.Reset`), methodId: id(`${station}.Commands.Reset.Call`), inputArguments });
  const [text, number] = [{ dataType: DataType.String, value: "Soft" }, { dataType: DataType.Int32, value: 1 }];
  await act("hold", { path: `${station}.Commands.Reset.Call` });
  let ended = false;
  const waiting = session.call(reset(text)).then((result) => {
    ended = true;
    return result;
  });
  await act("called");
  const beside = await session.read({ nodeId: id(STATE), attributeId: AttributeIds.Value });
  const wrong = await session.call([reset(number), reset(), reset(text, text), { ...reset(text), methodId: id(STATE) }]);
  const endedEarly = ended;
  await act("release", { path: `${station}.Commands.Reset.Call` });
  const result = await waiting;
  return {
    beside: beside.statusCode.name,
    endedEarly,
    wrong: wrong.map((one) => [one.statusCode.name, names(one.inputArgumentResults || [])]),
    result: [result.statusCode.name, result.outputArguments.map((one) => one.value)],
    many: await fault(ask(session, "Call", { methodsToCall: Array(6).fill(reset(text)) })),
  };
}

async function limits({ session }) {
  const raw = new Raw(session);
  const number = await raw.subscribe();
  const seen = {
    browse: await fault(ask(session, "Browse", { nodesToBrowse: Array(51).fill({ nodeId: "i=85" }) })),
    monitor: await fault(raw.monitor(number, Array(51).fill({ path: STATE }))),
    translate: await fault(session.translateBrowsePath(Array(51).fill(opcua.makeBrowsePath("i=85", "/2:Stations")))),
  };
  await raw.end(number);
  return seen;
}

// ---------------------------------------------------------------------- types and the Server object

async function types({ session }) {
  const wanted = { browseDirection: BrowseDirection.Forward, referenceTypeId: "i=33", includeSubtypes: true, nodeClassMask: 0, resultMask: 63 };
  const untyped = [];
  const walk = async (path) => {
    for (const one of (await session.browse({ ...wanted, nodeId: id(path) })).references) {
      const kind = opcua.NodeClass[one.nodeClass];
      if (kind !== "Method") {
        const found = await session.browse({ ...wanted, nodeId: one.nodeId, referenceTypeId: "HasTypeDefinition" });
        const definition = found.references.map((each) => each.nodeId.toString());
        if (definition.length !== 1 || definition[0] !== one.typeDefinition.toString()) untyped.push(one.nodeId.toString());
      }
      await walk(one.nodeId.value);
    }
  };
  await walk(connector);
  const definition = async (path) =>
    (await session.browse({ ...wanted, nodeId: id(path), referenceTypeId: "HasTypeDefinition" })).references[0].nodeId.toString();
  const members = await session.browse({ ...wanted, nodeId: "ns=3;s=StationType" });
  const rules = await session.browse({ ...wanted, nodeId: "ns=3;s=StationType.Info.Vendor", referenceTypeId: "HasModellingRule" });
  const property = async (path) => {
    const read = await session.read({ nodeId: id(path), attributeId: AttributeIds.Value });
    return read.value.toJSON().value;
  };
  const states = await property(`${STATE}.EnumValues`);
  const units = await property(`${ENERGY}.EngineeringUnits`);
  return {
    untyped,
    station: await definition(station),
    connector: await definition(connector),
    members: members.references.map((one) => one.browseName.name),
    rule: rules.references.map((one) => one.browseName.name),
    range: await property(`${INTERVAL}.EURange`),
    units: [units.unitId, units.displayName.text],
    states: states.slice(0, 3).map((one) => one.displayName.text),
    text: (await property(`${STATE}.ValueAsText`)).text,
  };
}

async function server({ session }) {
  const read = async (name) => (await session.read({ nodeId: opcua.resolveNodeId(`Server_${name}`), attributeId: AttributeIds.Value })).value.value;
  const status = await read("ServerStatus");
  const raw = new Raw(session);
  const number = await raw.subscribe({ requestedPublishingInterval: 250 });
  await raw.monitor(number, [{ path: STATE, queueSize: 2 }, { path: VENDOR, mode: MonitoringMode.Disabled }]);
  await raw.publish();
  await fault(ask(session, "Republish", { subscriptionId: number, retransmitSequenceNumber: 77 }));
  await set(STATE, 1, 2, 3, 4);
  const diagnostics = (await read("ServerDiagnostics_SubscriptionDiagnosticsArray")).find((one) => one.subscriptionId === number);
  const summary = await read("ServerDiagnostics_ServerDiagnosticsSummary");
  const sessions = await read("ServerDiagnostics_SessionsDiagnosticsSummary_SessionDiagnosticsArray");
  const own = sessions.find((one) => one.sessionId.toString() === session.sessionId.toString());
  await raw.end(number);
  const security = await session.read({
    nodeId: opcua.resolveNodeId("Server_ServerDiagnostics_SessionsDiagnosticsSummary_SessionSecurityDiagnosticsArray"),
    attributeId: AttributeIds.Value,
  });
  return {
    build: [status.buildInfo.productName, status.buildInfo.softwareVersion, status.buildInfo.productUri],
    state: opcua.ServerState[status.state],
    profiles: await read("ServerCapabilities_ServerProfileArray"),
    limits: [await read("ServerCapabilities_OperationLimits_MaxNodesPerRead"), await read("ServerCapabilities_MaxSubscriptions")],
    redundancy: await read("ServerRedundancy_RedundancySupport"),
    level: await read("ServiceLevel"),
    subscription: {
      interval: diagnostics.publishingInterval,
      items: diagnostics.monitoredItemCount,
      disabled: diagnostics.disabledMonitoredItemCount,
      published: diagnostics.publishRequestCount,
      notified: [diagnostics.dataChangeNotificationsCount, diagnostics.notificationsCount],
      unacknowledged: diagnostics.unacknowledgedMessageCount,
      next: diagnostics.nextSequenceNumber,
      republish: [diagnostics.republishRequestCount, diagnostics.republishMessageCount],
      overflows: diagnostics.monitoringQueueOverflowCount,
    },
    counted: [own.publishCount.totalCount > 0, own.republishCount.errorCount > 0, own.unauthorizedRequestCount],
    sessions: summary.currentSessionCount === sessions.length,
    security: security.statusCode.name,
  };
}

// ----------------------------------------------------------------------

const BEHAVIOURS = {
  sampling, queues, filters, modified, modes, triggering, attributes, messages, lifetime, transfer, reconnect, events,
  browsing, reading, writing, calling, limits, types, server,
};

async function main() {
  const connected = await connect();
  const seen = {};
  for (const [name, behaviour] of Object.entries(BEHAVIOURS)) {
    try {
      seen[name] = await behaviour(connected);
    } catch (error) {
      seen[name] = { error: error.stack };
    }
  }
  await connected.session.close();
  await connected.client.disconnect();
  await new Promise((written) => process.stdout.write(`${JSON.stringify({ seen })}\n`, written));
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
