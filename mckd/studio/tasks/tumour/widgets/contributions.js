const root = element.querySelector('.contributions');
const $ = (selector) => root.querySelector(selector);
let region = 'wt';
let newest = 0;            // stamp of what is on screen
let waiting = 0;           // for the frame that draws the charts

const make = (tag, className = '', text = '') => Object.assign(document.createElement(tag), { className, textContent: text });
const ml = (v) => (v < 0 ? '−' : '') + Math.abs(v).toFixed(Math.abs(v) >= 100 ? 0 : 1);
const share = (v) => (v < 0 ? '−' : '') + Math.abs(v).toFixed(3);
const weight = (v) => v.toFixed(2);
const sum = (values) => values.reduce((a, b) => a + b, 0);

function render() {
  const value = props.value, found = value && value.regions[region];
  if (!value || value.stamp < newest) return;
  newest = value.stamp;
  root.hidden = value.state === 'none';
  root.dataset.state = value.state;
  root.dataset.region = region;
  if (!found) return;
  root.dataset.dice = String(Boolean(found.dice));
  for (const button of root.querySelectorAll('.pick button')) button.setAttribute('aria-pressed', String(button.dataset.region === region));
  $('.sentence').textContent = found.sentence;
  document.dispatchEvent(new CustomEvent('mckd:contributions', { detail: { sentence: found.sentence } }));
  $('.meaning').textContent = value.meaning;
  $('thead .dice small').textContent = value.seen || 'this case';
  fillTable(found, value.importance);
  redraw();
}

// ---- in numbers

function fillTable(found, weights) {
  const cell = (known, key, spell, className, none) => (known && key in known ? make('td', className, spell(known[key])) : make('td', `${className} absent`, none));
  const line = (name, ...cells) => {
    const tr = make('tr'), th = make('th', '', name);
    th.scope = 'row';
    tr.append(th, ...cells);
    return tr;
  };
  $('tbody').replaceChildren(...Object.entries(props.labels).map(([key, name]) => line(
    name, cell(found.volume_ml, key, ml, 'volume', 'not in case'), cell(found.dice, key, share, 'dice', '–'),
    cell(found.shared, key, share, '', '–'), cell(found.narrowed_ml, key, ml, '', '–'), cell(weights, key, weight, 'iwv', '–'),
  )));
  const all = (known, spell, className) => make('td', className, known ? spell(sum(Object.values(known))) : '–');
  $('tfoot').replaceChildren(line('All', all(found.volume_ml, ml, 'volume'), all(found.dice, share, 'dice'), all(found.shared, share, ''), all(found.narrowed_ml, ml, ''), make('td')));
}

// ---- as charts, one below the other: what each sequence adds up to the whole, and the weights

const ROW = 21, TITLE = 30, LEFT = 52, FOOT = 8;   // pixels
const ROOM = 0.24;          // of a chart's width beside its bars, for the numbers

function redraw() {
  if (!waiting) waiting = requestAnimationFrame(draw);
}

