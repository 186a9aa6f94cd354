// The app's settings: each is applied by itself, at once, and says beside itself what came of it.

import { Failure, api, every } from './api.js';
import { confirm, duration, h } from './dom.js';

/** In words; the server knows what is allowed. `tests` of the server compare the names with its own table. */
const GROUPS = [
  ['Switches', [
    ['user_status', 'Status query and notification', 'Clients may ask for the status of others and subscribe to it.'],
    ['friend_status_notify', 'Tell friends', 'Friends hear of each other without subscribing.'],
    ['auto_register_on_mention', 'Accounts by mention', 'An account also comes to exist when somebody subscribes to it or befriends it, not only from its first login.'],
  ]],
  ['Plan and devices', [
    ['plan', 'Plan', 'With basic, clients can neither ask for the status of others nor subscribe.', ['basic', 'ultimate']],
    ['multi_login', 'Devices at once', 'How many devices of one user may be logged in. The older one is logged out.', ['per_platform', 'single', 'unlimited']],
    ['web_devices_max', 'Web devices', 'Of one user, with one device a platform.'],
  ]],
  ['Limits', [
    ['custom_status_bytes_max', 'Custom status', 'Bytes of UTF-8 it may have.'],
    ['query_batch_max', 'Users in one query', 'Different users that one query may name.'],
    ['subscribe_batch_max', 'Users in one subscribe', 'Different users that one subscribe or unsubscribe may name.'],
    ['subscriptions_max', 'Subscriptions', 'Of one user; past it the oldest go.'],
    ['rate_calls', 'Calls', 'Of one kind, by one user, in the time below. 0: no limit.'],
    ['rate_window_ms', 'The time for these calls', 'In milliseconds.'],
  ]],
  ['Times', [
    ['offline_grace_ms', 'Grace after a lost connection', 'How long a user may take to come back before it shows as offline. In milliseconds.'],
    ['subscription_linger_ms', 'Subscriptions of who left', 'How long they are kept. In milliseconds.'],
    ['lost_device_retention_ms', 'Lost devices', 'How long a device that went without a logout is remembered. In milliseconds.'],
  ]],
];

/** Changes that are felt at once by everybody. */
const DANGEROUS = {
  'user_status=false': {
    title: 'Turn status query and notification off?',
    text: 'From the next moment on, clients that ask for the status of others or subscribe are refused (72001), and subscribers '
      + 'hear nothing, until it is on again. Subscriptions stay.',
    action: 'Turn it off',
  },
  'plan="basic"': {
    title: 'Change the plan to basic?',
    text: 'From the next moment on, clients that ask for the status of others or subscribe are refused (7013), and subscribers hear nothing.',
    action: 'Change to basic',
  },
  'multi_login="single"': {
    title: 'Allow a single device?',
    text: 'From the next login on, each login of a user logs its other device out.',
    action: 'Allow a single device',
  },
};

const WORDS = { basic: 'Basic', ultimate: 'Ultimate', per_platform: 'One a platform', single: 'One', unlimited: 'Any number' };

/** The view. */
export function settings(signal) {
  const body = h('div', { class: 'settings' }, h('p', { class: 'quiet' }, 'Loading…'));
  let rows = null;
  const show = (values) => {
    if (!rows) {
      rows = new Map();
      const known = new Set(GROUPS.flatMap(([, list]) => list.map(([key]) => key)));
      const more = Object.keys(values).filter((key) => !known.has(key)).map((key) => [key, key, '']);
      const groups = more.length ? [...GROUPS, ['More', more]] : GROUPS;
      body.replaceChildren(...groups.map(([title, list], index) => h('section', { 'aria-labelledby': `group-${index}` },
        h('h2', { id: `group-${index}` }, title),
        list.filter(([key]) => key in values).map((setting) => {
          const made = row(setting, values[setting[0]], change);
          rows.set(setting[0], made);
          return made.element;
        }))));
    }
    for (const [key, value] of Object.entries(values)) rows.get(key)?.show(value);
  };
  const change = async (key, value) => {
    const danger = DANGEROUS[`${key}=${JSON.stringify(value)}`];
    if (danger && !await confirm(danger)) return false;
    show((await api('PATCH', '/v1/app', { [key]: value })).settings);
    return true;
  };
  // Other administrators and the server's file change them, too.
  every(5000, signal, async () => show((await api('GET', '/v1/app')).settings));
  return { title: 'Settings', lead: 'In effect from the next call and the next change, for every client of this app.', body: [body] };
}

