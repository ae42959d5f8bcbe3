"""The commands for a database after an upgrade or a restore: migrate, rebuild, reset the feed."""

from typing import Annotated

import typer

from appeals.cli.database_and_pepper import open_as_owner, open_database, open_network
from appeals.cli.terminal import print_line
from appeals.database.engine import Database
from appeals.database.migrations import migrate as migrate_database
from appeals.database.requirements import require_connection, require_schema
from appeals.read_models.case_snapshot import all_counted_cases, rebuild
from appeals.read_models.change_feed import reset_feed
from appeals.read_models.statistics_folding import catch_up, recount
from appeals.settings import load_settings

cli = typer.Typer()


@cli.command(context_settings={"ignore_unknown_options": True})  # "-1" is a revision, not an option
def migrate(
    revision: Annotated[str, typer.Argument(help="head, base, or steps back such as -1.")] = "head",
) -> None:
    """Bring the database to a revision. A downgrade drops what the older schema has no place for.

    On a server it gives the service's user its rights, where APPEALS_MIGRATION_DATABASE_URL names another.
    """
    settings = load_settings()
    database, service = open_as_owner(settings), open_database(settings).engine.url
    migrate_database(database, revision, service)
    if revision == "head":
        rebuild_missing(database)
    print_line(f"schema: {revision}")


@cli.command("rebuild")
def rebuild_snapshots() -> None:
    """Render every case snapshot anew, as this release renders them, and count anew. The service may run meanwhile."""
    database = open_network(load_settings())
    print_line(f"rendered: {rebuild(database, all_of_them=True)} cases")
    recount(database, all_counted_cases)


@cli.command("reset-feed")
def reset_change_feed() -> None:
    """After restoring a copy of the database: have those who read the feed, and webhooks, begin anew."""
    with open_network(load_settings()).writing() as session:
        reset_feed(session)
    print_line("readers of the feed begin anew")


def prepare_schema(database: Database) -> None:
    """An embedded database is brought to the schema of this release, another is left to `migrate`. Raises:
    DatabaseNotReady.
    """
    if database.embedded:
        migrate_database(database)
        rebuild_missing(database)
    require_connection(database)
    require_schema(database)


def rebuild_missing(database: Database) -> None:
    """Keep views of the cases of which none are kept yet, as after an upgrade; and count anew where that was many."""
    rebuild(database, all_of_them=False)
    catch_up(database, all_counted_cases)
