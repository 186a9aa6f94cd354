// What the console asks of /v1, who asks, and whether the server answers. The UserSig is kept for this tab alone.

const KEPT = 'tim-presence console';
let credentials = null;
try {
  credentials = JSON.parse(sessionStorage.getItem(KEPT));
} catch {
  // What is kept is not ours, or may not be read: sign in anew.
}

/** Tells of `lost` and `found` (the server), and of `refused` (the UserSig, with the failure as detail). */
export const state = new EventTarget();
let isLost = false;

/** A request that was not carried out. `message` is for the person. */
export class Failure extends Error {
  constructor(message, { status = 0, code = 0 } = {}) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Who is signed in: `{app, user}`, or null. */
export function signedIn() {
  return credentials && { app: credentials.app, user: credentials.user };
}

/** What a login over the clients' protocol takes. */
export function identity() {
  if (!credentials) throw new Failure('Nobody is signed in.');
  return credentials;
}

/** Signs in if the server takes these. */
export async function signIn(given) {
  await ask('GET', '/v1/server', undefined, given);
  credentials = given;
  sessionStorage.setItem(KEPT, JSON.stringify(given));
}

/** Forgets the UserSig. */
export function signOut() {
  credentials = null;
  sessionStorage.removeItem(KEPT);
}

/** Asks; gives the answer's JSON, or null where there is none. */
export async function api(method, path, body) {
  const asking = credentials;
  if (!asking) throw new Failure('Nobody is signed in.');
  try {
    return await ask(method, path, body, asking);
  } catch (failure) {
    if (failure.status === 401 && credentials === asking) {
      state.dispatchEvent(new CustomEvent('refused', { detail: failure }));
    }
    throw failure;
  }
}

async function ask(method, path, body, { app, user, userSig }) {
  let response;
  let answer = null;
  try {
    response = await fetch(path, {
      method,
      headers: {
        'X-Tim-App': app,
        'X-Tim-User': user,
        Authorization: `Bearer ${userSig}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'omit',
      cache: 'no-store',
      signal: AbortSignal.timeout(15_000),
    });
    if (response.status !== 204) answer = await response.json();
  } catch (error) {
    if (response) throw new Failure('The answer is not one of a tim-presence server.', { status: response.status });
    // Headers that cannot be sent are the person's mistake, not the server's absence.
    if (error instanceof TypeError && /header|ISO-8859|ByteString/i.test(error.message)) {
      throw new Failure('App, administrator and UserSig have only plain characters.', { status: 400 });
    }
    setLost(true);
    throw new Failure('The server does not answer.');
  }
  setLost(response.status === 503);
  if (response.ok) return answer;
  throw new Failure(words(response, answer?.error), { status: response.status, code: answer?.error?.code });
}

function setLost(lost) {
  if (lost === isLost) return;
  isLost = lost;
  state.dispatchEvent(new Event(lost ? 'lost' : 'found'));
}

const WORDS = {
  70001: 'This UserSig has expired. Make a new one.',
  70003: 'This is not a UserSig, or it was damaged when it was copied.',
  70005: 'This is not a UserSig, or it was damaged when it was copied.',
  70009: 'This UserSig was made with another secret key.',
  70013: 'This UserSig was made for another user.',
  70014: 'This UserSig was made for another app.',
  70052: 'This UserSig was revoked when the administrator was kicked. Make a new one.',
  70107: 'There is no such account.',
  7003: 'A user id has 1 to 32 characters: letters, digits, spaces and the usual signs, no accents.',
};

function words(response, error) {
  if (response.status === 503) return 'The server is stopping.';
  if (response.status === 403) return 'This user is not an administrator of the app.';
  const wait = response.headers.get('Retry-After');
  if (response.status === 429) return `Too many tries from here. Wait ${wait ?? 'a few'} seconds, then try again.`;
  if (error && WORDS[error.code]) return WORDS[error.code];
  const text = error?.message || `The server answered with ${response.status}.`;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What a result of one user id means, for the person. */
export function resultWords({ code, message }) {
  return WORDS[code] ?? message;
}

/** Does `work` now and again `pause` ms after it ended, until `signal` is aborted; not while nobody looks at the page. */
export async function every(pause, signal, work) {
  while (!signal.aborted) {
    if (!document.hidden) {
      try {
        await work();
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        // A lost server and a refused UserSig are told of by `state`; whatever else is tried again.
      }
    }
    await passed(pause, signal);
  }
}

function passed(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      document.removeEventListener('visibilitychange', done);
      state.removeEventListener('found', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    document.addEventListener('visibilitychange', done);
    state.addEventListener('found', done);
  });
}
