// ---- asking the server, and what is said of the answers

const POLL_MS = 1000;       // rows of a live run
const PULSE_MS = 5000;      // "has somebody started a run?", while nothing is live
const SUMMARY_MS = 20000;   // spoken summary of a live run
const TABLE_ROWS = 12;
const WORDS = {
  none: "No run yet", gone: "Run removed", starting: "Starting", running: "Training",
  stopped: "Stopped", failed: "Failed", finished: "Finished", unreadable: "Unreadable",
};
let told = "";              // run and state that Python heard last
let lastLive = null;
let misses = 0;             // polls in a row without an answer
let timer = 0;

function onScreen() {
  return !document.hidden && element.isConnected && root.offsetParent !== null;
}

function plan(milliseconds) {
  clearTimeout(timer);
  if (element.isConnected) timer = setTimeout(tick, milliseconds);
}

const moves = ({ status }) => LIVE.has(status.state) || status.state === "loading";

async function tick() {
  if (!element.isConnected) return;
  if (!onScreen()) return plan(POLL_MS);           // hidden: no request, look again later
  if (over.some(moves)) await Promise.all(over.filter(moves).map(fetchRows));
  if (run.id && moves(run)) await poll();
  else await pulse();
}

// The rows of a run since its cursor; whether they came.
async function fetchRows(asked) {
  const reply = await server.since({ run: asked.id, cursor: asked.cursor });
  if (!reply || !reply.status || (asked !== run && !over.includes(asked))) return false;
  if (reply.names) {
    Object.assign(asked, { names: reply.names, system: reply.system });
    nameRuns();
  }
  if (reply.reset) asked.rows = [];
  asked.cursor = reply.cursor;
  asked.status = reply.status;
  append(asked, reply.rows || []);
  redraw();
  return true;
}

async function poll() {
  const asked = run, came = await fetchRows(asked);
  if (asked !== run) return;
  misses = came ? 0 : misses + 1;
  if (!came) {
    if (misses > 2) paintState();
    return plan(Math.min(8000, POLL_MS * 2 ** misses));
  }
  findSeries();
  paintState();
  tell();
  plan(LIVE.has(run.status.state) ? POLL_MS : PULSE_MS);
}

async function pulse() {
  const reply = await server.live({});
  const live = reply ? reply.live : lastLive;
  const news = live && live !== lastLive && live !== run.id;
  lastLive = live;
  if (live && live === run.id) { run.status = { state: "loading" }; return plan(0); }
  if (news) trigger("appeared", { run: live });
  plan(PULSE_MS);
}

function tell() {
  const now = run.id + " " + run.status.state;
  if (now === told) return;
  const first = told === "";
  told = now;
  if (run.status.state === "running") lastLive = run.id;
  speak(true);
  if (!first) trigger("settled", { run: run.id, state: run.status.state });
}

function show(value) {
  const next = value && typeof value.run === "string" ? value.run : null;
  const others = (value && value.over) || [];
  clearTimeout(timer);
  if (next !== run.id) { run = another(next); zoom = null; hover = null; play = null; }
  else run.status = { state: run.id ? "loading" : "none" };
  over = others.filter((id) => id !== next).map((id) => over.find((known) => known.id === id) || another(id));
  told = "";
  lastLive = null;
  nameRuns();
  findSeries();
  redraw();
  paintState();
  plan(run.id ? 0 : PULSE_MS);
}

// Which line is whose, where several runs are drawn, and what each of them trains.
function nameRuns() {
  $(".runs").hidden = !over.length;
  $(".runs").replaceChildren(...[run, ...over].map(({ id, system }, place) => {
    const named = document.createElement("span"), line = document.createElement("i");
    line.dataset.dash = String(place);
    named.append(line, id || "");
    if (system) named.append(Object.assign(document.createElement("b"), { textContent: system }));
    return named;
  }));
}

// ---- words

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
function worded(kind, v) {
  if (!number(v)) return "\u2013";
  if (kind === "validation" && v >= 0 && v <= 1) return (v * 100).toFixed(1) + "\u202f%";
  return kind === "iwv" || kind === "fill_cosine" ? v.toFixed(3) : shortly(v);
}

function clock(seconds) {
  if (seconds < 60) return seconds.toFixed(1) + " s";
  const s = Math.round(seconds);
  return Math.floor(s / 60) + " min " + String(s % 60).padStart(2, "0") + " s";
}

