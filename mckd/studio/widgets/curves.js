// Live training curves: three canvases over one x axis, fed by server.since(), drawn only when
// something changed. Python says which run to show (props.value = {run, at}); the rest is here.

const root = element.querySelector(".curves");
const $ = (name) => root.querySelector(name);
const charts = $(".charts");
const POLL_MS = 1000;       // rows of a live run
const PULSE_MS = 5000;      // "has somebody started a run?", while nothing is live
const REPLAY_MS = 10000;
const SUMMARY_MS = 20000;   // spoken summary of a live run
const MAX_ROWS = props.max_rows || 1500;
let NAMES = {};             // of the run: what is drawn by name, its words and colours
const SPARE = ["--spare-1", "--spare-2", "--spare-3", "--spare-4"];
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
const KNOWN = new Set(["task_loss", "distillation_loss", "meta_loss"]);   // losses with a colour
const LIVE = new Set(["starting", "running"]);
const WORDS = {
  none: "No run yet", gone: "Run removed", starting: "Starting", running: "Training",
  stopped: "Stopped", failed: "Failed", finished: "Finished", unreadable: "Unreadable",
};

// --- What is known about the run -----------------------------------------------------------------

let run = null;
let cursor = null;
let rows = [];
let status = { state: "none" };
let told = "";              // run and state that Python heard last
let lastLive = null;
let misses = 0;             // polls in a row without an answer
let timer = 0;

let axis = "step";
let zoom = null;            // [low, high] in axis units; null shows everything
let hover = null;           // index into rows
let band = null;            // {from, to}: pixels of a zoom being dragged
let play = null;            // {at: 0..1, running, last}
const hidden = new Set();
const options = { stacked: false, log: true, smooth: true };

const number = (v) => typeof v === "number" && Number.isFinite(v);
const label = (key) => (NAMES[key] && NAMES[key].label) || key.replace(/_loss$/, "").replace(/_/g, " ");

// --- Panels: which series each one draws ---------------------------------------------------------

const panels = [...root.querySelectorAll(".panel")].map((figure) => {
  const kind = figure.dataset.panel;
  return {
    kind, figure,
    canvas: figure.querySelector("canvas"),
    keys: figure.querySelector(".keys"),
    series: [],
    signature: "",
  };
});

function colourOf(key, index) {
  return (NAMES[key] && NAMES[key].colour) || SPARE[index % 4];
}

function findSeries() {
  const weights = new Set(), subsets = new Set(), losses = new Set();
  for (const row of rows) {
    if (row.iwv) Object.keys(row.iwv).forEach((k) => weights.add(k));
    // Of a task with many subsets only the named ones are drawn; the records hold them all.
    if (row.validation) Object.keys(row.validation).forEach((k) => NAMES[k] && subsets.add(k));
    Object.keys(row).forEach((k) => k.endsWith("_loss") && losses.add(k));
  }
  const order = Object.keys(NAMES);
  const sorted = (set) => [...set].sort((a, b) =>
    ((order.indexOf(a) + 1) || 99) - ((order.indexOf(b) + 1) || 99));
  const of = {
    iwv: sorted(weights).map((k, i) => ({
      id: "iwv." + k, name: label(k), colour: colourOf(k, i), dash: [],
      get: (r) => (r.iwv && k in r.iwv ? r.iwv[k] : undefined) })),
    loss: [...losses].map((k, i) => ({
      id: k, name: label(k), colour: KNOWN.has(k) ? "--series-" + k.replace("_loss", "") : SPARE[i % 4],
      dash: DASHES[i % 4],
      get: (r) => (k in r ? r[k] : undefined) })),
    validation: sorted(subsets).map((k, i) => ({
      id: "validation." + k, name: label(k), colour: colourOf(k, i), dash: [], dots: true,
      get: (r) => (r.validation && k in r.validation ? r.validation[k] : undefined) })),
  };
  for (const panel of panels) {
    const found = of[panel.kind], signature = found.map((s) => s.id + s.name + s.colour).join();
    panel.figure.hidden = panel.kind === "iwv" && rows.length > 0 && !found.length;  // learns none
    if (signature === panel.signature) continue;
    panel.signature = signature;
    panel.series = found;
    buildKeys(panel);
  }
}

