const root = element.querySelector('.subsets');
const $ = (selector) => root.querySelector(selector);
const NAMES = props.words.sequences;
const REGIONS = Object.fromEntries(props.words.regions.map(({ key, name }) => [key, name]));
const MEASURES = {
  volume_ml: { head: 'mL', title: 'Volume', first: 'descending' },
  change_ml: { head: 'Change', title: 'Change of the volume against all sequences, mL', first: 'ascending' },
  dice: { head: 'Dice', title: 'Dice with the reference', first: 'descending' },
  hd95_mm: { head: 'HD95', title: '95 % of the distances to the reference\'s surface are smaller, mm', first: 'ascending' },
  agreement: { head: 'Dice*', title: 'Agreement: Dice with the result from all sequences', first: 'descending' },
};
const ASKS = 'These images are unlike those that the model was trained on. If you want them segmented all the same, say so in the Brain tumours tab.';
const WAITING = 'The model is loading. The comparison begins when it is there.';

let table = null;          // the value on screen
let turn = 0;              // of the newest case that was heard of
let begun = 0;             // the turn that is being compared, or was
let due = 0;               // the turn that is to be compared once this is visible
let sort = { by: 'order', direction: 'ascending' };
let shown = {};            // pane: key of the subset in it
let current = 0;           // the row that Tab reaches

const make = (tag, className = '', text = '') => Object.assign(document.createElement(tag), { className, textContent: text });
const nameOf = (used) => used.map((key) => NAMES[key]).join(', ');
const measures = () => (table.reference ? ['volume_ml', 'change_ml', 'dice', 'hd95_mm'] : ['volume_ml', 'change_ml', 'agreement']);

// All subsets in the order of the paper: by size, then as the sequences are listed.
function every(given) {
  const all = [];
  for (let bits = 1; bits < 2 ** given.length; bits++) all.push(given.filter((_, place) => bits & (1 << place)));
  const places = (used) => used.map((key) => given.indexOf(key));
  return all.sort((a, b) => a.length - b.length || places(a).join().localeCompare(places(b).join()));
}

// ---- when to compare

// The exports and the tour follow: state as below, or "opening"; what is done, and seconds left.
function announce(state, detail = {}) {
  document.dispatchEvent(new CustomEvent('mckd:table', { detail: { turn, state, ...detail } }));
}

document.addEventListener('mckd:case', ({ detail }) => {
  if (detail.turn < turn) return;
  if (detail.turn > turn) {                    // another case: this one is over
    turn = detail.turn;
    table = null;
    root.dataset.state = 'opening';
    announce('opening');
  }
  if (!table) tell(detail.problem || detail.stage || '', Boolean(detail.problem));
  if (detail.ready && begun !== turn) { due = turn; begin(); }
});
function begin() {
  if (!due || begun === due || !root.offsetParent) return;
  begun = due;
  tell('Comparing…');                          // other visitors may be before this one
  trigger('begin');
}
new IntersectionObserver(begin).observe(root);

function tell(text, bad = false) {
  $('.empty').hidden = false;
  $('.full').hidden = true;
  $('.stage').textContent = text;
  $('.stage').classList.toggle('bad', bad);
}

$('.cases').replaceChildren(...props.cases.map((known) => {
  const button = make('button');
  button.type = 'button';
  button.dataset.case = known.key;
  button.append(make('b', '', known.name), make('small', '', known.about));
  button.addEventListener('click', () => document.dispatchEvent(new CustomEvent('mckd:open', { detail: { case: known.key } })));
  return button;
}));
$('.again').addEventListener('click', () => trigger('begin'));

// ---- from Python

function receive() {
  const value = props.value;
  if (!value || value.turn < turn || (table && value.stamp < table.stamp)) return;
  turn = value.turn;
  if (value.state === 'empty') { if (root.dataset.state !== 'opening') tell(''); return; }
  root.dataset.state = value.state;
  announce(value.state, value.rows && { done: value.rows.length, total: 2 ** value.given.length - 1, left_s: value.left_s });
  if (value.state === 'waiting') return tell(WAITING);
  if (value.state === 'unavailable') return tell(value.problem, true);
  if (value.state === 'asks') return tell(ASKS, true);
  if (!table || table.turn !== value.turn || table.given.join() !== value.given.join()) { sort = { by: 'order', direction: 'ascending' }; current = 0; }
  begun = value.turn;
  table = value;
  $('.empty').hidden = true;
  $('.full').hidden = false;
  render();
}

