'use strict';

/** What this page shows, as the harness wrote it. */
const data = JSON.parse(document.getElementById('data').textContent);

/** An element with these properties and children. Strings become text: nothing that was recorded is read as HTML. */
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (key in made && typeof value !== 'string') made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

const badge = ({ word, sign }) =>
  element('span', { class: `badge ${word.replaceAll(' ', '-')}` },
    element('span', { 'aria-hidden': 'true' }, sign), ` ${word}`);

/** What a masked value may be called: `<uuid:1>`, `<user:teacher>`, `<batch>`. */
const MASKED = /<(user|token|uuid|timestamp|jwt|batch|class|correlation|text|number)(?::([^<>]{1,60}))?>/g;

/** `text` with its masked values as chips, of which equal ones light up together. Inside of a button they cannot be buttons. */
function withChips(text, tag = 'button') {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(MASKED)) {
    const [value, type, name] = match;
    parts.push(text.slice(end, match.index), chip(tag, value, type, name));
    end = match.index + value.length;
  }
  parts.push(text.slice(end));
  return parts.filter((part) => part !== '');
}

function chip(tag, value, type, name) {
  return element(tag, { type: tag === 'button' && tag, class: `chip ${type}`, 'data-value': value },
    element('span', { class: 'type' }, type), name ? ` ${name}` : '');
}

/** Lights up the chips in `root` that stand for `value`; none without a value. */
function lightUp(root, value) {
  for (const one of root.querySelectorAll('.chip')) {
    one.classList.toggle('lit', value !== undefined && one.dataset.value === value);
  }
}

/** Lets the chips in `root` light up under the pointer and with the focus, and stay lit after a click. */
function watchChips(root) {
  let kept;
  const value = (event) => event.target.closest?.('.chip')?.dataset.value;
  for (const event of ['pointerover', 'focusin']) root.addEventListener(event, (at) => lightUp(root, value(at) ?? kept));
  root.addEventListener('click', (event) => {
    const clicked = event.target.closest('button.chip')?.dataset.value;
    if (clicked === undefined) return;
    kept = kept === clicked ? undefined : clicked;
    lightUp(root, kept);
    const count = root.querySelectorAll('.chip.lit').length;
    if (kept) say(`${count} ${count === 1 ? 'place has' : 'places have'} ${clicked}`);
  });
}

/** JSON over several lines, its strings with chips. */
function pretty(value, indent = '') {
  const inner = `${indent}  `;
  const list = (open, close, items) => {
    if (items.length === 0) return [open + close];
    const lines = items.flatMap((item, at) => [inner, ...item, at + 1 < items.length ? ',\n' : '\n']);
    return [`${open}\n`, ...lines, indent + close];
  };
  if (Array.isArray(value)) return list('[', ']', value.map((item) => pretty(item, inner)));
  if (value !== null && typeof value === 'object') {
    const member = ([key, item]) =>
      [element('span', { class: 'key' }, ...withChips(JSON.stringify(key))), ': ', ...pretty(item, inner)];
    return list('{', '}', Object.entries(value).map(member));
  }
  const kind = value === null ? 'null' : typeof value;
  return [element('span', { class: kind }, ...withChips(JSON.stringify(value)))];
}

/** Code that is wider or longer than its place scrolls, by keyboard as well. */
const code = (...children) => element('pre', { class: 'code', tabindex: '0' }, ...children);

/** Tells those who do not see the page. */
function say(words) {
  document.getElementById('said').textContent = words;
}

/** Copies `text`, where a browser allows it; says whether it did. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
