// Charts by plotly.js, which the app serves itself (mckd/studio/library.py); shared by the widgets
// that draw some. The library is fetched once a page, when the first chart is wanted.

function plotly() {
  return (window.mckdPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = props.library;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {                     // asked for again with the next chart
      window.mckdPlotly = undefined;
      script.remove();
      reject(new Error('The charts could not be fetched.'));
    };
    document.head.append(script);
  }));
}

const NO_BAR = { displayModeBar: false, displaylogo: false, doubleClick: false, showTips: false };
const PLOT_INKS = ['surface', 'sunken', 'line', 'line-strong', 'ink', 'ink-2', 'ink-3', 'accent', 'bad'];

// The colours of theme.css as they are now, {name: colour}, and the font.
function plotInks() {
  const style = getComputedStyle(root), of = (name) => style.getPropertyValue(name).trim();
  return { ...Object.fromEntries(PLOT_INKS.map((name) => [name, of(`--mk-${name}`)])), of, font: style.fontFamily };
}

function plotAxis(inks, more = {}) {
  return {
    gridcolor: inks.line, linecolor: inks['line-strong'], zerolinecolor: inks['line-strong'], zeroline: false,
    tickfont: { color: inks['ink-3'], size: 11 }, title: { font: { color: inks['ink-2'], size: 12 } }, fixedrange: true, ...more,
  };
}

function plotLayout(inks, more = {}) {
  return {
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', showlegend: false, autosize: false,
    font: { family: inks.font, size: 12, color: inks['ink-2'] }, separators: '.\u202f',
    hoverlabel: { bgcolor: inks.surface, bordercolor: inks['line-strong'], font: { family: inks.font, size: 12, color: inks.ink } },
    ...more,
  };
}

// Both ways to take a chart home, on paper of its own.
async function savePlot(data, layout, format, filename) {
  const library = await plotly(), { width, height } = layout;
  const paper = { ...layout, paper_bgcolor: plotInks().surface };
  await library.downloadImage({ data, layout: paper }, { format, filename, width, height, scale: format === 'png' ? 2 : 1 });
}

// Runs `again` whenever the page turns dark or light; returns what ends it.
function onTheme(again) {
  const themed = new MutationObserver(again);
  for (const node of [document.body, document.documentElement]) themed.observe(node, { attributes: true, attributeFilter: ['class'] });
  return () => themed.disconnect();
}
