
const byId = new Map(data.scenarios.map((scenario) => [scenario.id, scenario]));
const find = (id) => document.getElementById(id);
const items = new Map([...find('items').children].map((item) => [item.id.slice('scenario/'.length), item]));
const detail = find('detail');
const views = new Map([...document.querySelectorAll('.view')].map((view) => [view.id, view]));
// From here on the address says what is shown, and not only where a browser scrolls to.
for (const one of [...items.values(), ...views.values()]) one.removeAttribute('id');
const filters = { query: find('query'), verdict: find('verdict'), event: find('event'), client: find('client') };
const plain = document.title;
let shown;

/** What a search looks through: ids, sentences, words of steps and what is in messages. Made when somebody searches. */
const texts = new Map();
function textOf(scenario) {
  if (!texts.has(scenario.id)) {
    const { id, title, breaches, reason, steps } = scenario;
    const blocks = steps.flatMap(({ head, body = [] }) => [head, ...body.map((block) => block.text ?? JSON.stringify(block.json))]);
    texts.set(scenario.id, [id, title, reason ?? '', ...breaches.map(({ words }) => words), ...blocks].join('\n'));
  }
  return texts.get(scenario.id);
}

const eventsOf = ({ steps }) => new Set(steps.filter(({ kind }) => kind === 'publish')
  .flatMap(({ body = [] }) => body.map(({ json }) => json?.event)).filter((event) => typeof event === 'string'));
const clientsOf = ({ actors }) => new Set(actors.filter(([, what]) => what.includes('client') || what.includes('calls')).map(([name]) => name));

