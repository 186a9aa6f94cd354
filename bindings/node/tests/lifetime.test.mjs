// Beginnings and ends: closing, collecting, exiting, cancelling, workers, many clients, and nothing left behind.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test from 'node:test';
import { Worker } from 'node:worker_threads';

import { ErrorCode, PresenceError } from 'tim-presence';

import { DEADLINE_MS, next, run, told, within, world } from './support.mjs';

const threads = () => readdirSync('/proc/self/task').length;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Collects until `done`, for it takes some rounds before finalizers have run. */
async function collectUntil(done, what) {
  const end = Date.now() + DEADLINE_MS;
  do {
    assert.ok(Date.now() < end, `${what} did not come within ${DEADLINE_MS} ms`);
    // A turn before, because whoever looked at a WeakRef keeps what it found alive until the turn ends.
    await turn();
    global.gc();
    await turn();
  } while (!done());
}

test('a client is closed once, however often that is asked for', async (t) => {
  const { login } = world(t);
  const alice = await login('alice');
  let events = 0;
  alice.on('closed', () => events++);
  const first = alice.close();
  assert.equal(alice.close(), first);
  assert.equal(alice.closed, true);
  await first;
  assert.equal(alice.close(), first);
  await turn();
  assert.equal(events, 1);
});

test('a client is closed inside an event, and inside what follows a promise', async (t) => {
  const { login } = world(t);
  const alice = await login('alice');
  const closed = next(alice, 'closed');
  alice.on('statusChanged', () => void alice.close());
  await alice.setSelfStatus('the last word').catch((error) => assert.ok(error instanceof PresenceError));
  await closed;
  const bob = await login('bob');
  await bob.setSelfStatus('x').then(() => bob.close());
});

test('closing settles every call, and nothing comes afterwards', async (t) => {
  const { server, create, login } = world(t);
  for (let round = 0; round < 20; round++) {
    const alice = await login('alice');
    const calls = Array.from({ length: 200 }, (_, number) => alice.setSelfStatus(`number ${number}`));
    const settled = Promise.allSettled(calls);
    await alice.close();
    let late = 0;
    for (const event of ['statusChanged', 'connectionState', 'kickedOffline', 'closed']) alice.on(event, () => late++);
    for (const call of await within(settled, 'the results')) {
      if (call.status === 'rejected') assert.equal(call.reason.code, ErrorCode.SHUTDOWN);
    }
    await turn();
    assert.equal(late, 0);
  }
  // While it connects to where nobody answers.
  const lonely = create({ server: 'tim://127.0.0.1:1' });
  const refused = assert.rejects(lonely.login('alice', server.issueUserSig('alice')), PresenceError);
  await lonely.close();
  await refused;
});

test('an open client keeps the process alive, and nothing else does', async () => {
  const expected = { held: 'held\n', unheld: '', closed: '', awaited: 'closed\n' };
  for (const [how, said] of Object.entries(expected)) {
    assert.deepEqual(await run('programs/lifetimes.mjs', how), { code: 0, signal: null, out: said, err: '' }, how);
  }
});

test('thirty processes end with clients open and busy', async () => {
  const endings = Array.from({ length: 30 }, (_, number) => ['exit', 'event', 'throw'][number % 3]);
  const take = async () => {
    for (let how = endings.pop(); how !== undefined; how = endings.pop()) {
      const { code, signal, out, err } = await run('programs/lifetimes.mjs', how);
      assert.deepEqual({ code, signal, out }, { code: how === 'throw' ? 1 : 5, signal: null, out: '' }, `${how}: ${err}`);
      if (how === 'throw') assert.match(err, /Error: nobody catches this/);
      else assert.equal(err, '', how);
    }
  };
  await Promise.all([take(), take(), take()]);
});

