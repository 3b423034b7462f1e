"""The API gateway in Python: FastAPI on uvicorn, httpx, redis-py, PyJWT.

Written from the contract, not from the reference. `DEFECT=<name>` breaks one promise on purpose; ../defects.toml lists the
names.
"""

import asyncio
import contextlib
import contextvars
import json
import logging
import os
import re
import signal
import sys
import time
import uuid
from datetime import datetime, timezone
from typing import Annotated, Literal
from urllib.parse import unquote

import httpx
import jwt
import prometheus_client as prometheus
import redis.asyncio as redis
import uvicorn
from fastapi import Depends, FastAPI, Request, Response, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel, StrictBool, StrictStr, ValidationError
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

STARTED = time.monotonic()
BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
CORRELATION_ID = re.compile(r"[A-Za-z0-9\-_.:]{1,128}")
BODY_LIMIT = 64 * 1024
ANSWER_LIMIT = 1024 * 1024
REDIS_TIMEOUT = 0.5
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}

log = logging.getLogger("api_gateway")
correlation = contextvars.ContextVar("correlation_id", default="")


def defect(name: str) -> bool:
    return os.environ.get("DEFECT") == name


def setting(name: str, default: str) -> str:
    return os.environ.get(f"API_GATEWAY_{name}", default)


class Settings:
    def __init__(self) -> None:
        self.port = int(setting("PORT", "4001"))
        self.redis_url = setting("REDIS_URL", "redis://localhost:6379")
        self.secret = setting("JWT_SECRET_KEY", "")
        self.algorithm = setting("JWT_ALGORITHM", "HS256")
        self.audience = setting("JWT_AUDIENCE", "huleedu-platform")
        self.issuer = setting("JWT_ISSUER", "huleedu-identity-service")
        self.origins = [origin.strip() for origin in setting("CORS_ORIGINS", "").split(",") if origin.strip()]
        self.environment = setting("ENVIRONMENT", "development")
        self.urls = {
            "aggregator": setting("RESULT_AGGREGATOR_URL", "http://localhost:4003"),
            "files": setting("FILE_SERVICE_URL", "http://localhost:7001"),
            "classes": setting("CMS_API_URL", "http://localhost:5002"),
            "orchestrator": setting("BATCH_ORCHESTRATOR_URL", "http://localhost:5001"),
        }
        self.first_byte = float(setting("FIRST_BYTE_TIMEOUT", "10"))
        self.body = float(setting("BODY_TIMEOUT", "30"))
        self.limits = {"default": 100, "pipelines": 10, "files": 5}
        if not self.secret:
            raise SystemExit("API_GATEWAY_JWT_SECRET_KEY is not set")


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": datetime.now(timezone.utc).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            "correlation_id": correlation.get() or None,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


# --- errors -------------------------------------------------------------------------------------------------------------


class Problem(Exception):
    def __init__(self, status: int, code: str, message: str, headers: dict | None = None, **details: object) -> None:
        self.status, self.code, self.message, self.headers, self.details = status, code, message, headers, details


def error(problem: Problem) -> JSONResponse:
    if defect("bare-errors"):
        return JSONResponse({"detail": problem.message}, problem.status, problem.headers)
    correlation_id = uuid.uuid4().hex if defect("other-id-in-errors") else correlation.get()
    body = {
        "code": problem.code,
        "message": problem.message,
        "correlation_id": correlation_id,
        "service": "api_gateway",
        "timestamp": datetime.now(timezone.utc).isoformat(),
        "details": problem.details,
    }
    return JSONResponse({"error": body}, problem.status, problem.headers)


NO_ROUTE = Problem(404, "ROUTE_NOT_FOUND", "There is no such route.")


def of_framework(exception: HTTPException) -> Problem:
    if exception.status_code == 404:
        return NO_ROUTE
    if exception.status_code == 405:
        headers = {} if defect("no-allow") else exception.headers
        return Problem(405, "METHOD_NOT_ALLOWED", "The route has other methods.", headers)
    return Problem(exception.status_code, "INTERNAL_ERROR", str(exception.detail), exception.headers)


# --- metrics ------------------------------------------------------------------------------------------------------------


class Metrics:
    def __init__(self) -> None:
        self.registry = registry = prometheus.CollectorRegistry()
        self.requests = prometheus.Counter(
            "gateway_http_requests_total", "Requests.", ["method", "endpoint", "http_status"], registry=registry
        )
        self.durations = prometheus.Histogram(
            "gateway_http_request_duration_seconds", "Durations.", ["method", "endpoint"], registry=registry
        )
        self.downstream = prometheus.Counter(
            "gateway_downstream_calls_total", "Calls of services behind.", ["service", "outcome"], registry=registry
        )
        self.errors = prometheus.Counter("gateway_errors_total", "Errors by code.", ["error_type"], registry=registry)
        if defect("legacy-metric"):
            prometheus.Gauge("gateway_active_websocket_connections", "WebSockets.", registry=registry)


