// ---- probability and uncertainty of one region over the planes, fetched only when they are looked at

const maps = { asked: 0, of: 0, calibrated: false, bytes: null, key: '', spread: null };
Object.assign(view, { look: 'regions', mapped: 'wt' });

const isMap = () => view.look in MAPS;
const mapsAreHere = () => Boolean(labels && scene.labels && maps.of === scene.labels.stamp);
// The regions on screen: of a map the one that it is of.
const onScreen = () => (isMap() ? { [view.mapped]: true } : view.visible);

function forgetMaps() {
  Object.assign(maps, { asked: 0, of: 0, bytes: null, key: '', spread: null });
}

function showLook(look) {
  view.look = look;
  view.overlay = true;
  redraw();
}
function nextLook() {
  const all = ['regions', ...Object.keys(MAPS)];
  showLook(all[(all.indexOf(view.look) + 1) % all.length]);
}

// ---- from Python: gzip of start and size of a box, then its voxels, a byte each, ET, TC, WT

async function takeMaps({ of, key, file, calibrated }, turn) {
  document.dispatchEvent(new CustomEvent('mckd:maps', { detail: { turn, key, file, calibrated } }));
  if (!scene.labels || of !== scene.labels.stamp) return;
  try {
    const bytes = await unpack(file);
    if (turn !== scene.turn) return;
    Object.assign(maps, { of, calibrated, bytes, key: '' });
    redraw();
  } catch (error) {
    maps.asked = 0;
    complain('The probabilities could not be fetched. Switch a sequence to try again.');
  }
}

// The Compare tab asks through here: what comes back is the viewer's value.
document.addEventListener('mckd:likely', ({ detail }) => trigger('maps', detail));

// Once, and once more if no answer came: one may be lost between others.
function askForMaps() {
  const wanted = scene.labels && scene.labels.stamp;
  if (!wanted || maps.of === wanted || maps.asked === wanted) return;
  maps.asked = wanted;
  trigger('maps', {});
  setTimeout(() => {
    if (maps.asked !== wanted || maps.of === wanted || !isMap()) return;
    maps.asked = 0;
    redraw();
  }, AGAIN_MS);
}

// The bytes of the region that is looked at, one for each voxel of the case.
function mapped() {
  const key = `${maps.of} ${view.mapped}`;
  if (maps.key !== key) Object.assign(maps, { key, spread: spreadOf(maps.bytes, view.mapped) });
  return maps.spread;
}

// ---- drawing

// What lies over the images: {map, table: colour of each of its bytes, strength: of the colours}.
function overlay() {
  if (!isMap()) return labels && { map: labels, table: tints(view.visible), strength: view.outline ? 0 : 1 };
  if (labels) askForMaps();
  return mapsAreHere() && { map: mapped(), table: shadesOf(MAPS[view.look]), strength: STRONGER };
}

// Of the voxel under the crosshair, in words; '' where nothing is known of it.
function likelihood() {
  return isMap() && mapsAreHere() ? spellShare(mapped()[indexOf(...view.at)], view.mapped) : '';
}

function showLegend() {
  const legend = $('.mark.shades');
  legend.hidden = !isMap() || !labels || !view.overlay || view.mode !== 'planes';
  if (legend.hidden) return;
  const { title, ends, ramp } = MAPS[view.look], here = mapsAreHere();
  legend.querySelector('b').textContent = title(view.mapped.toUpperCase());
  [...legend.querySelectorAll('span')].forEach((span, place) => { span.textContent = ends[place]; });
  legend.querySelector('i').style.background = gradientOf(ramp);
  legend.querySelector('small').textContent = here ? meaningOf(view.look, maps.calibrated) : 'on its way…';
  root.dataset.shades = here ? `${view.look} ${view.mapped} ${maps.of}` : '';
}

$('.bar .look').addEventListener('change', ({ target: { value } }) => {
  showLook(value);
  showButtons();
});
