// What a pane can show: the regions of a subset or of the reference, their difference from pane A,
// or in how many of the subsets each voxel belongs to a region.
//
// A look makes a content from label maps: {map: Uint8Array, table: colour of each of its bytes,
// strength: of the colours against the opacity that is set, contours: [{map, bit, lines}],
// rule: colour beside the slider, key: nodes under the picture, here: what a byte of it means}.

const ONLY_A = [226, 132, 206], ONLY_B = [52, 211, 153], BOTH = [214, 222, 230];   // purple, green, grey
const KEYS = [
  ['1 2 3 4', 'sequence on screen'],
  ['E C W', 'differences, votes and probabilities of ET, TC, WT'],
  ['U', 'probability, uncertainty, regions in the chosen view'],
  ['D', 'difference from A in the chosen view'],
  ['Space', 'all regions on and off'],
  ['O', 'outline or filled'],
  ['G', 'contour of the reference'],
  ['X', 'crosshair on and off'],
  ['V', 'another plane'],
  ['R', 'reset window, zoom, position'],
];

const extents = new WeakMap();               // label map: what `measure` says of it
function extentOf(map) {
  if (!extents.has(map)) extents.set(map, measure(map));
  return extents.get(map);
}

function voxelMl() {
  const [a, b, c, , d, e, f, , g, h, i] = scene.case.affine;
  return Math.abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)) / 1000;
}
function histogram(map) {
  const counts = new Uint32Array(256);
  for (let at = 0; at < map.length; at++) counts[map[at]]++;
  return counts;
}

// ---- the three looks

const LOOKS = {
  regions(map, { drawn, overlaps }) {
    const counts = histogram(map);
    const volume = (bit) => counts.reduce((sum, count, bits) => sum + (bits & bit ? count : 0), 0) * voxelMl();
    const order = [...REGIONS].reverse();
    return {
      map, table: tints({ et: true, tc: true, wt: true }), strength: 1, rule: paint(COLOURS.wt, 0.75),
      contours: [
        ...order.map(({ key, bit }) => ({ map, bit, lines: (path) => [foundLine(path, key)] })),
        ...(drawn ? order.map(({ key, bit }) => ({ map: drawn, bit, lines: (path) => (view.reference ? referenceLines(path, key) : []) })) : []),
      ],
      key: [...REGIONS.map(({ key, bit, name }) => chip(COLOURS[key], key.toUpperCase(), volume(bit), name, overlaps[key]))],
      here: (bits) => (REGIONS.find(({ bit }) => bits & bit) || { part: 'none' }).part,
    };
  },

  difference(map, { base, letter }) {
    const { bit } = REGIONS.find(({ key }) => key === view.region), joint = new Uint8Array(map.length);
    for (let at = 0; at < map.length; at++) joint[at] = (base[at] & bit ? 1 : 0) | (map[at] & bit ? 2 : 0);
    const [, a, b, both] = [...histogram(joint)].map((count) => count * voxelMl());
    const table = new Uint32Array(256), all = a + b + 2 * both, name = view.region.toUpperCase();
    [ONLY_A, ONLY_B, BOTH].forEach((colour, place) => { table[place + 1] = pixel(colour); });
    return {
      map: joint, table, strength: STRONGER, rule: paint(BOTH, 0.75),
      contours: [
        { map: joint, bit: 1, lines: (path) => [{ path, colour: paint(ONLY_A), wide: 1.5 }] },
        { map: joint, bit: 2, lines: (path) => [{ path, colour: paint(ONLY_B), wide: 1.5, dash: [5, 3] }] },
      ],
      key: [
        chip(ONLY_A, `${name} only in A`, a), chip(ONLY_B, `only in ${letter}`, b), chip(BOTH, 'both', both),
        text(all ? `Dice with A ${((2 * both) / all).toFixed(3)}` : 'neither has it'),
      ],
      here: (byte) => ['in neither', 'only in A', `only in ${letter}`, 'in both'][byte],
    };
  },

  votes(map) {
    const n = votersOf(given().length), counts = histogram(map), name = view.region.toUpperCase(), table = new Uint32Array(256);
    for (let k = 1; k <= n; k++) table[k] = pixel(ramp(k, n));
    const some = counts.subarray(1, n).reduce((sum, count) => sum + count, 0) * voxelMl();
    return {
      map, table, strength: STRONGER, rule: paint(RAMP[2], 0.9), contours: [],
      key: [scale(n, name), text(`all ${n}: ${ml(counts[n] * voxelMl())}`), text(`only some: ${ml(some)}`)],
      here: (k) => `${name} for ${k} of ${n}`,
    };
  },
};

const ramp = (k, n) => shade(n > 1 ? (k - 1) / (n - 1) : 1);

for (const look of Object.keys(MAPS)) LOOKS[look] = (bytes, known) => likelyLook(look, bytes, known);

// ---- under the picture

