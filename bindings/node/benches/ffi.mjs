// What a call and an event cost through this package's native module, and through koffi, a general foreign function
// interface. For the decision in ../README.md:
//   node --expose-gc benches/ffi.mjs PACKAGE_FOLDER KOFFI_FOLDER
// PACKAGE_FOLDER is what build.sh made from an optimised library; KOFFI_FOLDER a folder in which koffi was installed with npm.
//
// Both call the same library in the same process, in turn, ten rounds each; the table has medians. An event through koffi is
// the best case for it: polled for on JavaScript's own thread.
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [packageFolder, koffiFolder] = process.argv.slice(2).map((folder) => resolve(folder));
const prebuilt = join(packageFolder, 'prebuilds', `${process.platform}-${process.arch}`);
const library = join(prebuilt, 'libtim_presence.so.0');
const { usersOf } = createRequire(import.meta.url)(join(packageFolder, 'dist', 'status.js'));
const { Server } = createRequire(join(packageFolder, 'x'))(packageFolder);
const native = createRequire(import.meta.url)(join(prebuilt, 'tim_presence.node'));
const koffi = createRequire(join(koffiFolder, 'x'))('koffi');

const ROUNDS = 10;
const CALLS = 200_000;
const EVENTS = 2_000;
const QUERIES = 200;
const MANY = Array.from({ length: 500 }, (_, number) => `user ${number}`);

const server = Server.start({ multiLogin: 'unlimited', rateCalls: 0, accounts: MANY });
const options = JSON.stringify({ server: server.address, sdk_app_id: 1400000001, delivery: 'poll' });

// ---- the library through koffi ----

const TimUserStatus = koffi.struct('TimUserStatus', {
  struct_size: 'uint32_t', code: 'int32_t', status: 'int32_t', reason: 'int32_t', platforms: 'uint32_t', reserved: 'uint32_t',
  version: 'uint64_t', since_ms: 'int64_t', user_id: 'const char *', custom_status: 'const char *',
});
koffi.struct('TimResult', {
  struct_size: 'uint32_t', code: 'int32_t', message: 'const char *', retry_after_ms: 'uint32_t', reserved: 'uint32_t',
  items: 'void *', item_count: 'size_t', evicted: 'void *', evicted_count: 'size_t',
});
koffi.proto('void TimResultFn(const TimResult *result, void *user_data)');
koffi.proto('void TimStatusFn(void *changes, size_t count, void *user_data)');
const lib = koffi.load(library);
const c = {
  create: lib.func('int32_t timClientCreate(const char *options, _Out_ uint64_t *client)'),
  destroy: lib.func('int32_t timClientDestroy(uint64_t client, uint32_t timeout_ms)'),
  serverTime: lib.func('int32_t timGetServerTime(uint64_t client, _Out_ int64_t *ms)'),
  login: lib.func('int32_t timLogin(uint64_t client, const char *user, const char *sig, TimResultFn *done, void *data)'),
  set: lib.func('int32_t timSetSelfStatus(uint64_t client, const char *text, TimResultFn *done, void *data)'),
  get: lib.func('int32_t timGetUserStatus(uint64_t client, const char **ids, size_t count, TimResultFn *done, void *data)'),
  onStatus: lib.func('int32_t timSetUserStatusChangedCallback(uint64_t client, TimStatusFn *f, void *data, void *free)'),
  poll: lib.func('int32_t timPoll(uint64_t client, size_t max, uint32_t timeout_ms, _Out_ size_t *handled)'),
};
const out = [null];
c.create(options, out);
const koffiClient = out[0];
let seen = 0;
let results = 0;
const onResult = koffi.register((result) => {
  const { items, item_count } = koffi.decode(result, 'TimResult');
  for (const user of koffi.decode(items, koffi.array(koffi.pointer(TimUserStatus), Number(item_count)))) koffi.decode(user, TimUserStatus);
  results++;
}, koffi.pointer('TimResultFn'));
const onStatus = koffi.register((changes, count) => {
  for (const user of koffi.decode(changes, koffi.array(koffi.pointer(TimUserStatus), Number(count)))) koffi.decode(user, TimUserStatus);
  seen++;
}, koffi.pointer('TimStatusFn'));
c.onStatus(koffiClient, onStatus, null, null);
const pollUntil = (done) => {
  while (!done()) c.poll(koffiClient, 1, 1000, [0]);
};
c.login(koffiClient, 'alice', server.issueUserSig('alice'), null, null);
pollUntil(() => seen > 0);

// ---- the same through the native module ----

let nativeSeen = () => {};
const nativeClient = native.create(options, (...values) => nativeSeen(...values));
await new Promise((settled) => {
  nativeSeen = (kind) => kind === 1 && settled();
  native.login(nativeClient, 1, 'bob', server.issueUserSig('bob'));
});

// ---- the rounds ----

const ns = (start, count) => (Number(process.hrtime.bigint() - start) / count);

function calls(call) {
  const start = process.hrtime.bigint();
  for (let number = 0; number < CALLS; number++) call();
  return ns(start, CALLS);
}

const measures = {
  'timGetServerTime, a call without a result': {
    koffi: () => calls(() => c.serverTime(koffiClient, [0n])),
    native: () => calls(() => native.serverTime(nativeClient)),
  },
  "a round trip of timGetUserStatus, the client's and the server's work included": {
    async koffi() {
      const start = process.hrtime.bigint();
      for (let number = 0; number < EVENTS; number++) {
        const before = results;
        c.get(koffiClient, ['alice'], 1, onResult, null);
        pollUntil(() => results > before);
      }
      return ns(start, EVENTS);
    },
    async native() {
      const start = process.hrtime.bigint();
      for (let number = 0; number < EVENTS; number++) {
        await new Promise((settled) => {
          nativeSeen = (kind) => kind === 0 && settled();
          native.getUserStatus(nativeClient, number + 1, ['bob']);
        });
      }
      return ns(start, EVENTS);
    },
  },
  'the same with 500 users in the result': {
    async koffi() {
      const start = process.hrtime.bigint();
      for (let number = 0; number < QUERIES; number++) {
        const before = results;
        c.get(koffiClient, MANY, MANY.length, onResult, null);
        pollUntil(() => results > before);
      }
      return ns(start, QUERIES);
    },
    async native() {
      const start = process.hrtime.bigint();
      for (let number = 0; number < QUERIES; number++) {
        await new Promise((settled) => {
          nativeSeen = (kind, ...values) => kind === 0 && settled(usersOf(values[4]));
          native.getUserStatus(nativeClient, number + 1, MANY);
        });
      }
      return ns(start, QUERIES);
    },
  },
};

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
for (const [what, ways] of Object.entries(measures)) {
  const taken = { koffi: [], native: [] };
  for (let round = 0; round < ROUNDS; round++) for (const way of ['koffi', 'native']) taken[way].push(await ways[way]());
  console.log(`${what}: koffi ${median(taken.koffi).toFixed(0)} ns, native ${median(taken.native).toFixed(0)} ns`);
}
c.destroy(koffiClient, 1000);
native.close(nativeClient);
await server.stop();
