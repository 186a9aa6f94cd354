/** A client: one user's session with one presence server. */
import { EventEmitter } from 'node:events';

import { ChangeQueue, StatusChanges } from './changes.js';
import { checkedText, checkedTexts, errorOf, optionsJson, refusal, type PresenceError } from './errors.js';
import {
  clientOptions,
  connectionStateNames,
  ErrorCode,
  loginStateNames,
  logLevelNames,
  type ClientOptions,
  type ConnectionState,
  type LoginState,
  type LogLevel,
} from './generated.js';
import { native, type Handle } from './native.js';
import { outcomeOf, usersOf, type UserOutcome, type UserStatus } from './status.js';

/** What happens without being asked for: the events of a {@link Client} with the arguments of their listeners. */
export interface ClientEvents {
  /**
   * Users changed, of those subscribed to, of friends if the app's server says so, or oneself. Changes that are ready
   * together come together, one a user; the version of a user only rises.
   */
  statusChanged: [changes: readonly UserStatus[]];
  /** The connection changed. A lost one comes back by itself; this is for showing. The error says why it went, if it did not go well. */
  connectionState: [state: ConnectionState, error: PresenceError | undefined];
  /** The server logged this client out for good: another login took its place, or the backend kicked the account. */
  kickedOffline: [error: PresenceError];
  /** The UserSig expired; the client waits for `login` with a new one. Renewing it in time avoids this. */
  userSigExpired: [];
  /** Users fell off the full subscription list because others were subscribed to, oldest first. Comes to every device. */
  subscriptionEvicted: [userIds: readonly string[]];
  /** A line of the client's log, after {@link Client.setLogLevel}. May hold user content below `INFO`, never a secret. */
  log: [level: LogLevel, message: string];
  /** The client is gone: the last event. */
  closed: [];
}

/** What every call takes beside its own arguments. */
export interface CallOptions {
  /**
   * Ends the waiting: the promise is rejected with the signal's reason. The call itself goes on, and its result is
   * dropped: there is no way to take back what the server may have done already.
   */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link Client.subscribe} answers. */
export interface Subscribed {
  /** Every user asked for, once, with its status of the moment, to which the events follow without a gap. */
  readonly users: UserStatus[];
  /** Users who fell off the full list, oldest first. */
  readonly evicted: string[];
}

/** The kinds of things that native code says to a sink, by its numbers: native/events.cc. */
const enum Kind {
  Result,
  Statuses,
  Connection,
  Kicked,
  Expired,
  Evicted,
  Log,
  Closed,
}

interface Result {
  readonly users: UserStatus[];
  readonly evicted: string[];
}

interface Pending {
  resolve(result: Result): void;
  reject(reason: unknown): void;
}

/** Largest number of a call; then they begin again. */
const CALLS_MAX = 0xffff_ffff;

/** Queues of loops whose iterator was forgotten without being left. */
const forgotten = new FinalizationRegistry<() => void>((leave) => leave());

/**
 * A client: one device of one user. Nothing is connected before {@link login}; a lost connection comes back by itself, and
 * what was missed is told then.
 *
 * Until it is closed it keeps the process alive, as a socket does; {@link unref} changes that. Calls answer promises, which
 * are rejected with a {@link PresenceError}; none waits for ever. Events come on the thread that made the client, never inside a
 * call. A client that nobody refers to any more stays open until it is closed, as a socket does.
 */
export class Client extends EventEmitter {
  readonly #handle: Handle;
  readonly #pending = new Map<number, Pending>();
  /** Of each loop over changes, and how to leave it. */
  readonly #queues = new Map<ChangeQueue, () => void>();
  #call = 0;
  #held = false;
  #wanted = true;
  #closing: Promise<void> | undefined;
  #closed: (() => void) | undefined;
  #gone = false;