function buildKeys(panel) {
  panel.keys.replaceChildren(...panel.series.map((s) => {
    const key = document.createElement("button");
    key.type = "button";
    key.className = "key";
    key.dataset.series = s.id;
    key.title = "Show or hide " + s.name;
    key.setAttribute("aria-pressed", String(!hidden.has(s.id)));
    const line = document.createElement("i");
    line.style.setProperty("--line", "var(" + s.colour + ")");
    line.dataset.dash = String(DASHES.findIndex((d) => d.length === s.dash.length));
    const name = document.createElement("span");
    name.textContent = s.name;
    const value = document.createElement("b");
    key.append(line, name, value);
    key.addEventListener("click", () => {
      if (hidden.has(s.id)) hidden.delete(s.id); else hidden.add(s.id);
      key.setAttribute("aria-pressed", String(!hidden.has(s.id)));
      redraw();
    });
    s.key = key;
    return key;
  }));
}

// --- Rows: append, rewind, thin ------------------------------------------------------------------

function append(fresh) {
  if (!fresh.length) return;
  // A resumed run repeats the steps after its checkpoint: the new rows replace the old ones.
  const first = fresh[0].step;
  while (rows.length && rows[rows.length - 1].step >= first) rows.pop();
  rows.push(...fresh);
  while (rows.length > MAX_ROWS) {
    const marked = rows.filter((r) => r.validation).length <= MAX_ROWS / 2;
    rows = rows.filter((r, i) =>
      i % 2 === 0 || i === rows.length - 1 || (marked && r.validation));
  }
  if (hover !== null) hover = Math.min(hover, rows.length - 1);
  findSeries();
}

const xOf = (row) => (axis === "epoch" && number(row.epoch) ? row.epoch : row.step);

function fullDomain() {
  if (!rows.length) return [0, 1];
  const low = xOf(rows[0]), high = xOf(rows[rows.length - 1]);
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}
const domain = () => zoom || fullDomain();

function nearest(x) {
  let low = 0, high = rows.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xOf(rows[middle]) < x) low = middle; else high = middle;
  }
  return Math.abs(xOf(rows[low]) - x) <= Math.abs(xOf(rows[high]) - x) ? low : high;
}

function shownCount() {
  if (!play) return rows.length;
  const [low, high] = fullDomain();
  const edge = low + (high - low) * play.at;
  let count = rows.length;
  while (count > 1 && xOf(rows[count - 1]) > edge) count--;
  return count;
}

// --- Talking to the server -----------------------------------------------------------------------

function onScreen() {
  return !document.hidden && element.isConnected && root.offsetParent !== null;
}

function plan(milliseconds) {
  clearTimeout(timer);
  if (element.isConnected) timer = setTimeout(tick, milliseconds);
}

async function tick() {
  if (!element.isConnected) return;
  if (!onScreen()) return plan(POLL_MS);           // hidden: no request, look again later
  if (run && (LIVE.has(status.state) || status.state === "loading")) await poll();
  else await pulse();
}

async function poll() {
  const asked = run;
  const reply = await server.since({ run: asked, cursor });
  if (asked !== run) return;
  if (!reply || !reply.status) {
    misses += 1;
    if (misses > 2) paintState();
    return plan(Math.min(8000, POLL_MS * 2 ** misses));
  }
  misses = 0;
  if (reply.names) NAMES = reply.names;
  if (reply.reset) { rows = []; hover = null; findSeries(); }
  cursor = reply.cursor;
  status = reply.status;
  append(reply.rows || []);
  redraw();
  paintState();
  tell();
  plan(LIVE.has(status.state) ? POLL_MS : PULSE_MS);
}

async function pulse() {
  const reply = await server.live({});
  const live = reply ? reply.live : lastLive;
  const news = live && live !== lastLive && live !== run;
  lastLive = live;
  if (live && live === run) { status = { state: "loading" }; return plan(0); }
  if (news) trigger("appeared", { run: live });
  plan(PULSE_MS);
}

function tell() {
  const now = run + " " + status.state;
  if (now === told) return;
  const first = told === "";
  told = now;
  if (status.state === "running") lastLive = run;
  speak(true);
  if (!first) trigger("settled", { run, state: status.state });
}

function show(value) {
  const next = value && typeof value.run === "string" ? value.run : null;
  clearTimeout(timer);
  if (next !== run) { rows = []; cursor = null; zoom = null; hover = null; play = null; }
  run = next;
  told = "";
  status = { state: run ? "loading" : "none" };
  lastLive = null;
  findSeries();
  redraw();
  paintState();
  if (run) plan(0); else plan(PULSE_MS);
}

// --- Words ---------------------------------------------------------------------------------------

