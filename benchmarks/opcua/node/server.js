"use strict";
// node-opcua's own server, told over a pipe what to do: see ../hosting.py.
//   node server.js <folder for its certificates> <site.json>
// site.json is what ../site.py describes: the folders and points of a station, and the command of the first one.
const fs = require("node:fs");
const readline = require("node:readline");
const opcua = require("node-opcua");
const { DataType, StatusCodes, Variant } = opcua;
console.log = console.error; // the pipe is for answers alone

const [scratch, described] = process.argv.slice(2);
const site = JSON.parse(fs.readFileSync(described, "utf8"));
const TYPES = { STRING: "String", DATETIME: "DateTime", BOOLEAN: "Boolean", DOUBLE: "Double", INT32: "Int32", UINT32: "UInt32" };
const name = (number) => `CP${String(number).padStart(5, "0")}`;
const id = (path) => `ns=2;s=${path}`;
const answer = (values) => process.stdout.write(`${JSON.stringify(values)}\n`);
const cpu = () => {
  const used = process.cpuUsage();
  return (used.user + used.system) / 1e6;
};

const changing = site.points.filter(([, folder, , type]) => type === "DOUBLE" && folder.includes("MeterValues")).map(([path]) => path);
const taken = { writes: 0, calls: 0 };
let space, namespace, stations;

function value(pointName, type, number) {
  if (type === "STRING") return `${pointName.slice(0, 8)}-${number}`;
  if (type === "DATETIME") return new Date();
  if (type === "BOOLEAN") return true;
  return type === "DOUBLE" ? number / 8 + pointName.length : number % 8;
}

function addObject(parent, path, organized) {
  const browseName = { name: path.slice(path.lastIndexOf(".") + 1), namespaceIndex: 2 };
  return namespace.addObject({ nodeId: id(path), browseName, [organized ? "organizedBy" : "componentOf"]: parent });
}

function makeStation(number, withValues) {
  const station = name(number);
  const nodes = { "": addObject(stations, station, true) };
  for (const folder of site.folders.slice(1)) {
    nodes[folder] = addObject(nodes[folder.slice(0, Math.max(folder.lastIndexOf("."), 0))], `${station}.${folder}`);
  }
  for (const [path, folder, pointName, type] of site.points) {
    const dataType = TYPES[type];
    const options = { nodeId: id(`${station}.${path}`), browseName: { name: pointName, namespaceIndex: 2 }, componentOf: nodes[folder], dataType };
    if (withValues) options.value = { dataType, value: value(pointName, type, number) };
    namespace.addVariable(options);
  }
  if (number === 0) addCommand(station, nodes[""]);
}

function addCommand(station, object) {
  const owner = addObject(addObject(object, `${station}.Commands`), `${station}.${site.command}`);
  let request = "";
  namespace.addVariable({
    nodeId: id(`${station}.${site.request}`),
    browseName: { name: "Request", namespaceIndex: 2 },
    componentOf: owner,
    dataType: "String",
    minimumSamplingInterval: 100,
    value: {
      get: () => new Variant({ dataType: DataType.String, value: request }),
      set: (variant) => {
        request = variant.value;
        taken.writes += 1;
        return StatusCodes.Good;
      },
    },
  });
  const strings = (names) => names.map((argument) => ({ name: argument, dataType: DataType.String }));
  const method = namespace.addMethod(owner, {
    nodeId: id(`${station}.${site.method}`),
    browseName: { name: "Call", namespaceIndex: 2 },
    inputArguments: strings(site.arguments),
    outputArguments: strings(site.outputs),
  });
  const outputArguments = site.answer.map((text) => ({ dataType: DataType.String, value: text }));
  method.bindMethod((inputs, context, callback) => {
    taken.calls += 1;
    callback(null, { statusCode: StatusCodes.Good, outputArguments });
  });
}

