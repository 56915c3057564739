// The series of the examination that is open, what each is used as, and a look at the preparation.

const root = element.querySelector('.study');
const $ = (selector) => root.querySelector(selector);
let turn = -1, settled = false;
let wanted = {};              // {key: slot} as the visitor has it
let mode = 'swipe';

const make = (tag, fields, ...children) => {
  const node = Object.assign(document.createElement(tag), fields);
  node.append(...children);
  return node;
};
let shown = {};               // what the server told last: the value itself may be what it is asked
const value = () => shown;
const selects = () => [...root.querySelectorAll('tbody select')];
const changed = () => value().series.some(({ key, slot }) => wanted[key] !== slot);

function render() {
  if (props.value && (props.value.wish || props.value.kind)) return;
  shown = props.value || {};
  const { series } = shown;
  root.hidden = !series;
  if (!series) return;
  if (value().turn !== turn) {
    turn = value().turn;
    settled = false;
    wanted = Object.fromEntries(series.map(({ key, slot }) => [key, slot]));
    fold('checks', false);
    fold('series', true);
  }
  if (value().prepared && !settled) {          // what is done needs no more looking after
    settled = true;
    fold('series', series.some(({ sure, doubt }) => !sure || doubt));
    fold('checks', value().steps.some(({ trouble }) => trouble));
  }
  const used = series.filter(({ slot }) => slot).length;
  $('.told').textContent = `${series.length} series${value().aside.length ? `, ${value().aside.length} more set aside` : ''}; ${used} used.${value().untouched ? ' Prepared already: taken as they are.' : ''}${value().days.length > 1 ? ` ${value().days.length} examinations in these files.` : ''}`;
  $('.asks').textContent = value().asks || '';
  showWhich();
  showSeries();
  showAside();
  showChecks();
  for (const button of root.querySelectorAll('.get')) button.hidden = !value().kinds.includes(button.dataset.kind);
}

function showSeries() {
  const had = root.contains(document.activeElement) ? document.activeElement : null, held = selects().indexOf(had);
  const slots = Object.values(wanted);
  $('tbody').replaceChildren(...value().series.map((one) => {
    const slot = wanted[one.key], select = make('select', {}, ...[...Object.entries(props.labels), ['', 'Not used']].map(([key, text]) => new Option(text, key, false, key === slot)));
    select.setAttribute('aria-label', `What ${one.name} is used as`);
    select.addEventListener('change', () => { wanted[one.key] = select.value; showSeries(); });
    const twice = slot && slots.filter((other) => other === slot).length > 1;
    const why = make('td', { className: 'why', textContent: one.why });
    if (one.doubt) why.append(make('span', { className: 'doubt', textContent: one.doubt }));
    return make('tr', { className: twice ? 'used twice' : slot ? 'used' : one.sure ? '' : 'asks' },
      make('td', { className: 'name' }, make('span', {}, ...(one.picture ? [make('img', { src: one.picture.url, alt: '' })] : []), one.name)),
      make('td', { className: 'number', textContent: `${one.slices} ${one.plane}` }), make('td', { className: 'number', textContent: one.spacing }),
      make('td', {}, select), why);
  }));
  const twice = slots.some((slot, place) => slot && slots.indexOf(slot) !== place);
  const anew = changed() || $('.reference select').value !== '' || !value().prepared;
  $('.stop').hidden = !value().busy;
  $('.again').hidden = value().busy || !anew;
  $('.again').disabled = twice || !slots.some(Boolean);
  $('.again').title = twice ? 'Two series are used as the same sequence' : '';
  $('.again').textContent = value().prepared ? 'Prepare again' : 'Prepare these';
  $('.reference').hidden = value().busy || value().untouched || slots.filter(Boolean).length < 2;
  const chosen = $('.reference select').value, keys = Object.keys(props.labels).filter((slot) => slots.includes(slot));
  $('.reference select').replaceChildren(new Option('the best of them', ''), ...keys.map((slot) => new Option(props.labels[slot], slot, false, slot === chosen)));
  if (had) keepFocus(selects()[held] || had, $('.stop'), $('.again'), $('.fold'));
}
$('.reference select').addEventListener('change', showSeries);

