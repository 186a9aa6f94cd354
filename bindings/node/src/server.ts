/** A presence server inside the process: for demos, for an application's tests, for use on a single machine. */
import { ErrorCode, serverOptions, type ServerOptions } from './generated.js';
import { checkedText, errorOf, optionsJson, refusal } from './errors.js';
import { native } from './native.js';

/** How long {@link Server.stop} waits for the server's threads, which wait for nothing themselves. */
const STOP_TIMEOUT_MS = 10_000;
/** For how long a UserSig is valid unless its caller says. */
const USER_SIG_SECONDS = 3600;

/**
 * An embedded server. It keeps everything in memory and has threads of its own; clients of this and of other processes connect
 * to it as to any other. It keeps the process alive until it is stopped, unless {@link unref} was called.
 */
export class Server {
  readonly #server: bigint;
  readonly #address: string;
  #stopped: Promise<void> | undefined;
  #held = false;

  private constructor(server: bigint, address: string) {
    this.#server = server;
    this.#address = address;
    this.ref();
  }

  /**
   * Starts a server. When this returns, it accepts connections: by default on a free port of this machine alone, for app
   * 1400000001, and accounts exist as soon as somebody subscribes to them.
   *
   * @throws PresenceError: `INVALID_OPTIONS` names the option; `ADDRESS_IN_USE`; `NO_MEMORY`.
   */
  static start(options: ServerOptions = {}): Server {
    const server = native.serverStart(optionsJson(options, serverOptions, {}));
    if (typeof server === 'number') throw refusal(server);
    const address = native.serverAddress(server);
    if (typeof address === 'number') throw refusal(address);
    return new Server(server, address);
  }

  /** Where it listens, as a client's option `server` wants it: `tim://127.0.0.1:40123`. */
  get address(): string {
    return this.#address;
  }

  /**
   * Makes a UserSig for a user of the server's app, as a backend would. The account need not exist.
   *
   * @param validSeconds For how long it is valid from now on; at least 1.
   * @throws ProgrammingError for a user id or time out of range, or if the server was stopped.
   */
  issueUserSig(userId: string, validSeconds: number = USER_SIG_SECONDS): string {
    const user = checkedText(userId, 'userId');
    if (!Number.isInteger(validSeconds) || validSeconds < 1 || validSeconds > 0xffff_ffff) {
      throw errorOf(ErrorCode.INVALID_ARGUMENT, `validSeconds is ${validSeconds}, not a whole number from 1 to 4294967295`);
    }
    const userSig = native.serverIssueUserSig(this.#server, user, validSeconds);
    if (typeof userSig === 'number') throw refusal(userSig);
    return userSig;
  }

  /**
   * Stops the server: its clients see a lost connection. Calling it again gives the same promise.
   *
   * @throws RetriableError with `TIMEOUT` if its threads have not ended after 10 seconds; they end in the background.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    try {
      const code = await native.serverStop(this.#server, STOP_TIMEOUT_MS);
      if (code !== ErrorCode.OK) throw errorOf(code);
    } finally {
      this.unref();
    }
  }

  /** Lets the process end although the server runs. */
  unref(): this {
    if (this.#held) native.hold(false);
    this.#held = false;
    return this;
  }

  /** Keeps the process alive until the server is stopped: the default. */
  ref(): this {
    if (!this.#held && this.#stopped === undefined) {
      native.hold(true);
      this.#held = true;
    }
    return this;
  }

  /** For `await using`: stops it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
