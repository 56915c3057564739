// ---- the three planes

// across: the axis a plane cuts. u, v: the axes along its columns and rows. Columns and rows run
// against all three axes: the patient's right is on the viewer's left (radiological), the front
// of the head on top or on the left, its top on top.
const PLANES = [
  { key: 'axial', name: 'Axial', across: 2, u: 0, v: 1 },
  { key: 'coronal', name: 'Coronal', across: 1, u: 0, v: 2 },
  { key: 'sagittal', name: 'Sagittal', across: 0, u: 1, v: 2 },
];
const COLOURS = { et: [255, 222, 89], tc: [232, 93, 38], wt: [77, 160, 255] };   // told apart by every kind of colour sight
const MARGIN = 1.06;      // of the brain in its frame
const DIM = 0.6;          // of the greys of a sequence that the model does not use
const MOST_EDGES = 8000;  // a contour with more is noise: it is not drawn, the colour is
const SHARP = 3;          // screen pixels a voxel from which voxels are drawn as squares

const paint = (rgb, alpha = 1) => `rgb(${rgb.join(' ')} / ${alpha})`;

function buildPlanes() {
  if (!$('.planes').children.length) $('.planes').append(...PLANES.map(makePlane));
  for (const plane of PLANES) {
    const { shape, letters, spacing } = scene.case, [left, right] = [...letters[plane.u]].reverse();
    const [top, bottom] = [...letters[plane.v]].reverse();
    const figure = plane.figure;
    for (const [side, letter] of Object.entries({ left, right, top, bottom })) {
      figure.querySelector('.edge.' + side).textContent = letter;
    }
    plane.slider.max = shape[plane.across] - 1;
    plane.columns = shape[plane.u];
    plane.rows = shape[plane.v];
    plane.mm = [spacing[plane.u], spacing[plane.v]];
    plane.sheet = sheetOf(plane.columns, plane.rows);
    plane.film = sheetOf(plane.columns, plane.rows);
    plane.shown = plane.filmed = plane.traced = plane.ruled = '';
  }
}

function sheetOf(width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext('2d'), image = pen.createImageData(width, height);
  return { canvas, pen, image, pixels: new Uint32Array(image.data.buffer) };
}

function makePlane(plane) {
  const figure = document.createElement('figure');
  figure.className = 'plane';
  figure.dataset.plane = plane.key;
  figure.innerHTML = `<canvas role="img" aria-label="${plane.name} slice"></canvas>
    <b class="edge left"></b><b class="edge right"></b><b class="edge top"></b><b class="edge bottom"></b>
    <figcaption><span class="name">${plane.name}</span> <span class="where"></span></figcaption>
    <button type="button" class="grow" title="Make this plane the large one (double-click, V)" aria-label="Make the ${plane.name.toLowerCase()} plane the large one"></button>
    <div class="track"><canvas class="rule" width="1" height="1"></canvas>
      <input type="range" min="0" max="1" step="1" aria-label="${plane.name} slice"></div>
    <div class="scale"><i></i><span></span></div>`;
  plane.figure = figure;
  plane.canvas = figure.querySelector('canvas');
  plane.rule = figure.querySelector('.rule');
  plane.slider = figure.querySelector('input');
  plane.where = figure.querySelector('.where');
  plane.bar = figure.querySelector('.scale');
  plane.slider.addEventListener('input', () => {
    const at = [...view.at];
    at[plane.across] = Number(plane.slider.value);
    moveTo(at);
  });
  figure.querySelector('.grow').addEventListener('click', () => enlarge(plane.key));
  new ResizeObserver(() => redraw()).observe(plane.canvas);
  handle(plane);
  return figure;
}

function enlarge(key) {
  root.dataset.layout = key;
  redraw();
}

// Where a plane is on its canvas: pixels = corner + voxels * size, counted from column and row 0.
function placeOf(plane) {
  const ratio = window.devicePixelRatio || 1, { canvas, u, v, mm } = plane, { box } = scene.case;
  const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
  const wide = (box[1][u] - box[0][u]) * mm[0] * MARGIN, tall = (box[1][v] - box[0][v]) * mm[1] * MARGIN;
  const perMm = Math.min(width / wide, height / tall) * view.zoom;
  const size = [perMm * mm[0], perMm * mm[1]];
  const centre = [plane.columns - 0.5 - view.centre[u], plane.rows - 0.5 - view.centre[v]];
  return { ratio, width, height, perMm, size, corner: [width / 2 - centre[0] * size[0], height / 2 - centre[1] * size[1]] };
}

// The voxel under a point of the canvas, in CSS pixels from its corner; fractions are kept.
function voxelAt(plane, x, y) {
  const { ratio, size, corner } = placeOf(plane), at = [...view.at];
  at[plane.u] = plane.columns - 0.5 - (x * ratio - corner[0]) / size[0];
  at[plane.v] = plane.rows - 0.5 - (y * ratio - corner[1]) / size[1];
  return at;
}

// ---- pixels