function minutes(seconds) {
  if (!number(seconds)) return "";
  if (seconds < 90) return Math.max(1, Math.round(seconds)) + " s left";
  if (seconds < 5400) return Math.round(seconds / 60) + " min left";
  return (seconds / 3600).toFixed(1) + " h left";
}
const grouped = (n) => Math.round(n).toLocaleString("en").replace(/,/g, "\u202f");
function shortly(v) {
  if (!number(v)) return "\u2013";
  const size = Math.abs(v);
  if (size === 0) return "0";
  if (size >= 1000) return grouped(v);
  if (size >= 100) return v.toFixed(0);
  if (size >= 10) return v.toFixed(1);
  if (size >= 0.01) return v.toFixed(size >= 1 ? 2 : 3);
  return v.toExponential(1).replace("e-", "e\u2212").replace("e+", "e");
}
const percent = (v) => (number(v) ? (v * 100).toFixed(1) + "\u202f%" : "\u2013");
const worded = (kind, v) =>
  kind === "validation" ? percent(v) : kind === "iwv" ? (number(v) ? v.toFixed(3) : "\u2013") : shortly(v);

function valueAt(series, index) {
  // Validation is written now and then: the read-out shows the latest value up to that row.
  for (let i = index; i >= 0 && i > index - MAX_ROWS; i--) {
    const v = series.get(rows[i]);
    if (v !== undefined) return v;
  }
  return undefined;
}

function paintState() {
  const waiting = LIVE.has(status.state) && !rows.length;
  const state = status.state === "loading" ? (rows.length ? "running" : "loading") : status.state;
  root.dataset.state = state;
  root.dataset.run = run || "";
  root.dataset.points = String(rows.length);
  const parts = [];
  const last = rows[rows.length - 1];
  const step = number(status.step) ? status.step : last ? last.step : 0;
  if (number(status.steps) && status.steps > 0 && state !== "none") {
    parts.push("step " + grouped(step) + " of " + grouped(status.steps));
  }
  if (state === "starting" && status.stage) parts.push(status.stage, minutes(status.left_s));
  if (state === "running") {
    if (minutes(status.eta_s)) parts.push(minutes(status.eta_s));
    if (last && number(last.samples_per_s)) parts.push(grouped(last.samples_per_s) + " samples/s");
  }
  $(".word").textContent = misses > 2 ? "No answer" : WORDS[state] || "";
  $(".detail").textContent = misses > 2
    ? "The app does not answer; still trying. A training run goes on without it."
    : parts.filter(Boolean).join(" \u00b7 ");
  const bar = $(".meter");
  const done = number(status.steps) && status.steps > 0 ? Math.min(1, step / status.steps) : 0;
  bar.hidden = !LIVE.has(state);
  bar.setAttribute("aria-valuenow", String(Math.round(done * 100)));
  bar.firstElementChild.style.transform = "scaleX(" + done + ")";

  const note = $(".note");
  const words = LIVE.has(state) || misses > 2 ? "" : status.message || "";
  note.hidden = !words;
  if (note.textContent !== words) note.textContent = words;

  const veil = $(".veil");
  veil.hidden = rows.length > 0;
  const [title, text] = emptyWords(state, waiting);
  veil.querySelector("b").textContent = title;
  veil.querySelector("span").textContent = text;
  charts.classList.toggle("empty", !rows.length);

  const canReplay = rows.length > 2 && !LIVE.has(state) && state !== "loading";
  $(".replay").hidden = !canReplay;
  if (!canReplay && play) { play = null; redraw(); }
}

function emptyWords(state, waiting) {
  if (waiting) {
    return [state === "starting" ? "The run is starting" : "Waiting for the first record",
      state === "starting" ? `${status.stage || "The trainer is loading"}. A start takes some seconds, longer on a busy machine.`
        : "The model trains; the first point of the curves is on its way."];
  }
  if (state === "loading") return ["Reading the run", ""];
  if (state === "gone") {
    return ["This run\u2019s folder is gone", "Choose another run above, or start a new one."];
  }
  if (state === "none") {
    return ["No run yet",
      "Press Start: the smoke test trains a small model in half a minute. Its curves grow here: which input it learns to trust, its losses, and its score on what it was not trained on."];
  }
  if (state === "unreadable") return ["No records", "Choose another run above, or start a new one."];
  return ["No records", "This run ended before it wrote a record."];
}

