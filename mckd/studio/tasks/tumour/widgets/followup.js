const root = element.querySelector('.followup');
const $ = (selector) => root.querySelector(selector);
const REGIONS = Object.fromEntries(props.words.regions.map(({ key, name }) => [key, name]));
const VERDICTS = { grown: '↑ grown', shrunk: '↓ shrunk' };
let shown = { visits: [], steps: [], line: null, stage: '', problem: '' };
let ready = false;         // whether a segmentation is on screen
let fetched = '';          // address of the file that was downloaded last
let held = null;           // the control that had the focus when the visits were drawn anew, and its place
const controls = () => [...root.querySelectorAll('.visits input, .visits .away, .vouch')];

function make(tag, name = '', text = '') {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.textContent = text;
  return node;
}
function button(name, text, does) {
  const node = make('button', name, text);
  node.type = 'button';
  node.addEventListener('click', does);
  return node;
}
const ml = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(1));
const signed = (value) => (Math.abs(value) < 0.05 ? '±0' : (value > 0 ? '+' : '−') + ml(Math.abs(value)));
const between = ([low, high]) => `${signed(low)} to ${signed(high)}`;

function act(wish) {
  shown = { ...shown, stage: 'One moment…', fraction: null, problem: '' };
  render();
  props.value = { ...wish, at: Date.now() };
  trigger('act');
}

// ---- from Python, and from elsewhere on the page

watch('value', () => {
  const value = props.value;
  if (!value || value.do || value.stamp < shown.stamp) return;
  shown = value;
  render();
  if (value.file && value.file.url !== fetched) download(value.file);
});
document.addEventListener('mckd:findings', ({ detail }) => { ready = detail.status === 'answer'; render(); });
document.addEventListener('mckd:keep', () => {
  root.scrollIntoView({ behavior: 'smooth', block: 'start' });
  if (!shown.stage) act({ do: 'keep' });
});
$('.tools .keep').addEventListener('click', () => act({ do: 'keep' }));
$('.undo').addEventListener('click', () => act({ do: 'undo' }));
$('.example').addEventListener('click', () => act({ do: 'example' }));

