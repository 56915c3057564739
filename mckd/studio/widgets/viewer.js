// The MRI viewer: state, toolbar and read-out. The planes are drawn in viewer.planes.js, mouse,
// touch and keys are in viewer.hands.js, the 3-D view in viewer.solid.js; all share this scope.
//
// A volume is a Uint8Array in canonical orientation, first axis fastest: x to the patient's right,
// y to the front, z up. A label map holds bits: 1 ET, 2 TC, 4 WT.

const root = element.querySelector('.viewer');
const $ = (selector) => root.querySelector(selector);
const REGIONS = [
  { key: 'et', bit: 1, letter: 'e', name: 'Enhancing tumour', part: 'enhancing (ET)' },
  { key: 'tc', bit: 2, letter: 'c', name: 'Tumour core', part: 'core, not enhancing (TC)' },
  { key: 'wt', bit: 4, letter: 'w', name: 'Whole tumour', part: 'oedema (WT)' },
];
const FIRST_SHOWN = ['flair', 't1c', 't2', 't1'];   // what is fetched first: where tumours stand out

let scene = null;            // as it came from Python
let volumes = {};            // sequence: Uint8Array
let labels = null;           // Uint8Array, of the model
let reference = null;        // Uint8Array
let extent = null;           // {labels, reference}: [[low x, y, z], [high x, y, z]] or null
let version = 0;             // counts changes of the label maps and of what is visible of them
let newest = 0;              // stamp of the scene on screen
let fetched = { turn: 0, labels: 0, shown: null };
let used = [];               // the sequences that are switched on, whatever was answered so far
let touched = false;         // the visitor moved the crosshair: it is theirs now

const view = {
  sequence: '', at: [0, 0, 0], centre: [0, 0, 0], zoom: 1, windows: {}, cross: true,
  visible: { et: true, tc: true, wt: true }, overlay: true, outline: false, opacity: 0.45,
  reference: true, mode: 'planes',
};

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const isUsed = () => used.includes(view.sequence);
const current = () => scene.case.sequences[view.sequence];
const indexOf = (i, j, k) => i + scene.case.shape[0] * (j + scene.case.shape[1] * k);

// ---- files: fetched once, unpacked here

