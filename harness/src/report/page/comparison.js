
/** How many steps stay visible around one that differs. */
const AROUND = 2;

const KINDS = {
  same: ['=', 'the same'],
  changed: ['≠', 'changed'],
  removed: ['−', 'no longer there'],
  added: ['+', 'new'],
  'moved-from': ['↷', 'moved away'],
  'moved-to': ['↶', 'moved here'],
};

/** What was expected and what was recorded, side by side; nothing where there is nothing to compare. */
function comparison({ compared, against }) {
  if (compared.length === 0) return undefined;
  const lanes = compared.filter(({ rows }) => rows.some(({ kind }) => kind !== 'same'));
  return element('section', { class: 'comparison', 'aria-label': 'What is different' },
    element('h3', {}, 'What is different'),
    ...lanes.map((lane) => comparedLane(lane, against)));
}

function comparedLane({ name, rows }, against) {
  const body = element('tbody');
  let hidden = [];
  const flush = () => {
    if (hidden.length > 0) body.append(folded(hidden));
    hidden = [];
  };
  rows.forEach((row, at) => {
    const near = rows.slice(Math.max(0, at - AROUND), at + AROUND + 1).some(({ kind }) => kind !== 'same');
    if (!near) {
      hidden.push(row);
      return;
    }
    flush();
    body.append(comparedRow(row));
  });
  flush();
  const title = (words) => element('th', { scope: 'col' }, words);
  return element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': name },
    element('table', { class: 'sides' },
      element('caption', {}, ...withChips(name)),
      element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, element('span', { class: 'hidden' }, 'How')), title(against), title('now'))),
      body));
}

/** A row that stands for those that are the same, until somebody asks for them. */
function folded(rows) {
  const count = `${rows.length} ${rows.length === 1 ? 'step that is' : 'steps that are'} the same`;
  const button = element('button', { type: 'button' }, `Show ${count}`);
  const row = element('tr', { class: 'folded' }, element('td', { colspan: '3' }, button));
  button.addEventListener('click', () => row.replaceWith(...rows.map(comparedRow)));
  return row;
}

function comparedRow({ kind, old, new: now, values = [] }) {
  const [sign, words] = KINDS[kind];
  const [was, is] = [old?.split('\n'), now?.split('\n')];
  const cell = (lines) => element('td', {}, ...withChips(lines?.[0] ?? ''));
  const row = element('tr', { class: kind },
    element('th', { scope: 'row' }, element('span', { 'aria-hidden': 'true' }, sign), element('span', { class: 'hidden' }, words)),
    cell(was), cell(is));
  if (kind !== 'changed' || !was || !is) return row;
  if (values.length === 0 && was[0] === is[0]) {
    row.lastChild.append(element('p', { class: 'reason' }, 'Only the order of the members is another.'));
  }
  for (const value of values) {
    row.cells[1].append(valueOf(value, value.old));
    row.cells[2].append(valueOf(value, value.new));
  }
  return row;
}

/** One side of a value that differs. */
function valueOf({ pointer, moved_from: from }, text) {
  const place = element('code', { class: 'pointer' }, pointer || '(the whole)');
  if (text === undefined) {
    return element('p', { class: 'value' }, place, element('span', { class: 'none' }, from ? ` was at ${from}` : ' is not there'));
  }
  return element('p', { class: 'value' }, place, ' ', element('span', { class: 'one' }, ...withChips(text)));
}
