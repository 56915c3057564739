// ---- measuring: a ruler, and the two diameters of RANO: the longest in an axial slice, and the
// longest across it at a right angle
//
// A point is [u, v] in voxels along a plane's two axes; a whole number is the middle of a voxel.
// Lengths are in mm by the affine, so they hold on grids that are stretched or oblique.

const LEAST_MM = 0.5;       // what is shorter is a slip of the hand
const INK = '#7dffb0';      // of measurements: no region has it
const TOOLS = { ruler: 'Ruler: drag a line', pair: 'Two diameters: drag the longest first, then across it' };
let measures = [];          // {tool, plane: key, slice, ends: [a, b], across: [c, d] or null}
let tool = '';
let begun = null;             // the point where a line begins, and its frame: {frame, from}

// Of a plane: what takes a step in voxels to mm in two directions at right angles.
function metricOf(plane) {
  const a = scene.case.affine, along = (axis) => [a[axis], a[4 + axis], a[8 + axis]];
  const [u, v] = [along(plane.u), along(plane.v)], long = Math.hypot(...u);
  const shear = u.reduce((sum, part, i) => sum + part * v[i], 0) / long;
  return { long, shear, high: Math.sqrt(Math.max(0, v.reduce((sum, part) => sum + part * part, 0) - shear * shear)) };
}
const inMm = ({ long, shear, high }, [u, v]) => [long * u + shear * v, high * v];
const inVoxels = ({ long, shear, high }, [x, y]) => [(x - (shear * y) / high) / long, y / high];
function lengthMm(plane, [a, b]) {
  const metric = metricOf(plane), [p, q] = [inMm(metric, a), inMm(metric, b)];
  return Math.hypot(q[0] - p[0], q[1] - p[1]);
}

// The end of a line from `from` towards `to`, at a right angle to another line.
function acrossFrom(plane, ends, from, to) {
  const metric = metricOf(plane), [a, b, p, q] = [...ends, from, to].map((point) => inMm(metric, point));
  const long = Math.hypot(b[0] - a[0], b[1] - a[1]), side = [-(b[1] - a[1]) / long, (b[0] - a[0]) / long];
  const far = (q[0] - p[0]) * side[0] + (q[1] - p[1]) * side[1];
  return inVoxels(metric, [p[0] + far * side[0], p[1] + far * side[1]]);
}

const planeOf = ({ plane }) => PLANES.find(({ key }) => key === plane);
const isOpen = (measure) => measure && measure.tool === 'pair' && !measure.across;

// {long, short, area, text}: the longer line first, mm and mm²; of a ruler and of half a pair `long` alone.
function sizeOf(measure) {
  const plane = planeOf(measure), [long, short] = [measure.ends, measure.across].filter(Boolean).map((ends) => lengthMm(plane, ends)).sort((a, b) => b - a);
  if (short === undefined) return { long, text: `${long.toFixed(1)} mm` };
  return { long, short, area: long * short, text: `${long.toFixed(1)} × ${short.toFixed(1)} mm = ${(long * short).toFixed(0)} mm²` };
}

// ---- by hand

function takeTool(next) {
  tool = tool === next ? '' : next;
  begun = null;
  if (tool && view.mode !== 'planes') setMode('planes');
  if (isOpen(measures.at(-1)) && tool !== 'pair') measures.pop();
  grip = tool ? { start: startLine, move: moveLine, end: endLine } : null;
  root.dataset.tool = tool;
  hint(tool ? TOOLS[tool] : '');
  showMeasures();
}
function hint(text) {
  $('.hint-tool').textContent = text;
  $('.hint-tool').hidden = !text;
}

const pointOf = (plane, at) => [at[plane.u], at[plane.v]];
const opened = (plane) => { const last = measures.at(-1); return isOpen(last) && last.plane === plane.key && last.slice === view.at[plane.across] ? last : null; };

function startLine(frame, at) {
  const { plane } = frame, from = pointOf(plane, at);
  if (tool === 'pair' && plane.key !== 'axial') return hint('Two diameters are measured in an axial slice');
  begun = { frame, from };
  const last = tool === 'pair' && opened(plane);
  if (last) last.across = [from, from];
  else {
    if (isOpen(measures.at(-1))) measures.pop();      // half a pair of another slice
    measures.push({ tool, plane: plane.key, slice: view.at[plane.across], ends: [from, from], across: null });
  }
  begun.across = Boolean(last);
  redraw();
}

function moveLine(frame, at) {
  if (!begun || begun.frame !== frame) return;
  const last = measures.at(-1), to = pointOf(frame.plane, at);
  if (begun.across) last.across = [begun.from, acrossFrom(frame.plane, last.ends, begun.from, to)];
  else last.ends = [begun.from, to];
  redraw();
}