let spokenAt = 0;
function speak(now) {
  const time = performance.now();
  if (!rows.length && !now) return;
  if (!now && time - spokenAt < SUMMARY_MS) return;
  spokenAt = time;
  $(".spoken").textContent = summary(rows.length - 1);
}
function summary(index) {
  const parts = [WORDS[status.state] || ""];
  if (rows[index]) {
    parts.push("step " + rows[index].step);
    for (const panel of panels) {
      const said = panel.series.filter((s) => !hidden.has(s.id)).map((s) =>
        s.name + " " + worded(panel.kind, valueAt(s, index)));
      if (said.length) parts.push(panel.figure.dataset.title + ": " + said.join(", "));
    }
  }
  return parts.filter(Boolean).join(". ") + ".";
}

// --- Drawing -------------------------------------------------------------------------------------

let asked = 0;
function redraw() {
  if (!asked) asked = requestAnimationFrame(draw);
}

let paint = null;           // colours and font, read again when the theme changes
function readPaint() {
  const style = getComputedStyle(root);
  const seen = {};
  paint = {
    colour: (name) => seen[name] || (seen[name] = style.getPropertyValue(name).trim() || "#888"),
    font: style.fontFamily,
  };
}

function margins(width) {
  return { left: width < 480 ? 38 : 46, right: width < 480 ? 48 : 122, top: 10, bottom: 8 };
}

function draw() {
  asked = 0;
  if (root.offsetParent === null) return;
  if (!paint) readPaint();
  const count = shownCount();
  if (play && play.running) advance();
  panels.forEach((panel, i) => drawPanel(panel, count, i === panels.length - 1));
  paintReadout(count);
  root.dataset.zoom = zoom ? zoom.map((v) => v.toFixed(3)).join(":") : "";
  $(".reset").disabled = !zoom;
}

function fit(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  const w = Math.round(width * ratio), h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return [pen, width, height];
}

function niceTicks(low, high, count) {
  const raw = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999) || raw;
  const ticks = [];
  for (let t = Math.ceil(low / step - 1e-9) * step; t <= high + step * 1e-9; t += step) {
    ticks.push(Math.abs(t) < step * 1e-9 ? 0 : t);
  }
  return ticks;
}

function between([x0, y0], [x1, y1], x) {
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0 || 1);
}

function rangeOf(panel, visible, count, low, high) {
  let min = Infinity, max = -Infinity;
  const positive = panel.kind === "loss" && options.log;
  const include = (v) => {
    if (!number(v) || (positive && v <= 0)) return;
    if (v < min) min = v;
    if (v > max) max = v;
  };
  for (const s of visible) {
    let last = null;                       // lines also enter and leave the window between points
    for (let i = 0; i < count; i++) {
      const x = xOf(rows[i]), v = s.get(rows[i]);
      if (!number(v)) continue;
      if (last && last[0] < low && x > low) include(between(last, [x, v], low));
      if (last && last[0] < high && x > high) include(between(last, [x, v], high));
      if (x > high) break;
      if (x >= low) include(v);
      last = [x, v];
    }
  }
  if (panel.kind === "iwv" && options.stacked) return [0, 1];
  if (min > max) return panel.kind === "loss" && options.log ? [0.1, 1] : [0, 1];
  if (positive) {
    if (max / min < 2) { const m = Math.sqrt(max * min); min = m / 1.5; max = m * 1.5; }
    return [min / 1.15, max * 1.15];
  }
  if (panel.kind === "loss") return [Math.min(0, min), max > 0 ? max * 1.06 : 1];
  const least = panel.kind === "iwv" ? 0.1 : 0.06;
  if (max - min < least) { const m = (max + min) / 2; min = m - least / 2; max = m + least / 2; }
  const pad = (max - min) * 0.12;
  return [Math.max(0, min - pad), Math.min(1, max + pad)];
}

