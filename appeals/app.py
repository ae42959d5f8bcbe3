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
import fastapi_offline
from anyio import CapacityLimiter
from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from appeals import __version__, clock, courier, reserve, statistics
from appeals.access_log import Recorder
from appeals.database import Database
from appeals.key import note_use
from appeals.network import Acquaintances
from appeals.rate_limit import RateLimiters
from appeals.reader import Reader
from appeals.readiness import READY, Readiness
from appeals.settings import Settings, pepper_of
from appeals.web import (
    alerts,
    audit,
    cases,
    directories,
    feed,
    ledgers,
    network,
    publications,
    records,
    rights,
    sealed,
    webhooks,
)
from appeals.web import statistics as statistics_doors
from appeals.web.caller import CallerMiddleware
from appeals.web.door import HEADERS, Desk, Door, hang
from appeals.web.middleware import EveryAnswer
from appeals.web.problems import HANDLERS, Problem, of_http, problem
from appeals.web.quick import Quick, QuickWay
from appeals.web.waiting import WaitingWay

NOT_READY_FOR_S = 5
DOCS_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self' 'sha256-{script}'; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)
"""The page draws with inline styles, but runs no script than those of this service and the one line that starts it."""


def database_of(settings: Settings) -> Database:
    """The database the settings name."""
    return Database(settings.database_dsn, pool_size=settings.pool_size, lock_timeout_s=settings.lock_timeout_s)


def doors() -> list[Door]:
    """Every door, those of outsiders too; what is read most stands first."""
    parts = (
        cases, feed, alerts, ledgers, statistics_doors, records, sealed, publications, directories, network, rights,
        webhooks, audit,
    )  # fmt: skip
    return [door for part in parts for door in part.doors()]


def places() -> dict[str, str]:
    """Where each door stands, as method and path, by its name."""
    return {door.name: f"{door.method} {door.path}" for door in doors()}


def create_app(settings: Settings, database: Database | None = None) -> FastAPI:
    """The application for these settings; it opens the database but does not migrate it."""
    database = database or database_of(settings)
    desk = desk_of(settings, database)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            if settings.clock_every_s:
                tasks.start_soon(clock.run, database, desk.turns, settings.clock_every_s)
                tasks.start_soon(statistics.run, database, desk.turns)
            if settings.webhooks_every_s:
                carries = courier_of(settings, database, desk)
                tasks.start_soon(courier.run, carries, settings.webhooks_every_s)
            if database.file is not None:
                tasks.start_soon(reserve.run, database)
            yield
            tasks.cancel_scope.cancel()
        await desk.quick.reader.close()

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
    all_doors = doors()
    hang(app, all_doors, desk)
    _hang_operations(app, desk.readiness)
    _hang_docs(app)
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    _name_methods(app, all_doors)
    _describe(app, all_doors)
    app.add_middleware(QuickWay, quick=desk.quick)
    app.add_middleware(WaitingWay, quick=desk.quick)
    app.add_middleware(
        CallerMiddleware,
        database=database,
        callers=desk.acquaintances,
        limiters=desk.limiters,
        now=lambda: desk.now(),  # noqa: PLW0108 - tests set the clock of all desks
    )
    app.add_middleware(EveryAnswer)
    app.state.database, app.state.desk = database, desk
    return app


def desk_of(settings: Settings, database: Database) -> Desk:
    """What the doors of this process work with."""
    pepper, turns = pepper_of(settings), CapacityLimiter(database.writes_at_once)
    limiters = RateLimiters.of(settings)
    # SQLite has one writer at a time; to PostgreSQL the log has a connection that no other writer takes.
    recorder = Recorder(database, turns if database.embedded else nullcontext(), note_use)
    callers = Acquaintances(pepper)
    quick = Quick(
        Reader(database),
        recorder,
        pepper,
        lambda: desk.now(),  # noqa: PLW0108 - the desk is made of it
        callers.latest,
    )
    loopback = settings.webhooks_to_loopback
    ready = Readiness(database)
    desk = Desk(database, callers, pepper, settings.body_limit, turns, recorder, limiters, quick, ready, loopback)
    return desk


def courier_of(settings: Settings, database: Database, desk: Desk) -> courier.Courier:
    """Who carries events to webhooks in this process."""
    client = courier.client(to_loopback=settings.webhooks_to_loopback)
    return courier.Courier(database, desk.turns, desk.pepper, client)


def _hang_operations(app: FastAPI, readiness: Readiness) -> None:
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


def _hang_docs(app: FastAPI) -> None:
    """The interactive page, with its scripts from this service and from nowhere else."""
    static = Path(fastapi_offline.__file__).parent / "static"
    app.mount("/docs/static", StaticFiles(directory=static), name="docs_static")

    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=app.title,
        swagger_js_url="/docs/static/swagger-ui-bundle.js",
        swagger_css_url="/docs/static/swagger-ui.css",
        swagger_favicon_url="/docs/static/favicon.png",
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


def _name_methods(app: FastAPI, all_doors: list[Door]) -> None:
    """A 405 names in Allow every method that the path knows."""
    known = [(re.compile(re.sub(r"\{[a-z]+\}", "[^/]+", door.path)), door.method) for door in all_doors]

    async def refuse(request: Request, raised: Exception) -> Response:
        if not isinstance(raised, HTTPException) or raised.status_code != 405:
            return of_http(request, raised)
        path = request.scope["path"]
        allowed = {method for pattern, method in known if pattern.fullmatch(path)} or {"GET"}
        says = "This path does not know that method."
        return problem(405, "method_not_allowed", says, {"Allow": ", ".join(sorted(allowed))})

    app.add_exception_handler(HTTPException, refuse)


def _describe(app: FastAPI, all_doors: list[Door]) -> None:
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
        for door in all_doors:
            operation = document["paths"][door.path][door.method.lower()]
            for parameter in operation.get("parameters", []):
                parameter["required"] = parameter["required"] or parameter["name"] == "If-Match"
        return document

    app.openapi = openapi  # type: ignore[method-assign]
