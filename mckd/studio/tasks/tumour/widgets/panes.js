// Two to four linked panes: which there are, what each shows, toolbar. Whose result it is knows
// panes.systems.js, what a pane can show is drawn by panes.looks.js; slices and hands are those of
// the viewer (slices.js).

const LETTERS = ['A', 'B', 'C', 'D'];
const OFTEN_MISSING = ['t1c', 'flair', 't2', 't1'];   // pane B begins without the first of them

let turn = 0;                // of the case that is open here
let newest = 0;              // stamp of the scene on screen
let panes = [];              // {letter, frame, node, system, source, key: the last subset, look, sign, content}
let target = 1;              // the pane that a row of the table goes to
Object.assign(view, { plane: PLANES[0], region: 'wt', count: 0 });

const given = () => Object.keys(NAMES).filter((key) => scene.case.sequences[key]);
const visible = () => panes.slice(0, view.count);
const votersOf = (count) => 2 ** count - 1;

// ---- from Python

function receive() {
  const next = props.value;
  if (!next || next.stamp < newest) return;
  newest = next.stamp;
  scene = next;
  root.hidden = !next.case || !Object.keys(next.labels).length;
  if (root.hidden) return close();
  if (next.turn !== turn) open();
  fill();
}

function close() {
  turn = 0;
  volumes = found = {};
  panes.forEach((pane) => { pane.sign = ''; pane.content = null; });
}
document.addEventListener('mckd:case', ({ detail }) => {
  if (detail.turn === turn || !turn) return;
  root.hidden = true;
  close();
});

async function open() {
  const opened = turn = scene.turn;
  likely.clear();
  volumes = found = {};
  delete root.dataset.loaded;
  resetView();
  setPlanes();
  if (!panes.length) build();
  begin();
  buildToolbar();
  panes.forEach(({ frame }) => fitFrame(frame, view.plane));
  try {
    lookAtTumour(extentOf(await unpackMap(scene.case.reference || Object.values(scene.labels)[0])));
    if (await fetchImages(redraw)) root.dataset.loaded = String(opened);
  } catch (error) {
    if (opened === turn) panes.forEach((pane) => wait(pane, unreadable()));
  }
}

// What the panes show at first: everything, without the contrast agent, the votes, the reference.
function begin() {
  const all = given(), less = OFTEN_MISSING.find((key) => all.includes(key));
  const without = all.length > 1 ? all.filter((key) => key !== less) : all;
  const last = scene.case.reference ? { source: 'reference' } : { used: [without[0]] };
  [{ used: all }, { used: without }, { used: all, look: 'votes' }, last].forEach(({ used = all, source, look }, k) => {
    const key = used.join('+');
    Object.assign(panes[k], { system: '', key, source: source || key, look: look || 'regions', sign: '', content: null });
  });
  if (!view.count) view.count = root.clientWidth > 900 ? 3 : 2;
  restoreChoice();
  target = 1;
}

// ---- the panes

function build() {
  panes = LETTERS.map((letter, place) => {
    const frame = makeFrame(), node = document.createElement('article');
    node.className = 'pane';
    node.setAttribute('aria-label', `View ${letter}`);
    node.dataset.pane = letter;
    node.innerHTML = `<div class="head"><button type="button" class="letter" title="Rows of the table go to this view">${letter}</button>
      <select class="look" aria-label="What view ${letter} shows"><option value="regions">Regions</option>
        ${place ? '<option value="difference">Difference from A</option>' : ''}<option value="votes">Votes</option>
        <option value="probability">Probability</option><option value="uncertainty">Uncertainty</option></select>
      <div class="dots" role="group" aria-label="Sequences of view ${letter}">${Object.entries(NAMES).map(([key, name]) => `<button type="button" data-sequence="${key}"><i></i>${name}</button>`).join('')}
        <button type="button" class="ref" title="The reference instead of a subset"><i></i>Ref.</button></div></div>
      <div class="key"></div>`;
    frame.figure.querySelector('figcaption').insertAdjacentHTML('beforeend', '<span class="here"></span>');
    frame.figure.insertAdjacentHTML('beforeend', '<p class="wait" hidden><span></span><i hidden></i></p><div class="marks"><p class="mark synthetic">Synthetic case</p><p class="mark sides">Left and right unknown</p></div>');
    node.querySelector('.head').after(frame.figure);
    const pane = { letter, frame, node }, choice = choiceOf(letter);
    node.querySelector('.letter').after(choice);
    choice.addEventListener('change', ({ target: { value } }) => { aim(place); choose(pane, value); });
    node.querySelector('.letter').addEventListener('click', () => aim(place));
    frame.canvas.addEventListener('pointerdown', () => aim(place));
    node.querySelector('.look').addEventListener('change', ({ target: { value } }) => { aim(place); pane.look = value; fill(); });
    for (const button of node.querySelectorAll('.dots [data-sequence]')) {
      button.addEventListener('click', () => { aim(place); flip(pane, button.dataset.sequence); });
    }
    node.querySelector('.ref').addEventListener('click', () => {
      aim(place);
      show(pane, pane.source === 'reference' && pane.look !== 'votes' ? pane.key : 'reference');
    });
    receiveRows(node, place);
    return pane;
  });
  active = panes[0].frame;
  $('.row').append(...panes.map(({ node }) => node));
}

// The sequences of the subset in a pane; none where it shows something else.
const usedIn = ({ source, look }) => (source === 'reference' || look === 'votes' ? [] : source.split('+'));

