// Mouse, touch and keys on frames.

const NOTCH = 40;          // wheel units to a slice, for trackpads
const TAP_PX = 8, SLICE_PX = 6;
const GESTURES = [
  ['One finger', 'up and down: slices; tap: crosshair'],
  ['Two fingers', 'zoom and pan'],
  ['Click, drag', 'move the crosshair'],
  ['Wheel, Page Up, Page Down', 'next and last slice'],
  ['Arrow keys', 'crosshair, one voxel'],
  ['Right-drag, Shift-drag', 'window: across its width, up and down its level'],
  ['Shift and arrow keys', 'window: its width, its level'],
  ['L', 'next window preset'],
  ['Ctrl-wheel, +, −', 'zoom'],
  ['F', 'full screen'],
  ['Middle-drag, Ctrl-drag', 'pan'],
];

let active = null;         // the frame that keys act on: the last one pointed at
let grip = null;           // what a drag does instead of moving the crosshair: {start, move, end}

function step(plane, slices) {
  const at = [...view.at];
  at[plane.across] += slices;
  moveTo(at);
}

// Right on screen is the low end of an axis, up the high end: see PLANES.
function nudge(axis, voxels) {
  const at = [...view.at];
  at[active.plane[axis]] += voxels;
  moveTo(at);
}

function zoomBy(factor, frame, x, y) {
  const before = frame && voxelAt(frame, x, y);
  view.zoom = clamp(view.zoom * factor, 0.5, 24);
  if (frame) {                                   // what is under the pointer stays there
    const after = voxelAt(frame, x, y);
    for (const axis of [frame.plane.u, frame.plane.v]) view.centre[axis] += before[axis] - after[axis];
  } else if (view.zoom > 1) view.centre = [...view.at];
  redraw();
}

function panBy(frame, dx, dy) {
  const { ratio, size } = placeOf(frame);
  view.centre[frame.plane.u] += (dx * ratio) / size[0];
  view.centre[frame.plane.v] += (dy * ratio) / size[1];
  redraw();
}

function handle(frame) {
  const { canvas } = frame, fingers = new Map();
  let drag = null, rolled = 0;
  const spot = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const centreOf = (points) => [0, 1].map((i) => points.reduce((sum, p) => sum + p[i], 0) / points.length);
  const spread = ([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]);

  canvas.addEventListener('pointerdown', (event) => {
    if (!scene || !scene.case) return;
    active = frame;
    root.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    const at = spot(event);
    if (event.pointerType === 'touch') {
      fingers.set(event.pointerId, at);
      if (grip && fingers.size === 1) { drag = { kind: 'grip' }; return grip.start(frame, voxelAt(frame, ...at)); }
      drag = fingers.size === 1 ? { kind: 'tap', from: at, last: at, slice: view.at[frame.plane.across] } : { kind: 'pinch' };
      return;
    }
    const kind = event.button === 2 || event.shiftKey ? 'window' : event.button === 1 || event.ctrlKey || event.altKey ? 'pan' : grip ? 'grip' : 'cross';
    drag = { kind, last: at };
    if (kind === 'cross') moveTo(voxelAt(frame, ...at));
    else if (kind === 'grip') grip.start(frame, voxelAt(frame, ...at));
    else event.preventDefault();
  });

  canvas.addEventListener('pointermove', (event) => {
    if (!drag) return;
    const at = spot(event);
    if (drag.kind === 'grip') return grip && grip.move(frame, voxelAt(frame, ...at));
    if (event.pointerType === 'touch') return move(event, at);
    const [dx, dy] = [at[0] - drag.last[0], at[1] - drag.last[1]];
    drag.last = at;
    if (drag.kind === 'cross') moveTo(voxelAt(frame, ...at));
    else if (drag.kind === 'pan') panBy(frame, dx, dy);
    else windowBy(dx, dy);
  });

  // One finger scrolls through the slices, two zoom and pan.
  function move(event, at) {
    const before = [...fingers.values()];
    fingers.set(event.pointerId, at);
    const after = [...fingers.values()];
    if (drag.kind === 'pinch' && after.length === 2) {
      const [from, to] = [centreOf(before), centreOf(after)];
      panBy(frame, to[0] - from[0], to[1] - from[1]);
      zoomBy(spread(after) / Math.max(spread(before), 1), frame, ...to);
    } else if (drag.kind === 'scroll' || (drag.kind === 'tap' && Math.hypot(at[0] - drag.from[0], at[1] - drag.from[1]) > TAP_PX)) {
      drag.kind = 'scroll';
      const to = [...view.at];
      to[frame.plane.across] = drag.slice - (at[1] - drag.from[1]) / SLICE_PX;
      moveTo(to);
    }
  }

  const end = (event) => {
    if (drag && drag.kind === 'grip' && grip) grip.end(event.type === 'pointerup');
    if (drag && drag.kind === 'tap' && event.type === 'pointerup') moveTo(voxelAt(frame, ...drag.from));
    fingers.delete(event.pointerId);
    if (!fingers.size) drag = null;
  };
  canvas.addEventListener('pointerup', end);
  canvas.addEventListener('pointercancel', end);
  canvas.addEventListener('pointerenter', () => { active = frame; });
  canvas.addEventListener('contextmenu', (event) => event.preventDefault());

  canvas.addEventListener('wheel', (event) => {
    if (!scene || !scene.case) return;
    event.preventDefault();
    const delta = event.deltaY * (event.deltaMode === 1 ? 40 : event.deltaMode === 2 ? 400 : 1);
    if (event.ctrlKey || event.metaKey) return zoomBy(Math.exp(-clamp(delta, -120, 120) / 300), frame, ...spot(event));
    if (Math.abs(delta) >= 2 * NOTCH) { rolled = 0; return step(frame.plane, -Math.sign(delta)); }   // a mouse's notch
    rolled += delta;
    const slices = Math.trunc(rolled / NOTCH);
    if (slices) { rolled -= slices * NOTCH; step(frame.plane, -slices); }
  }, { passive: false });
}

