// A program in JavaScript that binds the original's names one by one at run time: lazy.js SERVER LIBRARY
'use strict';
const assert = require('node:assert/strict');
const { Sdk, Server, run } = require('./imsdk.js');

run(async (binary, library) => {
  const sdk = new Sdk(library);
  const before = await sdk.call('TIMGetUserStatus', '["alice"]');
  assert.deepEqual(before, { code: 6013, desc: 'not initialized', json: '[]' });
  const server = await Server.start(binary, '', 'accounts = ["bob"]');
  try {
    sdk.init(server.address);
    // Before the login's result, and in one go: each has its own.
    const [refused, login] = await Promise.all([sdk.call('TIMSetSelfStatus', '{}'), sdk.call('TIMLogin', 'alice', server.sign('alice'))]);
    assert.equal(refused.code, 6014);
    assert.deepEqual(login, { code: 0, desc: '', json: '' });
    await sdk.status('alice', 1, '');
    assert.equal((await sdk.call('TIMSetSelfStatus', JSON.stringify({ user_status_custom_status: 'déjeuner' }))).code, 0);
    await sdk.status('alice', 1, 'déjeuner');
    const asked = await sdk.call('TIMGetUserStatus', '["bob","alice"]');
    assert.deepEqual(JSON.parse(asked.json).map((user) => [user.user_status_identifier, user.user_status_status_type]), [['bob', 3], ['alice', 1]]);
    const missing = await sdk.call('TIMGroupCreate', '{}');
    assert.equal(missing.code, 7013);
    assert.match(missing.desc, /TIMGroupCreate/);
    assert.equal((await sdk.call('TIMLogout')).code, 0);
    assert.equal(sdk.uninit(), 0);
  } finally {
    await server.stop();
  }
});
