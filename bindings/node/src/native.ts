/**
 * The native module: loads it and the library beside it, once, and says what its functions take. It knows C's numbers and
 * flat arrays; nothing of it is exported from the package.
 *
 * Functions that answer a `number` answer a code of the library, 0 for success; those that answer something else, too,
 * answer a code in its place.
 */
import { join } from 'node:path';

/** A client, as native code knows it. */
export type Handle = { readonly handle: unique symbol };

/** Receives everything that happens to a client: first what kind of thing it is (`Kind` in client.ts). */
export type Sink = (kind: number, ...values: any[]) => void;

/** The native module's functions; native/client.cc, server.cc and module.cc say more. */
export interface Native {
  load(path: string): string;
  functions(): string[];
  version(): string;
  lastError(): string;
  describe(code: number): [name: string, message: string, flags: number];
  hold(more: boolean): void;

  create(options: string, sink: Sink): Handle | number;
  login(client: Handle, call: number, userId: string, userSig: string): number;
  logout(client: Handle, call: number): number;
  renewUserSig(client: Handle, call: number, userSig: string): number;
  setSelfStatus(client: Handle, call: number, customStatus: string): number;
  getUserStatus(client: Handle, call: number, userIds: readonly string[]): number;
  subscribe(client: Handle, call: number, userIds: readonly string[]): number;
  unsubscribe(client: Handle, call: number, userIds: readonly string[] | null): number;
  getSubscriptions(client: Handle, call: number): number;
  getFriends(client: Handle, call: number): number;
  loginState(client: Handle): number;
  loginUser(client: Handle): string | number;
  serverTime(client: Handle): number;
  notifyNetworkChanged(client: Handle): number;
  setLogLevel(client: Handle, level: number): number;
  close(client: Handle): number;

  serverStart(options: string | null): bigint | number;
  serverAddress(server: bigint): string | number;
  serverIssueUserSig(server: bigint, userId: string, seconds: number): string | number;
  serverStop(server: bigint, timeoutMs: number): Promise<number>;
}

function load(): Native {
  const platform = `${process.platform}-${process.arch}`;
  const folder = join(__dirname, '..', 'prebuilds', platform);
  let native: Native;
  try {
    native = require(join(folder, 'tim_presence.node')) as Native;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new Error(`tim-presence cannot be loaded on ${platform}: ${why}. This package holds the platforms that are folders of prebuilds/.`, { cause });
  }
  const wrong = native.load(process.env['TIM_PRESENCE_LIBRARY'] ?? join(folder, 'libtim_presence.so.0'));
  if (wrong !== '') throw new Error(`tim-presence: ${wrong}`);
  return native;
}

/** The module, loaded. */
export const native: Native = load();
