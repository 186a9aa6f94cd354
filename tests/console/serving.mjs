// A server, users of it, and a browser, for one file of tests.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

import { chromium } from 'playwright-core';

/** The page's own words on the wire, spoken here over TCP. */
export const protocol = await import(pathToFileURL(join(process.env.TIM_CONSOLE, 'protocol.js')));

const PROGRAM = process.env.TIM_SERVER;
const KEY = '0123456789abcdef'.repeat(4);
export const APP = '1400000001';
export const ADMINISTRATOR = 'boss';

/** A UserSig, as an administrator makes one. */
export function userSig(user, key = KEY) {
  return execFileSync(PROGRAM, ['sign', '--app', APP, '--key', key, '--user', user, '--valid', '3600'], { encoding: 'utf8' }).trim();
}

/** Starts a server; `stop` ends it. With `again` it takes the ports that one had, once they are free: nobody keeps them for long. */
export async function serve(again) {
  for (const end = Date.now() + 60_000; ; ) {
    try {
      return await start(again);
    } catch (error) {
      if (!again || Date.now() > end || !/cannot listen/.test(error.message)) throw error;
    }
  }
}

async function start(again) {
  const folder = mkdtempSync(join(tmpdir(), 'tim-console-'));
  const file = join(folder, 'server.toml');
  writeFileSync(file, `
listen = ["127.0.0.1:${again?.port ?? 0}"]
admin_listen = "127.0.0.1:${again ? new URL(again.url).port : 0}"
[[apps]]
id = ${APP}
secret_key = "${KEY}"
administrators = ["${ADMINISTRATOR}"]
accounts = ["ann", "ben", "cat"]
`);
  const log = [];
  const process = spawn(PROGRAM, ['--config', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  process.stderr.on('data', (bytes) => log.push(bytes));
  const ended = new Promise((resolve) => process.on('close', resolve));
  let port;
  let url;
  for await (const line of createInterface({ input: process.stdout })) {
    port ??= /^listening on tim:.*:(\d+)$/.exec(line)?.[1];
    url = /^administration at (.*)$/.exec(line)?.[1];
    if (url) break;
  }
  if (!url) await ended;
  if (!url) throw new Error(`the server did not start:\n${Buffer.concat(log)}`);
  return {
    port,
    url,
    async stop() {
      process.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

/** A user of the server: logs in, asks, hears. */
export class User {
  #socket;
  #reader = new protocol.FrameReader();
  #ids = 0;
  #replies = new Map();
  #heard = [];
  #listening = new Set();

  static async login(server, name) {
    const user = new User();
    user.#socket = net.connect(server.port, '127.0.0.1');
    user.#socket.on('data', (bytes) => {
      for (const frame of user.#reader.take(bytes)) {
        if (frame.kind === 'reply') user.#replies.get(frame.id)?.(frame);
        else user.#hear(frame);
      }
    });
    user.closed = new Promise((resolve) => user.#socket.on('close', resolve));
    user.#socket.on('error', () => {});
    user.#socket.write(protocol.PREFACE);
    const answer = await user.ask((id) => protocol.login(id, { app: APP, user: name, userSig: userSig(name), instance: name }));
    if (answer.code !== 0) throw new Error(`${name} is not let in: ${answer.code} ${answer.message}`);
    return user;
  }

  ask(make) {
    const id = ++this.#ids;
    return new Promise((resolve) => {
      this.#replies.set(id, resolve);
      this.#socket.write(make(id));
    });
  }

  /** The code that a subscribe of `name` is answered with. */
  async subscribe(name) {
    return (await this.ask((id) => protocol.subscribe(id, [name]))).code;
  }

  async setStatus(text) {
    const body = Buffer.from(text);
    const set = [0x0a, body.length, ...body];
    await this.ask((id) => Uint8Array.from([set.length + 4, 0x08, id, 0x2a, set.length, ...set]));
  }

  async logout() {
    await this.ask(protocol.logout);
    await this.closed;
  }

  drop() {
    this.#socket.destroy();
  }

  /** The first frame, past or to come, that is like that. */
  hears(isLike) {
    const found = this.#heard.find(isLike);
    if (found) return Promise.resolve(found);
    return new Promise((resolve) => this.#listening.add({ isLike, resolve }));
  }

  #hear(frame) {
    this.#heard.push(frame);
    for (const listener of this.#listening) {
      if (!listener.isLike(frame)) continue;
      this.#listening.delete(listener);
      listener.resolve(frame);
    }
  }
}

/** A browser of this machine. */
export function browse() {
  return chromium.launch({
    executablePath: process.env.TIM_CHROMIUM,
    args: ['--no-sandbox', '--disable-background-networking', '--disable-gpu', '--disable-dev-shm-usage'],
  });
}

/** axe-core, to be run in a page. */
export const AXE = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
