// The console in a browser, against the real server and real users of it. Nothing here waits for a time: each step waits for
// what must appear, 30 s at most.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import { ADMINISTRATOR, APP, AXE, User, browse, serve, userSig } from './serving.mjs';

const PATIENCE_MS = 30_000;

let server;
let browser;
let context;
/** What went wrong in the page: scripts that threw, and what its policy refused. */
let faults;

before(async () => {
  [server, browser] = await Promise.all([serve(), browse()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

afterEach(async () => {
  await context?.close();
  context = null;
  assert.deepEqual(faults, []);
});

/** A page of its own, not signed in. */
async function open(options = {}, of = server) {
  faults = [];
  context = await browser.newContext({ viewport: { width: 1100, height: 800 }, reducedMotion: 'reduce', ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => { if (/Content.Security.Policy/i.test(message.text())) faults.push(message.text()); });
  await page.goto(`${of.url}/console/`);
  return page;
}

const link = (of = server) => `${of.url}/console/#sign-in=${APP},${ADMINISTRATOR},${encodeURIComponent(userSig(ADMINISTRATOR))}`;

/** A page that is signed in and shows `place`. */
async function enter(place, options, of = server) {
  const page = await open(options, of);
  await page.goto(link(of));
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.goto(`${of.url}/console/#/${place}`);
  return page;
}

/** No violation of what axe knows of the Web Content Accessibility Guidelines. */
async function assertAccessible(page, where) {
  const cdp = await context.newCDPSession(page);
  // By the debugger: the page's policy lets no script in, as it should.
  await cdp.send('Runtime.evaluate', { expression: AXE });
  const { result } = await cdp.send('Runtime.evaluate', {
    expression: 'axe.run(document).then((found) => JSON.stringify(found.violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])))',
    awaitPromise: true,
  });
  assert.equal(result.value, '[]', where);
}

describe('signing in', () => {
  test('a wrong UserSig is refused in words, the right one lets in and stays in the tab alone', async () => {
    const page = await open();
    await page.getByLabel('App', { exact: true }).fill(APP);
    await page.getByLabel('Administrator').fill(ADMINISTRATOR);
    await page.getByLabel('UserSig').fill(userSig(ADMINISTRATOR, 'f'.repeat(64)));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('This UserSig was made with another secret key.').waitFor();
    await page.getByLabel('Administrator').fill('ann');
    await page.getByLabel('UserSig').fill(userSig('ann'));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('This user is not an administrator of the app.').waitFor();
    await page.getByLabel('Administrator').fill(ADMINISTRATOR);
    await page.getByLabel('UserSig').fill(userSig(ADMINISTRATOR));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    assert.deepEqual(await context.cookies(), []);
    const kept = await page.evaluate(() => JSON.stringify(localStorage));
    assert.ok(!kept.includes('eJ'), kept);
    await page.reload();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  });

  test('a link of the server signs in, and nothing of it stays in the address', async () => {
    const page = await open();
    await page.goto(link());
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    assert.ok(!page.url().includes('sign-in'), page.url());
  });

  test('by keyboard alone: sign in, go to the settings, turn a switch on', async () => {
    const page = await open();
    await page.getByLabel('App', { exact: true }).and(page.locator(':focus')).waitFor();
    const { keyboard } = page;
    await keyboard.type(APP);
    await keyboard.press('Tab');
    await keyboard.press('Control+A');
    await keyboard.type(ADMINISTRATOR);
    await keyboard.press('Tab');
    await keyboard.insertText(userSig(ADMINISTRATOR));
    await keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Overview' }).and(page.locator(':focus')).waitFor();
    const reach = async (target, key = 'Tab') => {
      for (let presses = 0; presses < 40; presses++) {
        if (await target.evaluate((element) => element === document.activeElement)) return;
        await keyboard.press(key);
      }
      assert.fail(`${target} is not reached`);
    };
    await reach(page.getByRole('link', { name: 'Settings' }), 'Shift+Tab');
    await keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Settings' }).and(page.locator(':focus')).waitFor();
    const notify = page.getByRole('switch', { name: 'Tell friends' });
    await notify.waitFor();
    await reach(notify);
    await keyboard.press('Space');
    await page.getByRole('switch', { name: 'Tell friends', checked: true }).waitFor();
    await page.getByText('Applied.').waitFor();
    await keyboard.press('Space');
    await page.getByRole('switch', { name: 'Tell friends', checked: false }).waitFor();
  });
});

describe('settings', () => {
  test('the switch is felt by a client, after a question (R7.3)', async () => {
    const page = await enter('settings');
    const ann = await User.login(server, 'ann');
    assert.equal(await ann.subscribe('ben'), 0);
    await page.getByRole('switch', { name: 'Status query' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('switch', { name: 'Status query', checked: true }).waitFor();
    assert.equal(await ann.subscribe('ben'), 0);
    await page.getByRole('switch', { name: 'Status query' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Turn it off' }).click();
    await page.getByRole('switch', { name: 'Status query', checked: false }).waitFor();
    assert.equal(await ann.subscribe('ben'), 72001);
    await page.getByRole('switch', { name: 'Status query' }).click();
    await page.getByRole('switch', { name: 'Status query', checked: true }).waitFor();
    assert.equal(await ann.subscribe('ben'), 0);
    await ann.logout();
  });

  test('what is wrong with a limit stands beside it, and nothing changed', async () => {
    const page = await enter('settings');
    const field = page.getByLabel('Calls', { exact: true });
    await field.fill('100001');
    await field.press('Enter');
    await page.getByText('Takes a whole number from 0 to 100000, not 100001').waitFor();
    assert.equal(await field.getAttribute('aria-invalid'), 'true');
    await field.press('Escape');
    assert.equal(await field.inputValue(), '20');
    await field.fill('21');
    await field.press('Enter');
    await page.getByText('Applied.').waitFor();
    await page.reload();
    await page.waitForFunction(() => document.getElementById('rate_calls')?.value === '21');
  });
});

describe('users', () => {
  test('who comes, changes and goes is seen without a reload; what users write stays text', async () => {
    const page = await enter('online');
    // Who is on the first list is no news.
    await page.getByRole('heading', { name: 'Online now' }).waitFor();
    await page.getByText('Loading…').waitFor({ state: 'hidden' });
    const news = page.getByRole('log');
    const row = page.getByRole('row', { name: 'cat' });
    const cat = await User.login(server, 'cat');
    await row.waitFor();
    await news.getByText('cat logged in.').waitFor();
    await cat.setStatus('<img src=x onerror=alert(1)>');
    await row.getByText('<img src=x onerror=alert(1)>', { exact: true }).waitFor();
    assert.equal(await page.locator('main img').count(), 0);
    await cat.logout();
    await news.getByText('cat logged out.').waitFor();
    await row.waitFor({ state: 'detached' });
  });

  test('changes come over the protocol of the clients in WebSocket', async () => {
    const page = await open();
    // Once no list comes any more, what is seen was told.
    let isLooking = true;
    await page.route('**/v1/accounts?*', (route) => (isLooking ? route.continue() : route.abort()));
    await page.goto(link());
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    const ben = await User.login(server, 'ben');
    await page.goto(`${server.url}/console/#/online`);
    await page.getByRole('row', { name: 'ben' }).waitFor();
    await page.getByText('come over WebSocket').waitFor();
    await ben.setStatus('before');
    await page.getByRole('row', { name: 'ben' }).getByText('before').waitFor();
    isLooking = false;
    await ben.setStatus('told, not looked up');
    await page.getByRole('row', { name: 'ben' }).getByText('told, not looked up').waitFor();
    await ben.logout();
    await page.getByRole('log').getByText('ben logged out.').waitFor();
  });

  test('a kick, after a question, ends the devices of the user (R8.7)', async () => {
    const ann = await User.login(server, 'ann');
    const page = await enter('accounts/ann');
    await page.getByText('connected').waitFor();
    await page.getByRole('button', { name: 'Kick' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Kick' }).click();
    const { code } = await ann.hears((frame) => frame.kind === 'ended');
    assert.equal(code, 70052);
    await page.getByText('No device is logged in.').waitFor();
    await page.getByText('It was kicked').waitFor();
    ann.drop();
  });

  test('a friend is added and removed, both ways; one who does not exist is refused beside the field', async () => {
    const page = await enter('accounts/ben');
    const friends = page.getByRole('region', { name: 'Friends' });
    await page.getByLabel('Add a friend').fill('nobody');
    await page.getByRole('button', { name: 'Add' }).click();
    await friends.getByText('nobody: There is no such account.').waitFor();
    await page.getByLabel('Add a friend').fill('cat');
    await page.getByLabel('Add a friend').press('Enter');
    await friends.getByRole('link', { name: 'cat' }).click();
    await page.getByRole('heading', { name: 'cat' }).waitFor();
    await friends.getByRole('link', { name: 'ben' }).waitFor();
    await page.getByRole('region', { name: 'Watchers' }).getByText('has it as a friend').waitFor();
    await friends.getByRole('button', { name: 'Remove ben' }).click();
    await page.getByText('It has no friends.').waitFor();
  });

  test('accounts are imported, found, and deleted', async () => {
    const page = await enter('accounts');
    await page.getByRole('button', { name: 'Import' }).click();
    await page.getByLabel('User ids').fill('zoe 1\nzoe 2\nzoë');
    await page.getByRole('dialog').getByRole('button', { name: 'Import' }).click();
    await page.getByText('2 accounts imported. Not taken: zoë.').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByLabel('Search').fill('zoe');
    await page.getByText('2 accounts', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Delete zoe 1' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('1 account', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'zoe 2' }).click();
    await page.getByText('It has not logged in since it was made').waitFor();
    await page.goto(`${server.url}/console/#/accounts/zoe%201`);
    await page.getByText('There is no such account.').waitFor();
  });
});

describe('the page', () => {
  test('has no violation that axe finds, light, dark and on a phone, and is nowhere wider than the phone', async () => {
    const ann = await User.login(server, 'cat');
    await ann.setStatus('in a call');
    const schemes = [
      ['light', { colorScheme: 'light' }],
      ['dark', { colorScheme: 'dark' }],
      ['phone', { colorScheme: 'light', viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }],
    ];
    for (const [name, options] of schemes) {
      const page = await open(options);
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      await assertAccessible(page, `${name}: sign in`);
      await page.goto(link());
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      for (const [place, ready] of [['overview', 'Running since'], ['online', 'in a call'], ['accounts', 'in a call'], ['accounts/cat', 'connected'], ['settings', 'Tell friends']]) {
        await page.goto(`${server.url}/console/#/${place}`);
        await page.getByText(ready).first().waitFor();
        await assertAccessible(page, `${name}: ${place}`);
        const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(beyond <= 0, `${name}: ${place} is ${beyond} px too wide`);
      }
      assert.deepEqual(faults, []);
      await context.close();
    }
    context = null;
    await ann.logout();
  });

  test('is light or dark as the system, until somebody chooses', async () => {
    const page = await enter('overview', { colorScheme: 'dark' });
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    // A page repaints when it comes to it.
    const groundIs = (colour, wanted) =>
      page.waitForFunction(
        ([colour, wanted]) => (getComputedStyle(document.documentElement).backgroundColor === colour) === wanted,
        [colour, wanted],
      );
    const dark = await ground();
    await page.emulateMedia({ colorScheme: 'light' });
    await groundIs(dark, false);
    await page.getByRole('button', { name: 'Dark' }).click();
    await groundIs(dark, true);
    await page.reload();
    await page.getByRole('button', { name: 'Light' }).waitFor();
    await groundIs(dark, true);
  });

  test('says that the server is gone, and goes on when it is back', async () => {
    const first = await serve();
    const page = await enter('overview', {}, first);
    await first.stop();
    await page.getByText('The server does not answer.').waitFor();
    const second = await serve(first);
    await page.getByText('The server does not answer.').waitFor({ state: 'hidden' });
    await context.close();
    context = null;
    await second.stop();
  });
});
