"""The websocket service in Python: FastAPI on uvicorn, redis-py, PyJWT.

Written from the contract, not from the reference. `DEFECT=<name>` breaks one promise on purpose; ../defects.toml lists the
names. What the framework does not let it keep is in ../README.md.
"""

import asyncio
import contextlib
import contextvars
import json
import logging
import os
import random
import re
import sys
import time
import uuid
from datetime import datetime, timezone

import jwt
import prometheus_client as prometheus
import redis.asyncio as redis
import uvicorn
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

MESSAGE_LIMIT = 64 * 1024
QUEUE_LIMIT = 1000
SUBSCRIBE_TIMEOUT = 5.0
HEALTH_INTERVAL = 1.0
HEALTH_TIMEOUT = 3.0
REASON_LIMIT = 123
STARTED = time.monotonic()


def defect(name: str) -> bool:
    return os.environ.get("DEFECT") == name


# --- settings -----------------------------------------------------------------------------------------------------------


class Settings:
    def __init__(self) -> None:
        get = os.environ.get
        self.port = int(get("WEBSOCKET_PORT", "8080"))
        self.redis_url = get("REDIS_URL", "redis://localhost:6379")
        self.prefix = get("REDIS_CHANNEL_PREFIX", "ws")
        self.limit = int(get("WEBSOCKET_MAX_CONNECTIONS_PER_USER", "5"))
        self.ping_interval = float(get("WEBSOCKET_PING_INTERVAL", "30"))
        self.idle_timeout = float(get("WEBSOCKET_IDLE_TIMEOUT", "300"))
        self.origins = {origin.strip() for origin in get("CORS_ORIGINS", "").split(",") if origin.strip()}
        self.secret = get("JWT_SECRET_KEY", "")
        self.algorithm = get("JWT_ALGORITHM", "HS256")
        self.audience = get("JWT_AUDIENCE", "huleedu-platform")
        self.issuer = get("JWT_ISSUER", "huleedu-identity-service")
        self.environment = get("ENVIRONMENT", "development")
        self.log_level = get("LOG_LEVEL", "INFO").upper()
        if not self.secret and defect("starts-without-secret"):
            self.secret = "change-me-before-the-first-deployment"
        if not self.secret:
            raise SystemExit("JWT_SECRET_KEY is not set: tokens cannot be checked")


# --- logs ---------------------------------------------------------------------------------------------------------------

correlation = contextvars.ContextVar("correlation_id", default=None)
log = logging.getLogger("websocket_service")


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": datetime.now(timezone.utc).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            "correlation_id": correlation.get(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up_logs(level: str) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter() if defect("text-log") else JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    # uvicorn logs the whole target of every upgrade, and the token is in it.
    logging.getLogger("uvicorn.error").setLevel(level if defect("token-in-log") else logging.WARNING)


# --- metrics ------------------------------------------------------------------------------------------------------------


class Metrics:
    def __init__(self) -> None:
        self.registry = registry = prometheus.CollectorRegistry()
        counter = lambda *arguments: prometheus.Counter(*arguments, registry=registry)
        label = ["status", "user_id"] if defect("user-label-in-metrics") else ["status"]
        self._connections = counter("websocket_connections_total", "Connections by outcome.", label)
        self.active = prometheus.Gauge("websocket_active_connections", "Open connections.", registry=registry)
        sent = "websocket_deliveries_total" if defect("metric-renamed") else "websocket_messages_sent_total"
        self.sent = counter(sent, "Messages sent.")
        self.failed = counter("websocket_messages_failed_total", "Messages not sent.", ["error_type"])
        self.validations = counter("jwt_validation_total", "Tokens checked.", ["result"])
        self.duration = prometheus.Histogram(
            "websocket_connection_duration_seconds", "How long connections lasted.", registry=registry
        )

    def connection(self, status: str, user: str | None) -> None:
        labels = {"status": status}
        if defect("user-label-in-metrics"):
            labels["user_id"] = user or ""
        self._connections.labels(**labels).inc()


