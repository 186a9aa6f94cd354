// What calls answer, and what they refuse.
import assert from 'node:assert/strict';
import test from 'node:test';

import { Client, ErrorCode, FatalError, PresenceError, ProgrammingError, RetriableError, Server, libraryVersion } from 'tim-presence';

import { APP, rejected, told, within, world } from './support.mjs';

test('a user logs in, is asked for and subscribed to, and logs out', async (t) => {
  const { server, create, login } = world(t);
  const bob = await login('bob');
  const alice = create();
  assert.equal(alice.loginState, 'LOGGED_OUT');
  assert.equal(alice.loginUser, '');
  assert.equal(alice.serverTimeMs, 0);
  await alice.login('alice', server.issueUserSig('alice'));
  assert.equal(alice.loginState, 'LOGGED_IN');
  assert.equal(alice.loginUser, 'alice');
  assert.ok(Math.abs(alice.serverTimeMs - Date.now()) < 60_000);

  await bob.setSelfStatus('喝茶 ☕');
  const [status, nobody] = await alice.getUserStatus(['bob', 'nobody', 'bob']);
  const { version, sinceMs, ...rest } = status;
  assert.deepEqual(rest, { userId: 'bob', ok: true, status: 'ONLINE', customStatus: '喝茶 ☕', reason: 'CUSTOM_STATUS', platforms: ['Linux'] });
  assert.ok(Number.isSafeInteger(version) && version > 0);
  assert.ok(Math.abs(sinceMs - alice.serverTimeMs) < 60_000);
  assert.equal(nobody.ok, false);
  assert.equal(nobody.error.code, ErrorCode.ACCOUNT_NOT_FOUND);
  assert.equal(nobody.status, 'UNKNOWN');

  const { users, evicted } = await alice.subscribe(['bob', 'carol']);
  assert.deepEqual(users.map((user) => [user.userId, user.status]), [['bob', 'ONLINE'], ['carol', 'UNLOGINED']]);
  assert.deepEqual(evicted, []);
  assert.deepEqual(await alice.getSubscriptions(), ['bob', 'carol']);
  assert.deepEqual(await alice.unsubscribe(['carol', 'dave']), [{ userId: 'carol', ok: true }, { userId: 'dave', ok: true }]);
  await alice.unsubscribeAll();
  assert.deepEqual(await alice.getSubscriptions(), []);
  assert.deepEqual(await alice.getFriends(), []);
  await alice.renewUserSig(server.issueUserSig('alice', 7200));
  alice.notifyNetworkChanged();
  await alice.logout();
  assert.equal(alice.loginUser, '');
});

test('a call is rejected with the class that its code has', async (t) => {
  const { server, create, login } = world(t, { rateCalls: 2, rateWindowMs: 600_000 });
  const alice = create({ loginTimeoutMs: 100 });
  await rejected(alice.setSelfStatus('early'), PresenceError, ErrorCode.NOT_LOGGED_IN);
  await rejected(alice.login('alice', server.issueUserSig('bob')), PresenceError, ErrorCode.USER_SIG_OTHER_USER);
  await rejected(alice.login('x'.repeat(33), 'sig'), ProgrammingError, ErrorCode.INVALID_USER_ID);
  const bob = await login('bob');
  await rejected(bob.setSelfStatus('x'.repeat(101)), ProgrammingError, ErrorCode.INVALID_PARAMETERS);
  await bob.getUserStatus(['bob', 'x']);
  await bob.getUserStatus(['bob', 'x']);
  await assert.rejects(bob.getUserStatus(['x']), (error) => {
    assert.ok(error instanceof RetriableError && error instanceof PresenceError && error instanceof Error);
    assert.equal(error.code, ErrorCode.RATE_LIMITED);
    assert.equal(error.codeName, 'TIM_ERR_RATE_LIMITED');
    assert.equal(error.name, 'RetriableError');
    assert.ok(error.retryAfterMs > 0);
    return true;
  });
  const closing = bob.setSelfStatus('late');
  const closed = bob.close();
  await rejected(closing, FatalError, ErrorCode.SHUTDOWN).catch(async () => closing); // or it was in time
  await closed;
  await rejected(bob.setSelfStatus('too late'), ProgrammingError, ErrorCode.INVALID_HANDLE);
  assert.throws(() => bob.loginState, ProgrammingError);
  assert.throws(() => bob.notifyNetworkChanged(), ProgrammingError);
});

test('a call of which every user fails says so of each', async (t) => {
  const { login } = world(t, { autoRegisterOnMention: false });
  const alice = await login('alice');
  await assert.rejects(alice.getUserStatus(['nobody', 'x'.repeat(40)]), (error) => {
    assert.equal(error.code, ErrorCode.ACCOUNT_NOT_FOUND);
    assert.deepEqual(error.users.map((user) => user.error?.code), [ErrorCode.ACCOUNT_NOT_FOUND, ErrorCode.INVALID_USER_ID]);
    return true;
  });
  // An empty list is an empty list, and not all.
  await alice.subscribe(['alice', 'nobody']).catch(() => {});
  await rejected(alice.getUserStatus([]), ProgrammingError, ErrorCode.INVALID_PARAMETERS);
  await assert.rejects(alice.unsubscribe([]), ProgrammingError);
});

