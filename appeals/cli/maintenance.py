"""The commands to run after an upgrade or a restore: migrate, rebuild and reset-feed."""

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
    """Migrate the database to a revision. A downgrade deletes what the older schema cannot hold.

    On PostgreSQL it also gives the service's database user its rights, if APPEALS_MIGRATION_DATABASE_URL names another
    user.
    """
    settings = load_settings()
    database, service = open_as_owner(settings), open_database(settings).engine.url
    migrate_database(database, revision, service)
    if revision == "head":
        rebuild_missing(database)
    print_line(f"schema: {revision}")


@cli.command("rebuild")
def rebuild_snapshots() -> None:
    """Rebuild all case snapshots and statistics as this release makes them. The service may run meanwhile."""
    database = open_network(load_settings())
    print_line(f"rendered: {rebuild(database, all_of_them=True)} cases")
    recount(database, all_counted_cases)


@cli.command("reset-feed")
def reset_change_feed() -> None:
    """Reset the change feed after a backup was restored: readers of the feed and webhooks start again."""
    with open_network(load_settings()).writing() as session:
        reset_feed(session)
    print_line("the change feed was reset; its readers start again")


def prepare_schema(database: Database) -> None:
    """Migrate an embedded database to the schema of this release, and check the schema of another.

    Raises: DatabaseNotReady.
    """
    if database.embedded:
        migrate_database(database)
        rebuild_missing(database)
    require_connection(database)
    require_schema(database)


def rebuild_missing(database: Database) -> None:
    """Render the missing case snapshots, as after an upgrade.

    If many were missing, count the statistics from the cases.
    """
    rebuild(database, all_of_them=False)
    catch_up(database, all_counted_cases)
