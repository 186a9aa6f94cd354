// One account: what it shows, its devices, whom it watches, who watches it, and its friends.

import { Failure, api, every, resultWords } from './api.js';
import { kick, pathOf, remove } from './accounts.js';
import { accountLink, ago, fill, h, reasonWords, say, statusMark } from './dom.js';
import { watch } from './live.js';

const WATCHERS_SHOWN = 100;
const STATES = { live: 'connected', grace: 'lost, may come back', lost: 'lost' };

/** The view of `user`. */
export function account(signal, user) {
  const note = h('p', { class: 'note error', role: 'alert' });
  const shown = h('div', { class: 'shown', 'aria-live': 'polite' }, h('p', { class: 'quiet' }, 'Loading…'));
  const devices = h('div');
  const subscriptions = h('div');
  const watchers = h('div');
  const friends = h('div');
  const details = h('div', { class: 'details', hidden: true },
    section('devices', 'Devices', devices),
    section('friends', 'Friends', friendForm(), friends),
    section('subscriptions', 'Subscriptions', subscriptions),
    section('watchers', 'Watchers', watchers));
  const actions = [
    h('button', { type: 'button', onclick: () => trying(async () => { if (await kick(user)) await load(); }) }, 'Kick'),
    h('button', { type: 'button', class: 'danger', onclick: () => trying(async () => { if (await remove(user)) location.hash = '#/accounts'; }) }, 'Delete'),
  ];

  let newest = -1;
  const drawShown = (now) => {
    // What was told after the answer was made is newer than the answer (R6.5).
    if (now.version < newest) return;
    newest = now.version;
    fill(shown, [now.status, now.custom_status, now.platforms, now.since_ms, now.reason], () => [
      h('p', { class: 'headline' }, statusMark(now.status), now.custom_status && h('span', { class: 'custom' }, `“${now.custom_status}”`)),
      // Made by import, and nothing since.
      h('p', { class: 'quiet' },
        now.status === 'unlogined' && now.reason === 'server' ? 'It has not logged in since it was made, ' : `It ${reasonWords(now.reason)} `,
        ago(now.since_ms), '.'),
    ]);
  };
  const load = async () => {
    let now;
    let watching;
    try {
      [now, watching] = await Promise.all([api('GET', pathOf(user)), api('GET', `${pathOf(user)}/watchers?limit=${WATCHERS_SHOWN}`)]);
    } catch (failure) {
      if (failure.status !== 404 && failure.status !== 400) throw failure;
      details.hidden = true;
      newest = -1;
      fill(shown, 'gone', () => h('div', { class: 'empty' }, h('p', null, failure.message), h('p', null, h('a', { href: '#/accounts' }, 'All accounts'))));
      for (const button of actions) button.disabled = true;
      return;
    }
    if (signal.aborted) return;
    for (const button of actions) button.disabled = false;
    details.hidden = false;
    drawShown(now);
    fill(devices, now.devices, () => (now.devices.length === 0 ? nothing('No device is logged in.') : h('ul', { class: 'list' }, now.devices.map((device) => h('li', null,
      h('strong', null, device.platform), h('span', { class: `state ${device.state}` }, STATES[device.state] ?? device.state),
      h('span', { class: 'quiet' }, ago(device.since_ms)), h('code', { class: 'quiet instance' }, device.instance))))));
    fill(subscriptions, now.subscriptions, () => people(now.subscriptions, 'It subscribes to nobody.'));
    fill(watchers, watching, () => [people(watching.watchers.map((watcher) => watcher.user_id), 'Nobody watches it.',
      (name) => {
        const watcher = watching.watchers.find(({ user_id }) => user_id === name);
        return h('span', { class: 'quiet' }, [watcher.subscribed && 'subscribed', watcher.friend && 'has it as a friend'].filter(Boolean).join(', '));
      }), watching.next_cursor !== null && h('p', { class: 'quiet' }, `The first ${WATCHERS_SHOWN}; there are more.`)]);
    fill(friends, now.friends, () => people(now.friends, 'It has no friends.', (name) => h('button', {
      type: 'button', class: 'plain', 'data-key': `unfriend ${name}`, 'aria-label': `Remove ${name}`,
      onclick: () => trying(() => edit({ remove: [name] }, `${name} is no friend any more.`)),
    }, 'Remove')));
  };
  const edit = async (change, done) => {
    const { added, removed } = await api('PATCH', `${pathOf(user)}/friends`, change);
    const refused = [...added, ...removed].find(({ code }) => code !== 0);
    if (refused) throw new Failure(`${refused.user_id}: ${resultWords(refused)}`);
    say(done);
    await load();
  };
  const trying = async (work, place = note) => {
    place.textContent = '';
    try {
      await work();
      return true;
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      place.textContent = failure.message;
      return false;
    }
  };
  function friendForm() {
    const name = h('input', {
      id: 'friend', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', maxlength: '32', required: true,
      'aria-describedby': 'friend-note',
    });
    const both = h('input', { type: 'checkbox', id: 'both-ways', checked: true });
    const error = h('p', { class: 'note error', id: 'friend-note', role: 'alert' });
    return h('form', {
      class: 'add',
      onsubmit: async (event) => {
        event.preventDefault();
        const friend = name.value.trim();
        if (await trying(() => edit({ add: [friend], both_ways: both.checked }, `${friend} is a friend.`), error)) name.value = '';
      },
    },
    h('div', { class: 'field' }, h('label', { for: 'friend' }, 'Add a friend'), name),
    h('label', { class: 'check' }, both, 'both ways'),
    h('button', { type: 'submit' }, 'Add'), error);
  }

  every(3000, signal, load);
  watch(signal, () => [user], ([now]) => { if (now && !details.hidden) drawShown(now); });
  return { title: user, crumb: h('a', { href: '#/accounts' }, 'Accounts'), actions, body: [note, shown, details] };
}

function section(id, title, ...children) {
  return h('section', { 'aria-labelledby': `${id}-title` }, h('h2', { id: `${id}-title` }, title), ...children);
}

function nothing(text) {
  return h('p', { class: 'quiet' }, text);
}

function people(names, none, beside = () => null) {
  return names.length === 0 ? nothing(none) : h('ul', { class: 'list' }, names.map((name) => h('li', null, accountLink(name), beside(name))));
}
