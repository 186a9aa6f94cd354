/**
 * What `for await (const change of client.statusChanges())` iterates over: a bounded queue between events and a loop that
 * takes its time.
 */
import type { UserStatus } from './status.js';

/**
 * How many changes wait for a loop as they came. Past it, those of one user are merged: the older one leaves its place and
 * the newer one goes to the end, so a loop may miss steps in between and never the last state of a user (R6.3). So the
 * queue has at most one change more for each user who is watched.
 */
export const CHANGES_MAX = 1024;

/** The queue, apart from the iterator, so that an iterator that everybody forgot can be collected. */
export class ChangeQueue {
  /** By a number that only rises, so in order; with gaps where merging took one out. */
  readonly #waiting = new Map<number, UserStatus>();
  /** The latest place of each user who waits. */
  readonly #places = new Map<string, number>();
  #next = 0;
  #ended = false;
  #failure: { readonly reason: unknown } | undefined;
  #takers: { resolve(result: IteratorResult<UserStatus, undefined>): void; reject(reason: unknown): void }[] = [];

  /** How many changes wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Adds a change, or hands it to whoever waits for one. */
  push(change: UserStatus): void {
    if (this.#ended) return;
    const taker = this.#takers.shift();
    if (taker !== undefined) return taker.resolve({ value: change, done: false });
    if (this.#waiting.size >= CHANGES_MAX) {
      const older = this.#places.get(change.userId);
      if (older !== undefined) this.#waiting.delete(older);
    }
    this.#places.set(change.userId, this.#next);
    this.#waiting.set(this.#next++, change);
  }

  /** The next change, as soon as there is one; what waited before the end still comes, a failure comes at once. */
  take(): Promise<IteratorResult<UserStatus, undefined>> {
    if (this.#failure !== undefined) {
      const { reason } = this.#failure;
      this.#failure = undefined;
      return Promise.reject(reason);
    }
    for (const [place, change] of this.#waiting) {
      this.#waiting.delete(place);
      if (this.#places.get(change.userId) === place) this.#places.delete(change.userId);
      return Promise.resolve({ value: change, done: false });
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.#takers.push({ resolve, reject }));
  }

  /** No more changes will come. */
  end(): void {
    this.#ended = true;
    for (const taker of this.#takers.splice(0)) taker.resolve({ value: undefined, done: true });
  }

  /** The loop ends with an exception, whatever waits. */
  fail(reason: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#drop();
    const [first, ...others] = this.#takers.splice(0);
    if (first === undefined) this.#failure = { reason };
    else first.reject(reason);
    for (const taker of others) taker.resolve({ value: undefined, done: true });
  }

  /** The loop was left. */
  leave(): void {
    this.#drop();
    this.end();
  }

  #drop(): void {
    this.#waiting.clear();
    this.#places.clear();
  }
}

/** The iterator of one loop. */
export class StatusChanges implements AsyncIterableIterator<UserStatus> {
  readonly #queue: ChangeQueue;
  readonly #leave: () => void;

  constructor(queue: ChangeQueue, leave: () => void) {
    this.#queue = queue;
    this.#leave = leave;
  }

  /** The next change; done when the client is closed. */
  next(): Promise<IteratorResult<UserStatus, undefined>> {
    return this.#queue.take();
  }

  /** Ends the iteration; what `break` in a loop calls. */
  return(): Promise<IteratorResult<UserStatus, undefined>> {
    this.#leave();
    this.#queue.leave();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
