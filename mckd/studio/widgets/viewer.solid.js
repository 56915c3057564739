// ---- the regions and the brain as translucent surfaces, made here from the label map

const LOOK = {   // alpha: seen from the front; rim: added where a surface turns away; level: of
                 // its share of a cell, lower further out, so that equal borders stay nested
  et: { alpha: 1, rim: 0, level: 0.55 }, tc: { alpha: 0.55, rim: 0.35, level: 0.48 },
  wt: { alpha: 0.36, rim: 0.5, level: 0.4 }, brain: { alpha: 0.08, rim: 0.6, level: 0.5, colour: [226, 233, 240] },
};
const NET = { alpha: 0.5, white: 0.5, coarser: 2 };   // the reference is a net of lighter lines: what is in it stays in sight
const FINE = { card: 72, software: 36 };   // cells along the longest side of a mesh, at most
const FIRST_TURN = { yaw: 0.6, pitch: 0.28, zoom: 1 };
const solid = { gl: null, fine: 0, meshes: {}, nets: {}, made: '', turn: { ...FIRST_TURN } };

function forgetSolid() {
  [...Object.values(solid.meshes), ...Object.values(solid.nets)].forEach(drop);
  Object.assign(solid, { made: '', meshes: {}, nets: {}, turn: { ...FIRST_TURN } });
}
function resetSolid() { solid.turn = { ...FIRST_TURN }; }

// A coarse field of shares: how much of each cell of `step` voxels is inside. Smooth surfaces come
// from the shares, which plain 0 and 1 would make into stairs.
function shares(inside, low, high, fine = solid.fine) {
  const { spacing, shape } = scene.case;
  const longest = Math.max(...low.map((v, axis) => (high[axis] - v + 1) * spacing[axis]));
  const steps = spacing.map((mm) => Math.max(1, Math.round(longest / fine / mm)));
  const size = low.map((v, axis) => Math.ceil((high[axis] - v + 1) / steps[axis]) + 4);
  const field = new Float32Array(size[0] * size[1] * size[2]), whole = steps[0] * steps[1] * steps[2];
  for (let k = low[2]; k <= high[2]; k++) {
    const c = Math.floor((k - low[2]) / steps[2]) + 2;
    for (let j = low[1]; j <= high[1]; j++) {
      const b = Math.floor((j - low[1]) / steps[1]) + 2, row = size[0] * (b + size[1] * c);
      let voxel = low[0] + shape[0] * (j + shape[1] * k);
      for (let i = low[0]; i <= high[0]; i++, voxel++) {
        if (inside(voxel)) field[row + Math.floor((i - low[0]) / steps[0]) + 2] += 1 / whole;
      }
    }
  }
  return { field: blur(field, size), size, steps, origin: low.map((v, axis) => v - 2 * steps[axis] + (steps[axis] - 1) / 2) };
}

function blur(field, [nx, ny, nz]) {
  for (const stride of [1, nx, nx * ny]) {
    const out = field.slice();
    for (let i = stride; i < field.length - stride; i++) out[i] = (field[i - stride] + 2 * field[i] + field[i + stride]) / 4;
    field = out;
  }
  return field;
}