function render() {
  const total = 2 ** table.given.length - 1, done = table.rows.length;
  $('.case').textContent = table.name;
  $('.case').classList.toggle('synthetic', table.synthetic);
  $('.seen').hidden = !table.seen;
  $('.seen').textContent = table.seen;
  $('.doubts').replaceChildren(...table.doubts.map((text) => Object.assign(document.createElement('li'), { textContent: text })));
  $('.again').hidden = table.state === 'running';
  $('.meter').hidden = table.state !== 'running';
  $('.meter i').style.transform = `scaleX(${done / total})`;
  $('.meter').setAttribute('aria-valuemax', total);
  $('.meter').setAttribute('aria-valuenow', done);
  $('.say').textContent = progress(done, total);
  $('.say').classList.toggle('bad', table.state === 'problem');
  $('.legend').textContent = 'Change: of the volume, against all sequences of the case. ' + (table.reference
    ? 'Dice and HD95: with the reference; missed: it has the region, the model found none; invented: the other way round; n/a: neither has it.'
    : 'Dice*: agreement with the result from all sequences; this case has no reference, so nothing here says which result is right.') + ` ${table.cautions} ${table.seen_note}`;
  root.dataset.rows = done;
  renderHead();
  renderRows();
}

function progress(done, total) {
  if (table.state === 'problem') return table.problem;
  if (table.state === 'complete') return total > 1 ? `All ${total} subsets. Choose a row to show it in a pane, or drag it there.`
    : 'This case has one sequence: there is nothing to compare it with.';
  const left = table.left_s ? `, about ${Math.max(1, Math.round(table.left_s))} s left` : '';
  return `${done} of ${total} subsets${left}`;
}

// ---- the table

function header(by, text, title) {
  const th = make('th'), button = make('button', 'sort', text);
  button.type = 'button';
  button.title = `Sort: ${title}`;
  button.setAttribute('aria-label', title);
  button.addEventListener('click', () => { sortBy(by); $(`[data-by="${by}"] button`).focus(); });
  th.scope = 'col';
  th.dataset.by = by;
  th.setAttribute('aria-sort', sort.by === by ? sort.direction : 'none');
  th.append(button);
  return th;
}

function renderHead() {
  const top = make('tr'), below = make('tr'), names = header('order', '', 'Order of the paper');
  names.rowSpan = 2;
  names.className = 'names';
  names.firstChild.append(...table.given.map((key) => make('span', '', NAMES[key])), make('i'));
  top.append(names);
  for (const [region, name] of Object.entries(REGIONS)) {
    const th = make('th', 'group');
    th.colSpan = measures().length;
    th.scope = 'colgroup';
    th.dataset.region = region;
    th.append(make('i'), region.toUpperCase(), make('small', '', name));
    top.append(th);
    for (const measure of measures()) {
      const { head, title } = MEASURES[measure];
      below.append(header(`${region}.${measure}`, head, `${region.toUpperCase()}: ${title}`));
    }
    below.children[below.children.length - measures().length].classList.add('first');
  }
  const busy = $('thead').contains(document.activeElement) && document.activeElement.parentElement.dataset.by;
  $('thead').replaceChildren(top, below);
  if (busy) $(`[data-by="${busy}"] button`).focus();
}

function sortBy(by) {
  const first = by === 'order' ? 'ascending' : MEASURES[by.split('.')[1]].first;
  const other = { ascending: 'descending', descending: 'ascending' };
  sort = { by, direction: sort.by === by ? other[sort.direction] : first };
  current = 0;
  renderHead();
  renderRows();
}

function sorted() {
  const known = Object.fromEntries(table.rows.map((row) => [row.key, row]));
  const rows = every(table.given).map((used) => known[used.join('+')] || { key: used.join('+'), used, regions: null });
  const sign = sort.direction === 'ascending' ? 1 : -1;
  if (sort.by === 'order') return sign > 0 ? rows : rows.reverse();
  const [region, measure] = sort.by.split('.');
  const value = (row) => (row.regions ? row.regions[region][measure] : null);
  return rows.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return x === null || y === null ? (x === null) - (y === null) : sign * (x - y);   // unknown last
  });
}

