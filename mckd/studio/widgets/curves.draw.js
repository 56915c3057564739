// ---- the charts: made anew from the rows by `Plotly.react`, which keeps what has not changed. Rows
// are thinned, smoothed and, of a resumed run, replaced, so no chart only grows at its end. What one
// zoomed to is ours (`zoom`), so no new row moves it.

const DASHES = ["solid", "dash", "dot", "longdashdot"];       // of the run, then of those over it
const AXIS = { left: 50, right: 12, top: 8, bottom: 24, titled: 42 };   // pixels around a chart
const FEW = 80;             // points of a series that are marked one by one
const CALM = 60;            // so many points in sight, or more, are smoothed
const LEAST = { iwv: 0.1, validation: 0.06, fill_cosine: 0.1 };   // height of a range: no noise fills a chart

const NO_LIBRARY = "The charts could not be fetched from the app; the table below them has the figures. Reload the page to try again.";

let asked = 0, held = false, library = null, trouble = "";
function redraw() {
  if (!asked && !held) asked = requestAnimationFrame(draw);
}

async function draw() {
  library ??= await plotly().catch(() => null);
  asked = 0;
  if (root.offsetParent === null) return;
  if (!library) return drawNothing();
  if (play && play.running) advance();
  const inks = plotInks();
  const shown = panels.filter(({ figure }) => run.rows.length && !figure.hidden);
  for (const { figure } of panels) figure.classList.toggle("last", figure === shown.at(-1)?.figure);
  for (const panel of shown) drawPanel(panel, inks);
  paintReadout();
  paintTable();
  root.dataset.zoom = zoom ? zoom.map((v) => v.toFixed(3)).join(":") : "";
  root.dataset.drawn = String(run.rows.length);
  $(".reset").disabled = !zoom;
}

function drawNothing() {
  trouble = NO_LIBRARY;
  paintState();
  paintReadout();
  paintTable();
}

const isLog = (kind) => kind === "loss" && options.log;
const isStacked = (kind) => kind === "iwv" && options.stacked;

// Whole numbers at every tick, for plotly writes 2 at .2, 2 and 20; range: log10 of the ends.
function logTicks([low, high]) {
  const steps = high - low > 2 ? [1] : [1, 2, 5], ticks = [];
  for (let power = Math.floor(low); power <= high; power++) ticks.push(...steps.map((step) => step * 10 ** power));
  return { tickmode: "array", tickvals: ticks, ticktext: ticks.map((v) => String(Number(v.toPrecision(1)))) };
}

function drawPanel(panel, inks) {
  const { kind, plot, figure } = panel, last = figure.classList.contains("last");
  panel.lines = [run, ...over].flatMap((one, place) => panel.series
    .filter(({ id }) => !hidden.has(id)).flatMap((series) => linesOf(kind, series, one, place, inks)));
  const range = rangeOf(kind, panel.lines);
  panel.layout = plotLayout(inks, {
    width: plot.clientWidth, height: plot.clientHeight, hovermode: "x unified",
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    margin: { l: AXIS.left, r: AXIS.right, t: AXIS.top, b: last ? AXIS.titled : AXIS.bottom },
    xaxis: plotAxis(inks, {
      ...(last && { title: { text: axis, standoff: 4 } }), fixedrange: false, range: domain(), hoverformat: axis === "step" ? ",d" : ".2f", tickformat: axis === "step" ? ",~r" : "~g",
    }),
    yaxis: plotAxis(inks, {
      type: isLog(kind) ? "log" : "linear", range, nticks: 5,
      tickformat: kind === "validation" ? ".0%" : "", ...(isLog(kind) && logTicks(range)),
    }),
  });
  const fresh = !plot.data;
  library.react(plot, panel.lines, panel.layout, NO_BAR);
  if (fresh) listen(panel);
  plot.setAttribute("aria-label", `${panel.title}: ${saidOf(panel, shownCount() - 1)}`);
}

// One series of one run: a line, or a faint one and its running mean.
function linesOf(kind, series, one, place, inks) {
  const rows = place ? one.rows : one.rows.slice(0, shownCount()), x = [], y = [], [low, high] = domain();
  let seen = 0;
  for (const row of rows) {
    const v = series.get(row);
    if (v === undefined) continue;                      // not written in this row: joined over
    x.push(xOf(row));
    y.push(number(v) && !(isLog(kind) && v <= 0) ? v : null);   // no number: a gap, as it should be
    seen += x[x.length - 1] >= low && x[x.length - 1] <= high;
  }
  if (isStacked(kind) && place) return [];              // stacks do not lie over each other
  const colour = inks.of(series.colour), format = kind === "validation" ? ".1%" : ".4~g";
  const line = {
    type: "scatter", x, y, name: over.length ? `${series.name} \u00b7 ${one.id}` : series.name, mode: "lines",
    line: { color: colour, width: place ? 1.6 : 2, dash: DASHES[place] }, hovertemplate: `%{y:${format}}`,
  };
  if (isStacked(kind)) return [{ ...line, stackgroup: "weights" }];
  if (kind !== "loss" && kind !== "iwv" && y.length < FEW) return [{ ...line, mode: "lines+markers", marker: { size: 5, color: colour } }];
  if (kind !== "loss" || !options.smooth || seen <= CALM) return [line];
  const faint = { ...line, line: { ...line.line, width: 1, dash: "solid" }, opacity: 0.3, hoverinfo: "skip", hovertemplate: null, showlegend: false };
  return [faint, { ...line, y: smoothed(y, seen / 30), customdata: y, hovertemplate: `%{customdata:${format}}` }];
}

