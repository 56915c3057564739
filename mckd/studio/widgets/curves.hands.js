// ---- zoom, pointer, wheel, keyboard, replay

const REPLAY_MS = 10000;

function setZoom(low, high) {
  const [first, last] = fullDomain();
  const width = Math.max(high - low, (last - first) / Math.max(20, run.rows.length / 4));
  if (width >= (last - first) * 0.999) zoom = null;
  else {
    const from = Math.min(Math.max(low, first), last - width);
    zoom = [from, from + width];
  }
  redraw();
}

function zoomBy(factor, centre) {
  const [low, high] = domain(), row = run.rows[hover];
  const at = centre === undefined ? (row ? xOf(row) : (low + high) / 2) : centre;
  setZoom(at - (at - low) * factor, at + (high - at) * factor);
}

function holdHover(index) {
  hover = run.rows.length ? Math.min(run.rows.length - 1, Math.max(0, index)) : null;
  const x = hover === null ? 0 : xOf(run.rows[hover]);
  if (zoom && (x < zoom[0] || x > zoom[1])) {
    const half = (zoom[1] - zoom[0]) / 2;
    setZoom(x - half, x + half);
  }
  paintReadout();
}

// Drag to zoom and Shift to move along are plotly's; what is then in sight holds for all charts.
function listen({ plot }) {
  plot.on("plotly_relayout", (change) => {
    const [low, high] = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (number(low) && number(high)) setZoom(low, high);
  });
  plot.on("plotly_doubleclick", () => { zoom = null; redraw(); });
  plot.on("plotly_hover", ({ points }) => {
    if (play && !play.running) stopReplay();
    if (play || !run.rows.length) return;
    hover = nearest(points[0].x);
    paintReadout();
  });
  plot.on("plotly_unhover", () => { hover = null; paintReadout(); });
  plot.addEventListener("wheel", (event) => {
    // The page scrolls as usual until the charts are clicked (or Ctrl is held): no scroll trap.
    if (!(event.ctrlKey || event.metaKey || charts.contains(document.activeElement))) return;
    event.preventDefault();
    const [low, high] = domain(), { left, width } = plot.getBoundingClientRect();
    const inner = width - AXIS.left - AXIS.right;
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const shift = (event.deltaX / inner) * (high - low);
      if (zoom) setZoom(low + shift, high + shift);
      return;
    }
    const at = low + ((event.clientX - left - AXIS.left) / inner) * (high - low);
    zoomBy(Math.exp(Math.max(-120, Math.min(120, event.deltaY)) * 0.0025), at);
  }, { passive: false });
}

// No chart is made anew under a hand that draws a band on it.
charts.addEventListener("pointerdown", (event) => {
  if (!event.target.closest(".plot")) return;
  charts.focus({ preventScroll: true });
  held = event.pointerType !== "touch";
}, true);
for (const end of ["pointerup", "pointercancel"]) {
  window.addEventListener(end, () => {
    if (held) setTimeout(() => { held = false; redraw(); });
  });
}

const ACTS = {
  axis() {
    const from = zoom && zoom.map((x) => nearest(x));
    axis = axis === "step" ? "epoch" : "step";
    zoom = from && from[1] > from[0] ? from.map((i) => xOf(run.rows[i])) : null;
  },
  closer() { zoomBy(0.6); },
  farther() { zoomBy(1 / 0.6); },
  reset() { zoom = null; },
  stacked() { options.stacked = !options.stacked; },
  log() { options.log = !options.log; },
  smooth() { options.smooth = !options.smooth; },
  png() { savePicture("png"); },
  svg() { savePicture("svg"); },
  replay() {
    if (!play || play.at >= 1) play = { at: 0, running: true, last: performance.now() };
    else play = { ...play, running: !play.running, last: performance.now() };
    hover = null;
  },
};
root.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  ACTS[button.dataset.act]();
  paintSwitches();
  redraw();
});

charts.addEventListener("keydown", (event) => {
  if (event.target !== charts || event.altKey || event.ctrlKey || event.metaKey || !run.rows.length) return;
  const last = run.rows.length - 1, here = hover === null ? last : hover;
  const stride = (event.shiftKey ? 10 : 1) * Math.max(1, Math.round(run.rows.length / 300));
  const act = {
    ArrowLeft: () => holdHover(here - stride),
    ArrowRight: () => holdHover(here + stride),
    Home: () => holdHover(0),
    End: () => holdHover(last),
    "+": ACTS.closer, "=": ACTS.closer, "-": ACTS.farther, "_": ACTS.farther, "0": ACTS.reset,
    Escape: () => { hover = null; },
  }[event.key];
  if (!act) return;
  event.preventDefault();
  if (play) stopReplay();
  act();
  redraw();
  clearTimeout(charts.quiet);
  charts.quiet = setTimeout(() => {
    if (hover !== null) $(".spoken").textContent = summary(hover);
  }, 600);
});
charts.addEventListener("blur", () => { hover = null; redraw(); });
$(".figures").addEventListener("toggle", paintTable);

function paintSwitches() {
  const on = { axis: axis === "epoch", ...options };
  for (const [act, pressed] of Object.entries(on)) $(`[data-act=${act}]`).setAttribute("aria-pressed", String(pressed));
  const running = Boolean(play && play.running), button = $("[data-act=replay]");
  button.dataset.running = String(running);
  button.querySelector("span").textContent = running ? "Pause" : play ? "Go on" : "Replay";
  if (!play) $(".scrub").value = "1000";
}

function advance() {
  const now = performance.now();
  play = { ...play, at: Math.min(1, play.at + (now - play.last) / REPLAY_MS), last: now };
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

// ---- life

const onVisible = () => { if (!document.hidden) plan(0); };
document.addEventListener("visibilitychange", onVisible);
new ResizeObserver(redraw).observe(charts);
const endTheme = onTheme(redraw);
const talk = setInterval(() => {
  if (!element.isConnected) {
    clearInterval(talk);
    clearTimeout(timer);
    endTheme();
    document.removeEventListener("visibilitychange", onVisible);
  } else if (run.status.state === "running") speak(false);
}, 5000);

plotly().catch(() => {});   // while the first rows are on their way
watch("value", () => show(props.value));
paintSwitches();
show(props.value);