function drawPanel(panel, count, lowest) {
  const [pen, width, height] = fit(panel.canvas);
  if (!width || !rows.length) return;
  const m = margins(width);
  if (lowest) m.bottom = 38;
  const box = { left: m.left, right: width - m.right, top: m.top, bottom: height - m.bottom };
  const visible = panel.series.filter((s) => !hidden.has(s.id));
  const [low, high] = domain();
  const [bottom, top] = rangeOf(panel, visible, count, low, high);
  const log = panel.kind === "loss" && options.log;
  const scale = log ? Math.log10 : (v) => v;
  const X = (x) => box.left + ((x - low) / (high - low)) * (box.right - box.left);
  const Y = (v) => box.bottom - ((scale(v) - scale(bottom)) / (scale(top) - scale(bottom))) * (box.bottom - box.top);
  panel.scale = { X, box, low, high };

  // Grid and labels
  pen.font = "11px " + paint.font;
  pen.lineWidth = 1;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const t of valueTicks(panel, bottom, top, log, box)) {
    const y = Math.round(Y(t)) + 0.5;
    pen.strokeStyle = paint.colour("--grid");
    line(pen, box.left, y, box.right, y);
    pen.fillStyle = paint.colour("--text-3");
    const text = panel.kind === "validation" ? +(t * 100).toFixed(1) + "%" : tickText(t, top - bottom, log);
    pen.fillText(text, box.left - 7, y);
  }
  pen.textAlign = "center";
  pen.textBaseline = "top";
  const wide = Math.max(3, Math.floor((box.right - box.left) / 90));
  for (const t of niceTicks(low, high, wide)) {
    const x = Math.round(X(t)) + 0.5;
    if (x < box.left - 1 || x > box.right + 1) continue;
    pen.strokeStyle = paint.colour("--grid");
    line(pen, x, box.top, x, box.bottom);
    if (lowest) {
      pen.fillStyle = paint.colour("--text-3");
      pen.fillText(axis === "step" ? grouped(t) : String(+t.toFixed(3)), x, box.bottom + 7);
    }
  }
  if (lowest) {
    pen.fillStyle = paint.colour("--text-3");
    pen.textAlign = "right";
    pen.fillText(axis, box.right, box.bottom + 22);
  }

  // Lines
  pen.save();
  pen.beginPath();
  pen.rect(box.left, box.top - 4, box.right - box.left + 4, box.bottom - box.top + 8);
  pen.clip();
  if (panel.kind === "iwv" && options.stacked) drawStack(pen, visible, count, X, Y);
  else for (const s of visible) drawSeries(pen, panel, s, count, X, Y, log, low, high);
  pen.restore();

  drawEnds(pen, panel, visible, count, Y, box, width, low, high, log);
  drawCrosshair(pen, panel, visible, X, Y, box, log);
  if (band) {
    pen.fillStyle = paint.colour("--band");
    pen.fillRect(Math.min(band.from, band.to), box.top, Math.abs(band.to - band.from), box.bottom - box.top);
  }
}

function valueTicks(panel, bottom, top, log, box) {
  const room = Math.max(2, Math.floor((box.bottom - box.top) / 38));
  if (!log) return niceTicks(bottom, top, room);
  const ticks = [];
  for (let e = Math.floor(Math.log10(bottom)); e <= Math.ceil(Math.log10(top)); e++) {
    for (const mult of [1, 2, 5]) {
      const t = mult * 10 ** e;
      if (t >= bottom && t <= top) ticks.push(t);
    }
  }
  if (ticks.length <= room + 1) return ticks;
  const tens = ticks.filter((t) => Math.abs(Math.log10(t) - Math.round(Math.log10(t))) < 1e-9);
  return tens.length >= 2 ? tens : ticks.filter((_, i) => i % 2 === 0);
}

function tickText(t, span, log) {
  if (log) return t >= 0.001 && t < 10000 ? String(+t.toPrecision(2)) : t.toExponential(0);
  return String(+t.toFixed(span < 0.05 ? 3 : span < 20 ? 2 : 0));
}

