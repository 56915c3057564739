// The MRI viewer: state, toolbar and read-out. The planes are drawn in viewer.planes.js, the 3-D view
// in viewer.solid.js; what it shares with the Compare tab is in slices.js.

let labels = null;           // Uint8Array, of the model
let reference = null;        // Uint8Array
let extent = null;           // {labels, reference}: [[low x, y, z], [high x, y, z]] or null
let version = 0;             // counts changes of the label maps and of what is visible of them
let newest = 0;              // stamp of the scene on screen
let fetched = { turn: 0, labels: 0 };
let used = [];               // the sequences that are switched on, whatever was answered so far
Object.assign(view, { visible: { et: true, tc: true, wt: true }, mode: 'planes' });

const isUsed = () => used.includes(view.sequence);

// ---- from Python

async function receive() {
  const next = props.value;
  // Surfaces and maps say what they are of: they count even where a newer scene came before them.
  if (next && next.surfaces && scene && next.turn === scene.turn) takeSurfaces(next.surfaces, next.turn);
  if (next && next.maps && scene && next.turn === scene.turn) takeMaps(next.maps, next.turn);
  if (!next || next.stamp < newest) return;
  newest = next.stamp;
  const opened = next.case && next.turn !== fetched.turn;
  scene = next;
  if (opened) open();
  else if (!next.case) close();
  showStage();
  tell();
  if (!next.case) return;
  if (next.labels && next.labels.stamp !== fetched.labels) {
    const stamp = fetched.labels = next.labels.stamp, turn = next.turn;
    try {
      const map = await unpackMap(next.labels.file);
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
  const turn = fetched.turn = scene.turn;
  volumes = {};
  labels = reference = null;
  extent = { labels: null, reference: null };
  fetched.labels = 0;
  resetView();
  clearMeasures();
  restoreView();
  root.dataset.state = 'loading';
  buildSequences();
  buildPlanes();
  forgetSolid();
  forgetMaps();
  showLayers();
  $('[data-act=reference]').hidden = !scene.case.reference;
  $('.mark.synthetic').hidden = !scene.case.synthetic;
  $('.mark.sides').hidden = scene.case.sides_known;
  try {
    const all = await fetchImages(async () => {
      root.dataset.state = 'ready';
      if (scene.case.reference && !reference) await openReference(turn);
      changed();
    });
    if (all) root.dataset.loaded = String(turn);
  } catch (error) {
    if (turn === fetched.turn) complain(unreadable());
  }
}

async function openReference(turn) {
  const map = await unpackMap(scene.case.reference);
  if (turn !== fetched.turn) return;
  reference = map;
  extent.reference = measure(map);
  lookAtTumour(extent.reference);
}

// The Compare tab follows: how far the case is, or why it is not there.
function tell() {
  const { turn, stage, problem, case: opened } = scene;
  const detail = { turn, stage: stage && stage.text, problem, fraction: stage && stage.fraction, ready: Boolean(opened && !stage && !problem) };
  document.dispatchEvent(new CustomEvent('mckd:case', { detail }));
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
  else if (!scene.case && !stage) say('No case is open', 'Choose a bundled case above, or drop files, a folder or a ZIP archive anywhere on this page.');
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

function buildSequences() {
  $('.pick.shown').replaceChildren(...Object.keys(NAMES).map((key, place) => {
    const button = document.createElement('button');
    const given = scene && scene.case && scene.case.sequences[key];
    button.type = 'button';
    button.dataset.sequence = key;
    button.textContent = NAMES[key];
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
  if (isMap()) view.mapped = key;
  else view.visible[key] = !view.visible[key];
  view.overlay = true;
  changed();
}

const ACTS = {
  full: toggleFull,
  picture: savePicture,
  ruler() { takeTool('ruler'); },
  pair() { takeTool('pair'); },
  outline() { view.outline = !view.outline; redraw(); },
  reference() { view.reference = !view.reference; redraw(); },
  overlay() { view.overlay = !view.overlay; changed(); },
  cross() { view.cross = !view.cross; redraw(); },
  reset() {
    if (!scene || !scene.case) return;
    frameBrain();
    resetWindows();
    const found = extent.reference || extent.labels;
    if (found) view.at = [...found.most];
    resetSolid();
    redraw();
  },
  help: toggleSheet,
  look: nextLook,
  view() { setMode(view.mode === 'planes' ? 'solid' : 'planes'); },
};

function setMode(mode) {
  view.mode = mode;
  $('.planes').hidden = mode !== 'planes';
  $('.solid').hidden = mode !== 'solid';
  if (mode === 'solid' && root.clientWidth < 520) $('.layers').open = false;
  root.classList.toggle('in-solid', mode === 'solid');
  redraw();
}

function showButtons() {
  for (const button of root.querySelectorAll('.region[data-region]')) {
    pressed(button, view.overlay && onScreen()[button.dataset.region]);
  }
  $('.bar .look').value = view.look;
  $('.bar .look').disabled = !labels;
  pressed($('[data-act=outline]'), view.outline);
  pressed($('[data-act=reference]'), view.reference);
  pressed($('[data-act=help]'), !$('.sheet').hidden);
  for (const button of root.querySelectorAll('[data-view]')) pressed(button, button.dataset.view === view.mode);
  for (const name of Object.keys(TOOLS)) pressed($(`[data-act=${name}]`), tool === name);
  pressed($('[data-act=full]'), root.classList.contains('full'));
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

// ---- drawing

function changed() { version++; redraw(); }
function draw() {
  if (view.mode === 'planes') drawPlanes();
  else drawSolid();
  const found = labels ? regionOf(labels, view.at) : null, drawn = reference ? regionOf(reference, view.at) : null;
  const second = drawn && `reference: ${found === drawn ? 'the same' : drawn}`;
  const here = [likelihood(), found, second].filter(Boolean).join(' · ') || 'not segmented';
  put('region', here);
  $('.mark.legend').hidden = !(labels && reference && view.reference && view.overlay && Object.values(onScreen()).some(Boolean));
  showLegend();
  showReadout(here);
  showButtons();
  keepView();
}
