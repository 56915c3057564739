// Slices of a case on canvases: files, geometry, pixels, contours, and what stands around a picture.
// The viewer and the panes of the Compare tab share this part, slices.window.js and slices.hands.js. They add a
// `draw()`, which runs at most once a frame after `redraw()`.
//
// A volume is a Uint8Array in canonical orientation, first axis fastest: x to the patient's right,
// y to the front, z up. A label map holds the bits of the regions.

const root = element.querySelector('section');
const $ = (selector) => root.querySelector(selector);
// From Python (mckd/tumour/looks.py): from the inner region to the outer, and what is fetched first.
const { sequences: NAMES, first: FIRST_SHOWN, regions: REGIONS } = props.words;
const COLOURS = Object.fromEntries(REGIONS.map(({ key, colour }) => [key, colour]));

// across: the axis a plane cuts. u, v: the axes along its columns and rows. Columns and rows run
// against all three axes: the patient's right is on the viewer's left (radiological), the front
// of the head on top or on the left, its top on top.
const PLANES = [
  { key: 'axial', name: 'Axial', across: 2, u: 0, v: 1 },
  { key: 'coronal', name: 'Coronal', across: 1, u: 0, v: 2 },
  { key: 'sagittal', name: 'Sagittal', across: 0, u: 1, v: 2 },
];
const MARGIN = 1.06;      // of the brain in its frame
const MOST_EDGES = 8000;  // a contour with more is noise: it is not drawn, the colour is
const SHARP = 6;          // screen pixels a voxel from which voxels are drawn as squares

let scene = null;            // as it came from Python
let volumes = {};            // sequence: Uint8Array
let touched = false;         // the visitor moved the crosshair: it is theirs now
const view = {
  sequence: '', at: [0, 0, 0], centre: [0, 0, 0], zoom: 1, windows: {}, cross: true,
  overlay: true, outline: false, opacity: 0.45, reference: true,
};

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const paint = (rgb, alpha = 1) => `rgb(${rgb.join(' ')} / ${alpha})`;
const current = () => scene.case.sequences[view.sequence];
const indexOf = (i, j, k) => i + scene.case.shape[0] * (j + scene.case.shape[1] * k);
function pressed(button, on) { button.setAttribute('aria-pressed', String(on)); }

// ---- files: fetched once for all widgets of the page, unpacked here

// Address: the promise of its bytes while they come; then a weak reference, so that they stay as
// long as some widget shows them and no longer.
const FILES = window.mckdFiles ??= new Map();

async function unpack({ url }, made = (bytes) => bytes) {
  const known = FILES.get(url), bytes = known instanceof WeakRef ? known.deref() : known;
  if (bytes) return bytes;                     // or the promise of them
  const coming = inflate(url).then(made);
  FILES.set(url, coming);
  try {
    const fresh = await coming;
    FILES.set(url, new WeakRef(fresh));
    return fresh;
  } catch (error) {
    FILES.delete(url);
    throw error;
  }
}

// A map of the case that is open: it comes as start and size of a box, and its voxels.
const BOXES = window.mckdBoxes ??= new WeakMap();   // map: [low x, y, z] and [high x, y, z] of its box
function unpackMap(file) {
  const { shape } = scene.case;
  return unpack(file, (bytes) => spread(bytes, shape));
}

// place: of several maps in the same box, one after the other, which it is.
function spread({ buffer }, [nx, ny, nz], place = 0) {
  const map = new Uint8Array(nx * ny * nz), head = new Uint16Array(buffer, 0, 6);
  const [x, y, z, wide, deep, tall] = head, voxels = new Uint8Array(buffer, head.byteLength);
  for (let k = 0, from = place * wide * deep * tall; k < tall; k++) {
    for (let j = 0; j < deep; j++, from += wide) map.set(voxels.subarray(from, from + wide), x + nx * (y + j + ny * (z + k)));
  }
  BOXES.set(map, [[x, y, z], [x + wide, y + deep, z + tall]]);
  return map;
}

