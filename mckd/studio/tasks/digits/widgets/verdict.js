const root = element.querySelector('.verdict');
const $ = (selector) => root.querySelector(selector);
const ROWS = [['picture', 'Picture'], ['voice', 'Voice'], ['both', 'Together']];
const WHY_EMPTY = { picture: 'none', voice: 'none', both: 'needs both' };
let newest = 0;         // stamp of the answer on screen; an older one that arrives late is dropped
let shown = null;
let poll = 0;

// ---- the table, built once

const cells = {};
(function build() {
  const head = $('.bars thead tr');
  for (let d = 0; d < 10; d++) {
    const th = document.createElement('th');
    th.scope = 'col';
    th.textContent = d;
    head.append(th);
  }
  for (const [name, label] of ROWS) {
    const tr = document.createElement('tr');
    tr.className = name + ' off';
    const th = document.createElement('th');
    th.scope = 'row';
    th.innerHTML = '<i aria-hidden="true"></i>';
    const why = document.createElement('small');
    th.append(label, why);
    tr.append(th);
    cells[name] = { tr, why, wells: [] };
    for (let d = 0; d < 10; d++) {
      const td = document.createElement('td');
      td.innerHTML = '<div class="well" aria-hidden="true"><i></i></div><span class="number"></span>';
      tr.append(td);
      cells[name].wells.push({ td, bar: td.querySelector('i'), number: td.querySelector('.number') });
    }
    $('.bars tbody').append(tr);
  }
})();

function percent(p) {
  if (p >= 0.995) return p > 0.9995 ? '100' : '99+';
  return p >= 0.095 ? String(Math.round(100 * p)) : p >= 0.01 ? (100 * p).toFixed(0) : '·';
}

function drawRows(rows, winner) {
  for (const [name] of ROWS) {
    const row = rows[name], { tr, why, wells } = cells[name];
    tr.classList.toggle('off', !row);
    why.textContent = row ? '' : WHY_EMPTY[name];
    const top = row ? row.indexOf(Math.max(...row)) : -1;
    wells.forEach(({ td, bar, number }, d) => {
      td.classList.toggle('top', d === top);
      td.classList.toggle('won', d === winner);
      bar.style.transform = `scaleY(${row ? Math.max(0.012, row[d]) : 0})`;
      number.textContent = row ? percent(row[d]) : '';
      td.title = row ? (100 * row[d]).toFixed(2) + ' %' : '';
      td.setAttribute('aria-label', row ? (100 * row[d]).toFixed(1) + ' percent' : 'none');
    });
  }
  root.querySelectorAll('.bars thead th').forEach((th, d) => th.classList.toggle('won', d === winner));
}

// ---- small pictures: bytes 0..255 through a colour ramp

const GREY = [[0, 0, 0], [255, 255, 255]];
const WARM = [[8, 13, 16], [52, 38, 82], [140, 52, 84], [214, 92, 52], [244, 172, 84], [255, 244, 214]];
const SPLIT = [[74, 144, 226], [33, 66, 110], [10, 16, 20], [120, 68, 24], [238, 157, 88]];

function drawPixels(figure, picture, ramp) {
  const box = $(figure), canvas = box.querySelector('canvas');
  box.classList.toggle('off', !picture);
  if (!picture) return;
  const { width, height } = picture, bytes = atob(picture.data);
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < bytes.length; i++) {
    const t = (bytes.charCodeAt(i) / 255) * (ramp.length - 1), k = Math.min(ramp.length - 2, Math.floor(t));
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = ramp[k][c] + (ramp[k + 1][c] - ramp[k][c]) * (t - k);
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
}

// ---- one answer

function text(selector, value) { if ($(selector).textContent !== value) $(selector).textContent = value; }

function render() {
  const v = props.value;
  if (!v || v.stamp < newest) return;
  newest = v.stamp;
  shown = v;
  root.dataset.status = v.status;
  root.dataset.stamp = v.stamp;
  const answered = v.status === 'answer';
  text('.headline', v.headline);
  text('.summary', v.summary || '');
  $('.summary').classList.toggle('conflict', Boolean(v.conflict));
  $('.notes').replaceChildren(...(v.notes || []).map((note) => Object.assign(document.createElement('li'), { textContent: note })));
  const digit = $('.digit');
  digit.dataset.level = answered ? v.level : '';
  digit.textContent = !answered ? '–' : v.level === 'unsure' ? '?' : v.digit;
  drawRows(v.rows || {}, answered && v.level !== 'unsure' ? v.digit : -1);
  drawPixels('.seen', v.seen, GREY);
  drawPixels('.mel', v.heard && v.heard.log_mel, WARM);
  drawPixels('.mfcc', v.heard && v.heard.mfcc, SPLIT);
  if (v.heard) document.dispatchEvent(new CustomEvent('mckd:heard', { detail: v.heard }));
  drawImportance(v.importance);
  text('.model', (v.model ? v.model + ' ' : '') + 'Research software, not a medical device.');
  $('.copy').disabled = $('.download').disabled = !answered;
  $('.bar').textContent = v.headline + ' ↓';
  $('.bar').classList.toggle('soft', !answered || v.level !== 'sure');
  showBar();
  clearTimeout(poll);
  if (v.waiting) poll = setTimeout(() => trigger('again'), 700);
}

function drawImportance(weights) {
  $('.importance').hidden = !weights;
  if (!weights) return;
  for (const [name, label] of ROWS.slice(0, 2)) {
    const part = $('.split .' + name);
    part.style.flex = `${weights[name]} 1 0`;
    part.textContent = `${label} ${weights[name].toFixed(2)}`;
  }
  $('.split').setAttribute('aria-label', `Picture ${weights.picture.toFixed(2)}, voice ${weights.voice.toFixed(2)}`);
}

// ---- on a phone the verdict may be below the fold: a one-line copy at the bottom of the screen

let headVisible = true;
function showBar() { $('.bar').classList.toggle('shown', !headVisible && Boolean(shown) && shown.status === 'answer'); }
new IntersectionObserver(([entry]) => {
  headVisible = entry.isIntersecting || entry.boundingClientRect.top < 0 || entry.boundingClientRect.width === 0;
  showBar();
}).observe($('.head'));
$('.bar').addEventListener('click', () => root.scrollIntoView({ block: 'start', behavior: 'smooth' }));

// ---- taking the result along

function record() {
  const { status, waiting, stamp, seen, heard, ...kept } = shown;
  return JSON.stringify({ ...kept, heard_s: heard ? [heard.start_s, heard.end_s] : null, time: new Date(stamp / 1000).toISOString() }, null, 2);
}

$('.copy').addEventListener('click', async () => {
  try { await navigator.clipboard.writeText(record()); text('.copy', 'Copied'); } catch (error) { text('.copy', 'Not allowed here'); }
  setTimeout(() => text('.copy', 'Copy JSON'), 1500);
});
$('.download').addEventListener('click', () => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([record()], { type: 'application/json' }));
  link.download = 'digit.json';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});

drawRows({}, -1);
for (const figure of ['.seen', '.mel', '.mfcc']) drawPixels(figure, null);
watch('value', render);
(function first() {   // ask for the state of things until there is an answer
  if (props.value) render();
  else { trigger('again'); poll = setTimeout(first, 1000); }
})();
