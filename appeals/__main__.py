"""The `appeals` command: serve, migrate, accounts and keys, replay, the table of steps."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI
from rich.console import Console
from sqlalchemy import select

from appeals import documentation, lifecycle_page, network, schema
from appeals import replay as player
from appeals.app import create_app, database_of
from appeals.database import Database
from appeals.network import Account, Key
from appeals.settings import Settings, Unusable, of_the_environment, pepper_of
from appeals.vocabulary import AccountKind, Role

KEEP_ALIVE_S = 75
"""How long a connection may rest: longer than proxies let theirs, and a new one is dear on a bad line."""

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="The urgent appeal case service.")
account_cli = typer.Typer(no_args_is_help=True, help="Accounts of people and machines.")
key_cli = typer.Typer(no_args_is_help=True, help="Keys: make one, revoke one.")
cli.add_typer(account_cli, name="account")
cli.add_typer(key_cli, name="key")


def say(line: str) -> None:
    """Print one line for people and scripts."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def give_up(line: str) -> typer.Exit:
    """Say what is wrong on standard error; the exit that follows."""
    sys.stderr.write(f"appeals: {line}\n")
    return typer.Exit(1)


def _now() -> datetime:
    return datetime.now(UTC)


def _ready_database(settings: Settings) -> Database:
    """The database, at the schema of this release: an embedded one is migrated, another is left to `migrate`."""
    database = database_of(settings)
    if database.embedded:
        schema.migrate(database)
    elif not database.ready():
        raise give_up("the database is away or its schema is another; run: appeals migrate")
    return database


@cli.command()
def serve() -> None:
    """Serve the API. An embedded database is migrated first; a new network's first keys are printed, once."""
    settings = of_the_environment()
    database = _ready_database(settings)
    if database.embedded and settings.workers > 1:
        raise give_up("SQLite has one writing process: set APPEALS_WORKERS=1, or use PostgreSQL")
    keys = schema.found(database, pepper_of(settings), _now())
    if keys:
        say("A new network was founded. These keys are shown this once; keep them safe.")
        say(f"admin key: {keys.admin}")
        say(f"coordinator key: {keys.coordinator}")
    database.engine.dispose()
    say(f"serving on http://{settings.host}:{settings.port}")
    uvicorn.run(
        "appeals.__main__:application",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_S,
    )


def application() -> FastAPI:
    """The application for the settings of the environment; what each worker process loads."""
    return create_app(of_the_environment())


@cli.command(context_settings={"ignore_unknown_options": True})  # "-1" is a revision, not an option
def migrate(
    revision: Annotated[str, typer.Argument(help="head, base, or steps back such as -1.")] = "head",
) -> None:
    """Bring the database to a revision. A downgrade drops what the older schema has no place for."""
    schema.migrate(database_of(of_the_environment()), revision)
    say(f"schema: {revision}")


@cli.command()
def lifecycle() -> None:
    """Print the table of steps."""
    say(lifecycle_page.table())


@cli.command()
def docs(check: Annotated[bool, typer.Option("--check", help="Only tell which are out of date.")] = False) -> None:
    """Write the pages that come from the code. For those who change the code: `make docs`."""
    stale = documentation.stale(cli)
    if check and stale:
        raise give_up(f"out of date, run make docs: {', '.join(stale)}")
    if not check:
        documentation.write(cli)


@account_cli.command("new")
def account_new(
    name: Annotated[str, typer.Argument(help="A handle, never a person's name.")],
    role: Annotated[Role, typer.Option(help="The role it holds.")],
    entity: Annotated[str, typer.Option(help="The entity it holds it in.")] = network.ROOT_NAME,
    kind: Annotated[AccountKind, typer.Option(help="A person or a machine.")] = AccountKind.PERSON,
) -> None:
    """Make an account with a role. One that exists gets the role besides."""
    with _ready_database(of_the_environment()).writing() as session:
        place = network.entity_named(session, entity)
        if place is None:
            raise give_up(f"no entity is named {entity!r}")
        account = network.account_named(session, name) or network.new_account(session, name, kind, _now())
        network.grant(session, account, role, place)
    say(f"{name}: {role} in {entity}")


