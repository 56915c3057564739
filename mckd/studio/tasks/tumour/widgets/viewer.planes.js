// ---- the three planes, and keys

const DIM = 0.6;          // of the greys of a sequence that the model does not use
const TURN = 0.12;        // radians of the surfaces, for a press of an arrow
const KEYS = [
  [Object.keys(NAMES).map((_, place) => place + 1).join(' '), Object.values(NAMES).join(', ')],
  ['E C W', 'ET, TC, WT on and off; of probabilities the one that is shown'],
  ['U', 'regions, probability, uncertainty'],
  ['Space', 'all regions on and off'],
  ['O', 'outline or filled'],
  ['G', 'contour of the reference'],
  ['X', 'crosshair on and off'],
  ['V', 'another plane large'],
  ['D', 'planes or 3-D, where arrow keys turn'],
  ['M', 'ruler: drag a line, or Enter at both ends'],
  ['B', 'two diameters, in an axial slice'],
  ['Backspace, Delete', 'undo a measurement, clear all'],
  ['P', 'save the picture'],
  ['R', 'reset window, zoom, position'],
];

let frames = [];          // of the three planes

function buildPlanes() {
  if (!frames.length) {
    frames = PLANES.map(makeGrowing);
    active = frames[0];
    $('.planes').append(...frames.map(({ figure }) => figure));
  }
  setPlanes();
  frames.forEach((frame, place) => fitFrame(frame, PLANES[place]));
}

// A frame that a button or a double click makes the large one.
function makeGrowing({ key, name }) {
  const frame = makeFrame(), grow = document.createElement('button');
  Object.assign(grow, { type: 'button', className: 'grow', title: 'Make this plane the large one (double-click, V)' });
  grow.setAttribute('aria-label', `Make the ${name.toLowerCase()} plane the large one`);
  grow.addEventListener('click', () => enlarge(key));
  frame.canvas.addEventListener('dblclick', () => enlarge(key));
  frame.figure.append(grow);
  return frame;
}

function enlarge(key) {
  root.dataset.layout = key;
  redraw();
}

function drawPlanes() {
  const over = overlay(), seen = [view.look, over && over.strength, maps.of, JSON.stringify(onScreen())].join(' ');
  for (const frame of frames) {
    const { plane } = frame, film = [scene.turn, version, view.at[plane.across], seen].join(' ');
    cutImage(plane, isUsed() ? 1 : DIM);
    if (frame.filmed !== film) {
      if (over) cut(plane, over.map, over.table, frame.film);
      frame.outlines = traceAll(plane, labels, extent.labels);
      frame.drawn = traceAll(plane, reference, extent.reference);
      frame.filmed = film;
    }
    const alpha = over && view.overlay ? Math.min(1, view.opacity * over.strength) : 0;
    compose(frame, alpha, view.overlay ? linesOf(frame) : []);
    drawMeasures(frame);
    const colour = labels ? paint(COLOURS.wt, 0.75) : 'rgb(255 255 255 / 0.6)';
    drawRule(frame, extent.labels || extent.reference, colour, `${scene.turn} ${version}`);
  }
}

function linesOf({ outlines, drawn }) {
  return [...REGIONS].reverse().filter(({ key }) => onScreen()[key]).flatMap(({ key }) => [
    ...(labels ? [foundLine(outlines[key], key)] : []),
    ...(reference && view.reference ? referenceLines(drawn[key], key) : []),
  ]);
}

// Keys that do one thing to the planes and another to the surfaces.
const either = (planes, surfaces) => () => (view.mode === 'planes' ? planes() : surfaces());
const closer = either(() => zoomBy(1.25), () => zoomSolid(1.25)), farther = either(() => zoomBy(0.8), () => zoomSolid(0.8));

const PRESS = {
  arrowleft: either(() => nudge('u', 1), () => turnBy(-TURN, 0)), arrowright: either(() => nudge('u', -1), () => turnBy(TURN, 0)),
  arrowup: either(() => nudge('v', 1), () => turnBy(0, -TURN)), arrowdown: either(() => nudge('v', -1), () => turnBy(0, TURN)),
  '+': closer, '=': closer, '-': farther, '\u2212': farther,
  ...Object.fromEntries(Object.keys(NAMES).map((key, place) => [place + 1, () => showSequence(key)])),
  e: () => toggleRegion('et'), c: () => toggleRegion('tc'), w: () => toggleRegion('wt'),
  ' ': ACTS.overlay, o: ACTS.outline, g: ACTS.reference, u: ACTS.look, x: ACTS.cross, r: ACTS.reset, d: ACTS.view,
  m: ACTS.ruler, b: ACTS.pair, p: savePicture, enter: setPoint, backspace: undoMeasure, delete: clearMeasures,
  escape() { if (tool && $('.sheet').hidden) takeTool(''); else leave(); },
  v() { const keys = PLANES.map(({ key }) => key); enlarge(keys[(keys.indexOf(root.dataset.layout) + 1) % 3]); },
};

fillSheet(KEYS);
listenToKeys(PRESS);
