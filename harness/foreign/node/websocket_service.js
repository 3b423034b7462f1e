// The websocket service in Node: `ws`, node-redis, and tokens by node:crypto. With Debian's packages:
// apt-get install node-ws node-redis; NODE_PATH=/usr/share/nodejs node websocket_service.js
//
// Written from the contract, not from the reference. `DEFECT=<name>` breaks one promise on purpose; ../defects.toml lists
// the names.
'use strict';

const crypto = require('node:crypto');
const http = require('node:http');
const { createClient } = require('redis');
const { WebSocketServer } = require('ws');

const MESSAGE_LIMIT = 64 * 1024;
const BUFFER_LIMIT = 4 * 1024 * 1024;
const REASON_LIMIT = 123;
const HEARTBEAT_INTERVAL = 1000;
/** How many heartbeats in a row may be missed. They are counted, so that a busy moment of this process is one at most. */
const HEARTBEATS_MISSED = 3;
const REDIS_TIMEOUT = 2000;
const STARTED = process.hrtime.bigint();

const defect = (name) => process.env.DEFECT === name;

// --- logs ---

function log(level, event, correlationId, more = {}) {
  if (defect('text-log')) return console.log(`${level} ${event} ${correlationId ?? ''}`);
  const line = { timestamp: new Date().toISOString(), level, service: 'websocket_service', event, ...more };
  if (correlationId) line.correlation_id = correlationId;
  console.log(JSON.stringify(line));
}

// --- settings ---

function settings(env) {
  let secret = env.JWT_SECRET_KEY;
  if (!secret && defect('starts-without-secret')) secret = 'development';
  if (!secret) {
    log('error', 'JWT_SECRET_KEY is missing: without it no token can be checked');
    process.exit(1);
  }
  return {
    secret,
    port: Number(env.WEBSOCKET_PORT ?? 8080),
    redisUrl: env.REDIS_URL ?? 'redis://localhost:6379',
    prefix: env.REDIS_CHANNEL_PREFIX ?? 'ws',
    limit: Number(env.WEBSOCKET_MAX_CONNECTIONS_PER_USER ?? 5),
    pingInterval: Number(env.WEBSOCKET_PING_INTERVAL ?? 30) * 1000,
    idleTimeout: Number(env.WEBSOCKET_IDLE_TIMEOUT ?? 300) * 1000,
    origins: new Set((env.CORS_ORIGINS ?? '').split(',').map((origin) => origin.trim()).filter(Boolean)),
    algorithm: env.JWT_ALGORITHM ?? 'HS256',
    audience: env.JWT_AUDIENCE ?? 'huleedu-platform',
    issuer: env.JWT_ISSUER ?? 'huleedu-identity-service',
    environment: env.ENVIRONMENT ?? 'development',
  };
}

const config = settings(process.env);
const SHA = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' }[config.algorithm];
if (!SHA) {
  log('error', `JWT_ALGORITHM ${config.algorithm} is none of HS256, HS384, HS512`);
  process.exit(1);
}

// --- metrics ---

class Counter {
  constructor(name, help, labels = []) {
    Object.assign(this, { name, help, labels, values: new Map() });
    if (labels.length === 0) this.values.set('', 0);
  }

  add(...labels) {
    const key = this.labels.map((label, index) => `${label}="${labels[index]}"`).join(',');
    this.values.set(key, (this.values.get(key) ?? 0) + 1);
  }

  text() {
    const lines = [`# HELP ${this.name} ${this.help}`, `# TYPE ${this.name} counter`];
    for (const [key, value] of this.values) lines.push(`${this.name}${key && `{${key}}`} ${value}`);
    return lines.join('\n');
  }
}

const byUser = defect('user-label-in-metrics');
const metrics = {
  connections: new Counter('websocket_connections_total', 'Connections.', byUser ? ['status', 'user'] : ['status']),
  sent: new Counter(defect('metric-renamed') ? 'websocket_sent_total' : 'websocket_messages_sent_total', 'Sent.'),
  failed: new Counter('websocket_messages_failed_total', 'Not sent.', ['error_type']),
  validations: new Counter('jwt_validation_total', 'Tokens checked.', ['result']),
  active: 0,
  durations: { buckets: [1, 10, 60, 600, 3600, Infinity].map((le) => ({ le, count: 0 })), sum: 0, count: 0 },
};