/** One setting: `element`, and `show` for its value. */
function row([key, title, about, choices], value, change) {
  const note = h('p', { class: 'note', id: `${key}-note`, role: 'status' });
  const tell = (text, isError) => {
    note.textContent = text;
    note.classList.toggle('error', isError);
    control.element.setAttribute('aria-invalid', String(isError));
  };
  const apply = async (wanted) => {
    tell('', false);
    try {
      if (await change(key, wanted)) tell('Applied.', false);
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      tell(failure.message.replace(new RegExp(`^${key} takes`, 'i'), 'Takes'), true);
      return;
    }
    control.reset();
  };
  const attributes = { id: key, name: key, 'aria-describedby': `${key}-about ${key}-note` };
  const kind = choices ? chooser : typeof value === 'boolean' ? toggle : typed;
  const control = kind(attributes, apply, choices, typeof value === 'number', tell);
  return {
    element: h('div', { class: 'setting' },
      h('div', { class: 'words' },
        h('label', { for: key }, title), h('p', { class: 'quiet', id: `${key}-about` }, about), note),
      control.outer ?? control.element),
    show: control.show,
  };
}

function toggle(attributes, apply) {
  let value = false;
  const element = h('input', { ...attributes, type: 'checkbox', role: 'switch', class: 'switch' });
  const reset = () => { element.checked = value; };
  element.addEventListener('click', async (event) => {
    // It shows what is in effect, never what was wished for.
    event.preventDefault();
    await apply(!value);
    reset();
  });
  return { element, reset, show: (shown) => { value = shown; reset(); } };
}

function chooser(attributes, apply, choices) {
  let value;
  const element = h('select', attributes, choices.map((choice) => h('option', { value: choice }, WORDS[choice])));
  const reset = () => { element.value = value; };
  element.addEventListener('change', async () => {
    await apply(element.value);
    reset();
  });
  return { element, reset, show: (shown) => { value = shown; if (document.activeElement !== element) reset(); } };
}

function typed(attributes, apply, _, isNumber, tell) {
  let value;
  const element = h('input', { ...attributes, inputmode: isNumber ? 'numeric' : undefined, autocomplete: 'off', spellcheck: 'false' });
  const button = h('button', { type: 'submit', disabled: true, 'aria-label': `Apply ${attributes.name}` }, 'Apply');
  const human = h('span', { class: 'human quiet' });
  const isChanged = () => element.value.trim() !== String(value);
  const changed = () => {
    button.disabled = !isChanged();
    const ms = Number(element.value);
    human.textContent = attributes.name.endsWith('_ms') && ms >= 1000 ? `= ${duration(ms)}` : '';
  };
  const reset = () => { element.value = value; changed(); };
  const outer = h('form', {
    class: 'typed',
    onsubmit: (event) => {
      event.preventDefault();
      const text = element.value.trim();
      if (!isChanged()) return;
      if (isNumber && !/^-?\d+$/.test(text)) tell('Takes a whole number.', true);
      else apply(isNumber ? Number(text) : text);
    },
  }, element, human, button);
  element.addEventListener('input', changed);
  element.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    reset();
    tell('', false);
  });
  return {
    element,
    outer,
    reset,
    show: (shown) => {
      const untouched = value === undefined || !isChanged();
      value = shown;
      if (untouched) reset();
      else changed();
    },
  };
}
