// Plays the code of the migration guide against a running system, with fixtures for messages:
//
//   node --experimental-websocket contracts/migration/run.mjs WEBSOCKET_SERVICE GATEWAY REDIS_URL JWT_SECRET
//
// (from Node 22 on without the option; before 20.10 with the package `ws`). Exit status 1 with the first claim that does not hold.

import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { connect as dial } from "node:net";
import { connect as after } from "./after.js";
import { connect as before } from "./before.js";

globalThis.WebSocket ??= createRequire(import.meta.url)("ws");

const [service, gateway, redis, secret] = process.argv.slice(2);
const webSocket = (url) => url.replace(/^http/, "ws");

function token(user, seconds = 60, key = secret) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub: user, exp: Math.floor(Date.now() / 1000) + seconds, aud: "huleedu-platform", iss: "huleedu-identity-service" };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
}

/** Resolves with what `begin` hands to its argument, or fails after ten seconds. */
function first(what, begin) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${what}: nothing came in 10 s`)), 10_000);
    begin((value) => {
      clearTimeout(late);
      resolve(value);
    });
  });
}

/** Publishes as a backend does: RESP on a plain socket. */
async function publish(user, text) {
  const { hostname, port, password } = new URL(redis);
  const command = (...parts) =>
    `*${parts.length}\r\n` + parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join("");
  const socket = dial(Number(port), hostname);
  const commands = password ? command("AUTH", password) : "";
  await first("redis", (done) => {
    let answers = "";
    socket.on("data", (data) => {
      answers += data;
      if (/^:\d+\r\n$/m.test(answers)) done(answers);
    });
    socket.write(commands + command("PUBLISH", `ws:${user}`, text));
  });
  socket.end();
}

const fixture = JSON.parse(await readFile(new URL("../fixtures/notifications/batch_results_ready.json", import.meta.url)));
const message = fixture.message;

// What was: the former route is gone, and a former client learns it as an error.
const gone = await first("the former client", (done) =>
  before({ gateway: webSocket(gateway), clientId: "anna", onNotification: done, onError: () => done("error") }));
assert.equal(gone, "error", "a former client gets an error, and no notification");

// What is: the client refetches when it is connected, and gets what is published from then on.
const user = `anna-${randomUUID()}`;
let refetched = 0;
const received = await first("the notification", (done) => {
  const stop = after({
    service: webSocket(service),
    getToken: async () => token(user),
    refetch: () => {
      refetched += 1;
      publish(user, JSON.stringify(message));
    },
    onNotification: (notification) => {
      stop();
      done(notification);
    },
    onStop: (code) => done(code),
  });
});
assert.deepEqual(received, message, "the notification arrives as it was published");
assert.equal(refetched, 1, "the client refetches once it is connected");

// A token that is refused is replaced once, and then the client gives up with the reason.
let tokens = 0;
const stopped = await first("the refused client", (done) => {
  after({
    service: webSocket(service),
    getToken: async () => token(user, 60, `not the secret ${(tokens += 1)}`),
    refetch: () => {},
    onNotification: done,
    onStop: (code, words) => done([code, typeof words]),
  });
});
assert.deepEqual(stopped, ["AUTHENTICATION_ERROR", "string"], "the reason tells why");
assert.equal(tokens, 2, "a new token is tried once");

// One connection too many: the client stops by itself.
const crowd = [];
const refused = await first("the sixth connection", (done) => {
  const open = () =>
    crowd.push(after({
      service: webSocket(service),
      getToken: async () => token(`${user}-2`),
      refetch: () => crowd.length < 6 && open(),
      onNotification: done,
      onStop: (code) => done(code),
    }));
  open();
});
assert.equal(refused, "QUOTA_EXCEEDED", "the sixth connection is refused");
crowd.forEach((stop) => stop());

// An expired token: the connection is closed at its exp, and the client comes back with a new one.
const lives = [3, 60];
const comeback = await first("the client whose token expires", (done) => {
  let opened = 0;
  const stop = after({
    service: webSocket(service),
    getToken: async () => token(`${user}-3`, lives.shift()),
    refetch: () => {
      opened += 1;
      if (opened === 2) {
        stop();
        done(opened);
      }
    },
    onNotification: done,
    onStop: (code) => done(code),
    pause: 100,
  });
});
assert.equal(comeback, 2, "the client comes back with a new token");

console.log("the code of the migration guide does what the guide says");
process.exit(0);
