// The runner of tests/scenario in JavaScript: scenario.mjs STORY ADDRESS APP_ID. tests/scenario/README.md says what it does.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { Client, PresenceError } from 'tim-presence';

/** How long anything may take that the story waits for. */
const DEADLINE_MS = 30_000;
/** Of more users than this only the first, the last and the number are printed. */
const USERS_SHOWN = 5;

let currentStep = '';

function broken(what) {
  process.stderr.write(`at "${currentStep}": ${what}\n`);
  process.exit(2);
}

const print = (line) => process.stdout.write(`${line}\n`);

// ---- the driver: a line that begins with ! asks, and a line on the standard input answers ----

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(request) {
  print(`!${request}`);
  const { value } = await answers.next();
  if (value === undefined || !value.startsWith('ok ')) broken('the driver does not answer');
  return value.slice(3);
}

// ---- words ----

function unquoted(text) {
  const brace = /^([^{]*)\{(?:\*(\d+)|(\d+)\.\.(\d+))\}$/.exec(text);
  if (brace === null) return text.includes('{') ? broken(`braces that are not understood: ${text}`) : [text];
  const [, stem, times, first, last] = brace;
  if (times !== undefined) return [stem.repeat(Number(times))];
  return Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => stem + (Number(first) + index));
}

const wordsOf = (line) => [...line.matchAll(/"([^"]*)"?|([^ ]+)/g)].flatMap(([, quoted, plain]) => (quoted === undefined ? unquoted(plain) : [quoted]));

// ---- a client, and what it was told and nobody printed yet ----

class Person {
  #events = [];
  #came = () => {};
  #marks = new Map();