function line(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

// A running mean that forgets over `reach` values, corrected at its start; gaps stay gaps.
function smoother(reach) {
  const keep = 1 - 1 / reach;
  let mean = 0, weight = 0;
  return (v) => {
    if (!number(v)) return v;
    mean = keep * mean + (1 - keep) * v;
    weight = keep * weight + (1 - keep);
    return mean / weight;
  };
}

function drawSeries(pen, panel, s, count, X, Y, log, low, high) {
  let seen = 0;
  for (let i = 0; i < count; i++) {
    const x = xOf(rows[i]);
    if (x >= low && x <= high && s.get(rows[i]) !== undefined) seen++;
  }
  const calm = panel.kind === "loss" && options.smooth && seen > 60;
  if (!calm) return drawLine(pen, s, count, X, Y, log, low, high, 2, s.dash, (v) => v);
  pen.globalAlpha = 0.28;
  drawLine(pen, s, count, X, Y, log, low, high, 1, [], (v) => v);
  pen.globalAlpha = 1;
  drawLine(pen, s, count, X, Y, log, low, high, 2, s.dash, smoother(seen / 30));
}

function drawLine(pen, s, count, X, Y, log, low, high, thick, dash, through) {
  pen.strokeStyle = paint.colour(s.colour);
  pen.fillStyle = pen.strokeStyle;
  pen.lineWidth = thick;
  pen.lineJoin = "round";
  pen.setLineDash(dash);
  pen.beginPath();
  let down = false;
  const dots = [];
  for (let i = 0; i < count; i++) {
    const v = through(s.get(rows[i]));
    if (v === undefined) continue;                   // not written in this row: join over it
    if (!number(v) || (log && v <= 0)) { down = false; continue; }   // NaN: a gap, as it should be
    const x = X(xOf(rows[i])), y = Y(v);
    if (down) pen.lineTo(x, y); else pen.moveTo(x, y);
    if (s.dots && xOf(rows[i]) >= low && xOf(rows[i]) <= high) dots.push([x, y]);
    down = true;
  }
  pen.stroke();
  pen.setLineDash([]);
  if (dots.length < 80) for (const [x, y] of dots) disc(pen, x, y, 2.6);
}

function disc(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

function drawStack(pen, visible, count, X, Y) {
  const base = new Float64Array(count);
  for (const s of visible) {
    const upper = [];
    for (let i = 0; i < count; i++) {
      const v = s.get(rows[i]);
      upper.push(number(v) ? base[i] + v : base[i]);
    }
    pen.beginPath();
    for (let i = 0; i < count; i++) pen.lineTo(X(xOf(rows[i])), Y(upper[i]));
    for (let i = count - 1; i >= 0; i--) pen.lineTo(X(xOf(rows[i])), Y(base[i]));
    pen.closePath();
    pen.fillStyle = paint.colour(s.colour);
    pen.globalAlpha = 0.72;
    pen.fill();
    pen.globalAlpha = 1;
    for (let i = 0; i < count; i++) base[i] = upper[i];
  }
}

function drawEnds(pen, panel, visible, count, Y, box, width, low, high, log) {
  // The value at the right edge of what is drawn, beside its line, pushed apart where they meet.
  let edge = count - 1;
  while (edge > 0 && xOf(rows[edge]) > high) edge--;
  let below = 0;
  const ends = [];
  for (const s of visible) {
    const v = valueAt(s, edge);
    if (!number(v) || (log && v <= 0)) continue;
    const at = panel.kind === "iwv" && options.stacked ? below + v / 2 : v;
    below += v;
    ends.push({ s, v, y: Math.min(box.bottom - 4, Math.max(box.top + 4, Y(at))) });
  }
  ends.sort((a, b) => a.y - b.y);
  const gap = 14;
  for (let i = 1; i < ends.length; i++) ends[i].y = Math.max(ends[i].y, ends[i - 1].y + gap);
  for (let i = ends.length - 1; i >= 0; i--) {
    const limit = i === ends.length - 1 ? box.bottom - 2 : ends[i + 1].y - gap;
    ends[i].y = Math.min(ends[i].y, limit);
  }
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  const roomy = width - box.right > 80;
  for (const end of ends) {
    pen.fillStyle = paint.colour(end.s.colour);
    pen.font = "600 11.5px " + paint.font;
    const value = worded(panel.kind, end.v);
    let x = box.right + 10;
    if (roomy) {
      pen.fillText(value, x, end.y);
      x += pen.measureText(value).width + 5;
      pen.font = "11.5px " + paint.font;
      pen.fillText(clip(pen, end.s.name, width - x - 2), x, end.y);
    } else pen.fillText(value, x - 4, end.y);
  }
}

function clip(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  while (text.length > 1 && pen.measureText(text + "\u2026").width > room) text = text.slice(0, -1);
  return text + "\u2026";
}

function drawCrosshair(pen, panel, visible, X, Y, box, log) {
  const index = play ? shownCount() - 1 : hover;
  if (index === null || !rows[index]) return;
  const x = X(xOf(rows[index]));
  if (x < box.left - 1 || x > box.right + 1) return;
  pen.strokeStyle = paint.colour("--cross");
  pen.lineWidth = 1;
  line(pen, Math.round(x) + 0.5, box.top, Math.round(x) + 0.5, box.bottom);
  if (panel.kind === "iwv" && options.stacked) return;
  for (const s of visible) {
    const v = s.dots ? s.get(rows[index]) : valueAt(s, index);
    if (!number(v) || (log && v <= 0)) continue;
    pen.fillStyle = paint.colour("--ground");
    disc(pen, x, Y(v), 5);
    pen.fillStyle = paint.colour(s.colour);
    disc(pen, x, Y(v), 3.6);
  }
}

function paintReadout(count) {
  const index = play || hover === null ? count - 1 : hover;
  const row = rows[index];
  for (const panel of panels) {
    for (const s of panel.series) {
      const value = row ? valueAt(s, index) : undefined;
      s.key.lastElementChild.textContent = worded(panel.kind, value);
      s.key.dataset.value = number(value) ? String(value) : "";
    }
  }
  $(".where").textContent = !row ? "" :
    "step " + grouped(row.step)
    + (number(row.epoch) ? " \u00b7 epoch " + row.epoch.toFixed(2) : "")
    + (number(row.time_s) ? " \u00b7 " + clock(row.time_s) : "");
  $(".where").classList.toggle("held", hover !== null || play !== null);
  if (play) $(".scrub").value = String(Math.round(play.at * 1000));
}

function clock(seconds) {
  if (seconds < 60) return seconds.toFixed(1) + " s";
  const s = Math.round(seconds);
  return Math.floor(s / 60) + " min " + String(s % 60).padStart(2, "0") + " s";
}

// --- Zoom ----------------------------------------------------------------------------------------

function setZoom(low, high) {
  const [first, last] = fullDomain();
  const least = (last - first) / Math.max(20, rows.length / 4);
  let width = Math.max(high - low, least);
  if (width >= (last - first) * 0.999) zoom = null;
  else {
    low = Math.min(Math.max(low, first), last - width);
    zoom = [low, low + width];
  }
  redraw();
}

function zoomBy(factor, centre) {
  const [low, high] = domain();
  const at = centre === undefined
    ? (hover !== null && rows[hover] ? xOf(rows[hover]) : (low + high) / 2) : centre;
  setZoom(at - (at - low) * factor, at + (high - at) * factor);
}

function atPixel(panel, px) {
  const { box, low, high } = panel.scale;
  return low + ((px - box.left) / (box.right - box.left)) * (high - low);
}

function holdHover(index) {
  hover = rows.length ? Math.min(rows.length - 1, Math.max(0, index)) : null;
  const x = hover === null ? 0 : xOf(rows[hover]);
  if (zoom && (x < zoom[0] || x > zoom[1])) {
    const half = (zoom[1] - zoom[0]) / 2;
    setZoom(x - half, x + half);
  }
  redraw();
}

// --- Pointer, wheel, keyboard --------------------------------------------------------------------

const fingers = new Map();
let pinch = null;
for (const panel of panels) {
  const canvas = panel.canvas;
  const pixel = (event) => event.clientX - canvas.getBoundingClientRect().left;
  canvas.addEventListener("pointerdown", (event) => {
    if (!rows.length || !panel.scale || event.button !== 0) return;
    charts.focus({ preventScroll: true });
    if (event.pointerType === "touch") {
      fingers.set(event.pointerId, event.clientX);
      if (fingers.size === 2) {
        const [a, b] = [...fingers.values()];
        pinch = { gap: Math.max(20, Math.abs(a - b)), domain: domain(),
          centre: atPixel(panel, (a + b) / 2 - canvas.getBoundingClientRect().left) };
      } else holdHover(nearest(atPixel(panel, pixel(event))));
      return;
    }
    canvas.setPointerCapture(event.pointerId);
    band = { from: pixel(event), to: pixel(event), pan: event.shiftKey ? domain() : null };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!rows.length || !panel.scale) return;
    if (fingers.has(event.pointerId)) {
      fingers.set(event.pointerId, event.clientX);
      if (pinch && fingers.size === 2) {
        const [a, b] = [...fingers.values()];
        const factor = pinch.gap / Math.max(20, Math.abs(a - b));
        const [low, high] = pinch.domain, c = pinch.centre;
        setZoom(c - (c - low) * factor, c + (high - c) * factor);
        return;
      }
    }
    if (band) band.to = Math.min(panel.scale.box.right, Math.max(panel.scale.box.left, pixel(event)));
    if (band && band.pan) {
      const { box } = panel.scale, [low, high] = band.pan;
      const shift = ((band.from - pixel(event)) / (box.right - box.left)) * (high - low);
      setZoom(low + shift, high + shift);
    }
    if (play && !play.running) stopReplay();
    if (!play) hover = nearest(atPixel(panel, pixel(event)));
    redraw();
  });
  const up = (event) => {
    fingers.delete(event.pointerId);
    if (fingers.size < 2) pinch = null;
    if (!band) return;
    const { from, to, pan } = band;
    band = null;
    if (!pan && Math.abs(to - from) > 6) {
      const a = atPixel(panel, Math.min(from, to)), b = atPixel(panel, Math.max(from, to));
      setZoom(a, b);
    }
    redraw();
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "touch" || band) return;
    hover = null;
    redraw();
  });
  canvas.addEventListener("dblclick", () => { zoom = null; redraw(); });
  canvas.addEventListener("wheel", (event) => {
    // The page scrolls as usual until the charts are clicked (or Ctrl is held): no scroll trap.
    const ours = event.ctrlKey || event.metaKey || charts.contains(document.activeElement);
    if (!ours || !rows.length || !panel.scale) return;
    event.preventDefault();
    const [low, high] = domain();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      if (!zoom) return;
      const shift = (event.deltaX / panel.canvas.clientWidth) * (high - low);
      return setZoom(low + shift, high + shift);
    }
    zoomBy(Math.exp(Math.max(-120, Math.min(120, event.deltaY)) * 0.0025), atPixel(panel, pixel(event)));
  }, { passive: false });
}

