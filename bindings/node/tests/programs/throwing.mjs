// A listener throws. For events.test.mjs.
import { Client, Server } from 'tim-presence';

const server = Server.start();
const alice = new Client({ server: server.address, sdkAppId: 1400000001 });
process.on('uncaughtException', (error) => console.log(`uncaught: ${error.message}`));
alice.once('statusChanged', () => {
  throw new Error('thrown by a listener');
});
await alice.login('alice', server.issueUserSig('alice'));
await alice.getUserStatus(['alice']); // the event of the login came before this
const next = new Promise((resolve) => alice.once('statusChanged', resolve));
await alice.setSelfStatus('still here');
await next;
console.log('the next event came');
await alice.getUserStatus(['alice']);
console.log('and a promise');
await alice.close();
await server.stop();