  constructor(server, sdkAppId, platform) {
    this.client = new Client({ server, sdkAppId, platform, backoffBaseMs: 20, backoffMaxMs: 200, disconnectedWaitMs: 1000 });
    this.client.on('statusChanged', (changes) => changes.forEach((user) => this.#append({ kind: 'status', user })));
    this.client.on('connectionState', (state) => this.#append({ kind: 'connection', state }));
    this.client.on('kickedOffline', (error) => this.#append({ kind: 'kicked', error }));
    this.client.on('subscriptionEvicted', (users) => this.#append({ kind: 'evicted', users }));
  }

  #append(event) {
    this.#events.push(event);
    this.#came();
  }

  /** Takes the first event that is wanted, if it is there. */
  take(wanted) {
    const found = this.#events.findIndex(wanted);
    return found < 0 ? undefined : this.#events.splice(found, 1)[0];
  }

  /** Takes it, waiting for it. */
  async await(wanted) {
    let late = false;
    let wake = () => {};
    const timer = setTimeout(() => ((late = true), wake()), DEADLINE_MS);
    for (;;) {
      const came = new Promise((resolve) => (this.#came = wake = resolve));
      const event = this.take(wanted);
      if (event !== undefined || late) {
        clearTimeout(timer);
        return event;
      }
      await came;
    }
  }

  /** "newer", "same" or "older" than what this client saw of the user so far; and now it saw this. */
  seen({ userId, version }) {
    const mark = this.#marks.get(userId) ?? 0;
    if (version > mark) this.#marks.set(userId, version);
    return version > mark ? 'newer' : version === mark ? 'same' : 'older';
  }

  /** A round trip, if it is logged in: what the server sent before has arrived then. */
  async roundTrip() {
    const user = this.client.loginUser;
    if (user !== '') await this.client.getUserStatus([user]).catch(() => {});
  }

  /** Everything that came but connection states. */
  *rest() {
    for (;;) {
      const event = this.take(({ kind }) => kind !== 'connection');
      if (event === undefined) return;
      yield event;
    }
  }
}

const people = new Map();
const personNamed = (name) => people.get(name) ?? broken(`there is no client ${name}`);

// ---- printing ----

const codeText = (error) => `${error.code} ${error.codeName}`;
const errorText = (error) => `error ${codeText(error)}${error.retryAfterMs > 0 ? ', retry later' : ''}`;

function userText(person, user, onlyIds) {
  const id = user.userId === '' ? '""' : user.userId;
  if (!user.ok) return `  ${id} ${codeText(user.error)}`;
  if (onlyIds) return `  ${id}`;
  const platforms = user.platforms.join('+') || 'nowhere';
  return `  ${id} ${user.status} "${user.customStatus}" ${user.reason} ${platforms} ${person.seen(user)}`;
}

/** Awaits a call and prints its result; of its users, which are what it answers or in it, all or only the ids. */
async function printResult(person, call, onlyIds = false) {
  let answer;
  try {
    answer = await call;
  } catch (error) {
    if (!(error instanceof PresenceError)) throw error;
    return print(errorText(error));
  }
  const users = (Array.isArray(answer) ? answer : (answer?.users ?? [])).map((user) => (typeof user === 'string' ? { userId: user, ok: true } : user));
  print(users.length > USERS_SHOWN ? `ok, ${users.length} users` : 'ok');
  const shown = users.length > USERS_SHOWN ? [users[0], users.at(-1)] : users;
  for (const user of shown) print(userText(person, user, onlyIds));
  for (const user of answer?.evicted ?? []) print(`  evicted ${user}`);
}

function eventText(person, event) {
  switch (event?.kind) {
    case undefined: return 'nothing came';
    case 'status': return `${event.user.userId} ${event.user.status} "${event.user.customStatus}" ${event.user.reason} ${person.seen(event.user)}`;
    case 'connection': return event.state.toLowerCase();
    case 'kicked': return `kicked ${codeText(event.error)}`;
    case 'evicted': return ['evicted', ...event.users].join(' ');
  }
}

// ---- steps: `words` are those after the client's name ----

const isStatusOf = (userId) => (event) => event.kind === 'status' && event.user.userId === userId;

async function userSigFor(user, how, text) {
  switch (how) {
    case undefined: return ask(`sig ${user}`);
    case 'with': return text;
    case 'signed-for': return ask(`sig ${text}`);
    case 'signed-with-another-key': return ask(`sig ${user} another-key`);
    default: return broken(`a login ${how}`);
  }
}

const steps = {
  async login(person, [user, how, text]) {
    const userSig = await userSigFor(user, how, text);
    await printResult(person, person.client.login(user, userSig));
  },
  logout: (person) => printResult(person, person.client.logout()),
  set: (person, [text]) => printResult(person, person.client.setSelfStatus(text)),
  get: (person, users) => printResult(person, person.client.getUserStatus(users)),
  subscribe: (person, users) => printResult(person, person.client.subscribe(users)),
  unsubscribe: (person, users) => printResult(person, person.client.unsubscribe(users), true),
  'unsubscribe-all': (person) => printResult(person, person.client.unsubscribeAll()),
  subscriptions: (person) => printResult(person, person.client.getSubscriptions(), true),
  friends: (person) => printResult(person, person.client.getFriends(), true),
  async burst(person, [times, user]) {
    for (let succeeded = 0; succeeded < Number(times); succeeded++) {
      try {
        await person.client.getUserStatus([user]);
      } catch (error) {
        return print(`ok ${succeeded} times, then ${errorText(error)}`);
      }
    }
    print(`ok ${times} times`);
  },
  state(person) {
    print(person.client.loginState === 'LOGGED_IN' ? `logged in as ${person.client.loginUser}` : 'logged out');
  },
  async await(person, [kind, what]) {
    let wanted = (event) => event.kind === kind;
    if (kind === 'status') wanted = isStatusOf(what);
    let event = await person.await(wanted);
    while (kind === 'connection' && event !== undefined && event.state.toLowerCase() !== what) event = await person.await(wanted);
    print(eventText(person, event));
  },
  async until(person, [user, text]) {
    for (;;) {
      const event = await person.await(isStatusOf(user));
      if (event === undefined || event.user.customStatus === text) return print(eventText(person, event));
      person.seen(event.user);
    }
  },
  async quiet(person) {
    await person.roundTrip();
    const lines = [...person.rest()].map((event) => eventText(person, event));
    print(lines.length === 0 ? 'nothing' : lines.join('\n'));
  },
  async skip(person) {
    await person.roundTrip();
    for (const event of person.rest()) if (event.kind === 'status') person.seen(event.user);
    print('ok');
  },
  async close(person) {
    await person.client.close();
    print('ok');
  },
};

async function run([name, ...words], server, app) {
  if (name === 'client') {
    people.set(words[0], new Person(server, app, words[1]));
    print('ok');
  } else if (name === 'server' || name === 'kick') {
    await ask(`${name} ${words[0]}`);
    print('ok');
  } else {
    const step = Object.hasOwn(steps, name) ? steps[name] : broken('no such step');
    await step(personNamed(words[0]), words.slice(1));
  }
}

const [story, address, app] = process.argv.slice(2);
if (app === undefined) broken('usage: scenario.mjs STORY ADDRESS APP_ID');
for (const line of readFileSync(story, 'utf8').split('\n')) {
  currentStep = line;
  if (line.startsWith('##')) print(line);
  if (line === '' || line.startsWith('#')) continue;
  print(`> ${line}`);
  await run(wordsOf(line), address, Number(app));
}
await Promise.all([...people.values()].map(({ client }) => client.close()));
process.stdin.destroy();
