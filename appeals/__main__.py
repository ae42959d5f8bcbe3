"""The `appeals` command: serve, migrate, the network and its keys, replay, the table of steps, the policy, the doctor.

Only `serve` makes something out of nothing: a database, a network, a pepper. What is refused makes nothing.
"""

import asyncio
import gc
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, cast

import typer
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import select
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from appeals.accounts import account as accounts
from appeals.accounts import bootstrap
from appeals.accounts import entity as entities
from appeals.accounts.account import Account, Membership, MembershipOutput
from appeals.accounts.api_key import DEFAULT_DAYS, ID, MAX_DAYS, Key, new_key, revoke, rotate
from appeals.accounts.entity import Entity, EntityInput
from appeals.api.connection import Connections, Limits
from appeals.app import create_app, database_of, routes
from appeals.cases.case import Case
from appeals.cli import access_page, doctor, generated_docs, lifecycle_page
from appeals.cli import replay as player
from appeals.cli import seed as population
from appeals.database import disk_reserve, migrations
from appeals.database.engine import Database
from appeals.database.failures import Busy, Full, Unreachable
from appeals.errors import ChangeRefused, Invalid
from appeals.process import end_with_parent, raise_file_limit
from appeals.read_models.case_snapshot import all_counted_cases, rebuild
from appeals.read_models.change_feed import count_foreign_changes, reset_feed
from appeals.read_models.statistics import catch_up, recount
from appeals.settings import Settings, SettingsError, load_settings, pepper_of
from appeals.vocabulary import AccountKind, DisablingReason, EntityKind, MembershipState, Role, Scope

ENDS_WITHIN_S = 5
"""How long those are waited for who are still answered when the service ends; a stream would never end by itself."""
LOOPBACK = "127.0.0.1"

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="The urgent appeal case service.")
account_cli = typer.Typer(no_args_is_help=True, help="Accounts of people and machines.")
entity_cli = typer.Typer(no_args_is_help=True, help="Entities: the tree of the network.")
key_cli = typer.Typer(no_args_is_help=True, help="Keys: make one, list them, rotate or revoke one.")
cli.add_typer(entity_cli, name="entity")
cli.add_typer(account_cli, name="account")
cli.add_typer(key_cli, name="key")


def print_line(line: str) -> None:
    """Print one line for people and scripts."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def fail(line: str) -> typer.Exit:
    """Say what is wrong on standard error; the exit that follows."""
    sys.stderr.write(f"appeals: {line}\n")
    return typer.Exit(1)


def _now() -> datetime:
    return datetime.now(UTC)


def _database(settings: Settings, setting: str = "APPEALS_DATABASE") -> Database:
    """The database of the settings, wherever it may be. `setting` is how those begin that name it. Raises:
    SettingsError.
    """
    try:
        return database_of(settings)
    except OSError as error:
        raise _unreadable_file(f"{setting}_PASSWORD_FILE", error) from None
    except UnicodeDecodeError:
        raise SettingsError(f"the password in {settings.database_password_file} is not written in UTF-8") from None
    except (ArgumentError, ValueError):  # whose words may hold a password
        raise SettingsError(f"{setting}_URL is not the URL of a database; docs/configuration.md has examples") from None


def _opened_by_owner(settings: Settings) -> Database:
    """The same database, as who owns its tables. Raises: SettingsError."""
    if settings.migration_database_url is None:
        return _database(settings)
    return _database(settings.of_the_owner(), "APPEALS_MIGRATION_DATABASE")


def _database_with_network(settings: Settings) -> Database:
    """The database that the service has laid and founded. Raises: SettingsError, DatabaseNotReady."""
    database = _database(settings)
    bootstrap.require_network(database)
    return database


def _pepper(settings: Settings) -> bytes:
    """The pepper; a first start makes it. Raises: SettingsError."""
    try:
        return pepper_of(settings)
    except OSError as error:
        raise _unreadable_file("APPEALS_PEPPER_FILE", error) from None


def _existing_pepper(settings: Settings) -> bytes | None:
    """The pepper, unless there is none yet. Raises: SettingsError."""
    return _pepper(settings) if settings.pepper is not None or settings.pepper_file.exists() else None


def _required_pepper(settings: Settings) -> bytes:
    """The pepper that the service uses: keys made with another would open nothing. Raises: SettingsError."""
    pepper = _existing_pepper(settings)
    if pepper is None:
        where = "run this where the service runs, or set APPEALS_PEPPER_FILE"
        raise SettingsError(f"there is no pepper {settings.pepper_file}; {where}")
    return pepper


def _unreadable_file(setting: str, error: OSError) -> SettingsError:
    return SettingsError(f"{setting}: {error.filename}: {error.strerror}")


@cli.command()
def serve() -> None:
    """Serve the API. An embedded database is migrated first; a new network's first keys are printed, once."""
    settings = load_settings()
    database = _database(settings)
    if database.embedded and settings.workers > 1:
        raise fail("SQLite has one writing process: set APPEALS_WORKERS=1, or use PostgreSQL")
    disk_reserve.release(database)
    _existing_pepper(settings)  # one that cannot be used is told before anything is made
    _prepare_schema(database)
    keys = bootstrap.bootstrap(database, _pepper(settings), _now())
    if keys:
        print_line("A new network was founded. These keys are shown this once; keep them safe.")
        print_line(f"admin key: {keys.admin}")
        print_line(f"coordinator key: {keys.coordinator}")
    with database.writing() as session:
        if count_foreign_changes(session):
            reset_feed(session)
    database.engine.dispose()
    raise_file_limit()
    print_line(f"serving on http://{settings.host}:{settings.port}")
    uvicorn.run(
        "appeals.__main__:application",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        forwarded_allow_ips=settings.proxy or LOOPBACK,
        access_log=False,
        server_header=False,
        log_level="warning",
        http=cast(type[asyncio.Protocol], Connections(Limits.of(settings))),  # what makes a protocol, as that does
        ws="none",
        timeout_graceful_shutdown=ENDS_WITHIN_S,
    )


