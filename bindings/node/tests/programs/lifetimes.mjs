// lifetimes.mjs HOW: what keeps this process alive, and how it ends with clients open. For lifetime.test.mjs.
//   held       the client alone keeps it alive
//   unheld     client and server do not
//   closed     neither does once it is closed
//   awaited    nor does an unreferenced client, but for its close
//   exit       process.exit with calls and events under way
//   event      process.exit inside an event
//   throw      an exception that nobody catches, with the same under way
import { Client, Server } from 'tim-presence';

const how = process.argv[2];
const server = Server.start();
const clients = [];
for (let number = 0; number < 4; number++) {
  const client = new Client({ server: server.address, sdkAppId: 1400000001, platform: ['iOS', 'Web', 'Mac', 'Linux'][number] });
  await client.login('alice', server.issueUserSig('alice'));
  clients.push(client);
}
// A timer that does not keep the process alive itself: it is heard only if something else does.
const whenHeld = (say) => setTimeout(say, how === 'held' ? 50 : 120_000).unref();

/** Calls and events that never end by themselves. */
function busy() {
  for (const client of clients) {
    client.on('statusChanged', () => void client.setSelfStatus(`${Math.random()}`).catch(() => {}));
    void client.setSelfStatus('begin').catch(() => {});
  }
}

switch (how) {
  case 'held':
    server.unref();
    for (const client of clients.slice(1)) client.unref();
    clients[3].ref().unref().ref().ref(); // counted once, however often
    clients[0].unref();
    whenHeld(() => {
      console.log('held');
      clients[3].unref();
    });
    break;
  case 'unheld':
    server.unref();
    for (const client of clients) client.unref();
    whenHeld(() => console.log('kept alive by nobody'));
    break;
  case 'closed':
    await Promise.all(clients.map((client) => client.close()));
    for (const client of clients) client.ref();
    await server.stop();
    server.ref();
    whenHeld(() => console.log('kept alive by the dead'));
    break;
  case 'awaited':
    server.unref();
    for (const client of clients) client.unref();
    await Promise.all(clients.map((client) => client.close()));
    console.log('closed');
    break;
  case 'exit':
    busy();
    setImmediate(() => process.exit(5));
    break;
  case 'event':
    busy();
    clients[2].on('statusChanged', () => process.exit(5));
    break;
  case 'throw':
    busy();
    clients[1].on('statusChanged', () => {
      throw new Error('nobody catches this');
    });
    break;
}
