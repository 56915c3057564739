// ---- each region over all visits, from the sequences that all have: a chart each, with its range

const ACROSS = 3, HIGH = 210, NARROW = 700;    // charts beside each other, pixels
let drawing = 0;

function drawChart() {
  if (!drawing) drawing = requestAnimationFrame(plotChart);
}

async function plotChart() {
  const library = await plotly().catch(() => null), plot = $('.chart .plot'), { line: over, visits } = shown;
  drawing = 0;
  $('.chart').hidden = !library || !over;       // the tables say the same
  if (!library || !over || !plot.offsetParent) return;
  $('.chart p').textContent = `Volume in mL with its 90 % range, from ${over.common.join(' + ')}, which all visits have. Hollow: from all sequences of the visit.`;
  const inks = plotInks(), width = plot.clientWidth, beside = width >= NARROW ? ACROSS : 1, rows = ACROSS / beside;
  const days = visits.map(({ day }) => day), dated = days.every(Boolean) && new Set(days).size === days.length;   // two of one day would lie on each other
  const x = visits.map(({ day }, k) => (dated ? day : `Visit ${k + 1}`));
  const data = [], layout = plotLayout(inks, {
    width, height: HIGH * rows, margin: { l: 44, r: 12, t: 24, b: 34 }, dragmode: false, hovermode: 'closest',
    grid: { rows, columns: beside, pattern: 'independent', xgap: 0.12, ygap: 0.3 }, annotations: [],
  });
  Object.keys(REGIONS).forEach((region, k) => {
    const at = k ? k + 1 : '', colour = inks.of(`--mk-${region}`), points = over.regions[region];
    const own = visits.map(({ regions }) => regions[region].ml), axes = { xaxis: `x${at}`, yaxis: `y${at}` };
    const told = points.map(({ ml: value, range }) => `${ml(value)} mL${range ? ` (${range})` : ''}`);
    data.push({
      ...axes, type: 'scatter', mode: 'markers', x, y: own, hovertemplate: '%{y:.1f} mL from all sequences of the visit<extra></extra>',
      marker: { symbol: 'circle-open', size: 12, color: inks['ink-3'], line: { width: 1.5 } },
    }, {
      ...axes, type: 'scatter', mode: 'lines+markers', x, y: points.map((p) => p.ml), text: told, hovertemplate: '%{text}<extra></extra>',
      line: { color: colour, width: 2 }, marker: { size: 8, color: colour },
      error_y: points.every(({ ends }) => ends) && {
        type: 'data', symmetric: false, color: colour, thickness: 1.5, width: 5,
        array: points.map((p) => p.ends[1] - p.ml), arrayminus: points.map((p) => p.ml - p.ends[0]),
      },
    });
    layout[`xaxis${at}`] = plotAxis(inks, { type: dated ? 'date' : 'category', ...(dated && { tickvals: x, ticktext: x }) });
    layout[`yaxis${at}`] = plotAxis(inks, { rangemode: 'tozero', zeroline: true });
    layout.annotations.push({ text: `<b>${region.toUpperCase()}</b> ${REGIONS[region]}`, xref: `x${at} domain`, yref: `y${at} domain`, x: 0, y: 1, xanchor: 'left', yanchor: 'bottom', showarrow: false, font: { color: inks.ink, size: 12.5 } });
  });
  await library.react(plot, data, layout, NO_BAR);
  plot.setAttribute('aria-label', `ET, TC and WT at ${visits.length} visits, as in the tables`);
  root.dataset.charted = String(visits.length);
}

new ResizeObserver(() => { if (shown.line) drawChart(); }).observe(root);
onTheme(() => { if (shown.line) drawChart(); });
render();