const ml = (v) => `${v.toFixed(v >= 100 ? 0 : 1)} mL`;
function text(content) { return Object.assign(document.createElement('span'), { textContent: content }); }
function chip(colour, name, volume, title = '', overlap = null) {
  const span = Object.assign(document.createElement('span'), { title }), square = document.createElement('i');
  square.style.setProperty('--tint', paint(colour));
  span.append(square, `${name} `, Object.assign(document.createElement('b'), { textContent: ml(volume) }));
  if (overlap) span.append(Object.assign(document.createElement('small'), { textContent: spellOverlap(overlap) }));
  return span;
}
// With the reference; where one of the two has nothing of the region, that.
const spellOverlap = ({ dice, outcome }) => (outcome === 'found' ? `Dice ${dice.toFixed(3)}` : outcome);
function scale(n, name) {
  const line = Object.assign(document.createElement('div'), { className: 'ramp' }), cells = document.createElement('div');
  for (let k = 1; k <= n; k++) cells.append(Object.assign(document.createElement('i'), { title: `${name} for ${k} of ${n} subsets` }));
  [...cells.children].forEach((cell, place) => { cell.style.background = paint(ramp(place + 1, n)); });
  line.append(text('1'), cells, text(`${n} subsets say ${name}`));
  return line;
}
function wait(pane, words, share = null) {
  const { frame, node } = pane, p = frame.figure.querySelector('.wait'), bar = p.lastChild;
  p.firstChild.textContent = words;
  p.hidden = !words;
  bar.hidden = share === null;
  bar.style.setProperty('--done', share || 0);
  node.setAttribute('aria-busy', String(Boolean(words) && share !== null));
  if (words) node.querySelector('.key').replaceChildren(markOf(pane));
}

// ---- contents: fetched when a pane comes to show them

// Give every visible pane what it is to show; one that shows it already is left alone.
function fill() {
  showButtons();
  panes.forEach((pane, place) => { if (place < view.count) furnish(pane); else pane.content = pane.sign = null; });
  const ownSubsets = visible().filter((pane) => !bySystem(pane) && usedIn(pane).length);
  const shown = Object.fromEntries(ownSubsets.map(({ letter, source }) => [letter, source]));
  document.dispatchEvent(new CustomEvent('mckd:panes', { detail: { shown } }));
  ask();
  keepChoice();
  redraw();
}

async function furnish(pane) {
  const { look, letter } = pane, id = idOf(pane), votes = look === 'votes', compared = look === 'difference' ? idOf(panes[0]) : '';
  const map = look in MAPS && mapOf(pane);
  const file = look in MAPS ? map && map.file : votes ? scene.votes[view.region] : fileOf(id);
  const other = look in MAPS ? fileOf(id) : compared && fileOf(compared);
  if (!file || (compared && !other)) {
    pane.content = pane.sign = null;
    if (look in MAPS) return wait(pane, whyNoMap(pane));
    return votes ? wait(pane, 'Here once all subsets are compared.') : wait(pane, ...missing(file ? compared : id));
  }
  const sign = [turn, look, votes || id, compared, look === 'regions' || view.region, file && file.url, other && other.url].join(' ');
  if (pane.sign === sign) return;
  pane.sign = sign;
  try {
    const bytes = await (look in MAPS ? unpack : unpackMap)(file), base = other && await unpackMap(other);
    const drawn = scene.case.reference && id !== 'reference' ? await unpackMap(scene.case.reference) : null;
    if (pane.sign !== sign) return;
    pane.maps = [bytes, base, drawn];        // held, so that another look need not fetch them
    pane.content = LOOKS[look](bytes, { base, drawn, letter, overlaps: overlapsOf(id), calibrated: map && map.calibrated });
    pane.frame.filmed = pane.frame.ruled = '';
    wait(pane, '');
    pane.node.querySelector('.key').replaceChildren(markOf(pane), ...pane.content.key);
    pane.node.dataset.filled = `${look} ${id}`;
    redraw();
  } catch (error) {
    if (pane.sign !== sign) return;
    pane.content = pane.sign = null;
    wait(pane, 'This result could not be fetched. Press Compare again.');
  }
}

// ---- drawing

function draw() {
  const { plane } = view, slice = view.at[plane.across];
  cutImage(plane);
  const heard = [];
  for (const { frame, content, letter } of visible()) {
    const said = frame.figure.querySelector('.here');
    if (!content) { said.textContent = ''; compose(frame, 0, []); continue; }
    const { map, table, contours } = content, found = extentOf(map);
    if (frame.filmed !== String(slice)) {
      cut(plane, map, table, frame.film);
      content.paths = contours.map((each) => trace(plane, each.map, each.bit, extentOf(each.map)));
      frame.filmed = String(slice);
    }
    const alpha = view.overlay && !(view.outline && contours.length) ? Math.min(1, view.opacity * content.strength) : 0;
    compose(frame, alpha, view.overlay ? contours.flatMap(({ lines }, place) => lines(content.paths[place])) : []);
    drawRule(frame, found, content.rule, turn);
    const here = content.here(map[indexOf(...view.at)]);
    said.textContent = here;
    heard.push(`${letter}: ${here}`);
  }
  showReadout(heard.join(', '));
}

function nextLook() {
  const pane = panes[Math.min(target, view.count - 1)], order = ['regions', ...Object.keys(MAPS)];
  pane.look = order[(order.indexOf(pane.look) + 1) % order.length];
  fill();
}
const planeAfter = () => PLANES[(PLANES.indexOf(view.plane) + 1) % PLANES.length];
fillSheet(KEYS);
listenToKeys({
  ...Object.fromEntries([0, 1, 2, 3].map((place) => [place + 1, () => showSequence(given()[place])])),
  e: () => compareRegion('et'), c: () => compareRegion('tc'), w: () => compareRegion('wt'),
  d: ACTS.difference, u: nextLook, ' ': ACTS.overlay, o: ACTS.outline, g: ACTS.reference, x: ACTS.cross, r: ACTS.reset,
  v: () => showPlane(planeAfter()),
});
