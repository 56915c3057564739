// The tour knows what was answered only from what the other widgets announce. `answers` holds the
// volumes of the case that is open, by the sequences used, so that every sentence has its numbers.
// What a step waits for is in guide.waits.js.

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
  wait: () => (full() ? `Switch ${NAMES[name]} off to go on.` : ALL_ON),
  text: () => {
    if (!full()) return why.before;
    const now = seen(without(name));
    return now ? `${compared(region, what, now)}${dice(region, now)} ${why.after}` : why.before;
  },
  act: () => (seen(without(name)) && key(used) === key(without(name)) ? null
    : full() ? [`Switch ${NAMES[name]} off`, () => use(without(name))] : ['Switch all on', () => use(given)]),
});

const STEPS = [
  {
    title: 'Choose a case',
    ready: () => Boolean(full()),
    wait: () => ALL_ON,
    text: () => (full() ? `${caseName} is open and segmented.`
      : turn ? 'Its images can be looked at as soon as they are there.'
      : 'Open one of the bundled cases, which are synthetic, or drop NIfTI files of your own.'),
    act: () => (full() || !given.length ? null : ['Switch all on', () => use(given)]),
  },
  {
    title: 'The full protocol',
    ready: () => Boolean(full()),
    wait: () => ALL_ON,
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
    ready: () => Boolean(full()) && given.some((name) => seen([name])),
    wait: () => (full() ? 'Leave one sequence on to go on.' : ALL_ON),
    text: () => {
      const alone = used.length === 1 ? used[0] : given.find((name) => seen([name]));
      if (!full() || !alone || !seen([alone])) return 'A single sequence is all there is, as after a scan that was broken off. Which one would you keep?';
      return `From ${NAMES[alone]} alone: ${compared('wt', 'whole tumour', seen([alone]))}${dice('wt', seen([alone]))} ${compared('et', 'enhancing tumour', seen([alone]))}${dice('et', seen([alone]))} Try the others too.`;
    },
    act: () => {
      if (!full()) return ['Switch all on', () => use(given)];
      const next = given.find((name) => !seen([name]));
      return next ? [`Only ${NAMES[next]}`, () => use([next])] : null;
    },
  },
  {
    title: 'What the result depends on',
    ready: () => Boolean(contributions),
    wait: () => compareWaits(),
    text: () => (contributions || 'The Compare tab works out all subsets and shares the result among the sequences: by how much each changes it on average, whichever others are there (Shapley value). More volume is no merit.'),
    act: () => (contributions || table.state === 'running' ? null : ['Compare all subsets', () => tab('Compare')]),
  },
  {
    title: 'Take it home',
    ready: () => true,
    wait: () => '',
    text: () => 'The report has the key slices, the table of all subsets and what each sequence contributed; the archive has the masks as NIfTI on your own grid, the figures as CSV and JSON, and a manifest.',
    act: () => ['Show the exports', () => tab('Compare', '#compare-exports')],
  },
];
// Where no model is, there is only something to look at.
const WITHOUT_MODEL = [
  {
    title: 'Only to look at',
    ready: () => true,
    wait: () => '',
    text: () => 'There is no model here, so nothing can be segmented, and the rest of this tour needs that. You can look at the case: scroll through its slices; keys 1 to 4 change the sequence.',
    act: () => null,
  },
];
const path = () => (unable ? WITHOUT_MODEL : STEPS.filter((one) => !one.fits || !given.length || one.fits()));

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

const actOf = (now) => (turn && status !== 'problem' ? !busy() && now.act() : OPEN_FIRST);
function render() {
  const steps = path();
  step = Math.min(Math.max(0, step), steps.length - 1);
  const now = steps[step], wait = waits(now), open = root.dataset.open === 'true';
  const act = actOf(now);
  $('.start').hidden = open;
  $('.panel').hidden = !open;
  $('.start').firstChild.textContent = step ? 'Resume the tour ' : 'Guided tour ';
  if (!open) return;
  const last = step === steps.length - 1, had = $('.panel').contains(document.activeElement);
  $('.dots').replaceChildren(...steps.map((_, place) => Object.assign(document.createElement('li'), { className: place <= step ? 'done' : '' })));
  $('.where').textContent = `Step ${step + 1} of ${steps.length}`;
  $('h2').textContent = now.title;
  const words = now.text();
  if ($('.look').dataset.words !== words) {     // it is read out when it changes
    $('.look').innerHTML = words;   // our own words and numbers; names of cases are escaped
    $('.look').dataset.words = words;
  }
  $('.wait').hidden = !wait;
  $('.wait span').textContent = wait;
  $('.wait').classList.toggle('busy', busy());
  $('.act').hidden = !act;
  if (act) $('.act').textContent = act[0];
  $('.back').disabled = step === 0;
  $('.next').textContent = last ? 'Finish' : 'Next';
  $('.next').disabled = Boolean(wait);
  $('.next').title = wait;
  $('.next').classList.toggle('ready', !wait);
  if (had && (document.activeElement.hidden || document.activeElement.disabled)) $('h2').focus({ preventScroll: true });
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
$('.act').addEventListener('click', () => { const act = actOf(path()[step]); if (act) act[1](); });
root.addEventListener('keydown', (event) => { if (event.key === 'Escape') leave(); });

function escaped(text) { return Object.assign(document.createElement('i'), { textContent: text }).innerHTML; }

// detail: {turn, name, given, used: [key], volumes: {et, tc, wt} in mL, dice: the same, if known,
// cautions: words for those that are not reliable, seen: words if the model learned from the case, reference}
document.addEventListener('mckd:answer', ({ detail }) => {
  begin(detail.turn);
  ({ given, used } = detail);
  caseName = escaped(detail.name);
  const { volumes, dice, cautions, seen, reference } = detail;
  answers[key(used)] = { ...volumes, dice, cautions, seen, reference };   // the scores come a moment later
  answered(detail);
  render();
});
document.addEventListener('mckd:contributions', ({ detail }) => { contributions = escaped(detail.sentence); render(); });

// Another case: what is known is of the one before.
function begin(next) {
  if (next === turn) return;
  turn = next;
  given = [];
  used = [];
  answers = {};
  contributions = null;
  forget();
}

({ step = 0 } = kept());
if (!Number.isInteger(step)) step = 0;
root.dataset.open = String(Boolean(kept().open));
