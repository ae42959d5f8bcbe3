"""The application: the one module that imports every part."""

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path

import anyio
from anyio import CapacityLimiter
from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from appeals import __version__
from appeals.access.access_log import AccessLogWriter
from appeals.accounts.api_key import note_use
from appeals.accounts.authentication import CallerCache
from appeals.api.caller import CallerMiddleware
from appeals.api.context import AppContext
from appeals.api.fast_reads import FastReadMiddleware, FastReads
from appeals.api.long_polling import ChangeWatcher, SharedReads
from appeals.api.middleware import ResponseHeadersMiddleware
from appeals.api.openapi import DESCRIPTION, complete_document
from appeals.api.permissions import policy_of
from appeals.api.problems import HANDLERS, from_http_exception, problem
from appeals.api.rate_limit import RateLimiters
from appeals.api.routes import (
    access_log,
    accounts,
    alerts,
    amendment,
    cases,
    changes,
    directory,
    health,
    keys,
    publications,
    records,
    reports,
    role_confirmation,
    sealed,
    steps,
    webhooks,
)
from appeals.api.routes import statistics as statistics_routes
from appeals.api.routing import Route
from appeals.database import disk_reserve
from appeals.database.engine import Database
from appeals.database.raw_reads import RawReader
from appeals.database.readiness import Readiness
from appeals.lifecycle import due_dates
from appeals.read_models import statistics_folding
from appeals.settings import Settings, database_of, pepper_of
from appeals.webhooks import delivery

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Callable[[], None]]]]

DOCS_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self' 'sha256-{script}'; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)
"""The content security policy of the interactive page: inline styles, the service's own scripts, and one
inline script.
"""


ROUTERS = (
    cases.router,
    amendment.router,
    steps.reading,
    steps.taking,
    changes.router,
    alerts.router,
    reports.router,
    reports.track_records,
    statistics_routes.router,
    records.router,
    sealed.router,
    publications.router,
    publications.public,
    directory.router,
    accounts.router,
    keys.router,
    role_confirmation.router,
    webhooks.router,
    access_log.router,
)
"""The routers, the most used first, because paths are tried in this order."""


def api_routes() -> list[Route]:
    """Return every route of the API, including public ones."""
    return [route for router in ROUTERS for route in router.routes if isinstance(route, Route)]


def routes() -> dict[str, str]:
    """Return the method and path of each operation by its name."""
    return {route.name: f"{route.method} {route.path}" for route in api_routes()}


def create_app(settings: Settings, database: Database | None = None) -> FastAPI:
    """Return the application for these settings. It opens the database but does not migrate it."""
    database = database or database_of(settings)
    context = context_of(settings, database)
    app = FastAPI(
        lifespan=_lifespan(settings, database, context),
        title="Urgent appeals",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    _add_routes(app, context)
    _add_middleware(app, context, database)
    app.state.database, app.state.context = database, context
    return app


def _lifespan(settings: Settings, database: Database, context: AppContext) -> Lifespan:
    """Return the lifespan of the application: the tasks that run beside the requests."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Callable[[], None]]]:
        async with anyio.create_task_group() as tasks:
            if settings.clock_every_s:
                tasks.start_soon(due_dates.run_due_dates, database, context.write_queue, settings.clock_every_s)
                tasks.start_soon(statistics_folding.run_folding, database, context.write_queue)
            if settings.webhooks_every_s:
                dispatcher = dispatcher_of(settings, database, context)
                tasks.start_soon(delivery.run_dispatcher, dispatcher, settings.webhooks_every_s)
            if database.file is not None:
                tasks.start_soon(disk_reserve.run, database)
            yield {"on_server_stop": context.changes.stop}
            tasks.cancel_scope.cancel()
        await context.fast_reads.reader.close()

    return lifespan


def _add_routes(app: FastAPI, context: AppContext) -> None:
    api = api_routes()
    for route in api:
        policy_of(route.name)  # raises for a route without a policy
    # The routes are added directly: included routers would cost each request another search.
    app.router.routes.extend([*api, *health.router.routes])
    _register_docs(app)
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    _name_methods(app, api)
    complete_document(app)


def _add_middleware(app: FastAPI, context: AppContext, database: Database) -> None:
    """Add the middleware. The last one added is the outermost."""
    app.add_middleware(FastReadMiddleware, quick=context.fast_reads)
    app.add_middleware(
        CallerMiddleware,
        database=database,
        callers=context.callers,
        limiters=context.limiters,
        now=lambda: context.now(),  # noqa: PLW0108 - tests replace the clock
    )
    app.add_middleware(ResponseHeadersMiddleware)


def context_of(settings: Settings, database: Database) -> AppContext:
    """Return the context of the routes of this process."""
    pepper, turns = pepper_of(settings), CapacityLimiter(database.writes_at_once)
    limiters = RateLimiters.of(settings)
    # SQLite has one writer at a time; on PostgreSQL the log has a connection of its own.
    recorder = AccessLogWriter(database, turns if database.embedded else nullcontext(), note_use)
    callers = CallerCache(pepper)
    reader = RawReader(database)
    fast_reads = FastReads(
        reader,
        recorder,
        pepper,
        lambda: context.now(),  # noqa: PLW0108 - the context does not exist yet
        callers.latest_time,
    )
    loopback = settings.webhooks_to_loopback
    ready = Readiness(database)
    context = AppContext(
        database,
        callers,
        pepper,
        settings.body_limit,
        turns,
        recorder,
        limiters,
        fast_reads,
        ChangeWatcher(reader),
        SharedReads(fast_reads),
        ready,
        loopback,
    )
    return context


def dispatcher_of(settings: Settings, database: Database, context: AppContext) -> delivery.WebhookDispatcher:
    """Return the webhook dispatcher of this process."""
    client = delivery.client(to_loopback=settings.webhooks_to_loopback)
    return delivery.WebhookDispatcher(database, context.write_queue, context.pepper, client)


def _register_docs(app: FastAPI) -> None:
    """Add the interactive page, whose scripts all come from this service."""
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
        """Return the document, built once in a thread and stored as bytes, because building and rendering it
        are slow.
        """
        async with building:
            if not built:
                built.append(await anyio.to_thread.run_sync(lambda: json.dumps(app.openapi()).encode()))
        return Response(built[0], media_type="application/json")


def _name_methods(app: FastAPI, api: list[Route]) -> None:
    """Make a 405 name in Allow every method of the path."""
    methods = [(re.compile(re.sub(r"\{[a-z]+\}", "[^/]+", route.path)), route.method) for route in api]

    async def refuse(request: Request, raised: Exception) -> Response:
        if not isinstance(raised, HTTPException) or raised.status_code != 405:
            return from_http_exception(request, raised)
        path = request.scope["path"]
        allowed = {method for pattern, method in methods if pattern.fullmatch(path)} or {"GET"}
        says = "The path does not support this method."
        return problem(405, "method_not_allowed", says, {"Allow": ", ".join(sorted(allowed))})

    app.add_exception_handler(HTTPException, refuse)
