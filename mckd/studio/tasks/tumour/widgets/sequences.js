const root = element.querySelector('.sequences');
const $ = (selector) => root.querySelector(selector);
let turn = -1;             // of the case the switches belong to
let on = [];
let given = [];
const KEPT = 'mckd-on';
let kept = readKept();     // as they were before the page was loaded anew, for its first case

function readKept() {
  try { return JSON.parse(sessionStorage.getItem(KEPT)); } catch (error) { return null; }
}
function keep(value) {
  try { sessionStorage.setItem(KEPT, JSON.stringify(value)); } catch (error) { /* a private window */ }
}
document.addEventListener('mckd:chosen', ({ detail }) => { if (!detail.again) { kept = null; keep(null); } });

function render() {
  const value = props.value || {}, weights = value.importance || {};
  if (value.turn !== undefined && value.turn !== turn) {
    turn = value.turn;
    given = value.given || [];
    on = [...given];
    const before = given.filter((key) => (kept || []).includes(key));
    if (turn > 0) kept = null;
    if (before.length && before.length < given.length) queueMicrotask(() => { ask(before); render(); });
    $('.tell').textContent = '';
    advise('');
  }
  for (const told of root.querySelectorAll('.learned')) told.hidden = !Object.keys(weights).length;
  $('ul').replaceChildren(...Object.entries(props.labels).map(([key, name]) => {
    const row = document.createElement('li'), here = given.includes(key);
    row.className = on.includes(key) ? '' : 'off';
    row.innerHTML = '<label><input type="checkbox" role="switch"><span class="name"></span></label>';
    row.querySelector('.name').textContent = name;
    const box = row.querySelector('input');
    box.checked = on.includes(key);
    box.disabled = !here;
    box.dataset.sequence = key;
    box.setAttribute('aria-label', `The model may use ${name}`);
    box.addEventListener('change', () => flip(key, box));
    if (turn > 0 && !here) {
      row.classList.add('absent');
      row.append(Object.assign(document.createElement('span'), { className: 'why', textContent: 'not in this case' }));
    } else if (key in weights) {
      const meter = document.createElement('span');
      meter.className = 'meter';
      meter.title = `Importance weight (IWV) ${weights[key].toFixed(3)} of 1: learned once in training, for all cases`;
      meter.innerHTML = '<i></i>';
      meter.firstChild.style.width = `${100 * weights[key]}%`;
      row.append(meter, Object.assign(document.createElement('span'), { className: 'weight', textContent: weights[key].toFixed(2) }));
    }
    return row;
  }));
}

function flip(key, box) {
  const next = box.checked ? given.filter((k) => on.includes(k) || k === key) : on.filter((k) => k !== key);
  if (!next.length) {
    box.checked = true;
    $('.tell').textContent = 'One sequence has to stay on.';
    return;
  }
  box.closest('li').classList.toggle('off', !box.checked);
  ask(next);
}

function ask(next) {
  on = next;
  keep(on);
  $('.tell').textContent = '';
  advise('');
  document.dispatchEvent(new CustomEvent('mckd:sequences', { detail: { turn, on: [...on] } }));
  props.value = { ...props.value, on: [...on] };
  trigger('input');
}

// Which sequence next: comes with the answer from those that are on.
function advise(text) {
  $('.advice').hidden = !text;
  $('.advice').textContent = text && `Next: ${text}`;
}
document.addEventListener('mckd:answer', ({ detail }) => { if (detail.turn === turn) advise(detail.advice); });

// The tour flips switches too.
document.addEventListener('mckd:use', ({ detail }) => {
  const next = given.filter((key) => detail.on.includes(key));
  if (!next.length) return;
  ask(next);
  render();
});

render();
watch('value', () => {
  const value = props.value, same = value && value.turn === turn;
  if (same && value.on) return;                            // our own
  render();
  if (same) props.value = { ...value, on: [...on] };       // the server tells of the case, not of the switches
});