// Naive surface nets: one vertex in each cell that the surface passes, one quad for each crossed edge.
function surface({ field, size: [nx, ny, nz], steps, origin }, level) {
  const { spacing } = scene.case, stride = [1, nx, nx * ny];
  const points = [], faces = [], vertexOf = new Int32Array(field.length).fill(-1);
  const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((c) => [c & 1, (c >> 1) & 1, c >> 2]);
  const shift = corners.map(([a, b, c]) => a * stride[0] + b * stride[1] + c * stride[2]);
  const edges = [];
  corners.forEach((p, a) => corners.forEach((q, b) => { if (a < b && Math.abs(p[0] - q[0]) + Math.abs(p[1] - q[1]) + Math.abs(p[2] - q[2]) === 1) edges.push([a, b]); }));
  for (let k = 0; k < nz - 1; k++) for (let j = 0; j < ny - 1; j++) for (let i = 0; i < nx - 1; i++) {
    const cell = i + nx * (j + ny * k), place = [i, j, k];
    let sides = 0;
    for (const s of shift) sides += field[cell + s] > level;
    if (!sides || sides === 8) continue;
    const sum = [0, 0, 0];
    let count = 0;
    for (const [a, b] of edges) {
      const p = field[cell + shift[a]], q = field[cell + shift[b]];
      if ((p > level) === (q > level)) continue;
      const t = (level - p) / (q - p);
      for (let axis = 0; axis < 3; axis++) sum[axis] += corners[a][axis] + t * (corners[b][axis] - corners[a][axis]);
      count++;
    }
    vertexOf[cell] = points.length / 3;
    for (let axis = 0; axis < 3; axis++) points.push((origin[axis] + (place[axis] + sum[axis] / count) * steps[axis]) * spacing[axis]);
  }
  for (let k = 1; k < nz - 1; k++) for (let j = 1; j < ny - 1; j++) for (let i = 1; i < nx - 1; i++) {
    const cell = i + nx * (j + ny * k), here = field[cell] > level;
    for (let axis = 0; axis < 3; axis++) {
      if (here === field[cell + stride[axis]] > level) continue;
      const b = stride[(axis + 1) % 3], c = stride[(axis + 2) % 3];
      const quad = [vertexOf[cell], vertexOf[cell - b], vertexOf[cell - b - c], vertexOf[cell - c]];
      if (!here) quad.reverse();
      faces.push(quad[0], quad[1], quad[2], quad[0], quad[2], quad[3]);
    }
  }
  return { points: new Float32Array(points), faces: new Uint32Array(faces), normals: normalsOf(points, faces) };
}

function normalsOf(points, faces) {
  const normals = new Float32Array(points.length), at = (i) => points.slice(3 * i, 3 * i + 3);
  for (let f = 0; f < faces.length; f += 3) {
    const [a, b, c] = [at(faces[f]), at(faces[f + 1]), at(faces[f + 2])];
    const p = [0, 1, 2].map((i) => b[i] - a[i]), q = [0, 1, 2].map((i) => c[i] - a[i]);
    const n = [p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]];
    for (let v = 0; v < 3; v++) for (let i = 0; i < 3; i++) normals[3 * faces[f + v] + i] += n[i];
  }
  return normals;
}

// ---- WebGL

const VERTEX = `#version 300 es
in vec3 point; in vec3 normal; uniform mat3 turn; uniform vec3 centre; uniform vec2 scale; uniform float depth; out vec3 n;
void main() { vec3 p = turn * (point - centre); n = turn * normal; gl_Position = vec4(p.xy * scale, -p.z / depth, 1.0); }`;
const FRAGMENT = `#version 300 es
precision highp float; in vec3 n; uniform vec3 colour; uniform float alpha; uniform float rim; out vec4 pixel;
void main() {
  vec3 m = normalize(n); float facing = abs(m.z);
  float light = 0.66 + 0.42 * max(dot(m, normalize(vec3(-0.35, 0.5, 0.8))), 0.0) + 0.06 * facing;
  float a = alpha + rim * pow(1.0 - facing, 2.0);
  pixel = vec4(colour * light * a, a); }`;

// Whether a graphics card draws, or the processor in its place: then less detail must do.
function hasCard() {
  const gl = document.createElement('canvas').getContext('webgl2');
  const named = gl && gl.getExtension('WEBGL_debug_renderer_info');
  const name = gl ? gl.getParameter(named ? named.UNMASKED_RENDERER_WEBGL : gl.RENDERER) : '';
  const lose = gl && gl.getExtension('WEBGL_lose_context');
  if (lose) lose.loseContext();
  return !/swiftshader|llvmpipe|software|basic render/i.test(name);
}

function startGl() {
  if (solid.gl) return solid.gl;
  const card = hasCard();
  const gl = $('.solid canvas').getContext('webgl2', { antialias: card, premultipliedAlpha: true });
  if (!gl) return null;
  solid.fine = card ? FINE.card : FINE.software;
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, 'point');
  gl.bindAttribLocation(program, 1, 'normal');
  gl.linkProgram(program);
  gl.useProgram(program);
  solid.at = Object.fromEntries(['turn', 'centre', 'scale', 'depth', 'colour', 'alpha', 'rim'].map((name) => [name, gl.getUniformLocation(program, name)]));
  return (solid.gl = gl);
}

