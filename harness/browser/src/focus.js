// Where the focus is, and how it stands to where it was; nothing when it has left the page, or is where it began.
(() => {
  const here = document.activeElement;
  if (!here || here === document.body || here === globalThis.firstStop && globalThis.stopBefore) return null;
  const before = globalThis.stopBefore;
  if (!before) globalThis.firstStop = here;
  globalThis.stopBefore = here;
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(here);
  const marked = (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none";
  const { width, height } = here.getBoundingClientRect();
  const id = here.id ? `#${here.id}` : "";
  return {
    what: `${here.localName}${id} ${(here.ariaLabel ?? here.textContent ?? "").trim().slice(0, 40)}`.trim(),
    // A `tabindex` above 0 is an order of its own.
    follows: here.tabIndex <= 0 && (!before || Boolean(before.compareDocumentPosition(here) & Node.DOCUMENT_POSITION_FOLLOWING)),
    visible: width > 1 && height > 1 && here.checkVisibility({ visibilityProperty: true }) && marked,
  };
})()