async function inflate(url) {
  const reply = await fetch(url);
  if (!reply.ok) throw new Error('status ' + reply.status);
  const stream = reply.body.pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Why a picture is missing, in words.
const unreadable = () => ('DecompressionStream' in window
  ? 'The images could not be fetched. Open the case again.'
  : 'This browser is too old to unpack the images. Any browser since 2023 can.');

// The sequences of the case, the best one first; after each, `arrived(key)`. Stops when another
// case takes its place.
async function fetchImages(arrived) {
  const { turn, case: { sequences } } = scene;
  for (const key of FIRST_SHOWN.filter((name) => sequences[name])) {
    const volume = await unpack(sequences[key].file);
    if (scene.turn !== turn) return false;
    volumes[key] = volume;
    await arrived(key);
  }
  return scene.turn === turn;
}

// The box around all voxels that are not 0, and the slices with most of them.
function measure(map) {
  const [nx, ny, nz] = scene.case.shape;
  const counts = [new Uint32Array(nx), new Uint32Array(ny), new Uint32Array(nz)];
  const [from, to] = BOXES.get(map) || [[0, 0, 0], [nx, ny, nz]];
  for (let k = from[2]; k < to[2]; k++) {
    for (let j = from[1]; j < to[1]; j++) {
      for (let i = from[0], at = indexOf(i, j, k); i < to[0]; i++, at++) {
        if (map[at]) { counts[0][i]++; counts[1][j]++; counts[2][k]++; }
      }
    }
  }
  if (!counts[2].some(Boolean)) return null;
  const low = counts.map((c) => c.findIndex(Boolean));
  const high = counts.map((c) => c.length - 1 - [...c].reverse().findIndex(Boolean));
  const most = counts.map((c) => c.indexOf(Math.max(...c)));
  return { low, high, most, counts };
}

// ---- where one looks

// A new case: the whole brain, its middle, the windows it came with.
function resetView() {
  const { sequences, box, shape } = scene.case;
  touched = false;
  view.sequence = FIRST_SHOWN.find((key) => sequences[key]);
  view.at = shape.map((n, axis) => clamp(Math.round((box[0][axis] + box[1][axis]) / 2), 0, n - 1));
  resetWindows();
  frameBrain();
}
function resetWindows() {
  view.windows = Object.fromEntries(Object.entries(scene.case.sequences).map(([key, { window }]) => [key, [...window]]));
}
function frameBrain() {
  const { box } = scene.case;
  view.zoom = 1;
  view.centre = box[0].map((low, axis) => (low + box[1][axis] - 1) / 2);
}

// Start where the tumour is largest, unless the visitor already looks somewhere.
function lookAtTumour(found) {
  if (touched || !found) return;
  view.at = [...found.most];
  touched = true;
}

// Put the crosshair at a voxel; the slices follow.
function moveTo(at) {
  if (!scene || !scene.case) return;
  view.at = at.map((v, axis) => clamp(Math.round(v), 0, scene.case.shape[axis] - 1));
  touched = true;
  redraw();
}

let waiting = 0;
function redraw() {
  if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; if (scene && scene.case) timedDraw(); });
}
function timedDraw() {
  const started = performance.now();
  draw();
  root.dataset.at = view.at.join();
  root.dataset.ms = (performance.now() - started).toFixed(2);
}

// ---- planes and frames: a plane is a cut through the case, a frame a picture of it on the page

function setPlanes() {
  const { shape, spacing } = scene.case;
  for (const plane of PLANES) {
    plane.columns = shape[plane.u];
    plane.rows = shape[plane.v];
    plane.mm = [spacing[plane.u], spacing[plane.v]];
    plane.sheet = sheetOf(plane.columns, plane.rows);
    plane.shown = '';
  }
}

function sheetOf(width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext('2d'), image = pen.createImageData(width, height);
  return { canvas, pen, image, pixels: new Uint32Array(image.data.buffer) };
}

function makeFrame() {
  const figure = document.createElement('figure');
  figure.className = 'plane';
  figure.innerHTML = `<canvas role="img"></canvas>
    <b class="edge left"></b><b class="edge right"></b><b class="edge top"></b><b class="edge bottom"></b>
    <figcaption><span class="name"></span> <span class="where"></span></figcaption>
    <div class="track"><canvas class="rule" width="1" height="1"></canvas>
      <input type="range" min="0" max="1" step="1"></div>
    <div class="scale"><i></i><span></span></div>`;
  const frame = {
    figure, canvas: figure.querySelector('canvas'), rule: figure.querySelector('.rule'),
    slider: figure.querySelector('input'), where: figure.querySelector('.where'), bar: figure.querySelector('.scale'),
  };
  frame.slider.addEventListener('input', () => {
    const at = [...view.at];
    at[frame.plane.across] = Number(frame.slider.value);
    moveTo(at);
  });
  new ResizeObserver(redraw).observe(frame.canvas);
  handle(frame);
  return frame;
}

