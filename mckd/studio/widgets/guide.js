// The tour knows what was answered only from what the other widgets announce. `answers` holds the
// volumes of the case that is open, by the sequences used, so that every sentence has its numbers.

const root = element.querySelector('.guide');
const $ = (selector) => root.querySelector(selector);
const KEPT = 'mckd-tour';
const NAMES = props.labels;
let step = 0, turn = 0, caseName = '', given = [], used = [], answers = {}, contributions = null;

const key = (names) => Object.keys(NAMES).filter((name) => names.includes(name)).join('+');
const without = (name) => given.filter((other) => other !== name);
const seen = (names) => answers[key(names)];
const full = () => seen(given);
const ml = (value) => `<b>${value >= 100 ? value.toFixed(0) : value.toFixed(1)} mL</b>`;
const has = (name) => given.includes(name) && given.length > 1;

// What taking sequences away did to a region, in words.
function compared(region, what, now) {
  const before = full()[region], after = now[region], change = after - before;
  if (before < 0.05 && after < 0.05) return `No ${what} was found with everything, and none is found now.`;
  if (before < 0.05) return `Of the ${what} there was none with everything; now ${ml(after)} are called so. With less to go by the model can also invent.${now.cautions[region] ? ` Known of these sequences: ${now.cautions[region]}.` : ''}`;
  const share = Math.round((100 * Math.abs(change)) / before);
  const told = now.cautions[region] ? ` From these sequences that is <b>${now.cautions[region]}</b>.` : '';
  if (share < 5) return `The ${what} hardly changes: ${ml(before)} before, ${ml(after)} now.${told}`;
  return `The ${what} goes from ${ml(before)} to ${ml(after)}, ${share} % ${change < 0 ? 'less' : 'more'}.${told}`;
}

// A volume may stay as it was and lie elsewhere: where there is a reference, it tells.
function dice(region, now) {
  const before = full().dice[region], after = now.dice[region];
  if (!now.reference) return ' There is no reference: more or less is neither right nor wrong by itself.';
  if (typeof before !== 'number' || typeof after !== 'number') return '';
  return ` Its overlap with the reference (Dice) was <b>${before.toFixed(2)}</b> and is <b>${after.toFixed(2)}</b>${now.seen ? ` (${now.seen}: no measure of new cases)` : ''}.`;
}

const taking = (name, region, what, why) => ({
  title: `Take ${NAMES[name]} away`,
  fits: () => has(name),
  ready: () => Boolean(full() && seen(without(name))),
  text: () => {
    if (!full()) return 'First all sequences have to be on, so that there is something to compare with.';
    const now = seen(without(name));
    return now ? `${compared(region, what, now)}${dice(region, now)} ${why.after}` : why.before;
  },
  act: () => (seen(without(name)) && key(used) === key(without(name)) ? null
    : full() ? [`Switch ${NAMES[name]} off`, () => use(without(name))] : ['Switch all on', () => use(given)]),
});

const STEPS = [
  {
    title: 'Choose a case',
    ready: () => Boolean(turn && full()),
    text: () => (turn ? (full() ? `${caseName} is open and segmented.` : 'The case is being read and segmented…')
      : 'Open one of the bundled cases, which are synthetic, or drop NIfTI files of your own.'),
    act: () => (turn ? null : ['Open the first case', () => say('mckd:open', {})]),
  },
  {
    title: 'The full protocol',
    ready: () => Boolean(full()),
    text: () => (full()
      ? `From ${given.map((name) => NAMES[name]).join(', ')} the model finds ${ml(full().wt)} whole tumour, of it ${ml(full().tc)} core and ${ml(full().et)} enhancing.${full().seen ? ` The case was ${full().seen}, so its scores are no measure of new cases.` : ''} Scroll through the slices; keys 1 to 4 change the sequence behind the outlines.`
      : 'Switch on everything that the case has.'),
    act: () => (turn && key(used) !== key(given) ? ['Switch all on', () => use(given)] : null),
  },
  taking('t1c', 'et', 'enhancing tumour', {
    before: 'No contrast agent: kidney disease, pregnancy, or a vein that was not found. What shines only with contrast should now be hard to see.',
    after: 'Look at the rim: what is still called enhancing is a guess from the other sequences.',
  }),
  taking('flair', 'wt', 'whole tumour', {
    before: 'FLAIR shows oedema with the fluid around it dark. Without it T2 has to do, where fluid is as bright.',
    after: 'Look at the outer edge, next to ventricles and sulci.',
  }),
  {
    title: 'One sequence alone',
    fits: () => given.length > 1,
    ready: () => given.some((name) => seen([name])),
    text: () => {
      const alone = used.length === 1 ? used[0] : given.find((name) => seen([name]));
      if (!alone || !seen([alone])) return 'A single sequence is all there is, as after a scan that was broken off. Which one would you keep?';
      return full() ? `From ${NAMES[alone]} alone: ${compared('wt', 'whole tumour', seen([alone]))}${dice('wt', seen([alone]))} ${compared('et', 'enhancing tumour', seen([alone]))}${dice('et', seen([alone]))} Try the others too.` : '';
    },
    act: () => {
      const next = given.find((name) => !seen([name]));
      return next ? [`Only ${NAMES[next]}`, () => use([next])] : null;
    },
  },
  {
    title: 'What the result depends on',
    ready: () => Boolean(contributions),
    text: () => (contributions || 'The Compare tab works out all subsets and shares the result among the sequences: by how much each changes it on average, whichever others are there (Shapley value). More volume is no merit.'),
    act: () => (contributions ? null : ['Compare all subsets', () => tab('Compare')]),
  },
  {
    title: 'Take it home',
    ready: () => true,
    text: () => 'The report has the key slices, the table of all subsets and what each sequence contributed; the archive has the masks as NIfTI on your own grid, the figures as CSV and JSON, and a manifest.',
    act: () => ['Show the exports', () => tab('Compare', '#compare-exports')],
  },
];
const path = () => STEPS.filter((one) => !one.fits || !turn || one.fits());