function greys() {
  const { low, step } = current(), [dark, white] = view.windows[view.sequence];
  const table = new Uint32Array(256), scale = 255 / Math.max(white - dark, step);
  const strength = isUsed() ? 1 : DIM;
  for (let byte = 0; byte < 256; byte++) {
    const grey = Math.round(clamp((low + step * byte - dark) * scale, 0, 255) * strength);
    table[byte] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return table;
}

// The colour of the innermost region on screen, for each of the 8 combinations of bits.
function tints() {
  const table = new Uint32Array(256);
  for (let bits = 1; bits < 8; bits++) {
    const inner = REGIONS.find(({ key, bit }) => view.visible[key] && bits & bit);
    if (!inner) continue;
    const [r, g, b] = COLOURS[inner.key];
    table[bits] = 0xff000000 | (b << 16) | (g << 8) | r;
  }
  return table;
}

function cut(plane, volume, table, sheet) {
  const { shape } = scene.case, stride = [1, shape[0], shape[0] * shape[1]];
  const along = stride[plane.u], pixels = sheet.pixels, columns = plane.columns;
  const first = view.at[plane.across] * stride[plane.across] + (columns - 1) * along;
  let pixel = 0;
  for (let row = plane.rows - 1; row >= 0; row--) {
    let voxel = first + row * stride[plane.v];
    for (let column = 0; column < columns; column++, voxel -= along) pixels[pixel++] = table[volume[voxel]];
  }
  sheet.pen.putImageData(sheet.image, 0, 0);
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

// ---- one plane

function drawPlanes() {
  const volume = volumes[view.sequence];
  const window = [...view.windows[view.sequence], isUsed()].join(), seen = REGIONS.map(({ key }) => view.visible[key]).join();
  const grey = greys(), tint = tints();
  for (const plane of PLANES) {
    const slice = view.at[plane.across];
    const image = [scene.turn, view.sequence, Boolean(volume), slice, window].join(' ');
    if (plane.shown !== image && volume) {
      cut(plane, volume, grey, plane.sheet);
      plane.shown = image;
    }
    const film = [scene.turn, version, slice, seen].join(' ');
    if (plane.filmed !== film) {
      if (labels) cut(plane, labels, tint, plane.film);
      plane.outlines = traceAll(plane, labels, extent.labels);
      plane.drawn = traceAll(plane, reference, extent.reference);
      plane.filmed = film;
    }
    compose(plane, volume);
    plane.where.textContent = `${slice + 1} / ${scene.case.shape[plane.across]}`;
    plane.slider.value = slice;
    drawRule(plane);
  }
}

function compose(plane, volume) {
  const place = placeOf(plane), { canvas } = plane, { ratio, width, height, size, corner } = place;
  if (!width || !height) return;
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const pen = canvas.getContext('2d', { alpha: false });
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.fillStyle = '#000';
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingEnabled = size[0] / ratio < SHARP * 2;
  pen.imageSmoothingQuality = 'high';
  const frameOf = [...corner, plane.columns * size[0], plane.rows * size[1]];
  if (volume) pen.drawImage(plane.sheet.canvas, ...frameOf);
  const alpha = view.overlay ? (view.outline ? 0 : view.opacity) : 0;
  if (labels && alpha) {
    pen.globalAlpha = alpha;
    pen.drawImage(plane.film.canvas, ...frameOf);
    pen.globalAlpha = 1;
  }
  const line = (path, colour, wide, dash = []) => {
    pen.setTransform(size[0], 0, 0, size[1], ...corner);
    const scaled = new Path2D();
    scaled.addPath(path, new DOMMatrix([size[0], 0, 0, size[1], ...corner]));
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.setLineDash(dash.map((d) => d * ratio));
    pen.lineWidth = wide * ratio;
    pen.strokeStyle = colour;
    pen.stroke(scaled);
  };
  for (const { key } of [...REGIONS].reverse()) {
    if (!view.overlay || !view.visible[key]) continue;
    if (labels) line(plane.outlines[key], paint(COLOURS[key], view.outline ? 1 : 0.9), view.outline ? 1.75 : 1);
    if (reference && view.reference) {
      line(plane.drawn[key], 'rgb(0 0 0 / 0.6)', 2.5);
      line(plane.drawn[key], paint(COLOURS[key].map((c) => c + 0.6 * (255 - c))), 1.25, [4, 3]);
    }
  }
  pen.setLineDash([]);
  if (view.cross) drawCross(pen, plane, place);
  drawScale(plane, place);
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

// The longest round length that fits a third of the plane.
function drawScale(plane, { ratio, width, perMm }) {
  const mm = [100, 50, 20, 10, 5, 2, 1].find((length) => length * perMm < width / 3) || 1;
  plane.bar.firstChild.style.width = `${(mm * perMm) / ratio}px`;
  plane.bar.lastChild.textContent = mm >= 10 ? `${mm / 10} cm` : `${mm} mm`;
}

// Beside the slider: how much tumour each slice holds.
function drawRule(plane) {
  const found = extent.labels || extent.reference, { rule } = plane;
  const height = rule.clientHeight, sign = [scene.turn, version, height, Boolean(labels)].join(' ');
  if (!height || plane.ruled === sign) return;
  plane.ruled = sign;
  rule.width = 10;
  rule.height = height;
  if (!found) return;
  const pen = rule.getContext('2d'), counts = found.counts[plane.across], most = Math.max(...counts);
  pen.fillStyle = labels ? paint(COLOURS.wt, 0.75) : 'rgb(255 255 255 / 0.6)';
  for (let y = 0; y < height; y++) {
    const share = counts[Math.floor((1 - (y + 0.5) / height) * counts.length)] / most;
    if (share) pen.fillRect(10 - Math.max(1.5, 10 * share), y, 10, 1);
  }
}
