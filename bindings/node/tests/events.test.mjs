// What comes without being asked for: events, their order, and loops over changes.
import assert from 'node:assert/strict';
import test from 'node:test';

import { ErrorCode, Server } from 'tim-presence';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { next, run, told, within, world } from './support.mjs';

// Not exported: the queue behind the loops, whose limit is too large to reach through a server in a test.
const folder = dirname(createRequire(import.meta.url).resolve('tim-presence'));
const { ChangeQueue, CHANGES_MAX } = createRequire(import.meta.url)(join(folder, 'changes.js'));

test('what follows a promise runs before the notification of the same change (R6.4)', async (t) => {
  const { login } = world(t);
  const alice = await login('alice');
  for (let round = 0; round < 200; round++) {
    const order = [];
    const heard = told(alice, 'alice', `round ${round}`).then(() => {});
    alice.on('statusChanged', function listener([user]) {
      if (user.customStatus !== `round ${round}`) return; // that of the login
      alice.off('statusChanged', listener);
      order.push('event');
    });
    await alice.setSelfStatus(`round ${round}`);
    order.push('result');
    await within(heard, 'the event');
    assert.deepEqual(order, ['result', 'event']);
  }
});

test('changes of one user come in the order of their versions, and the last one comes (R6.5)', async (t) => {
  const { login } = world(t);
  const alice = await login('alice');
  const bob = await login('bob');
  await alice.subscribe(['bob']);
  const versions = [];
  alice.on('statusChanged', (changes) => versions.push(...changes.filter((user) => user.userId === 'bob').map((user) => user.version)));
  const last = told(alice, 'bob', 'number 499');
  await Promise.all(Array.from({ length: 500 }, (_, number) => bob.setSelfStatus(`number ${number}`)));
  await last;
  assert.ok(versions.length > 0);
  assert.deepEqual(versions, [...new Set(versions)].sort((a, b) => a - b));
});

test('a device that another one displaces is told, and so is the connection', async (t) => {
  const { login, server } = world(t);
  const alice = await login('alice');
  const connection = next(alice, 'connectionState', (state) => state === 'DISCONNECTED');
  const kicked = next(alice, 'kickedOffline');
  await login('alice');
  const [error] = await kicked;
  assert.equal(error.code, ErrorCode.KICKED_OFFLINE);
  await connection;
  assert.equal(alice.loginState, 'LOGGED_OUT');
  // It may log in again.
  await alice.login('alice', server.issueUserSig('alice'));
});

test('users who fall off the list are named to every device', async (t) => {
  const { login } = world(t, { subscriptionsMax: 2 });
  const phone = await login('alice', { platform: 'iOS' });
  const desk = await login('alice');
  await phone.subscribe(['a', 'b']);
  const heard = Promise.all([phone, desk].map((device) => next(device, 'subscriptionEvicted')));
  const { evicted } = await phone.subscribe(['c']);
  assert.deepEqual(evicted, ['a']);
  assert.deepEqual(await heard, [[['a']], [['a']]]);
});

test('an expired UserSig is told', async (t) => {
  const { server, create } = world(t);
  const alice = create();
  const expired = next(alice, 'userSigExpired');
  for (let validSeconds = 1; alice.loginUser !== 'alice'; validSeconds *= 2) {
    await alice.login('alice', server.issueUserSig('alice', validSeconds)).catch((late) => {
      // On a machine that is slower than the UserSig is long.
      assert.equal(late.code, ErrorCode.USER_SIG_EXPIRED);
    });
  }
  await expired;
});

test('the log comes when asked for, without secrets', async (t) => {
  const { server, create } = world(t);
  const alice = create();
  const lines = [];
  alice.on('log', (level, message) => lines.push([level, message]));
  alice.setLogLevel('TRACE');
  const userSig = server.issueUserSig('alice');
  await alice.login('alice', userSig);
  await alice.getUserStatus(['alice']);
  const asked = lines.length;
  assert.ok(asked > 0);
  for (const [level, message] of lines) {
    assert.ok(['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR'].includes(level), level);
    assert.ok(!message.includes(userSig));
  }
  alice.setLogLevel(null);
  await alice.getUserStatus(['alice']); // what was on its way has arrived
  lines.length = 0;
  await alice.getUserStatus(['alice']);
  assert.deepEqual(lines, []);
  assert.throws(() => alice.setLogLevel('LOUD'), /no log level "LOUD"/);
});

