// Calls of the gateway, as a user.

let batch = crypto.randomUUID();
const CALLS = [
  {
    name: "Ask for a pipeline",
    sentence: "The messages of its run follow on the user’s connections, one a second.",
    method: "POST",
    path: () => `/v1/batches/${batch}/pipelines`,
    body: { requested_pipeline: "cj_assessment" },
  },
  {
    name: "Read a batch’s status",
    sentence: "A batch is there once a pipeline or an upload named it, and only for whoever did.",
    method: "GET",
    path: () => `/v1/batches/${batch}/status`,
  },
  {
    name: "Upload an essay",
    sentence: "A small text, made here. The user hears of it.",
    method: "POST",
    path: () => "/v1/files/batch",
    form: () => {
      const form = new FormData();
      form.append("batch_id", batch);
      form.append("files", new File(["My summer was warm."], "essay.txt", { type: "text/plain" }));
      return form;
    },
  },
  {
    name: "Create a class",
    sentence: "The user hears of it.",
    method: "POST",
    path: () => "/v1/classes/",
    body: { name: "9B", course_codes: ["SV1"] },
  },
  {
    name: "List the classes",
    sentence: "The same one each time: the answer is a fixture.",
    method: "GET",
    path: () => "/v1/classes/",
  },
];

const calling = {
  user: byId("gateway-user"),
  call: byId("gateway-call"),
  path: byId("gateway-path"),
  body: byId("gateway-body"),
  outcome: byId("gateway-outcome"),
};

const chosenCall = () => CALLS[calling.call.selectedIndex];

function showCall() {
  const call = chosenCall();
  byId("gateway-sentence").textContent = call.sentence;
  byId("gateway-path-label").textContent = `${call.method} at`;
  byId("gateway-new-batch").hidden = !call.path().includes(batch) && !call.form;
  byId("gateway-with-body").hidden = !call.body;
  calling.path.value = call.path();
  calling.body.value = call.body ? JSON.stringify(call.body, null, 2) : "";
}

async function sendCall() {
  calling.outcome.replaceChildren();
  const call = chosenCall();
  const user = calling.user.value;
  if (!user) throw new Error("There is no user: add one first.");
  const headers = { authorization: `Bearer ${await tokenOf(user, "good")}` };
  if (call.body) headers["content-type"] = "application/json";
  const request = { method: call.method, headers, body: call.form ? call.form() : calling.body.value || undefined };
  const response = await fetch(setup.gateway + calling.path.value, request);
  const text = await response.text();
  calling.outcome.append(element("p", { class: "state", "data-is": response.ok ? "good" : "bad" },
    `${response.status} ${response.statusText}`));
  if (text) calling.outcome.append(element("pre", { tabindex: "0", "aria-label": "The answer’s body" }, pretty(text)));
}

calling.call.replaceChildren(...CALLS.map((call) => element("option", {}, call.name)));
showCall();
calling.call.addEventListener("change", showCall);
byId("gateway-new-batch").addEventListener("click", () => {
  batch = crypto.randomUUID();
  showCall();
});
byId("gateway").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  busy(event.submitter, sendCall);
});

