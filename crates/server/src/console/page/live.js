// Changes as they happen: the administrator is logged in as a user like any other, over WebSocket, and subscribes to who is
// on the page. Where that cannot be (no way to the port of the clients, the switch or the plan forbids it, another device
// displaced this one), the views go on with what they look up anyway.

import { api, identity } from './api.js';
import { FrameReader, HEARTBEAT, PREFACE, login, logout, subscribe, unsubscribe } from './protocol.js';

/** Most users that are listed and subscribed to at once: a user's subscriptions have that bound (R5.2). */
export const SHOWN_MAX = 200;
/** Users of one subscribe. */
const BATCH_MAX = 100;
/** Between two looks at who is on the page: well within a user's rate of calls (R7.5). */
const SYNC_MS = 1000;
/** Between two attempts to connect. */
const RETRY_MS = 15_000;
/** Displaced by another login, or kicked: somebody wants it so. */
const ENDED_FOR_GOOD = [6208, 70052, 6206];

/** Tells of `state`; `isOpen`: changes come by themselves. */
export const live = Object.assign(new EventTarget(), { isOpen: false });

const watches = new Set();

/** Calls `changed` with the news of those that `ids()` names, until `signal` is aborted. */
export function watch(signal, ids, changed) {
  const entry = { ids, changed };
  watches.add(entry);
  signal.addEventListener('abort', () => watches.delete(entry));
}

/** Connects, again and again, until `signal` is aborted. */
export async function start(signal) {
  const instance = `console-${crypto.getRandomValues(new Uint32Array(4)).join('-')}`;
  let isWanted = true;
  while (isWanted && !signal.aborted) {
    try {
      const { gateways } = await api('GET', '/v1/server');
      const url = address(gateways);
      if (!url) return;
      isWanted = await Session.run(url, { ...identity(), instance }, signal);
    } catch {
      // The server is lost, which `api` told, or nobody is signed in any more: tried again, or ended, below.
    }
    setOpen(false);
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, RETRY_MS);
      signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); });
    });
  }
}

/** Where clients connect, as a page of this origin may: on the host that the page is from. */
function address(gateways) {
  const [scheme, wanted] = location.protocol === 'https:' ? ['wss', 'tims:'] : ['ws', 'tim:'];
  const port = gateways.filter((gateway) => gateway.startsWith(wanted)).map((gateway) => /:(\d+)$/.exec(gateway)?.[1])[0];
  return port && `${scheme}://${location.hostname}:${port}/`;
}

function setOpen(isOpen) {
  if (live.isOpen === isOpen) return;
  live.isOpen = isOpen;
  live.dispatchEvent(new Event('state'));
}

function tell(users) {
  for (const { ids, changed } of [...watches]) {
    const wanted = new Set(ids());
    const news = users.filter((user) => user.code === 0 && wanted.has(user.user_id));
    if (news.length > 0) changed(news);
  }
}

class Session {
  #socket;
  #reader = new FrameReader();
  #ids = 0;
  /** What to do with the reply of that number. */
  #waiting = new Map();
  #subscribed = new Set();
  #timers = [];
  #isWanted = true;
  /** One look at the page is under way. */
  #isSyncing = false;

  /** Resolves when the connection is over, to whether there should be another. */
  static run(url, who, signal) {
    return new Promise((resolve) => {
      const session = new Session();
      session.#open(url, who, signal, resolve);
    });
  }

  #open(url, who, signal, done) {
    const socket = new WebSocket(url, 'tim-presence.1');
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    const leave = () => {
      if (socket.readyState === WebSocket.OPEN) this.#ask(logout);
      socket.close();
    };
    signal.addEventListener('abort', leave);
    socket.onopen = async () => {
      socket.send(PREFACE);
      const answer = await this.#ask((id) => login(id, who));
      if (answer.code !== 0) {
        this.#isWanted = !ENDED_FOR_GOOD.includes(answer.code);
        socket.close();
        return;
      }
      if (answer.heartbeatMs > 0) this.#timers.push(setInterval(() => this.#send(HEARTBEAT), answer.heartbeatMs));
      this.#timers.push(setInterval(() => this.#sync(), SYNC_MS));
      await this.#sync();
    };
    socket.onmessage = ({ data }) => {
      try {
        for (const frame of this.#reader.take(new Uint8Array(data))) this.#receive(frame);
      } catch {
        // Not our protocol.
        socket.close();
      }
    };
    socket.onclose = () => {
      signal.removeEventListener('abort', leave);
      for (const timer of this.#timers) clearInterval(timer);
      done(this.#isWanted);
    };
  }

  #send(bytes) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(bytes);
  }

  #ask(make) {
    const id = ++this.#ids;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#send(make(id));
    });
  }

  #receive(frame) {
    if (frame.kind === 'reply') {
      this.#waiting.get(frame.id)?.(frame);
      this.#waiting.delete(frame.id);
    } else if (frame.kind === 'push') {
      tell(frame.users);
    } else if (frame.kind === 'ended') {
      this.#isWanted = !ENDED_FOR_GOOD.includes(frame.code);
    } else if (frame.kind === 'goAway') {
      this.#socket.close();
    }
  }

  /** Makes the subscriptions those that the page wants. */
  async #sync() {
    if (this.#isSyncing) return;
    this.#isSyncing = true;
    const wanted = new Set([...watches].flatMap(({ ids }) => ids()).slice(0, SHOWN_MAX));
    const gone = [...this.#subscribed].filter((user) => !wanted.has(user));
    const added = [...wanted].filter((user) => !this.#subscribed.has(user));
    let isOpen = true;
    for (const part of parts(gone)) {
      const answer = await this.#ask((id) => unsubscribe(id, part));
      if (answer.code === 0) for (const user of part) this.#subscribed.delete(user);
    }
    for (const part of parts(added)) {
      const answer = await this.#ask((id) => subscribe(id, part));
      // Refused by plan, switch, limit or rate: looked at again in a while. Where no user is known any more (70107, or
      // oneself: 6017 beside each), nothing is wrong with the connection.
      if (answer.code !== 0 && answer.users.length === 0) {
        isOpen = false;
        break;
      }
      for (const user of part) this.#subscribed.add(user);
      for (const user of answer.evicted) this.#subscribed.delete(user);
      tell(answer.users);
    }
    setOpen(isOpen);
    this.#isSyncing = false;
  }
}

function* parts(users) {
  for (let start = 0; start < users.length; start += BATCH_MAX) yield users.slice(start, start + BATCH_MAX);
}