async function draw() {
  const library = await plotly().catch(() => null), plot = $('.plot');
  waiting = 0;
  const value = props.value, found = value && value.regions[region];
  plot.hidden = !library;
  $('.figures').open ||= !library;             // the numbers, where no chart can be had
  if (!library || !found || !root.offsetParent) return;
  const inks = plotInks(), charts = chartsOf(found, value, inks);
  const heights = charts.map(({ rows }) => TITLE + ROW * rows.length), height = sum(heights) + FOOT;
  const layout = plotLayout(inks, { width: plot.clientWidth, height, margin: { l: LEFT, r: 0, t: 0, b: 0 }, annotations: [], bargap: 0.3 });
  let top = 1;
  charts.forEach(({ title, rows, range }, place) => {
    const end = place ? place + 1 : '', low = top - heights[place] / height;
    layout[`xaxis${end}`] = plotAxis(inks, { anchor: `y${end}`, range, visible: false });
    layout[`yaxis${end}`] = plotAxis(inks, {
      anchor: `x${end}`, domain: [Math.max(0, low), top - TITLE / height], autorange: 'reversed', showgrid: false, showline: false,
      tickfont: { color: inks.ink, size: 12.5 }, ticks: '', categoryorder: 'array', categoryarray: rows,
    });
    layout.annotations.push({ text: title, xref: 'paper', yref: 'paper', x: 0, xshift: -LEFT, xanchor: 'left', y: top - (TITLE - 4) / height, yanchor: 'bottom', showarrow: false, align: 'left', font: { color: inks['ink-2'], size: 12 } });
    top = low;
  });
  const data = charts.map(({ trace }, place) => ({ ...trace, xaxis: place ? `x${place + 1}` : 'x', yaxis: place ? `y${place + 1}` : 'y' }));
  await library.react(plot, data, layout, NO_BAR);
  plot.setAttribute('aria-label', charts.map(({ title, rows, texts }) => `${title.replace(/<[^>]*>/g, '')}: ${rows.map((row, n) => `${row} ${texts[n]}`).join(', ')}`).join('. '));
}

function chartsOf(found, { importance, seen }, inks) {
  const named = (known) => Object.keys(props.labels).filter((key) => key in known);
  const title = (name, of) => `<b>${name}</b> ${of}`;
  const charts = [rising(found.volume_ml, ml, title('Volume, mL', 'this case'), inks)];
  if (found.dice) charts.push(rising(found.dice, share, title('Dice', seen || 'this case'), inks));
  const keys = named(importance), texts = keys.map((key) => weight(importance[key]));
  if (keys.length) {
    charts.push({
      title: title('IWV', '0 to 1, all cases'), rows: keys.map((key) => props.labels[key]), texts, range: [-ROOM / 4, 1 + ROOM],
      trace: { type: 'bar', orientation: 'h', x: keys.map((key) => importance[key]), y: keys.map((key) => props.labels[key]), text: texts, textposition: 'outside', cliponaxis: false, marker: { color: inks['line-strong'] }, hoverinfo: 'skip' },
    });
  }
  return charts;

  // Each bar begins where the one before it ended; the last is the sum.
  function rising(known, spell, heading) {
    const of = named(known), values = of.map((key) => known[key]), total = sum(values);
    const steps = values.reduce((ends, v) => [...ends, ends[ends.length - 1] + v], [0]);
    const low = Math.min(...steps, total), high = Math.max(...steps, total), room = ROOM * (high - low || 1);
    const rows = [...of.map((key) => props.labels[key]), 'All'], texts = [...values, total].map(spell);
    return {
      title: heading, rows, texts, range: [low - (low < 0 ? room : room / 4), high + room],
      trace: {
        type: 'waterfall', orientation: 'h', measure: [...of.map(() => 'relative'), 'total'], x: [...values, total], y: rows, text: texts,
        textposition: 'outside', cliponaxis: false, textfont: { color: inks.ink, size: 12 }, hoverinfo: 'skip',
        connector: { line: { color: inks['line-strong'], width: 1, dash: 'dot' } },
        increasing: { marker: { color: inks.of(`--mk-${region}`) } }, decreasing: { marker: { color: inks.bad } }, totals: { marker: { color: inks['ink-2'] } },
      },
    };
  }
}

$('.pick').addEventListener('click', ({ target }) => {
  if (target.dataset.region) document.dispatchEvent(new CustomEvent('mckd:region', { detail: { region: target.dataset.region } }));
});
document.addEventListener('mckd:region', ({ detail }) => { region = detail.region; render(); });
document.addEventListener('mckd:case', ({ detail }) => { if (props.value && detail.turn !== props.value.turn) root.hidden = true; });
new ResizeObserver(redraw).observe(root);
onTheme(redraw);
watch('value', render);
render();
