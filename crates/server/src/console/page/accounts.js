// The app's accounts: searched, a part at a time, imported, kicked, deleted.

import { Failure, api, every, resultWords } from './api.js';
import { accountLink, ago, confirm, fill, h, plural, say, statusMark } from './dom.js';

const PART = 50;

/** Path of an account under /v1. */
export function pathOf(user) {
  return `/v1/accounts/${encodeURIComponent(user)}`;
}

/** Asks, and kicks. Resolves to whether it was done. */
export async function kick(user) {
  const isWanted = await confirm({
    title: `Kick ${user}?`,
    text: 'All its devices are logged out, its custom status is cleared, and every UserSig made so far is refused from now on.',
    action: 'Kick',
  });
  if (!isWanted) return false;
  await api('POST', `${pathOf(user)}/kick`);
  say(`${user} was kicked.`);
  return true;
}

/** Asks, and deletes. Resolves to whether it was done. */
export async function remove(user) {
  const isWanted = await confirm({
    title: `Delete ${user}?`,
    text: 'The account, its subscriptions, and the subscriptions of others to it end. This cannot be taken back.',
    action: 'Delete',
  });
  if (!isWanted) return false;
  await api('DELETE', pathOf(user));
  say(`${user} was deleted.`);
  return true;
}

/** The view. */
export function accounts(signal) {
  const search = h('input', { type: 'search', id: 'search', placeholder: 'Part of a user id', autocomplete: 'off', spellcheck: 'false', maxlength: '32' });
  const status = h('select', { id: 'status' },
    [['', 'All'], ['online', 'Online'], ['offline', 'Offline'], ['unlogined', 'Not logged in']].map(([value, word]) => h('option', { value }, word)));
  const note = h('p', { class: 'note error', role: 'alert' });
  const found = h('p', { class: 'quiet', role: 'status' }, 'Loading…');
  const rows = h('tbody');
  const table = accountsTable('Accounts', rows);
  const more = h('button', { type: 'button', hidden: true, onclick: () => trying(add) }, 'Show more');
  const empty = h('div', { class: 'empty', hidden: true });

  let shown = [];
  let next = null;
  let asked = 0;
  const path = (cursor, limit) => {
    const query = new URLSearchParams({ limit });
    if (search.value) query.set('search', search.value);
    if (status.value) query.set('status', status.value);
    if (cursor) query.set('cursor', cursor);
    return `/v1/accounts?${query}`;
  };
  const draw = () => {
    fill(rows, shown, () => shown.map((account) => {
      const user = account.user_id;
      const kicked = async () => { if (await kick(user)) await refresh(); };
      const removed = async () => { if (await remove(user)) await load(); };
      return accountRow(account,
        rowButton('Kick', user, () => trying(kicked)),
        rowButton('Delete', user, () => trying(removed)));
    }));
    more.hidden = next === null;
    table.hidden = shown.length === 0;
    empty.hidden = shown.length > 0;
    found.textContent = shown.length === 0 ? '' : `${plural(shown.length, 'account')}${next === null ? '' : ', and more'}`;
    if (shown.length === 0) {
      const isFiltered = search.value || status.value;
      empty.replaceChildren(
        h('p', null, isFiltered ? 'No account is like that.' : 'There are no accounts yet.'),
        h('p', { class: 'quiet' }, isFiltered
          ? 'Look for a part of the id; letters count as they are, large or small.'
          : 'Import some, or let a client log in: it makes its account.'));
    }
  };
  const trying = async (work) => {
    note.textContent = '';
    try {
      await work();
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      note.textContent = failure.message;
    }
  };
  /** From the beginning. */
  const load = async () => {
    const turn = ++asked;
    const part = await api('GET', path(null, PART));
    if (turn !== asked) return;
    shown = part.accounts;
    next = part.next_cursor;
    draw();
  };
  const add = async () => {
    const turn = ++asked;
    const part = await api('GET', path(next, PART));
    if (turn !== asked) return;
    const known = new Set(shown.map((account) => account.user_id));
    shown = [...shown, ...part.accounts.filter((account) => !known.has(account.user_id))];
    next = part.next_cursor;
    draw();
  };
  /** What those on the page show now. */
  const refresh = async () => {
    const turn = asked;
    const ids = shown.map((account) => account.user_id).slice(0, 500);
    if (ids.length === 0) return;
    const { users } = await api('POST', '/v1/query', { user_ids: ids });
    if (turn !== asked) return;
    const now = new Map(users.map((user) => [user.user_id, user]));
    shown = shown.map((account) => now.get(account.user_id) ?? account).filter((account) => account.code === 0);
    draw();
  };
  const again = () => trying(load);
  search.addEventListener('input', again);
  status.addEventListener('change', again);
  let isFirst = true;
  every(3000, signal, () => {
    if (!isFirst && shown.length > 0) return refresh();
    isFirst = false;
    return load();
  });
  return {
    title: 'Accounts',
    actions: [h('button', { type: 'button', class: 'primary', onclick: () => importing(() => trying(load)) }, 'Import')],
    body: [
      h('search', { class: 'filters' },
        h('div', { class: 'field' }, h('label', { for: 'search' }, 'Search'), search),
        h('div', { class: 'field' }, h('label', { for: 'status' }, 'Status'), status)),
      note, found, h('div', { class: 'scroll' }, table), empty, more,
    ],
  };
}

