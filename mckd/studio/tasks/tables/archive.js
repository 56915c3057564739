// Sends one archive to where uploads go; its ticket is the value. Python answers by `value.told`.

const root = element.querySelector('.archive');
const $ = (selector) => root.querySelector(selector);
const LARGEST = 2 ** 28;   // bytes
let request = null;

function tell(text, bad = false) {
  $('.tell').textContent = text;
  $('.tell').classList.toggle('bad', bad);
}

function send(file) {
  if (request) request.abort();
  if (file.size > LARGEST) return tell(`${file.name} is too large: an archive may have 256 MiB.`, true);
  const form = new FormData();
  form.append('files', file, file.name);
  request = new XMLHttpRequest();
  request.open('POST', new URL('gradio_api/upload', document.baseURI));
  request.responseType = 'json';
  request.upload.addEventListener('progress', ({ loaded, total }) => tell(`Sending ${file.name}: ${Math.round((100 * loaded) / total)} %`));
  request.addEventListener('load', () => {
    const { status, response } = request;
    if (status !== 200 || !Array.isArray(response)) return tell(`${file.name} could not be sent. ${(response && typeof response.detail === 'string' && response.detail) || 'Please try again.'}`, true);
    tell(`Reading ${file.name}…`);
    ask({ ticket: response[0] });
  });
  request.addEventListener('error', () => tell(`${file.name} could not be sent. The connection broke off. Please try again.`, true));
  request.send(form);
}

function ask(wish) {
  props.value = wish;
  trigger('input');
}

$('input').addEventListener('change', ({ target }) => {
  if (target.files[0]) send(target.files[0]);
  target.value = '';
});
document.addEventListener('mckd:tables', ({ detail }) => send(detail.file));   // dropped on the page
$('.back').addEventListener('click', () => ask({ back: true }));
watch('value', () => {
  const { told, bad, own } = props.value || {};
  if (told === undefined) return;
  tell(told, bad);
  $('.back').hidden = !own;
});