function endLine(done) {
  if (!begun) return;
  const last = measures.at(-1), { plane } = begun.frame, line = begun.across ? last.across : last.ends;
  if (!done || lengthMm(plane, line) < LEAST_MM) { if (begun.across) last.across = null; else measures.pop(); }
  else if (tool === 'pair') hint(begun.across ? TOOLS.pair : 'Now the longest across it, at a right angle');
  begun = null;
  showMeasures();
}

// The keyboard: a line begins and ends at the crosshair.
function setPoint() {
  if (!tool) return;
  if (!begun) return startLine(active, view.at);
  moveLine(begun.frame, view.at);
  endLine(true);
}
function undoMeasure() {
  const last = measures.at(-1);
  if (last && last.across) last.across = null;
  else measures.pop();
  begun = null;
  showMeasures();
}
function clearMeasures() {
  measures = [];
  begun = null;
  showMeasures();
}

// ---- the list under the pictures

function showMeasures() {
  const buttons = () => [...root.querySelectorAll('.measured ul button')], held = buttons().indexOf(document.activeElement);
  const had = $('.measured').contains(document.activeElement);
  $('.measured').hidden = !measures.length;
  $('.measured ul').replaceChildren(...measures.map((measure, place) => {
    const row = document.createElement('li'), go = document.createElement('button'), remove = document.createElement('button');
    const plane = planeOf(measure), text = sizeOf(measure).text;
    Object.assign(go, { type: 'button', className: 'go', textContent: `${plane.name} ${measure.slice + 1}: ${text}`, title: 'Show it' });
    Object.assign(remove, { type: 'button', className: 'remove', textContent: '×', title: 'Remove' });
    remove.setAttribute('aria-label', `Remove ${text}`);
    go.addEventListener('click', () => lookAt(measure));
    remove.addEventListener('click', () => { measures.splice(place, 1); begun = null; showMeasures(); });
    row.append(go, remove);
    return row;
  }));
  if (held >= 0 || (had && !measures.length)) (buttons()[Math.min(held, 2 * measures.length - 1)] || root).focus({ preventScroll: true });
  redraw();
}
function lookAt({ plane, slice }) {
  const at = [...view.at];
  at[PLANES.find(({ key }) => key === plane).across] = slice;
  setMode('planes');
  moveTo(at);
}
$('.measured .undo').addEventListener('click', undoMeasure);
$('.measured .clear').addEventListener('click', clearMeasures);

// ---- on a frame

function drawMeasures(frame) {
  const { plane, canvas } = frame, { ratio, size, corner } = placeOf(frame), brush = canvas.getContext('2d');
  const onCanvas = ([u, v]) => [corner[0] + (plane.columns - 0.5 - u) * size[0], corner[1] + (plane.rows - 0.5 - v) * size[1]];
  for (const measure of measures) {
    if (measure.plane !== plane.key || measure.slice !== view.at[plane.across]) continue;
    const lines = [measure.ends, measure.across].filter(Boolean).map((ends) => ends.map(onCanvas));
    for (const [wide, colour] of [[4, 'rgb(0 0 0 / 0.75)'], [1.75, INK]]) {
      brush.lineWidth = wide * ratio;
      brush.strokeStyle = colour;
      lines.forEach((line) => strokeRuler(brush, line, 5 * ratio));
    }
    const [x, y] = lines.flat().reduce((best, point) => (point[0] > best[0] ? point : best));
    label(brush, sizeOf(measure).text, x + 9 * ratio, y + 4 * ratio, ratio);
  }
}

// A line with a tick at each end.
function strokeRuler(brush, [a, b], tick) {
  const long = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1, [x, y] = [(-(b[1] - a[1]) / long) * tick, ((b[0] - a[0]) / long) * tick];
  brush.beginPath();
  for (const [p, q] of [[a, b], ...[a, b].map((end) => [[end[0] - x, end[1] - y], [end[0] + x, end[1] + y]])]) {
    brush.moveTo(...p);
    brush.lineTo(...q);
  }
  brush.stroke();
}

// Words on a picture, inside it.
function label(brush, text, x, y, ratio) {
  brush.font = `600 ${13 * ratio}px ${getComputedStyle(root).fontFamily}`;
  const wide = brush.measureText(text).width, left = clamp(x, 4 * ratio, brush.canvas.width - wide - 34 * ratio);
  brush.lineWidth = 4 * ratio;
  brush.lineJoin = 'round';
  brush.strokeStyle = 'rgb(0 0 0 / 0.85)';
  brush.strokeText(text, left, y);
  brush.fillStyle = INK;
  brush.fillText(text, left, y);
}
