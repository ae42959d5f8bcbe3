"""The `appeals serve` command, and the application that each of its processes loads."""

import asyncio
import gc
from typing import cast

import typer
import uvicorn
from fastapi import FastAPI

from appeals.accounts import bootstrap
from appeals.api.connection import Connections
from appeals.api.connection_limits import Limits
from appeals.app import create_app
from appeals.cli.database_and_pepper import (
    any_pepper,
    current_time,
    existing_pepper,
    open_database,
)
from appeals.cli.maintenance import prepare_schema
from appeals.cli.terminal import fail, print_line
from appeals.database import disk_reserve
from appeals.process import end_with_parent, raise_file_limit
from appeals.read_models.change_feed import count_foreign_changes, reset_feed
from appeals.settings import load_settings

ENDS_WITHIN_S = 5
"""Seconds that the service waits for open requests when it ends. Streams would never end by themselves."""
LOOPBACK = "127.0.0.1"


cli = typer.Typer()


@cli.command()
def serve() -> None:
    """Serve the API. An embedded database is migrated first. The first keys of a new network are printed once."""
    settings = load_settings()
    database = open_database(settings)
    if database.embedded and settings.workers > 1:
        raise fail("only one process can write to an SQLite database: set APPEALS_WORKERS=1, or use PostgreSQL")
    disk_reserve.release(database)
    existing_pepper(settings)  # an invalid pepper ends the command before anything is written
    prepare_schema(database)
    keys = bootstrap.bootstrap(database, any_pepper(settings), current_time())
    if keys:
        print_line("A new network was created. These keys are shown only once; keep them safe.")
        print_line(f"admin key: {keys.admin}")
        print_line(f"coordinator key: {keys.coordinator}")
    with database.writing() as session:
        if count_foreign_changes(session):
            reset_feed(session)
    database.engine.dispose()
    raise_file_limit()
    print_line(f"serving on http://{settings.host}:{settings.port}")
    uvicorn.run(
        "appeals.cli.serve:application",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        forwarded_allow_ips=settings.proxy or LOOPBACK,
        access_log=False,
        server_header=False,
        log_level="warning",
        http=cast(type[asyncio.Protocol], Connections(Limits.of(settings))),  # uvicorn calls it to make a protocol
        ws="none",
        timeout_graceful_shutdown=ENDS_WITHIN_S,
    )


def application() -> FastAPI:
    """Create the application from the environment's settings; each worker process calls this."""
    end_with_parent()
    app = create_app(load_settings())
    gc.collect()
    gc.freeze()  # garbage collection then skips the objects that live as long as the process
    return app
