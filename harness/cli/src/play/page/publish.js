// Publishing a fixture, or whatever is typed.

const publishing = {
  user: byId("publish-user"),
  fixture: byId("publish-fixture"),
  text: byId("publish-text"),
  outcome: byId("publish-outcome"),
};

function offerFixtures() {
  const groups = Map.groupBy(setup.fixtures, (fixture) => fixture.category ?? "older events");
  publishing.fixture.replaceChildren(...[...groups].map(([category, fixtures]) =>
    element("optgroup", { label: category.replaceAll("_", " ") },
      ...fixtures.map((fixture) => element("option", { value: fixture.name }, fixture.name)))));
  publishing.fixture.value = "batch_results_ready";
}

function showFixture() {
  const fixture = setup.fixtures.find((other) => other.name === publishing.fixture.value);
  byId("publish-sentence").textContent = `${fixture.title[0].toUpperCase()}${fixture.title.slice(1)}.`;
  publishing.text.value = JSON.stringify(fixture.message, null, 2);
  showSize();
}

function showSize() {
  const text = publishing.text.value;
  let kind = "JSON";
  try {
    JSON.parse(text);
  } catch {
    kind = "no JSON";
  }
  byId("publish-size").textContent = `${kind}, ${sized(bytesOf(text))}`;
}

async function publishText() {
  publishing.outcome.replaceChildren();
  const user = publishing.user.value;
  if (!user) throw new Error("There is no user: add one first.");
  const { services, problems } = await ask("/api/publish", { user, message: publishing.text.value });
  const words = services > 0
    ? `Published to ${user}.`
    : `Published, and gone: nobody is connected as ${user}, and Redis keeps nothing.`;
  publishing.outcome.append(element("p", {}, words));
  if (problems.length > 0) {
    publishing.outcome.append(
      element("p", {}, "The contract knows no such message; a client has to live with it all the same:"),
      element("ul", {}, ...problems.map((problem) => element("li", {}, problem))));
  }
}

offerFixtures();
showFixture();
publishing.fixture.addEventListener("change", showFixture);
publishing.text.addEventListener("input", showSize);
byId("publish").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  busy(event.submitter, publishText);
});