test('workers end with clients open, and leave no thread', async () => {
  const before = threads();
  const path = new URL('programs/worker.mjs', import.meta.url);
  for (let round = 0; round < 12; round++) {
    const how = ['is terminated', 'ends', 'exits'][round % 3];
    const worker = new Worker(path, { workerData: how });
    const exited = new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject));
    await within(new Promise((resolve) => worker.once('message', resolve)), 'the worker');
    if (how === 'is terminated') await worker.terminate();
    await within(exited, 'its end');
  }
  await collectUntil(() => threads() <= before + 1, `the end of the workers' threads, ${before} before`);
});

test('collecting while callbacks run changes nothing', async (t) => {
  const { login } = world(t);
  const watcher = await login('watcher');
  await watcher.subscribe(['alice', 'bob']);
  const users = await Promise.all([login('alice'), login('bob')]);
  let collections = 0;
  watcher.on('statusChanged', () => {
    if (collections++ % 8 === 0) global.gc();
  });
  const ends = users.map((_, number) => told(watcher, ['alice', 'bob'][number], 'end'));
  for (let round = 0; round < 50; round++) {
    await Promise.all(users.flatMap((user) => Array.from({ length: 10 }, (_, number) => user.setSelfStatus(`${round} ${number}`))));
    global.gc();
  }
  await Promise.all([...users.map((user) => user.setSelfStatus('end')), ...ends]);
  assert.ok(collections > 10);
});

test('what nobody waits for any more is let go of', async (t) => {
  const { login } = world(t);
  const alice = await login('alice');
  // Loops that were begun and forgotten: their signals lose their listeners once they are collected.
  let listeners = 0;
  (() => {
    for (let number = 0; number < 100; number++) {
      const { signal } = new AbortController();
      signal.addEventListener = () => listeners++;
      signal.removeEventListener = () => listeners--;
      alice.statusChanges({ signal });
    }
  })();
  assert.equal(listeners, 100);
  await collectUntil(() => listeners === 0, 'the end of the forgotten loops');
  // Calls that were aborted: their results come, and go nowhere.
  const reasons = Array.from({ length: 100 }, () => {
    const controller = new AbortController();
    const call = alice.getUserStatus(['alice'], { signal: controller.signal });
    controller.abort();
    return call.catch((error) => error.name);
  });
  assert.deepEqual(new Set(await Promise.all(reasons)), new Set(['AbortError']));
  // A promise that nobody keeps.
  for (let number = 0; number < 100; number++) void alice.getUserStatus(['alice']);
  global.gc();
  await alice.getUserStatus(['alice']);
});

test('a thousand clients in one process, without a thread for each', async (t) => {
  const before = threads();
  const { login } = world(t, { multiLogin: 'unlimited' });
  const clients = [];
  while (clients.length < 1000) clients.push(...(await Promise.all(Array.from({ length: 50 }, (_, number) => login(`user ${clients.length + number}`)))));
  const star = await login('star');
  for (let number = 0; number < 1000; number += 100) await Promise.all(clients.slice(number, number + 100).map((client) => client.subscribe(['star'])));
  assert.ok(threads() - before < 30, `${threads() - before} threads more`);
  const all = Promise.all(clients.map((client) => told(client, 'star', 'shining')));
  await star.setSelfStatus('shining');
  await all;
  await Promise.all(clients.map((client) => client.close()));
});

test('a thousand lives leave nothing', async () => {
  // It ends only once every closed client was collected.
  const { code, out, err } = await run('programs/growth.mjs');
  assert.deepEqual({ code, err }, { code: 0, err: '' });
  const left = JSON.parse(out);
  for (const { threads, descriptors } of left) assert.ok(threads <= 0 && descriptors <= 0, out);
  // What leaks, leaks in each thousand: 1 KB a life, which is a sixteenth of a client (docs/PERFORMANCE.md), or 100 bytes of
  // JavaScript's among them.
  assert.ok(left.some(({ memory, heap }) => memory < 1_000_000 && heap < 100_000), out);
});