charts.addEventListener("keydown", (event) => {
  if (event.target !== charts || event.altKey || event.ctrlKey || event.metaKey || !rows.length) return;
  const here = hover === null ? rows.length - 1 : hover;
  const stride = (event.shiftKey ? 10 : 1) * Math.max(1, Math.round(rows.length / 300));
  const acts = {
    ArrowLeft: () => holdHover(here - stride),
    ArrowRight: () => holdHover(here + stride),
    Home: () => holdHover(0),
    End: () => holdHover(rows.length - 1),
    "+": () => zoomBy(0.6),
    "=": () => zoomBy(0.6),
    "-": () => zoomBy(1 / 0.6),
    "_": () => zoomBy(1 / 0.6),
    "0": () => { zoom = null; redraw(); },
    Escape: () => { hover = null; redraw(); },
  };
  if (!acts[event.key]) return;
  event.preventDefault();
  if (play) stopReplay();
  acts[event.key]();
  clearTimeout(charts.quiet);
  charts.quiet = setTimeout(() => {
    if (hover !== null) $(".spoken").textContent = summary(hover);
  }, 600);
});
charts.addEventListener("blur", () => { hover = null; redraw(); });

root.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  const act = button.dataset.act;
  if (act === "axis") {
    const from = zoom && zoom.map((x) => nearest(x));
    axis = axis === "step" ? "epoch" : "step";
    zoom = from && from[1] > from[0] ? from.map((i) => xOf(rows[i])) : null;
  }
  if (act === "reset") zoom = null;
  if (act === "stacked") options.stacked = !options.stacked;
  if (act === "log") options.log = !options.log;
  if (act === "smooth") options.smooth = !options.smooth;
  if (act === "replay") toggleReplay();
  paintSwitches();
  redraw();
});