// The edges of the quads that `surface` made, two triangles each.
function edgesOf(faces) {
  const edges = new Uint32Array((faces.length / 6) * 8);
  for (let f = 0, e = 0; f < faces.length; f += 6) {
    const [a, b, c, d] = [faces[f], faces[f + 1], faces[f + 2], faces[f + 5]];
    for (const end of [a, b, b, c, c, d, d, a]) edges[e++] = end;
  }
  return edges;
}

// indices: of triangles, or of lines.
function load(mesh, indices = mesh.faces) {
  const gl = solid.gl, array = gl.createVertexArray(), buffers = [0, 1, 2].map(() => gl.createBuffer());
  gl.bindVertexArray(array);
  [mesh.points, mesh.normals].forEach((data, place) => {
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[place]);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 0, 0);
  });
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers[2]);
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.STATIC_DRAW);
  return { array, buffers, count: indices.length };
}

function drop(mesh) {
  if (!mesh) return;
  solid.gl.deleteVertexArray(mesh.array);
  mesh.buffers.forEach((buffer) => solid.gl.deleteBuffer(buffer));
}

// Surfaces of what is on screen: the model's regions, else the reference's. The reference beside
// the model is a net, so that both are seen.
function makeMeshes() {
  const map = labels || reference, found = labels ? extent.labels : extent.reference;
  const sign = `${scene.turn} ${labels ? fetched.labels : 'reference'}`;
  const volume = Object.values(volumes)[0];
  if (!solid.meshes.brain && volume) {
    const { low, step } = scene.case.sequences[Object.keys(volumes)[0]], { box } = scene.case;
    const empty = clamp(Math.round(-low / step), 0, 255), last = box[1].map((v) => v - 1);
    solid.meshes.brain = load(surface(shares((voxel) => volume[voxel] !== empty, box[0], last), LOOK.brain.level));
  }
  if (solid.made === sign) return;
  solid.made = sign;
  for (const { key, bit } of REGIONS) {
    drop(solid.meshes[key]);
    const field = found && shares((voxel) => map[voxel] & bit, found.low, found.high);
    solid.meshes[key] = field ? load(surface(field, LOOK[key].level)) : null;
  }
}
function makeNets() {
  if (solid.nets.wt || !extent.reference) return;
  const { low, high } = extent.reference;
  for (const { key, bit } of REGIONS) {
    const mesh = surface(shares((voxel) => reference[voxel] & bit, low, high, solid.fine / NET.coarser), LOOK[key].level);
    solid.nets[key] = load(mesh, edgesOf(mesh.faces));
  }
}

function matrixOf({ yaw, pitch }) {
  // Rows: screen right, screen up, towards the viewer; in patient axes right, front, up. At yaw 0
  // the viewer faces the patient, whose right is then on the left.
  const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  const right = [-cy, -sy, 0], towards = [-sy * cp, cy * cp, sp];
  const up = [sy * sp, -cy * sp, cp];
  return [right, up, towards];
}

