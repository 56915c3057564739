// ---- probability and uncertainty of one region over the planes, fetched only when they are looked at

// What lies over the images: a share of each voxel by its probability, and its colours.
const entropy = (p) => (p <= 0 || p >= 1 ? 0 : -p * Math.log2(p) - (1 - p) * Math.log2(1 - p));
const MAPS = {
  probability: { share: (p) => p, ramp: RAMP, title: (name) => `Probability of ${name}`, ends: ['0', '1'] },
  uncertainty: { share: entropy, ramp: EMBERS, title: (name) => `Uncertainty of ${name}`, ends: ['0', '1 bit'] },
};
const MEANT = {
  probability: 'of voxels with .7, seven in ten are in it',
  uncertainty: 'entropy: 0 certain, 1 where the probability is .5',
};
const FAINTEST = 0.3;      // how much of its colour the smallest share has
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

async function takeMaps({ of, file, calibrated }, turn) {
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

// Once, and once more if no answer came: one may be lost between others.
function askForMaps() {
  const wanted = scene.labels && scene.labels.stamp;
  if (!wanted || maps.of === wanted || maps.asked === wanted) return;
  maps.asked = wanted;
  trigger('maps');
  setTimeout(() => {
    if (maps.asked !== wanted || maps.of === wanted || !isMap()) return;
    maps.asked = 0;
    redraw();
  }, AGAIN_MS);
}

// The bytes of the region that is looked at, one for each voxel of the case.
function spread() {
  const key = `${maps.of} ${view.mapped}`;
  if (maps.key === key) return maps.spread;
  const { shape } = scene.case, [i, j, k, nx, ny, nz] = new Uint16Array(maps.bytes.buffer, maps.bytes.byteOffset, 6);
  const volume = new Uint8Array(shape[0] * shape[1] * shape[2]);
  let from = 12 + REGIONS.findIndex(({ key: region }) => region === view.mapped) * nx * ny * nz;
  for (let z = k; z < k + nz; z++) {
    for (let y = j; y < j + ny; y++, from += nx) volume.set(maps.bytes.subarray(from, from + nx), indexOf(i, y, z));
  }
  Object.assign(maps, { key, spread: volume });
  return volume;
}

// ---- drawing

// What lies over the images: {map, table: colour of each of its bytes, strength: of the colours}.
function overlay() {
  if (!isMap()) return labels && { map: labels, table: tints(view.visible), strength: view.outline ? 0 : 1 };
  if (labels) askForMaps();
  return mapsAreHere() && { map: spread(), table: shadesOf(MAPS[view.look]), strength: STRONGER };
}

function shadesOf({ share, ramp }) {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    const part = share(byte / 255), alpha = byte ? Math.round(255 * (FAINTEST + (1 - FAINTEST) * part)) : 0;
    return ((pixel(shade(part, ramp)) & 0xffffff) | (alpha << 24)) >>> 0;
  });
}

// Of the voxel under the crosshair, in words; '' where nothing is known of it.
function likelihood() {
  if (!isMap() || !mapsAreHere()) return '';
  const byte = spread()[indexOf(...view.at)], name = view.mapped.toUpperCase(), p = byte / 255;
  if (!byte) return `${name} below 1 %`;
  return `${name} ${Math.round(100 * p)} %, uncertainty ${entropy(p).toFixed(2)} bit`;
}

function showLegend() {
  const legend = $('.mark.shades');
  legend.hidden = !isMap() || !labels || !view.overlay || view.mode !== 'planes';
  if (legend.hidden) return;
  const { title, ends, ramp } = MAPS[view.look], here = mapsAreHere();
  legend.querySelector('b').textContent = title(view.mapped.toUpperCase());
  [...legend.querySelectorAll('span')].forEach((span, place) => { span.textContent = ends[place]; });
  legend.querySelector('i').style.background = `linear-gradient(90deg, ${ramp.map((colour) => paint(colour)).join(', ')})`;
  const said = maps.calibrated ? MEANT[view.look] : `not calibrated${view.look === 'uncertainty' ? `; ${MEANT.uncertainty}` : ''}`;
  legend.querySelector('small').textContent = here ? said : 'on its way…';
  root.dataset.shades = here ? `${view.look} ${view.mapped} ${maps.of}` : '';
}

$('.bar .look').addEventListener('change', ({ target: { value } }) => {
  showLook(value);
  showButtons();
});
