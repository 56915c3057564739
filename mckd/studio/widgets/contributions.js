const root = element.querySelector('.contributions');
const $ = (selector) => root.querySelector(selector);
let region = 'wt';
let newest = 0;            // stamp of what is on screen

const make = (tag, className = '', text = '') => Object.assign(document.createElement(tag), { className, textContent: text });
const ml = (v) => (v < 0 ? '−' : '') + Math.abs(v).toFixed(Math.abs(v) >= 100 ? 0 : 1);
const share = (v) => (v < 0 ? '−' : '') + Math.abs(v).toFixed(3);

// A number with its bar; low and high: the ends of the scale, which holds 0.
function cell(value, spell, [low, high], className) {
  const td = make('td', className, spell(value)), bar = make('span', 'bar'), fill = make('i', value < 0 ? 'less' : '');
  const place = (v) => (100 * (v - low)) / (high - low || 1);
  bar.style.setProperty('--zero', `${place(0)}%`);
  fill.style.setProperty('--from', `${place(Math.min(0, value))}%`);
  fill.style.setProperty('--wide', `${Math.abs(place(value) - place(0))}%`);
  bar.append(fill);
  td.append(bar);
  return td;
}
const scaleOf = (values) => [Math.min(0, ...values), Math.max(0, ...values)];
const sum = (values) => values.reduce((a, b) => a + b, 0);

function render() {
  const value = props.value, found = value && value.regions[region];
  if (!value || value.stamp < newest) return;
  newest = value.stamp;
  root.hidden = value.state === 'none';
  root.dataset.state = value.state;
  root.dataset.region = region;
  if (!found) return;
  root.dataset.dice = String(Boolean(found.dice));
  for (const button of root.querySelectorAll('.pick button')) button.setAttribute('aria-pressed', String(button.dataset.region === region));
  $('.sentence').textContent = found.sentence;
  document.dispatchEvent(new CustomEvent('mckd:contributions', { detail: { sentence: found.sentence } }));
  $('.meaning').textContent = value.meaning;
  $('thead .dice small').textContent = value.seen || 'this case';
  const volumes = Object.values(found.volume_ml), dices = Object.values(found.dice || {}), weights = value.importance;
  const scales = [scaleOf(volumes), scaleOf(dices), [0, 1]];
  $('tbody').replaceChildren(...Object.entries(props.labels).map(([key, name]) => {
    const tr = make('tr'), th = make('th', '', name), given = key in found.volume_ml;
    tr.dataset.sequence = key;
    th.scope = 'row';
    tr.append(th, given ? cell(found.volume_ml[key], ml, scales[0], 'volume') : make('td', 'absent', 'not in case'));
    tr.append(found.dice && given ? cell(found.dice[key], share, scales[1], 'dice') : make('td', 'dice absent', '–'));
    tr.append(key in weights ? cell(weights[key], (v) => v.toFixed(2), scales[2], 'iwv') : make('td', 'absent', '–'));
    return tr;
  }));
  const total = make('tr'), th = make('th', '', 'All');
  th.scope = 'row';
  total.append(th, make('td', 'volume', ml(sum(volumes))), make('td', 'dice', found.dice ? share(sum(dices)) : '–'), make('td'));
  $('tfoot').replaceChildren(total);
  document.dispatchEvent(new CustomEvent('mckd:contributions', { detail: { sentence: found.sentence } }));
}

$('.pick').addEventListener('click', ({ target }) => {
  if (target.dataset.region) document.dispatchEvent(new CustomEvent('mckd:region', { detail: { region: target.dataset.region } }));
});
document.addEventListener('mckd:region', ({ detail }) => { region = detail.region; render(); });
document.addEventListener('mckd:case', ({ detail }) => { if (props.value && detail.turn !== props.value.turn) root.hidden = true; });
watch('value', render);
render();
