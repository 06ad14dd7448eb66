// Loads a NodeSet2 file into node-opcua's own server-side address space, makes a station of it, and says what it saw.
const { AddressSpace } = require("node-opcua-address-space");
const { generateAddressSpace } = require("node-opcua-address-space/nodeJS");
const { nodesets } = require("node-opcua-nodesets");

const names = (nodes) => nodes.map((node) => node.browseName.name);

async function main(file) {
  const space = AddressSpace.create();
  await generateAddressSpace(space, [nodesets.standard, file]);
  const index = space.getNamespaceIndex("urn:ocpp-bridge:types");
  const own = space.getNamespace("urn:ocpp-bridge:types");
  space.registerNamespace("urn:test");
  const make = (type) =>
    space.findObjectType(type, index).instantiate({ browseName: type, organizedBy: space.rootFolder.objects });
  const station = make("StationType");
  const command = make("ResetCommandType");
  const find = (path) => space.findNode(`ns=${index};s=${path}`);
  const seen = {
    types: [...own.objectTypeIterator()].map((type) => [type.browseName.name, type.subtypeOfObj.browseName.name]),
    enumerations: [...own.dataTypeIterator()].map((type) => [type.browseName.name, type.subtypeOfObj.browseName.name]),
    station: names(station.getComponents()),
    vendor: station.info.vendor.typeDefinitionObj.browseName.name,
    command: names(command.getComponents()),
    arguments: find("ResetCommandType.Call").getInputArguments().map((argument) => argument.name),
    range: find("StationType.Config.HeartbeatInterval.EURange").readValue().value.value,
    units: find("ConnectorType.Transaction.Energy.EngineeringUnits").readValue().value.value.unitId,
    states: find("ConnectorStatus.EnumValues").readValue().value.value.map((state) => state.displayName.text),
    rule: find("StationType.<Connector>").modellingRule,
  };
  space.dispose();
  console.log(JSON.stringify(seen));
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
