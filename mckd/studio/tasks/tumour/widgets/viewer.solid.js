// ---- the regions and the brain as translucent surfaces: made by the server, drawn by plotly.js

// From the outside in, with how much of each is seen; the reference is a net of lighter lines, so
// that what is in it stays in sight.
const LAYERS = { brain: 0.16, wt: 0.25, tc: 0.35, et: 1, reference: 0.6 };
const BRAIN = 'rgb(226 233 240)', WHITE = 0.5;
const UNIT_MM = 1 / 64;      // of a corner, see services/meshes.py
const LIGHT = { ambient: 0.55, diffuse: 0.75, specular: 0.15, roughness: 0.6, fresnel: 0.4 };
const GLASS = { ambient: 0.35, diffuse: 0.6, specular: 0.3, roughness: 0.4, fresnel: 3 };
const FIRST_TURN = { yaw: 0.6, pitch: 0.28, zoom: 1 };
const AWAY = 1.3;            // of the eye from the middle, in sizes of the head; more on a narrow screen
const solid = { asked: '', key: '', meshes: null, drawn: '', turn: { ...FIRST_TURN } };
const AGAIN_MS = 10000;
view.layers = { ...LAYERS };

function forgetSolid() {
  Object.assign(solid, { asked: '', key: '', meshes: null, drawn: '', turn: { ...FIRST_TURN } });
}
function resetSolid() {
  Object.assign(view.layers, LAYERS);
  showLayers();
  lookFrom({ ...FIRST_TURN });
}

const keyOf = (turn, stamp) => `${turn} ${stamp || 0}`;

// ---- from Python: gzip of two counts, corners and triangles

async function takeSurfaces({ of, files }, turn) {
  const meshes = {};
  try {
    await Promise.all(Object.entries(files).map(async ([name, file]) => { meshes[name] = meshOf(await unpack(file)); }));
  } catch (error) {
    return complain('The surfaces could not be fetched. Switch a sequence to try again.');
  }
  if (turn !== scene.turn) return;
  Object.assign(solid, { key: keyOf(turn, of), meshes });
  redraw();
}

function meshOf({ buffer }) {
  const [corners, triangles] = new Uint32Array(buffer, 0, 2);
  const points = new Int16Array(buffer, 8, 3 * corners), faces = new Uint16Array(buffer, 8 + 6 * corners, 3 * triangles);
  const part = (from, place, scale = 1) => Float32Array.from({ length: from.length / 3 }, (_, n) => from[3 * n + place] * scale);
  const [x, y, z] = [0, 1, 2].map((axis) => part(points, axis, UNIT_MM));
  const [i, j, k] = [0, 1, 2].map((corner) => part(faces, corner));
  return { x, y, z, i, j, k };
}

// ---- drawing

// How finely the screen may be drawn: twice where a graphics card does it, once where the processor
// does in its place; 0 where nothing can.
function fineness() {
  const gl = document.createElement('canvas').getContext('webgl');
  if (!gl) return 0;
  const named = gl.getExtension('WEBGL_debug_renderer_info');
  const name = gl.getParameter(named ? named.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name) ? 1 : 2;
}

// Once, and once more if no answer came: one may be lost between others.
function ask(wanted) {
  if (solid.asked === wanted) return;
  solid.asked = wanted;
  trigger('surfaces');
  setTimeout(() => {
    if (solid.asked !== wanted || solid.key === wanted || view.mode !== 'solid') return;
    solid.asked = '';
    redraw();
  }, AGAIN_MS);
}

// One drawing at a time; what changed meanwhile is drawn after it.
async function drawSolid() {
  solid.again = solid.drawing;
  if (solid.drawing) return;
  solid.drawing = true;
  await paintSolid().finally(() => { solid.drawing = false; });
  if (solid.again) redraw();
}

