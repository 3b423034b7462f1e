'use strict';

/** What the server says of the flows that wait: by the scenario's id, the digest of the file, and whether it is the flow of this page. */
const review = { token: new URLSearchParams(location.search).get('token'), waiting: undefined, open: undefined };

async function asked(path, body) {
  const answer = await fetch(path, {
    method: body ? 'POST' : 'GET',
    headers: { 'x-review-token': review.token, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

/** Shows what can be done with the flow of the scenario that is open. */
function showActions(said) {
  if (!review.open || !review.waiting) return;
  const { scenario, actions } = review.open;
  const waits = scenario && review.waiting[scenario.id];
  if (!actions) return;
  actions.replaceChildren();
  if (said) actions.append(element('p', { class: 'notice' }, said));
  if (!waits) return;
  if (!waits.shown) {
    actions.append(element('p', { class: 'notice' }, 'Another flow waits for review than the one on this page. Play it again, then load the page: ',
      element('code', {}, `${data.program} verify ${scenario.id}`)));
    return;
  }
  const decide = (verdict, words) => {
    const button = element('button', { type: 'button' }, words);
    button.addEventListener('click', () => settle(scenario.id, waits.digest, verdict));
    return button;
  };
  actions.append(decide('accept', 'Accept this flow'), ' ', decide('reject', 'Reject it'));
}

async function settle(id, digest, verdict) {
  let words = verdict === 'accept' ? 'Accepted: this is the reviewed flow now.' : 'Rejected: the reviewed flow stays.';
  try {
    review.waiting = await asked('/api/review', { id, digest, verdict });
    const count = Object.keys(review.waiting).length;
    words += count ? ` ${count} more ${count === 1 ? 'flow waits' : 'flows wait'}.` : ' No other flow waits.';
  } catch ({ message }) {
    words = message;
  }
  showActions(words);
  say(words);
}

/** Says which flows wait that this page does not have. */
function showOthers() {
  const others = Object.keys(review.waiting).filter((id) => !byId.has(id));
  if (others.length === 0) return;
  find('main').prepend(element('p', { class: 'notice' }, 'Flows wait for review that this run has not played: ',
    others.join(', '), '. ', element('code', {}, `${data.program} review`), ' shows them in the terminal.'));
}

document.addEventListener('scenario', ({ detail }) => {
  review.open = detail;
  showActions();
});
document.addEventListener('DOMContentLoaded', async () => {
  try {
    review.waiting = await asked('/api/pending');
    showOthers();
    showActions();
  } catch ({ message }) {
    find('main').prepend(element('p', { class: 'notice' }, `What waits for review cannot be told: ${message}`));
  }
});