function fill(select, of) {
  const counts = new Map();
  for (const scenario of data.scenarios) {
    for (const value of of(scenario)) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  select.append(...sorted.map(([value, count]) => element('option', { value }, `${value} (${count})`)));
}

/** The words around the first place where `text` has `query`. */
function excerpt(text, query) {
  const at = text.toLowerCase().indexOf(query);
  const [begin, end] = [Math.max(0, at - 30), at + query.length];
  return element('span', { class: 'excerpt' }, begin > 0 ? '…' : '', text.slice(begin, at),
    element('mark', {}, text.slice(at, end)), text.slice(end, end + 40), '…');
}

/** Shows what the filters let through. */
function filter() {
  const query = filters.query.value.trim().toLowerCase();
  const chosen = (select, of, scenario) => !select.value || of(scenario).has(select.value);
  let count = 0;
  for (const scenario of data.scenarios) {
    const text = query ? textOf(scenario) : '';
    const fits = (!query || text.toLowerCase().includes(query))
      && chosen(filters.verdict, ({ badges }) => new Set(badges.map(({ word }) => word)), scenario)
      && chosen(filters.event, eventsOf, scenario) && chosen(filters.client, clientsOf, scenario);
    const item = items.get(scenario.id);
    item.hidden = !fits;
    item.querySelector('.excerpt')?.remove();
    const visible = query && `${scenario.id}\n${scenario.title}`.toLowerCase().includes(query);
    if (fits && query && !visible) item.firstElementChild.append(excerpt(text, query));
    count += fits ? 1 : 0;
  }
  const all = data.scenarios.length;
  find('found').textContent = count === all ? `${all} scenarios` : `${count} of ${all} scenarios`;
  find('clear').hidden = !Object.values(filters).some(({ value }) => value);
}

/** Where the filters stand, for an address; nothing where none is set. */
function filterAddress() {
  const set = Object.entries(filters).filter(([, { value }]) => value).map(([name, { value }]) => [name, value]);
  return set.length ? `?${new URLSearchParams(set)}` : '';
}

function refilter() {
  filter();
  // A scenario that somebody asked for keeps its address.
  if (!location.hash.startsWith('#scenario/')) history.replaceState(null, '', `#scenarios${filterAddress()}`);
}

function clearFilters() {
  for (const field of Object.values(filters)) field.value = '';
  refilter();
}

/** Shows the scenario, and its first difference or its faulty step. */
function open(id, step) {
  const scenario = byId.get(id);
  if (shown !== id || !scenario) {
    const missing = element('p', { class: 'notice' }, `This run has no scenario ${id}.`);
    detail.replaceChildren(...(scenario ? scenarioPage(scenario) : [missing]));
    detail.setAttribute('aria-label', scenario ? id : 'Scenario');
    document.dispatchEvent(new CustomEvent('scenario', { detail: { scenario, actions: find('actions') } }));
  }
  shown = id;
  detail.hidden = false;
  find('start').hidden = true;
  document.body.classList.add('opened');
  document.title = `${id} · ${plain}`;
  for (const [other, item] of items) {
    const current = other === id;
    if (current) item.firstElementChild.setAttribute('aria-current', 'true');
    else item.firstElementChild.removeAttribute('aria-current');
  }
  detail.scrollTop = 0;
  const wide = matchMedia('(min-width: 60rem)').matches;
  if (!wide) scrollTo(0, detail.offsetTop);
  const wanted = step && detail.querySelector(`[data-step="${CSS.escape(step)}"]`);
  if (wanted) {
    wanted.querySelector('[aria-expanded=false]')?.click();
    wanted.scrollIntoView({ block: 'center' });
  }
}

/** Scrolls the list, and nothing else, to `item`. */
function reveal(item) {
  const list = find('items').parentElement;
  const [inner, outer] = [item.getBoundingClientRect(), list.getBoundingClientRect()];
  if (inner.top < outer.top || inner.bottom > outer.bottom) list.scrollTop += inner.top - outer.top - outer.height / 3;
}

/** Shows what the address says. */
function route() {
  const [path, search] = decodeURIComponent(location.hash.slice(1)).split('?');
  const options = new URLSearchParams(search);
  const [kind, ...rest] = path.split('/');
  const view = { promise: 'promises', message: 'messages', scenario: 'scenarios' }[kind] ?? kind;
  const name = views.has(view) ? view : 'scenarios';
  const known = views.get(name);
  for (const section of views.values()) section.hidden = section !== known;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.hash === `#${name}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (kind === 'scenario') {
    const id = rest.join('/');
    open(id, options.get('step'));
    if (items.has(id)) reveal(items.get(id));
    return;
  }
  if (name === 'scenarios') {
    for (const [key, field] of Object.entries(filters)) if (options.has(key)) field.value = options.get(key);
    filter();
    const worth = byId.get(data.first) ?? data.scenarios.find(isWorthALook);
    const wide = matchMedia('(min-width: 60rem)').matches;
    if (wide && !shown && worth) open(worth.id);
    else if (!wide) close();
    find('start').hidden = !wide || Boolean(shown);
    document.title = plain;
    return;
  }
  close();
  document.title = `${known.querySelector('h2').textContent} · ${plain}`;
  const target = rest.length ? find(path) : undefined;
  target?.querySelectorAll('details').forEach((details) => { details.open = true; });
  if (target) target.scrollIntoView({ block: 'start' });
  else scrollTo(0, 0);
  target?.focus({ preventScroll: true });
}

function close() {
  document.body.classList.remove('opened');
  detail.hidden = true;
  shown = undefined;
}

const isWorthALook = ({ badges }) => badges.some(({ word }) => !['kept', 'skipped', 'not played'].includes(word));

/** The next or previous scenario of the list, of those that `wanted` wants. */
function step(by, wanted = () => true) {
  const list = data.scenarios.filter((scenario) => !items.get(scenario.id).hidden);
  const at = list.findIndex(({ id }) => id === shown);
  for (let next = at + by; next >= 0 && next < list.length; next += by) {
    if (wanted(list[next])) {
      location.hash = `#scenario/${list[next].id}`;
      return;
    }
  }
  say('no more in this list');
}

const KEYS = {
  '/': () => filters.query.focus(),
  j: () => step(1),
  k: () => step(-1),
  n: () => step(1, isWorthALook),
  '?': () => find('help').showModal(),
};

document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input:not([type=checkbox]), select, textarea, dialog');
  if (event.key === 'Escape' && event.target === filters.query) clearFilters();
  if (typing || event.ctrlKey || event.altKey || event.metaKey || !find('single-keys').checked) return;
  if (Object.hasOwn(KEYS, event.key)) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

find('filters').hidden = false;
find('filters').addEventListener('submit', (event) => event.preventDefault());
find('filters').addEventListener('input', refilter);
find('clear').addEventListener('click', clearFilters);
find('keys').addEventListener('click', () => find('help').showModal());
fill(filters.verdict, ({ badges }) => badges.map(({ word }) => word));
fill(filters.event, eventsOf);
fill(filters.client, clientsOf);
watchChips(detail);
document.documentElement.classList.add('scripted');
addEventListener('hashchange', route);
filter();
route();
