// What a step of the tour waits for, in words: Next says so and stays shut until then.

const ALL_ON = 'All sequences have to be on, so that there is something to compare with.';
const OPEN_FIRST = ['Open the first case', () => say('mckd:open', {})];
let status = '';           // of the findings: reading, working, answer, asks, unavailable, problem
let stage = null;          // {text, fraction}: what is done with the case, while it is being opened
let pending = null;        // the sequences that were switched on and not answered yet
let began = 0;             // when the stage or the pending answer began, ms
let took = 0;              // seconds that the last answer needed
let table = { state: 'empty' };   // of the Compare tab, see subsets.js
let unable = false;        // there is no model
let clock = 0;

const busy = () => Boolean(turn && (stage || pending || ['reading', 'working'].includes(status)));

function waits(now) {
  if (!turn) return 'Open a case to go on.';
  if (status === 'problem') return 'This case could not be opened or segmented. Choose another one to go on.';
  if (status === 'asks') return 'The model was not trained on images like these. Press "Segment all the same" beside them to go on, or choose another case.';
  if (busy()) return `${stage ? stage.text.replace(/…$/, '') : 'The model is segmenting'}${left()}`;
  return now.ready() ? '' : now.wait();
}

function compareWaits() {
  if (table.state === 'problem') return 'The comparison failed. Press "Compare again" above the table to go on.';
  if (table.state !== 'running') return 'Compare all subsets to go on.';
  const seconds = table.left_s ? `; about ${Math.max(1, Math.round(table.left_s))} s left` : '';
  return `The model is comparing: ${table.done || 0} of ${table.total} subsets${seconds}`;
}

// By the share that is done, or as long as the last answer took.
function left() {
  const elapsed = (performance.now() - began) / 1000, fraction = stage && stage.fraction;
  const seconds = fraction > 0.05 ? elapsed * (1 / fraction - 1) : pending && took ? took - elapsed : 0;
  return seconds > 0 ? `; about ${Math.max(1, Math.round(seconds))} s left` : '';
}

function follow() {
  clearInterval(clock);
  if (busy()) clock = setInterval(render, 1000);
}

function forget() {
  [status, stage, pending, took, unable] = ['', null, null, 0, false];
  table = { state: 'empty' };
}

function answered({ used: keys, seconds }) {
  took = seconds;
  if (pending && key(pending) === key(keys)) pending = null;
  follow();
}

document.addEventListener('mckd:case', ({ detail }) => {
  const text = detail.stage || '';
  begin(text || detail.ready || detail.problem ? detail.turn : 0);
  if (!stage || stage.text !== text) began = performance.now();
  stage = text ? { text, fraction: detail.fraction } : null;
  if (detail.problem) status = 'problem';
  follow();
  render();
});
document.addEventListener('mckd:findings', ({ detail }) => {
  if (detail.turn < turn) return;
  begin(detail.turn);
  status = detail.status;
  unable = status === 'unavailable';
  if (status === 'problem') pending = stage = null;
  follow();
  render();
});
document.addEventListener('mckd:sequences', ({ detail }) => {
  if (detail.turn !== turn) return;
  pending = detail.on;
  began = performance.now();
  follow();
  render();
});
document.addEventListener('mckd:table', ({ detail }) => { table = detail; render(); });

new ResizeObserver(() => {   // the page leaves as much room below
  const docked = getComputedStyle($('.panel')).position === 'fixed';
  document.documentElement.style.setProperty('--mk-dock', `${docked ? $('.panel').offsetHeight : 0}px`);
}).observe($('.panel'));
render();