@account_cli.command("list")
def account_list() -> None:
    """List every account with its roles."""
    with _ready_database(of_the_environment()).reading() as session:
        for account in session.scalars(select(Account).order_by(Account.name)):
            held = network.account_output(session, account).memberships
            roles = ", ".join(f"{membership.role} in {membership.entity_name}" for membership in held)
            say(f"{account.name}\t{account.kind}\t{roles or 'no role'}")


@key_cli.command("new")
def key_new(
    role: Annotated[Role | None, typer.Option(help="Make an account with this role for the key.")] = None,
    entity: Annotated[str, typer.Option(help="The entity the role is held in.")] = network.ROOT_NAME,
    account: Annotated[str | None, typer.Option(help="Make the key for this account instead.")] = None,
    days: Annotated[int, typer.Option(help="For how many days it is good.", min=1, max=3650)] = 365,
) -> None:
    """Make a key. Prints it and nothing else; each call with --role makes an account of its own."""
    settings = of_the_environment()
    if (role is None) == (account is None):
        raise give_up("say either --role or --account")
    database = _ready_database(settings)
    schema.found(database, pepper_of(settings), _now())
    say(_new_key(settings, database, role, entity, account, timedelta(days=days)))


def _new_key(
    settings: Settings, database: Database, role: Role | None, entity: str, account: str | None, lasts: timedelta
) -> str:
    with database.writing() as session:
        place = network.entity_named(session, entity)
        if place is None:
            raise give_up(f"no entity is named {entity!r}")
        holder = network.account_named(session, account) if account else None
        if account and holder is None and role is None:
            raise give_up(f"no account is named {account!r}")
        if holder is None:
            name = account or f"{role} {network.new_handle()}"
            holder = network.new_account(session, name, AccountKind.PERSON, _now())
        if role is not None:
            network.grant(session, holder, role, place)
        return network.new_key(session, holder, pepper_of(settings), _now(), _now() + lasts)


@key_cli.command("revoke")
def key_revoke(key_id: Annotated[str, typer.Argument(help="The 8 characters after ua_.")]) -> None:
    """Kill a key; it is dead on the next request."""
    with _ready_database(of_the_environment()).writing() as session:
        key = session.get(Key, key_id)
        if key is None:
            raise give_up("no key has this id")
        key.revoked_at = key.revoked_at or _now()
    say(f"revoked {key_id}")


PLAYERS = {"coordinator": Role.COORDINATOR, "caseworker": Role.CASEWORKER, "reviewer": Role.REVIEWER}


@cli.command()
def replay(
    file: Annotated[Path, typer.Argument(help="Cases in the replay format, one a line; see docs/replay.md.")],
    url: Annotated[str, typer.Option(help="The service to play them into.")] = "",
    coordinator_key: Annotated[str, typer.Option(envvar="APPEALS_COORDINATOR_KEY")] = "",
    caseworker_key: Annotated[str, typer.Option(envvar="APPEALS_CASEWORKER_KEY")] = "",
    reviewer_key: Annotated[str, typer.Option(envvar="APPEALS_REVIEWER_KEY")] = "",
) -> None:
    """Play real cases over HTTP. They keep their real dates; without keys, some are made for a day, here."""
    settings = of_the_environment()
    keys = {"coordinator": coordinator_key, "caseworker": caseworker_key, "reviewer": reviewer_key}
    if not all(keys.values()):
        if any(keys.values()):
            raise give_up("give all three keys, or none")
        database = _ready_database(settings)
        schema.found(database, pepper_of(settings), _now())
        day = timedelta(days=1)
        keys = {
            name: _new_key(settings, database, role, network.ROOT_NAME, f"replay {name}", day)
            for name, role in PLAYERS.items()
        }
    console = Console(width=None if sys.stdout.isatty() else 160)
    results = player.replay(file, url or f"http://{settings.host}:{settings.port}", keys, console)
    if not all(result.fine for result in results):
        raise typer.Exit(1)


def main() -> None:
    """Run the command; settings that cannot be used are told in a sentence."""
    try:
        cli()
    except Unusable as error:
        sys.exit(f"appeals: {error}")


if __name__ == "__main__":
    main()
