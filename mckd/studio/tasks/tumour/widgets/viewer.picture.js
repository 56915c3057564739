// ---- a picture to keep: what is seen, with everything that says what it is. No name of a case,
// of a file or of a person is in it or in the name of its file.

const STRIP = 30;    // CSS pixels under the picture, a line

async function savePicture() {
  if (!scene || !scene.case || !Object.keys(volumes).length) return;
  draw();
  (await makePicture()).toBlob((blob) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = view.mode === 'solid' ? 'mckd-3d.png' : `mckd-${view.sequence}-${view.at.map((v) => v + 1).join('-')}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

async function makePicture() {
  const stage = $('.stage').getBoundingClientRect(), ratio = window.devicePixelRatio || 1, lines = captions();
  const sheet = document.createElement('canvas'), brush = sheet.getContext('2d');
  sheet.width = Math.round(stage.width * ratio);
  sheet.height = Math.round((stage.height + STRIP * lines.length) * ratio);
  brush.scale(ratio, ratio);
  brush.fillStyle = '#000';
  brush.fillRect(0, 0, sheet.width, sheet.height);
  brush.translate(-stage.left, -stage.top);
  if (view.mode === 'solid') brush.drawImage(await solidPicture(stage.width, stage.height, ratio), stage.left, stage.top, stage.width, stage.height);
  else {
    for (const canvas of root.querySelectorAll('.planes canvas:not(.rule)')) {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      brush.drawImage(canvas, left, top, width, height);
    }
    for (const bar of root.querySelectorAll('.planes .scale i')) drawBar(brush, bar.getBoundingClientRect());
  }
  for (const words of root.querySelectorAll('.edge, .plane .name, .plane .where, .scale span, .marks .mark:not(.legend, .shades)')) drawWords(brush, words);
  brush.translate(stage.left, stage.top);
  lines.forEach((line, place) => drawCaption(brush, line, stage.width, stage.height + STRIP * (place + 0.5)));
  return sheet;
}

// What stands under the picture: pieces {text, colour, dash, ramp}, from left to right.
function captions() {
  const [dark, white] = view.windows[view.sequence], tidy = (value) => Number(value.toPrecision(4));
  const seen = REGIONS.filter(({ key }) => view.overlay && onScreen()[key]), drawn = reference && view.reference;
  const windowed = view.mode === 'solid' ? [] : [{ text: `${current().label}  W ${tidy(white - dark)}  L ${tidy((dark + white) / 2)}` }];
  const from = Object.keys(NAMES).filter((key) => used.includes(key)).map((key) => NAMES[key]).join(', ');
  return [
    [
      ...windowed,
      ...(labels ? seen.map(({ key }) => ({ text: key.toUpperCase(), colour: paint(COLOURS[key]) })) : []),
      ...(labels && seen.length ? [{ text: `segmented from ${from}` }] : []),
      ...mapCaption(),
      ...(drawn && seen.length ? [{ text: 'reference', colour: '#fff', dash: [5, 5] }] : []),
    ],
    [{ text: `MCKD Studio. Research software, not a medical device.${scene.case.synthetic ? ' Synthetic case.' : ''}${scene.case.sides_known ? '' : ' Left and right unknown.'}` }],
  ];
}

function mapCaption() {
  if ($('.mark.shades').hidden || !mapsAreHere()) return [];
  const { title, ends, ramp } = MAPS[view.look];
  return [{ text: `${title(view.mapped.toUpperCase())}, ${ends.join(' to ')}${maps.calibrated ? '' : ', not calibrated'}`, ramp }];
}

function drawBar(brush, { left, right, bottom }) {
  brush.strokeStyle = '#c7d1d7';
  brush.lineWidth = 1;
  brush.beginPath();
  [[left, bottom - 5], [left, bottom], [right, bottom], [right, bottom - 5]].forEach((point, place) => brush[place ? 'lineTo' : 'moveTo'](...point));
  brush.stroke();
}

// Words of the page where they stand on it, on their own ground if they have one.
function drawWords(brush, node) {
  const box = node.getBoundingClientRect(), style = getComputedStyle(node);
  const text = style.textTransform === 'uppercase' ? node.textContent.toUpperCase() : node.textContent;
  if (!box.width || !text.trim()) return;
  brush.globalAlpha = Number(style.opacity);
  brush.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  brush.textBaseline = 'middle';
  const x = box.left + parseFloat(style.paddingLeft), y = (box.top + box.bottom) / 2;
  if (style.backgroundColor !== 'rgba(0, 0, 0, 0)') {
    brush.fillStyle = style.backgroundColor;
    brush.fillRect(box.left, box.top, box.width, box.height);
  } else {
    brush.strokeStyle = '#000';
    brush.lineWidth = 3;
    brush.strokeText(text, x, y);
  }
  brush.fillStyle = style.color;
  brush.fillText(text, x, y);
  brush.globalAlpha = 1;
}

function drawCaption(brush, pieces, width, y) {
  let x = 12;
  brush.font = `500 13px ${getComputedStyle(root).fontFamily}`;
  brush.textBaseline = 'middle';
  for (const { text, colour, dash, ramp } of pieces) {
    if (ramp) {
      const shades = brush.createLinearGradient(x, 0, x + 60, 0);
      ramp.forEach((stop, place) => shades.addColorStop(place / (ramp.length - 1), paint(stop)));
      brush.fillStyle = shades;
      brush.fillRect(x, y - 5, 60, 10);
      x += 66;
    }
    if (colour) {
      brush.strokeStyle = colour;
      brush.lineWidth = 3;
      brush.setLineDash(dash || []);
      brush.beginPath();
      brush.moveTo(x, y);
      brush.lineTo(x + 22, y);
      brush.stroke();
      brush.setLineDash([]);
      x += 28;
    }
    brush.fillStyle = '#e8eef1';
    brush.fillText(text, x, y, Math.max(0, width - x - 8));
    x += brush.measureText(text).width + 20;
  }
}
