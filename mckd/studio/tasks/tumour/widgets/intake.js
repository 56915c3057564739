// Which case is opened: a bundled one, or one of what was dropped or chosen. How folders and ZIP
// archives are walked through is in intake.gather.js, how files travel in intake.send.js, and those
// of a scanner in intake.pack.js.

const root = element.querySelector('.intake');
const $ = (selector) => root.querySelector(selector);
const MOST_NAMES = 400, LONGEST_PATH = 300, NAMES_BYTES = 48e3;   // of names that the server sorts at once
const MOST_TOLD = 6;
const OUT = 'out';                            // of a file that the visitor leaves out
const SCANS = 'scans', EXAMINATION = 'DICOM examination';
const KEPT = 'mckd-case';                     // what is open, for a page that is loaded anew
let pool = [];             // {path, size, read, ticket}: the NIfTI files that were given
let scans = [];            // the DICOM files, likewise
let heads = [];            // {name, files: [{entry, slot, asked}], scans}: the cases among them
let head = null;           // the one that is listed
let left = [];             // {path, why}
let failed = '';           // why the last attempt came to nothing
let busy = false;

// ---- opening

function choose(button, wish, again = false) {
  root.querySelectorAll('.case.chosen').forEach((other) => other.classList.remove('chosen'));
  if (button) button.classList.add('chosen');
  try { sessionStorage.setItem(KEPT, JSON.stringify(wish)); } catch (error) { /* a private window */ }
  document.dispatchEvent(new CustomEvent('mckd:chosen', { detail: { again } }));
  props.value = { ...wish, again, at: Date.now() };
  trigger('open');
}

$('.cases').replaceChildren(...(props.cases || []).map((known) => {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'case';
  button.dataset.case = known.key;
  button.append(Object.assign(document.createElement('span'), { textContent: known.name }));
  if (known.about) button.append(Object.assign(document.createElement('small'), { textContent: known.about }));
  button.addEventListener('click', () => {
    openDrawer(false);
    choose(button, { case: known.key });
  });
  return button;
}));
$('.lead').hidden = !(props.cases || []).length;
document.addEventListener('mckd:open', ({ detail }) => {   // from elsewhere on the page
  const known = $(detail.case ? `[data-case="${detail.case}"]` : '.case');
  if (known) known.click();
});

// A page that was loaded anew opens what it had, as long as the server has it: files of a visitor
// are deleted half a minute after their page is gone.
function reopen() {
  let wish = null;
  try { wish = JSON.parse(sessionStorage.getItem(KEPT)); } catch (error) { /* nothing is kept */ }
  if (!wish) return;
  const button = wish.case ? root.querySelector(`[data-case="${CSS.escape(wish.case)}"]`) : $('.own');
  if (button) choose(button, wish, true);
}
document.addEventListener('mckd:case', ({ detail }) => { if (detail.problem) sessionStorage.removeItem(KEPT); });

function openDrawer(open) {
  $('.drawer').hidden = !open;
  $('.own').setAttribute('aria-expanded', String(open));
}
$('.own').addEventListener('click', () => openDrawer($('.drawer').hidden));

// ---- what was given, sorted into cases

// given: {files: what `gather` found, left}. Loose files join those that are here, or take the place
// of one of the same name, which may have changed; a folder or an archive takes the place of all.
async function add(given) {
  const loose = given.files.every(({ path }) => !path.includes('/')) && pool.every(({ path }) => !path.includes('/'));
  const before = loose ? pool : [], known = loose ? heads.flatMap(({ files }) => files) : [];
  scans = given.scans.length ? given.scans : loose ? scans : [];
  pool = [...before.filter(({ path }) => !given.files.some((one) => one.path === path)), ...given.files];
  left = given.left;
  failed = '';
  const listed = listable(pool);
  left.push(...pool.filter((entry) => !listed.includes(entry)).map(({ path }) => ({ path, why: 'more than is listed at once; open a smaller folder' })));
  let sorted;
  try { sorted = await server.sort(listed.map(({ path }) => path)); } catch (error) {   // the visitor says what they are
    sorted = { cases: [{ name: '', slots: Object.fromEntries(listed.map(({ path }) => [path, ''])) }], left: {} };
  }
  const of = (path) => listed.find((entry) => entry.path === path);
  heads = sorted.cases.map(({ name, slots }) => ({ name, files: Object.entries(slots).map(([path, slot]) => {
    const old = known.find(({ entry }) => entry.path === path);   // as the visitor has said
    return { entry: of(path), slot: old ? old.slot : slot, asked: !slot };
  }) }));
  if (scans.length) heads.push({ name: EXAMINATION, scans: scans.length, files: parcelsOf(scans).map((entry) => ({ entry, slot: SCANS })) });
  left.push(...Object.entries(sorted.left).map(([path, why]) => ({ path, why })));
  head = heads.length === 1 ? heads[0] : null;
  show();
}