// Keys that move and zoom, and those of `more`: {key: what it does}.
function listenToKeys(more) {
  const press = {
    arrowleft: () => nudge('u', 1), arrowright: () => nudge('u', -1),
    arrowup: () => nudge('v', 1), arrowdown: () => nudge('v', -1),
    pageup: () => step(active.plane, 1), pagedown: () => step(active.plane, -1),
    'shift+arrowleft': () => windowByKey(-1, 0), 'shift+arrowright': () => windowByKey(1, 0),
    'shift+arrowup': () => windowByKey(0, 1), 'shift+arrowdown': () => windowByKey(0, -1),
    l: nextPreset, f: toggleFull,
    '+': () => zoomBy(1.25), '=': () => zoomBy(1.25), '-': () => zoomBy(0.8), '\u2212': () => zoomBy(0.8),
    escape: leave,
    '?': toggleSheet,
    ...more,
  };
  root.addEventListener('keydown', (event) => {
    const key = event.key.toLowerCase(), act = press[event.shiftKey && key.startsWith('arrow') ? `shift+${key}` : key];
    const busy = event.target !== root && (event.target.matches('input, select') || event.key === ' ' || event.key === 'Enter');
    if (!act || busy || event.ctrlKey || event.metaKey || event.altKey || !scene || !scene.case) return;
    event.preventDefault();
    act();
    showButtons();
  });
}

// ---- full screen: the browser's own where it has one, else over the whole page

function toggleFull() {
  const full = root.classList.toggle('full');
  if (full && root.requestFullscreen) root.requestFullscreen().catch(() => {});
  else if (document.fullscreenElement === root) document.exitFullscreen();
  showButtons();
  redraw();
}
root.addEventListener('fullscreenchange', () => {
  root.classList.toggle('full', document.fullscreenElement === root);
  showButtons();
  redraw();
});

// The sheet with all keys and gestures.
function fillSheet(keys) {
  $('.sheet').innerHTML = '<h3>Keys and gestures</h3><dl>'
    + [...GESTURES, ...keys].map(([names, what]) => `<div><dt>${names}</dt><dd>${what}</dd></div>`).join('')
    + '</dl><button type="button" class="tool">Close</button>';
  $('.sheet button').addEventListener('click', () => { toggleSheet(); root.focus({ preventScroll: true }); });
}
// What is over the picture goes first, then the full screen.
function leave() {
  if (!$('.sheet').hidden) toggleSheet();
  else if (root.classList.contains('full')) toggleFull();
}
function toggleSheet() {
  $('.sheet').hidden = !$('.sheet').hidden;
  showButtons();
}
