// What had the focus was drawn anew, or is no longer there: without this it would fall to the page.
// The first that can be seen and used gets it.
function keepFocus(...nodes) {
  const seen = nodes.find((node) => node && !node.closest('[hidden]') && !node.disabled);
  if (seen && seen !== document.activeElement) seen.focus({ preventScroll: true });
}
