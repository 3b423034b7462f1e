// The client as it was: its id in the path, the token in a header where the library can set one, no reaction to a close.
export function connect({ gateway, clientId, onNotification, onError }) {
  const socket = new WebSocket(`${gateway}/ws/v1/status/${clientId}`);
  socket.onmessage = (message) => onNotification(JSON.parse(message.data));
  socket.onerror = onError;
  return socket;
}
