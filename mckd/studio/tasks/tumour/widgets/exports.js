const root = element.querySelector('.exports');
const $ = (selector) => root.querySelector(selector);
const called = aliasOf($('.alias'));
let fetched = '';          // address of the file that was downloaded last

$('ul').replaceChildren(...Object.entries(props.kinds).map(([kind, [title, what]]) => {
  const row = document.createElement('li'), button = document.createElement('button');
  Object.assign(button, { type: 'button', textContent: title });
  button.dataset.kind = kind;
  button.append(Object.assign(document.createElement('small'), { textContent: what }));
  button.addEventListener('click', () => {
    fetched = '';
    show({ stage: 'Starting…' });
    props.value = { kind, at: Date.now(), ...called() };
    trigger('make');
  });
  row.append(button);
  return row;
}));

// ---- whether they can be made: only of a table that is complete

const REASONS = {
  empty: 'Open a case first: what can be taken home is made from its table.',
  opening: 'The case has to be read and compared first.',
  waiting: 'The model is loading.',
  unavailable: 'There is no model, so there is nothing to take home.',
  asks: 'These images have not been segmented, so there is nothing to take home.',
  problem: 'The comparison failed. Press "Compare again" above the table.',
};
let table = { turn: 0, state: 'empty' };
let shown = {};            // of the file that is made, or was made last

function reason() {
  const { state, done, total, left_s } = table;
  if (state !== 'running') return REASONS[state] || '';
  const left = left_s ? `, about ${Math.max(1, Math.round(left_s))} s left` : '';
  return `The table has to be complete first: ${done || 0} of ${total} subsets${left}.`;
}
document.addEventListener('mckd:table', ({ detail }) => {
  if (detail.turn !== table.turn) shown = {};   // work for another case ends
  table = detail;
  render();
});

function show(value) { shown = value; render(); }
function render() {
  const { stage = '', fraction = null, problem = '', file = null } = shown, why = reason();
  root.dataset.state = problem ? 'problem' : stage ? 'working' : why ? 'not yet' : file ? 'done' : 'ready';
  $('.state').textContent = problem || stage || why || (file ? `${file.orig_name} is in your downloads.` : '');
  $('.state').classList.toggle('bad', Boolean(problem));
  for (const button of root.querySelectorAll('button')) {
    button.disabled = Boolean(stage || why);
    button.title = why;
  }
  $('.bar').hidden = !stage || fraction === null;
  $('.bar i').style.width = `${100 * (fraction || 0)}%`;
}
render();

watch('value', () => {
  const value = props.value;
  if (!value || value.kind) return;
  if (value.file && value.file.url !== fetched) download(value);
  else show(value);
});

// Where it lies it has no name, and the server tells that one: so the page gives it its own.
async function download(value) {
  const { url, orig_name: name } = value.file;
  fetched = url;
  show({ stage: 'Downloading…' });
  const reply = await fetch(url).catch(() => null), content = reply && reply.ok ? await reply.blob().catch(() => null) : null;
  if (!content) return show({ problem: 'The file did not arrive. Please ask for it again.' });
  const href = URL.createObjectURL(content), link = Object.assign(document.createElement('a'), { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
  show(value);
}
