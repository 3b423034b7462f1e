"""A load generator that shares nothing with `cargo verify load`: another language, another WebSocket client (picows).

Puts a paced load on a websocket service and prints its figures as JSON, called as in harness/schemas/load.json. Processor time
is asked of the kernel by the process' clock, and a publisher of its own publishes when each message is due.
"""

import argparse
import asyncio
import base64
import ctypes
import hashlib
import hmac
import json
import multiprocessing
import os
import pathlib
import socket
import sys
import time
import urllib.parse

import picows
import uvloop

PR_SET_TIMERSLACK = 29
# How many handshakes are on their way at the same time.
AT_ONCE = 256
# How long a message may take, in seconds, before it is lost.
PATIENCE = 10


def token(secret, user):
    def part(document):
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=")

    claims = {
        "sub": user,
        "exp": int(time.time()) + 3600,
        "iss": "huleedu-identity-service",
        "aud": "huleedu-platform",
    }
    signed = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(claims)
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def publish(redis, users, load, began):
    """Publishes each message when it is due, or as soon as those before it have been."""
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    line = socket.create_connection((redis.hostname, redis.port))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answers = line.makefile("rb")
    if redis.password:
        line.sendall(command(b"AUTH", urllib.parse.unquote(redis.password).encode()))
        if answers.readline() != b"+OK\r\n":
            sys.exit("Redis refuses the password")
    # Everything is ready before the first message is due: what is left is to send it.
    pause = 1_000_000_000 / load.rate
    ready = []
    for number in range(load.messages):
        due = began + int(number * pause)
        user = users[number % len(users)]
        message = json.dumps({"event": "load", "data": {"number": number, "due": due, "filling": ""}})
        message = message[:-3] + "x" * (load.payload - len(message)) + message[-3:]
        ready.append((due, command(b"PUBLISH", f"ws:{user}".encode(), message.encode())))
    for due, message in ready:
        wait = due - time.monotonic_ns()
        if wait > 0:
            time.sleep(wait / 1e9)
        line.sendall(message)
        if not line.recv(64).startswith(b":"):
            sys.exit("Redis does not publish")


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Client(picows.WSListener):
    """Keeps what comes with the time; it is read when all is over, so that the next does not wait."""

    def __init__(self, arrived):
        self.arrived = arrived
        self.closed = False

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == picows.WSMsgType.TEXT:
            self.arrived.append((time.monotonic_ns(), self, frame.get_payload_as_bytes()))

    def on_ws_disconnected(self, transport):
        self.closed = True


async def play(load):
    redis = urllib.parse.urlsplit(load.redis)
    # The clock of another process: clock_getcpuclockid(3).
    clock = ~load.pid << 3 | 2
    users = [f"again-{os.getpid()}-{number}" for number in range(load.users)]
    arrived, clients = [], []
    free = asyncio.Semaphore(AT_ONCE)

    async def connect(user):
        client = Client(arrived)
        async with free:
            url = f"{load.websocket}?token={token(load.secret, user)}"
            await picows.ws_connect(lambda: client, url, read_buffer_init_size=1024)
        clients.append((user, client))

    memory, began = resident(load.pid), time.monotonic()
    await asyncio.gather(*(connect(user) for user in users for _ in range(load.per_user)))
    opened = time.monotonic() - began

    cpu, started = time.clock_gettime_ns(clock), time.monotonic_ns() + 500_000_000
    publisher = multiprocessing.get_context("fork").Process(target=publish, args=(redis, users, load, started))
    publisher.start()
    promised = load.messages * load.per_user
    over = time.monotonic() + load.duration + PATIENCE
    while len(arrived) < promised and time.monotonic() < over:
        await asyncio.sleep(0.05)
    cpu = time.clock_gettime_ns(clock) - cpu
    publisher.join()
    memory = resident(load.pid) - memory

    # What each client got, and when.
    numbers, latencies = {client: [] for _, client in clients}, []
    for now, client, text in arrived:
        data = json.loads(text)["data"]
        latencies.append(now - data["due"])
        numbers[client].append(data["number"])
    of_user = {user: [] for user in users}
    for number in range(load.messages):
        of_user[users[number % len(users)]].append(number)
    exact = all(numbers[client] == of_user[user] for user, client in clients)
    taken = max((now for now, _, _ in arrived), default=started) - started
    latencies.sort()

    def percentile(share):
        return latencies[min(len(latencies) - 1, int(len(latencies) * share))] / 1000

    return {
        "exact": exact and not any(client.closed for _, client in clients),
        "delivered": len(latencies),
        "opened_per_second": len(clients) / opened,
        "memory_kib_per_connection": memory / len(clients),
        "deliveries_per_second": len(latencies) * 1e9 / taken,
        "cpu_seconds_per_100000_deliveries": cpu / 1e9 / len(latencies) * 100_000,
        "p50_us": percentile(0.5),
        "p90_us": percentile(0.9),
        "p99_us": percentile(0.99),
    }


def resident(pid):
    """The resident memory of a process, in KiB."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--websocket", required=True, help="ws://host:port/ws")
    parser.add_argument("--redis", required=True, help="redis://[:password@]host:port")
    parser.add_argument("--secret", required=True, help="what tokens are signed with")
    parser.add_argument("--pid", type=int, required=True, help="the service's process")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--per-user", type=int, default=1)
    parser.add_argument("--rate", type=float, default=1000, help="messages a second")
    parser.add_argument("--duration", type=float, default=5, help="seconds")
    parser.add_argument("--payload", type=int, default=300, help="bytes of a message")
    load = parser.parse_args()
    load.messages = int(load.rate * load.duration)
    return load


print(json.dumps(uvloop.run(play(arguments()))))
