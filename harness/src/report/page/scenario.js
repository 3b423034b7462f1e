
/** What is shown of one scenario. */
function scenarioPage(scenario) {
  const { id, title, badges, breaches, reason, promises, fixture, log, account, against } = scenario;
  const is = (word) => badges.some((one) => one.word === word);
  const differs = is('changed') || is('new');
  const parts = [
    element('p', { class: 'back' }, element('a', { href: '#scenarios' }, '← All scenarios')),
    element('h2', {}, ...breakable(id), ' ', ...badges.map(badge)),
    element('p', { class: 'sentence' }, title),
    element('div', { class: 'actions', id: 'actions' }),
    wrongs(breaches),
    reason && element('p', { class: 'notice' }, reason),
    is('new') && element('p', { class: 'notice' }, 'This flow is new: nobody has accepted it yet, or the base does not have it.'),
    comparison(scenario),
    element('h3', { class: scenario.steps.length ? undefined : 'hidden' }, 'What happens'),
    diagram(scenario),
    scenario.steps.length > 0 && element('p', { class: 'reason' },
      'Within a lane, time runs down. Between lanes the order is the one in which the harness noted the steps.'),
    account && element('section', {}, element('h3', {}, 'What became of the messages'), code(account)),
    log && element('details', {}, element('summary', {}, 'What the services printed meanwhile'), code(log)),
    element('h3', {}, 'Proves'),
    promises.length
      ? element('ul', {}, ...promises.map((promise) => element('li', {}, element('a', { href: `#promise/${promise}` }, promise))))
      : element('p', {}, 'no promise of the contract'),
    element('p', { class: 'commands' }, 'Play it again: ', element('code', {}, `${data.program} verify ${id}`),
      differs && !(against && is('kept')) && [' · Accept the flow: ', element('code', {}, `${data.program} review`)]),
    element('p', { class: 'place' },
      `${scenario.rounds === 1 ? '' : `${scenario.failed_rounds} of ${scenario.rounds} rounds failed · `}${scenario.seconds.toFixed(1)} s`,
      fixture && ` · ${fixture}`),
  ];
  return parts.filter(Boolean);
}

/** Each thing that is wrong, with the client and the message that it is about. */
function wrongs(breaches) {
  if (breaches.length === 0) return undefined;
  const facts = ({ promise, client, message }) => [
    client && ['client', client],
    message !== null && message !== undefined && ['message', `#${message}`],
    promise && ['promise', promise],
  ].filter(Boolean);
  const once = breaches.filter(({ words }, at) => breaches.findIndex((other) => other.words === words) === at);
  const times = ({ words }) => breaches.filter((other) => other.words === words).length;
  return element('section', { class: 'wrong', 'aria-label': 'What is wrong' },
    element('ul', {}, ...once.map((breach) => element('li', {},
      element('p', { class: 'facts' }, ...facts(breach).map(([name, value]) =>
        element('span', { class: 'fact' }, `${name} `,
          name === 'promise' ? element('a', { href: `#promise/${value}` }, value) : element('b', {}, value)))),
      element('p', { class: 'words' }, ...withChips(breach.words),
        times(breach) > 1 && element('span', { class: 'times' }, ` (${times(breach)} times)`))))));
}

/** An id in pieces between which a line may break. */
const breakable = (id) => id.split(/(?<=[/_-])/).flatMap((part) => [part, element('wbr')]);
