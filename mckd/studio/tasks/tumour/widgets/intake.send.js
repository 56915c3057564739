// ---- sending: one file after the other, with the time that is left

const MEASURED_MS = 800;    // after this the speed says something
let request = null;         // the upload on its way
let cancelled = false;

$('.go').addEventListener('click', async () => {
  const wanted = head.files.filter(({ slot }) => slot && slot !== OUT), unsent = wanted.filter(({ entry }) => !entry.ticket);
  const names = namesOf(wanted.map(({ entry }) => entry.path));
  const total = unsent.reduce((sum, { entry }) => sum + entry.size, 0), started = performance.now();
  let done = 0, entry = null;
  busy = true;
  cancelled = false;
  failed = '';
  show();
  try {
    for ({ entry } of unsent) {
      progress(done, total, started);
      const file = await entry.read();
      if (cancelled) throw new Error('');
      const before = done, share = entry.size / Math.max(file.size, 1);
      entry.ticket = await send(file, names.get(entry.path), (bytes) => progress(before + Math.min(entry.size, bytes * share), total, started));
      done += entry.size;
    }
    const tickets = wanted.map(({ entry: { ticket } }) => ticket);
    choose($('.own'), head.scans ? { study: tickets } : { files: wanted.map(({ slot }, place) => ({ slot, ticket: tickets[place] })) });
    openDrawer(false);
  } catch (error) {
    failed = cancelled ? 'Cancelled. Nothing was opened.' : error.message || `${nameOf(entry.path)} could not be read; it may have been moved or changed.`;
  }
  busy = false;
  $('.sending').hidden = true;
  show();
});

$('.cancel').addEventListener('click', () => {
  cancelled = true;
  if (request) request.abort();
});

// {path: a name for it}: its own, with its folder where two files are called alike.
function namesOf(paths) {
  const own = paths.map(nameOf), alike = (name) => own.filter((other) => other === name).length > 1;
  return new Map(paths.map((path) => [path, alike(nameOf(path)) ? path.split('/').slice(-2).join('_') : nameOf(path)]));
}

// The ticket of a file. The server tells one where Gradio's own upload tells a path; Gradio's tells
// no progress.
function send(file, name, tell) {
  return new Promise((done, fail) => {
    const form = new FormData(), refused = (why) => fail(new Error(`${name} could not be sent. ${why}`));
    form.append('files', file, name);
    request = new XMLHttpRequest();
    request.open('POST', new URL('gradio_api/upload', document.baseURI));
    request.responseType = 'json';
    request.upload.addEventListener('progress', ({ loaded }) => tell(loaded));
    request.addEventListener('load', () => {
      const { status, response } = request;
      if (status === 200 && Array.isArray(response)) done(response[0]);
      else refused((response && typeof response.detail === 'string' && response.detail) || 'The app did not take it. Please try again.');
    });
    request.addEventListener('error', () => refused('The connection broke off. Please try again.'));
    request.addEventListener('abort', () => fail(new Error('')));
    request.send(form);
  });
}

function progress(sent, total, started) {
  const passed = performance.now() - started, left = (passed * (total - sent)) / Math.max(sent, 1) / 1000;
  $('.sending').hidden = false;
  $('.sending progress').value = total ? sent / total : 1;
  const time = passed < MEASURED_MS || !sent ? '' : left < 1.5 ? ', nearly there' : left < 90 ? `, about ${Math.ceil(left)} s left` : `, about ${Math.ceil(left / 60)} min left`;
  $('.sending .told').textContent = `${size(sent)} of ${size(total)}${time}`;
}

show();
queueMicrotask(reopen);