async function paintSolid() {
  const { turn, labels: found, stage } = scene, wanted = keyOf(turn, found && found.stamp);
  if (!stage && solid.key !== wanted) ask(wanted);
  tellSolid('Making the surfaces…');
  solid.fine ??= fineness();
  const library = solid.fine ? await plotly().catch(() => null) : null;
  if (!library) {
    return tellSolid(solid.fine ? 'The 3-D view could not be fetched from the app. Reload the page to try again.'
      : 'This browser has no WebGL, which the 3-D view needs. The planes show the same.');
  }
  if (!solid.meshes || view.mode !== 'solid' || !$('.solid .plot').clientWidth) return undefined;
  $('.solid .busy').hidden = solid.key === wanted;
  const place = $('.solid .plot'), fresh = !place.data;
  const seen = [solid.key, place.clientWidth, place.clientHeight, view.layers, view.visible, view.overlay, view.reference];
  if (solid.drawn === JSON.stringify(seen)) return undefined;
  solid.drawn = JSON.stringify(seen);
  const traces = tracesOf();
  await library.react(place, traces, solidLayout(place), { ...NO_BAR, scrollZoom: false, plotGlPixelRatio: solid.fine });
  if (fresh) listenToSolid(place);
  tellSolid('');
  noteSolid(traces);
  return undefined;
}

function tellSolid(text) {
  const wait = $('.solid .wait');
  wait.hidden = !text || Boolean(solid.drawn);
  wait.firstElementChild.textContent = text;
  wait.classList.toggle('working', text.endsWith('…'));
}

function tracesOf() {
  const netted = Boolean(labels && view.reference);
  const seen = (key) => view.overlay && view.visible[key];
  const surfaces = Object.keys(LAYERS).filter((key) => solid.meshes[key]).map((key) => ({
    type: 'mesh3d', ...solid.meshes[key], name: key, color: key === 'brain' ? BRAIN : paint(COLOURS[key]),
    opacity: view.layers[key], visible: view.layers[key] > 0 && (key === 'brain' || seen(key)),
    lighting: key === 'brain' ? GLASS : LIGHT, lightposition: { x: -2000, y: 3000, z: 4000 }, hoverinfo: 'skip', flatshading: false,
  }));
  const nets = REGIONS.filter(({ key }) => solid.meshes[`reference_${key}`]).map(({ key }) => ({
    type: 'scatter3d', mode: 'lines', ...netOf(solid.meshes[`reference_${key}`]), name: `reference_${key}`,
    line: { color: paint(COLOURS[key].map((v) => Math.round(v + WHITE * (255 - v)))), width: 1 },
    opacity: view.layers.reference, visible: netted && view.layers.reference > 0 && seen(key), hoverinfo: 'skip',
  }));
  return [...nets, ...surfaces];
}

// Every edge once, as lines with gaps between them; kept with the surface.
function netOf(mesh) {
  if (mesh.net) return mesh.net;
  const { x, y, z, i, j, k } = mesh, net = { x: [], y: [], z: [] };
  for (let n = 0; n < i.length; n++) {
    for (const [a, b] of [[i[n], j[n]], [j[n], k[n]], [k[n], i[n]]]) {
      if (a > b) continue;                       // the neighbour has it the other way round
      net.x.push(x[a], x[b], null);
      net.y.push(y[a], y[b], null);
      net.z.push(z[a], z[b], null);
    }
  }
  return (mesh.net = net);
}

// In patient axes right, front, up, which are those of the array; one looks at the face first, so
// that the patient's right is on the left.
function distance() {
  const { clientWidth, clientHeight } = $('.solid .plot');
  return AWAY * Math.max(1, (0.9 * clientHeight) / (clientWidth || 1));
}
function eyeOf({ yaw, pitch, zoom }) {
  const away = distance() / zoom;
  return { x: -Math.sin(yaw) * Math.cos(pitch) * away, y: Math.cos(yaw) * Math.cos(pitch) * away, z: Math.sin(pitch) * away };
}
function turnOf({ x, y, z }) {
  const away = Math.hypot(x, y, z);
  return { yaw: Math.atan2(-x, y), pitch: Math.asin(z / away), zoom: distance() / away };
}
const cameraOf = (turn) => ({ eye: eyeOf(turn), up: { x: 0, y: 0, z: 1 }, center: { x: 0, y: 0, z: 0 }, projection: { type: 'perspective' } });

