const root = element.querySelector('.intake');
const $ = (selector) => root.querySelector(selector);
const NIFTI = /\.nii(\.gz)?$/i, MOST = 12;
let files = [];            // {file, slot, path, state}: those in the list
let busy = false;

function choose(button, value) {
  root.querySelectorAll('.case.chosen').forEach((other) => other.classList.remove('chosen'));
  if (button) button.classList.add('chosen');
  props.value = { ...value, at: Date.now() };
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

function openDrawer(open) {
  $('.drawer').hidden = !open;
  $('.own').setAttribute('aria-expanded', String(open));
}
$('.own').addEventListener('click', () => openDrawer($('.drawer').hidden));

// ---- the list of files

function size(bytes) { return bytes > 1e6 ? (bytes / 1e6).toFixed(1) + ' MB' : Math.ceil(bytes / 1e3) + ' kB'; }

function show() {
  const taken = files.map(({ slot }) => slot);
  $('.files').replaceChildren(...files.map((entry) => {
    const row = document.createElement('li'), select = document.createElement('select'), remove = document.createElement('button');
    const twice = entry.slot && taken.filter((slot) => slot === entry.slot).length > 1;
    row.className = twice ? 'twice' : entry.slot ? '' : 'left';
    select.setAttribute('aria-label', 'What ' + entry.file.name + ' is');
    for (const [value, text] of [...Object.entries(props.slots), ['', 'Leave out']]) {
      select.append(new Option(text, value, false, value === entry.slot));
    }
    select.addEventListener('change', () => { entry.slot = select.value; show(); });
    select.disabled = busy;
    Object.assign(remove, { type: 'button', className: 'drop-one', textContent: '×', title: 'Remove from the list' });
    remove.setAttribute('aria-label', 'Remove ' + entry.file.name);
    remove.addEventListener('click', () => { files = files.filter((other) => other !== entry); show(); });
    row.append(
      Object.assign(document.createElement('span'), { className: 'name', textContent: entry.file.name, title: entry.file.name }),
      Object.assign(document.createElement('span'), { className: 'state', textContent: entry.state || size(entry.file.size) }),
      select, remove);
    return row;
  }));
  const used = taken.filter(Boolean);
  const trouble = new Set(used).size < used.length ? 'Two files are marked as the same. Say which is which, or leave one out.'
    : used.includes('stack') && used.some((slot) => slot !== 'stack' && slot !== 'seg') ? 'Open either the 4-D file or single sequences, not both.'
    : files.length && !used.some((slot) => slot !== 'seg') ? 'Say of at least one file which sequence it is.' : '';
  if (!show.failed) $('.say').textContent = trouble;
  $('.go').disabled = busy || !files.length || Boolean(trouble);
  $('.clear').hidden = !files.length || busy;
}

async function add(listed) {
  show.failed = false;
  const all = [...listed], fit = all.filter((file) => NIFTI.test(file.name)).slice(0, MOST - files.length);
  const odd = all.filter((file) => !NIFTI.test(file.name));
  const entries = fit.map((file) => ({ file, slot: '', path: '' }));
  files.push(...entries);
  show();
  try {
    const slots = await server.guess(fit.map((file) => file.name));
    entries.forEach((entry, place) => { entry.slot = slots[place] || ''; });
  } catch (error) { /* the visitor says what they are */ }
  show();
  if (odd.length) {
    $('.say').textContent = `${odd[0].name} is not a NIfTI file; only .nii and .nii.gz can be opened. Convert DICOM with dcm2niix first.`;
  }
}

$('.drop input').addEventListener('change', (event) => { add(event.target.files); event.target.value = ''; });
$('.clear').addEventListener('click', () => { files = []; show.failed = false; $('.say').textContent = ''; show(); });
for (const [name, over] of [['dragover', true], ['dragleave', false], ['drop', false]]) {
  root.addEventListener(name, (event) => {
    event.preventDefault();
    root.classList.toggle('over', over);
    if (name === 'dragover') openDrawer(true);
    if (name === 'drop') add(event.dataTransfer.files);
  });
}

$('.go').addEventListener('click', async () => {
  busy = true;
  show.failed = false;
  const wanted = files.filter(({ slot }) => slot);
  show();
  try {
    for (const entry of wanted) {
      if (entry.ticket) continue;
      entry.state = 'sending…';
      show();
      // The door answers with a ticket where Gradio's own upload tells a path.
      try { entry.ticket = (await upload(entry.file)).path; } catch (error) { entry.state = 'not sent'; throw entry; }
      entry.state = size(entry.file.size);
    }
    choose($('.own'), { files: wanted.map(({ slot, ticket }) => ({ slot, ticket })) });
    openDrawer(false);
  } catch (entry) {
    show.failed = true;
    const name = entry.file ? entry.file.name : 'A file';
    $('.say').textContent = `${name} could not be sent. It may be larger than this app accepts; save it as .nii.gz, which is smaller.`;
  }
  busy = false;
  show();
});
show();