function renderRows() {
  const had = root.querySelector('tbody button:focus'), rows = sorted();
  $('tbody').replaceChildren(...rows.map(line));
  root.dataset.order = rows.map(({ key }) => key).join(' ');
  if (had) {
    const same = $(`tr[data-key="${had.closest('tr').dataset.key}"] button`);
    current = same ? [...root.querySelectorAll('tbody button')].indexOf(same) : 0;
  }
  reach(current, Boolean(had));
  markPanes();
  drawChart();
}

function line({ key, used, regions, advice }) {
  const tr = make('tr', regions ? '' : 'missing'), th = make('th', 'names'), button = make('button', 'dots');
  tr.dataset.key = key;
  tr.draggable = Boolean(regions);
  th.scope = 'row';
  button.type = 'button';
  button.disabled = !regions;
  button.append(...table.given.map((s) => make('i', used.includes(s) ? 'on' : '')), make('span', 'in'), make('span', 'heard', nameOf(used)));
  button.title = [`Show ${nameOf(used)}`, advice && `Next: ${advice}`].filter(Boolean).join('. ');
  th.append(button);
  tr.append(th);
  for (const region of Object.keys(REGIONS)) {
    measures().forEach((measure, place) => {
      const td = cell(measure, regions && regions[region]);
      td.classList.toggle('first', !place);
      tr.append(td);
    });
  }
  tr.addEventListener('click', () => pick(tr));
  tr.addEventListener('dragstart', (event) => {
    event.dataTransfer.setData('text/mckd-subset', key);
    event.dataTransfer.effectAllowed = 'copy';
  });
  return tr;
}

const signed = (v) => (Math.abs(v) < 0.05 ? '0' : (v > 0 ? '+' : '−') + Math.abs(v).toFixed(Math.abs(v) >= 100 ? 0 : 1));
const WORDS = { missed: 'missed', invented: 'invented', 'correctly empty': 'n/a' };

function volume(value, { sign, caution, range }) {
  const td = make('td', 'main', value.toFixed(value >= 100 ? 0 : 1));
  const said = [range && `${range} mL at 90 %`, caution].filter(Boolean).join('; ');
  if (sign) td.dataset.sign = sign;
  if (!said) return td;
  td.title = said;
  td.setAttribute('aria-label', `${td.textContent}, ${said}`);
  return td;
}

function cell(measure, found) {
  if (!found) return make('td', '', '·');
  const value = found[measure], word = WORDS[found.outcome];
  if (measure === 'volume_ml') return volume(value, found);
  if (measure === 'change_ml') return make('td', 'change', signed(value));
  if (measure === 'agreement') return value === null ? make('td', 'word', 'n/a') : make('td', '', value.toFixed(3));
  if (value === null && !word) return make('td', '', '–');   // the reference does not tell this region
  if (measure === 'dice') return word ? make('td', `word ${found.outcome === 'correctly empty' ? '' : 'bad'}`, word) : make('td', '', value.toFixed(3));
  const td = make('td', '', word ? '–' : value.toFixed(1));
  if (word && value !== null) td.title = `Counted as ${value.toFixed(0)} mm, the diagonal of the image`;
  return td;
}

function pick(tr) {
  if (tr.classList.contains('missing')) return;
  reach([...$('tbody').children].indexOf(tr), false);
  document.dispatchEvent(new CustomEvent('mckd:pick', { detail: { key: tr.dataset.key } }));
}

// One row can be reached by Tab; the arrow keys go on from there.
function reach(place, focus) {
  const buttons = [...root.querySelectorAll('tbody button')];
  current = Math.min(buttons.length - 1, Math.max(0, place));
  buttons.forEach((button, k) => { button.tabIndex = k === current ? 0 : -1; });
  if (focus && buttons[current]) buttons[current].focus();
}
$('tbody').addEventListener('keydown', (event) => {
  const move = { ArrowDown: 1, ArrowUp: -1, Home: -99, End: 99 }[event.key];
  if (!move) return;
  event.preventDefault();
  reach(current + move, true);
});

// ---- which rows the panes show

document.addEventListener('mckd:panes', ({ detail }) => { shown = detail.shown; if (table) markPanes(); });
function markPanes() {
  for (const tr of $('tbody').children) {
    const letters = Object.keys(shown).filter((letter) => shown[letter] === tr.dataset.key).join('');
    tr.querySelector('.in').textContent = letters;
    tr.classList.toggle('shown', Boolean(letters));
  }
}
