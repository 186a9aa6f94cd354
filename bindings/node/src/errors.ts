/**
 * Errors: one class for each thing a program can do about them. Which class a code belongs to is the library's table
 * (docs/ERRORS.md): its flags, not a list kept here.
 */
import { native } from './native.js';
import { ErrorCode } from './generated.js';
import type { UserStatus } from './status.js';

const FLAG_RETRIABLE = 1;
const FLAG_FATAL = 2;
const FLAG_PROGRAMMING = 4;

/** What goes with an error, beside its code and text. */
export interface ErrorDetails {
  /** See {@link PresenceError.retryAfterMs}. */
  readonly retryAfterMs?: number;
  /** See {@link PresenceError.users}. */
  readonly users?: readonly UserStatus[];
}

/** A call that was refused or failed, or the reason of an event. */
export class PresenceError extends Error {
  /** The number: one of {@link ErrorCode}, or one that only a newer server knows. Never changes its meaning. */
  readonly code: number;
  /** The number's name in the C API, such as `TIM_ERR_RATE_LIMITED`; `TIM_ERR_UNKNOWN` if this version does not know it. */
  readonly codeName: string;
  /** With `RATE_LIMITED` and `TOO_MANY_FAILURES`: milliseconds to wait before trying again. Else 0. */
  readonly retryAfterMs: number;
  /** Of a call that names users and failed for each of them: every user with its own error. Else empty. */
  readonly users: readonly UserStatus[];

  /** Use {@link errorOf}, which chooses the class. */
  constructor(code: number, codeName: string, message: string, details: ErrorDetails = {}) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.codeName = codeName;
    this.retryAfterMs = details.retryAfterMs ?? 0;
    this.users = details.users ?? [];
  }
}

/** The same call may succeed later: no connection, too many calls, a login on its way. */
export class RetriableError extends PresenceError {}

/** The client is over, closed or by an internal error, and repeating the call cannot help. */
export class FatalError extends PresenceError {}

/** The calling program has a mistake: an argument, an option, a call that is not allowed there. */
export class ProgrammingError extends PresenceError {}

/** What the library says of each code that was seen so far: at most one entry for each code there is. */
const described = new Map<number, readonly [name: string, message: string, flags: number]>();

function describe(code: number): readonly [name: string, message: string, flags: number] {
  let description = described.get(code);
  if (description === undefined) {
    description = native.describe(code);
    // A newer server's codes are not known to the library, and could be any number.
    if (description[0] !== 'TIM_ERR_UNKNOWN') described.set(code, description);
  }
  return description;
}

/** The error of a code, of the class that its flags say. Without a message: the code's own. */
export function errorOf(code: number, message?: string, details?: ErrorDetails): PresenceError {
  const [name, standard, flags] = describe(code);
  const text = message === undefined || message === '' ? standard : message;
  if (flags & FLAG_FATAL) return new FatalError(code, name, text, details);
  if (flags & FLAG_PROGRAMMING) return new ProgrammingError(code, name, text, details);
  if (flags & FLAG_RETRIABLE) return new RetriableError(code, name, text, details);
  return new PresenceError(code, name, text, details);
}

/** The same for one user among many. Without a stack: the call has one, and making 500 takes milliseconds. */
export function userErrorOf(code: number): PresenceError {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return errorOf(code);
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** The error of a call that the library refused on this thread just now. */
export function refusal(code: number): PresenceError {
  return errorOf(code, native.lastError());
}

/**
 * A text as C can take it: without U+0000, where C would see its end, and without half a character.
 *
 * @throws ProgrammingError with `INVALID_ARGUMENT` or `NOT_UTF8`.
 */
export function checkedText(text: unknown, what: string): string {
  if (typeof text !== 'string') throw errorOf(ErrorCode.INVALID_ARGUMENT, `${what} is ${text === null ? 'null' : `a ${typeof text}`}, not a string`);
  if (text.includes('\0')) throw errorOf(ErrorCode.INVALID_ARGUMENT, `${what} holds U+0000`);
  // In unicode mode this finds surrogates that are not part of a pair.
  if (/[\uD800-\uDFFF]/u.test(text)) throw errorOf(ErrorCode.NOT_UTF8, `${what} holds half a surrogate pair`);
  return text;
}

/** The same for a list of texts. */
export function checkedTexts(texts: unknown, what: string): readonly string[] {
  if (!Array.isArray(texts)) throw errorOf(ErrorCode.INVALID_ARGUMENT, `${what} is not an array`);
  return texts.map((text, index) => checkedText(text, `${what}[${index}]`));
}

/**
 * Options as the library takes them: JSON with its own names. Their values are the library's to check.
 *
 * @throws ProgrammingError with `INVALID_OPTIONS`, which names the key.
 */
export function optionsJson(options: object, names: Readonly<Record<string, string>>, fixed: object): string {
  const json: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) {
    const name = Object.hasOwn(names, key) ? names[key] : undefined;
    if (name === undefined) throw errorOf(ErrorCode.INVALID_OPTIONS, `there is no option "${key}"`);
    if (value !== undefined) json[name] = value;
  }
  return JSON.stringify({ ...json, ...fixed });
}