function observeDuration(seconds) {
  const { durations } = metrics;
  for (const bucket of durations.buckets) if (seconds <= bucket.le) bucket.count += 1;
  durations.sum += seconds;
  durations.count += 1;
}

function metricsText() {
  const duration = 'websocket_connection_duration_seconds';
  const { buckets, sum, count } = metrics.durations;
  const counters = [metrics.connections, metrics.sent, metrics.failed, metrics.validations];
  return [
    ...counters.map((counter) => counter.text()),
    '# HELP websocket_active_connections Open connections.',
    '# TYPE websocket_active_connections gauge',
    `websocket_active_connections ${metrics.active}`,
    `# HELP ${duration} How long connections lasted.`,
    `# TYPE ${duration} histogram`,
    ...buckets.map(({ le, count }) => `${duration}_bucket{le="${le === Infinity ? '+Inf' : le}"} ${count}`),
    `${duration}_sum ${sum}`,
    `${duration}_count ${count}`,
    '',
  ].join('\n');
}

// --- tokens ---

class Refused extends Error {}

/** The user and the expiry, in milliseconds. */
function checkToken(token) {
  if (!token) throw new Refused('no token');
  const parts = token.split('.');
  if (parts.length !== 3) throw new Refused('bad token');
  let header, claims;
  try {
    [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
  } catch {
    throw new Refused('bad token');
  }
  const unsigned = defect('accept-unsigned') && header?.alg === 'none';
  const sha = defect('accept-other-algorithm') ? { HS256: 'sha256', HS512: 'sha512' }[header?.alg] : SHA;
  if (header?.alg !== config.algorithm && !unsigned && !(defect('accept-other-algorithm') && sha)) {
    throw new Refused('bad algorithm');
  }
  if (!unsigned) {
    const expected = crypto.createHmac(sha, config.secret).update(`${parts[0]}.${parts[1]}`).digest();
    const signature = Buffer.from(parts[2], 'base64url');
    if (signature.length !== expected.length || !crypto.timingSafeEqual(signature, expected)) {
      throw new Refused('bad signature');
    }
  }
  if (claims === null || typeof claims !== 'object') throw new Refused('bad token');
  const { sub, exp, nbf, aud, iss } = claims;
  if (typeof sub !== 'string' || (sub === '' && !defect('accept-empty-sub'))) throw new Refused('no user');
  if (typeof exp !== 'number') throw new Refused('no expiry');
  const leeway = defect('accept-just-expired') ? 60 : 0;
  if (exp + leeway <= Date.now() / 1000 && !defect('accept-expired')) throw new Refused('expired');
  const early = nbf !== undefined && !(nbf <= Date.now() / 1000);
  if (early) throw new Refused('not valid yet');
  const forUs = [aud].flat().includes(config.audience);
  if (!forUs && !defect('accept-wrong-audience')) throw new Refused('bad audience');
  if (iss !== config.issuer) throw new Refused('bad issuer');
  return { user: sub, expires: exp * 1000 };
}

// --- closes ---

const CLOSES = {
  authentication: [1008, 'AUTHENTICATION_ERROR', 'Get a new token.'],
  quota: [defect('wrong-close-code') ? 4001 : 4000, 'QUOTA_EXCEEDED', 'Close another tab first.'],
  away: [1011, 'SERVICE_UNAVAILABLE', 'Reconnect later.'],
  slow: [1013, 'SLOW_CONSUMER', 'Read faster.'],
  idle: [1001, 'IDLE_TIMEOUT', 'No sign of life.'],
  shutdown: [1001, 'SERVICE_SHUTDOWN', 'Reconnect soon.'],
};

/** A reason of at most 123 bytes: the message is shortened until it fits. */
function reasonOf([code, errorCode, message], correlationId) {
  if (defect('reason-not-json')) return message;
  if (defect('wrong-error-code') && code === 4000) errorCode = 'CONNECTION_LIMIT';
  for (let end = message.length; ; end -= 1) {
    const text = JSON.stringify({ error_code: errorCode, message: message.slice(0, end), correlation_id: correlationId });
    if (defect('reason-cut')) return (text + ' '.repeat(200)).slice(0, 60);
    if (Buffer.byteLength(text) <= REASON_LIMIT) return text;
  }
}

// --- connections ---

const users = new Map();
let closing = false;

function connectionsOf(user) {
  return users.get(user) ?? new Set();
}

/** A client that has said goodbye is gone, although `ws` keeps its socket until the client's end is closed too. */
function placesTaken(user) {
  const taken = ({ socket }) => socket === null || socket.readyState === socket.OPEN || defect('slot-leak');
  return [...connectionsOf(user)].filter(taken).length;
}

class Connection {
  constructor(user, correlationId) {
    Object.assign(this, { user, correlationId, began: Date.now(), seen: Date.now(), timers: [], socket: null, held: null });
    if (!users.has(user)) users.set(user, new Set());
    users.get(user).add(this);
    metrics.active += 1;
    this.count = 0;
  }

  /** Frees the place; the second time there is nothing to free. */
  leave() {
    const connections = connectionsOf(this.user);
    if (!connections.delete(this)) return;
    if (!defect('gauge-drifts')) metrics.active -= 1;
    observeDuration((Date.now() - this.began) / 1000);
    this.timers.forEach((timer) => clearInterval(timer));
    if (connections.size === 0) {
      users.delete(this.user);
      backplane.leave(this.user);
    }
  }

  close(close) {
    log('info', `closing with ${close[0]} ${close[1]}`, this.correlationId);
    this.leave();
    this.socket?.close(close[0], reasonOf(close, this.correlationId));
  }

  send(data) {
    if (this.socket === null || this.socket.readyState !== this.socket.OPEN) return;
    if (this.socket.bufferedAmount > BUFFER_LIMIT && !defect('unbounded-queue')) {
      metrics.failed.add('slow_consumer');
      if (!defect('slow-consumer-dropped')) this.close(CLOSES.slow);
      return;
    }
    this.count += 1;
    if (defect('drop-every-third') && this.count % 3 === 0) return;
    if (defect('swap-two') && this.held === null) {
      this.held = data;
      setTimeout(() => this.release(), 20);
      return;
    }
    this.write(data);
    if (defect('duplicate') && this.count % 3 === 1) this.write(data);
    this.release();
  }

  release() {
    const { held } = this;
    this.held = null;
    if (held !== null && this.socket.readyState === this.socket.OPEN) this.write(held);
  }

  write(data) {
    if (defect('reencode')) {
      try {
        data = Buffer.from(JSON.stringify(JSON.parse(data)));
      } catch {
        // What is no JSON stays as it is.
      }
    }
    this.socket.send(data, { binary: defect('binary-frames') });
    metrics.sent.add();
  }
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const kept = new Map();

function deliver(user, data) {
  backplane.missed = 0;
  try {
    strict.decode(data);
  } catch {
    metrics.failed.add('not_utf8');
    if (defect('close-on-not-utf8')) for (const connection of [...connectionsOf(user)]) connection.close(CLOSES.away);
    if (!defect('sends-not-utf8')) return;
  }
  let connections = [...connectionsOf(user)];
  if (defect('one-connection-only')) connections = connections.slice(0, 1);
  if (defect('leak-to-neighbour')) {
    const others = [...users.keys()].filter((other) => other !== user);
    connections.push(...others.slice(0, 1).flatMap((other) => [...connectionsOf(other)].slice(0, 1)));
  }
  if (defect('keeps-for-later') && connections.length === 0) kept.set(user, data);
  for (const connection of connections) connection.send(data);
}

// --- Redis ---

const quiet = () => {};

/** One connection with the subscriptions of all users. A lost one is never reused: what was published meanwhile is gone. */
const backplane = {
  subscriber: null,
  missed: 0,
  subscribed: new Set(),
  turns: new Map(),

  channel: (user) => `${config.prefix}:${user}`,

  /** Runs `task` after what was asked before for the same user. */
  inTurn(user, task) {
    const turn = (this.turns.get(user) ?? Promise.resolve()).then(task, task);
    this.turns.set(user, turn);
    turn.catch(quiet).finally(() => {
      if (this.turns.get(user) === turn) this.turns.delete(user);
    });
    return turn;
  },

  /** Resolves once Redis has confirmed the subscription. */
  join(user) {
    return this.inTurn(user, async () => {
      const { subscriber } = this;
      if (subscriber === null) throw new Error('Redis is away');
      if (this.subscribed.has(user)) return;
      const deliverHere = (data) => deliver(user, data);
      if (defect('pattern-subscribe')) await within(5000, subscriber.pSubscribe(this.channel(user), deliverHere, true));
      else await within(5000, subscriber.subscribe(this.channel(user), deliverHere, true));
      if (subscriber !== this.subscriber) throw new Error('Redis is away');
      this.subscribed.add(user);
    });
  },

  leave(user) {
    this.inTurn(user, async () => {
      if (defect('keeps-for-later')) return;
      if (this.subscriber === null || users.has(user) || !this.subscribed.delete(user)) return;
      if (defect('pattern-subscribe')) await within(5000, this.subscriber.pUnsubscribe(this.channel(user)));
      else await within(5000, this.subscriber.unsubscribe(this.channel(user)));
    }).catch(quiet);
  },

  async run() {
    for (let attempt = 0; !closing; attempt += 1) {
      const options = {
        url: config.redisUrl,
        disableOfflineQueue: true,
        socket: { connectTimeout: REDIS_TIMEOUT, reconnectStrategy: () => new Error('a new client is made') },
      };
      const [subscriber, asker] = [createClient(options), createClient(options)];
      try {
        await this.watch(subscriber, asker);
      } catch (error) {
        log('warning', `Redis is away: ${error.code ?? error.constructor.name}`);
      }
      if (this.subscriber !== null) attempt = 0;
      this.lost();
      for (const client of [subscriber, asker]) client.disconnect().catch(quiet);
      if (defect('never-resumes') && attempt === 0) return;
      await new Promise((resolve) => setTimeout(resolve, Math.min(50 * 2 ** attempt, 2000) * (0.5 + Math.random() / 2)));
    }
  },

  /** Ends with an error once the connection is lost, or hangs for longer than the heartbeat may take. */
  watch(subscriber, asker) {
    return new Promise((_, reject) => {
      for (const client of [subscriber, asker]) client.on('error', reject).on('end', () => reject(new Error('ended')));
      const connected = async () => {
        await within(REDIS_TIMEOUT, Promise.all([subscriber.connect(), asker.connect()]));
        const channel = `${config.prefix}-heartbeat:${crypto.randomUUID()}`;
        await within(REDIS_TIMEOUT, subscriber.subscribe(channel, () => (this.missed = 0)));
        const isMaster = async () => (await within(REDIS_TIMEOUT, asker.sendCommand(['ROLE'])))[0] === 'master';
        if (!(await isMaster())) throw new Error('a replica');
        this.missed = 0;
        this.subscriber = subscriber;
        log('info', 'subscribed in Redis');
        const heartbeat = setInterval(() => {
          if (this.subscriber !== subscriber) return clearInterval(heartbeat);
          this.missed += 1;
          if (this.missed > HEARTBEATS_MISSED && !defect('waits-for-a-hung-redis')) reject(new Error('no heartbeat'));
          asker.publish(channel, '').catch(quiet);
          // What is published at the new master does not come here.
          isMaster().then((master) => master || reject(new Error('a replica')), quiet);
        }, HEARTBEAT_INTERVAL);
        heartbeat.unref();
      };
      connected().catch(reject);
    });
  },

  lost() {
    this.subscriber = null;
    this.subscribed.clear();
    if (defect('zombie-after-redis-loss')) return;
    for (const connections of [...users.values()]) for (const connection of [...connections]) connection.close(CLOSES.away);
  },
};

async function within(milliseconds, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came in ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Asks on a connection of its own, so that the answer is about now. */
async function redisAnswers() {
  const client = createClient({
    url: config.redisUrl,
    socket: { connectTimeout: 900, reconnectStrategy: () => new Error('asked once') },
  });
  client.on('error', quiet);
  try {
    await within(900, client.connect().then(() => client.ping()));
    return true;
  } catch {
    return false;
  } finally {
    client.disconnect().catch(quiet);
  }
}

// --- HTTP ---

function json(response, status, body, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

function errorBody(errorCode, message, correlationId = crypto.randomUUID()) {
  return { error_code: errorCode, message, correlation_id: correlationId };
}

const ROUTES = {
  '/healthz': (response) => {
    const body = {
      service: 'websocket_service',
      status: 'healthy',
      message: 'up',
      environment: config.environment,
      timestamp: new Date().toISOString(),
      uptime_seconds: Number(process.hrtime.bigint() - STARTED) / 1e9,
      connections: metrics.active,
    };
    if (defect('health-without-uptime')) delete body.uptime_seconds;
    json(response, 200, body);
  },
  '/healthz/redis': async (response) => {
    const answers = (await redisAnswers()) && !defect('unhealthy-with-redis');
    const healthy = answers || defect('healthy-without-redis');
    const body = { service: 'redis', status: healthy ? 'healthy' : 'unhealthy', checked: 'just now' };
    if (!healthy && defect('password-in-health')) body.message = `cannot connect to ${config.redisUrl}`;
    json(response, healthy ? 200 : 503, body);
  },
  '/healthz/websocket': (response) => {
    const all = [...users.values()].reduce((sum, connections) => sum + connections.size, 0);
    json(response, 200, {
      service: 'websocket_manager',
      status: 'healthy',
      total_connections: defect('health-counts-nobody') ? 0 : all,
      max_connections_per_user: config.limit,
    });
  },
  '/metrics': (response) => {
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
    response.end(metricsText());
  },
  '/ws': (response) => {
    const headers = { upgrade: 'websocket', connection: 'upgrade' };
    json(response, 426, errorBody('UPGRADE_REQUIRED', 'This is a WebSocket.'), headers);
  },
};
ROUTES['/ws/'] = ROUTES['/ws'];

const server = http.createServer((request, response) => {
  const [path] = request.url.split('?');
  const route = ROUTES[path];
  if (!route) return json(response, 404, errorBody('NOT_FOUND', 'There is no such route.'));
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return json(response, 405, errorBody('METHOD_NOT_ALLOWED', 'It can only be read.'), { allow: 'GET, HEAD' });
  }
  return route(response);
});

// --- upgrades ---

const websockets = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: defect('takes-big-messages') ? 0 : MESSAGE_LIMIT,
  skipUTF8Validation: defect('takes-not-utf8'),
});
websockets.on('wsClientError', (error, socket) => refuseUpgrade(socket, 400, 'BAD_HANDSHAKE', error.message));

function refuseUpgrade(socket, status, errorCode, message, correlationId) {
  const body = JSON.stringify(errorBody(errorCode, message, correlationId));
  const head = [
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`,
    'connection: close',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function accept(request, socket, head) {
  return new Promise((resolve) => websockets.handleUpgrade(request, socket, head, resolve));
}

async function acceptAndClose(request, socket, head, close, correlationId) {
  const websocket = await accept(request, socket, head);
  websocket.on('error', quiet);
  if (close === CLOSES.authentication && defect('speaks-before-refusing')) websocket.send('{"event":"refused","data":{}}');
  log('info', `closing with ${close[0]} ${close[1]}`, correlationId);
  websocket.close(close[0], reasonOf(close, correlationId));
}

server.on('upgrade', async (request, socket, head) => {
  socket.on('error', quiet);
  const given = request.headers['x-correlation-id'] ?? '';
  const correlationId = /^[\w.:-]{1,48}$/.test(given) ? given : crypto.randomUUID();
  const url = new URL(request.url, 'http://service');
  if (defect('token-in-log')) log('info', `upgrade of ${request.url}`, correlationId);
  if (url.pathname !== '/ws' && (url.pathname !== '/ws/' || defect('no-trailing-slash'))) {
    return refuseUpgrade(socket, 404, 'NOT_FOUND', 'There is no such route.', correlationId);
  }
  if (closing && !defect('upgrades-while-closing')) {
    return refuseUpgrade(socket, 503, 'SERVICE_SHUTDOWN', 'The service ends.', correlationId);
  }
  const { origin } = request.headers;
  if (origin !== undefined && !config.origins.has(origin) && !defect('ignore-origin')) {
    return refuseUpgrade(socket, 403, 'ORIGIN_NOT_ALLOWED', 'Not from there.', correlationId);
  }

  let user, expires;
  try {
    ({ user, expires } = checkToken(url.searchParams.get('token')));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    metrics.validations.add('failure');
    metrics.connections.add('refused', '');
    log('warning', `token refused: ${error.message}`, correlationId);
    if (defect('refuse-with-403')) return refuseUpgrade(socket, 403, 'AUTHENTICATION_ERROR', error.message, correlationId);
    return acceptAndClose(request, socket, head, CLOSES.authentication, correlationId);
  }
  metrics.validations.add('success');
  if (placesTaken(user) >= config.limit && !defect('no-limit')) {
    if (!defect('evict-oldest')) {
      metrics.connections.add('limit', user);
      return acceptAndClose(request, socket, head, CLOSES.quota, correlationId);
    }
    [...connectionsOf(user)][0].close(CLOSES.quota);
  }
  await open(new Connection(user, correlationId), expires, request, socket, head);
});

async function open(connection, expires, request, socket, head) {
  const { user, correlationId } = connection;
  // Whatever becomes of it, a socket that is gone frees the place.
  socket.once('close', () => {
    if (defect('slot-leak') && !connection.goodbye) return;
    log('info', 'the client is gone', correlationId);
    connection.leave();
  });
  try {
    if (defect('late-subscribe')) setTimeout(() => backplane.join(user).catch(quiet), 50);
    else await backplane.join(user);
  } catch {
    metrics.connections.add('redis_away', user);
    connection.leave();
    if (defect('503-without-redis')) return refuseUpgrade(socket, 503, 'SERVICE_UNAVAILABLE', 'Later.', correlationId);
    return acceptAndClose(request, socket, head, CLOSES.away, correlationId);
  }
  if (!connectionsOf(user).has(connection)) {
    // Redis was lost, or the client left, just now.
    if (!socket.destroyed) acceptAndClose(request, socket, head, CLOSES.away, correlationId);
    return;
  }
  const websocket = await new Promise((resolve) => {
    websockets.handleUpgrade(request, socket, head, (opened) => {
      // Before anything else can happen: what is delivered from now on has somewhere to go.
      connection.socket = opened;
      resolve(opened);
    });
  });
  metrics.connections.add('accepted', user);
  log('info', 'connected', correlationId);
  if (defect('keeps-for-later') && kept.has(user)) {
    websocket.send(kept.get(user).toString());
    kept.delete(user);
  }

  const seen = () => (connection.seen = Date.now());
  websocket.on('error', (error) => {
    connection.leave();
    log('info', `the client broke the protocol: ${error.code}`, correlationId);
  });
  websocket.on('close', (code) => {
    connection.goodbye = code !== 1006;
    if (connection.goodbye || !defect('slot-leak')) connection.leave();
  });
  websocket.on('pong', seen).on('ping', seen);
  websocket.on('message', (data) => {
    seen();
    if (defect('echo-client-frames')) websocket.send(data, { binary: false });
    if (defect('close-on-client-frame')) connection.close([1008, 'AUTHENTICATION_ERROR', 'Only listen.']);
  });
  if (defect('no-pong')) websocket.pong = quiet;
  if (defect('close-unanswered')) websocket._receiver.prependListener('conclude', () => socket.destroy());

  if (!defect('no-pings')) connection.timers.push(setInterval(() => websocket.ping(quiet), config.pingInterval));
  const look = Math.min(config.idleTimeout / 10, 1000);
  const idle = () => {
    if (Date.now() - connection.seen < config.idleTimeout || defect('no-idle-close')) return;
    connection.close(CLOSES.idle);
    setTimeout(() => websocket.terminate(), 5000).unref();
  };
  connection.timers.push(setInterval(idle, look));
  untilExpired(connection, expires);
}

/** Timers hold at most 24 days. */
function untilExpired(connection, expires) {
  if (defect('ignore-expiry') || defect('accept-expired') || defect('accept-just-expired')) return;
  const left = expires - Date.now();
  if (left <= 0) connection.close(CLOSES.authentication);
  else connection.timers.push(setTimeout(() => untilExpired(connection, expires), Math.min(left, 2 ** 31 - 1)));
}

// --- the process ---

function shutDown() {
  if (closing) return;
  closing = true;
  log('info', 'shutting down');
  if (defect('no-goodbye')) process.exit(0);
  const sockets = [];
  for (const connections of [...users.values()]) {
    for (const connection of [...connections]) {
      sockets.push(connection.socket);
      connection.close(CLOSES.shutdown);
    }
  }
  const end = () => process.exit(defect('exit-status') ? 143 : 0);
  if (!defect('upgrades-while-closing')) server.close();
  server.closeIdleConnections();
  const wait = defect('waits-for-everyone') ? 60_000 : 2000;
  const deadline = Date.now() + wait;
  setInterval(() => {
    const open = sockets.filter((socket) => socket !== null && socket.readyState !== socket.CLOSED);
    if (open.length === 0 || Date.now() > deadline) end();
  }, 50);
}

process.on('SIGTERM', shutDown);
process.on('SIGINT', shutDown);
backplane.run();
server.listen(config.port, () => log('info', `listening on port ${config.port}`));