// A running mean that forgets over `reach` values, corrected at its start; gaps stay gaps.
function smoothed(values, reach) {
  const keep = 1 - 1 / reach;
  let mean = 0, weight = 0;
  return values.map((v) => {
    if (v === null) return v;
    mean = keep * mean + (1 - keep) * v;
    weight = keep * weight + (1 - keep);
    return mean / weight;
  });
}

// What of the lines is in sight, and a little room; a line also enters and leaves between points.
function rangeOf(kind, lines) {
  if (isStacked(kind)) return [0, 1];
  const [low, high] = domain(), scale = isLog(kind) ? Math.log10 : (v) => v;
  const seen = lines.flatMap(({ x, y }) => y.filter((v, i) =>
    v !== null && x[Math.min(i + 1, x.length - 1)] >= low && x[Math.max(i - 1, 0)] <= high)).map(scale);
  if (!seen.length) return [0, 1];
  let bottom = seen.reduce((a, b) => Math.min(a, b)), top = seen.reduce((a, b) => Math.max(a, b));
  const lack = Math.max(0, (isLog(kind) ? Math.log10(2) : LEAST[kind] || 1e-9) - (top - bottom)) / 2;
  const room = 0.08 * (top - bottom + 2 * lack) + lack;
  [bottom, top] = [bottom - room, top + room];
  if (!isLog(kind) && kind !== "fill_cosine") bottom = Math.max(bottom, Math.min(0, ...seen));
  return kind === "iwv" || kind === "validation" ? [bottom, Math.min(top, Math.max(1.02, ...seen))] : [bottom, top];
}

function paintReadout() {
  const { rows } = run, count = shownCount(), index = play || hover === null ? count - 1 : hover, row = rows[index];
  const held = hover !== null || play !== null, [low, high] = domain();
  for (const { kind, series, cursor, plot } of panels) {
    for (const s of series) {
      const value = row ? valueAt(s, index) : undefined;
      s.key.lastElementChild.textContent = worded(kind, value);
      s.key.dataset.value = number(value) ? String(value) : "";
    }
    const share = row ? (xOf(row) - low) / (high - low) : -1;
    cursor.hidden = !held || share < 0 || share > 1;
    cursor.style.left = `${AXIS.left + share * (plot.clientWidth - AXIS.left - AXIS.right)}px`;
  }
  $(".where").textContent = !row ? "" : [
    "step " + grouped(row.step), number(row.epoch) && "epoch " + row.epoch.toFixed(2), number(row.time_s) && clock(row.time_s),
  ].filter(Boolean).join(" \u00b7 ");
  $(".where").classList.toggle("held", held);
  if (play) $(".scrub").value = String(Math.round(play.at * 1000));
}

// All charts as one picture, each with its title and legend.
function savePicture(format) {
  const shown = panels.filter(({ figure, plot }) => !figure.hidden && plot.data), inks = plotInks();
  const share = 1 / shown.length, room = 0.3 * share;
  const layout = plotLayout(inks, { width: 900, height: 60 + 220 * shown.length, showlegend: true, margin: { l: 70, r: 20, t: 20, b: 40 }, annotations: [] });
  const data = shown.flatMap((panel, place) => {
    const end = place ? String(place + 1) : "", top = 1 - place * share - 0.4 * room;
    layout[`xaxis${end}`] = { ...panel.layout.xaxis, anchor: `y${end}`, title: { text: place + 1 === shown.length ? axis : "" } };
    layout[`yaxis${end}`] = { ...panel.layout.yaxis, anchor: `x${end}`, domain: [Math.max(0, top - share + room), top] };
    layout[`legend${end}`] = { orientation: "h", x: 1, xanchor: "right", y: top, yanchor: "bottom" };
    layout.annotations.push({ text: `<b>${panel.title}</b>`, xref: "paper", yref: "paper", x: 0, y: top, xanchor: "left", yanchor: "bottom", showarrow: false, font: { color: inks.ink } });
    return panel.lines.map((line) => ({ ...line, xaxis: `x${end}`, yaxis: `y${end}`, legend: `legend${end}` }));
  });
  return savePlot(data, layout, format, `mckd-curves-${(run.id || "").replace(/[^\w.-]/g, "-")}`);
}
