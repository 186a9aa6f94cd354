// The part of crates/protocol/proto/presence.proto that the console speaks: field numbers are those of that file, and fields
// and bodies that are not known here are skipped.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What a connection begins with. */
export const PREFACE = Uint8Array.of(0x54, 0x49, 0x4d, 0x50, 1);
/** A frame of no bytes: a sign of life. */
export const HEARTBEAT = Uint8Array.of(0);
/** Largest frame that is taken from a server. */
const FRAME_BYTES_MAX = 4 * 1024 * 1024;

const STATUSES = ['unknown', 'online', 'offline', 'unlogined'];
const REASONS = ['unknown', 'login', 'logout', 'link_closed', 'timeout', 'custom_status', 'kicked', 'expired', 'server'];

// ---- writing ----

function varint(number) {
  const bytes = [];
  for (let rest = BigInt(number); ; rest >>= 7n) {
    if (rest < 128n) return [...bytes, Number(rest)];
    bytes.push(Number(rest & 127n) | 128);
  }
}

const whole = (field, number) => [...varint(field << 3), ...varint(number)];
const bytes = (field, content) => [...varint(field << 3 | 2), ...varint(content.length), ...content];
const text = (field, string) => bytes(field, encoder.encode(string));

function frame(id, field, body) {
  const content = [...whole(1, id), ...bytes(field, body)];
  return Uint8Array.from([...varint(content.length), ...content]);
}

export const login = (id, { app, user, userSig, instance }) => frame(id, 2, [
  ...whole(1, app), ...text(2, user), ...text(3, userSig), ...text(4, 'Web'), ...text(5, instance), ...text(9, 'console'),
]);
export const logout = (id) => frame(id, 3, []);
export const subscribe = (id, users) => frame(id, 7, users.flatMap((user) => text(1, user)));
export const unsubscribe = (id, users) => frame(id, 8, users.flatMap((user) => text(1, user)));

// ---- reading ----

/** Cuts a stream of bytes into frames, each decoded. Throws when it is not such a stream. */
export class FrameReader {
  #waiting = new Uint8Array(0);

  /** Takes what came; gives the frames that are whole now. */
  take(more) {
    const all = new Uint8Array(this.#waiting.length + more.length);
    all.set(this.#waiting);
    all.set(more, this.#waiting.length);
    const frames = [];
    let at = 0;
    for (;;) {
      const head = length(all, at);
      if (head === null || head.end + head.length > all.length) break;
      if (head.length > 0) frames.push(serverFrame(all.subarray(head.end, head.end + head.length)));
      at = head.end + head.length;
    }
    this.#waiting = all.slice(at);
    return frames;
  }
}

function length(all, at) {
  let value = 0;
  for (let index = 0; at + index < all.length; index++) {
    value += (all[at + index] & 127) * 2 ** (7 * index);
    if (value > FRAME_BYTES_MAX || index > 4) throw new Error('a frame is too large');
    if (all[at + index] < 128) return { length: value, end: at + index + 1 };
  }
  return null;
}

/** The fields of a message: `[number, value]`, a value being a number or bytes. */
function* fields(message) {
  let at = 0;
  const number = () => {
    let value = 0;
    for (let index = 0; index < 10; index++) {
      if (at >= message.length) throw new Error('a message ends too early');
      const byte = message[at++];
      value += (byte & 127) * 2 ** (7 * index);
      if (byte < 128) return value;
    }
    throw new Error('a number is too long');
  };
  const skip = (size) => {
    if (at + size > message.length) throw new Error('a message ends too early');
    at += size;
  };
  while (at < message.length) {
    const key = number();
    const field = Math.floor(key / 8);
    switch (key % 8) {
      case 0: yield [field, number()]; break;
      case 1: skip(8); break;
      case 2: {
        const size = number();
        const start = at;
        skip(size);
        yield [field, message.subarray(start, at)];
        break;
      }
      case 5: skip(4); break;
      default: throw new Error('a field is of no known kind');
    }
  }
}

function serverFrame(message) {
  for (const [field, value] of fields(message)) {
    if (field === 1) return { kind: 'reply', ...reply(value) };
    if (field === 2) return { kind: 'push', users: repeated(value, 1, userStatus) };
    if (field === 4) return { kind: 'ended', ...ended(value) };
    if (field === 5) return { kind: 'goAway' };
  }
  return { kind: 'other' };
}

function reply(message) {
  const read = { id: 0, code: 0, message: '', users: [], evicted: [], heartbeatMs: 0 };
  for (const [field, value] of fields(message)) {
    if (field === 1) read.id = value;
    else if (field === 2) read.code = value;
    else if (field === 3) read.message = decoder.decode(value);
    else if (field === 5) read.users.push(userStatus(value));
    else if (field === 6) read.evicted.push(decoder.decode(value));
    else if (field === 7) for (const [inner, of] of fields(value)) if (inner === 3) read.heartbeatMs = of;
  }
  return read;
}

function ended(message) {
  const read = { code: 0, message: '' };
  for (const [field, value] of fields(message)) {
    if (field === 1) read.code = value;
    else if (field === 2) read.message = decoder.decode(value);
  }
  return read;
}

function repeated(message, wanted, decode) {
  const list = [];
  for (const [field, value] of fields(message)) if (field === wanted) list.push(decode(value));
  return list;
}

/** As /v1 has it, without the platforms. */
function userStatus(message) {
  const read = { user_id: '', code: 0, status: 'unknown', custom_status: '', version: 0, since_ms: 0, reason: 'unknown' };
  for (const [field, value] of fields(message)) {
    if (field === 1) read.user_id = decoder.decode(value);
    else if (field === 2) read.code = value;
    else if (field === 3) read.status = STATUSES[value] ?? 'unknown';
    else if (field === 4) read.custom_status = decoder.decode(value);
    else if (field === 5) read.version = value;
    else if (field === 6) read.since_ms = value;
    else if (field === 7) read.reason = REASONS[value] ?? 'unknown';
  }
  return read;
}
