// ---- the rows of the table as a chart, in their order: a mark for each region, a line for each subset

const MARKS = { et: 'diamond', tc: 'square', wt: 'circle' };   // told apart without their colours, too
const LINE = 24, AROUND = { l: 8, r: 16, t: 6, b: 46 };         // pixels
const IN_WORDS = { volume_ml: 'Volume, mL', change_ml: 'Change of the volume, mL', dice: 'Dice', hd95_mm: 'HD95, mm', agreement: 'Agreement (Dice*)' };
let measure = '';          // that is drawn
let drawing = 0;

function drawChart() {
  const known = measures(), select = $('.chart select');
  if (!known.includes(measure)) measure = table.reference ? 'dice' : 'agreement';
  if (select.dataset.known !== known.join()) {
    select.dataset.known = known.join();
    select.replaceChildren(...known.map((key) => Object.assign(make('option', '', IN_WORDS[key]), { value: key })));
  }
  select.value = measure;
  if (!drawing) drawing = requestAnimationFrame(plotChart);
}

async function plotChart() {
  const library = await plotly().catch(() => null), plot = $('.chart .plot');
  drawing = 0;
  $('.chart').hidden = !library;               // the table says the same
  if (!library || !table || !table.given || !plot.offsetParent) return;
  const rows = sorted(), names = rows.map(({ used }) => nameOf(used)), inks = plotInks(), fresh = !plot.data;
  const data = Object.keys(REGIONS).map((region) => {
    const seen = rows.filter(({ regions }) => regions && valueOf(regions[region]) !== null);
    return {
      type: 'scatter', mode: 'markers', name: region.toUpperCase(), customdata: seen.map(({ key }) => key),
      x: seen.map(({ regions }) => valueOf(regions[region])), y: seen.map(({ used }) => nameOf(used)),
      text: seen.map(({ regions }) => WORDS[regions[region].outcome] || ''), hovertemplate: `${region.toUpperCase()} %{x:.4~g} %{text}<extra></extra>`,
      marker: { symbol: MARKS[region], size: 10, color: inks.of(`--mk-${region}`), line: { color: inks.ink, width: 1 } },
    };
  });
  const layout = plotLayout(inks, {
    width: plot.clientWidth, height: AROUND.t + AROUND.b + LINE * rows.length, margin: AROUND, hovermode: 'y unified', dragmode: false,
    xaxis: plotAxis(inks, { title: { text: IN_WORDS[measure], font: { color: inks['ink-2'], size: 12 }, standoff: 6 }, zeroline: true, ...(['dice', 'agreement'].includes(measure) && { range: [-0.02, 1.02] }) }),
    yaxis: plotAxis(inks, { categoryorder: 'array', categoryarray: names, range: [rows.length - 0.5, -0.5], automargin: true, tickfont: { color: inks.ink, size: 12 }, ticksuffix: '  ' }),
  });
  await library.react(plot, data, layout, NO_BAR);
  if (fresh) plot.on('plotly_click', ({ points }) => document.dispatchEvent(new CustomEvent('mckd:pick', { detail: { key: points[0].customdata } })));
  plot.setAttribute('aria-label', `${IN_WORDS[measure]} of ET, TC and WT from ${rows.length} subsets, as in the table`);
  root.dataset.charted = String(data.reduce((count, { x }) => count + x.length, 0));
}

// A region that was missed, or invented, has a Dice of 0; its distance is none.
function valueOf(found) {
  const bad = ['missed', 'invented'].includes(found.outcome);
  if (bad && measure !== 'volume_ml' && measure !== 'change_ml') return measure === 'hd95_mm' ? null : 0;
  return found[measure] ?? null;
}

$('.chart select').addEventListener('change', ({ target }) => { measure = target.value; drawChart(); });
new ResizeObserver(() => { if (table && table.given) drawChart(); }).observe(root);
onTheme(() => { if (table && table.given) drawChart(); });

watch('value', receive);
receive();
setTimeout(() => trigger('begin'));            // the tab was opened: what is on the desk?