def _prepare_schema(database: Database) -> None:
    """An embedded database is brought to the schema of this release, another is left to `migrate`. Raises:
    DatabaseNotReady.
    """
    if database.embedded:
        migrations.migrate(database)
        _rebuild_missing(database)
    migrations.require_connection(database)
    migrations.require_schema(database)


def _rebuild_missing(database: Database) -> None:
    """Keep views of the cases of which none are kept yet, as after an upgrade; and count anew where that was many."""
    rebuild(database, all_of_them=False)
    catch_up(database, all_counted_cases)


def application() -> FastAPI:
    """The application for the settings of the environment; what each worker process loads."""
    end_with_parent()
    app = create_app(load_settings())
    gc.collect()
    gc.freeze()  # what stands for good is not looked through again with every large body
    return app


@cli.command(context_settings={"ignore_unknown_options": True})  # "-1" is a revision, not an option
def migrate(
    revision: Annotated[str, typer.Argument(help="head, base, or steps back such as -1.")] = "head",
) -> None:
    """Bring the database to a revision. A downgrade drops what the older schema has no place for.

    On a server it gives the service's user its rights, where APPEALS_MIGRATION_DATABASE_URL names another.
    """
    settings = load_settings()
    database, service = _opened_by_owner(settings), _database(settings).engine.url
    migrations.migrate(database, revision, service)
    if revision == "head":
        _rebuild_missing(database)
    print_line(f"schema: {revision}")


@cli.command("rebuild")
def rebuild_snapshots() -> None:
    """Render every case snapshot anew, as this release renders them, and count anew. The service may run meanwhile."""
    database = _database_with_network(load_settings())
    print_line(f"rendered: {rebuild(database, all_of_them=True)} cases")
    recount(database, all_counted_cases)


@cli.command("reset-feed")
def reset_change_feed() -> None:
    """After restoring a copy of the database: have those who read the feed, and webhooks, begin anew."""
    with _database_with_network(load_settings()).writing() as session:
        reset_feed(session)
    print_line("readers of the feed begin anew")


@cli.command("seed")
def seed(
    cases: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many.")] = 800,
    seed: Annotated[int, typer.Option(help="Another number gives another population.")] = 1,
    more: Annotated[bool, typer.Option("--more", help="Also where there are cases already.")] = False,
) -> None:
    """Add invented cases, to try things on, and print keys to look at them: never to a network of real ones."""
    settings = load_settings()
    database, pepper = _database_with_network(settings), _required_pepper(settings)
    with database.reading() as session:
        if not more and session.scalar(select(Case.id).limit(1)) is not None:
            raise fail("there are cases here already; --more adds invented ones beside them")
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Inventing cases", total=cases)
        population.populate(database, cases, seed, _now(), lambda done: progress.advance(task, done))
    print_line(f"made: {cases} cases")
    with database.writing() as session:
        for name, (role, entity) in SEED_KEYS.items():
            holder = _holder(session, role, entity, f"seed {role}")
            ends_at = _now() + timedelta(days=DEFAULT_DAYS)
            print_line(f"{name} key: {new_key(session, holder.id, pepper, _now(), ends_at).text}")