// One sequence of a pane on or off; one always stays on.
function flip(pane, sequence) {
  const used = usedIn(pane), next = given().filter((key) => used.includes(key) !== (key === sequence));
  if (next.length) show(pane, next.join('+'));
}

// Put a subset, or the reference, into a pane.
function show(pane, source) {
  if (source !== 'reference') pane.key = source;
  pane.source = source;
  if (pane.look === 'votes') pane.look = 'regions';
  fill();
}

function aim(place) {
  target = place;
  showButtons();
}

document.addEventListener('mckd:pick', ({ detail }) => {
  if (turn && scene.labels[detail.key]) showRow(Math.min(target, view.count - 1), detail.key);
});

// Rows of the table are of the app's own model.
function showRow(place, key) {
  panes[place].system = '';
  show(panes[place], key);
}

function receiveRows(node, place) {
  const kind = 'text/mckd-subset';
  node.addEventListener('dragover', (event) => {
    if (!event.dataTransfer.types.includes(kind)) return;
    event.preventDefault();
    node.classList.add('over');
  });
  node.addEventListener('dragleave', () => node.classList.remove('over'));
  node.addEventListener('drop', (event) => {
    const key = event.dataTransfer.getData(kind);
    node.classList.remove('over');
    if (!key) return;
    event.preventDefault();
    aim(place);
    showRow(place, key);
  });
}

// ---- toolbar

function buildToolbar() {
  $('.pick.shown').replaceChildren(...given().map((key, place) => {
    const button = document.createElement('button');
    Object.assign(button, { type: 'button', textContent: NAMES[key], title: `Show ${NAMES[key]} (${place + 1})` });
    button.dataset.sequence = key;
    return button;
  }));
  $('[data-act=reference]').hidden = !scene.case.reference;
  for (const { node } of panes) {
    node.querySelector('.mark.synthetic').hidden = !scene.case.synthetic;
    node.querySelector('.mark.sides').hidden = scene.case.sides_known;
    for (const button of node.querySelectorAll('.dots [data-sequence]')) button.disabled = !given().includes(button.dataset.sequence);
    node.querySelector('.ref').disabled = !scene.case.reference;
  }
}

const ACTS = {
  outline() { view.outline = !view.outline; redraw(); },
  reference() { view.reference = !view.reference; redraw(); },
  overlay() { view.overlay = !view.overlay; redraw(); },
  cross() { view.cross = !view.cross; redraw(); },
  async reset() {
    frameBrain();
    resetWindows();
    const found = extentOf(await unpackMap(scene.case.reference || Object.values(scene.labels)[0]));
    if (found) moveTo(found.most);
    redraw();
  },
  help: toggleSheet,
  full: toggleFull,
  systems: lineUp,
  difference() {
    const pane = panes[Math.min(target, view.count - 1)];
    if (pane === panes[0]) return;
    pane.look = pane.look === 'difference' ? 'regions' : 'difference';
    fill();
  },
};

function showSequence(key) {
  if (!key) return;
  view.sequence = key;
  redraw();
}
function showPlane(plane) {
  view.plane = plane;
  panes.forEach(({ frame }) => fitFrame(frame, plane));
  redraw();
}
function showCount(count) {
  view.count = count;
  target = Math.min(target, count - 1);
  fill();
}
function compareRegion(region) { document.dispatchEvent(new CustomEvent('mckd:region', { detail: { region } })); }
document.addEventListener('mckd:region', ({ detail }) => {
  view.region = detail.region;
  if (turn) fill();
});

$('.bar').addEventListener('click', ({ target: clicked }) => {
  const button = clicked.closest('button');
  if (!button || !turn) return;
  const { sequence, region, plane, count, act } = button.dataset;
  if (sequence) showSequence(sequence);
  else if (region) compareRegion(region);
  else if (plane) showPlane(PLANES.find(({ key }) => key === plane));
  else if (count) showCount(Number(count));
  else if (act) ACTS[act]();
  showButtons();
});
$('.opacity input').addEventListener('input', (event) => {
  view.opacity = event.target.value / 100;
  redraw();
});

function showButtons() {
  const { sequence, region, plane, count } = view;
  for (const button of root.querySelectorAll('.bar .pick button')) {
    const { dataset } = button;
    pressed(button, dataset.sequence === sequence || dataset.region === region || dataset.plane === plane.key || Number(dataset.count) === count);
  }
  pressed($('[data-act=outline]'), view.outline);
  pressed($('[data-act=reference]'), view.reference);
  pressed($('[data-act=help]'), !$('.sheet').hidden);
  pressed($('[data-act=full]'), root.classList.contains('full'));
  $('.row').style.setProperty('--across', count);
  panes.forEach((pane, place) => {
    const { node, look, source } = pane, used = usedIn(pane), aimed = place === Math.min(target, count - 1);
    node.hidden = place >= count;
    node.dataset.source = source;
    node.dataset.look = look;
    node.classList.toggle('target', aimed);
    pressed(node.querySelector('.letter'), aimed);
    node.querySelector('.look').value = look;
    node.querySelector('.system').value = source === 'reference' && look !== 'votes' ? '-' : bySystem(pane) ? pane.system : '';
    for (const button of node.querySelectorAll('.dots [data-sequence]')) {
      pressed(button, used.includes(button.dataset.sequence));
    }
    pressed(node.querySelector('.ref'), source === 'reference' && look !== 'votes');
  });
}

fillWindow();
watch('value', receive);
queueMicrotask(receive);
