// What the tests share: a server of their own, clients that are logged in, waiting under a generous deadline.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { Client, Server } from 'tim-presence';

/** How long a test waits for what must come: long enough for a machine that is busy with twenty other things. */
export const DEADLINE_MS = 60_000;

export const APP = 1400000001;

/** A server and the clients made for it; everything ends with the test. */
export function world(test, options = {}) {
  const server = Server.start(options);
  const clients = [];
  test.after(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await server.stop();
  });
  const create = (extra = {}) => {
    const client = new Client({ server: server.address, sdkAppId: APP, ...extra });
    clients.push(client);
    return client;
  };
  const login = async (user, extra) => {
    const client = create(extra);
    await client.login(user, server.issueUserSig(user));
    return client;
  };
  return { server, create, login };
}

/** Rejects if the promise has not settled at the deadline. */
export async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The arguments of the next such event, or of the next that `wanted` likes. */
export function next(client, event, wanted = () => true) {
  return within(
    new Promise((resolve) => {
      const listener = (...values) => {
        if (!wanted(...values)) return;
        client.off(event, listener);
        resolve(values);
      };
      client.on(event, listener);
    }),
    event,
  );
}

/** The next change of a user to this custom status. */
export async function told(client, userId, customStatus) {
  const is = (user) => user.userId === userId && user.customStatus === customStatus;
  const [changes] = await next(client, 'statusChanged', (users) => users.some(is));
  return changes.find(is);
}

/** Runs a program of this folder in a process of its own; what it printed, and how it ended. */
export async function run(program, ...programArguments) {
  const path = fileURLToPath(new URL(program, import.meta.url));
  // The second, so that V8's young generation, which grows as V8 likes, is not taken for a leak.
  const flags = ['--expose-gc', '--max-semi-space-size=1'];
  const child = spawn(process.execPath, [...flags, path, ...programArguments], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (data) => (out += data));
  child.stderr.setEncoding('utf8').on('data', (data) => (err += data));
  const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, out, err })));
  try {
    return await within(ended, `the end of ${program}`);
  } finally {
    child.kill('SIGKILL');
  }
}

/** Asserts that a promise is rejected with an error of this class and code. */
export async function rejected(promise, kind, code, pattern = /./) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.constructor, kind, `${error.constructor.name}: ${error.message}`);
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    return true;
  });
}
