// A thousand lives of a client, again and again until one thousand leaves nothing: prints JSON of what each left. For
// lifetime.test.mjs, but in a process of its own: the test runner keeps something of every promise.
import { readdirSync } from 'node:fs';

import { Client, Server } from 'tim-presence';

/** The thousands it may take: Node and its allocators take memory in pieces, and keep some, until they have enough. */
const THOUSANDS_MAX = 6;

const server = Server.start();
const remembered = [];
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function live() {
  const client = new Client({ server: server.address, sdkAppId: 1400000001 });
  client.on('statusChanged', () => {});
  await client.login('alice', server.issueUserSig('alice'));
  client.statusChanges(); // begun and forgotten
  await client.setSelfStatus('x');
  await client.getUserStatus(['alice']);
  void client.getUserStatus(['alice']).catch(() => {}); // under way at the end
  await client.close();
  remembered.push(new WeakRef(client));
}

const entries = () => ({
  threads: readdirSync('/proc/self/task').length,
  descriptors: readdirSync('/proc/self/fd').length,
});

/** The server closes its ends, and the kernel takes ended threads away, in their own time: until there are no more than before. */
async function settled(before) {
  const end = Date.now() + 60_000;
  for (;;) {
    const now = entries();
    if (!before || (now.threads <= before.threads && now.descriptors <= before.descriptors) || Date.now() > end) return now;
    await turn();
  }
}

async function measure(before) {
  do {
    // A turn before, because whoever looked at a WeakRef keeps what it found alive until the turn ends.
    await turn();
    global.gc();
    await turn();
  } while (remembered.some((client) => client.deref() !== undefined));
  remembered.length = 0;
  const { rss, heapUsed } = process.memoryUsage();
  return { memory: rss, heap: heapUsed, ...(await settled(before)) };
}

const left = [];
for (let cycle = 0; cycle < 300; cycle++) await live();
let before = await measure();
do {
  for (let cycle = 0; cycle < 1000; cycle++) await live();
  const after = await measure(before);
  left.push(Object.fromEntries(Object.entries(after).map(([what, value]) => [what, value - before[what]])));
  before = after;
} while (left.length < THOUSANDS_MAX && (left.at(-1).memory >= 1_000_000 || left.at(-1).heap >= 100_000));
console.log(JSON.stringify(left));
await server.stop();