function showWhich() {
  const { busy, days, study } = value();
  $('.which').hidden = busy || days.length < 2;
  $('.which select').replaceChildren(...days.map((day, number) => new Option(`${number + 1} of ${days.length}${day ? `, ${day}` : ''}${number || !day ? '' : ' (newest)'}`, number, false, number === study)));
  $('.read').disabled = true;
}
$('.which select').addEventListener('change', ({ target }) => { $('.read').disabled = Number(target.value) === value().study; });   // arrow keys pass many
$('.read').addEventListener('click', () => ask({ study: Number($('.which select').value), slots: {}, reference: '' }));
$('.stop').addEventListener('click', () => trigger('stop'));
$('.again').addEventListener('click', () => {
  const slots = Object.fromEntries(Object.entries(wanted).filter(([, slot]) => slot).map(([key, slot]) => [slot, key]));
  ask({ study: value().study, slots, reference: $('.reference select').value });
});
function ask(wish) {
  props.value = { turn, wish };
  trigger('prepare');
}

function showAside() {
  const { aside } = value();
  $('.aside').hidden = !aside.length;
  $('.aside summary').textContent = `${aside.length} set aside`;
  $('.aside ul').replaceChildren(...aside.map(([name, why]) => make('li', {}, make('b', { textContent: name }), `: ${why}`)));
}

function showChecks() {
  const { checks, steps } = value();
  $('[data-of=checks]').hidden = !checks && !steps.length;
  $('.steps').replaceChildren(...steps.map(({ slot, said, trouble }) => make('li', { className: trouble ? 'trouble' : '', textContent: `${slot ? `${slot}: ` : ''}${said}${trouble ? ` ${trouble}` : ''}` })));
  if (!checks) return void $('.tiles').replaceChildren();
  const slots = Object.keys(checks.sheets), options = () => slots.map((slot) => new Option(props.labels[slot], slot));
  for (const [name, place] of [['.front', 0], ['.back', 1]]) {
    const select = $(`select${name}`), before = select.value;
    select.replaceChildren(...options());
    select.value = slots.includes(before) ? before : slots[Math.min(place, slots.length - 1)];
  }
  const count = checks.planes.length;
  $('.tiles').replaceChildren(...checks.planes.map((plane, place) => {
    const tile = make('div', { className: 'tile' }, make('i', { className: 'back' }), make('i', { className: 'front' }), make('b', {}), make('i', { className: 'outline' }), make('small', { textContent: plane }));
    tile.style.setProperty('--at', `${count > 1 ? (100 * place) / (count - 1) : 0}%`);
    return tile;
  }));
  lay();
}

// What lies over what, and where the line is.
function lay() {
  const { checks } = value();
  if (!checks) return;
  const sheet = (name) => `url(${checks.sheets[$(`select${name}`).value].url})`, tiles = $('.tiles'), alone = $('select.front').value === $('select.back').value;
  tiles.className = `tiles ${mode}${alone ? ' alone' : ''}`;
  tiles.style.setProperty('--line', `${$('.where input').value}%`);
  for (const part of ['front', 'back']) tiles.querySelectorAll(`i.${part}`).forEach((node) => { node.style.backgroundImage = sheet(`.${part}`); });
  tiles.querySelectorAll('i.outline').forEach((node) => { node.style.backgroundImage = $('.line').checked ? `url(${checks.outline.url})` : 'none'; });
  for (const button of root.querySelectorAll('[data-mode]')) button.setAttribute('aria-pressed', String(button.dataset.mode === mode));
  $('.where').hidden = mode !== 'swipe' || alone;
  $('.modes').hidden = alone;
}
for (const input of root.querySelectorAll('.checks select, .checks input')) input.addEventListener('input', lay);
for (const button of root.querySelectorAll('[data-mode]')) button.addEventListener('click', () => { mode = button.dataset.mode; lay(); });

function fold(part, open) {
  $(`.${part}`).hidden = !open;
  $(part === 'checks' ? '[data-of=checks]' : '.fold').setAttribute('aria-expanded', String(open));
}
for (const button of root.querySelectorAll('.fold')) button.addEventListener('click', () => fold(button.dataset.of || 'series', button.getAttribute('aria-expanded') !== 'true'));

for (const button of root.querySelectorAll('.get')) {
  button.addEventListener('click', () => {
    props.value = { turn, kind: button.dataset.kind };
    trigger('download');
  });
}

render();
watch('value', render);