class Watched:
    """Correlation ids and metrics, around everything else. Plain ASGI: a body that streams through stays a stream."""

    def __init__(self, app, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = dict(scope["headers"]).get(b"x-correlation-id", b"").decode("latin-1")
        known = CORRELATION_ID.fullmatch(given) and not defect("ignores-correlation-id")
        correlation.set(given if known else f"gw-{uuid.uuid4().hex}")
        began = time.monotonic()
        status = 500

        async def watch(message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [(name, value) for name, value in message["headers"] if name.lower() != b"x-correlation-id"]
                if not defect("lost-correlation-header"):
                    headers.append((b"x-correlation-id", correlation.get().encode()))
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            route = scope.get("route")
            endpoint = getattr(route, "path", "unmatched")
            if defect("path-as-endpoint"):
                endpoint = scope["path"]
            self.metrics.requests.labels(scope["method"], endpoint, str(status)).inc()
            self.metrics.durations.labels(scope["method"], endpoint).observe(time.monotonic() - began)


# --- who asks, and how often ---------------------------------------------------------------------------------------------


def check_token(request: Request, settings: Settings) -> str:
    refused = Problem(401, "AUTHENTICATION_ERROR", "A bearer token is required.", {"www-authenticate": "Bearer"})
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        if defect("classes-without-token") and request.url.path.startswith("/v1/classes/"):
            return "anonymous"
        raise refused
    # PyJWT refuses an iat that is to come, which the contract leaves to a service.
    options = {"require": ["exp", "sub", "aud", "iss"], "verify_exp": not defect("accept-expired")}
    try:
        claims = jwt.decode(
            token.strip(),
            settings.secret,
            algorithms=[settings.algorithm],
            audience=settings.audience,
            issuer=settings.issuer,
            options=options,
        )
    except jwt.InvalidTokenError:
        raise refused from None
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise refused
    return claims["sub"]


class Limiter:
    """Windows of a minute in Redis. While Redis is away nobody is limited."""

    WINDOW = 60

    def __init__(self, settings: Settings) -> None:
        self.limits = settings.limits
        self.redis = redis.Redis.from_url(
            settings.redis_url,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=REDIS_TIMEOUT,
            socket_timeout=REDIS_TIMEOUT,
        )

    async def count(self, user: str, kind: str) -> None:
        if defect("no-rate-limit") or (defect("no-upload-limit") and kind == "files"):
            return
        if defect("one-limit-for-all"):
            user = "everybody"
        now = time.time()
        key = f"gateway:limit:{kind}:{user}:{int(now // self.WINDOW)}"
        try:
            async with self.redis.pipeline(transaction=True) as pipeline:
                count, _ = await pipeline.incr(key).expire(key, 2 * self.WINDOW).execute()
        except (RedisError, OSError, TimeoutError):
            log.warning("Redis is away: nothing is limited")
            if defect("closed-without-redis"):
                raise Problem(503, "SERVICE_UNAVAILABLE", "Limits cannot be checked.") from None
            return
        if count > self.limits[kind]:
            seconds = max(1, int(self.WINDOW - now % self.WINDOW))
            headers = {} if defect("no-retry-after") else {"retry-after": str(seconds)}
            raise Problem(429, "RATE_LIMIT_EXCEEDED", "Too many requests.", headers, limit=self.limits[kind])


# --- the services behind -------------------------------------------------------------------------------------------------


class Downstreams:
    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        timeout = httpx.Timeout(settings.first_byte, connect=min(5, settings.first_byte))
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
        self.client = httpx.AsyncClient(timeout=timeout, limits=limits, follow_redirects=False, trust_env=False)

    @contextlib.asynccontextmanager
    async def call(self, service: str, method: str, target: bytes, headers: list, content):
        """The answer of a service behind, its body not yet read."""
        url = httpx.URL(self.settings.urls[service]).copy_with(raw_path=target)
        request = self.client.build_request(method, url, headers=headers, content=content)
        try:
            response = await self.client.send(request, stream=True)
        except httpx.TimeoutException:
            self.metrics.downstream.labels(service, "timeout").inc()
            if defect("timeout-is-502"):
                raise Problem(502, "DOWNSTREAM_ERROR", "A service behind failed.") from None
            raise Problem(504, "DOWNSTREAM_TIMEOUT", "A service behind took too long.") from None
        except httpx.ConnectError:
            self.metrics.downstream.labels(service, "unreachable").inc()
            if defect("unreachable-is-502"):
                raise Problem(502, "DOWNSTREAM_ERROR", "A service behind failed.") from None
            raise Problem(503, "SERVICE_UNAVAILABLE", "A service behind cannot be reached.") from None
        except httpx.RequestError:
            self.metrics.downstream.labels(service, "broken").inc()
            raise Problem(502, "DOWNSTREAM_ERROR", "A service behind gave no answer.") from None
        self.metrics.downstream.labels(service, str(response.status_code)).inc()
        try:
            yield response
        finally:
            await response.aclose()

    async def whole(self, response: httpx.Response) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(None if defect("no-body-deadline") else self.settings.body):
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > ANSWER_LIMIT:
                        raise Problem(502, "DOWNSTREAM_ERROR", "A service behind gave too long an answer.")
        except (TimeoutError, httpx.TimeoutException):
            raise Problem(504, "DOWNSTREAM_TIMEOUT", "A service behind took too long.") from None
        except httpx.RequestError:
            raise Problem(502, "DOWNSTREAM_ERROR", "A service behind broke off its answer.") from None
        return bytes(body)


def passing(headers: list[tuple[bytes, bytes]], also: set[str]) -> list[tuple[bytes, bytes]]:
    """The header fields without those that are about the connection, and without `also`."""
    if defect("hop-by-hop-passed"):
        return [(name, value) for name, value in headers if name.lower().decode() not in also]
    named = [value.decode("latin-1") for name, value in headers if name.lower() == b"connection"]
    dropped = HOP_BY_HOP | also | {word.strip().lower() for value in named for word in value.split(",")}
    return [(name, value) for name, value in headers if name.lower().decode("latin-1") not in dropped]


def safe(path: str) -> bool:
    """Whether a path below a prefix stays there, whoever decodes it."""
    if re.search("%(?![0-9A-Fa-f]{2})", path):
        return False
    decoded = unquote(path)
    if re.search(r"[\x00-\x1f\x7f\\%]", decoded) or decoded.count("/") != path.count("/"):
        return False
    segments = path.split("/")
    return "" not in segments[:-1] and not {".", ".."} & set(unquote(segment) for segment in segments)


# --- the application -----------------------------------------------------------------------------------------------------


class PipelineRequest(BaseModel):
    requested_pipeline: Literal["spellcheck", "cj_assessment", "nlp", "ai_feedback", "student_matching"]
    batch_id: StrictStr | None = None
    is_retry: StrictBool = False
    retry_reason: StrictStr | None = None


async def read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise Problem(413, "PAYLOAD_TOO_LARGE", "The body is too long.")
    return bytes(body)


def create_app(settings: Settings) -> FastAPI:
    metrics = Metrics()
    limiter = Limiter(settings)
    downstreams = Downstreams(settings, metrics)
    app = FastAPI(openapi_url=None, redirect_slashes=defect("redirect-slashes"))

    @app.exception_handler(Problem)
    async def problem(_: Request, exception: Problem) -> JSONResponse:
        metrics.errors.labels(exception.code).inc()
        return error(exception)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, exception: HTTPException) -> JSONResponse:
        return await problem(request, of_framework(exception))

    def caller(kind: str):
        async def check(request: Request) -> str:
            user = check_token(request, settings)
            await limiter.count(user, kind)
            return user

        return Depends(check)

    def batch(batch_id: str) -> str:
        if not BATCH_ID.fullmatch(batch_id):
            raise Problem(400, "INVALID_BATCH_ID", "A batch id has letters, digits, - and _.")
        return batch_id

    def own_headers(user: str) -> list[tuple[str, str]]:
        headers = [("x-correlation-id", correlation.get())]
        if not defect("caller-not-told"):
            headers.append(("x-user-id", user))
        if defect("correlation-not-passed-on"):
            del headers[0]
        return headers

    # `:path`, so that an encoded slash is a bad batch id and not another route.
    @app.get("/v1/batches/{batch_id:path}/status")
    async def status(batch_id: str, user: Annotated[str, caller("default")]) -> Response:
        target = f"/internal/v1/batches/{batch(batch_id)}/status".encode()
        async with downstreams.call("aggregator", "GET", target, own_headers(user), None) as response:
            if response.status_code == 404 and not defect("unknown-batch-is-502"):
                raise Problem(404, "BATCH_NOT_FOUND", "There is no such batch.", batch_id=batch_id)
            if response.status_code != 200:
                words = {}
                if defect("passes-downstream-body"):
                    words = {"downstream": (await downstreams.whole(response)).decode(errors="replace")}
                code = 500 if defect("downstream-failure-is-500") else 502
                name = "INTERNAL_ERROR" if code == 500 else "DOWNSTREAM_ERROR"
                raise Problem(code, name, "The result aggregator failed.", **words)
            body = await downstreams.whole(response)
        try:
            details = json.loads(body)
            owner, overall = details.get("user_id"), details["overall_status"]
        except (ValueError, KeyError, AttributeError):
            raise Problem(502, "DOWNSTREAM_ERROR", "The result aggregator gave no status.") from None
        if owner != user and not defect("anybodys-batch"):
            words = {"owner": owner} if defect("leaks-owner") else {}
            raise Problem(403, "FORBIDDEN", "The batch is not yours.", **words)
        if not defect("forwards-user-id"):
            details.pop("user_id", None)
        if defect("stale-status"):
            overall = details["overall_status"] = "processing"
        # More than the contract asks for, as it allows.
        return JSONResponse({"status": overall, "details": details, "links": {"batch": f"/v1/batches/{batch_id}"}})

    @app.post("/v1/batches/{batch_id:path}/pipelines")
    async def pipelines(request: Request, batch_id: str, user: Annotated[str, caller("pipelines")]) -> Response:
        batch(batch_id)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not defect("any-body"):
            raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "The body has to be JSON.")
        try:
            body = json.loads(await read_body(request) if not defect("any-body") else b'{"requested_pipeline":"nlp"}')
        except ValueError:
            raise Problem(400, "INVALID_BODY", "The body is no JSON.") from None
        try:
            if defect("any-phase") and isinstance(body, dict):
                wanted = PipelineRequest.model_construct(**body)
            else:
                wanted = PipelineRequest.model_validate(body)
        except ValidationError as invalid:
            problems = [{"at": list(e["loc"]), "problem": e["msg"]} for e in invalid.errors(include_url=False)]
            raise Problem(422, "VALIDATION_ERROR", "The body has a value that is not known.", problems=problems) from None
        if wanted.batch_id not in (None, batch_id) and not defect("other-batch-accepted"):
            raise Problem(400, "BATCH_ID_MISMATCH", "The body names another batch than the path.")
        command = {
            "batch_id": batch_id,
            "user_id": body.get("user_id", user) if defect("user-from-body") else user,
            "requested_pipeline": wanted.requested_pipeline,
            "is_retry": wanted.is_retry,
            "retry_reason": wanted.retry_reason,
            "correlation_id": correlation.get(),
        }
        target = f"/internal/v1/batches/{batch_id}/pipelines".encode()
        headers = [*own_headers(user), ("content-type", "application/json")]
        async with downstreams.call("orchestrator", "POST", target, headers, json.dumps(command).encode()) as response:
            if response.status_code == 403:
                raise Problem(403, "FORBIDDEN", "The batch is not yours.")
            if response.status_code == 404:
                raise Problem(404, "BATCH_NOT_FOUND", "There is no such batch.")
            if not response.is_success and not defect("accepted-anyway"):
                raise Problem(502, "DOWNSTREAM_ERROR", "The orchestrator did not take the command.")
            await downstreams.whole(response)
        accepted = {
            "status": "accepted",
            "message": f"{wanted.requested_pipeline} was requested",
            "batch_id": batch_id,
            "correlation_id": correlation.get(),
            "requested_pipeline": wanted.requested_pipeline,
        }
        return JSONResponse(accepted, 200 if defect("accepted-is-200") else 202)

    @app.post("/v1/files/batch")
    async def files(request: Request, user: Annotated[str, caller("files")]) -> Response:
        kind = request.headers.get("content-type", "")
        if not defect("any-upload") and not re.match("multipart/form-data *;.*boundary=", kind, re.IGNORECASE):
            raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "The body has to be multipart/form-data.")
        headers = [*own_headers(user), ("content-type", kind)]
        if length := request.headers.get("content-length"):
            headers.append(("content-length", length))
        body = request.stream()
        if defect("upload-cut"):
            whole = b"".join([chunk async for chunk in body])
            headers, body = [field for field in headers if field[0] != "content-length"], whole[: len(whole) // 2]
        async with downstreams.call("files", "POST", b"/v1/files/batch", headers, body) as response:
            answers = (201, 403, 404) if defect("no-400-from-files") else (201, 400, 403, 404)
            if response.status_code not in answers and not defect("passes-every-file-answer"):
                raise Problem(503, "SERVICE_UNAVAILABLE", "The file service failed.")
            answer = await downstreams.whole(response)
            return Response(answer, response.status_code, media_type=response.headers.get("content-type"))

    @app.api_route("/v1/classes/{path:path}", methods=["GET", "POST", "PUT", "DELETE"])
    async def classes(request: Request, user: Annotated[str, caller("default")]) -> Response:
        raw_path: bytes = request.scope["raw_path"].partition(b"?")[0]
        below = raw_path.decode("latin-1").removeprefix("/v1/classes/")
        if not safe(below) and not defect("path-escape"):
            raise Problem(400, "INVALID_PATH", "The path has parts that would lead elsewhere.")
        target = raw_path
        if defect("path-escape"):
            # As httpx.URL.join and most clients do it.
            target = httpx.URL("http://cms/v1/classes/").join(unquote(below)).raw_path
        query = request.scope["query_string"]
        if query and not defect("query-lost"):
            target += b"?" + query
        also = {"host", "x-correlation-id"} | (set() if defect("client-user-id") else {"x-user-id"})
        given = passing(list(request.scope["headers"]), also)
        mine = own_headers(user)
        if defect("client-user-id") and "x-user-id" in request.headers:
            mine = [field for field in mine if field[0] != "x-user-id"]
        headers = [*given, *[(name.encode(), value.encode()) for name, value in mine]]
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        body = request.stream() if has_body else None

        stack = contextlib.AsyncExitStack()
        answer = await stack.enter_async_context(downstreams.call("classes", request.method, target, headers, body))

        async def stream():
            async with stack, asyncio.timeout(settings.body):
                async for chunk in answer.aiter_raw():
                    yield chunk

        status = 200 if defect("errors-are-200") else answer.status_code
        response = StreamingResponse(stream(), status)
        response.raw_headers = passing(answer.headers.raw, {"x-correlation-id", "date", "server"})
        return response

    @app.get("/healthz")
    async def health() -> dict:
        body = {
            "service": "huleedu-api-gateway",
            "status": "healthy",
            "message": "API gateway is running",
            "environment": settings.environment,
            "timestamp": datetime.now(timezone.utc).isoformat(),
            "uptime_seconds": round(time.monotonic() - STARTED, 3),
            "version": "1.0.0",
        }
        if defect("health-without-uptime"):
            del body["uptime_seconds"]
        return body

    @app.get("/metrics")
    async def read_metrics(request: Request) -> Response:
        if defect("health-limited"):
            await limiter.count("operations", "default")
        return PlainTextResponse(prometheus.generate_latest(metrics.registry), media_type="text/plain; version=0.0.4")

    add_legacy(app)
    # From the inside out.
    origins = ["*"] if defect("cors-any") else [] if defect("cors-none") else settings.origins
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "X-Correlation-ID"],
        expose_headers=["X-Correlation-ID", "Retry-After"],
    )
    app.add_middleware(Watched, metrics=metrics)
    return app


