// One WebSocket, and what came on it.

/** How many messages a connection shows: the oldest ones go. */
const SHOWN = 200;
/** How much of a message is shown at first, in characters. */
const BEGINNING = 4000;

class Connection {
  /** A connection with such a `token` to what `address` gives; `card` is what there is to see. */
  constructor(name, token, address) {
    this.name = name;
    this.address = address;
    this.count = 0;
    this.state = element("span", { class: "state" });
    this.about = element("p", { class: "quiet" });
    this.token = token;
    this.closing = element("div", { class: "closing", hidden: true });
    this.log = element("ol", { class: "log", "aria-label": `Messages of ${name}, newest first`, tabindex: "0" });
    this.turn = button("Close", () => this.press());
    this.card = element("article", { class: "connection", "aria-label": `Connection ${name}` },
      element("div", { class: "row between" },
        element("div", { class: "row" }, element("h4", {}, name), this.state),
        element("div", { class: "row tight" }, this.turn)),
      this.about, this.closing, this.log);
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN || this.socket?.readyState === WebSocket.CONNECTING;
  }

  async press() {
    if (this.isOpen) this.socket.close(1000);
    else await this.open();
  }

  async open() {
    const url = await this.address();
    this.closing.hidden = true;
    this.show("connecting", "");
    this.socket = new WebSocket(url);
    this.socket.onopen = () => {
      this.show("open", "good");
      this.note("connected");
    };
    this.socket.onmessage = ({ data }) => this.arrived(data);
    this.socket.onclose = (close) => this.closed(close);
  }

  /** Closes it and forgets it. */
  leave() {
    if (this.socket) {
      this.socket.onclose = null;
      this.socket.close();
    }
    this.card.remove();
  }

  show(state, mood) {
    this.state.textContent = state;
    this.state.dataset.is = mood;
    this.turn.textContent = this.isOpen || state === "connecting" ? "Close" : "Connect again";
    this.about.textContent = `${this.token.words}; ${counted(this.count, "message")}`;
  }

  arrived(text) {
    this.count += 1;
    this.show("open", "good");
    const event = eventOf(text);
    announce(`${this.name} received ${event}`);
    const previous = this.log.querySelector("details[open]:not([data-kept])");
    const details = element("details", { open: true },
      element("summary", { click: () => { details.dataset.kept = ""; } },
        element("span", { class: "event mono" }, event),
        element("span", { class: "when" }, `${bytesOf(text).toLocaleString("en")} B  ${now()}`)),
      ...content(pretty(text)));
    if (previous) previous.open = false;
    this.enter(element("li", { class: "new", "data-event": event }, details));
  }

  closed({ code, reason }) {
    this.show("closed", code === 1000 ? "" : "bad");
    this.card.dataset.code = code;
    this.note(`closed with ${code}`);
    announce(`${this.name} was closed with ${code}`);
    this.closing.replaceChildren(...explained(code, reason, this.token.close));
    this.closing.hidden = code === 1000;
  }

  note(words) {
    this.enter(element("li", { class: "note" }, `${now()}  ${words}`));
  }

  enter(item) {
    this.log.prepend(item);
    while (this.log.childElementCount > SHOWN) this.log.lastElementChild.remove();
  }
}

/** What a message calls itself. */
function eventOf(text) {
  try {
    return String(JSON.parse(text).event ?? "(no event)");
  } catch {
    return "(no JSON)";
  }
}

/** A text, or its beginning and a way to the rest. */
function content(text) {
  const shown = element("pre", {}, text.slice(0, BEGINNING));
  if (text.length <= BEGINNING) return [shown];
  shown.append("…");
  const more = button(`Show all ${counted(text.length, "character")}`, () => {
    shown.textContent = text;
    more.remove();
  });
  return [shown, more];
}

/** A close as the contract explains it; where a code has several meanings, `expected` may tell which one it is. */
function explained(code, reason, expected) {
  const any = setup.closes.filter((close) => close.code === code);
  const one = any.filter((close) => close.name === expected);
  const known = one.length > 0 ? one : any;
  const said = told(code, reason);
  if (code === 1006) {
    return [...said, element("p", {}, "The browser’s own word for a connection that ended without a close, or never came to be: "
      + "nobody listens, the network is gone, or the origin is not allowed. Connect again after a pause that grows.")];
  }
  if (known.length === 0) return [...said, element("p", {}, "The contract has no such close.")];
  const advice = known.flatMap((close) => [
    element("dt", { class: "mono" }, close.name),
    element("dd", {}, ...withCode(close.when)),
    element("dd", {}, element("strong", {}, "A client should: "), ...withCode(close.client)),
  ]);
  return [...said, element("dl", {}, ...advice)];
}

/** What a close itself says. */
function told(code, reason) {
  const headline = element("p", {}, element("strong", { class: "code" }, String(code)));
  if (!reason) {
    headline.append(" without a reason");
    return [headline];
  }
  try {
    const { error_code: word, message } = JSON.parse(reason);
    headline.append(" ", element("strong", { class: "mono" }, word ?? ""), ` ${message ?? ""}`);
  } catch {
    headline.append(" with a reason that is no JSON");
  }
  return [headline, element("details", {},
    element("summary", {}, `The reason, ${sized(bytesOf(reason))}`),
    element("pre", {}, reason))];
}

/** A sentence of the contract: what is between backticks is code. */
function withCode(sentence) {
  return sentence.split("`").map((part, index) => (index % 2 === 1 ? element("code", {}, part) : part));
}

