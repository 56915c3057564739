const row = element.querySelector('.row');
const SVG = 'http://www.w3.org/2000/svg';

function thumbnail(strokes) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 280 280');
  svg.setAttribute('aria-hidden', 'true');
  const sheet = document.createElementNS(SVG, 'rect');
  for (const [name, value] of [['class', 'sheet'], ['width', 280], ['height', 280], ['rx', 36]]) sheet.setAttribute(name, value);
  svg.append(sheet);
  for (const points of strokes) {
    const line = document.createElementNS(SVG, 'polyline');
    line.setAttribute('points', points.map((p) => p.join(',')).join(' '));
    svg.append(line);
  }
  return svg;
}

async function choose(example, button) {
  row.querySelectorAll('.chosen').forEach((other) => other.classList.remove('chosen'));
  button.classList.add('chosen');
  let sound = null;
  try { if (example.says) sound = await server.sound(example.name); } catch (error) { sound = null; }
  if (!button.classList.contains('chosen')) return;   // another one was chosen meanwhile
  trigger('select');                                   // sets both switches, here in the browser
  await new Promise((done) => setTimeout(done, 40));   // so that the inputs go out with them on
  document.dispatchEvent(new CustomEvent('mckd:example', { detail: { strokes: example.strokes, sound } }));
}

function render() {
  row.replaceChildren(...(props.value || []).map((example) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'example';
    button.dataset.name = example.name;
    if (example.strokes) button.append(thumbnail(example.strokes));
    if (example.says) {
      const says = document.createElement('span');
      says.className = 'says';
      says.textContent = '“' + example.says + '”';
      button.append(says);
    }
    button.append(Object.assign(document.createElement('span'), { textContent: example.caption }));
    button.addEventListener('click', () => choose(example, button));
    return button;
  }));
}
render();
watch('value', render);