test('a server that comes back is found again, and what was missed is told once (R6.6)', async (t) => {
  const first = Server.start();
  const listen = first.address.slice('tim://'.length);
  const secretKey = 'a-secret-key-for-tests-only';
  await first.stop();
  let server = Server.start({ listen, secretKey });
  const { create } = world(t);
  const alice = create({ server: server.address, backoffBaseMs: 10, backoffMaxMs: 100 });
  await alice.login('alice', server.issueUserSig('alice'));
  const lost = next(alice, 'connectionState', (state, error) => state === 'DISCONNECTED' && error !== undefined);
  await server.stop();
  await lost;
  const back = next(alice, 'connectionState', (state) => state === 'CONNECTED');
  server = Server.start({ listen, secretKey });
  t.after(() => server.stop());
  await back;
  await alice.setSelfStatus('back again');
});

test('what a listener throws is the process’s, and the next event comes all the same', async () => {
  const { code, out, err } = await run('programs/throwing.mjs');
  assert.equal(err, '');
  assert.equal(code, 0);
  assert.deepEqual(out.trim().split('\n'), ['uncaught: thrown by a listener', 'the next event came', 'and a promise']);
});

test('a loop over changes begins with the call, and ends with the client', async (t) => {
  const { login } = world(t);
  const alice = await login('alice');
  const changes = alice.statusChanges();
  // One after the other was told: a change that waits may be overtaken by the next (R6.3).
  for (const text of ['one', 'two']) await Promise.all([told(alice, 'alice', text), alice.setSelfStatus(text)]);
  void alice.close();
  const seen = [];
  for await (const user of changes) seen.push(user.customStatus);
  assert.deepEqual(seen.slice(-2), ['one', 'two']);
  assert.deepEqual(await alice.statusChanges().next(), { value: undefined, done: true });
});

test('a loop is left by break and by a signal', async (t) => {
  const { login } = world(t);
  const alice = await login('alice');
  const controller = new AbortController();
  const aborted = alice.statusChanges({ signal: controller.signal });
  const left = alice.statusChanges();
  await alice.setSelfStatus('one');
  for await (const user of left) if (user.customStatus === 'one') break;
  assert.deepEqual(await left.next(), { value: undefined, done: true });
  const reason = new Error('enough');
  const waiting = (async () => {
    for await (const user of aborted) assert.equal(user.userId, 'alice');
  })();
  await alice.setSelfStatus('two');
  controller.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(alice.statusChanges({ signal: controller.signal }).next(), reason);
});

test('a loop that is slow misses steps in between and never the last state (R6.3)', async () => {
  const change = (userId, version) => ({ userId, version });
  const queue = new ChangeQueue();
  for (let version = 1; version <= CHANGES_MAX; version++) queue.push(change('alice', version));
  assert.equal(queue.size, CHANGES_MAX);
  // At the limit: the place of the one before is given up, and there is one more for each other user.
  queue.push(change('alice', CHANGES_MAX + 1));
  assert.equal(queue.size, CHANGES_MAX);
  queue.push(change('bob', 1));
  queue.push(change('bob', 2));
  queue.push(change('alice', CHANGES_MAX + 2));
  assert.equal(queue.size, CHANGES_MAX + 1);
  queue.end();
  const seen = [];
  for (let taken = await queue.take(); !taken.done; taken = await queue.take()) seen.push(taken.value);
  assert.deepEqual(seen.slice(-2), [change('bob', 2), change('alice', CHANGES_MAX + 2)]);
  const alices = seen.filter((user) => user.userId === 'alice').map((user) => user.version);
  assert.deepEqual(alices.slice(0, -1), Array.from({ length: CHANGES_MAX - 1 }, (_, index) => index + 1));
  // Emptied, it keeps every step again.
  const emptied = new ChangeQueue();
  emptied.push(change('alice', 1));
  await emptied.take();
  emptied.push(change('alice', 2));
  emptied.push(change('alice', 3));
  assert.equal(emptied.size, 2);
});
