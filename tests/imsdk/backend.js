// A backend written for the original, pointed at tim-presence: backend.js SERVER LIBRARY
//
// UserSigs are minted with the published package tls-sig-api-v2, REST calls and the webhook are the original's, and the
// user's program is libImSDK. Nothing knows of tim-presence but the base URL of REST and the address of the server.
'use strict';
const assert = require('node:assert/strict');
const http = require('node:http');
const { Api } = require('tls-sig-api-v2');
const { APP, KEY, Sdk, Server, run, soon } = require('./imsdk.js');

const ADMINISTRATOR = 'administrator';

class Backend {
  constructor(baseUrl) {
    this.baseUrl = baseUrl;
    this.signer = new Api(APP, KEY);
  }

  sign(user) {
    return this.signer.genUserSig(user, 3600);
  }

  async ok(command, body) {
    const query = new URLSearchParams({
      sdkappid: APP,
      identifier: ADMINISTRATOR,
      usersig: this.sign(ADMINISTRATOR),
      random: Math.floor(Math.random() * 2 ** 32),
      contenttype: 'json',
    });
    const response = await fetch(`${this.baseUrl}/v4/${command}?${query}`, { method: 'POST', body: JSON.stringify(body) });
    assert.equal(response.status, 200);
    const answer = await response.json();
    assert.equal(answer.ActionStatus, 'OK', JSON.stringify(answer));
    return answer;
  }
}

// What the server tells the backend.
async function startWebhook() {
  const waiting = [];
  const events = [];
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    events.push(JSON.parse(body));
    response.setHeader('Content-Type', 'application/json');
    response.end('{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}');
    for (const look of waiting.splice(0)) look();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/presence`,
    async next() {
      while (events.length === 0) await soon(new Promise((resolve) => waiting.push(resolve)), 'an event of the webhook');
      return events.shift();
    },
  };
}

run(async (binary, library) => {
  const webhook = await startWebhook();
  const settings = 'admin_listen = "127.0.0.1:0"';
  const server = await Server.start(binary, settings, `administrators = ["${ADMINISTRATOR}"]\nwebhook_url = "${webhook.url}"`);
  try {
    const backend = new Backend(await server.line('administration at '));
    await backend.ok('im_open_login_svc/account_import', { UserID: 'alice', Nick: 'Alice' });
    const sdk = new Sdk(library);
    sdk.init(server.address);
    const stale = backend.sign('alice');
    assert.equal((await sdk.call('TIMLogin', 'alice', stale)).code, 0);
    const login = await webhook.next();
    assert.equal(login.CallbackCommand, 'State.StateChange');
    assert.deepEqual([login.Info.To_Account, login.Info.Action, login.Info.Reason], ['alice', 'Login', 'Register']);
    const answer = await backend.ok('openim/query_online_status', { To_Account: ['alice', 'nobody'] });
    assert.equal(answer.QueryResult[0].Status, 'Online');
    assert.deepEqual(answer.ErrorList, [{ To_Account: 'nobody', ErrorCode: 70107 }]);
    await backend.ok('im_open_login_svc/kick', { UserID: 'alice' });
    await soon(sdk.kicked, 'the kick');
    assert.equal((await sdk.call('TIMLogin', 'alice', stale)).code, 70052);
    sdk.uninit();
  } finally {
    await server.stop();
  }
});
