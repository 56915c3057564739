// Window: which values are black and which are white, as width and level.
//
// Presets come from the values of the brain, all that is not empty around it. `Tumour` shows the
// half in which tumours stand out: the bright one, in T1 the dark one.

const PRESETS = {   // shares of the brain's voxels below black and below white; Auto: as it came
  auto: { name: 'Auto' },
  brain: { name: 'Brain', shares: () => [0.02, 0.95] },
  tumour: { name: 'Tumour', shares: () => (view.sequence === 't1' ? [0.001, 0.6] : [0.4, 0.999]) },
  full: { name: 'Full', shares: () => [0, 1] },
};
const WINDOW_STEP = 0.05;   // of the first width, for a press of an arrow

const counted = new WeakMap();   // volume: how often each byte is in the brain
function countsOf(volume) {
  if (!counted.has(volume)) {
    const { low, step } = current(), counts = new Float64Array(256);
    for (let at = 0; at < volume.length; at++) counts[volume[at]]++;
    counts[clamp(Math.round(-low / step), 0, 255)] = 0;   // what is empty
    counted.set(volume, counts);
  }
  return counted.get(volume);
}

// The value that this share of the brain's voxels does not exceed.
function valueAt(counts, share) {
  const { low, step } = current(), whole = counts.reduce((sum, count) => sum + count, 0);
  let byte = counts.findIndex(Boolean);
  for (let sum = counts[byte]; sum < share * whole && byte < 255;) sum += counts[++byte];
  return low + step * byte;
}

function presetWindow(key) {
  const { shares } = PRESETS[key], { step, window } = current(), volume = volumes[view.sequence];
  if (!shares || !volume) return [...window];
  const [dark, white] = shares().map((share) => valueAt(countsOf(volume), share));
  return [dark, Math.max(white, dark + step)];
}

function setWindow(dark, white) {
  view.windows[view.sequence] = [dark, Math.max(white, dark + current().step)];
  redraw();
}
function usePreset(key) {
  if (scene && scene.case) setWindow(...presetWindow(key));
}
function presetInUse() {
  const shown = view.windows[view.sequence].join();
  return Object.keys(PRESETS).find((key) => presetWindow(key).join() === shown) || '';
}
function nextPreset() {
  const keys = Object.keys(PRESETS), shown = presetInUse();
  usePreset(keys[(keys.indexOf(shown) + 1) % keys.length]);
}

// By hand: dx changes the width, dy the level, in pixels of a drag; up is brighter.
function windowBy(dx, dy) {
  const { step: unit, window: [dark, white] } = current(), range = Math.max(white - dark, unit);
  const [low, high] = view.windows[view.sequence];
  const level = (low + high) / 2 + (dy / 350) * range;
  const width = clamp((high - low) * Math.exp(dx / 250), unit, range * 20);
  setWindow(level - width / 2, level + width / 2);
}
function windowByKey(wider, brighter) {
  const { step: unit, window: [dark, white] } = current(), by = Math.max((white - dark) * WINDOW_STEP, unit);
  const [low, high] = view.windows[view.sequence];
  setWindow(low - (brighter + wider) * by, high - (brighter - wider) * by);
}

// ---- the numbers beside the picture

function fillWindow() {
  $('.readout .window dd').innerHTML = `<label title="Width: from black to white">W <input type="number" class="width" step="any" aria-label="Window width"></label>
    <label title="Level: the middle">L <input type="number" class="level" step="any" aria-label="Window level"></label>
    <select aria-label="Window preset" title="Window preset (L)"><option value="" hidden>Own</option>${Object.entries(PRESETS).map(([key, { name }]) => `<option value="${key}">${name}</option>`).join('')}</select>`;
  const field = (name) => $(`.readout .window ${name}`);
  const read = () => {
    const [width, level] = [field('.width').valueAsNumber, field('.level').valueAsNumber];
    if (scene && scene.case && width > 0 && Number.isFinite(level)) setWindow(level - width / 2, level + width / 2);
  };
  for (const name of ['.width', '.level']) field(name).addEventListener('change', read);
  field('select').addEventListener('change', ({ target }) => usePreset(target.value));
}

function showWindow() {
  const [dark, white] = view.windows[view.sequence], field = (name) => $(`.readout .window ${name}`);
  const tidy = (value) => Number(value.toPrecision(4));
  for (const [name, value] of [['.width', white - dark], ['.level', (dark + white) / 2]]) {
    if (field(name) !== document.activeElement) field(name).value = tidy(value);
  }
  field('select').value = presetInUse();
}
