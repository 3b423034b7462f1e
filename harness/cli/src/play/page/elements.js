// Elements, and what is said to whoever uses the page.

const byId = (id) => document.getElementById(id);

/** A new element. A function among its attributes is a listener, `true` sets an attribute, `false` leaves it out. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** A button that does `work` when it is pressed, once at a time, and shows what goes wrong. */
function button(label, work, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, ...[label].flat());
  made.addEventListener("click", () => busy(made, work));
  return made;
}

/** Does `work`, unless `control` is at it already. */
async function busy(control, work) {
  if (control.ariaBusy === "true") return;
  control.ariaBusy = "true";
  complain("");
  try {
    await work(control);
  } catch (error) {
    complain(error.message);
  } finally {
    control.ariaBusy = "false";
  }
}

/** Shows what went wrong; nothing takes it away. */
function complain(words) {
  byId("complaint").textContent = words;
}

/** Tells whoever does not see the page; the last few sentences are enough. */
function announce(words) {
  const announcer = byId("announcer");
  announcer.append(element("p", {}, words));
  while (announcer.childElementCount > 8) announcer.firstElementChild.remove();
}

/** A button that copies what `text` gives; `whose` is for those who do not see where it stands. */
function copyButton(what, whose, text) {
  const label = element("span", {}, `Copy ${what}`.trim());
  return button([label, element("span", { class: "unseen" }, ` ${whose}`)], async () => {
    await navigator.clipboard.writeText(await text());
    announce(`copied: ${what} ${whose}`);
    label.textContent = "Copied";
    setTimeout(() => { label.textContent = `Copy ${what}`.trim(); }, 1500);
  }, { class: "plain" });
}

const timeFormat = new Intl.DateTimeFormat([], {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
});
const now = () => timeFormat.format(new Date());
const bytesOf = (text) => new TextEncoder().encode(text).length;
const sized = (bytes) => `${bytes.toLocaleString("en")} ${bytes === 1 ? "byte" : "bytes"}`;
const counted = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

/** JSON for reading; anything else as it stands. */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