function paintSwitches() {
  for (const button of root.querySelectorAll("[data-act=axis]")) {
    button.setAttribute("aria-pressed", String(axis === "epoch"));
  }
  $("[data-act=stacked]").setAttribute("aria-pressed", String(options.stacked));
  $("[data-act=smooth]").setAttribute("aria-pressed", String(options.smooth));
  $("[data-act=log]").setAttribute("aria-pressed", String(options.log));
  const running = play && play.running;
  const button = $("[data-act=replay]");
  button.dataset.running = String(Boolean(running));
  button.querySelector("span").textContent = running ? "Pause" : play ? "Go on" : "Replay";
  if (!play) $(".scrub").value = "1000";
}

// --- Replay --------------------------------------------------------------------------------------

function toggleReplay() {
  if (!play || play.at >= 1) play = { at: 0, running: true, last: performance.now() };
  else { play.running = !play.running; play.last = performance.now(); }
  hover = null;
}

function advance() {
  const now = performance.now();
  play.at = Math.min(1, play.at + (now - play.last) / REPLAY_MS);
  play.last = now;
  if (play.at >= 1) stopReplay(); else redraw();
}

function stopReplay() {
  play = null;
  paintSwitches();
  redraw();
}

$(".scrub").addEventListener("input", (event) => {
  play = { at: Number(event.target.value) / 1000, running: false, last: performance.now() };
  paintSwitches();
  redraw();
});

// --- Life ----------------------------------------------------------------------------------------

const onVisible = () => { if (!document.hidden) plan(0); };
document.addEventListener("visibilitychange", onVisible);
new ResizeObserver(redraw).observe(charts);
const themed = new MutationObserver(() => { paint = null; redraw(); });
themed.observe(document.body, { attributes: true, attributeFilter: ["class"] });
themed.observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
const talk = setInterval(() => {
  if (!element.isConnected) {
    clearInterval(talk);
    clearTimeout(timer);
    themed.disconnect();
    document.removeEventListener("visibilitychange", onVisible);
  } else if (status.state === "running") speak(false);
}, 5000);

watch("value", () => show(props.value));
paintSwitches();
show(props.value);
