// The system: how it is, what can be done to it, and where a frontend finds it.

/** How often the page asks how the system is, in milliseconds: another page may have done something to it. */
const ASK_EVERY = 2000;

const PARTS = [
  { key: "redis", name: "Redis", path: "/api/redis", end: ["Kill Redis", "→ 1011"], begin: ["Start Redis", ""] },
  { key: "service", name: "Websocket service", path: "/api/service", end: ["Stop the service", "→ 1001"], begin: ["Start the service", ""] },
];

for (const part of PARTS) {
  part.state = element("span", { class: "state" }, "unknown");
  part.turn = button("…", async () => showState(await ask(part.path, { runs: !part.runs })));
  byId("parts").append(element("li", {}, element("span", {}, element("strong", {}, part.name), " ", part.state), part.turn));
}
const scripted = element("li", { hidden: true });
byId("parts").append(scripted);

function showState(state) {
  for (const part of PARTS) {
    const runs = state[part.key];
    if (part.runs !== undefined && part.runs !== runs) announce(`${part.name} ${runs ? "runs" : "is stopped"}`);
    part.runs = runs;
    const [label, code] = runs ? part.end : part.begin;
    part.state.textContent = runs ? "runs" : "is stopped";
    part.state.dataset.is = runs ? "good" : "bad";
    if (part.turn.dataset.label !== label) {
      part.turn.replaceChildren(label, ...(code ? [" ", element("small", {}, code)] : []));
      part.turn.dataset.label = label;
    }
  }
  scripted.hidden = !state.script;
  if (state.script) {
    const { file, step, steps, publish, to, problem } = state.script;
    scripted.textContent = `${file}: ${step} of ${steps}, ${publish} to ${to}${problem ? `, not published: ${problem}` : ""}`;
  }
}

let gone = false;
async function watch() {
  if (document.visibilityState === "visible") {
    try {
      showState(await ask("/api/state"));
      if (gone) complain("");
      gone = false;
    } catch {
      gone = true;
      complain("The playground is gone. Start it again with cargo play; this page finds it by itself.");
    }
  }
  setTimeout(watch, ASK_EVERY);
}

function showAddresses() {
  byId("runtime").textContent = `running in ${setup.runtime}`;
  const entries = [
    ["WebSocket", `${setup.websocket}?token=…`, setup.websocket],
    ["Gateway", setup.gateway],
    ["A token for any user", `${setup.page}/api/token?user=teacher`],
    [`Secret of tokens (${setup.algorithm})`, setup.secret],
    ["iss", setup.issuer],
    ["aud", setup.audience],
  ];
  byId("addresses").append(...entries.map(([name, shown, copied = shown]) => element("div", {},
    element("dt", {}, name),
    element("dd", {}, element("code", {}, shown), copyButton("", name, () => copied)))));
  byId("sample").textContent = `const answer = await fetch("${setup.page}/api/token?user=teacher");
const { token } = await answer.json();
const socket = new WebSocket(\`${setup.websocket}?token=\${token}\`);
socket.onmessage = ({ data }) => console.log(JSON.parse(data));
socket.onclose = ({ code, reason }) => console.log(code, reason);`;
  byId("sample-publish").textContent = `curl ${setup.page}/api/publish --json '{"user": "teacher", "fixture": "class_created"}'`;
  byId("origins").append(...setup.origins.map((origin) => element("li", {}, origin)));
}

showAddresses();
await watch();
for (const name of ["teacher", "colleague"]) {
  const user = addUser(name);
  await busy(user.begin, () => user.connect("good"));
}