# --- tokens -------------------------------------------------------------------------------------------------------------


class TokenRefused(Exception):
    """The message is for the client, and short: a close reason has room for little."""


def check_token(token: str | None, settings: Settings) -> tuple[str, float]:
    """The user and the token's exp."""
    if not token:
        raise TokenRefused("token missing")
    # A clock that is ahead elsewhere makes no token bad: only exp and nbf are about now.
    options = {"require": ["exp", "sub", "aud", "iss"], "verify_iat": False}
    if defect("accept-expired"):
        options["verify_exp"] = False
    if defect("accept-wrong-audience"):
        options["verify_aud"] = False
    try:
        if defect("accept-unsigned") and jwt.get_unverified_header(token)["alg"] == "none":
            options["verify_signature"] = False
        claims = jwt.decode(
            token,
            settings.secret,
            algorithms=[settings.algorithm],
            audience=settings.audience,
            issuer=settings.issuer,
            options=options,
        )
    except jwt.ExpiredSignatureError:
        raise TokenRefused("token expired") from None
    except jwt.InvalidTokenError:
        raise TokenRefused("token invalid") from None
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise TokenRefused("token invalid")
    return claims["sub"], float(claims["exp"])


# --- closes -------------------------------------------------------------------------------------------------------------


class Close:
    def __init__(self, code: int, error_code: str, message: str) -> None:
        self.code, self.error_code, self.message = code, error_code, message

    def reason(self, correlation_id: str) -> str:
        if defect("reason-not-json"):
            return self.message
        error_code = "LIMIT" if defect("wrong-error-code") and self.code == 4000 else self.error_code
        message = self.message
        if defect("reason-cut"):
            message *= 9
        while True:
            body = {"error_code": error_code, "message": message, "correlation_id": correlation_id}
            text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
            if len(text.encode()) <= REASON_LIMIT:
                return text
            if defect("reason-cut"):
                return text.encode()[:REASON_LIMIT].decode(errors="ignore")
            message = message[:-1]


QUOTA = Close(4001 if defect("wrong-close-code") else 4000, "QUOTA_EXCEEDED", "too many connections")
AWAY = Close(1011, "SERVICE_UNAVAILABLE", "notifications interrupted")
SLOW = Close(1013, "SLOW_CONSUMER", "reading too slowly")
GOODBYE = Close(1001, "SERVICE_SHUTDOWN", "service restarts")
TOO_BIG = Close(1009, "MESSAGE_TOO_BIG", "at most 64 KiB")
EXPIRED = Close(1008, "AUTHENTICATION_ERROR", "token expired")


# --- connections --------------------------------------------------------------------------------------------------------


class Connection:
    def __init__(self, user: str, correlation_id: str) -> None:
        self.user = user
        self.correlation_id = correlation_id
        self.began = time.monotonic()
        self.queue: asyncio.Queue[str] = asyncio.Queue(QUEUE_LIMIT)
        self.told: asyncio.Future[Close] = asyncio.get_running_loop().create_future()

    def close(self, close: Close) -> None:
        if not self.told.done():
            self.told.set_result(close)