SEED_KEYS = {
    "coordinator": (Role.COORDINATOR, entities.ROOT_NAME),
    "reviewer": (Role.REVIEWER, entities.ROOT_NAME),
    "South Asia reader": (Role.READER, "South Asia"),
    "dashboard": (Role.DASHBOARD, entities.ROOT_NAME),
}
"""Who is given a key to look at invented cases, and where."""


@cli.command()
def lifecycle() -> None:
    """Print the table of steps."""
    print_line(lifecycle_page.table())


@cli.command()
def access() -> None:
    """Print the policy: who calls each operation, with which key, and what the access log calls it."""
    print_line(access_page.table(routes()))


@cli.command()
def docs(check: Annotated[bool, typer.Option("--check", help="Only tell which are out of date.")] = False) -> None:
    """Write the pages that come from the code. For those who change the code: `make docs`."""
    stale = generated_docs.stale(cli, routes())
    if check and stale:
        raise fail(f"out of date, run make docs: {', '.join(stale)}")
    if not check:
        generated_docs.write(cli, routes())


Handle = Annotated[str, typer.Argument(help="The account: a handle, never a person's name.")]
EntityOption = Annotated[str, typer.Option(help="The entity it is held in.")]


@entity_cli.command("new")
def entity_new(
    name: Annotated[str, typer.Argument(help="The name of the organisation or group.")],
    kind: Annotated[EntityKind, typer.Option(help="What it is.")],
    parent: Annotated[str, typer.Option(help="The entity it lies below.")] = entities.ROOT_NAME,
    country: Annotated[str | None, typer.Option(help="Its country, as in BD.")] = None,
) -> None:
    """Add an entity to the network."""
    try:
        data = EntityInput(name=name, kind=kind, parent=parent, country=country)
    except ValidationError as error:
        raise fail("; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())) from None
    with _database_with_network(load_settings()).writing() as session:
        if entities.entity_named(session, data.name) is not None:
            raise fail(f"an entity is named {data.name!r} already")
        entities.new_entity(session, data.name, data.kind, _entity(session, data.parent), data.country)
    print_line(f"{data.name}: {kind} below {parent}")


@entity_cli.command("list")
def entity_list() -> None:
    """List the tree of entities: each below its parent and further in, its kind, its country; tabs between them."""
    with _database_with_network(load_settings()).reading() as session:
        for entity in session.scalars(select(Entity).order_by(Entity.path)):
            depth = entity.path.count("/") - 2
            print_line(f"{'  ' * depth}{entity.name}\t{entity.kind}\t{entity.country or 'no country'}")


@account_cli.command("new")
def account_new(
    name: Handle,
    role: Annotated[Role, typer.Option(help="The role it holds.")],
    entity: EntityOption = entities.ROOT_NAME,
    kind: Annotated[AccountKind, typer.Option(help="A person or a machine.")] = AccountKind.PERSON,
) -> None:
    """Make an account with a role, at once: `appeals doctor` names it until somebody confirms the role.

    One that exists gets the role besides.
    """
    with _database_with_network(load_settings()).writing() as session:
        place = _entity(session, entity)
        account = accounts.account_named(session, name) or _new_account(session, name, kind)
        accounts.grant(session, account, role, place, _now())
    print_line(f"{name}: {role} in {entity}")


def _new_account(session: Session, name: str, kind: AccountKind) -> Account:
    if session.scalar(select(Account.id).where(Account.name == name)) is not None:
        raise fail(f"the account {name!r} was disabled; choose another name")
    return accounts.new_account(session, name, kind, _now())


@account_cli.command("grant")
def account_grant(
    name: Handle,
    role: Annotated[Role, typer.Option(help="The role it shall hold.")],
    entity: EntityOption = entities.ROOT_NAME,
) -> None:
    """Let an account that there is hold a further role, at once; also one that was proposed.

    `appeals doctor` names it until somebody confirms the role.
    """
    with _database_with_network(load_settings()).writing() as session:
        accounts.grant(session, _account(session, name), role, _entity(session, entity), _now())
    print_line(f"{name}: {role} in {entity}")


@account_cli.command("end-role")
def account_end_role(
    name: Handle,
    role: Annotated[Role, typer.Option(help="The role it holds.")],
    entity: EntityOption = entities.ROOT_NAME,
) -> None:
    """Take a role from an account, or a proposal back; it is gone on the next request."""
    with _database_with_network(load_settings()).writing() as session:
        account, place = _account(session, name), _entity(session, entity)
        membership = session.scalar(
            select(Membership).filter_by(account_id=account.id, entity_id=place.id, role=role, ended_at=None)
        )
        if membership is None:
            raise fail(f"{name} is no {role} in {entity}")
        accounts.end(session, membership, _now())
    print_line(f"{name}: no longer {role} in {entity}")


@account_cli.command("disable")
def account_disable(name: Handle, reason: Annotated[DisablingReason, typer.Option(help="Why.")]) -> None:
    """Take an account out of service, for good: all its keys are dead on the next request."""
    with _database_with_network(load_settings()).writing() as session:
        accounts.disable(session, _account(session, name), reason, _now())
    print_line(f"{name}: disabled")


def _account(session: Session, name: str) -> Account:
    """The active account of this name or id."""
    account = accounts.account_named(session, name)
    if account is None:
        raise fail(f"no account is named {name!r}")
    return account


def _entity(session: Session, name: str) -> Entity:
    """The entity of this name or id; without one, the names there are."""
    place = entities.entity_named(session, name)
    if place is None:
        names = ", ".join(session.scalars(select(Entity.name).order_by(Entity.name)))
        raise fail(f"no entity is named {name!r}; there are: {names}")
    return place


@account_cli.command("list")
def account_list() -> None:
    """List every account with its roles."""
    with _database_with_network(load_settings()).reading() as session:
        for account in session.scalars(select(Account).order_by(Account.name)):
            membership_outputs = accounts.account_output(session, account).memberships
            roles = ", ".join(map(_role_text, membership_outputs)) or "no role"
            print_line(f"{account.name}\t{account.kind}\t{roles if account.active else 'disabled'}")


def _role_text(membership: MembershipOutput) -> str:
    proposed = " (proposed)" if membership.state is MembershipState.PROPOSED else ""
    return f"{membership.role} in {membership.entity_name}{proposed}"


SCOPES = list(Scope)


@key_cli.command("new")
def key_new(
    role: Annotated[Role | None, typer.Option(help="Make an account with this role for the key.")] = None,
    entity: Annotated[str, typer.Option(help="The entity the role is held in.")] = entities.ROOT_NAME,
    account: Annotated[str | None, typer.Option(help="Make the key for this account instead.")] = None,
    days: Annotated[int, typer.Option(help="For how many days it is good.", min=1, max=MAX_DAYS)] = DEFAULT_DAYS,
    scope: Annotated[list[Scope], typer.Option(help="What it may be used for; again for another.")] = SCOPES,
) -> None:
    """Make a key. Prints it and nothing else; each call with --role makes an account of its own."""
    settings = load_settings()
    if (role is None) == (account is None):
        raise fail("say either --role or --account")
    database, pepper = _database_with_network(settings), _required_pepper(settings)
    with database.writing() as session:
        holder = _holder(session, role, entity) if role else _account(session, account or "")
        text = new_key(session, holder.id, pepper, _now(), _now() + timedelta(days=days), scope).text
    print_line(text)


def _holder(session: Session, role: Role, entity: str, name: str = "") -> Account:
    """The account of this name, or a new one, with the role."""
    place = _entity(session, entity)
    found = accounts.account_named(session, name) if name else None
    if found is None:
        found = _new_account(session, name or f"{role} {accounts.random_handle()}", AccountKind.PERSON)
    accounts.grant(session, found, role, place, _now())
    return found


@key_cli.command("list")
def key_list() -> None:
    """List every key: its id, account, last day, state, scopes, and when it was last used; tabs between them."""
    with _database_with_network(load_settings()).reading() as session:
        query = select(Key, Account.name).join(Account, Account.id == Key.account_id)
        for key, name in session.execute(query.order_by(Account.name, Key.recorded_at, Key.id)):
            state = "revoked" if key.revoked_at else "rotated" if key.replaced_by_id else "not revoked"
            used = f"used {key.last_used_on}" if key.last_used_on else "never used"
            print_line(f"{key.id}\t{name}\t{key.ends_at.date()}\t{state}\t{' '.join(key.scopes)}\t{used}")


KEY_ID = re.compile(ID)
KeyId = Annotated[str, typer.Argument(help="The 8 characters after ua_.")]


def _key(session: Session, key_id: str, what: str) -> Key:
    """The key of this id."""
    if not KEY_ID.fullmatch(key_id):  # perhaps a whole key: it is not to be shown again
        raise fail(f"a key is {what} by its id: give the 8 characters after ua_ and no others")
    key = session.get(Key, key_id)
    if key is None:
        raise fail("no key has this id")
    return key


@key_cli.command("rotate")
def key_rotate(key_id: KeyId) -> None:
    """Make a key in the place of another. Prints it and nothing else; the old one lives on for a week at most."""
    settings = load_settings()
    database, pepper = _database_with_network(settings), _required_pepper(settings)
    with database.writing() as session:
        text = rotate(session, _key(session, key_id, "rotated"), pepper, _now()).text
    print_line(text)


@key_cli.command("revoke")
def key_revoke(key_id: KeyId) -> None:
    """Kill a key; it is dead on the next request. `appeals key list` tells the ids."""
    with _database_with_network(load_settings()).writing() as session:
        revoke(_key(session, key_id, "revoked"), _now())
    print_line(f"revoked {key_id}")


@cli.command("doctor")
def run_doctor() -> None:
    """Look for what is not safe in settings, keys and roles, and say what to do. Ends with 1 if there are problems."""
    settings = load_settings()
    findings = doctor.findings(settings, _database(settings), _now())
    for finding in findings:
        print_line(f"{'problem' if finding.is_problem else 'note'}: {finding.says}")
    if any(finding.is_problem for finding in findings):
        raise typer.Exit(1)
    print_line("no problems")


REPLAY_ROLES = {"coordinator": Role.COORDINATOR, "caseworker": Role.CASEWORKER, "reviewer": Role.REVIEWER}


@cli.command()
def replay(
    file: Annotated[
        Path,
        typer.Argument(help="Cases in the replay format, one a line; see docs/replay.md.", exists=True, dir_okay=False),
    ],
    url: Annotated[str, typer.Option(help="The service to play them into.")] = "",
    coordinator_key: Annotated[str, typer.Option(envvar="APPEALS_COORDINATOR_KEY")] = "",
    caseworker_key: Annotated[str, typer.Option(envvar="APPEALS_CASEWORKER_KEY")] = "",
    reviewer_key: Annotated[str, typer.Option(envvar="APPEALS_REVIEWER_KEY")] = "",
) -> None:
    """Play real cases over HTTP. They keep their real dates; without keys, some are made for a day, here."""
    settings = load_settings()
    keys = {"coordinator": coordinator_key, "caseworker": caseworker_key, "reviewer": reviewer_key}
    if any(keys.values()) and not all(keys.values()):
        raise fail("give all three keys, or none")
    url = url or f"http://{settings.host}:{settings.port}"
    player.check(file, url)
    if not all(keys.values()):
        keys = _temporary_keys(settings)
    console = Console(width=None if sys.stdout.isatty() else 160)
    results = player.replay(file, url, keys, console)
    if not all(result.fine for result in results):
        raise typer.Exit(1)


def _temporary_keys(settings: Settings) -> dict[str, str]:
    database, pepper = _database_with_network(settings), _required_pepper(settings)
    day = timedelta(days=1)
    with database.writing() as session:
        holders = {
            name: _holder(session, role, entities.ROOT_NAME, f"replay {name}") for name, role in REPLAY_ROLES.items()
        }
        return {
            name: new_key(session, holder.id, pepper, _now(), _now() + day).text for name, holder in holders.items()
        }


def main() -> None:
    """Run the command; ordinary mistakes are told in a sentence."""
    try:
        cli()
    except (SettingsError, migrations.DatabaseNotReady, player.Unplayable) as error:
        sys.exit(f"appeals: {error}")
    except ChangeRefused as refusal:
        sys.exit(f"appeals: {' '.join(item.says for item in refusal.unmet)}")
    except Invalid as refusal:
        sys.exit(f"appeals: {'; '.join(f'{fault.pointer[1:]} {fault.says}' for fault in refusal.faults)}")
    except Busy:
        sys.exit("appeals: the database is busy, nothing was changed; try again")
    except Full:
        sys.exit("appeals: the database has no room left, nothing was changed; make room and try again")
    except Unreachable as error:
        sys.exit(f"appeals: the database refuses: {migrations.failure_text(error.__cause__)}")
    except (OperationalError, ProgrammingError) as error:
        sys.exit(f"appeals: the database refuses: {migrations.failure_text(error)}")


if __name__ == "__main__":
    main()
