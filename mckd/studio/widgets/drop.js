// A drop anywhere on the page. The browser must never open a dropped file in the page's place, so
// every drag of files ends here, whichever tab is open.

const root = element.querySelector('.drop');
const $ = (selector) => root.querySelector(selector);
const DROPS = props.drops;   // what each tab takes
const rest = DROPS.find(({ entries }) => entries);

const holdsFiles = ({ dataTransfer }) => Boolean(dataTransfer) && [...dataTransfer.types].includes('Files');
const tabs = () => [...document.querySelectorAll('#tabs button[role="tab"]')];
function ofOpenTab() {
  const open = tabs().find((tab) => tab.getAttribute('aria-selected') === 'true');
  return DROPS.find(({ tab }) => open && open.textContent.trim() === tab);
}

function show(over) {
  root.hidden = !over;
  if (!over) return;
  const { title, hint } = ofOpenTab() || rest;
  $('b').textContent = title;
  $('.card span').textContent = hint;
}

// Files and folders of a drop. To be read at once: after the event the browser forgets them.
function entriesOf({ items, files }) {
  const entries = [...items].filter(({ kind }) => kind === 'file').map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
  return entries.some(Boolean) ? entries.filter(Boolean) : [...files];
}

// To the open tab what it takes, a file for each of its events; else all to the tab of the rest.
function deliver(transfer) {
  const files = [...transfer.files], { files: wanted } = ofOpenTab() || rest, found = [];
  for (const [event, pattern] of Object.entries(wanted)) {
    const place = files.findIndex(({ type, name }) => new RegExp(pattern, 'i').test(`${type} ${name}`));
    if (place >= 0) found.push([event, files.splice(place, 1)[0]]);
  }
  for (const [event, file] of found) document.dispatchEvent(new CustomEvent(event, { detail: { file } }));
  if (found.length) return;
  const entries = entriesOf(transfer), theirs = tabs().find((tab) => tab.textContent.trim() === rest.tab);
  if (theirs && theirs.getAttribute('aria-selected') !== 'true') theirs.click();
  document.dispatchEvent(new CustomEvent(rest.entries, { detail: { entries } }));
}

for (const kind of ['dragenter', 'dragover']) {
  document.addEventListener(kind, (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    if (root.hidden) show(true);
  });
}
document.addEventListener('dragleave', (event) => { if (!event.relatedTarget) show(false); });   // out of the window
document.addEventListener('drop', (event) => {
  show(false);
  if (!holdsFiles(event)) return;
  event.preventDefault();
  deliver(event.dataTransfer);
});
