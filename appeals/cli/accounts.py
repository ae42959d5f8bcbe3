"""The commands that create, change and list accounts and entities."""

from typing import Annotated

import typer
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from appeals.accounts import account as accounts
from appeals.accounts import entity as entities
from appeals.accounts.account import Account, Membership
from appeals.accounts.account_schemas import MembershipOutput, account_output
from appeals.accounts.entity import Entity, EntityInput
from appeals.cli.database_and_pepper import current_time, open_network
from appeals.cli.terminal import fail, print_line
from appeals.settings import load_settings
from appeals.vocabulary import AccountKind, DisablingReason, EntityKind, MembershipState, Role

cli = typer.Typer()
account_cli = typer.Typer(no_args_is_help=True, help="Create, change and list accounts of people and machines.")
entity_cli = typer.Typer(no_args_is_help=True, help="Create and list entities: the tree of the network.")
cli.add_typer(entity_cli, name="entity")
cli.add_typer(account_cli, name="account")

Handle = Annotated[str, typer.Argument(help="The account: a handle, never a person's name.")]
EntityOption = Annotated[str, typer.Option(help="The entity in which it holds the role.")]


@entity_cli.command("new")
def entity_new(
    name: Annotated[str, typer.Argument(help="The name of the organisation or group.")],
    kind: Annotated[EntityKind, typer.Option(help="The kind of entity.")],
    parent: Annotated[str, typer.Option(help="The entity above it.")] = entities.ROOT_NAME,
    country: Annotated[str | None, typer.Option(help="Its country, such as BD.")] = None,
) -> None:
    """Add an entity to the network."""
    try:
        data = EntityInput(name=name, kind=kind, parent=parent, country=country)
    except ValidationError as error:
        raise fail("; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())) from None
    with open_network(load_settings()).writing() as session:
        if entities.entity_named(session, data.name) is not None:
            raise fail(f"an entity is named {data.name!r} already")
        entities.new_entity(session, data.name, data.kind, require_entity(session, data.parent), data.country)
    print_line(f"{data.name}: {kind} below {parent}")


@entity_cli.command("list")
def entity_list() -> None:
    """List the tree of entities, tab-separated: the name, indented below its parent, the kind and the country."""
    with open_network(load_settings()).reading() as session:
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
    """Create an account with a role, which holds at once. `appeals doctor` lists the role until somebody confirms it.

    If the account exists already, it gets the role in addition.
    """
    with open_network(load_settings()).writing() as session:
        where = require_entity(session, entity)
        account = accounts.account_named(session, name) or _new_account(session, name, kind)
        accounts.grant(session, account, role, where, current_time())
    print_line(f"{name}: {role} in {entity}")


def _new_account(session: Session, name: str, kind: AccountKind) -> Account:
    if session.scalar(select(Account.id).where(Account.name == name)) is not None:
        raise fail(f"the account {name!r} was disabled; choose another name")
    return accounts.new_account(session, name, kind, current_time())


@account_cli.command("grant")
def account_grant(
    name: Handle,
    role: Annotated[Role, typer.Option(help="The new role.")],
    entity: EntityOption = entities.ROOT_NAME,
) -> None:
    """Give an existing account a further role, which holds at once, even if it was only proposed before.

    `appeals doctor` lists the role until somebody confirms it.
    """
    with open_network(load_settings()).writing() as session:
        accounts.grant(session, require_account(session, name), role, require_entity(session, entity), current_time())
    print_line(f"{name}: {role} in {entity}")


@account_cli.command("end-role")
def account_end_role(
    name: Handle,
    role: Annotated[Role, typer.Option(help="The role it holds.")],
    entity: EntityOption = entities.ROOT_NAME,
) -> None:
    """End a role of an account, or withdraw a proposed one. It no longer holds from the next request on."""
    with open_network(load_settings()).writing() as session:
        account, where = require_account(session, name), require_entity(session, entity)
        membership = session.scalar(
            select(Membership).filter_by(account_id=account.id, entity_id=where.id, role=role, ended_at=None)
        )
        if membership is None:
            raise fail(f"{name} is no {role} in {entity}")
        accounts.end(session, membership, current_time())
    print_line(f"{name}: no longer {role} in {entity}")


@account_cli.command("disable")
def account_disable(name: Handle, reason: Annotated[DisablingReason, typer.Option(help="Why.")]) -> None:
    """Disable an account permanently. None of its keys works from the next request on."""
    with open_network(load_settings()).writing() as session:
        accounts.disable(session, require_account(session, name), reason, current_time())
    print_line(f"{name}: disabled")


def require_account(session: Session, name: str) -> Account:
    """Return the active account with this name or id, or end the command."""
    account = accounts.account_named(session, name)
    if account is None:
        raise fail(f"no account is named {name!r}")
    return account


def require_entity(session: Session, name: str) -> Entity:
    """Return the entity with this name or id, or end the command with a list of the names."""
    entity = entities.entity_named(session, name)
    if entity is None:
        names = ", ".join(session.scalars(select(Entity.name).order_by(Entity.name)))
        raise fail(f"no entity is named {name!r}; there are: {names}")
    return entity


@account_cli.command("list")
def account_list() -> None:
    """List every account with its roles."""
    with open_network(load_settings()).reading() as session:
        for account in session.scalars(select(Account).order_by(Account.name)):
            membership_outputs = account_output(session, account).memberships
            roles = ", ".join(map(_role_text, membership_outputs)) or "no role"
            print_line(f"{account.name}\t{account.kind}\t{roles if account.active else 'disabled'}")


def _role_text(membership: MembershipOutput) -> str:
    proposed = " (proposed)" if membership.state is MembershipState.PROPOSED else ""
    return f"{membership.role} in {membership.entity_name}{proposed}"


def account_with_role(session: Session, role: Role, entity: str, name: str = "") -> Account:
    """Return the account of this name with the role; create the account if there is none."""
    where = require_entity(session, entity)
    account = accounts.account_named(session, name) if name else None
    if account is None:
        account = _new_account(session, name or f"{role} {accounts.random_handle()}", AccountKind.PERSON)
    accounts.grant(session, account, role, where, current_time())
    return account
