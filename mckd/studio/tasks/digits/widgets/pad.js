// The pad works in units of a 280 x 280 sheet; what it sends is drawn anew, black on white, at 160.
const UNITS = 280, PEN = 19, SENT = 160, EVERY_MS = 120, STEP = 6, MAX_FILE = 20e6;
const root = element.querySelector('.pad');
const canvas = element.querySelector('canvas');
const say = element.querySelector('.say');
const undoButton = element.querySelector('.undo'), clearButton = element.querySelector('.clear');
const picker = element.querySelector('.load input');

let history = [];          // {points: [[x, y], ...]} | {image, dark} | {clear: true}
let stroke = null;         // the stroke being drawn
let key = { x: UNITS / 2, y: UNITS / 2, down: false, shown: false };

function sinceLastClear() {
  let start = 0;
  history.forEach((item, i) => { if (item.clear || item.image) start = i; });
  return history.slice(start).filter((item) => !item.clear);
}

function drawStroke(pen, points) {
  pen.beginPath();
  pen.moveTo(points[0][0], points[0][1]);
  if (points.length === 1) pen.lineTo(points[0][0] + 0.01, points[0][1]);
  for (let i = 1; i < points.length - 1; i++) {   // through the midpoints: no corners
    const [x, y] = points[i], [u, v] = points[i + 1];
    pen.quadraticCurveTo(x, y, (x + u) / 2, (y + v) / 2);
  }
  if (points.length > 1) pen.lineTo(...points[points.length - 1]);
  pen.stroke();
}

function drawAll(target, size, ink, paper) {
  const pen = target.getContext('2d');
  pen.setTransform(1, 0, 0, 1, 0, 0);
  if (paper) { pen.fillStyle = paper; pen.fillRect(0, 0, size, size); } else pen.clearRect(0, 0, size, size);
  pen.setTransform(size / UNITS, 0, 0, size / UNITS, 0, 0);
  pen.lineCap = pen.lineJoin = 'round';
  pen.lineWidth = PEN;
  pen.strokeStyle = ink;
  for (const item of sinceLastClear()) {
    if (item.image) {
      const { width, height } = item.image, scale = UNITS / Math.max(width, height);
      pen.fillStyle = item.dark ? '#000' : '#fff';
      pen.fillRect(0, 0, UNITS, UNITS);
      pen.imageSmoothingEnabled = Math.max(width, height) > 64;
      pen.drawImage(item.image, (UNITS - width * scale) / 2, (UNITS - height * scale) / 2, width * scale, height * scale);
      pen.strokeStyle = item.dark ? '#fff' : '#000';
    } else drawStroke(pen, item.points);
  }
  return pen;
}

function colour(name) { return getComputedStyle(root).getPropertyValue(name).trim(); }

function paint() {
  const pen = drawAll(canvas, canvas.width, colour('--mk-pen'), '');
  const items = sinceLastClear();
  root.classList.toggle('inked', items.length > 0);
  undoButton.disabled = history.length === 0;
  clearButton.disabled = items.length === 0;
  if (!key.shown) return;
  pen.lineWidth = 2;
  pen.strokeStyle = colour('--mk-accent');
  pen.beginPath();
  pen.arc(key.x, key.y, key.down ? PEN / 2 : PEN / 2 + 3, 0, 7);
  pen.stroke();
}

// ---- to Python: at most every EVERY_MS while drawing, and always at the end of a stroke

let lastSent = 0, timer = 0;
const copy = document.createElement('canvas');

function picture() {
  const items = sinceLastClear();
  if (!items.length) return null;
  // A small picture alone goes out pixel for pixel: MNIST stays MNIST.
  const only = items.length === 1 && items[0].image;
  const size = only ? Math.max(only.width, only.height) : SENT;
  copy.width = copy.height = Math.min(size, 200);
  drawAll(copy, copy.width, '#000', '#fff');
  return copy.toDataURL('image/png');
}

function send() {
  clearTimeout(timer);
  timer = 0;
  lastSent = performance.now();
  props.value = picture();
  trigger('input');
}

function sendSoon() {
  if (!timer) timer = setTimeout(send, Math.max(0, EVERY_MS - (performance.now() - lastSent)));
}

// ---- drawing

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * UNITS, ((event.clientY - box.top) / box.height) * UNITS];
}

canvas.addEventListener('pointerdown', (event) => {
  if (event.button > 0 || stroke) return;
  event.preventDefault();
  canvas.focus({ preventScroll: true });
  canvas.setPointerCapture(event.pointerId);
  key.shown = key.down = false;
  say.textContent = '';
  stroke = { points: [place(event)], pointer: event.pointerId };
  history.push(stroke);
  paint();
  sendSoon();
});