/** A table of accounts around its body. */
export function accountsTable(caption, rows) {
  return h('table', null,
    h('caption', { class: 'unseen' }, caption),
    h('thead', null, h('tr', null,
      ['User', 'Status', 'Custom status', 'Since'].map((word) => h('th', { scope: 'col' }, word)),
      h('th', { scope: 'col' }, h('span', { class: 'unseen' }, 'Actions')))),
    rows);
}

/** A button in an account's row. */
export function rowButton(action, user, onclick) {
  return h('button', {
    type: 'button', class: 'plain', 'aria-label': `${action} ${user}`, 'data-key': `${action.toLowerCase()} ${user}`, onclick,
  }, action);
}

/** One account with what can be done. */
export function accountRow(account, ...actions) {
  return h('tr', null,
    h('th', { scope: 'row' }, accountLink(account.user_id)),
    h('td', null, statusMark(account.status),
      account.platforms.length > 0 && h('span', { class: 'platforms quiet' }, account.platforms.join(', '))),
    h('td', { class: 'custom' }, account.custom_status),
    h('td', { class: 'since quiet' }, account.version ? ago(account.since_ms) : ''),
    h('td', { class: 'row-actions' }, ...actions));
}

function importing(done) {
  const note = h('p', { class: 'note', role: 'alert' });
  const ids = h('textarea', {
    id: 'import-ids', rows: '6', spellcheck: 'false', autocapitalize: 'off', 'aria-describedby': 'import-about', autofocus: true,
  });
  const close = () => { dialog.close(); dialog.remove(); };
  const submit = async (event) => {
    event.preventDefault();
    note.textContent = '';
    note.classList.remove('error');
    const wanted = [...new Set(ids.value.split(/[\n,]/).map((id) => id.trim()).filter(Boolean))];
    const refused = [];
    try {
      if (wanted.length === 0) throw new Failure('Write at least one user id.');
      for (let start = 0; start < wanted.length; start += 500) {
        const { results } = await api('POST', '/v1/accounts', { user_ids: wanted.slice(start, start + 500) });
        refused.push(...results.filter(({ code }) => code !== 0));
      }
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      note.classList.add('error');
      note.textContent = failure.message;
      return;
    }
    done();
    if (refused.length === 0) {
      close();
      say(`${plural(wanted.length, 'account')} imported.`);
      return;
    }
    note.classList.add('error');
    const imported = plural(wanted.length - refused.length, 'account');
    const names = refused.map(({ user_id }) => user_id).join(', ');
    note.textContent = `${imported} imported. Not taken: ${names}. ${resultWords(refused[0])}`;
    ids.value = refused.map(({ user_id }) => user_id).join('\n');
  };
  const dialog = h('dialog', { 'aria-labelledby': 'import-title', onclose: close },
    h('form', { onsubmit: submit },
      h('h2', { id: 'import-title' }, 'Import accounts'),
      h('div', { class: 'field' }, h('label', { for: 'import-ids' }, 'User ids'), ids,
        h('p', { class: 'quiet', id: 'import-about' }, 'One a line, or with commas between. Those that exist stay as they are.')),
      note,
      h('div', { class: 'actions' },
        h('button', { type: 'button', onclick: close }, 'Cancel'),
        h('button', { type: 'submit', class: 'primary' }, 'Import'))));
  document.body.append(dialog);
  dialog.showModal();
}
