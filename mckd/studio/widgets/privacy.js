const root = element.querySelector('.privacy');
const $ = (selector) => root.querySelector(selector);
const NOTE = 'mckd:deleted', PATIENCE_MS = 10000, SHOWN_MS = 12000;
let late = 0;

function ask(open) {
  $('.ask').hidden = open;
  $('.sure').hidden = !open;
  $(open ? '.no' : '.ask').focus();
}

$('.ask').addEventListener('click', () => ask(true));
$('.no').addEventListener('click', () => ask(false));
root.addEventListener('keydown', (event) => { if (event.key === 'Escape' && $('.ask').hidden) ask(false); });
$('.yes').addEventListener('click', () => {
  $('.yes').disabled = $('.no').disabled = true;
  $('.say').textContent = 'Deleting…';
  late = setTimeout(() => {
    $('.yes').disabled = $('.no').disabled = false;
    $('.say').textContent = 'The app did not answer. Try again, or close this page: everything is deleted half a minute later.';
  }, PATIENCE_MS);
  trigger('delete');
});

// The app has forgotten this visitor; what the page itself still holds goes with a fresh page.
watch('value', () => {
  if (!props.value || !props.value.deleted) return;
  clearTimeout(late);
  for (const store of [localStorage, sessionStorage]) {
    Object.keys(store).filter((key) => key.startsWith('mckd')).forEach((key) => store.removeItem(key));
  }
  sessionStorage.setItem(NOTE, '1');
  location.reload();
});

if (sessionStorage.getItem(NOTE)) {
  sessionStorage.removeItem(NOTE);
  $('.say').classList.add('done');
  $('.say').textContent = 'Everything you opened, drew or said was deleted.';
  setTimeout(() => { $('.say').textContent = ''; }, SHOWN_MS);
}
