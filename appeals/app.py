"""The application: the one place that knows every part."""

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import anyio
from anyio import CapacityLimiter
from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from appeals import __version__
from appeals.access.access_log import AccessLogWriter
from appeals.accounts.api_key import note_use
from appeals.accounts.authentication import CallerCache
from appeals.api.caller import CallerMiddleware
from appeals.api.fast_reads import FastReadMiddleware, FastReads
from appeals.api.long_polling import LongPollMiddleware
from appeals.api.middleware import ResponseHeadersMiddleware
from appeals.api.problems import HANDLERS, Problem, from_http_exception, problem
from appeals.api.rate_limit import RateLimiters
from appeals.api.routes import (
    access_log,
    accounts,
    alerts,
    cases,
    changes,
    directory,
    publications,
    records,
    reports,
    role_confirmation,
    sealed,
    webhooks,
)
from appeals.api.routes import statistics as statistics_doors
from appeals.api.routing import HEADERS, AppContext, Operation, register_operations
from appeals.database import disk_reserve
from appeals.database.engine import Database
from appeals.database.raw_reads import RawReader
from appeals.database.readiness import READY, Readiness
from appeals.lifecycle import due_dates
from appeals.read_models import statistics_folding
from appeals.settings import Settings, database_of, pepper_of
from appeals.webhooks import delivery

NOT_READY_FOR_S = 5
DOCS_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self' 'sha256-{script}'; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)
"""The page draws with inline styles, but runs no script than those of this service and the one line that starts it."""


def operations() -> list[Operation]:
    """Every operation, those of outsiders too; what is read most stands first."""
    parts = (
        cases, changes, alerts, reports, statistics_doors, records, sealed, publications, directory, accounts,
        role_confirmation,
        webhooks, access_log,
    )  # fmt: skip
    return [operation for part in parts for operation in part.operations()]


def routes() -> dict[str, str]:
    """Where each operation stands, as method and path, by its name."""
    return {operation.name: f"{operation.method} {operation.path}" for operation in operations()}


