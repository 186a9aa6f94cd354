// How the app does: who is there, four graphs, and what the server is.

import { api, every } from './api.js';
import { chart } from './chart.js';
import { ago, count, duration, fill, h, plural } from './dom.js';
import { PAUSE_MS, SAMPLES_MAX, sampled, samples } from './samples.js';

const MINUTES = PAUSE_MS * SAMPLES_MAX / 60_000;

const perSecond = (value) => (value < 10 ? value.toFixed(1) : count(value));
const microseconds = (us) => (us < 1000 ? `${count(us)} µs` : `${count(us / 1000)} ms`);

const GRAPHS = [
  { key: 'devices', title: 'Devices connected', unit: '', words: count },
  { key: 'changes', title: 'Status changes', unit: 'a second', words: perSecond },
  { key: 'deliveries', title: 'Deliveries', unit: 'a second', words: perSecond },
  { key: 'delayUs', title: 'Change to sockets, 99th percentile', unit: 'or less', words: microseconds },
];

/** The view. */
export function overview(signal) {
  const tiles = h('dl', { class: 'tiles' });
  const graphs = h('div', { class: 'graphs' });
  const server = h('dl', { class: 'facts' });
  const draw = () => {
    const users = samples.at(-1)?.users;
    const tile = (word, value, status) => h('div', { class: 'tile' },
      h('dt', null, h('span', { class: `status ${status}` }, word)), h('dd', null, value === undefined ? '–' : count(value)));
    tiles.replaceChildren(
      tile('Online', users?.online, 'online'),
      tile('Offline', users?.offline, 'offline'),
      tile('Not logged in', users?.unlogined, 'unlogined'));
    graphs.replaceChildren(...GRAPHS.map(graph));
  };
  draw();
  sampled.addEventListener('sample', draw, { signal });
  every(10_000, signal, async () => {
    const now = await api('GET', '/v1/server');
    fill(server, [now.version, now.started_at_ms, now.gateways], () => [
      fact('Version', now.version),
      fact('Running since', ago(now.started_at_ms)),
      fact('Clients connect to', ...now.gateways.flatMap((gateway, index) => [index ? h('br') : '', h('code', null, gateway)])),
    ]);
  });
  return {
    title: 'Overview',
    body: [
      h('section', { 'aria-labelledby': 'users-title' }, h('h2', { id: 'users-title' }, 'Users of this app'), tiles),
      h('section', { 'aria-labelledby': 'traffic-title' },
        h('h2', { id: 'traffic-title' }, 'What they do'),
        h('p', { class: 'quiet' }, `This app, the last ${plural(MINUTES, 'minute')}. Change to sockets: from when the server takes up a change until it is written to those who watch on the same loop of the server.`),
        graphs),
      h('section', { 'aria-labelledby': 'server-title' }, h('h2', { id: 'server-title' }, 'The server'), server),
    ],
  };
}

function fact(name, ...value) {
  return h('div', null, h('dt', null, name), h('dd', null, ...value));
}

function graph({ key, title, unit, words }) {
  const values = samples.map((sample) => sample[key]);
  const known = values.filter((value) => value !== null);
  const newest = values.at(-1);
  const most = known.length ? words(Math.max(...known)) : null;
  const described = known.length
    ? `${title} over the last ${duration(values.length * PAUSE_MS)}: at most ${most} ${unit}`
    : `${title}: nothing measured yet`;
  return h('figure', null,
    h('figcaption', null,
      h('span', { class: 'graph-title' }, title),
      h('span', { class: 'graph-now' },
        h('strong', null, newest === null || newest === undefined ? '–' : words(newest)), unit && ` ${unit}`)),
    chart(values, SAMPLES_MAX, described),
    h('span', { class: 'graph-most quiet' }, most === null ? 'measuring…' : `most: ${most}`));
}