  /** @throws PresenceError: `INVALID_OPTIONS` names the option; `UNSUPPORTED`; `DATA_DIR`; `NO_MEMORY`. */
  constructor(options: ClientOptions) {
    super();
    // Events come inside native code's poll, and in its order; so they always have poll delivery.
    const json = optionsJson(options, clientOptions, { delivery: 'poll' });
    const handle = native.create(json, (kind, ...values) => this.#deliver(kind, values));
    if (typeof handle === 'number') throw refusal(handle);
    this.#handle = handle;
    this.ref();
  }

  /**
   * Logs a user in with a UserSig that the backend made. Connects first if need be, gives up after `loginTimeoutMs`, and does
   * not retry by itself. The first event after it is the user's own status.
   */
  async login(userId: string, userSig: string, options?: CallOptions): Promise<void> {
    const user = checkedText(userId, 'userId');
    const sig = checkedText(userSig, 'userSig');
    await this.#start((call) => native.login(this.#handle, call, user, sig), options);
  }

  /**
   * Logs the user out: this device no longer counts, and the user becomes `UNLOGINED` if it was the last. Calls that wait
   * are rejected with `LOGGED_OUT`; no event of a user comes after it.
   */
  async logout(options?: CallOptions): Promise<void> {
    await this.#start((call) => native.logout(this.#handle, call), options);
  }

  /** Replaces the UserSig of the session before it expires. The connection stays. */
  async renewUserSig(userSig: string, options?: CallOptions): Promise<void> {
    const sig = checkedText(userSig, 'userSig');
    await this.#start((call) => native.renewUserSig(this.#handle, call, sig), options);
  }

  /**
   * Sets the user's custom status for all of its devices: up to 100 bytes of UTF-8; `''` clears it. It is cleared by
   * itself when the user is no longer `ONLINE`. The promise settles before the event comes.
   */
  async setSelfStatus(customStatus: string, options?: CallOptions): Promise<void> {
    const text = checkedText(customStatus, 'customStatus');
    await this.#start((call) => native.setSelfStatus(this.#handle, call, text), options);
  }

  /**
   * Asks the server for the status of 1 to 500 users: every one once, in the order of first mention, each with an error of
   * its own if need be. Rejected only if no user succeeded; the error's `users` then has them.
   */
  async getUserStatus(userIds: readonly string[], options?: CallOptions): Promise<UserStatus[]> {
    const users = checkedTexts(userIds, 'userIds');
    return (await this.#start((call) => native.getUserStatus(this.#handle, call, users), options)).users;
  }

  /**
   * Subscribes to 1 to 100 users: from then on their changes come as events. Subscriptions belong to the user, and at
   * most 200 of them; past that the oldest go.
   */
  subscribe(userIds: readonly string[], options?: CallOptions): Promise<Subscribed> {
    // Not an async function: checkedTexts must reject and not throw, which the one inside sees to.
    return this.#named(userIds, (call, users) => native.subscribe(this.#handle, call, users), options);
  }

  /** Ends subscriptions to 1 to 100 users. A user that is not subscribed to succeeds. */
  async unsubscribe(userIds: readonly string[], options?: CallOptions): Promise<UserOutcome[]> {
    const result = await this.#named(userIds, (call, users) => native.unsubscribe(this.#handle, call, users), options);
    return result.users.map(outcomeOf);
  }

  /** Ends all subscriptions. */
  async unsubscribeAll(options?: CallOptions): Promise<void> {
    await this.#start((call) => native.unsubscribe(this.#handle, call, null), options);
  }

  /** Lists the users subscribed to, oldest first. */
  async getSubscriptions(options?: CallOptions): Promise<string[]> {
    const result = await this.#start((call) => native.getSubscriptions(this.#handle, call), options);
    return result.users.map((user) => user.userId);
  }

  /** Lists the user's friends, as the backend keeps them. */
  async getFriends(options?: CallOptions): Promise<string[]> {
    const result = await this.#start((call) => native.getFriends(this.#handle, call), options);
    return result.users.map((user) => user.userId);
  }

  /**
   * Iterates over changes of status, from this call on: `for await (const change of client.statusChanges())`. Ends when the
   * client is closed; a signal ends it with an exception, the signal's reason. A loop that is slower than what happens
   * may miss steps in between once 1 024 changes wait, and never the last state of a user.
   */
  statusChanges(options?: CallOptions): AsyncIterableIterator<UserStatus> {
    const queue = new ChangeQueue();
    const signal = options?.signal;
    const onAbort = (): void => {
      this.#queues.delete(queue);
      queue.fail(signal?.reason);
    };
    const leave = (): void => {
      this.#queues.delete(queue);
      signal?.removeEventListener('abort', onAbort);
    };
    const iterator = new StatusChanges(queue, leave);
    if (signal?.aborted) queue.fail(signal.reason);
    else if (this.#gone) queue.end();
    else {
      this.#queues.set(queue, leave);
      signal?.addEventListener('abort', onAbort, { once: true });
      forgotten.register(iterator, leave);
    }
    return iterator;
  }

  /** Whether somebody is logged in. @throws PresenceError if the client is closed. */
  get loginState(): LoginState {
    const state = native.loginState(this.#handle);
    if (state <= 0) throw refusal(state);
    return loginStateNames[state] ?? 'LOGGED_OUT';
  }

  /** Who is logged in; `''` when nobody is. @throws PresenceError if the client is closed. */
  get loginUser(): string {
    const user = native.loginUser(this.#handle);
    if (typeof user === 'number') throw refusal(user);
    return user;
  }

  /**
   * What time the server has, whatever the local clock says: milliseconds since 1970-01-01 UTC, 0 before the first
   * successful login. Compare it with `sinceMs`. @throws PresenceError if the client is closed.
   */
  get serverTimeMs(): number {
    const ms = native.serverTime(this.#handle);
    if (ms < 0) throw refusal(ms);
    return ms;
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Says that the network changed or came back: the client connects anew at once unless it is connected. */
  notifyNetworkChanged(): void {
    const code = native.notifyNetworkChanged(this.#handle);
    if (code !== ErrorCode.OK) throw refusal(code);
  }

  /** The least level of lines that come as `log` events; `null`, the default: none come. */
  setLogLevel(level: LogLevel | null): void {
    const found = Object.entries(logLevelNames).find(([, name]) => name === level);
    if (level !== null && found === undefined) throw errorOf(ErrorCode.INVALID_ARGUMENT, `there is no log level "${String(level)}"`);
    const code = native.setLogLevel(this.#handle, found === undefined ? 0 : Number(found[0]));
    if (code !== ErrorCode.OK) throw refusal(code);
  }

  /**
   * Ends the client: the server is told of the disconnection, which is not a logout; call {@link logout} first if the user
   * should be seen as `UNLOGINED`. Calls that wait are rejected with `SHUTDOWN`, loops over {@link statusChanges} end. The
   * promise settles when nothing is left of the client. May be called anywhere, also in an event; again gives the same promise.
   */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = new Promise((resolve) => (this.#closed = resolve));
      // Whoever awaits this must not see the process end before.
      this.#hold(true);
      const code = native.close(this.#handle);
      if (code !== ErrorCode.OK) this.#end();
    }
    return this.#closing;
  }

  /** Lets the process end although the client is open. */
  unref(): this {
    this.#wanted = false;
    if (this.#closing === undefined) this.#hold(false);
    return this;
  }

  /** Keeps the process alive until the client is closed: the default. */
  ref(): this {
    this.#wanted = true;
    if (this.#closing === undefined) this.#hold(this.#wanted);
    return this;
  }

  /** For `await using`: closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #hold(held: boolean): void {
    if (held !== this.#held) native.hold(held);
    this.#held = held;
  }

  async #named(userIds: readonly string[], start: (call: number, users: readonly string[]) => number, options: CallOptions | undefined): Promise<Result> {
    const users = checkedTexts(userIds, 'userIds');
    return this.#start((call) => start(call, users), options);
  }

  /** Starts a call, and settles with its result. */
  #start(start: (call: number) => number, options: CallOptions | undefined): Promise<Result> {
    const signal = options?.signal;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const call = this.#nextCall();
      const code = start(call);
      if (code !== ErrorCode.OK) return reject(refusal(code));
      if (signal === undefined) {
        this.#pending.set(call, { resolve, reject });
        return;
      }
      const onAbort = (): void => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      // After an abort the promise is settled, and what comes here is dropped.
      this.#pending.set(call, {
        resolve(result) {
          signal.removeEventListener('abort', onAbort);
          resolve(result);
        },
        reject(reason) {
          signal.removeEventListener('abort', onAbort);
          reject(reason);
        },
      });
    });
  }

  /** A number that no call has which waits. Results come later and never inside the call, so it need not be taken yet. */
  #nextCall(): number {
    do {
      this.#call = this.#call === CALLS_MAX ? 1 : this.#call + 1;
    } while (this.#pending.has(this.#call));
    return this.#call;
  }

  #deliver(kind: Kind, values: any[]): void {
    switch (kind) {
      case Kind.Result:
        this.#settle(values[0], values[1], values[2], values[3], usersOf(values[4]), values[5]);
        break;
      case Kind.Statuses: {
        const changes = usersOf(values[0]);
        for (const queue of this.#queues.keys()) for (const change of changes) queue.push(change);
        this.emit('statusChanged', changes);
        break;
      }
      case Kind.Connection: {
        const [state, code, message] = values;
        this.emit('connectionState', connectionStateNames[state] ?? 'DISCONNECTED', code === ErrorCode.OK ? undefined : errorOf(code, message));
        break;
      }
      case Kind.Kicked:
        this.emit('kickedOffline', errorOf(values[0], values[1]));
        break;
      case Kind.Expired:
        this.emit('userSigExpired');
        break;
      case Kind.Evicted:
        this.emit('subscriptionEvicted', values[0]);
        break;
      case Kind.Log:
        this.emit('log', logLevelNames[values[0]] ?? 'INFO', values[1]);
        break;
      case Kind.Closed:
        this.#end();
        break;
    }
  }

  #settle(call: number, code: number, message: string, retryAfterMs: number, users: UserStatus[], evicted: string[]): void {
    const pending = this.#pending.get(call);
    if (pending === undefined) return;
    this.#pending.delete(call);
    if (code === ErrorCode.OK) pending.resolve({ users, evicted });
    else pending.reject(errorOf(code, message, { retryAfterMs, users }));
  }

  /** Nothing comes any more. */
  #end(): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const [queue, leave] of this.#queues) {
      leave();
      queue.end();
    }
    this.#hold(false);
    this.#closed?.();
    this.emit('closed');
  }
}

/** The events of a client, typed. */
export interface Client {
  on<E extends keyof ClientEvents>(event: E, listener: (...values: ClientEvents[E]) => void): this;
  once<E extends keyof ClientEvents>(event: E, listener: (...values: ClientEvents[E]) => void): this;
  off<E extends keyof ClientEvents>(event: E, listener: (...values: ClientEvents[E]) => void): this;
  addListener<E extends keyof ClientEvents>(event: E, listener: (...values: ClientEvents[E]) => void): this;
  removeListener<E extends keyof ClientEvents>(event: E, listener: (...values: ClientEvents[E]) => void): this;
  prependListener<E extends keyof ClientEvents>(event: E, listener: (...values: ClientEvents[E]) => void): this;
  prependOnceListener<E extends keyof ClientEvents>(event: E, listener: (...values: ClientEvents[E]) => void): this;
  emit<E extends keyof ClientEvents>(event: E, ...values: ClientEvents[E]): boolean;
}
