// Users: each connects any number of times, with tokens good and bad.

/** The tokens that a user may come with, and the contract's name for the close that follows from each. */
const TOKENS = {
  good: { words: "good token", close: "token-expired" },
  brief: { words: "expires in 5 s", close: "token-expired", code: 1008 },
  expired: { words: "expired", close: "token-refused", code: 1008 },
  forged: { words: "signed by another", close: "token-refused", code: 1008 },
  none: { words: "no token", close: "token-refused", code: 1008 },
};

const users = new Map();

class User {
  constructor(name) {
    this.name = name;
    this.connections = [];
    this.next = 1;
    this.list = element("div", { class: "connections" });
    this.said = element("p", { class: "quiet", role: "status" });
    this.kind = element("select", { "aria-label": `Token for the next connection of ${name}` },
      ...Object.entries(TOKENS).map(([kind, { words, code }]) =>
        element("option", { value: kind }, code ? `${words} → ${code}` : words)));
    this.begin = button("Connect", () => this.connect(this.kind.value), { class: "first" });
    this.panel = element("section", { class: "user", "aria-label": `User ${name}` },
      element("div", { class: "row between" },
        element("h3", {}, name),
        element("div", { class: "row" },
          copyButton("token", `of ${name}`, () => tokenOf(name, "good")),
          button(["Remove", element("span", { class: "unseen" }, ` ${name}`)], () => this.leave(), { class: "plain" }))),
      element("div", { class: "row" },
        this.begin, this.kind,
        button(["Exceed the limit ", element("small", {}, "→ 4000")], () => this.exceed()),
        button(["Read too slowly ", element("small", {}, "→ 1013")], () => this.overflow())),
      this.said, this.list);
  }

  async connect(kind) {
    const name = `${this.name} ${this.next++}`;
    const connection = new Connection(name, TOKENS[kind], () => this.address(kind));
    const remove = button(["Remove", element("span", { class: "unseen" }, ` ${name}`)], () => {
      this.connections = this.connections.filter((other) => other !== connection);
      connection.leave();
      this.begin.focus();
    }, { class: "plain" });
    connection.turn.after(remove);
    this.connections.push(connection);
    this.list.append(connection.card);
    await connection.open();
  }

  async address(kind) {
    if (kind === "none") return setup.websocket;
    return `${setup.websocket}?token=${await tokenOf(this.name, kind)}`;
  }

  /** Opens as many connections as are allowed, and one more. */
  async exceed() {
    const { connections } = await ask("/api/state");
    if (!connections) throw new Error("The websocket service is stopped: start it first.");
    const open = this.connections.filter((connection) => connection.isOpen).length;
    for (let count = open; count <= connections.limit; count += 1) await this.connect("good");
  }

  async overflow() {
    this.said.textContent = "Holding back what is on its way, and publishing …";
    try {
      const { messages, bytes } = await ask("/api/overflow", { user: this.name });
      this.said.textContent = `A browser always reads, so the playground held back what was on its way to ${this.name}, as a `
        + `slow network does, and published ${counted(messages, "long message")} (${sized(bytes)}) until the service gave up. `
        + `What was under way arrives first, then the close.`;
    } catch (error) {
      this.said.textContent = "";
      throw error;
    }
  }

  leave() {
    for (const connection of this.connections) connection.leave();
    users.delete(this.name);
    this.panel.remove();
    offerUsers();
    byId("add-user-name").focus();
  }
}

function addUser(name) {
  const user = new User(name);
  users.set(name, user);
  byId("user-list").append(user.panel);
  offerUsers();
  return user;
}

/** Lets every list of users offer those that there are. */
function offerUsers() {
  for (const select of document.querySelectorAll(".of-users")) {
    const chosen = select.value;
    select.replaceChildren(...[...users.keys()].map((name) => element("option", { selected: name === chosen }, name)));
  }
}

byId("add-user").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("add-user-name");
  const name = field.value.trim();
  complain(users.has(name) ? `${name} is there already.` : "");
  if (!name || users.has(name)) return;
  field.value = "";
  addUser(name).begin.focus();
});

