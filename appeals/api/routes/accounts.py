"""Routes of the network: entities, accounts, memberships, and the caller's own account.

Nobody changes their own account, because an admin must see no case content. Confirming a role is in
`role_confirmation.py`, keys are in `keys.py`.
"""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from appeals.accounts import account as accounts
from appeals.accounts import entity as entities
from appeals.accounts import role_confirmation
from appeals.accounts.account import Account, Membership
from appeals.accounts.account_schemas import (
    AccountInput,
    AccountOutput,
    DisablingInput,
    MembershipInput,
    MembershipOutput,
    account_output,
    membership_output,
)
from appeals.accounts.entity import Entity, EntityOutput
from appeals.accounts.role_confirmation import CONFIRMING
from appeals.api.authorization import AuthorizationContext
from appeals.api.dependencies import Read, Write, writing
from appeals.api.openapi import AS_TABLE
from appeals.api.pagination import Page, page, page_by_id
from appeals.api.parameters import RecordId
from appeals.api.routing import new_router
from appeals.api.transaction import WriteRequest, WriteTransaction
from appeals.errors import FieldError, Forbidden, Invalid, NotFound
from appeals.fields import Model, as_uuid
from appeals.read_models.case_list import PageQuery
from appeals.vocabulary import MembershipState, Role

router = new_router("network")


class Nothing(Model):
    """An empty object: `{}`."""


# Subjects of the paths


def known_account(authorization: AuthorizationContext, _: object) -> Account:
    """Find the account in the path, even a disabled one. Raises: NotFound."""
    account_id = as_uuid(authorization.params["id"])
    account = account_of(authorization.session, account_id, lock=authorization.writes) if account_id else None
    if account is None:
        raise NotFound
    return account


def account_of(session: Session, account_id: UUID, *, lock: bool) -> Account | None:
    """Find an account. With a lock, the keys and roles of one account are changed one after the other."""
    query = select(Account).where(Account.id == account_id)
    query = query.with_for_update(key_share=True) if lock else query
    return session.scalar(query, execution_options={"populate_existing": True})


def governed_account(authorization: AuthorizationContext, _: object) -> Account:
    """Find the account in the path, if the caller is an admin over all its entities. Raises: NotFound, Forbidden."""
    account = known_account(authorization, _)
    if not accounts.administers(authorization.session, authorization.caller, account):
        raise Forbidden
    return account


def adoptable_account(authorization: AuthorizationContext, _: object) -> Account:
    """Find the account in the path, if the caller may propose a role for it. Raises: NotFound, Forbidden."""
    account = known_account(authorization, _)
    if not role_confirmation.belongs_to(authorization.session, authorization.caller, account):
        raise Forbidden
    return account


def known_membership(authorization: AuthorizationContext) -> Membership:
    """Find the membership in the path, with its account locked. Raises: NotFound."""
    membership_id = as_uuid(authorization.params["id"])
    membership = authorization.session.get(Membership, membership_id) if membership_id else None
    if membership is None:
        raise NotFound
    if authorization.writes:
        account_of(authorization.session, membership.account_id, lock=True)
        authorization.session.refresh(membership)
    return membership


def governed_membership(authorization: AuthorizationContext, _: object) -> Membership:
    """Find the membership in the path, if the caller is an admin of its entity; a proposal also for its coordinators.

    Raises: NotFound, Forbidden.
    """
    membership = known_membership(authorization)
    roles = authorization.caller.roles_over(authorization.session.get_one(Entity, membership.entity_id).path)
    may_end = CONFIRMING if membership.state is MembershipState.PROPOSED else {Role.ADMIN}
    if not roles & may_end:
        raise Forbidden
    return membership


@router.get("/v1/me", response_model=AccountOutput)
def get_me(read: Read) -> Response:
    """Who you are here, and your roles.

    The answer is your account with its roles. It tells whether a key works.
    """
    with read.snapshot() as tx:
        account = tx.session.get_one(Account, tx.caller.account_id)
        return tx.respond(account_output(tx.session, account))


@router.get("/v1/entities", response_model=Page[EntityOutput], responses=AS_TABLE)
def list_entities(query: Annotated[PageQuery, Query()], read: Read) -> Response:
    """The entities of the network.

    An entity lies below another; a role in an entity is valid for all entities below it.
    """
    with read.snapshot() as tx:
        rows, after = page_by_id(tx, query, Entity.id, select(Entity))
        return page(tx, EntityOutput, entities.entity_outputs(tx.session, rows), after)