// Let a frame show a plane of the case that is open.
function fitFrame(frame, plane) {
  const { shape, letters } = scene.case, { figure } = frame;
  const [left, right] = [...letters[plane.u]].reverse(), [top, bottom] = [...letters[plane.v]].reverse();
  for (const [side, letter] of Object.entries({ left, right, top, bottom })) {
    figure.querySelector('.edge.' + side).textContent = letter;
  }
  figure.dataset.plane = plane.key;
  figure.querySelector('.name').textContent = plane.name;
  for (const part of [frame.canvas, frame.slider]) part.setAttribute('aria-label', `${plane.name} slice`);
  frame.plane = plane;
  frame.film = sheetOf(plane.columns, plane.rows);
  frame.slider.max = shape[plane.across] - 1;
  frame.filmed = frame.ruled = '';
}

// Where a frame's plane is on its canvas: pixels = corner + voxels * size, from column and row 0.
function placeOf({ plane, canvas }) {
  const ratio = window.devicePixelRatio || 1, { u, v, mm } = plane, { box } = scene.case;
  const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
  const wide = (box[1][u] - box[0][u]) * mm[0] * MARGIN, tall = (box[1][v] - box[0][v]) * mm[1] * MARGIN;
  const perMm = Math.min(width / wide, height / tall) * view.zoom;
  const size = [perMm * mm[0], perMm * mm[1]];
  const centre = [plane.columns - 0.5 - view.centre[u], plane.rows - 0.5 - view.centre[v]];
  return { ratio, width, height, perMm, size, corner: [width / 2 - centre[0] * size[0], height / 2 - centre[1] * size[1]] };
}

// The voxel under a point of the canvas, in CSS pixels from its corner; fractions are kept.
function voxelAt(frame, x, y) {
  const { ratio, size, corner } = placeOf(frame), { plane } = frame, at = [...view.at];
  at[plane.u] = plane.columns - 0.5 - (x * ratio - corner[0]) / size[0];
  at[plane.v] = plane.rows - 0.5 - (y * ratio - corner[1]) / size[1];
  return at;
}

// ---- pixels

