"""The commands that create, list, rotate and revoke API keys."""

import re
from datetime import timedelta
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from appeals.accounts import entity as entities
from appeals.accounts.account import Account
from appeals.accounts.api_key import DEFAULT_DAYS, ID, MAX_DAYS, Key, new_key, revoke, rotate
from appeals.cli.accounts import account_with_role, require_account
from appeals.cli.database_and_pepper import current_time, open_network, required_pepper
from appeals.cli.terminal import fail, print_line
from appeals.settings import load_settings
from appeals.vocabulary import Role, Scope

cli = typer.Typer()
key_cli = typer.Typer(no_args_is_help=True, help="Create, list, rotate and revoke API keys.")
cli.add_typer(key_cli, name="key")

SCOPES = list(Scope)


@key_cli.command("new")
def key_new(
    role: Annotated[Role | None, typer.Option(help="Create an account with this role, and a key for it.")] = None,
    entity: Annotated[str, typer.Option(help="The entity in which the account holds the role.")] = entities.ROOT_NAME,
    account: Annotated[str | None, typer.Option(help="Create the key for this existing account instead.")] = None,
    days: Annotated[int, typer.Option(help="For how many days the key is valid.", min=1, max=MAX_DAYS)] = DEFAULT_DAYS,
    scope: Annotated[list[Scope], typer.Option(help="A scope of the key; repeat for several.")] = SCOPES,
) -> None:
    """Create a key and print only the key. Each call with --role creates a new account."""
    settings = load_settings()
    if (role is None) == (account is None):
        raise fail("give either --role or --account")
    database, pepper = open_network(settings), required_pepper(settings)
    with database.writing() as session:
        holder = account_with_role(session, role, entity) if role else require_account(session, account or "")
        text = new_key(session, holder.id, pepper, current_time(), current_time() + timedelta(days=days), scope).text
    print_line(text)


@key_cli.command("list")
def key_list() -> None:
    """List all keys, tab-separated: id, account, last day, state, scopes and last use."""
    with open_network(load_settings()).reading() as session:
        query = select(Key, Account.name).join(Account, Account.id == Key.account_id)
        for key, name in session.execute(query.order_by(Account.name, Key.recorded_at, Key.id)):
            state = "revoked" if key.revoked_at else "rotated" if key.replaced_by_id else "not revoked"
            used = f"used {key.last_used_on}" if key.last_used_on else "never used"
            print_line(f"{key.id}\t{name}\t{key.ends_at.date()}\t{state}\t{' '.join(key.scopes)}\t{used}")


KEY_ID = re.compile(ID)
KeyId = Annotated[str, typer.Argument(help="The 8 characters after ua_.")]


def _key(session: Session, key_id: str, what: str) -> Key:
    """Return the key with this id, or end the command. `what` completes the sentence, such as "revoked"."""
    if not KEY_ID.fullmatch(key_id):  # it may be a whole key, which must not be printed
        raise fail(f"a key is {what} by its id: give only the 8 characters after ua_")
    key = session.get(Key, key_id)
    if key is None:
        raise fail("no key has this id")
    return key


@key_cli.command("rotate")
def key_rotate(key_id: KeyId) -> None:
    """Create a key that replaces another, and print only the new key. The old one works for at most a week."""
    settings = load_settings()
    database, pepper = open_network(settings), required_pepper(settings)
    with database.writing() as session:
        text = rotate(session, _key(session, key_id, "rotated"), pepper, current_time()).text
    print_line(text)


@key_cli.command("revoke")
def key_revoke(key_id: KeyId) -> None:
    """Revoke a key, which does not work from the next request on. `appeals key list` shows the ids."""
    with open_network(load_settings()).writing() as session:
        revoke(_key(session, key_id, "revoked"), current_time())
    print_line(f"revoked {key_id}")