class Hub:
    """Who is connected."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.users: dict[str, list[Connection]] = {}
        self.closing = False
        self.kept: dict[str, str] = {}

    def everyone(self) -> list[Connection]:
        return [connection for connections in self.users.values() for connection in connections]

    def join(self, user: str, correlation_id: str) -> Connection | None:
        connections = self.users.setdefault(user, [])
        if len(connections) >= self.settings.limit and not defect("no-limit"):
            if not defect("evict-oldest"):
                return None
            oldest = connections[0]
            oldest.close(QUOTA)
            self.leave(oldest)
            connections = self.users.setdefault(user, [])
        connection = Connection(user, correlation_id)
        connections.append(connection)
        self.metrics.active.inc()
        return connection

    def leave(self, connection: Connection) -> bool:
        """Whether the user's last connection has left. Leaving twice is leaving once."""
        connections = self.users.get(connection.user, [])
        if connection not in connections:
            return False
        connections.remove(connection)
        if not defect("gauge-drifts"):
            self.metrics.active.dec()
        self.metrics.duration.observe(time.monotonic() - connection.began)
        if not connections:
            del self.users[connection.user]
        return not connections

    async def deliver(self, user: str, data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self.metrics.failed.labels("not_utf8").inc()
            if defect("close-on-not-utf8"):
                for connection in self.users.get(user, []):
                    connection.close(AWAY)
            return
        if defect("keeps-for-later") and not self.users.get(user):
            self.kept[user] = text
        connections = list(self.users.get(user, []))
        if defect("one-connection-only"):
            connections = connections[:1]
        if defect("leak-to-neighbour"):
            connections += [other for other in self.everyone() if other.user != user][:1]
        for connection in connections:
            if defect("slow-consumer-blocks"):
                await connection.queue.put(text)
                continue
            try:
                connection.queue.put_nowait(text)
            except asyncio.QueueFull:
                self.metrics.failed.labels("slow_consumer").inc()
                if not defect("slow-consumer-dropped"):
                    connection.close(SLOW)

    def close_all(self, close: Close) -> None:
        for connection in self.everyone():
            connection.close(close)


# --- Redis --------------------------------------------------------------------------------------------------------------


class BackplaneAway(Exception):
    pass


class StrictPubSub(PubSub):
    """redis-py reconnects and subscribes again by itself, and what was published meanwhile is gone in silence."""

    async def on_connect(self, connection: object) -> None:
        raise RedisConnectionError("the subscription was lost")


class Backplane:
    """One connection with the subscriptions of all users."""

    def __init__(self, settings: Settings, hub: Hub) -> None:
        self.prefix = settings.prefix
        self.hub = hub
        self.client = redis.Redis.from_url(
            settings.redis_url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=2, socket_timeout=None
        )
        self.asking = redis.Redis.from_url(
            settings.redis_url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=1, socket_timeout=1
        )
        self.pubsub: PubSub | None = None
        self.locks: dict[str, asyncio.Lock] = {}
        self.subscribed: set[str] = set()
        self.answers: dict[tuple[str, str], asyncio.Future[None]] = {}

    def channel(self, user: str) -> str:
        return f"{self.prefix}:{user}"

    async def join(self, user: str) -> None:
        """Returns once Redis has confirmed the subscription of the user."""
        async with self.locks.setdefault(user, asyncio.Lock()):
            if self.pubsub is None:
                raise BackplaneAway
            if user not in self.subscribed:
                command = self.pubsub.psubscribe if defect("pattern-subscribe") else self.pubsub.subscribe
                await self.ask(command, "subscribe", user)
                self.subscribed.add(user)

    async def leave(self, user: str) -> None:
        async with self.locks.setdefault(user, asyncio.Lock()):
            # Somebody may have come meanwhile.
            gone = user in self.subscribed and user not in self.hub.users and not defect("keeps-for-later")
            if self.pubsub is not None and gone:
                command = self.pubsub.punsubscribe if defect("pattern-subscribe") else self.pubsub.unsubscribe
                with contextlib.suppress(BackplaneAway):
                    await self.ask(command, "unsubscribe", user)
                self.subscribed.discard(user)
        if user not in self.subscribed and user not in self.hub.users:
            lock = self.locks.get(user)
            if lock is not None and not lock.locked():
                self.locks.pop(user, None)

    async def ask(self, command, kind: str, user: str) -> None:
        answer = asyncio.get_running_loop().create_future()
        self.answers[kind, self.channel(user)] = answer
        try:
            async with asyncio.timeout(SUBSCRIBE_TIMEOUT):
                await command(self.channel(user))
                await answer
        except (RedisError, OSError, TimeoutError) as error:
            raise BackplaneAway from error
        finally:
            self.answers.pop((kind, self.channel(user)), None)

    async def run(self) -> None:
        """Connects, reads until the connection is lost, and begins again."""
        pause = 0.1
        while True:
            pubsub = StrictPubSub(self.client.connection_pool)
            try:
                if not await self.is_master():
                    raise RedisConnectionError("this Redis is a replica")
                # Pings are answered as messages only while something is subscribed.
                await pubsub.subscribe(f"{self.prefix}-keepalive:{uuid.uuid4()}")
                self.pubsub = pubsub
                pause = 0.1
                log.info("subscribed in Redis")
                await self.read(pubsub)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("Redis is away: %s", type(error).__name__)
            finally:
                self.lost()
                with contextlib.suppress(Exception):
                    await pubsub.aclose()
            if defect("never-resumes") and pause == 0.1 and self.hub.users:
                return
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, 2)

    def lost(self) -> None:
        self.pubsub = None
        self.subscribed.clear()
        for answer in self.answers.values():
            if not answer.done():
                answer.set_exception(BackplaneAway())
        if not defect("zombie-after-redis-loss"):
            self.hub.close_all(AWAY)

    async def read(self, pubsub: PubSub) -> None:
        pinged = heard = time.monotonic()
        asking = asyncio.create_task(self.until_demoted())
        try:
            while True:
                message = await pubsub.get_message(timeout=HEALTH_INTERVAL)
                now = time.monotonic()
                if message is not None:
                    heard = now
                    await self.dispatch(message)
                    # Senders get their turn between two messages of a burst.
                    await asyncio.sleep(0)
                elif now - heard > HEALTH_INTERVAL + HEALTH_TIMEOUT and not defect("waits-for-a-hung-redis"):
                    raise RedisConnectionError("no answer to a ping")
                if now - pinged > HEALTH_INTERVAL:
                    pinged = now
                    await pubsub.ping()
                if asking.done():
                    raise RedisConnectionError("Redis is no master any more")
        finally:
            asking.cancel()

    async def is_master(self) -> bool:
        return (await self.asking.execute_command("ROLE"))[0] in (b"master", "master")

    async def until_demoted(self) -> None:
        """Ends once Redis is a replica: what is published at the new master does not come here."""
        master = True
        while master:
            await asyncio.sleep(HEALTH_INTERVAL)
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                master = await self.is_master()

    async def dispatch(self, message: dict) -> None:
        kind = message["type"].lstrip("p")
        if kind in ("subscribe", "unsubscribe"):
            channel = message["channel"] or message["pattern"]
            answer = self.answers.get((kind, channel.decode()))
            if answer is not None and not answer.done():
                answer.set_result(None)
        elif kind == "message":
            channel = message["pattern"] or message["channel"]
            await self.hub.deliver(channel.decode().removeprefix(f"{self.prefix}:"), message["data"])

    async def answers_now(self) -> bool:
        try:
            async with asyncio.timeout(0.9):
                return bool(await self.asking.ping())
        except (RedisError, OSError, TimeoutError):
            return False


