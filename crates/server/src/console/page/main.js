// The frame around the views: who is signed in, where one can go, light or dark, and whether the server answers.

import { account } from './account.js';
import { accounts } from './accounts.js';
import { Failure, signIn, signOut, signedIn, state } from './api.js';
import { h, keepTimes, say } from './dom.js';
import * as live from './live.js';
import { online } from './online.js';
import { overview } from './overview.js';
import * as samples from './samples.js';
import { settings } from './settings.js';
import { fromLink, signInForm } from './signin.js';

const VIEWS = { overview, online, accounts, settings };
const PLACES = [['overview', 'Overview'], ['online', 'Online now'], ['accounts', 'Accounts'], ['settings', 'Settings']];
const root = document.getElementById('root');

/** Ends what runs while somebody is signed in, and what runs for one view. */
let session = new AbortController();
let visit = new AbortController();

// ---- light and dark: the system's, until somebody chooses ----

const THEME = 'tim-presence console: theme';
const systemIsDark = matchMedia('(prefers-color-scheme: dark)');
let theme = localStorage.getItem(THEME);

function applyTheme() {
  const isDark = theme ? theme === 'dark' : systemIsDark.matches;
  document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
  for (const button of document.querySelectorAll('.theme')) button.textContent = isDark ? 'Light' : 'Dark';
}

function themeButton() {
  return h('button', {
    type: 'button',
    class: 'plain theme',
    onclick: () => {
      theme = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
      localStorage.setItem(THEME, theme);
      applyTheme();
    },
  });
}

systemIsDark.addEventListener('change', applyTheme);

// ---- the server ----

const banner = h('p', { class: 'banner', role: 'alert', hidden: true });
state.addEventListener('lost', () => {
  banner.textContent = 'The server does not answer. What you see is from before; trying again…';
  banner.hidden = false;
});
state.addEventListener('found', () => {
  if (banner.hidden) return;
  banner.hidden = true;
  say('The server answers again.');
});
state.addEventListener('refused', ({ detail }) => leave(detail.message));

// ---- signing in and out ----

function leave(reason) {
  session.abort();
  visit.abort();
  signOut();
  for (const dialog of document.querySelectorAll('dialog')) dialog.remove();
  const { form, focus } = signInForm(reason, enter);
  document.title = 'Sign in – tim-presence';
  root.replaceChildren(h('div', { class: 'outside' }, banner, h('main', null, form), h('footer', null, themeButton())));
  applyTheme();
  focus();
}

function enter() {
  session = new AbortController();
  const who = signedIn();
  const main = h('main', { id: 'main' });
  root.replaceChildren(
    h('a', { class: 'skip', href: '#main', onclick: (event) => { event.preventDefault(); main.querySelector('h1')?.focus(); } }, 'To the content'),
    h('div', { class: 'frame' },
      h('header', null,
        h('p', { class: 'brand' }, h('span', { class: 'mark', 'aria-hidden': 'true' }), 'tim-presence'),
        h('nav', { 'aria-label': 'Console' }, h('ul', null, PLACES.map(([place, word]) => h('li', null, h('a', { href: `#/${place}` }, word))))),
        h('div', { class: 'who' },
          h('p', null, h('span', { class: 'quiet' }, 'App '), who.app),
          h('p', { class: 'quiet administrator' }, who.user),
          h('div', null, themeButton(), h('button', { type: 'button', class: 'plain', onclick: () => leave() }, 'Sign out')))),
      h('div', { class: 'content' }, banner, main)));
  applyTheme();
  samples.start(session.signal);
  live.start(session.signal);
  show();
}

/** Shows what the address names. */
function show() {
  if (!signedIn()) return;
  visit.abort();
  visit = new AbortController();
  const [, place, name] = /^#\/([a-z]+)(?:\/(.+))?$/.exec(location.hash) ?? [];
  let view;
  if (place === 'accounts' && name) {
    view = account(visit.signal, decoded(name));
  } else {
    view = (VIEWS[place] ?? overview)(visit.signal);
  }
  const title = h('h1', { tabindex: '-1' }, view.title);
  const main = document.getElementById('main');
  main.replaceChildren(
    h('div', { class: 'title' }, h('div', null, view.crumb && h('p', { class: 'crumb' }, view.crumb), title, view.lead && h('p', { class: 'quiet' }, view.lead)),
      view.actions && h('div', { class: 'actions' }, view.actions)),
    ...view.body);
  document.title = `${view.title} – tim-presence`;
  const here = VIEWS[place] ? place : 'overview';
  for (const link of document.querySelectorAll('nav a')) {
    if (link.getAttribute('href') === `#/${here}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  scrollTo(0, 0);
  title.focus({ preventScroll: true });
}

function decoded(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** A link that the server printed, also into a tab that shows the console already. */
async function follow(given) {
  try {
    await signIn(given);
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    leave(failure.message);
    return;
  }
  enter();
}

addEventListener('hashchange', () => {
  const given = fromLink();
  if (given) {
    session.abort();
    follow(given);
  } else {
    show();
  }
});

keepTimes();
const given = fromLink();
if (given) follow(given);
else if (signedIn()) enter();
else leave();