def add_legacy(app: FastAPI) -> None:
    """What a gateway may have kept of the WebSocket that it once had."""
    path = "/ws/v1/status/{client_id}"
    if defect("legacy-101"):

        @app.websocket(path)
        async def legacy(websocket: WebSocket, client_id: str) -> None:
            await websocket.accept()
            await websocket.close(1000)

    if defect("legacy-426"):

        @app.get(path)
        async def upgrade_required(client_id: str) -> Response:
            return JSONResponse({"detail": "upgrade required"}, 426, {"upgrade": "websocket", "connection": "upgrade"})

    if defect("legacy-redirect"):

        @app.get(path)
        async def moved(client_id: str) -> Response:
            return RedirectResponse("ws://localhost:8080/ws", 307)

    if defect("legacy-410"):

        @app.get(path)
        async def gone(client_id: str) -> Response:
            return JSONResponse({"detail": "gone"}, 410)


# --- the process --------------------------------------------------------------------------------------------------------


class Server(uvicorn.Server):
    """uvicorn would end by the signal that it got."""

    def handle_exit(self, sig, frame) -> None:
        if defect("drops-requests"):
            os._exit(0)
        else:
            log.info("ending on %s", signal.Signals(sig).name)
            self.should_exit = True


def main() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=setting("LOG_LEVEL", "INFO").upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for chatty in ("uvicorn.error", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    settings = Settings()
    config = uvicorn.Config(
        create_app(settings),
        host="0.0.0.0",
        port=settings.port,
        log_config=None,
        access_log=False,
        # With WebSockets on, uvicorn answers an upgrade of a route that does not exist with 403; it has to be a plain 404.
        ws="auto" if defect("legacy-101") or defect("legacy-403") else "none",
        timeout_graceful_shutdown=9,
    )
    Server(config).run()


if __name__ == "__main__":
    main()
