// Between the panes and Python: asks for what panes want to show of other systems, hands on what
// comes, and says under the panes what these systems are.

const root = element.querySelector('.systems');
let newest = 0;            // stamp of what was handed on last

const strong = (text) => Object.assign(document.createElement('strong'), { textContent: text });
root.firstElementChild.append(
  ...Object.values(props.systems).flatMap(([name, what], place) => [place ? '; ' : '', strong(name), `: ${what}`]),
  '. They share one small network, its data and its number of steps, and are drawn without further rules: what differs between them is the system. '
  + 'The bundled model was trained otherwise. One case shows how systems differ, not which is better.',
);

document.addEventListener('mckd:ask', ({ detail }) => {
  root.hidden = !detail.wanted.length;
  trigger('find', detail);
});

function receive() {
  const value = props.value;
  if (!value || value.stamp < newest) return;
  newest = value.stamp;
  document.dispatchEvent(new CustomEvent('mckd:systems', { detail: value }));
}
watch('value', receive);