async function unpack(file) {
  const reply = await fetch(file.url);
  if (!reply.ok) throw new Error('status ' + reply.status);
  const stream = reply.body.pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The box around all voxels that are not 0, and the slices with most of the tumour.
function measure(map) {
  const [nx, ny, nz] = scene.case.shape;
  const counts = [new Uint32Array(nx), new Uint32Array(ny), new Uint32Array(nz)];
  for (let k = 0, at = 0; k < nz; k++) {
    for (let j = 0; j < ny; j++) {
      for (let i = 0; i < nx; i++, at++) {
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

// ---- from Python

async function receive() {
  const next = props.value;
  if (!next || next.stamp < newest) return;
  newest = next.stamp;
  const opened = next.case && next.turn !== fetched.turn;
  scene = next;
  if (opened) open();
  else if (!next.case) close();
  showStage();
  if (!next.case) return;
  if (next.labels && next.labels.stamp !== fetched.labels) {
    const stamp = fetched.labels = next.labels.stamp, turn = next.turn;
    try {
      const map = await unpack(next.labels.file);
      if (stamp !== fetched.labels || turn !== scene.turn) return;
      labels = map;
      extent.labels = measure(map);
      if (!next.case.reference) lookAtTumour(extent.labels);
    } catch (error) {
      fetched.labels = 0;
      complain('The segmentation could not be fetched. Switch a sequence to try again.');
    }
    root.dataset.labels = String(stamp);
    changed();
  } else if (!next.labels && labels) {
    labels = null;
    extent.labels = null;
    fetched.labels = 0;
    changed();
  }
}

function close() {
  fetched.turn = 0;
  volumes = {};
  labels = reference = null;
  root.dataset.state = 'empty';
}

// A new case: forget the last one, fetch the best sequence first, then the reference and the rest.
async function open() {
  const turn = fetched.turn = scene.turn, { sequences, box, shape } = scene.case;
  volumes = {};
  labels = reference = null;
  extent = { labels: null, reference: null };
  fetched.labels = 0;
  touched = false;
  const order = FIRST_SHOWN.filter((key) => sequences[key]);
  view.sequence = order[0];
  view.windows = Object.fromEntries(order.map((key) => [key, [...sequences[key].window]]));
  view.at = shape.map((n, axis) => clamp(Math.round((box[0][axis] + box[1][axis]) / 2), 0, n - 1));
  frameBrain();
  root.dataset.state = 'loading';
  buildSequences();
  buildPlanes();
  forgetSolid();
  $('[data-act=reference]').hidden = !scene.case.reference;
  $('.mark.synthetic').hidden = !scene.case.synthetic;
  $('.mark.sides').hidden = scene.case.sides_known;
  try {
    for (const key of order) {
      const volume = await unpack(sequences[key].file);
      if (turn !== fetched.turn) return;
      volumes[key] = volume;
      if (key === order[0]) {
        root.dataset.state = 'ready';
        if (scene.case.reference) {
          const map = await unpack(scene.case.reference);
          if (turn !== fetched.turn) return;
          reference = map;
          extent.reference = measure(map);
          lookAtTumour(extent.reference);
        }
      }
      changed();
    }
    root.dataset.loaded = String(turn);
  } catch (error) {
    if (turn === fetched.turn) complain('DecompressionStream' in window
      ? 'The images could not be fetched. Open the case again.'
      : 'This browser is too old to unpack the images. Any browser since 2023 can.');
  }
}

function frameBrain() {
  const { box } = scene.case;
  view.zoom = 1;
  view.centre = box[0].map((low, axis) => (low + box[1][axis] - 1) / 2);
}

// Start where the tumour is largest, by the reference if there is one, unless the visitor already
// looks somewhere.
function lookAtTumour(found) {
  if (touched || !found) return;
  view.at = [...found.most];
  touched = true;
}

function showStage() {
  const { stage, problem } = scene, progress = $('.progress');
  progress.hidden = !stage;
  if (stage) {
    $('.progress span').textContent = stage.text;
    $('.progress i').style.transform = `scaleX(${stage.fraction || 0})`;
    $('.progress i').classList.toggle('unknown', stage.fraction == null);
  }
  if (problem) complain(problem);
  else if (!scene.case && !stage) say('No case is open', 'Choose a bundled case above, or drop your own files.');
  else if (!scene.case) say('', '');
}

function say(title, text) {
  $('.veil b').textContent = title;
  $('.veil span').textContent = text;
}
function complain(text) {
  if (scene && scene.case && Object.keys(volumes).length) {
    $('.progress').hidden = false;
    $('.progress span').textContent = text;
    $('.progress i').style.transform = 'scaleX(0)';
  } else {
    root.dataset.state = 'problem';
    say('This case could not be opened', text);
  }
}

// ---- toolbar

function pressed(button, on) { button.setAttribute('aria-pressed', String(on)); }

function buildSequences() {
  const keys = ['flair', 't1', 't1c', 't2'];
  $('.pick.shown').replaceChildren(...keys.map((key, place) => {
    const button = document.createElement('button');
    const given = scene && scene.case && scene.case.sequences[key];
    button.type = 'button';
    button.dataset.sequence = key;
    button.textContent = { flair: 'FLAIR', t1: 'T1', t1c: 'T1c', t2: 'T2' }[key];
    button.disabled = !given;
    button.title = given ? `Show ${button.textContent} (${place + 1})` : 'Not in this case';
    button.addEventListener('click', () => showSequence(key));
    return button;
  }));
  if (scene && scene.case) markSequences(scene.used);
}

// Which sequences the model uses: at once when a switch is flipped, not when the answer arrives.
function markSequences(on) {
  used = on;
  for (const button of $('.pick.shown').children) {
    const key = button.dataset.sequence;
    pressed(button, key === view.sequence);
    button.classList.toggle('unused', !button.disabled && !used.includes(key));
  }
  $('.mark.unused').hidden = isUsed();
  $('.mark.unused').textContent = `${current().label}: not used by the model`;
  redraw();
}
document.addEventListener('mckd:sequences', ({ detail }) => {
  if (scene && scene.case) markSequences(detail.on);
});

function showSequence(key) {
  if (!scene || !scene.case || !scene.case.sequences[key]) return;
  view.sequence = key;
  markSequences(used);
}

function toggleRegion(key) {
  view.visible[key] = !view.visible[key];
  view.overlay = true;
  changed();
}

const ACTS = {
  outline() { view.outline = !view.outline; redraw(); },
  reference() { view.reference = !view.reference; redraw(); },
  overlay() { view.overlay = !view.overlay; changed(); },
  cross() { view.cross = !view.cross; redraw(); },
  reset() {
    if (!scene || !scene.case) return;
    frameBrain();
    for (const [key, { window }] of Object.entries(scene.case.sequences)) view.windows[key] = [...window];
    const found = extent.reference || extent.labels;
    if (found) view.at = [...found.most];
    resetSolid();
    redraw();
  },
  help() { $('.sheet').hidden = !$('.sheet').hidden; showButtons(); },
  view() { setMode(view.mode === 'planes' ? 'solid' : 'planes'); },
};

function setMode(mode) {
  view.mode = mode;
  $('.planes').hidden = mode !== 'planes';
  $('.solid').hidden = mode !== 'solid';
  root.classList.toggle('in-solid', mode === 'solid');
  redraw();
}

function showButtons() {
  for (const button of root.querySelectorAll('.region[data-region]')) {
    pressed(button, view.overlay && view.visible[button.dataset.region]);
  }
  pressed($('[data-act=outline]'), view.outline);
  pressed($('[data-act=reference]'), view.reference);
  pressed($('[data-act=help]'), !$('.sheet').hidden);
  for (const button of root.querySelectorAll('[data-view]')) pressed(button, button.dataset.view === view.mode);
}

$('.bar').addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.dataset.region) toggleRegion(button.dataset.region);
  else if (button.dataset.view) setMode(button.dataset.view);
  else if (button.dataset.act) ACTS[button.dataset.act]();
  showButtons();
});
$('.opacity input').addEventListener('input', (event) => {
  view.opacity = event.target.value / 100;
  redraw();
});

// ---- read-out

function positionMm([i, j, k]) {
  const a = scene.case.affine;
  return [0, 4, 8].map((row) => a[row] * i + a[row + 1] * j + a[row + 2] * k + a[row + 3]);
}

// RAS mm as people write it: R or L, A or P, S or I, and how far.
function spell(mm) {
  const ends = scene.case.sides_known ? [['L', 'R'], ['P', 'A'], ['I', 'S']] : [['?', '?'], ['P', 'A'], ['I', 'S']];
  return mm.map((v, axis) => `${ends[axis][v < 0 ? 0 : 1]} ${Math.abs(v).toFixed(1)}`).join('  ') + ' mm';
}

function regionOf(map, at) {
  const bits = map ? map[indexOf(...at)] : 0;
  const inner = REGIONS.find(({ bit }) => bits & bit);
  return inner ? inner.part : 'none';
}

function spellValue({ low, step, clipped }, byte) {
  const value = low + step * byte, digits = step >= 0.5 ? 0 : clamp(Math.ceil(-Math.log10(step)), 0, 6);
  return (clipped && byte === 255 ? '≥ ' : step > 1 ? '≈ ' : '') + value.toFixed(digits);
}

function showReadout() {
  const volume = volumes[view.sequence], sequence = current();
  const put = (name, text, label) => {
    $(`.readout .${name} dd`).textContent = text;
    if (label) $(`.readout .${name} dt`).textContent = label;
  };
  put('mm', spell(positionMm(view.at)));
  put('value', volume ? spellValue(sequence, volume[indexOf(...view.at)]) : '…', sequence.label);
  const found = labels ? regionOf(labels, view.at) : null, drawn = reference ? regionOf(reference, view.at) : null;
  const second = drawn && `reference: ${found === drawn ? 'the same' : drawn}`;
  put('region', [found, second].filter(Boolean).join(' · ') || 'not segmented');
  const [low, high] = view.windows[view.sequence];
  const tidy = (v) => Number(v.toPrecision(4)).toString();
  put('window', `${tidy(low)} – ${tidy(high)}`);
  root.dataset.at = view.at.join();
  clearTimeout(showReadout.later);
  showReadout.later = setTimeout(() => {
    if (root.matches(':focus-within')) $('.spoken').textContent = `${$('.mm dd').textContent}, ${$('.readout .region dd').textContent}`;
  }, 700);
}

// ---- drawing: at most once a frame

let frame = 0;
function changed() { version++; redraw(); }
function redraw() {
  if (!frame) frame = requestAnimationFrame(() => { frame = 0; draw(); });
}
function draw() {
  if (!scene || !scene.case) return;
  const started = performance.now();
  if (view.mode === 'planes') drawPlanes();
  else drawSolid();
  showReadout();
  showButtons();
  root.dataset.ms = (performance.now() - started).toFixed(2);
}

// Put the crosshair at a voxel; the slices follow.
function moveTo(at) {
  if (!scene || !scene.case) return;
  view.at = at.map((v, axis) => clamp(Math.round(v), 0, scene.case.shape[axis] - 1));
  touched = true;
  redraw();
}

buildSequences();
watch('value', receive);
queueMicrotask(receive);
