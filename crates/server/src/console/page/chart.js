// A line over the last minutes: how much, not exactly when.

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 300;
const HEIGHT = 72;

function svg(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Draws `values` (null: not known), room for `max` of them, the newest at the right. `described` is for who does not see it. */
export function chart(values, max, described) {
  const picture = svg('svg', {
    class: 'chart', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': described,
  });
  const top = Math.max(1, ...values.filter((value) => value !== null)) * 1.1;
  const x = (index) => WIDTH - (values.length - 1 - index) * WIDTH / (max - 1);
  const y = (value) => HEIGHT - 1 - value / top * (HEIGHT - 4);
  for (const run of runs(values)) {
    const points = run.map(([index, value]) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`);
    const [first, last] = [x(run[0][0]), x(run[run.length - 1][0])];
    picture.append(
      svg('polygon', { class: 'area', points: `${first.toFixed(1)},${HEIGHT} ${points.join(' ')} ${last.toFixed(1)},${HEIGHT}` }),
      svg('polyline', { class: 'line', points: points.join(' ') }));
  }
  picture.append(svg('line', { class: 'ground', x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }));
  return picture;
}

function runs(values) {
  const found = [];
  let run = [];
  for (const [index, value] of values.entries()) {
    if (value !== null) run.push([index, value]);
    if (run.length > 0 && (value === null || index === values.length - 1)) {
      found.push(run);
      run = [];
    }
  }
  return found;
}
