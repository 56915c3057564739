// Which model a pane shows: the app's own, or another system, whose results come from the widget
// `systems` and are asked for there while a pane shows them.

const SYSTEMS = props.systems;               // key: name
const KEPT = 'mckd-panes';                   // of a page that is loaded anew: the system and the subset of each pane
let found = {};                              // id: {stage, fraction, problem} or {file, overlaps, trained_on, seen}
let wanted = '';                             // what was asked for last

// What a pane shows in one word: `reference`, a subset, or `hemis t1+t2`.
const idOf = ({ system, source }) => (system && source !== 'reference' ? `${system} ${source}` : source);
const fileOf = (id) => (id === 'reference' ? scene.case.reference : scene.labels[id] || (found[id] || {}).file);
const overlapsOf = (id) => scene.overlaps[id] || (found[id] || {}).overlaps || {};
const bySystem = ({ system, source, look }) => Boolean(system) && source !== 'reference' && look !== 'votes';

function choiceOf(letter) {
  const choice = document.createElement('select');
  choice.className = 'system';
  choice.setAttribute('aria-label', `Model of view ${letter}`);
  choice.title = 'Whose result is shown';
  choice.innerHTML = '<option value="-" hidden>Reference</option><option value="">Bundled model</option><optgroup label="Compared systems"></optgroup>';
  choice.lastChild.append(...Object.entries(SYSTEMS).map(([key, name]) => new Option(name, key)));
  return choice;
}

function choose(pane, system) {
  pane.system = system;
  wanted = '';                               // what failed is asked for again
  show(pane, pane.key);
}

// As in the paper's Fig. 6: the first systems from the same sequences, a view each, and the last for
// the reference or the app's own model.
function lineUp() {
  const key = usedIn(panes[target]).join('+') || panes[target].key;
  const order = [...Object.keys(SYSTEMS).slice(0, panes.length - 1), ''];
  panes.forEach((pane, place) => Object.assign(pane, { system: order[place], key, source: key, look: 'regions' }));
  if (scene.case.reference) panes.at(-1).source = 'reference';
  showCount(panes.length);
}

// ---- asking

// Tell the server what is on show of other systems; what is not any more it need not finish.
function ask() {
  const ids = [...new Set(visible().filter(bySystem).map(idOf))], asked = [turn, ...ids].join();
  if (asked === wanted) return;
  wanted = asked;
  document.dispatchEvent(new CustomEvent('mckd:ask', { detail: { turn, wanted: ids } }));
}
document.addEventListener('mckd:systems', ({ detail }) => {
  if (!turn || detail.turn !== turn) return;
  found = detail.found;
  fill();
});

// Why a result is not there, and what share of it is.
function missing(id) {
  if (scene.labels[id] || !id.includes(' ')) return ['Not compared yet.'];
  const { stage, fraction, problem } = found[id] || {};
  return [problem || stage || 'Waiting…', problem ? null : fraction ?? 0];
}

// ---- keeping the choice

function keepChoice() {
  const kept = panes.map(({ system, key }) => ({ system, key }));
  try { sessionStorage.setItem(KEPT, JSON.stringify({ kept, count: view.count })); } catch (error) { /* a private window */ }
}

// The systems of before, from the sequences of before where the case has them.
function restoreChoice() {
  let before = null;
  try { before = JSON.parse(sessionStorage.getItem(KEPT)); } catch (error) { /* none */ }
  for (const [place, { system, key }] of (before ? before.kept : []).entries()) {
    if (!SYSTEMS[system]) continue;
    panes[place].system = system;
    if (key.split('+').every((s) => given().includes(s))) Object.assign(panes[place], { key, source: key, look: 'regions' });
  }
  if (before && panes.some(bySystem)) view.count = before.count;
}

// ---- whose result it is

function markOf(pane) {
  const mark = Object.assign(document.createElement('p'), { className: 'whose' });
  const strong = (textContent) => mark.append(Object.assign(document.createElement('strong'), { textContent }));
  if (pane.source === 'reference' && pane.look !== 'votes') {
    strong('Reference');
    return mark;
  }
  const other = bySystem(pane), { trained_on: data, seen } = other ? found[idOf(pane)] || {} : scene.model;
  strong(other ? SYSTEMS[pane.system] : scene.model.name);
  if (data !== undefined) mark.append(`, trained on ${data || 'data that its checkpoint does not name'}`);   // once it is loaded
  if (seen) mark.append(' ', Object.assign(document.createElement('em'), { textContent: seen }));
  return mark;
}
