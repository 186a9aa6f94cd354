// Pictures of each view, light, dark and on a phone, to be looked at:  node look.mjs FOLDER
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { APP, ADMINISTRATOR, User, browse, serve, userSig } from './serving.mjs';

const folder = process.argv[2];
mkdirSync(folder, { recursive: true });
const server = await serve();
const browser = await browse();
const users = [];
for (const [name, status] of [['ann', 'in a call'], ['ben', ''], ['dora', 'back at 14:00 ☕'], ['emil', ''], ['mia', 'on the road'], ['noor', '']]) {
  const user = await User.login(server, name);
  if (status) await user.setStatus(status);
  users.push(user);
}
users[5].drop();
await users[0].subscribe('dora');
await users[1].subscribe('ann');
await users[2].subscribe('ann');

for (const [kind, options] of [
  ['light', { viewport: { width: 1200, height: 800 }, colorScheme: 'light' }],
  ['dark', { viewport: { width: 1200, height: 800 }, colorScheme: 'dark' }],
  ['phone', { viewport: { width: 390, height: 844 }, colorScheme: 'light', isMobile: true, hasTouch: true, deviceScaleFactor: 2 }],
]) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on('console', (message) => console.log(kind, message.text()));
  page.on('pageerror', (error) => console.log(kind, 'ERROR', error.stack));
  await page.goto(`${server.url}/console/`);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.screenshot({ path: join(folder, `${kind}-signin.png`) });
  await page.goto(`${server.url}/console/#sign-in=${APP},${ADMINISTRATOR},${encodeURIComponent(userSig(ADMINISTRATOR))}`);
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  for (const place of ['online', 'accounts', 'settings', 'accounts/ann', 'overview']) {
    await page.goto(`${server.url}/console/#/${place}`);
    if (place === 'online') {
      await page.getByText(/^[56] users$/).waitFor();
      await users[1].setStatus(`lunch ${kind}`);
      await page.getByRole('log').getByText(`lunch ${kind}`).waitFor();
    }
    if (place === 'accounts/ann') await page.getByRole('heading', { name: 'Watchers' }).waitFor();
    if (place === 'settings') await page.getByRole('switch').first().waitFor();
    if (place === 'overview') {
      // Something to draw, for as long as a few samples take.
      for (let turn = 0; turn < 8; turn++) {
        const sampled = page.waitForResponse('**/v1/statistics');
        for (let change = 0; change < 3 + turn * 7 % 5; change++) await users[0].setStatus(`call ${turn}.${change}`);
        await sampled;
      }
    }
    await page.screenshot({ path: join(folder, `${kind}-${place.replace('/', '-')}.png`), fullPage: true });
  }
  await context.close();
}
await browser.close();
for (const user of users) user.drop();
await server.stop();
