// ---- a page that is loaded anew shows what it showed: where one looked, how, and what was measured

const KEPT = 'mckd-view', KEEP_MS = 250;
let kept = readKept();       // until a case has come, or the visitor chose another
let keeping = 0;

function readKept() {
  try { return JSON.parse(sessionStorage.getItem(KEPT)); } catch (error) { return null; }
}
document.addEventListener('mckd:chosen', ({ detail }) => {
  if (detail.again) return;
  kept = null;
  clearTimeout(keeping);
  sessionStorage.removeItem(KEPT);
});

function keepView() {
  clearTimeout(keeping);
  keeping = setTimeout(() => {
    try { sessionStorage.setItem(KEPT, JSON.stringify({ view, measures, layout: root.dataset.layout })); } catch (error) { /* a private window */ }
  }, KEEP_MS);
}

// After `resetView`, for a case of the same shape; the numbers were the page's own.
function restoreView() {
  const { view: was, measures: lines, layout } = kept || {};
  kept = null;
  if (!was || !scene.case.sequences[was.sequence]) return;
  Object.assign(view, was, { windows: { ...view.windows, ...was.windows } });
  view.at = view.at.map((v, axis) => clamp(v, 0, scene.case.shape[axis] - 1));
  measures = lines;
  touched = true;
  if (layout) root.dataset.layout = layout;
  $('.opacity input').value = 100 * view.opacity;
  setMode(view.mode);
  showMeasures();
}

buildSequences();
fillWindow();
watch('value', receive);
queueMicrotask(receive);
