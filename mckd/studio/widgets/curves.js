// Live training curves: a chart for each kind of series that a run records, all over one x axis.
// This file knows the runs and their rows; curves.talk.js asks the server and speaks, curves.draw.js
// draws, curves.hands.js listens. Python says which runs to show: props.value = {run, over, at}.

const root = element.querySelector(".curves");
const $ = (name) => root.querySelector(name);
const charts = $(".charts");
const MAX_ROWS = props.max_rows || 1500;
const MOST_SERIES = 8;      // drawn of a kind where none has a name that is known
let NAMES = {};             // of the runs: what is drawn by name, its words and colours
const SPARE = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => "--spare-" + n);
const KNOWN = new Set(["task_loss", "distillation_loss", "meta_loss"]);   // losses with a colour
const LIVE = new Set(["starting", "running"]);

// --- What is known -------------------------------------------------------------------------------

const another = (id) => ({ id, system: "", rows: [], names: {}, cursor: null, status: { state: id ? "loading" : "none" } });
let run = another(null);    // the one that is read out
let over = [];              // others, drawn over it

let axis = "step";
let zoom = null;            // [low, high] in axis units; null shows everything
let hover = null;           // index into the rows of `run`
let play = null;            // {at: 0..1, running, last}
const hidden = new Set();
const options = { stacked: false, log: true, smooth: true };

const number = (v) => typeof v === "number" && Number.isFinite(v);
const label = (key) => (NAMES[key] && NAMES[key].label) || key.replace(/_loss$/, "").replace(/_/g, " ");

// --- Panels: which series each one draws ---------------------------------------------------------

const panels = [...root.querySelectorAll(".panel")].map((figure) => ({
  kind: figure.dataset.panel,
  title: figure.dataset.title,
  figure,
  plot: figure.querySelector(".plot"),
  cursor: figure.querySelector(".cursor"),
  keys: figure.querySelector(".keys"),
  series: [],
  signature: null,
}));

// The names of a kind's series in all rows: those that are known in their order, else the first.
function namesOf(kind) {
  const found = new Set();
  for (const { rows } of [run, ...over]) {
    for (const row of rows) {
      for (const key of Object.keys(kind === "loss" ? row : row[kind] || {})) {
        if (kind !== "loss" || key.endsWith("_loss")) found.add(key);
      }
    }
  }
  // Of a task with many subsets only the named ones are drawn; the records hold them all.
  const known = Object.keys(NAMES).filter((key) => found.has(key));
  return kind !== "loss" && known.length ? known : [...found].slice(0, MOST_SERIES);
}

function colourOf(key, place) {
  if (KNOWN.has(key)) return "--series-" + key.replace("_loss", "");
  return (NAMES[key] && NAMES[key].colour) || SPARE[place % SPARE.length];
}

function findSeries() {
  NAMES = Object.assign({}, ...over.map(({ names }) => names), run.names);
  for (const panel of panels) {
    const { kind } = panel, names = namesOf(kind);
    const signature = JSON.stringify(names.map((key) => [key, NAMES[key]]));
    panel.figure.hidden = !names.length && ("optional" in panel.figure.dataset || (kind === "iwv" && run.rows.length > 0));
    if (signature === panel.signature) continue;
    panel.signature = signature;
    panel.series = names.map((key, place) => ({
      id: kind === "loss" ? key : `${kind}.${key}`,
      name: kind === "feature_std" ? `Scale ${key}` : label(key),
      colour: colourOf(key, place),
      get: kind === "loss" ? (row) => row[key] : (row) => row[kind] && row[kind][key],
    }));
    buildKeys(panel);
  }
}

function buildKeys(panel) {
  panel.keys.replaceChildren(...panel.series.map((series) => {
    const key = document.createElement("button"), line = document.createElement("i");
    const name = document.createElement("span"), value = document.createElement("b");
    key.type = "button";
    key.className = "key";
    key.dataset.series = series.id;
    key.title = "Show or hide " + series.name;
    key.setAttribute("aria-pressed", String(!hidden.has(series.id)));
    line.style.setProperty("--line", `var(${series.colour})`);
    name.textContent = series.name;
    key.append(line, name, value);
    key.addEventListener("click", () => {
      if (hidden.has(series.id)) hidden.delete(series.id); else hidden.add(series.id);
      key.setAttribute("aria-pressed", String(!hidden.has(series.id)));
      redraw();
    });
    series.key = key;
    return key;
  }));
}

// --- Rows: append, rewind, thin ------------------------------------------------------------------

function append(to, fresh) {
  if (!fresh.length) return;
  // A resumed run repeats the steps after its checkpoint: the new rows replace the old ones.
  const first = fresh[0].step;
  while (to.rows.length && to.rows[to.rows.length - 1].step >= first) to.rows.pop();
  to.rows.push(...fresh);
  while (to.rows.length > MAX_ROWS) {
    const marked = to.rows.filter((row) => row.validation).length <= MAX_ROWS / 2;
    to.rows = to.rows.filter((row, i, all) => i % 2 === 0 || i === all.length - 1 || (marked && row.validation));
  }
  if (hover !== null) hover = Math.min(hover, run.rows.length - 1);
  findSeries();
}

const xOf = (row) => (axis === "epoch" && number(row.epoch) ? row.epoch : row.step);

function fullDomain() {
  const ends = [run, ...over].filter(({ rows }) => rows.length).map(({ rows }) => [xOf(rows[0]), xOf(rows[rows.length - 1])]);
  if (!ends.length) return [0, 1];
  const low = Math.min(...ends.map(([first]) => first)), high = Math.max(...ends.map(([, last]) => last));
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}
const domain = () => zoom || fullDomain();

function nearest(x) {
  const { rows } = run;
  let low = 0, high = rows.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xOf(rows[middle]) < x) low = middle; else high = middle;
  }
  return Math.abs(xOf(rows[low]) - x) <= Math.abs(xOf(rows[high]) - x) ? low : high;
}

// How many rows of the run are drawn: all, or those that a replay has come to.
function shownCount() {
  const { rows } = run;
  if (!play) return rows.length;
  const edge = xOf(rows[0]) + (xOf(rows[rows.length - 1]) - xOf(rows[0])) * play.at;
  let count = rows.length;
  while (count > 1 && xOf(rows[count - 1]) > edge) count--;
  return count;
}

// Validation is written now and then: the read-out shows the latest value up to that row.
function valueAt(series, index) {
  for (let i = index; i >= 0; i--) {
    const v = series.get(run.rows[i]);
    if (v !== undefined) return v;
  }
  return undefined;
}
