/** A user's status, and how it is read from the flat arrays that native code makes. */
import { userErrorOf, type PresenceError } from './errors.js';
import { platformBits, reasonNames, statusNames, type Platform, type Reason, type Status } from './generated.js';

/** One user's status, or why it could not be learnt. */
export interface UserStatus {
  /** The user. */
  readonly userId: string;
  /** Whether the rest is meant. If not, `error` says why, and the rest is 0, empty or `UNKNOWN`. */
  readonly ok: boolean;
  /** Why this user failed: `ACCOUNT_NOT_FOUND`, `INVALID_USER_ID` or `INVALID_PARAMETERS`. Only if not `ok`. */
  readonly error?: PresenceError;
  /** What the user is; `UNKNOWN` also for what a newer server says and this version does not know. */
  readonly status: Status;
  /** What the user set for others to read; `''` if nothing, and always unless `ONLINE`. */
  readonly customStatus: string;
  /** Why the status last changed; a number if only a newer server knows it. */
  readonly reason: Reason | number;
  /** The platforms that are online now. In a notification it may be empty; a change of this alone is not notified. */
  readonly platforms: readonly Platform[];
  /** Orders the states of one user: a higher version is newer. Says nothing across users. */
  readonly version: number;
  /** When the status last changed, by the server's clock: milliseconds since 1970-01-01 UTC. Compare `client.serverTimeMs`. */
  readonly sinceMs: number;
}

/** A user of a call that says nothing of the user's status. */
export type UserOutcome = Pick<UserStatus, 'userId' | 'ok' | 'error'>;

/** How many values native code writes for each user. */
const VALUES = 8;

function platformsOf(bits: number): Platform[] {
  const platforms: Platform[] = [];
  if (bits === 0) return platforms;
  for (const [bit, platform] of platformBits) if (bits & bit) platforms.push(platform);
  return platforms;
}

/** The users of a flat array. */
export function usersOf(flat: readonly any[]): UserStatus[] {
  const users: UserStatus[] = [];
  for (let at = 0; at < flat.length; at += VALUES) {
    const code: number = flat[at + 1];
    const reason: number = flat[at + 3];
    const user = {
      userId: flat[at] as string,
      ok: code === 0,
      status: statusNames[flat[at + 2]] ?? 'UNKNOWN',
      customStatus: flat[at + 7] as string,
      reason: reasonNames[reason] ?? reason,
      platforms: platformsOf(flat[at + 4]),
      version: flat[at + 5] as number,
      sinceMs: flat[at + 6] as number,
    };
    users.push(code === 0 ? user : { ...user, error: userErrorOf(code) });
  }
  return users;
}

/** The same without the status. */
export function outcomeOf(user: UserStatus): UserOutcome {
  return user.error === undefined ? { userId: user.userId, ok: user.ok } : { userId: user.userId, ok: user.ok, error: user.error };
}
