// Tells the harness of every WebSocket of the page what the page sees of it, before the page's own handlers do.
(() => {
  const tell = globalThis.noticed;
  const Native = globalThis.WebSocket;
  let last = 0;
  globalThis.sockets = [];
  globalThis.WebSocket = class extends Native {
    constructor(...given) {
      super(...given);
      const number = (last += 1);
      const notice = (what) => tell(JSON.stringify({ number, ...what }));
      sockets.push(this);
      notice({ saw: "opening", url: this.url });
      this.addEventListener("open", () => notice({ saw: "open" }));
      this.addEventListener("message", ({ data }) =>
        notice(typeof data === "string" ? { saw: "text", text: data } : { saw: "binary" }));
      this.addEventListener("close", ({ code, reason, wasClean }) =>
        notice({ saw: "closed", code, reason, clean: wasClean }));
    }
  };
})();
