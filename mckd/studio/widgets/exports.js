const root = element.querySelector('.exports');
const $ = (selector) => root.querySelector(selector);
const called = aliasOf($('.alias'));
let fetched = '';          // address of the file that was downloaded last

$('ul').replaceChildren(...Object.entries(props.kinds).map(([kind, [title, what]]) => {
  const row = document.createElement('li'), button = document.createElement('button');
  Object.assign(button, { type: 'button', textContent: title });
  button.dataset.kind = kind;
  button.append(Object.assign(document.createElement('small'), { textContent: what }));
  button.addEventListener('click', () => {
    fetched = '';
    show({ stage: 'Starting…' });
    props.value = { kind, at: Date.now(), ...called() };
    trigger('make');
  });
  row.append(button);
  return row;
}));

function show({ stage = '', fraction = null, problem = '', file = null }) {
  root.dataset.state = problem ? 'problem' : stage ? 'working' : file ? 'done' : '';
  $('.state').textContent = problem || stage || (file ? `${file.orig_name} is in your downloads.` : '');
  $('.state').classList.toggle('bad', Boolean(problem));
  for (const button of root.querySelectorAll('button')) button.disabled = Boolean(stage);
  $('.bar').hidden = !stage || fraction === null;
  $('.bar i').style.width = `${100 * (fraction || 0)}%`;
}

watch('value', () => {
  const value = props.value;
  if (!value || value.kind) return;
  show(value);
  if (!value.file || value.file.url === fetched) return;
  fetched = value.file.url;
  const link = Object.assign(document.createElement('a'), { href: value.file.url, download: value.file.orig_name });
  document.body.append(link);
  link.click();
  link.remove();
});
