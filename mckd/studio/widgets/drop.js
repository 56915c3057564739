// A drop anywhere on the page. The browser must never open a dropped file in the page's place, so
// every drag of files ends here, whichever tab is open.

const root = element.querySelector('.drop');
const $ = (selector) => root.querySelector(selector);
const SOUND = /\.(wav|wave|aiff?|mp3|m4a|aac|ogg|oga|opus|flac|webm)$/i;
const PICTURE = /\.(png|jpe?g|webp|gif|bmp|avif)$/i;
const WORDS = {
  Digits: ['Drop a picture or a sound of a digit', 'An MRI case (NIfTI files, a folder or a ZIP archive) opens under Brain tumours.'],
  other: ['Drop to open a case', 'NIfTI files, a folder, or a ZIP archive. Nothing is sent before you say so.'],
};

const isSound = ({ type, name }) => type.startsWith('audio/') || SOUND.test(name);
const isPicture = ({ type, name }) => type.startsWith('image/') || PICTURE.test(name);
const holdsFiles = ({ dataTransfer }) => Boolean(dataTransfer) && [...dataTransfer.types].includes('Files');
const tabs = () => [...document.querySelectorAll('#tabs button[role="tab"]')];
function openTab() {
  const open = tabs().find((tab) => tab.getAttribute('aria-selected') === 'true');
  return open ? open.textContent.trim() : '';
}

function show(over) {
  root.hidden = !over;
  if (over) [$('b').textContent, $('.card span').textContent] = WORDS[openTab()] || WORDS.other;
}

// Files and folders of a drop. To be read at once: after the event the browser forgets them.
function entriesOf({ items, files }) {
  const entries = [...items].filter(({ kind }) => kind === 'file').map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
  return entries.some(Boolean) ? entries.filter(Boolean) : [...files];
}

// A picture and a sound go to the Digits tab if that is open; everything else is an MRI case.
function deliver(transfer) {
  const files = [...transfer.files], sound = files.find(isSound), picture = files.find((file) => !isSound(file) && isPicture(file));
  if (openTab() === 'Digits' && (sound || picture)) {
    if (picture) document.dispatchEvent(new CustomEvent('mckd:picture', { detail: { file: picture } }));
    if (sound) document.dispatchEvent(new CustomEvent('mckd:sound', { detail: { file: sound } }));
    return;
  }
  const entries = entriesOf(transfer), tumours = tabs().find((tab) => tab.textContent.trim() === 'Brain tumours');
  if (tumours && tumours.getAttribute('aria-selected') !== 'true') tumours.click();
  document.dispatchEvent(new CustomEvent('mckd:drop', { detail: { entries } }));
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