function say(name, detail) { document.dispatchEvent(new CustomEvent(name, { detail })); }
function use(names) { tab('Brain tumours'); say('mckd:use', { on: names }); }
function tab(name, target) {
  const button = [...document.querySelectorAll('#tabs button[role="tab"]')].find((one) => one.textContent.trim() === name);
  if (button && button.getAttribute('aria-selected') !== 'true') button.click();
  if (target) setTimeout(() => { const box = document.querySelector(target); if (box) box.scrollIntoView({ block: 'center' }); }, 300);
}

function keep(open) {
  try { localStorage.setItem(KEPT, JSON.stringify({ open, step })); } catch (error) { /* a private window */ }
}
function kept() {
  try { return JSON.parse(localStorage.getItem(KEPT)) || {}; } catch (error) { return {}; }
}

function render() {
  const steps = path();
  step = Math.min(Math.max(0, step), steps.length - 1);
  const now = steps[step], act = now.act(), open = root.dataset.open === 'true';
  $('.start').hidden = open;
  $('.panel').hidden = !open;
  $('.start').firstChild.textContent = step ? 'Resume the tour ' : 'Guided tour ';
  if (!open) return;
  $('.dots').replaceChildren(...steps.map((_, place) => Object.assign(document.createElement('li'), { className: place <= step ? 'done' : '' })));
  $('.where').textContent = `Step ${step + 1} of ${steps.length}`;
  $('h2').textContent = now.title;
  $('.look').innerHTML = now.text();   // our own words and numbers; names of cases are escaped
  $('.act').hidden = !act;
  if (act) $('.act').textContent = act[0];
  $('.back').disabled = step === 0;
  $('.next').textContent = step === steps.length - 1 ? 'Finish' : 'Next';
  $('.next').classList.toggle('ready', now.ready() && !act);
}

function go(by) {
  if (step + by >= path().length) { step = 0; leave(); return; }
  step += by;
  keep(true);
  render();
  $('h2').focus({ preventScroll: true });
}
function leave() {
  root.dataset.open = 'false';
  keep(false);
  render();
  $('.start').focus({ preventScroll: true });
}

$('.start').addEventListener('click', () => { root.dataset.open = 'true'; keep(true); render(); $('h2').focus({ preventScroll: true }); });
$('.leave').addEventListener('click', leave);
$('.back').addEventListener('click', () => go(-1));
$('.next').addEventListener('click', () => go(1));
$('.act').addEventListener('click', () => { const act = path()[step].act(); if (act) act[1](); });
root.addEventListener('keydown', (event) => { if (event.key === 'Escape') leave(); });

function escaped(text) { return Object.assign(document.createElement('i'), { textContent: text }).innerHTML; }

// detail: {turn, name, given, used: [key], volumes: {et, tc, wt} in mL, dice: the same, if known,
// cautions: words for those that are not reliable, seen: words if the model learned from the case, reference}
document.addEventListener('mckd:answer', ({ detail }) => {
  if (detail.turn !== turn) { answers = {}; contributions = null; }
  ({ turn, given, used } = detail);
  caseName = escaped(detail.name);
  const { volumes, dice, cautions, seen, reference } = detail;
  answers[key(used)] = { ...volumes, dice, cautions, seen, reference };   // the scores come a moment later
  render();
});
document.addEventListener('mckd:closed', () => { turn = 0; answers = {}; contributions = null; render(); });
document.addEventListener('mckd:contributions', ({ detail }) => { contributions = escaped(detail.sentence); render(); });

({ step = 0 } = kept());
if (!Number.isInteger(step)) step = 0;
root.dataset.open = String(Boolean(kept().open));
render();