# --- a connection's life ------------------------------------------------------------------------------------------------


async def send(websocket: WebSocket, connection: Connection, metrics: Metrics) -> None:
    count = 0
    while True:
        text = await connection.queue.get()
        count += 1
        if defect("drop-every-third") and count % 3 == 0:
            continue
        if defect("reencode"):
            with contextlib.suppress(ValueError):
                text = json.dumps(json.loads(text))
        if defect("swap-two"):
            await asyncio.sleep(0.02)
            if not connection.queue.empty():
                await websocket.send_text(connection.queue.get_nowait())
        if defect("binary-frames"):
            await websocket.send_bytes(text.encode())
        else:
            await websocket.send_text(text)
        if defect("duplicate") and count % 3 == 1:
            await websocket.send_text(text)
        metrics.sent.inc()


async def read(websocket: WebSocket) -> Close | int:
    """What the client sends is ignored. Returns how the connection ends."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return message["code"]
        content = message.get("bytes")
        if content is None:
            content = message["text"].encode()
        if len(content) > MESSAGE_LIMIT and not defect("takes-big-messages"):
            return TOO_BIG
        if defect("echo-client-frames"):
            await websocket.send_text(content.decode(errors="replace"))
        if defect("close-on-client-frame"):
            return Close(1008, "AUTHENTICATION_ERROR", "clients only listen")


async def until_expired(expires: float) -> Close:
    forever = defect("ignore-expiry") or defect("accept-expired")
    while (left := expires - time.time()) > 0 or forever:
        await asyncio.sleep(max(left, 1))
    return EXPIRED


async def serve(websocket: WebSocket, connection: Connection, expires: float, metrics: Metrics) -> Close | int:
    """Sends what comes until the connection ends."""
    tasks = [
        asyncio.create_task(send(websocket, connection, metrics)),
        asyncio.create_task(read(websocket)),
        asyncio.create_task(until_expired(expires)),
    ]
    try:
        done, _ = await asyncio.wait([*tasks, connection.told], return_when=asyncio.FIRST_COMPLETED)
        if connection.told in done:
            return connection.told.result()
        for task in done:
            if task.exception() is None:
                return task.result()
        return 1006
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def farewell(websocket: WebSocket, close: Close, correlation_id: str) -> None:
    log.info("closing with %s %s", close.code, close.error_code)
    # A client that does not read keeps the close waiting as well.
    with contextlib.suppress(Exception):
        async with asyncio.timeout(10):
            await websocket.close(close.code, close.reason(correlation_id))


def create_app(settings: Settings) -> FastAPI:
    metrics = Metrics()
    hub = Hub(settings, metrics)
    backplane = Backplane(settings, hub)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI):
        reader = asyncio.create_task(backplane.run())
        yield
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)

    app = FastAPI(lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    app.state.hub = hub

    def error(status: int, error_code: str, message: str, headers: dict | None = None) -> JSONResponse:
        body = {"error_code": error_code, "message": message, "correlation_id": correlation.get() or str(uuid.uuid4())}
        return JSONResponse(body, status, headers)

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, exception: HTTPException) -> JSONResponse:
        words = re.sub("[^A-Z]+", "_", str(exception.detail).upper())
        return error(exception.status_code, words, str(exception.detail), exception.headers)

    async def endpoint(websocket: WebSocket) -> None:
        correlation_id = str(uuid.uuid4())
        correlation.set(correlation_id)
        origin = websocket.headers.get("origin")
        if origin is not None and origin not in settings.origins and not defect("ignore-origin"):
            metrics.connection("origin_refused", None)
            log.warning("an origin is refused")
            await websocket.send_denial_response(error(403, "ORIGIN_NOT_ALLOWED", "this origin is not allowed"))
            return
        if hub.closing:
            await websocket.send_denial_response(error(503, "SERVICE_SHUTDOWN", "the service restarts"))
            return
        try:
            user, expires = check_token(websocket.query_params.get("token"), settings)
        except TokenRefused as refused:
            metrics.validations.labels("failure").inc()
            metrics.connection("token_refused", None)
            log.warning("refused: %s", refused)
            if defect("refuse-with-403"):
                await websocket.send_denial_response(error(403, "AUTHENTICATION_ERROR", str(refused)))
                return
            await websocket.accept()
            if defect("speaks-before-refusing"):
                await websocket.send_text('{"event":"refused","data":{}}')
            await farewell(websocket, Close(1008, "AUTHENTICATION_ERROR", str(refused)), correlation_id)
            return
        metrics.validations.labels("success").inc()

        connection = hub.join(user, correlation_id)
        if connection is None:
            metrics.connection("limit_reached", user)
            await websocket.accept()
            await farewell(websocket, QUOTA, correlation_id)
            return
        ended: Close | int = 1006
        try:
            if defect("late-subscribe"):
                await websocket.accept()
                await asyncio.sleep(0.05)
                await backplane.join(user)
            else:
                await backplane.join(user)
                await websocket.accept()
            metrics.connection("accepted", user)
            log.info("connected")
            if defect("keeps-for-later") and user in hub.kept:
                await websocket.send_text(hub.kept.pop(user))
            ended = await serve(websocket, connection, expires, metrics)
        except BackplaneAway:
            metrics.connection("redis_away", user)
            if defect("503-without-redis"):
                await websocket.send_denial_response(error(503, "SERVICE_UNAVAILABLE", "no notifications now"))
            else:
                await websocket.accept()
                ended = AWAY
        finally:
            if defect("slot-leak") and ended in (1005, 1006):
                return
            if hub.leave(connection):
                await backplane.leave(user)
        if isinstance(ended, Close):
            await farewell(websocket, ended, correlation_id)
        else:
            log.info("the client is gone: %s", ended)

    app.websocket("/ws")(endpoint)
    if not defect("no-trailing-slash"):
        app.websocket("/ws/")(endpoint)

    @app.get("/ws")
    @app.get("/ws/")
    async def no_upgrade() -> JSONResponse:
        return error(426, "UPGRADE_REQUIRED", "this is a WebSocket", {"upgrade": "websocket"})

    @app.get("/healthz")
    async def health() -> dict:
        body = {
            "service": "websocket_service",
            "status": "healthy",
            "message": "The websocket service is running",
            "version": "1.0.0",
            "environment": settings.environment,
            "timestamp": datetime.now(timezone.utc).isoformat(),
            "uptime_seconds": time.monotonic() - STARTED,
        }
        if defect("health-without-uptime"):
            del body["uptime_seconds"]
        return body

    @app.get("/healthz/redis")
    async def redis_health() -> JSONResponse:
        body = {"service": "redis", "status": "healthy", "message": "Redis answers"}
        answers = await backplane.answers_now() and not defect("unhealthy-with-redis")
        if not answers and not defect("healthy-without-redis"):
            body |= {"status": "unhealthy", "message": "Redis does not answer"}
            if defect("password-in-health"):
                body["url"] = settings.redis_url
        return JSONResponse(body, 200 if body["status"] == "healthy" else 503)

    @app.get("/healthz/websocket")
    async def connections() -> dict:
        total = 0 if defect("health-counts-nobody") else len(hub.everyone())
        return {
            "service": "websocket_manager",
            "status": "healthy",
            "total_connections": total,
            "max_connections_per_user": settings.limit,
        }

    @app.get("/metrics")
    async def read_metrics() -> PlainTextResponse:
        text = prometheus.generate_latest(metrics.registry)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    return app


# --- the process --------------------------------------------------------------------------------------------------------


class Server(uvicorn.Server):
    """uvicorn would close everyone with 1012 and end by the signal: 1001 and status 0 are promised."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self.hub = hub

    async def serve(self, sockets=None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig, frame) -> None:
        if defect("no-goodbye"):
            super().handle_exit(sig, frame)
        else:
            self.loop.call_soon_threadsafe(lambda: self.loop.create_task(self.goodbye()))

    async def goodbye(self) -> None:
        self.hub.closing = True
        self.hub.close_all(GOODBYE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3):
                while self.hub.users:
                    await asyncio.sleep(0.05)
        self.should_exit = True


def main() -> None:
    set_up_logs(os.environ.get("LOG_LEVEL", "INFO").upper())
    try:
        settings = Settings()
    except SystemExit as error:
        log.error("%s", error)
        sys.exit(1)
    app = create_app(settings)
    no_pings = defect("no-pings")
    config = uvicorn.Config(
        app,
        host="0.0.0.0",
        port=settings.port,
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        # The service itself closes with 1009, where uvicorn's reason is not JSON; this only bounds memory.
        ws_max_size=16 * MESSAGE_LIMIT,
        ws_per_message_deflate=False,
        ws_ping_interval=None if no_pings else settings.ping_interval,
        ws_ping_timeout=None if no_pings else max(settings.idle_timeout - settings.ping_interval, 1),
        timeout_graceful_shutdown=3,
    )
    Server(config, app.state.hub).run()


if __name__ == "__main__":
    main()