@router.post("/v1/entities", status_code=201, response_model=EntityOutput)
def add_entity(body: entities.EntityInput, write: Write) -> Response:
    """Add an entity to the network.

    Send its name, its kind and the entity above it. Its name is its own in the network.
    """
    with write.transaction() as tx:
        parent = _administered_entity(tx, body.parent, "/parent")
        try:
            entity = entities.new_entity(tx.session, body.name, body.kind, parent, body.country)
        except IntegrityError as error:
            raise Invalid([FieldError("/name", "is already the name of an entity")]) from error
        return tx.respond(entities.entity_outputs(tx.session, [entity])[0])


def _administered_entity(tx: WriteTransaction, name: str, pointer: str) -> Entity:
    """Return the entity that the body names, if the caller is its admin. Raises: Invalid, Forbidden."""
    entity = entities.existing_entity(tx.session, name, pointer)
    if Role.ADMIN not in tx.caller.roles_over(entity.path):
        raise Forbidden
    return entity


@router.get("/v1/accounts", response_model=Page[AccountOutput], responses=AS_TABLE)
def list_accounts(query: Annotated[PageQuery, Query()], read: Read) -> Response:
    """The accounts of the network, to assign cases to.

    The answer is a page of accounts with their roles.
    """
    with read.snapshot() as tx:
        rows, after = page_by_id(tx, query, Account.id, select(Account).where(Account.active))
        return page(tx, AccountOutput, [account_output(tx.session, row) for row in rows], after)


@router.post("/v1/accounts", status_code=201, response_model=AccountOutput)
def add_account(body: AccountInput, write: Write) -> Response:
    """Add an account and propose its role; a role that sees no case is held at once.

    Send its name, its kind, and the role and entity to propose. Another person confirms the role, unless it sees no
    case.
    """
    with write.transaction() as tx:
        entity = _administered_entity(tx, body.entity, "/entity")
        try:
            account = accounts.new_account(tx.session, body.name, body.kind, tx.now)
        except IntegrityError as error:
            raise Invalid([FieldError("/name", "is already the name of an account")]) from error
        role_confirmation.propose(tx.session, account, body.role, entity, tx.caller)
        return tx.respond(account_output(tx.session, account))


@router.post("/v1/accounts/{id}/disabling", status_code=201, response_model=AccountOutput)
def disable_account(
    id: RecordId,
    body: DisablingInput,
    write: Annotated[WriteRequest[Account], writing(governed_account)],
) -> Response:
    """Disable an account permanently.

    Send the reason. Its keys do not work from the next request on.
    """
    with write.transaction() as tx:
        _require_another(tx, tx.subject.id)
        accounts.disable(tx.session, tx.subject, body.reason, tx.now)
        return tx.respond(account_output(tx.session, tx.subject))


@router.post("/v1/accounts/{id}/memberships", status_code=201, response_model=MembershipOutput)
def add_membership(
    id: RecordId,
    body: MembershipInput,
    write: Annotated[WriteRequest[Account], writing(adoptable_account)],
) -> Response:
    """Propose a role for an account; a role that sees no case is held at once.

    Send the role and the entity. Another person confirms it with `confirm_membership`, unless it sees no case.
    """
    with write.transaction() as tx:
        entity = _administered_entity(tx, body.entity, "/entity")
        _require_another(tx, tx.subject.id)
        if not tx.subject.active:
            raise accounts.refused("disabled", "account.disabled")
        membership = role_confirmation.propose(tx.session, tx.subject, body.role, entity, tx.caller)
        return tx.respond(membership_output(membership, entity))


@router.post("/v1/memberships/{id}/ending", status_code=201, response_model=MembershipOutput)
def end_membership(
    id: RecordId, body: Nothing, write: Annotated[WriteRequest[Membership], writing(governed_membership)]
) -> Response:
    """End a role, or withdraw or refuse a proposed one.

    Nothing can be done with the role from the next request on.
    """
    with write.transaction() as tx:
        _require_another(tx, tx.subject.account_id)
        accounts.end(tx.session, tx.subject, tx.now)
        entity = tx.session.get_one(Entity, tx.subject.entity_id)
        return tx.respond(membership_output(tx.subject, entity))


def _require_another(tx: WriteTransaction, account_id: UUID) -> None:
    """Check that it is not the caller's own account. Raises: ChangeRefused."""
    if account_id == tx.caller.account_id:
        raise accounts.refused("active", "account.own")
