// libImSDK for the JavaScript tests, as programs bind it: by koffi, each name when it is first used; and the real server.
'use strict';
const { spawn, execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const koffi = require('koffi');

const APP = 1400000001;
const KEY = 'a-secret-key-for-tests-only-0123456789abcdef';
const DEADLINE_MS = 40000; // what must happen comes far sooner

const CommCallback = koffi.proto('void CommCallback(int32_t code, const char *desc, const char *json, const void *user_data)');
const JsonCallback = koffi.proto('void JsonCallback(const char *json, const void *user_data)');
const PlainCallback = koffi.proto('void PlainCallback(const void *user_data)');

function soon(promise, what) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what}: nothing came`)), DEADLINE_MS);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

class Sdk {
  constructor(file) {
    this.library = koffi.load(file);
    this.statuses = [];
    this.waiting = [];
    this.kicked = new Promise((resolve) => {
      this.onKicked = koffi.register(() => resolve(), koffi.pointer(PlainCallback));
    });
    this.onStatus = koffi.register((json) => {
      this.statuses.push(...JSON.parse(json));
      for (const look of this.waiting.splice(0)) look();
    }, koffi.pointer(JsonCallback));
    this.library.func('TIMSetUserStatusChangedCallback', 'void', [koffi.pointer(JsonCallback), 'void *'])(this.onStatus, null);
    this.library.func('TIMSetKickedOfflineCallback', 'void', [koffi.pointer(PlainCallback), 'void *'])(this.onKicked, null);
  }

  // Calls a function of texts and a result callback: a promise of { code, desc, json }.
  call(name, ...texts) {
    const types = [...texts.map(() => 'const char *'), koffi.pointer(CommCallback), 'void *'];
    const bound = this.library.func(name, 'int', types);
    const result = new Promise((resolve, reject) => {
      const callback = koffi.register((code, desc, json) => {
        koffi.unregister(callback);
        resolve({ code, desc, json });
      }, koffi.pointer(CommCallback));
      const returned = bound(...texts, callback, null);
      if (returned !== 0) reject(new Error(`${name} returned ${returned}`));
    });
    return soon(result, name);
  }

  init(address) {
    const knob = {
      request_internal_operation: 'internal_operation_set_custom_server_info',
      request_set_custom_server_info_param: {
        longconnection_address_array: [{ server_address_ip: '127.0.0.1', server_address_port: Number(address.split(':').pop()) }],
      },
    };
    const experimental = this.library.func('callExperimentalAPI', 'int', ['const char *', koffi.pointer(CommCallback), 'void *']);
    if (experimental(JSON.stringify(knob), null, null) !== 0) throw new Error('the knob was refused');
    if (this.library.func('TIMInit', 'int', ['uint64_t', 'const char *'])(APP, '{}') !== 0) throw new Error('TIMInit');
  }

  uninit() {
    return this.library.func('TIMUninit', 'int', [])();
  }

  async status(user, type, custom) {
    for (;;) {
      while (this.statuses.length > 0) {
        const told = this.statuses.shift();
        if (told.user_status_identifier === user && told.user_status_status_type === type && told.user_status_custom_status === custom) return told;
      }
      await soon(new Promise((resolve) => this.waiting.push(resolve)), `${user} ${type} ${custom}`);
    }
  }
}

class Server {
  static async start(binary, settings = '', appSettings = '') {
    const server = new Server();
    server.binary = binary;
    server.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'tim-test-'));
    const config = path.join(server.directory, 'server.toml');
    fs.writeFileSync(config, `listen = ["127.0.0.1:0"]\n${settings}\n[[apps]]\nid = ${APP}\nsecret_key = "${KEY}"\n${appSettings}\n`);
    server.process = spawn(binary, ['--config', config], { stdio: ['ignore', 'pipe', 'inherit'] });
    server.lines = readline.createInterface({ input: server.process.stdout })[Symbol.asyncIterator]();
    server.address = await server.line('listening on ');
    return server;
  }

  async line(begins) {
    for (;;) {
      const { value, done } = await soon(this.lines.next(), begins);
      if (done) throw new Error('the server ended');
      if (value.startsWith(begins)) return value.slice(begins.length).trim();
    }
  }

  sign(user) {
    return execFileSync(this.binary, ['sign', '--app', String(APP), '--key', KEY, '--user', user], { encoding: 'utf8' }).trim();
  }

  async stop() {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGTERM');
    await soon(ended, 'the end of the server');
    fs.rmSync(this.directory, { recursive: true });
  }
}

// Runs a test to its end: exits with 1 and the error when it throws.
function run(test) {
  test(...process.argv.slice(2)).then(
    () => {
      console.log('ok');
      process.exit(0);
    },
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}

module.exports = { APP, KEY, Sdk, Server, run, soon };