// The values of the points that change, as ../hosting.py has them.
class Changes {
  constructor(items) {
    const points = Array.from({ length: items }, (_, at) =>
      space.findNode(id(`${name(Math.floor(at / changing.length))}.${changing[at % changing.length]}`)),
    );
    const size = Math.ceil(items / site.slices);
    this.slices = Array.from({ length: Math.ceil(items / size) }, (_, at) => points.slice(at * size, (at + 1) * size));
    this.items = items;
    this.value = 0;
    this.rounds = 0;
    this.at = 0; // the slice that comes next; 0: no round is under way
    this.running = false;
    this.whenDone = null;
  }

  change() {
    if (this.at === 0) this.value += 1;
    const now = new Date();
    for (const point of this.slices[this.at]) {
      point.setValueFromSource({ dataType: DataType.Double, value: this.value }, StatusCodes.Good, now);
    }
    this.at = (this.at + 1) % this.slices.length;
  }

  pace(interval) {
    const step = (interval * 1000) / this.slices.length;
    this.running = true;
    let due = performance.now();
    const tick = () => {
      this.change();
      if (this.at === 0 && this.whenDone) return this.ended();
      const now = performance.now();
      due = Math.max(due + step, now - interval * 1000);
      if (due > now) setTimeout(tick, due - now);
      else setImmediate(tick);
    };
    tick();
  }

  round() {
    this.rounds += 1;
    if (this.running) return;
    this.running = true;
    const next = () => {
      if (this.at === 0 && this.whenDone) return this.ended();
      if (this.at === 0 && this.rounds === 0) {
        this.running = false;
        return;
      }
      if (this.at === 0) this.rounds -= 1;
      this.change();
      setImmediate(next);
    };
    next();
  }

  stop(done) {
    this.whenDone = done;
    if (!this.running) this.ended();
  }

  ended() {
    const done = this.whenDone;
    this.whenDone = null;
    this.running = false;
    this.rounds = 0;
    done({ changes: this.value * this.items, value: this.value });
  }
}

async function main() {
  const certificates = new opcua.OPCUACertificateManager({ rootFolder: scratch, automaticallyAcceptUnknownCertificate: true });
  const server = new opcua.OPCUAServer({
    hostname: "127.0.0.1",
    port: 0,
    resourcePath: "/",
    allowAnonymous: true,
    securityModes: [opcua.MessageSecurityMode.None],
    securityPolicies: [opcua.SecurityPolicy.None],
    serverCertificateManager: certificates,
    serverCapabilities: { minSupportedSampleRate: 0 }, // else changes within 50 ms are folded into one
    serverInfo: { applicationUri: "urn:ocpp-bridge:benchmark:node-opcua" },
  });
  await server.initialize();
  space = server.engine.addressSpace;
  namespace = space.registerNamespace("urn:ocpp-bridge:points");
  if (namespace.index !== 2) throw new Error(`the points would be in namespace ${namespace.index}`);
  stations = namespace.addObject({ nodeId: id("Stations"), browseName: { name: "Stations", namespaceIndex: 2 }, organizedBy: space.rootFolder.objects });
  await server.start();
  const port = server.endpoints[0].port;
  answer({ endpoint: `opc.tcp://127.0.0.1:${port}/` });

  let made = 0;
  let changes = null;
  const commands = {
    stations: ({ count, values }) => {
      const began = cpu();
      for (const end = made + count; made < end; made += 1) makeStation(made, values);
      answer({ cpu: cpu() - began, stations: made });
    },
    memory: () => {
      global.gc();
      global.gc();
      const used = process.memoryUsage(); // resident memory even shrinks with the first stations
      answer({ bytes: used.heapUsed + used.external, rss: used.rss });
    },
    prepare: ({ items }) => {
      changes = new Changes(items);
      answer({});
    },
    pace: ({ interval }) => {
      changes.pace(interval);
      answer({});
    },
    round: () => changes.round(),
    stop: () => changes.stop(answer),
    taken: () => answer(taken),
  };
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const request = JSON.parse(line);
    commands[request.do](request);
  });
  lines.on("close", () => process.exit(0));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
