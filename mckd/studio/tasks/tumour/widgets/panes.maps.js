// Probability and uncertainty in a pane: worked out for a subset when a pane comes to show them. The
// viewer asks for them, see viewer.maps.js.

const AGAIN_MS = 10000;
const likely = new Map();  // subset: {file, calibrated}; null while it is on its way

document.addEventListener('mckd:maps', ({ detail: { turn: of, key, file, calibrated } }) => {
  if (!turn || of !== turn) return;
  likely.set(key, { file, calibrated });
  fill();
});

// The file of what a pane shows; null as long as it is not there.
function mapOf(pane) {
  const id = idOf(pane);
  if (bySystem(pane) || id === 'reference' || !scene.labels[id]) return null;
  if (likely.has(id)) return likely.get(id);
  likely.set(id, null);
  document.dispatchEvent(new CustomEvent('mckd:likely', { detail: { key: id } }));
  setTimeout(() => {                           // an answer may be lost between others
    if (likely.get(id) !== null || !turn) return;
    likely.delete(id);
    fill();
  }, AGAIN_MS);
  return null;
}

const whyNoMap = (pane) => (bySystem(pane) || pane.source === 'reference'
  ? 'Only of the bundled model, from a subset of the sequences.' : 'Working out probabilities…');

// A look as in panes.looks.js; bytes: as `spreadOf` takes them, base: the subset's label map.
function likelyLook(look, bytes, { base, drawn, calibrated }) {
  const { key: region, bit } = REGIONS.find(({ key }) => key === view.region), { title, ends, ramp } = MAPS[look];
  const line = Object.assign(document.createElement('div'), { className: 'ramp' }), bar = document.createElement('div');
  bar.style.background = gradientOf(ramp);
  line.append(text(ends[0]), bar, text(`${ends[1]}: ${title(region.toUpperCase())}`));
  return {
    map: spreadOf(bytes, region), table: shadesOf(MAPS[look]), strength: STRONGER, rule: paint(ramp[2], 0.9),
    contours: [
      { map: base, bit, lines: (path) => [foundLine(path, region)] },
      ...(drawn ? [{ map: drawn, bit, lines: (path) => (view.reference ? referenceLines(path, region) : []) }] : []),
    ],
    key: [line, text(meaningOf(look, calibrated))],
    here: (byte) => spellShare(byte, region),
  };
}