// Where it lies it has no name, and the server tells that one: so the page gives it its own.
async function download({ url, orig_name: name }) {
  fetched = url;
  const reply = await fetch(url).catch(() => null), content = reply && reply.ok ? await reply.blob().catch(() => null) : null;
  if (!content) { shown = { ...shown, problem: 'The file did not arrive. Please ask for it again.' }; return render(); }
  const href = URL.createObjectURL(content), link = Object.assign(make('a'), { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
  $('.say').textContent = `${name} is in your downloads.`;
}

// ---- what is shown

function render() {
  const { visits, steps, line, stage, fraction = null, problem } = shown, busy = Boolean(stage);
  root.dataset.state = busy ? 'working' : problem ? 'problem' : visits.length > 1 ? 'compared' : visits.length ? 'one' : 'empty';
  root.dataset.visits = visits.length;
  $('.lead').hidden = visits.length > 1;
  $('.say').textContent = problem || stage || (visits.length === 1 ? 'One visit is kept. Open the next one above and keep it too, or switch a sequence off and keep that to see what it changes.' : '');
  $('.say').classList.toggle('bad', Boolean(problem));
  $('.meter').hidden = !busy || fraction === null;
  $('.meter').setAttribute('aria-valuenow', Math.round(100 * (fraction || 0)));
  $('.meter i').style.transform = `scaleX(${fraction || 0})`;
  $('.tools .keep').disabled = busy || !ready || Boolean(shown.full);
  $('.tools .keep').title = ready ? '' : 'Open a case first';
  $('.example').hidden = !props.example || visits.length > 0;
  $('.example').disabled = busy;
  $('.undo').hidden = !shown.undo;
  $('.undo').disabled = busy;
  if (root.contains(document.activeElement)) held = { node: document.activeElement, place: controls().indexOf(document.activeElement) };
  $('.visits').replaceChildren(...visits.map((visit, k) => chip(visit, k + 1, busy)));
  $('.steps').replaceChildren(...steps.map(step));
  $('.home').hidden = visits.length < 2;
  for (const node of root.querySelectorAll('.home button')) node.disabled = busy;
  if (!busy && held) focusAgain();
  $('.meaning').hidden = visits.length < 2;
  $('.meaning').replaceChildren($('.meaning summary'), ...(shown.meaning || []).filter(Boolean).map((text) => make('p', '', text)));
  $('.chart').hidden = !line;
  if (line) drawChart();
}

// Where it was; where that is gone, at what undoes it. Whoever has gone elsewhere stays there.
function focusAgain() {
  const same = held.node.isConnected ? held.node : controls()[held.place];
  if (document.activeElement === document.body || root.contains(document.activeElement)) keepFocus(same, $('.undo'), $('.tools .keep'));
  held = null;
}

function chip(visit, number, busy) {
  const li = make('li'), day = make('input'), label = make('label', '', 'Date ');
  li.append(make('b', '', `Visit ${number}`), make('span', visit.synthetic ? 'name synthetic' : 'name', visit.name));
  Object.assign(day, { type: 'date', value: visit.day, disabled: busy, min: '1900-01-01', max: '9999-12-31' });
  day.addEventListener('change', () => { if (day.validity.valid) act({ do: 'date', visit: number, day: day.value }); });   // a year is typed digit by digit
  label.append(day);
  const away = button('away', '×', () => act({ do: 'remove', visit: number }));
  away.title = `Remove visit ${number}`;
  away.setAttribute('aria-label', away.title);
  away.disabled = busy;
  li.append(make('span', 'used', visit.used.join(' + ')), label, away);
  if (visit.undated) li.append(make('p', 'undated', visit.undated));
  return li;
}

// One visit against another: a line for each region.
function step(of) {
  const box = make('article', 'step');
  box.append(make('h4', '', `Visit ${of.from} to ${of.to}${of.span && `, ${of.span}`}`), make('p', of.doubt ? 'sentence doubt' : 'sentence', of.sentence));
  if (of.doubt) box.append(button('vouch', 'They are of one patient: compare them', () => act({ do: 'vouch' })));
  if (!Object.keys(of.regions).length) return box;
  const table = make('table'), head = make('tr');
  const heads = ['', `Visit ${of.from}, mL`, `Visit ${of.to}, mL`, 'Difference', '= Growth', '+ Change of protocol', 'Verdict'];
  head.append(...heads.map((text) => Object.assign(make('th', '', text), { scope: 'col' })));
  table.append(make('thead'), make('tbody'));
  table.tHead.append(head);
  for (const [region, change] of Object.entries(of.regions)) table.tBodies[0].append(line(region, change, of));
  for (const tr of table.tBodies[0].rows) [...tr.cells].forEach((td, k) => { td.dataset.head = heads[k]; });
  box.append(table);
  const rule = 'Grown or shrunk is said only where the range of the growth leaves 0 out.';
  box.append(make('p', 'note', of.same ? rule : `Common: from ${of.common.join(' + ')}; growth is their difference. ${rule}`));
  if (of.rano) box.append(make('p', 'product', of.rano));
  return box;
}

function line(region, change, of) {
  const tr = make('tr'), th = make('th');
  tr.dataset.region = region;
  th.scope = 'row';
  th.append(make('i'), region.toUpperCase(), make('small', '', REGIONS[region]));
  tr.append(th, ...change.common.map((common, k) => volume(change.own[k], common)));
  const growth = cell(signed(change.growth), change.range && between(change.range));
  growth.classList.add('growth');
  tr.append(cell(signed(change.own[1].ml - change.own[0].ml), change.plain && between(change.plain)), growth, cell(of.same ? 'none' : signed(change.protocol)));
  const verdict = make('td', 'verdict'), told = make('span', '', VERDICTS[change.verdict] || change.verdict);
  verdict.dataset.verdict = change.verdict;
  verdict.append(told);
  if (change.caution) verdict.append(make('small', 'caution', `${change.caution} from ${of.common.join(' + ')}`));
  if (change.blurred) verdict.append(make('small', 'caution', `so rough from ${of.common.join(' + ')} that the difference is likely nearer`));
  tr.append(verdict);
  return tr;
}

// From all sequences of a visit, and where they are more, from the common ones.
function volume(own, common) {
  const td = cell(ml(own.ml), own.range);
  if (own.ml !== common.ml) td.append(make('small', 'common', `common ${ml(common.ml)}${common.range ? ` (${common.range})` : ''}`));
  return td;
}

function cell(text, below = '') {
  const td = make('td', '', text);
  if (below) td.append(make('small', '', below));
  return td;
}

$('.home ul').append(...Object.entries(props.kinds).map(([kind, [title, what]]) => {
  const li = make('li'), node = button('', title, () => { fetched = ''; act({ do: 'take', kind }); });
  node.dataset.kind = kind;
  node.append(make('small', '', what));
  li.append(node);
  return li;
}));
