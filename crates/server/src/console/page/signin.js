// Signing in: an app, one of its administrators, and a UserSig of that.

import { Failure, signIn } from './api.js';
import { h } from './dom.js';

const KEPT = 'tim-presence console: who';

/** The form. `reason` says why it is shown, if not for the first time; `done` is called when the server took the UserSig. */
export function signInForm(reason, done) {
  let who = {};
  try {
    who = JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    // Not ours: begin with empty fields.
  }
  const error = h('p', { class: 'note error', role: 'alert', id: 'sign-in-error' }, reason ?? '');
  const field = (name, label, about, attributes) => {
    const input = h('input', {
      id: name, name, required: true, autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false',
      'aria-describedby': about ? `${name}-about` : undefined, ...attributes,
    });
    return { input, element: h('div', { class: 'field' }, h('label', { for: name }, label), input, about && h('p', { class: 'quiet', id: `${name}-about` }, ...about)) };
  };
  const app = field('app', 'App', null, { inputmode: 'numeric', value: who.app ?? '', placeholder: '1400000001' });
  const user = field('user', 'Administrator', null, { value: who.user ?? 'administrator' });
  const userSig = field('user-sig', 'UserSig', ['What ', h('code', null, 'tim-presence-server sign'), ' prints for this administrator.'], { type: 'password' });
  const button = h('button', { type: 'submit', class: 'primary' }, 'Sign in');
  const submit = async (event) => {
    event.preventDefault();
    error.textContent = '';
    button.disabled = true;
    const given = { app: app.input.value.trim(), user: user.input.value.trim(), userSig: userSig.input.value.replace(/\s/g, '') };
    try {
      await signIn(given);
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      error.textContent = failure.message;
      button.disabled = false;
      userSig.input.focus();
      return;
    }
    // Never the UserSig.
    localStorage.setItem(KEPT, JSON.stringify({ app: given.app, user: given.user }));
    done();
  };
  const form = h('form', { class: 'sign-in', onsubmit: submit, 'aria-labelledby': 'page-title' },
    h('p', { class: 'brand' }, h('span', { class: 'mark', 'aria-hidden': 'true' }), 'tim-presence'),
    h('h1', { id: 'page-title', tabindex: '-1' }, 'Sign in'),
    error, app.element, user.element, userSig.element, button,
    h('p', { class: 'quiet' }, 'The UserSig stays in this tab and is forgotten when it closes.'));
  return { form, focus: () => (app.input.value ? userSig.input : app.input).focus() };
}

/** What a link that the server printed says: `#sign-in=APP,USER,USERSIG`. It is taken out of the address at once. */
export function fromLink() {
  const found = /^#sign-in=(\d+),([^,]+),([^,]+)$/.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, '', `${location.pathname}#/overview`);
  try {
    return { app: found[1], user: decodeURIComponent(found[2]), userSig: decodeURIComponent(found[3]) };
  } catch {
    return null;
  }
}