def create_app(settings: Settings, database: Database | None = None) -> FastAPI:
    """The application for these settings; it opens the database but does not migrate it."""
    database = database or database_of(settings)
    context = context_of(settings, database)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            if settings.clock_every_s:
                tasks.start_soon(due_dates.run_due_dates, database, context.write_queue, settings.clock_every_s)
                tasks.start_soon(statistics_folding.run_folding, database, context.write_queue)
            if settings.webhooks_every_s:
                carries = dispatcher_of(settings, database, context)
                tasks.start_soon(delivery.run_dispatcher, carries, settings.webhooks_every_s)
            if database.file is not None:
                tasks.start_soon(disk_reserve.run, database)
            yield
            tasks.cancel_scope.cancel()
        await context.fast_reads.reader.close()

    app = FastAPI(
        lifespan=lifespan,
        title="Urgent appeals",
        version=__version__,
        description=(
            "Cases of labour-rights urgent appeals: guarded steps, readable history, consent enforced. Text is UTF-8 "
            "in NFC, without controls but line feed and tab, and holds a visible character; days lie between 1900 "
            "and 2200."
        ),
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    all_operations = operations()
    register_operations(app, all_operations, context)
    _register_operations(app, context.readiness)
    _register_docs(app)
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    _name_methods(app, all_operations)
    _describe(app, all_operations)
    app.add_middleware(FastReadMiddleware, quick=context.fast_reads)
    app.add_middleware(LongPollMiddleware, quick=context.fast_reads)
    app.add_middleware(
        CallerMiddleware,
        database=database,
        callers=context.callers,
        limiters=context.limiters,
        now=lambda: context.now(),  # noqa: PLW0108 - tests set the clock of all desks
    )
    app.add_middleware(ResponseHeadersMiddleware)
    app.state.database, app.state.context = database, context
    return app


def context_of(settings: Settings, database: Database) -> AppContext:
    """What the operations of this process work with."""
    pepper, turns = pepper_of(settings), CapacityLimiter(database.writes_at_once)
    limiters = RateLimiters.of(settings)
    # SQLite has one writer at a time; to PostgreSQL the log has a connection that no other writer takes.
    recorder = AccessLogWriter(database, turns if database.embedded else nullcontext(), note_use)
    callers = CallerCache(pepper)
    quick = FastReads(
        RawReader(database),
        recorder,
        pepper,
        lambda: context.now(),  # noqa: PLW0108 - the desk is made of it
        callers.latest_time,
    )
    loopback = settings.webhooks_to_loopback
    ready = Readiness(database)
    context = AppContext(
        database, callers, pepper, settings.body_limit, turns, recorder, limiters, quick, ready, loopback
    )
    return context


def dispatcher_of(settings: Settings, database: Database, context: AppContext) -> delivery.WebhookDispatcher:
    """Who carries events to webhooks in this process."""
    client = delivery.client(to_loopback=settings.webhooks_to_loopback)
    return delivery.WebhookDispatcher(database, context.write_queue, context.pepper, client)


def _register_operations(app: FastAPI, readiness: Readiness) -> None:
    told: dict[int | str, dict[str, Any]] = {503: {"model": Problem, "description": "Not ready."}}

    @app.get("/healthz", tags=["operations"], summary="Alive.")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get(
        "/readyz", tags=["operations"], summary="Database and schema are there; it can be written.", responses=told
    )
    def readyz() -> Response:
        missing = readiness.missing()
        if missing == READY:
            return JSONResponse({"status": "ready"})
        return problem(503, "not_ready", missing, {"Retry-After": str(NOT_READY_FOR_S)})

    @app.get("/version", tags=["operations"], summary="Which release this is.")
    async def version() -> dict[str, str]:
        return {"version": __version__}


def _register_docs(app: FastAPI) -> None:
    """The interactive page, with its scripts from this service and from nowhere else."""
    static = Path(__file__).parent / "api" / "static"
    app.mount("/docs/static", StaticFiles(directory=static), name="docs_static")

    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=app.title,
        swagger_js_url="/docs/static/swagger-ui-bundle.js",
        swagger_css_url="/docs/static/swagger-ui.css",
        swagger_favicon_url="/docs/static/favicon-32x32.png",
    )
    script = re.findall(rb"<script>(.*?)</script>", bytes(page.body), re.DOTALL)[0]
    allowed = base64.b64encode(hashlib.sha256(script).digest()).decode()
    page.headers["Content-Security-Policy"] = DOCS_POLICY.format(script=allowed)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return page

    building, built = anyio.Lock(), list[bytes]()

    @app.get("/openapi.json", include_in_schema=False)
    async def document() -> Response:
        """Built once, in a thread, and kept as it is sent: to build it takes a second, and to render it is dear too."""
        async with building:
            if not built:
                built.append(await anyio.to_thread.run_sync(lambda: json.dumps(app.openapi()).encode()))
        return Response(built[0], media_type="application/json")


def _name_methods(app: FastAPI, all_operations: list[Operation]) -> None:
    """A 405 names in Allow every method that the path knows."""
    known = [
        (re.compile(re.sub(r"\{[a-z]+\}", "[^/]+", operation.path)), operation.method) for operation in all_operations
    ]

    async def refuse(request: Request, raised: Exception) -> Response:
        if not isinstance(raised, HTTPException) or raised.status_code != 405:
            return from_http_exception(request, raised)
        path = request.scope["path"]
        allowed = {method for pattern, method in known if pattern.fullmatch(path)} or {"GET"}
        says = "This path does not know that method."
        return problem(405, "method_not_allowed", says, {"Allow": ", ".join(sorted(allowed))})

    app.add_exception_handler(HTTPException, refuse)


def _describe(app: FastAPI, all_operations: list[Operation]) -> None:
    """Complete the OpenAPI document: the form of problems, and which headers are needed."""
    ordinary = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        document = ordinary()
        schemas = document["components"]["schemas"]
        form = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= form.pop("$defs", {})
        schemas["Problem"] = form
        document["components"]["headers"] = HEADERS
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        for route in all_operations:
            operation = document["paths"][route.path][route.method.lower()]
            for parameter in operation.get("parameters", []):
                parameter["required"] = parameter["required"] or parameter["name"] == "If-Match"
        return document

    app.openapi = openapi  # type: ignore[method-assign]