// The first of them, as many as the server sorts at once.
function listable(entries) {
  let bytes = 0;
  return entries.filter(({ path }) => path.length <= LONGEST_PATH && (bytes += new Blob([path]).size + 3) < NAMES_BYTES).slice(0, MOST_NAMES);
}

// ---- the drawer

function size(bytes) { return bytes > 1e6 ? (bytes / 1e6).toFixed(1) + ' MB' : Math.ceil(bytes / 1e3) + ' kB'; }
function make(tag, fields, ...children) {
  const node = Object.assign(document.createElement(tag), fields);
  node.append(...children);
  return node;
}
const nameOf = (path) => path.slice(path.lastIndexOf('/') + 1);

const controls = () => [...root.querySelectorAll('.heads button, .files select, .files button')];

function show() {
  const had = root.contains(document.activeElement) ? document.activeElement : null, held = controls().indexOf(had);
  showHeads();
  showFiles();
  showLeft();
  const trouble = head ? troubleWith(head) : '', open = head && head.files.some(({ slot }) => !slot);
  $('.say').textContent = failed || trouble;
  $('.go').disabled = busy || !head || Boolean(trouble);
  $('.go').hidden = heads.length > 1 && !head;
  $('.rest').hidden = busy || !open || !head.files.some(({ slot }) => slot && slot !== OUT);
  $('.go').textContent = head && head.scans ? 'Read this examination' : 'Open these files';
  $('.clear').hidden = busy || !(pool.length || scans.length || left.length);
  $('.say').classList.toggle('failed', Boolean(failed));
  $('.ways').hidden = busy;
  $('.ways').classList.toggle('full', Boolean(heads.length));
  if (had) keepFocus(held < 0 ? had : controls()[Math.min(held, controls().length - 1)], $('.go'), $('.pick input'));
}

// What keeps a case from being opened, in words.
function troubleWith({ files, scans: series }) {
  if (series) return '';
  const used = files.map(({ slot }) => slot).filter((slot) => slot && slot !== OUT), open = files.filter(({ slot }) => !slot);
  if (new Set(used).size < used.length) return 'Two files are marked as the same. Say which is which, or leave one out.';
  if (used.includes('stack') && used.some((slot) => slot !== 'stack' && slot !== 'seg')) return 'Open either the 4-D file or single sequences, not both.';
  if (open.length) return `Which sequence is ${nameOf(open[0].entry.path)}${open.length > 1 ? `, and ${open.length - 1} more` : ''}? The name does not say. Choose it in the list, or leave it out.`;
  if (!used.some((slot) => slot !== 'seg')) return 'Say of at least one file which sequence it is.';
  return '';
}

function showHeads() {
  $('.several').hidden = heads.length < 2;
  $('.count').textContent = `${heads.length} cases were found. Which one?`;
  $('.heads').replaceChildren(...heads.map((one) => {
    const slots = one.files.map(({ slot }) => slot), open = slots.filter((slot) => !slot).length;
    const what = one.scans ? [scansOf(one)] : Object.keys(props.slots).filter((slot) => slots.includes(slot)).map((slot) => props.slots[slot]);
    if (open) what.push(open > 1 ? `${open} to be said` : '1 to be said');
    const button = make('button', { type: 'button', className: 'case' }, make('span', { textContent: one.name || 'The files themselves' }), make('small', { textContent: what.join(', ') }));
    button.setAttribute('aria-pressed', String(one === head));
    button.classList.toggle('chosen', one === head);
    button.disabled = busy;
    button.addEventListener('click', () => { head = one; failed = ''; show(); });
    return make('li', {}, button);
  }));
}