test('arguments that are none are refused, as rejections', async (t) => {
  const { login } = world(t);
  const alice = await login('alice');
  const wrong = [
    [() => alice.setSelfStatus(undefined), ErrorCode.INVALID_ARGUMENT, /customStatus is a undefined, not a string/],
    [() => alice.setSelfStatus(null), ErrorCode.INVALID_ARGUMENT, /customStatus is null/],
    [() => alice.setSelfStatus('a\0b'), ErrorCode.INVALID_ARGUMENT, /customStatus holds U\+0000/],
    [() => alice.setSelfStatus('half \ud83d'), ErrorCode.NOT_UTF8, /surrogate/],
    [() => alice.getUserStatus('bob'), ErrorCode.INVALID_ARGUMENT, /userIds is not an array/],
    [() => alice.getUserStatus(['bob', 7]), ErrorCode.INVALID_ARGUMENT, /userIds\[1\] is a number/],
    [() => alice.subscribe(['a\0']), ErrorCode.INVALID_ARGUMENT, /userIds\[0\]/],
    [() => alice.unsubscribe(null), ErrorCode.INVALID_ARGUMENT, /not an array/],
    [() => alice.login('bob', 5), ErrorCode.INVALID_ARGUMENT, /userSig/],
    [() => alice.renewUserSig(), ErrorCode.INVALID_ARGUMENT, /userSig/],
  ];
  for (const [call, code, pattern] of wrong) await rejected(call(), ProgrammingError, code, pattern);
  assert.deepEqual(await alice.getSubscriptions(), []);
});

test('options that are wrong are named', async () => {
  const good = { server: 'tim://127.0.0.1:1', sdkAppId: APP };
  const wrong = [
    [{ ...good, sdk_app_id: 1 }, /no option "sdk_app_id"/],
    [{ ...good, delivery: 'thread' }, /no option "delivery"/],
    [{ ...good, toString: 1 }, /no option "toString"/],
    [{ sdkAppId: APP }, /server/],
    [{ ...good, sdkAppId: 0 }, /sdk_app_id/],
    [{ ...good, sdkAppId: undefined }, /sdk_app_id/],
    [{ ...good, queueMax: -1 }, /queue_max/],
  ];
  for (const [options, pattern] of wrong) {
    assert.throws(() => new Client(options), (error) => error instanceof ProgrammingError && error.code === ErrorCode.INVALID_OPTIONS && pattern.test(error.message));
  }
  assert.throws(() => Server.start({ loops: 'many' }), /loops/);
  assert.throws(() => Server.start({ listen: '127.0.0.1' }), ProgrammingError);
});

test('an option that is not a default is used', async (t) => {
  const { login } = world(t);
  const alice = await login('alice', { queueMax: 1, platform: 'iPad' });
  const [first, second] = await Promise.allSettled([alice.getUserStatus(['alice']), alice.getUserStatus(['alice'])]);
  assert.deepEqual(first.value[0].platforms, ['iPad']);
  assert.equal(second.reason.code, ErrorCode.BUSY);
  assert.equal(second.reason.constructor, RetriableError);
});

test('a signal ends the waiting and not the call', async (t) => {
  const { login } = world(t);
  const alice = await login('alice');
  const controller = new AbortController();
  const reason = new Error('no longer wanted');
  const set = alice.setSelfStatus('said all the same', { signal: controller.signal });
  const heard = told(alice, 'alice', 'said all the same');
  controller.abort(reason);
  await assert.rejects(set, reason);
  await heard;
  // One that was aborted before: nothing is said.
  await assert.rejects(alice.setSelfStatus('never said', { signal: controller.signal }), reason);
  assert.equal((await alice.getUserStatus(['alice']))[0].customStatus, 'said all the same');
  // One that never is does not stay behind.
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...values) => (listeners++, addEventListener.apply(signal, values));
  signal.removeEventListener = (...values) => (listeners--, removeEventListener.apply(signal, values));
  await alice.getUserStatus(['alice'], { signal });
  await assert.rejects(alice.setSelfStatus('x'.repeat(101), { signal }));
  assert.equal(listeners, 0);
});

test('the embedded server has one life', async (t) => {
  const server = Server.start();
  t.after(() => server.stop());
  assert.match(server.address, /^tim:\/\/127\.0\.0\.1:\d+$/);
  assert.match(libraryVersion, /^\d+\.\d+\.\d+$/);
  assert.throws(() => Server.start({ listen: server.address.slice('tim://'.length) }), (error) => error.code === ErrorCode.ADDRESS_IN_USE && error instanceof RetriableError);
  for (const seconds of [0, -1, 1.5, 2 ** 32, NaN, '60']) {
    assert.throws(() => server.issueUserSig('alice', seconds), (error) => error.code === ErrorCode.INVALID_ARGUMENT && /validSeconds/.test(error.message));
  }
  assert.throws(() => server.issueUserSig(''), ProgrammingError);
  const stopped = server.stop();
  assert.equal(server.stop(), stopped);
  await within(stopped, 'the stop');
  assert.throws(() => server.issueUserSig('alice'), (error) => error.code === ErrorCode.INVALID_HANDLE);
});
