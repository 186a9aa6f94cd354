// A worker with clients of its own. For lifetime.test.mjs.
import { parentPort, workerData } from 'node:worker_threads';

import { Client, Server } from 'tim-presence';

const server = Server.start();
const client = new Client({ server: server.address, sdkAppId: 1400000001 });
await client.login('worker', server.issueUserSig('worker'));
client.on('statusChanged', () => void client.setSelfStatus(`${Math.random()}`).catch(() => {}));
await client.setSelfStatus('begin');
parentPort.postMessage('working');
if (workerData === 'ends') {
  await client.close();
  await server.stop();
} else if (workerData === 'exits') {
  client.on('statusChanged', () => process.exit(0));
}
