// What /v1/statistics said in the last minutes, as rates. Asked as long as somebody is signed in, so that the graphs have a
// past when they are looked at.

import { api, every } from './api.js';

/** How long from one sample to the next. */
export const PAUSE_MS = 2000;
/** Samples kept: four minutes. */
export const SAMPLES_MAX = 120;

/** The newest is the last. */
export let samples = [];
/** Tells of `sample`. */
export const sampled = new EventTarget();

/** Starts asking, until `signal` is aborted. */
export function start(signal) {
  samples = [];
  let last = null;
  every(PAUSE_MS, signal, async () => {
    const now = await api('GET', '/v1/statistics');
    if (signal.aborted) return;
    samples.push(sample(last, now));
    if (samples.length > SAMPLES_MAX) samples.shift();
    last = now;
    sampled.dispatchEvent(new Event('sample'));
  });
}

function sample(last, now) {
  const { app } = now;
  const seconds = last && (now.now_ms - last.now_ms) / 1000;
  // A counter that fell: the server is another one since.
  const rate = (name) => (seconds > 0 && app[name] >= last.app[name] ? (app[name] - last.app[name]) / seconds : null);
  return {
    users: app.users,
    devices: app.devices,
    logins: rate('logins'),
    changes: rate('changes'),
    deliveries: rate('deliveries'),
    delayUs: last && percentile(last.app.delays, app.delays, 0.99),
  };
}

/** The upper end of the bucket that holds the given part of the changes between two samples; null: there were none. */
export function percentile(before, after, part) {
  const counts = after.map(({ count }, index) => count - (before[index]?.count ?? 0));
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (all <= 0 || counts.some((count) => count < 0)) return null;
  let reached = 0;
  for (const [index, count] of counts.entries()) {
    reached += count;
    // Of the last bucket, only its beginning is known.
    if (reached >= all * part) return after[index].up_to_us ?? after[index - 1]?.up_to_us ?? null;
  }
  return null;
}