const pixel = ([r, g, b]) => (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;

// The grey of each byte in the present window; strength: 1, or less to dim it.
function greys(strength) {
  const { low, step } = current(), [dark, white] = view.windows[view.sequence];
  const table = new Uint32Array(256), scale = 255 / Math.max(white - dark, step);
  for (let byte = 0; byte < 256; byte++) {
    const grey = Math.round(clamp((low + step * byte - dark) * scale, 0, 255) * strength);
    table[byte] = pixel([grey, grey, grey]);
  }
  return table;
}

// The colour of the innermost visible region, for each of the 8 combinations of bits.
function tints(visible) {
  const table = new Uint32Array(256);
  for (let bits = 1; bits < 8; bits++) {
    const inner = REGIONS.find(({ key, bit }) => visible[key] && bits & bit);
    if (inner) table[bits] = pixel(COLOURS[inner.key]);
  }
  return table;
}

// The present slice of a volume, each byte coloured by a table, onto a sheet.
function cut(plane, volume, table, sheet) {
  const { shape } = scene.case, stride = [1, shape[0], shape[0] * shape[1]];
  const along = stride[plane.u], pixels = sheet.pixels, columns = plane.columns;
  const first = view.at[plane.across] * stride[plane.across] + (columns - 1) * along;
  let place = 0;
  for (let row = plane.rows - 1; row >= 0; row--) {
    let voxel = first + row * stride[plane.v];
    for (let column = 0; column < columns; column++, voxel -= along) pixels[place++] = table[volume[voxel]];
  }
  sheet.pen.putImageData(sheet.image, 0, 0);
}

// The grey image of a plane, cut anew only when it changed.
function cutImage(plane, strength = 1) {
  const volume = volumes[view.sequence];
  const sign = [scene.turn, view.sequence, view.at[plane.across], view.windows[view.sequence], strength].join(' ');
  if (!volume || plane.shown === sign) return;
  cut(plane, volume, greys(strength), plane.sheet);
  plane.shown = sign;
}

// ---- contours: the edges between inside and outside, joined to loops through their midpoints

function trace(plane, map, bit, found) {
  const path = new Path2D();
  if (!found || view.at[plane.across] < found.low[plane.across] || view.at[plane.across] > found.high[plane.across]) return path;
  const { shape } = scene.case, stride = [1, shape[0], shape[0] * shape[1]];
  const { u, v, columns, rows } = plane;
  const base = view.at[plane.across] * stride[plane.across];
  const inside = (column, row) => column >= 0 && row >= 0 && column < columns && row < rows
    && map[base + (columns - 1 - column) * stride[u] + (rows - 1 - row) * stride[v]] & bit;
  const from = [columns - 1 - found.high[u], rows - 1 - found.high[v]];
  const to = [columns - 1 - found.low[u], rows - 1 - found.low[v]];
  const wide = columns + 1, after = new Map();       // corner: the corners an edge leads to
  let edges = 0;
  const edge = (a, b) => { edges++; const list = after.get(a); if (list) list.push(b); else after.set(a, [b]); };
  for (let row = from[1]; row <= to[1]; row++) {
    for (let column = from[0]; column <= to[0]; column++) {
      if (!inside(column, row)) continue;
      const corner = row * wide + column;
      if (!inside(column, row - 1)) edge(corner, corner + 1);
      if (!inside(column + 1, row)) edge(corner + 1, corner + 1 + wide);
      if (!inside(column, row + 1)) edge(corner + 1 + wide, corner + wide);
      if (!inside(column - 1, row)) edge(corner + wide, corner);
    }
  }
  if (edges > MOST_EDGES) return path;
  for (const [start, list] of after) {
    while (list.length) {
      let corner = start, first = true;
      for (let ends; (ends = after.get(corner)) && ends.length;) {
        const next = ends.pop();
        const x = (corner % wide + next % wide) / 2, y = (Math.floor(corner / wide) + Math.floor(next / wide)) / 2;
        if (first) path.moveTo(x, y); else path.lineTo(x, y);
        first = false;
        corner = next;
      }
      path.closePath();
    }
  }
  return path;
}

function traceAll(plane, map, found) {
  return Object.fromEntries(REGIONS.map(({ key, bit }) => [key, map ? trace(plane, map, bit, found) : null]));
}

// Lines for `compose`: the contour that the model found, and that of a reference.
const foundLine = (path, key) => ({ path, colour: paint(COLOURS[key], view.outline ? 1 : 0.9), wide: view.outline ? 1.75 : 1 });
// Dashes of white and of the region's colour, which no kind of colour sight takes for a plain line.
const referenceLines = (path, key) => [
  { path, colour: 'rgb(0 0 0 / 0.7)', wide: 3.5 },
  { path, colour: '#fff', wide: 2 },
  { path, colour: paint(COLOURS[key].map((c) => 0.72 * c)), wide: 2, dash: [5, 5] },
];

// ---- one frame

// The image, the film over it with this opacity, lines {path, colour, wide, dash}, and crosshair.
function compose(frame, alpha, lines) {
  const place = placeOf(frame), { canvas, plane } = frame, { ratio, width, height, size, corner } = place;
  if (!width || !height) return;
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const pen = canvas.getContext('2d', { alpha: false });
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.fillStyle = '#000';
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingEnabled = size[0] / ratio < SHARP;
  pen.imageSmoothingQuality = 'high';
  const spot = [...corner, plane.columns * size[0], plane.rows * size[1]];
  if (volumes[view.sequence]) pen.drawImage(plane.sheet.canvas, ...spot);
  if (alpha) {
    pen.globalAlpha = alpha;
    pen.drawImage(frame.film.canvas, ...spot);
    pen.globalAlpha = 1;
  }
  for (const { path, colour, wide, dash = [] } of lines) {
    const scaled = new Path2D();
    scaled.addPath(path, new DOMMatrix([size[0], 0, 0, size[1], ...corner]));
    pen.setLineDash(dash.map((d) => d * ratio));
    pen.lineWidth = wide * ratio;
    pen.strokeStyle = colour;
    pen.stroke(scaled);
  }
  pen.setLineDash([]);
  if (view.cross) drawCross(pen, plane, place);
  drawScale(frame, place);
  const slice = view.at[plane.across];
  frame.where.textContent = `${slice + 1} / ${scene.case.shape[plane.across]}`;
  frame.slider.value = slice;
}

function drawCross(pen, plane, { ratio, width, height, size, corner }) {
  const x = Math.round(corner[0] + (plane.columns - 0.5 - view.at[plane.u]) * size[0]) + 0.5;
  const y = Math.round(corner[1] + (plane.rows - 0.5 - view.at[plane.v]) * size[1]) + 0.5;
  const gap = 9 * ratio;
  pen.lineWidth = ratio;
  pen.strokeStyle = 'rgb(126 231 165 / 0.6)';
  pen.beginPath();
  for (const [a, b, c, d] of [[0, y, x - gap, y], [x + gap, y, width, y], [x, 0, x, y - gap], [x, y + gap, x, height]]) {
    pen.moveTo(a, b);
    pen.lineTo(c, d);
  }
  pen.stroke();
}

// The longest round length that fits a third of the frame.
function drawScale(frame, { ratio, width, perMm }) {
  const mm = [100, 50, 20, 10, 5, 2, 1].find((length) => length * perMm < width / 3) || 1;
  frame.bar.firstChild.style.width = `${(mm * perMm) / ratio}px`;
  frame.bar.lastChild.textContent = mm >= 10 ? `${mm / 10} cm` : `${mm} mm`;
}

// Beside the slider: how much of what was found each slice holds. sign: says when that changed.
function drawRule(frame, found, colour, sign) {
  const { rule, plane } = frame, height = rule.clientHeight, whole = `${sign} ${height}`;
  if (!height || frame.ruled === whole) return;
  frame.ruled = whole;
  rule.width = 10;
  rule.height = height;
  if (!found) return;
  const pen = rule.getContext('2d'), counts = found.counts[plane.across], most = Math.max(...counts);
  pen.fillStyle = colour;
  for (let y = 0; y < height; y++) {
    const share = counts[Math.floor((1 - (y + 0.5) / height) * counts.length)] / most;
    if (share) pen.fillRect(10 - Math.max(1.5, 10 * share), y, 10, 1);
  }
}

// ---- in words

function positionMm([i, j, k]) {
  const a = scene.case.affine;
  return [0, 4, 8].map((row) => a[row] * i + a[row + 1] * j + a[row + 2] * k + a[row + 3]);
}

// RAS mm as people write it: R or L, A or P, S or I, and how far.
function spell(mm) {
  const ends = scene.case.sides_known ? [['L', 'R'], ['P', 'A'], ['I', 'S']] : [['?', '?'], ['P', 'A'], ['I', 'S']];
  return mm.map((v, axis) => `${ends[axis][v < 0 ? 0 : 1]} ${Math.abs(v).toFixed(1)}`).join('  ') + ' mm';
}

function spellValue({ low, step, clipped }, byte) {
  const value = low + step * byte, digits = step >= 0.5 ? 0 : clamp(Math.ceil(-Math.log10(step)), 0, 6);
  return (clipped && byte === 255 ? '≥ ' : step > 1 ? '≈ ' : '') + value.toFixed(digits);
}

function regionOf(map, at) {
  const bits = map[indexOf(...at)], inner = REGIONS.find(({ bit }) => bits & bit);
  return inner ? inner.part : 'none';
}

function put(name, text, label) {
  $(`.readout .${name} dd`).textContent = text;
  if (label) $(`.readout .${name} dt`).textContent = label;
}

// Position, value and window under the pictures; `heard` is read aloud with the position once
// the crosshair rests.
function showReadout(heard) {
  const volume = volumes[view.sequence], sequence = current();
  put('mm', spell(positionMm(view.at)));
  put('value', volume ? spellValue(sequence, volume[indexOf(...view.at)]) : '…', sequence.label);
  showWindow();
  clearTimeout(showReadout.later);
  showReadout.later = setTimeout(() => {
    if (root.matches(':focus-within')) $('.spoken').textContent = `${$('.mm dd').textContent}, ${heard}`;
  }, 700);
}
