
/** The sequence diagram of a scenario: a list of steps, laid out in the lanes of those who take part. */
function diagram(scenario) {
  const { actors } = scenario;
  if (actors.length === 0) return undefined;
  const head = element('div', { class: 'actors', 'aria-hidden': 'true' },
    ...actors.map(([name, what]) => element('span', { title: what }, name)));
  const list = element('ol', { class: 'steps', 'aria-label': 'What happens, in order' });
  for (const row of rows(scenario)) list.append(drawn(scenario, row));
  const box = element('div', { class: 'diagram', tabindex: '0', role: 'region', 'aria-label': 'Sequence diagram' }, head, list);
  box.style.setProperty('--lanes', actors.length);
  return box;
}

/** The steps, and what never arrived where it was missed; each with what is wrong about it. */
function rows(scenario) {
  const made = scenario.steps.map((step, number) => ({ step, number, wrong: step.forbidden ? 'forbidden' : undefined }));
  for (const { client, message } of scenario.breaches) {
    const lane = scenario.actors.findIndex(([name]) => name === client);
    if (lane < 0 || message === null) continue;
    const about = made.filter(({ step }) => step.at === lane && step.to === lane && isAbout(step, message));
    if (about.some(({ wrong }) => wrong)) continue;
    if (about.length > 0) {
      about[0].wrong = 'wrong';
      continue;
    }
    const sent = made.findIndex(({ step }) => step.kind === 'publish' && isAbout(step, message));
    const from = scenario.actors.findIndex(([name]) => name === 'websocket service');
    const head = `text #${message} never arrived`;
    made.splice(sent + 1 || made.length, 0, { step: { kind: 'message', from, to: lane, at: lane, head, messages: [message, message] }, wrong: 'missing' });
  }
  return made;
}

const isAbout = ({ messages }, number) => messages && messages[0] <= number && number <= messages[1];

const SIGNS = { forbidden: '✕ forbidden', wrong: '✕ wrong', missing: '✕ missing' };

function drawn(scenario, { step, number, wrong }) {
  const { actors } = scenario;
  const name = (actor) => actors[actor]?.[0] ?? '';
  const travels = step.from !== step.to;
  const ends = travels ? `${name(step.from)} → ${name(step.to)}` : name(step.at);
  const detail = details(scenario, step);
  const words = element('span', { class: 'words' }, ...withChips(step.head, 'span'));
  const inside = [
    element('span', { class: 'ends' }, ends),
    wrong && element('span', { class: 'wrong-sign' }, SIGNS[wrong]),
    words,
    travels && element('span', { class: 'arrow', 'aria-hidden': 'true' }),
  ];
  const left = Math.min(step.from, step.to);
  const span = Math.abs(step.from - step.to) + 1;
  const direction = travels ? (step.from < step.to ? 'right' : 'left') : 'still';
  const classes = `step ${step.kind} ${direction} ${wrong ?? ''}`;
  const item = element('li');
  const label = detail
    ? element('button', { type: 'button', class: classes, 'aria-expanded': 'false' }, ...inside)
    : element('div', { class: classes }, ...inside);
  label.style.setProperty('--from', left + 1);
  label.style.setProperty('--span', span);
  item.append(label);
  if (number !== undefined) item.dataset.step = number + 1;
  if (detail) {
    label.addEventListener('click', () => {
      const open = label.getAttribute('aria-expanded') === 'true';
      label.setAttribute('aria-expanded', String(!open));
      item.querySelector('.panel')?.remove();
      if (!open) item.append(element('div', { class: 'panel' }, ...detail(), linkTo(scenario, number)));
    });
  }
  return item;
}

/** The address of a step; one that never happened has none. */
function linkTo({ id }, number) {
  if (number === undefined) return '';
  return element('p', { class: 'link' }, element('a', { href: `#scenario/${id}?step=${number + 1}` }, 'Link to this step'));
}

/** What the contract says about the closes with the code of this step. */
function closesOf({ kind, head }) {
  const [, code] = (kind === 'close' && /^close (\d+)/.exec(head)) || [];
  const rows = code ? [...document.getElementById('closes').tBodies[0].rows] : [];
  return rows.filter(({ cells }) => cells[0].textContent === code)
    .map(({ cells }) => element('p', {}, element('b', {}, `${cells[1].textContent}: `), `${cells[2].textContent} ${cells[3].textContent}`));
}

/** What opens below a step, made when somebody asks; nothing where there is no more to say. */
function details(scenario, step) {
  const published = step.kind === 'message' && step.messages
    ? scenario.steps.find((other) => other.kind === 'publish' && isAbout(other, step.messages[0]))
    : undefined;
  const source = step.body?.length ? step : published;
  const closes = closesOf(step);
  if (!source?.body?.length) return closes.length ? () => closes : undefined;
  const [, user] = /ws:<user:([^<>]*)>/.exec((published ?? step).head) ?? [];
  const shown = (block) => ('json' in block
    ? messagePanel(block.json, { title: scenario.title, user: user ?? 'teacher' })
    : [element('p', { class: 'text', tabindex: '0' }, ...withChips(block.text))]);
  return () => [...source.body.flatMap(shown), ...closes.map((close) => close.cloneNode(true))];
}
