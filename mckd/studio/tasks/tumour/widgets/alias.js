// What a case is called in the files that are taken home: `case`, what the visitor types, or, if
// they say so, as its files are called. It belongs to the case (`turn`): with another one it is
// gone. The page has one; every place that shows it, whenever it is built, shows the same.

const ALIAS = `<label>Name in the files <input type="text" maxlength="60" placeholder="case" autocomplete="off" spellcheck="false"></label><label><input type="checkbox"> use the files' own name</label>`;

function aliasOf(box) {
  box.innerHTML = ALIAS;
  const chosen = (document.mckdAlias ||= { turn: 0, alias: '', own: false });
  const word = box.querySelector('input[type=text]'), own = box.querySelector('input[type=checkbox]');
  function show() {
    if (word.value !== chosen.alias) word.value = chosen.alias;
    own.checked = chosen.own;
    word.disabled = chosen.own;
  }
  function choose() {
    Object.assign(chosen, { alias: word.value, own: own.checked });
    document.dispatchEvent(new CustomEvent('mckd:alias'));
  }
  word.addEventListener('input', choose);
  own.addEventListener('change', choose);
  document.addEventListener('mckd:alias', show);
  document.addEventListener('mckd:case', ({ detail: { turn } }) => {
    if (turn > chosen.turn) Object.assign(chosen, { turn, alias: '', own: false });
    show();
  });
  show();
  return () => ({ alias: chosen.alias, own: chosen.own });
}
