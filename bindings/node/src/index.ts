/**
 * User status for any application: who is online, who went away, and what they say of themselves.
 *
 *     import { Client } from 'tim-presence';
 *
 *     const alice = new Client({ server: 'tim://127.0.0.1:7788', sdkAppId: 1400000001 });
 *     await alice.login('alice', userSig);
 *     await alice.subscribe(['bob']);
 *     for await (const user of alice.statusChanges()) console.log(user.userId, user.status, user.customStatus);
 *
 * docs/NODE.md is the guide; docs/SEMANTICS.md has the rules that are cited as R6.3 and the like.
 */
export { Client, type CallOptions, type ClientEvents, type Subscribed } from './client.js';
export { Server } from './server.js';
export { FatalError, PresenceError, ProgrammingError, RetriableError, type ErrorDetails } from './errors.js';
export type { UserOutcome, UserStatus } from './status.js';
export {
  ErrorCode,
  type ClientOptions,
  type ConnectionState,
  type LoginState,
  type LogLevel,
  type Platform,
  type Reason,
  type ServerOptions,
  type Status,
} from './generated.js';

import { native } from './native.js';

/** The version of the library that the process runs with, such as `0.1.0`. */
export const libraryVersion: string = native.version();
