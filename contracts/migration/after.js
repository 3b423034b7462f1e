// The client as it has to be: the token in the query, and a decision for every close.
export function connect({ service, getToken, refetch, onNotification, onStop, pause = 1000 }) {
  let socket;
  let stopped = false;
  let openedAt = 0;
  let attempts = 0;
  let refusals = 0;

  async function open() {
    const token = await getToken().catch(() => undefined);
    if (stopped) return;
    if (token === undefined) return again();
    socket = new WebSocket(`${service}/ws?token=${encodeURIComponent(token)}`);
    // What was published while nobody listened is not kept: fetch the state once the connection is open.
    socket.onopen = () => {
      openedAt = Date.now();
      refetch();
    };
    socket.onmessage = (message) => onNotification(JSON.parse(message.data));
    socket.onclose = ({ code, reason }) => {
      if (stopped) return;
      const { error_code, message } = reason.startsWith("{") ? JSON.parse(reason) : {};
      const lasted = openedAt > 0 && Date.now() - openedAt > 5 * pause;
      openedAt = 0;
      if (lasted) attempts = 0;
      switch (code) {
        case 4000: // too many tabs: trying again would only fail again
          return onStop(error_code, message);
        case 1008: // the token has expired, or is refused: take a new one, and give up when that is refused, too
          refusals = lasted ? 0 : refusals + 1;
          return refusals > 1 ? onStop(error_code, message) : open();
        default: // 1001, 1011, 1013, and whatever a network does: come back after a pause that grows and varies
          return again();
      }
    };
  }

  function again() {
    attempts += 1;
    setTimeout(open, Math.min(pause * 2 ** attempts, 30 * pause) * (0.5 + Math.random() / 2));
  }

  open();
  return () => {
    stopped = true;
    socket?.close(1000);
  };
}
