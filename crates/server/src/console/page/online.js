// Who is online now, and what happens, as it happens.

import { api, every } from './api.js';
import { accountRow, accountsTable, kick, rowButton } from './accounts.js';
import { accountLink, ago, fill, h, plural, reasonWords } from './dom.js';
import { SHOWN_MAX, live, watch } from './live.js';

/** Lines kept of what happened. */
const NEWS_MAX = 50;

/** The view. */
export function online(signal) {
  const search = h('input', { type: 'search', id: 'search', placeholder: 'Part of a user id', autocomplete: 'off', spellcheck: 'false', maxlength: '32' });
  const found = h('p', { class: 'quiet', role: 'status' }, 'Loading…');
  const rows = h('tbody');
  const table = accountsTable('Online now', rows);
  const empty = h('p', { class: 'empty', hidden: true });
  const news = h('ol', { class: 'news' });
  const quiet = h('p', { class: 'quiet' }, 'Nothing yet. Logins, logouts and custom statuses appear here.');
  const how = h('p', { class: 'quiet how' });

  /** Who is on the page: user id to what it shows. Null until the first answer. */
  let shown = null;
  let isMore = false;
  let asked = 0;
  const draw = () => {
    const list = [...shown.values()].filter((account) => account.status === 'online');
    list.sort((one, other) => (one.user_id < other.user_id ? -1 : 1));
    fill(rows, list, () => list.map((account) => accountRow(account, rowButton('Kick', account.user_id, () => kick(account.user_id)))));
    table.hidden = list.length === 0;
    empty.hidden = list.length > 0;
    empty.textContent = search.value ? 'Nobody like that is online.' : 'Nobody is online.';
    const users = plural(list.length, 'user');
    found.textContent = list.length === 0 ? '' : isMore ? `The first ${users}. Search to see others.` : users;
  };
  const tell = (account) => {
    quiet.hidden = true;
    const what = h('span', null, accountLink(account.user_id), ` ${sentence(account)}`);
    news.prepend(h('li', null, ago(account.since_ms || Date.now()), what));
    while (news.childElementCount > NEWS_MAX) news.lastElementChild.remove();
  };
  /** Takes what is newer than what is known. */
  const take = (account) => {
    const known = shown.get(account.user_id);
    if (known && account.version <= known.version) return;
    if (known || account.status === 'online') {
      shown.set(account.user_id, { ...account, platforms: account.platforms ?? known?.platforms ?? [] });
      tell(account);
    }
  };
  const load = async () => {
    const turn = ++asked;
    const query = new URLSearchParams({ status: 'online', limit: SHOWN_MAX });
    if (search.value) query.set('search', search.value);
    const part = await api('GET', `/v1/accounts?${query}`);
    if (turn !== asked || signal.aborted) return;
    const now = new Map(part.accounts.map((account) => [account.user_id, account]));
    isMore = part.next_cursor !== null;
    if (shown === null || shown.search !== search.value) {
      shown = now;
      shown.search = search.value;
    } else {
      const left = [...shown.values()].filter((account) => account.status === 'online' && !now.has(account.user_id));
      for (const account of part.accounts) take(account);
      // The list of who is online does not say how the others went.
      if (left.length > 0) {
        const { users } = await api('POST', '/v1/query', { user_ids: left.map((account) => account.user_id) });
        if (turn !== asked || signal.aborted) return;
        for (const user of users) {
          if (user.code === 0) take(user);
          else shown.delete(user.user_id);
        }
      }
      for (const [name, account] of shown) {
        if (account.status !== 'online') shown.delete(name);
        else if (now.has(name)) shown.set(name, { ...account, platforms: now.get(name).platforms });
      }
    }
    draw();
  };
  search.addEventListener('input', () => { load().catch(() => {}); });
  every(1500, signal, load);
  watch(signal, () => (shown === null ? [] : [...shown.values()].filter((account) => account.status === 'online').map((account) => account.user_id)), (changes) => {
    if (shown === null) return;
    for (const change of changes) take(change);
    draw();
  });
  const drawHow = () => {
    how.textContent = live.isOpen
      ? 'Changes of those listed come over WebSocket, as clients get them.'
      : 'Looked up every 1.5 seconds.';
  };
  live.addEventListener('state', drawHow, { signal });
  drawHow();
  return {
    title: 'Online now',
    body: [
      h('search', { class: 'filters' }, h('div', { class: 'field' }, h('label', { for: 'search' }, 'Search'), search)),
      h('div', { class: 'beside' },
        h('section', { 'aria-labelledby': 'who-title' }, h('h2', { id: 'who-title' }, 'Who'), found, h('div', { class: 'scroll' }, table), empty),
        h('section', { 'aria-labelledby': 'news-title' }, h('h2', { id: 'news-title' }, 'What happened'), how, quiet,
          h('div', { role: 'log', 'aria-label': 'What happened', tabindex: '0', class: 'news-frame' }, news))),
    ],
  };
}

function sentence(account) {
  if (account.reason !== 'custom_status') return `${reasonWords(account.reason)}.`;
  return account.custom_status ? `is “${account.custom_status}”.` : 'cleared the custom status.';
}