function solidLayout(place) {
  const { box, spacing, letters } = scene.case, hidden = { visible: false, showspikes: false };
  const ends = [0, 1, 2].map((axis) => [box[0][axis] * spacing[axis], (box[1][axis] - 1) * spacing[axis]]);
  const middle = ends.map(([low, high]) => (low + high) / 2);
  const axis = (n) => ({ ...hidden, range: [1.3 * (ends[n][0] - middle[n]) + middle[n], 1.3 * (ends[n][1] - middle[n]) + middle[n]] });
  const annotations = [0, 1, 2].flatMap((n) => [0, 1].map((side) => {
    const at = [...middle];
    at[n] += 1.14 * (ends[n][side] - middle[n]);
    return { x: at[0], y: at[1], z: at[2], text: letters[n][side], showarrow: false, font: { color: '#ffd98a', size: 16 } };
  }));
  return {
    ...plotLayout(plotInks(), { width: place.clientWidth, height: place.clientHeight, margin: { l: 0, r: 0, t: 0, b: 0 } }),
    paper_bgcolor: '#000',
    scene: {
      xaxis: axis(0), yaxis: axis(1), zaxis: axis(2), aspectmode: 'data', bgcolor: '#000', dragmode: 'turntable',
      hovermode: false, camera: cameraOf(solid.turn), annotations,
    },
  };
}

// What can be told of the view from outside.
function noteSolid(traces) {
  const meshes = traces.filter(({ type }) => type === 'mesh3d');
  const lines = traces.filter(({ type, visible }) => type === 'scatter3d' && visible);
  root.dataset.net = String(lines.reduce((sum, { x }) => sum + x.length / 3, 0));
  root.dataset.triangles = String(meshes.reduce((sum, { i }) => sum + i.length, 0));
  noteTurn();
}
function noteTurn() {
  root.dataset.turn = [solid.turn.yaw, solid.turn.pitch, solid.turn.zoom].map((part) => part.toFixed(2)).join();
}

// ---- hands

function listenToSolid(place) {
  for (const event of ['plotly_relayout', 'plotly_relayouting']) {
    place.on(event, (change) => {
      const camera = change['scene.camera'];
      if (!camera) return;
      solid.turn = turnOf(camera.eye);
      noteTurn();
    });
  }
  place.addEventListener('wheel', (event) => {   // plotly's own tells the view before it
    event.preventDefault();
    zoomSolid(Math.exp(-clamp(event.deltaY, -120, 120) / 400));
  }, { passive: false });
  place.addEventListener('dblclick', () => { resetSolid(); redraw(); });
  place.addEventListener('pointerdown', () => root.focus({ preventScroll: true }), true);
  new ResizeObserver(redraw).observe(place);
}

// One finger turns, as the mouse does; two bring closer.
(function pinch() {
  const place = $('.solid .plot'), fingers = new Map();
  let apart = 0;
  place.addEventListener('pointerdown', (event) => {
    if (event.pointerType === 'touch') fingers.set(event.pointerId, [event.clientX, event.clientY]);
    apart = 0;
  }, true);
  place.addEventListener('pointermove', (event) => {
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (fingers.size !== 2) return;
    const [a, b] = [...fingers.values()], wide = Math.hypot(a[0] - b[0], a[1] - b[1]);
    if (apart) zoomSolid(wide / apart);
    apart = wide;
  }, true);
  for (const end of ['pointerup', 'pointercancel']) window.addEventListener(end, (event) => fingers.delete(event.pointerId));
})();

function lookFrom(turn) {
  solid.turn = { ...turn, pitch: clamp(turn.pitch, -1.5, 1.5), zoom: clamp(turn.zoom, 0.5, 8) };
  noteTurn();
  if ($('.solid .plot').data) window.Plotly.relayout($('.solid .plot'), { 'scene.camera': cameraOf(solid.turn) });
}
function turnBy(yaw, pitch) {   // radians
  lookFrom({ ...solid.turn, yaw: solid.turn.yaw + yaw, pitch: solid.turn.pitch + pitch });
}
function zoomSolid(factor) {
  lookFrom({ ...solid.turn, zoom: solid.turn.zoom * factor });
}

function showLayers() {
  $('.layers [data-layer=reference]').hidden = !(scene && scene.case && scene.case.reference);
  for (const row of root.querySelectorAll('.layers [data-layer]')) row.querySelector('input').value = 100 * view.layers[row.dataset.layer];
}
$('.layers').addEventListener('input', ({ target }) => {
  view.layers[target.closest('[data-layer]').dataset.layer] = target.value / 100;
  redraw();
});

// The view as it is, as an image of its own.
async function solidPicture(width, height, scale) {
  const library = await plotly(), picture = new Image();
  picture.src = await library.toImage($('.solid .plot'), { format: 'png', width, height, scale });
  await picture.decode();
  return picture;
}