function paintState() {
  const { rows, status } = run;
  const state = status.state === "loading" && rows.length ? "running" : status.state;
  root.dataset.state = state;
  root.dataset.run = run.id || "";
  root.dataset.points = String(rows.length);
  paintProgress(state);
  const note = $(".note"), words = trouble || (LIVE.has(state) || misses > 2 ? "" : status.message || "");
  note.hidden = !words;
  if (note.textContent !== words) note.textContent = words;

  const [title, text] = emptyWords(state);
  $(".veil").hidden = rows.length > 0;
  $(".veil b").textContent = title;
  $(".veil span").textContent = text;
  root.classList.toggle("empty", !rows.length);

  const canReplay = rows.length > 2 && !LIVE.has(state) && state !== "loading";
  $(".replay").hidden = !canReplay;
  if (!canReplay && play) { play = null; redraw(); }
}

function paintProgress(state) {
  const { rows, status } = run, last = rows[rows.length - 1], parts = [];
  const step = number(status.step) ? status.step : last ? last.step : 0;
  const known = number(status.steps) && status.steps > 0;
  if (known && state !== "none") parts.push(`step ${grouped(step)} of ${grouped(status.steps)}`);
  if (state === "starting" && status.stage) parts.push(status.stage, minutes(status.left_s));
  if (state === "running") {
    parts.push(minutes(status.eta_s));
    if (last && number(last.samples_per_s)) parts.push(grouped(last.samples_per_s) + " samples/s");
  }
  $(".word").textContent = misses > 2 ? "No answer" : WORDS[state] || "";
  $(".detail").textContent = misses > 2
    ? "The app does not answer; still trying. A training run goes on without it."
    : parts.filter(Boolean).join(" \u00b7 ");
  const bar = $(".meter"), done = known ? Math.min(1, step / status.steps) : 0;
  bar.hidden = !LIVE.has(state);
  bar.setAttribute("aria-valuenow", String(Math.round(done * 100)));
  bar.firstElementChild.style.transform = `scaleX(${done})`;
}

function emptyWords(state) {
  const another = "Choose another run above, or start a new one.";
  return {
    starting: ["The run is starting", `${run.status.stage || "The trainer is loading"}. A start takes some seconds, longer on a busy machine.`],
    running: ["Waiting for the first record", "The model trains; the first point of the curves is on its way."],
    loading: ["Reading the run", ""],
    gone: ["This run\u2019s folder is gone", another],
    none: ["No run yet", "Press Start: the smoke test trains a small model in half a minute. Its curves grow here: which input it learns to trust, its losses, and its score on what it was not trained on."],
    unreadable: ["No records", another],
  }[state] || ["No records", "This run ended before it wrote a record."];
}

let spokenAt = 0;
function speak(now) {
  const time = performance.now();
  if (!run.rows.length && !now) return;
  if (!now && time - spokenAt < SUMMARY_MS) return;
  spokenAt = time;
  $(".spoken").textContent = summary(run.rows.length - 1);
}
function summary(index) {
  const parts = [WORDS[run.status.state] || ""];
  if (run.rows[index]) {
    parts.push("step " + run.rows[index].step);
    for (const panel of panels) {
      const said = saidOf(panel, index);
      if (said) parts.push(`${panel.title}: ${said}`);
    }
  }
  return parts.filter(Boolean).join(". ") + ".";
}
const saidOf = ({ kind, series }, index) => series.filter(({ id }) => !hidden.has(id))
  .map((s) => `${s.name} ${worded(kind, valueAt(s, index))}`).join(", ");

// ---- the same in numbers, for those who do not see the charts

function paintTable() {
  const table = $(".figures table"), { rows } = run;
  if (!$(".figures").open) return;
  const columns = panels.flatMap(({ kind, title, series }) => series.map((s) => ({ kind, title, s })));
  const count = Math.min(TABLE_ROWS, rows.length);
  const indices = Array.from({ length: count }, (_, k) => Math.round((k * (rows.length - 1)) / Math.max(1, count - 1)));
  const cells = (words, kind) => words.map((text) => Object.assign(document.createElement(kind), { textContent: text }));
  const line = (words, kind) => {
    const tr = document.createElement("tr"), [head, ...rest] = words;
    const [th] = cells([head], "th");
    th.scope = kind === "th" ? "col" : "row";
    tr.append(th, ...cells(rest, kind));
    return tr;
  };
  table.tHead.replaceChildren(line(["Step", ...columns.map(({ title, s }) => `${title}: ${s.name}`)], "th"));
  table.tBodies[0].replaceChildren(...indices.map((index) =>
    line([grouped(rows[index].step), ...columns.map(({ kind, s }) => worded(kind, valueAt(s, index)))], "td")));
}