canvas.addEventListener('pointermove', (event) => {
  if (!stroke || event.pointerId !== stroke.pointer) return;
  const moves = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const move of moves.length ? moves : [event]) {
    const [x, y] = place(move), [u, v] = stroke.points[stroke.points.length - 1];
    if (Math.hypot(x - u, y - v) > 1) stroke.points.push([x, y]);
  }
  paint();
  sendSoon();
});

function endStroke(event) {
  if (!stroke || event.pointerId !== stroke.pointer) return;
  stroke = null;
  paint();
  send();
}
canvas.addEventListener('pointerup', endStroke);
canvas.addEventListener('pointercancel', endStroke);
canvas.addEventListener('lostpointercapture', endStroke);

function undo() {
  if (stroke || !history.pop()) return;
  key.down = false;
  paint();
  send();
}

function clear() {
  if (stroke || !sinceLastClear().length) return;
  history.push({ clear: true });
  key.down = false;
  say.textContent = '';
  paint();
  send();
}

undoButton.addEventListener('click', undo);
clearButton.addEventListener('click', clear);

canvas.addEventListener('keydown', (event) => {
  const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z') undo();
  else if (event.key === 'Delete' || event.key === 'Backspace') clear();
  else if (event.key === ' ' || event.key === 'Enter') {
    key.shown = true;
    key.down = !key.down;
    if (key.down) history.push({ points: [[key.x, key.y]] });
    paint();
    send();
  } else if (event.key === 'Escape') { key.shown = key.down = false; paint(); }
  else if (move && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const inside = (value) => Math.min(UNITS - 12, Math.max(12, value));
    key.shown = true;
    key.x = inside(key.x + move[0] * STEP * (event.shiftKey ? 3 : 1));
    key.y = inside(key.y + move[1] * STEP * (event.shiftKey ? 3 : 1));
    if (key.down) { history[history.length - 1].points.push([key.x, key.y]); sendSoon(); }
    paint();
  } else return;
  event.preventDefault();
});
canvas.addEventListener('blur', () => { key.shown = key.down = false; paint(); });

// ---- a picture from a file

async function load(file) {
  if (!file) return;
  say.textContent = '';
  try {
    if (file.size > MAX_FILE) throw new Error('large');
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, 200 / Math.max(bitmap.width, bitmap.height));
    const image = document.createElement('canvas');
    image.width = Math.max(1, Math.round(bitmap.width * scale));
    image.height = Math.max(1, Math.round(bitmap.height * scale));
    const pen = image.getContext('2d', { willReadFrequently: true });
    pen.imageSmoothingQuality = 'high';
    pen.drawImage(bitmap, 0, 0, image.width, image.height);
    const dark = isDark(pen.getImageData(0, 0, image.width, image.height));
    history.push({ image, dark });
    paint();
    send();
  } catch (error) {
    say.textContent = error.message === 'large'
      ? 'This file is larger than 20 MB. Please load a smaller picture.'
      : 'This file cannot be read as a picture. PNG, JPEG and WebP work.';
  }
}

// Is the paper dark? The rim decides; a transparent rim is paper of the colour the ink is not.
function isDark({ data, width, height }) {
  let rim = 0, rimCount = 0, ink = 0, inkWeight = 0;
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const i = 4 * (y * width + x), grey = (data[i] + data[i + 1] + data[i + 2]) / 3, alpha = data[i + 3] / 255;
    ink += grey * alpha;
    inkWeight += alpha;
    if (x === 0 || y === 0 || x === width - 1 || y === height - 1) { rim += grey * alpha; rimCount += alpha; }
  }
  if (rimCount < width + height) return ink > 127 * inkWeight;
  return rim < 127 * rimCount;
}

picker.addEventListener('change', () => { load(picker.files[0]); picker.value = ''; });
document.addEventListener('mckd:picture', ({ detail }) => load(detail.file));   // dropped on the page

// ---- examples: strokes (or none) put on the pad by the examples row

document.addEventListener('mckd:example', ({ detail }) => {
  stroke = null;
  key.down = key.shown = false;
  say.textContent = '';
  if (detail.strokes) {
    history.push({ clear: true }, ...detail.strokes.map((points) => ({ points })));
    paint();
    send();
  } else clear();
});

// ---- size and theme

function fit() {
  const side = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1));
  if (side && canvas.width !== side) { canvas.width = canvas.height = side; }
  paint();
}
new ResizeObserver(fit).observe(canvas);
new MutationObserver(paint).observe(document.body, { attributes: true, attributeFilter: ['class'] });
fit();