function showFiles() {
  const taken = head ? head.files.map(({ slot }) => slot) : [];
  if (head && head.scans) return void $('.files').replaceChildren(make('li', { className: 'scans' }, make('span', { className: 'name', textContent: scansOf(head) }), make('span', { className: 'state', textContent: 'The series among them are found and shown once they are here.' })));
  $('.files').replaceChildren(...(head ? head.files : []).map((file) => {
    const { entry, slot, asked } = file, name = nameOf(entry.path), under = entry.path.slice(0, -name.length);
    const select = make('select', { disabled: busy }), remove = make('button', { type: 'button', className: 'drop-one', textContent: '×', title: 'Remove from the list', disabled: busy });
    const twice = slot && slot !== OUT && taken.filter((other) => other === slot).length > 1;
    select.setAttribute('aria-label', `What ${entry.path} is`);
    if (asked) select.append(new Option('Which sequence?', '', false, !slot));
    for (const [value, text] of [...Object.entries(props.slots), [OUT, 'Leave out']]) select.append(new Option(text, value, false, value === slot));
    select.addEventListener('change', () => { file.slot = select.value; failed = ''; show(); });
    remove.setAttribute('aria-label', `Remove ${entry.path}`);
    remove.addEventListener('click', () => {
      head.files = head.files.filter((other) => other !== file);
      pool = pool.filter((other) => other !== entry);
      show();
    });
    return make('li', { className: twice ? 'twice' : !slot ? 'asks' : slot === OUT ? 'left' : '' },
      make('span', { className: 'name', title: entry.path }, make('small', { textContent: under }), name),
      make('span', { className: 'state', textContent: entry.state || size(entry.size) }), select, remove);
  }));
}

const scansOf = ({ scans: count, files }) => `${count} DICOM file${count > 1 ? 's' : ''}, ${size(files.reduce((sum, { entry }) => sum + entry.size, 0))}`;

// What was left out, by reason: how many, and the first names.
function showLeft() {
  const reasons = left.reduce((map, one) => map.set(one.why, [...(map.get(one.why) || []), one]), new Map());
  $('.others').hidden = !left.length;
  $('.others').open = left.length <= MOST_TOLD || $('.others').open;
  $('.others summary').textContent = left.length === 1 ? 'One file is left out' : `${left.length} files are left out`;
  $('.others ul').replaceChildren(...[...reasons].map(([why, files]) => {
    const names = files.slice(0, MOST_TOLD).map(({ path }) => path).join(', ');
    return make('li', {}, make('b', { textContent: files.length > 1 ? `${files.length} files` : names }), `: ${why}.`,
      ...(files.length > 1 ? [make('small', { textContent: `${names}${files.length > MOST_TOLD ? ', …' : ''}` })] : []));
  }));
}

function clear() {
  pool = [];
  scans = [];
  heads = [];
  left = [];
  head = null;
  failed = '';
  show();
}
$('.clear').addEventListener('click', clear);
$('.rest').addEventListener('click', () => { head.files.forEach((file) => { if (!file.slot) file.slot = OUT; }); show(); });

// ---- ways in

async function take(entries) {
  openDrawer(true);
  $('.say').textContent = 'Looking through the files…';
  await add(await gather(entries));
}
document.addEventListener('mckd:drop', ({ detail }) => {
  if (!busy) return void take(detail.entries);
  openDrawer(true);
  $('.say').textContent = 'Files are on their way. Drop these again once that is done, or after Cancel.';
});
$('.pick input').addEventListener('change', ({ target }) => {
  const chosen = [...target.files];
  target.value = '';
  take(chosen);
});
$('.folder').addEventListener('click', () => {
  const picker = make('input', { type: 'file', webkitdirectory: true });
  picker.addEventListener('change', () => take([...picker.files]));
  picker.click();
});
$('.own').addEventListener('click', () => { if (!$('.drawer').hidden) $('.pick input').focus({ preventScroll: true }); });
