const root = element.querySelector('.findings');
const $ = (selector) => root.querySelector(selector);
let newest = 0;            // stamp of what is on screen; what is older and late is dropped
let shown = null;
let busy = 0;
const called = aliasOf($('.alias'));

const NAMES = props.words.sequences;
const EMPTY = props.words.regions.map(({ key, name }) => ({ region: key, name }));

function cell(text, name = '', below = '') {
  const td = document.createElement('td');
  td.className = name;
  td.textContent = text;
  if (below) td.append(Object.assign(document.createElement('small'), { textContent: below }));
  return td;
}
const ml = (value) => (value === undefined ? '–' : value >= 100 ? value.toFixed(0) : value.toFixed(1));

// Scores arrive a moment after the volumes.
const score = (value, digits) => {
  if (value === undefined) return shown && shown.status === 'answer' ? '…' : '–';
  return value === null ? '–' : value.toFixed(digits);   // the reference does not tell every region
};

function change(row) {
  if (row.change_ml === undefined) return '';
  if (Math.abs(row.change_ml) < 0.05) return '±0';
  return (row.change_ml > 0 ? '+' : '−') + Math.abs(row.change_ml).toFixed(1);
}

// From and to, at 90 %.
function range(row) {
  const small = Object.assign(document.createElement('small'), { className: 'range', textContent: row.range.replace(' to ', '–') });
  small.setAttribute('aria-label', `${row.range} mL at 90 %`);
  return small;
}

function line(row) {
  const tr = document.createElement('tr'), th = document.createElement('th');
  tr.dataset.region = row.region;
  th.scope = 'row';
  th.innerHTML = '<i aria-hidden="true"></i>';
  th.append(row.region.toUpperCase(), Object.assign(document.createElement('small'), { textContent: row.name }));
  const volume = cell(ml(row.volume_ml), '', change(row));
  if (row.range) volume.firstChild.after(range(row));
  tr.append(th, volume, cell(ml(row.reference_ml), 'ref'));
  if (row.outcome === 'correctly empty') {
    const td = cell('n/a, correctly empty', 'ref words');
    td.colSpan = 2;
    tr.append(td);
  } else if (row.outcome === 'missed' || row.outcome === 'invented') {
    tr.append(cell('0', 'ref words bad', row.outcome), cell('–', 'ref', ''));
    tr.lastChild.title = `Counted as ${row.hd95_mm.toFixed(0)} mm, the diagonal of the image`;
  } else {
    tr.append(cell(score(row.dice, 3), 'ref'), cell(score(row.hd95_mm, 1), 'ref'));
  }
  return tr;
}

// What is known to go wrong with these sequences, under the volume.
function doubt(row) {
  if (!row.caution) return [];
  const tr = document.createElement('tr'), td = cell(`${row.caution[0].toUpperCase()}${row.caution.slice(1)}`);
  tr.className = 'caution';
  tr.dataset.of = row.region;
  td.colSpan = 5;
  tr.append(td);
  return [tr];
}

function list(words) { return words.length > 1 ? words.slice(0, -1).join(', ') + ' and ' + words[words.length - 1] : words[0] || ''; }

function from(value) {
  const p = $('.from');
  p.replaceChildren();
  const bold = (text) => p.append(Object.assign(document.createElement('b'), { textContent: text }));
  if (value.status === 'answer') {
    p.append('From ');
    bold(list(value.used));
    if (value.off.length) p.append(`, without ${list(value.off)}`);
    p.append(` (${value.seconds.answer.toFixed(1)} s)`);
    p.title = `Reading ${value.seconds.read} s, encoding ${value.seconds.encode} s, this answer ${value.seconds.answer} s`;
  } else if (value.status === 'asks') p.append('Not segmented.');
  else if (value.status === 'working') p.append('Not segmented yet…');
  else if (value.status === 'unavailable') p.append('No model: not segmented.');
  else if (value.status === 'reading') p.append('…');
}

function render() {
  const value = props.value;
  if (!value) { $('tbody').replaceChildren(...EMPTY.map(line)); return; }
  if (value.stamp < newest) return;
  newest = value.stamp;
  shown = value;
  stopBusy();
  root.dataset.status = value.status;
  root.dataset.stamp = value.stamp;
  root.dataset.used = (value.used || []).join();
  root.dataset.reference = String(Boolean(value.reference && (value.rows || []).length));
  $('.case').textContent = value.name || '';
  $('.case').classList.toggle('synthetic', Boolean(value.synthetic));
  $('.seen').hidden = !value.seen;
  $('.seen').textContent = value.seen || '';
  $('tbody').replaceChildren(...(value.rows && value.rows.length ? value.rows : EMPTY).flatMap((row) => [line(row), ...doubt(row)]));
  from(value);
  const changes = (value.rows || []).some((row) => 'change_ml' in row);
  $('.legend').hidden = !changes && !value.ranges;
  $('.legend').textContent = [value.ranges, changes && 'Signed: change against all sequences of the case.'].filter(Boolean).join(' ');
  root.dataset.scored = String((value.rows || []).some((row) => 'outcome' in row));
  const notes = [...(value.why ? [value.why] : []), ...(value.notes || [])];
  $('.notes').replaceChildren(...notes.map((text) => Object.assign(document.createElement('li'), { textContent: text })));
  $('.ask').hidden = value.status !== 'asks';
  $('.take').disabled = $('.keep').disabled = value.status !== 'answer';
  if (value.status === 'answer') announce(value);
  document.dispatchEvent(new CustomEvent('mckd:findings', { detail: { turn: value.turn, status: value.status } }));
  $('.model').textContent = value.model ? `Model: ${value.model[0].toLowerCase()}${value.model.slice(1)}` : '';
}

// For the tour: what was found, by keys instead of names.
function announce(value) {
  const keys = (names) => Object.keys(NAMES).filter((key) => names.includes(NAMES[key]));
  const of = (name) => Object.fromEntries(value.rows.map((row) => [row.region, row[name]]));
  document.dispatchEvent(new CustomEvent('mckd:answer', { detail: {
    turn: value.turn, name: value.name, used: keys(value.used), given: keys([...value.used, ...value.off]),
    volumes: of('volume_ml'), dice: of('dice'), cautions: of('caution'), seen: value.seen, reference: value.reference,
    seconds: value.seconds.answer, advice: value.advice,
  } }));
}

function stopBusy() { clearTimeout(busy); root.classList.remove('busy'); }

// A switch was flipped: what is shown is no longer what was asked for.
document.addEventListener('mckd:sequences', ({ detail }) => {
  if (!shown || shown.status !== 'answer') return;
  stopBusy();
  root.classList.add('busy');
  $('.from').textContent = `Segmenting from ${list(detail.on.map((key) => NAMES[key]))}…`;
});

$('.ask button').addEventListener('click', () => { $('.ask').hidden = true; trigger('accept'); });
$('.take').addEventListener('click', () => { props.value = { ...props.value, ...called() }; trigger('download'); });
$('.keep').addEventListener('click', () => document.dispatchEvent(new CustomEvent('mckd:keep')));
render();
watch('value', render);