function drawSolid() {
  const gl = startGl(), canvas = $('.solid canvas'), wait = $('.solid .wait');
  wait.hidden = Boolean(gl);
  if (!gl) { wait.textContent = 'This browser has no WebGL 2, which the 3-D view needs. The planes show the same.'; return; }
  makeMeshes();
  const netted = Boolean(labels && extent.reference && view.reference);
  if (netted) makeNets();
  const ratio = Math.min(window.devicePixelRatio || 1, 2), { box, spacing } = scene.case;
  const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const half = box[0].map((low, axis) => ((box[1][axis] - low) * spacing[axis]) / 2);
  const centre = box[0].map((low, axis) => ((low + box[1][axis] - 1) / 2) * spacing[axis]);
  const radius = Math.hypot(...half), rows = matrixOf(solid.turn);
  const unit = (1.42 * solid.turn.zoom) / radius;
  const scale = width > height ? [(unit * height) / width, unit] : [unit, (unit * width) / height];
  gl.viewport(0, 0, width, height);
  gl.clearColor(0, 0, 0, 1);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  gl.enable(gl.DEPTH_TEST);
  gl.enable(gl.CULL_FACE);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.uniformMatrix3fv(solid.at.turn, true, rows.flat());
  gl.uniform3fv(solid.at.centre, centre);
  gl.uniform2fv(solid.at.scale, scale);
  gl.uniform1f(solid.at.depth, radius * 2);
  for (const key of ['et', 'tc', 'wt', 'brain']) {       // from the inside out
    const { alpha, rim, colour = COLOURS[key] } = LOOK[key], mesh = solid.meshes[key], net = netted && solid.nets[key];
    if (key !== 'brain' && !(view.visible[key] && view.overlay)) continue;
    if (net) drawMesh(net, gl.LINES, colour.map((v) => v + NET.white * (255 - v)), NET.alpha, 0);
    if (mesh) drawMesh(mesh, gl.TRIANGLES, colour, alpha, rim);
  }
  root.dataset.net = String(netted ? REGIONS.reduce((sum, { key }) => sum + solid.nets[key].count / 2, 0) : 0);   // lines
  placeEnds(rows, half.map((h) => h * 1.12), scale);
  root.dataset.turn = [solid.turn.yaw, solid.turn.pitch, solid.turn.zoom].map((part) => part.toFixed(2)).join();
  root.dataset.triangles = String(Object.values(solid.meshes).reduce((sum, mesh) => sum + (mesh ? mesh.count / 3 : 0), 0));
}

function drawMesh(mesh, kind, colour, alpha, rim) {
  const { gl, at } = solid;
  gl.uniform3fv(at.colour, colour.map((v) => v / 255));
  gl.uniform1f(at.alpha, alpha);
  gl.uniform1f(at.rim, rim);
  gl.bindVertexArray(mesh.array);
  gl.drawElements(kind, mesh.count, gl.UNSIGNED_INT, 0);
}

function placeEnds(rows, half, scale) {
  const box = $('.solid canvas'), { letters } = scene.case;
  root.querySelectorAll('.solid .end').forEach((end, place) => {
    const axis = place >> 1, sign = place & 1 ? 1 : -1, at = rows.map((row) => row[axis] * sign * half[axis]);
    end.textContent = letters[axis][place & 1];
    end.style.transform = `translate(-50%, -50%) translate(${((at[0] * scale[0] + 1) / 2) * box.clientWidth}px, ${((1 - at[1] * scale[1]) / 2) * box.clientHeight}px)`;
    end.classList.toggle('far', at[2] < 0);
  });
}

function turnBy(yaw, pitch) {   // radians
  solid.turn.yaw += yaw;
  solid.turn.pitch = clamp(solid.turn.pitch + pitch, -1.55, 1.55);
  redraw();
}
function zoomSolid(factor) {
  solid.turn.zoom = clamp(solid.turn.zoom * factor, 0.5, 8);
  redraw();
}

(function turnByHand() {
  const canvas = $('.solid canvas'), fingers = new Map();
  let apart = 0;
  canvas.addEventListener('pointerdown', (event) => {
    root.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    apart = 0;
  });
  canvas.addEventListener('pointermove', (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    fingers.set(event.pointerId, now);
    if (fingers.size === 1) turnBy((now[0] - before[0]) / 140, (now[1] - before[1]) / 140);
    else {
      const [a, b] = [...fingers.values()], wide = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (apart) zoomSolid(wide / apart);
      apart = wide;
    }
  });
  for (const end of ['pointerup', 'pointercancel']) canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener('dblclick', () => { resetSolid(); redraw(); });
  canvas.addEventListener('wheel', (event) => {
    event.preventDefault();
    zoomSolid(Math.exp(-clamp(event.deltaY, -120, 120) / 400));
  }, { passive: false });
  new ResizeObserver(() => redraw()).observe(canvas);
})();
