// A central system as the documentation of ocpp-rpc shows it, strict: it answers, and keeps nothing.
'use strict';

const { RPCServer } = require('ocpp-rpc');

const ACCEPTED = { status: 'Accepted' };
let transactionIds = 0;

const handlers = {
  BootNotification: () => ({ status: 'Accepted', interval: 300, currentTime: new Date().toISOString() }),
  Heartbeat: () => ({ currentTime: new Date().toISOString() }),
  StatusNotification: () => ({}),
  MeterValues: () => ({}),
  Authorize: () => ({ idTagInfo: ACCEPTED }),
  StartTransaction: () => ({ transactionId: ++transactionIds, idTagInfo: ACCEPTED }),
  StopTransaction: () => ({}),
};

const server = new RPCServer({ protocols: ['ocpp1.6'], strictMode: true });
server.auth((accept) => accept());
server.on('client', (client) => {
  for (const [action, handler] of Object.entries(handlers)) client.handle(action, handler);
});
server.listen(Number(process.argv[2]), '127.0.0.1').then(() => console.log('{}'));
