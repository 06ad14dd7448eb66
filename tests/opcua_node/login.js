"use strict";
// Logs in by each way that it is told, and prints how each ended as JSON: "Good" or the error's text.
//   node login.js <endpoint>       on stdin a list of {policy, mode, user, password, certificate, key}
const fs = require("fs");
const opcua = require("node-opcua-client");
const { MessageSecurityMode, SecurityPolicy, UserTokenType } = opcua;

function identity(way) {
  if (way.certificate) {
    return {
      type: UserTokenType.Certificate,
      certificateData: fs.readFileSync(way.certificate),
      privateKey: fs.readFileSync(way.key, "utf8"),
    };
  }
  if (way.user) return { type: UserTokenType.UserName, userName: way.user, password: way.password };
  return { type: UserTokenType.Anonymous };
}

async function attempt(endpoint, way) {
  const client = opcua.OPCUAClient.create({
    applicationName: "login",
    securityMode: MessageSecurityMode[way.mode],
    securityPolicy: SecurityPolicy[way.policy],
    endpointMustExist: false,
    connectionStrategy: { maxRetry: 0 },
  });
  try {
    await client.connect(endpoint);
    const session = await client.createSession(identity(way));
    const value = await session.read({ nodeId: "ns=2;s=Bridge.StationsKnown", attributeId: 13 });
    await session.close();
    return value.statusCode.name;
  } catch (error) {
    return error.message;
  } finally {
    await client.disconnect().catch(() => undefined);
  }
}

async function main() {
  const ways = JSON.parse(fs.readFileSync(0, "utf8"));
  const found = [];
  for (const way of ways) found.push(await attempt(process.argv[2], way));
  console.log(JSON.stringify(found));
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
