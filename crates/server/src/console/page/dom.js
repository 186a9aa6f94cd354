// Elements, words and dialogs that every view uses. Text from users only ever becomes text nodes: nothing here, or anywhere
// in the console, parses HTML.

/** Makes an element: `h('p', {class: 'quiet', onclick: f, disabled: true}, 'text', element)`. */
export function h(name, properties, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'value') element.value = value;
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replaces what is in `element` if `key` says that it differs, and keeps the focus where it was. */
export function fill(element, key, make) {
  const text = JSON.stringify(key);
  if (element.dataset.shown === text) return;
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  element.replaceChildren(...[make()].flat().filter(Boolean));
  element.dataset.shown = text;
  if (focused) [...element.querySelectorAll('[data-key]')].find((found) => found.dataset.key === focused)?.focus();
}

/** Says something to a screen reader, and shows it for a while. */
export function say(text) {
  document.getElementById('said').textContent = text;
  document.querySelector('.toast')?.remove();
  const toast = h('div', { class: 'toast', 'aria-hidden': 'true' }, text);
  document.body.append(toast);
  setTimeout(() => toast.remove(), 5000);
}

/** Asks before something that cannot be taken back. Resolves to whether it is wanted. */
export function confirm({ title, text, action }) {
  return new Promise((resolve) => {
    const close = (wanted) => {
      dialog.close();
      dialog.remove();
      resolve(wanted);
    };
    const dialog = h('dialog', {
      'aria-labelledby': 'confirm-title',
      'aria-describedby': 'confirm-text',
      oncancel: (event) => { event.preventDefault(); close(false); },
    },
    h('h2', { id: 'confirm-title' }, title),
    h('p', { id: 'confirm-text' }, text),
    h('div', { class: 'actions' },
      h('button', { type: 'button', autofocus: true, onclick: () => close(false) }, 'Cancel'),
      h('button', { type: 'button', class: 'danger', onclick: () => close(true) }, action)));
    document.body.append(dialog);
    dialog.showModal();
  });
}

const STATUS_WORDS = { online: 'Online', offline: 'Offline', unlogined: 'Not logged in' };

/** A user's status as a shape and a word: never by colour alone. */
export function statusMark(status) {
  return h('span', { class: `status ${status}` }, STATUS_WORDS[status] ?? 'Unknown');
}

const REASON_WORDS = {
  login: 'logged in',
  logout: 'logged out',
  link_closed: 'lost the connection',
  timeout: 'fell silent',
  custom_status: 'changed the custom status',
  kicked: 'was kicked',
  expired: 'came to the end of the UserSig',
  server: 'was offline when the server came back',
};

/** Why a status changed, as the end of a sentence that begins with the user. */
export function reasonWords(reason) {
  return REASON_WORDS[reason] ?? 'changed';
}

/** A link to an account's page. */
export function accountLink(user) {
  return h('a', { class: 'user', href: `#/accounts/${encodeURIComponent(user)}`, 'data-key': `user ${user}` }, user);
}

/** "3 minutes ago", kept true by [`keepTimes`]. */
export function ago(ms) {
  if (!ms) return h('span', { class: 'quiet' }, '–');
  const date = new Date(ms);
  return h('time', { datetime: date.toISOString(), title: date.toLocaleString('en-GB'), 'data-at': ms }, agoWords(ms));
}

function agoWords(ms) {
  const seconds = Math.max(0, Math.round((Date.now() - ms) / 1000));
  if (seconds < 5) return 'just now';
  return `${duration(seconds * 1000)} ago`;
}

const UNITS = [['day', 86_400_000], ['hour', 3_600_000], ['minute', 60_000], ['second', 1000]];

/** "2 minutes", "1 day", "1.5 hours": the largest unit that is not below one. */
export function duration(ms) {
  const [word, unit] = UNITS.find(([, size]) => ms >= size) ?? ['ms', 1];
  if (word === 'ms') return `${ms} ms`;
  const count = unit > 60_000 ? Math.round(ms / unit * 10) / 10 : Math.round(ms / unit);
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** Keeps every "ago" on the page true. */
export function keepTimes() {
  setInterval(() => {
    for (const time of document.querySelectorAll('time[data-at]')) {
      const words = agoWords(Number(time.dataset.at));
      if (time.textContent !== words) time.textContent = words;
    }
  }, 1000);
}

/** 12 345. */
export function count(number) {
  return Math.round(number).toLocaleString('en-GB').replaceAll(',', '\u2009');
}

/** "1 account", "2 accounts". */
export function plural(number, word) {
  return `${count(number)} ${word}${number === 1 ? '' : 's'}`;
}
