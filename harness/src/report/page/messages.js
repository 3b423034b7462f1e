
/** Values that can be sent, for those that are masked. */
function unmasked(text) {
  return text.replaceAll(MASKED, (_, type, name) => {
    const number = String(Number.parseInt(name, 10) || 1);
    switch (type) {
      case 'uuid':
      case 'correlation':
        return `00000000-0000-4000-8000-${number.padStart(12, '0')}`;
      case 'timestamp':
        return `2025-09-01T08:00:${number.padStart(2, '0').slice(-2)}+00:00`;
      case 'token':
      case 'jwt':
        return 'TOKEN';
      case 'number':
        return '1';
      default:
        return name ?? type;
    }
  });
}

/** A message with values that can be sent. */
function concrete(value) {
  if (typeof value === 'string') return unmasked(value);
  if (Array.isArray(value)) return value.map(concrete);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [unmasked(key), concrete(item)]));
}

/** A string for a POSIX shell. */
const shell = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** What people copy a message as: a name, and the text for it. */
const FORMS = {
  fixture: ({ message, title }) => `${JSON.stringify({ title, message }, null, 2)}\n`,
  wscat: ({ message, user }) =>
    `# with ${data.program} play running: the first terminal is the client, the second the backend\n`
    + `wscat --connect "ws://localhost:8080/ws?token=$(curl --silent 'http://localhost:4100/api/token.txt?user=${user}')"\n`
    + `curl http://localhost:4100/api/publish --json ${shell(JSON.stringify({ user, message: JSON.stringify(message) }))}\n`,
  JavaScript: ({ message }) =>
    'const socket = new WebSocket(`ws://localhost:8080/ws?token=${token}`);\n'
    + "socket.addEventListener('message', ({ data }) => {\n"
    + '  const notification = JSON.parse(data);\n'
    + `  if (notification.event === ${JSON.stringify(message.event)}) {\n`
    + '    console.log(notification.data);\n'
    + '  }\n'
    + '});\n'
    + `// for example:\n// ${JSON.stringify(message)}\n`,
  'Playwright routeWebSocket': ({ message }) =>
    'await page.routeWebSocket(/\\/ws\\/?\\?token=/, (socket) => {\n'
    + `  socket.send(JSON.stringify(${JSON.stringify(message, null, 2).replaceAll('\n', '\n  ')}));\n`
    + '});\n',
};

/** What there is to know about a message: itself, what the contract says, and forms to copy it as. */
function messagePanel(message, { title, user }) {
  const parts = [code(...pretty(message))];
  const event = message?.event;
  const known = typeof event === 'string' && document.getElementById(`message/${event}`);
  if (known) {
    for (const details of known.querySelectorAll('details')) {
      const copied = details.cloneNode(true);
      copied.open = false;
      parts.push(copied);
    }
  }
  if (typeof event === 'string') parts.push(copyAs({ message: concrete(message), title, user }));
  return parts;
}

function copyAs(subject) {
  const shown = element('div');
  const buttons = Object.entries(FORMS).map(([name, form]) => {
    const button = element('button', { type: 'button' }, name);
    button.addEventListener('click', async () => {
      const text = form(subject);
      const done = await copy(text);
      const words = done ? 'Copied:' : 'Select and copy:';
      shown.replaceChildren(element('p', {}, words), code(text));
      say(done ? `copied as ${name}` : `shown as ${name}`);
    });
    return button;
  });
  return element('div', { class: 'copy' },
    element('p', { class: 'copy-as' }, element('span', {}, 'Copy as'), ...buttons), shown);
}
