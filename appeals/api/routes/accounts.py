"""Operations of the network: entities, accounts, memberships, keys; and who the caller is.

Nobody changes their own account, and nobody makes a key for another: an admin sees no case content, also not through
another's key. How a role is confirmed, and how a first key is made: `api/routes/role_confirmation.py`.
"""

from datetime import datetime
from re import fullmatch
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from appeals.accounts import account as accounts
from appeals.accounts import api_key as keys
from appeals.accounts import entity as entities
from appeals.accounts import role_confirmation
from appeals.accounts.account import Account, Membership, account_output
from appeals.accounts.api_key import Key, KeyInput, KeyOutput, NewKeyOutput, new_key_output
from appeals.accounts.entity import Entity
from appeals.accounts.role_confirmation import CONFIRMING
from appeals.api.authorization import AuthorizationContext
from appeals.api.pagination import Page, decode_cursor, page, page_by_id
from appeals.api.routing import Operation, ReplayPolicy, RequestContext, Result, json_response
from appeals.errors import FieldError, Forbidden, Invalid, KeyForAnother, NotFound, Unauthenticated
from appeals.fields import Model, as_uuid
from appeals.read_models.case_list import PageQuery
from appeals.vocabulary import MembershipState, Role, Scope


class Nothing(Model):
    """Nothing needs to be said: `{}`."""


# What the path names


def known_account(authorization: AuthorizationContext, _: Any) -> Account:
    """The account in the path, also a disabled one. Raises: NotFound."""
    account_id = as_uuid(authorization.params["id"])
    account = _account(authorization.session, account_id, lock=authorization.writes) if account_id else None
    if account is None:
        raise NotFound
    return account


def _account(session: Session, account_id: UUID, *, lock: bool) -> Account | None:
    """An account; locked, the keys and roles of one account are changed one after the other."""
    query = select(Account).where(Account.id == account_id)
    query = query.with_for_update(key_share=True) if lock else query
    return session.scalar(query, execution_options={"populate_existing": True})


def governed_account(authorization: AuthorizationContext, _: Any) -> Account:
    """The account in the path, for an admin of all that it holds. Raises: NotFound, Forbidden."""
    account = known_account(authorization, _)
    if not accounts.administers(authorization.session, authorization.caller, account):
        raise Forbidden
    return account


def own_account(authorization: AuthorizationContext, _: Any) -> Account:
    """The account in the path, if it is the caller's own. Raises: NotFound, KeyForAnother."""
    account = known_account(authorization, _)
    if account.id != authorization.caller.account_id:
        raise KeyForAnother
    return account


def adoptable_account(authorization: AuthorizationContext, _: Any) -> Account:
    """The account in the path, if the caller may propose a role for it. Raises: NotFound, Forbidden."""
    account = known_account(authorization, _)
    if not role_confirmation.belongs_to(authorization.session, authorization.caller, account):
        raise Forbidden
    return account


def known_membership(authorization: AuthorizationContext) -> Membership:
    """The membership in the path, as it stands once nobody else changes its account. Raises: NotFound."""
    membership_id = as_uuid(authorization.params["id"])
    membership = authorization.session.get(Membership, membership_id) if membership_id else None
    if membership is None:
        raise NotFound
    if authorization.writes:
        _account(authorization.session, membership.account_id, lock=True)
        authorization.session.refresh(membership)
    return membership


def governed_membership(authorization: AuthorizationContext, _: Any) -> Membership:
    """The membership in the path, for an admin of its entity; what is proposed also for its coordinators.

    Raises: NotFound, Forbidden.
    """
    membership = known_membership(authorization)
    roles = authorization.caller.roles_over(authorization.session.get_one(Entity, membership.entity_id).path)
    may_end = CONFIRMING if membership.state is MembershipState.PROPOSED else {Role.ADMIN}
    if not roles & may_end:
        raise Forbidden
    return membership


def own_key(authorization: AuthorizationContext, _: Any) -> Key:
    """The key in the path, if it is the caller's. Raises: NotFound, Forbidden."""
    key = _key(authorization)
    if key.account_id != authorization.caller.account_id:
        raise NotFound
    _require_manage(authorization, key)
    return key


def governed_key(authorization: AuthorizationContext, _: Any) -> Key:
    """The key in the path, if it is the caller's or of an account they administer. Raises: NotFound, Forbidden."""
    key = _key(authorization)
    if key.account_id != authorization.caller.account_id:
        holder = authorization.session.get_one(Account, key.account_id)
        if not accounts.administers(authorization.session, authorization.caller, holder):
            raise NotFound
    _require_manage(authorization, key)
    return key


def _require_manage(authorization: AuthorizationContext, key: Key) -> None:
    """Any other key than the one that is shown is touched with `manage` alone. Raises: Forbidden."""
    if key.id != authorization.caller.key_id and Scope.MANAGE not in authorization.caller.scopes:
        raise Forbidden


def _key(authorization: AuthorizationContext) -> Key:
    number = authorization.params["key"]
    key = authorization.session.get(Key, number) if fullmatch(keys.ID, number) else None
    if key is None:
        raise NotFound
    return key


# Entities, accounts, memberships


def get_me(call: RequestContext) -> Result:
    account = call.session.get_one(Account, call.caller.account_id)
    return json_response(account_output(call.session, account))


def list_entities(call: RequestContext) -> Result:
    rows, following = page_by_id(call, Entity, select(Entity))
    return page(call, entities.EntityOutput, entities.entity_outputs(call.session, rows), following)


def add_entity(call: RequestContext) -> Result:
    data: entities.EntityInput = call.body
    parent = _administered(call, data.parent, "/parent")
    try:
        made = entities.new_entity(call.session, data.name, data.kind, parent, data.country)
    except IntegrityError as error:
        raise Invalid([FieldError("/name", "is the name of another entity")]) from error
    return json_response(entities.entity_outputs(call.session, [made])[0], 201)


def _administered(call: RequestContext, named: str, pointer: str) -> Entity:
    """The entity that the body names, if the caller is its admin. Raises: Invalid, Forbidden."""
    entity = entities.existing_entity(call.session, named, pointer)
    if Role.ADMIN not in call.caller.roles_over(entity.path):
        raise Forbidden
    return entity


def list_accounts(call: RequestContext) -> Result:
    rows, following = page_by_id(call, Account, select(Account).where(Account.active))
    return page(call, accounts.AccountOutput, [account_output(call.session, row) for row in rows], following)


def add_account(call: RequestContext) -> Result:
    data: accounts.AccountInput = call.body
    entity = _administered(call, data.entity, "/entity")
    try:
        made = accounts.new_account(call.session, data.name, data.kind, call.now)
    except IntegrityError as error:
        raise Invalid([FieldError("/name", "is the name of another account")]) from error
    role_confirmation.propose(call.session, made, data.role, entity, call.caller)
    return json_response(account_output(call.session, made), 201)


def disable_account(call: RequestContext) -> Result:
    data: accounts.DisablingInput = call.body
    _require_another(call, call.subject.id)
    accounts.disable(call.session, call.subject, data.reason, call.now)
    return json_response(account_output(call.session, call.subject), 201)


def add_membership(call: RequestContext) -> Result:
    data: accounts.MembershipInput = call.body
    entity = _administered(call, data.entity, "/entity")
    _require_another(call, call.subject.id)
    if not call.subject.active:
        raise accounts.refused("disabled", "account.disabled")
    membership = role_confirmation.propose(call.session, call.subject, data.role, entity, call.caller)
    return json_response(accounts.membership_output(membership, entity), 201)


def end_membership(call: RequestContext) -> Result:
    membership: Membership = call.subject
    _require_another(call, membership.account_id)
    accounts.end(call.session, membership, call.now)
    return json_response(
        accounts.membership_output(membership, call.session.get_one(Entity, membership.entity_id)), 201
    )


def _require_another(call: RequestContext, account_id: UUID) -> None:
    """See that it is not the caller's own account. Raises: ChangeRefused."""
    if account_id == call.caller.account_id:
        raise accounts.refused("active", "account.own")


# Keys


def list_own_keys(call: RequestContext) -> Result:
    return _listed(call, call.caller.account_id)


def list_account_keys(call: RequestContext) -> Result:
    return _listed(call, call.subject.id)


def _listed(call: RequestContext, account_id: UUID) -> Result:
    """A page of an account's keys, the oldest first."""
    query = select(Key).where(Key.account_id == account_id)
    after = decode_cursor(call)
    if after is not None:
        made, number = datetime.fromisoformat(after[0]), after[1]
        query = query.where(or_(Key.recorded_at > made, and_(Key.recorded_at == made, Key.id > number)))
    rows = list(call.session.scalars(query.order_by(Key.recorded_at, Key.id).limit(call.query.limit + 1)))
    shown = rows[: call.query.limit]
    following = [shown[-1].recorded_at.isoformat(), shown[-1].id] if len(rows) > len(shown) else None
    return page(call, KeyOutput, [KeyOutput.of(key) for key in shown], following)


def create_own_key(call: RequestContext) -> Result:
    """Its answer holds a secret."""
    new_key = keys.create_key(call.session, _shown_key(call), call.body, call.context.pepper, call.now)
    return json_response(new_key_output(new_key), 201)


def rotate_own_key(call: RequestContext) -> Result:
    """Its answer holds a secret."""
    shown = _shown_key(call)
    call.session.refresh(call.subject)
    return json_response(
        new_key_output(keys.rotate(call.session, call.subject, call.context.pepper, call.now, shown)), 201
    )


def _shown_key(call: RequestContext) -> Key:
    """The key that the caller shows, as it stands once nobody else changes their keys. Raises: Unauthenticated."""
    account = _account(call.session, call.caller.account_id, lock=True)
    shown = call.session.get_one(Key, call.caller.key_id, populate_existing=True)
    if not (account and account.active and shown.is_active(call.now)):
        raise Unauthenticated
    return shown


def revoke_key(call: RequestContext) -> Result:
    call.session.refresh(call.subject, with_for_update=True)
    keys.revoke(call.subject, call.now)
    call.session.flush()
    return json_response(KeyOutput.of(call.subject), 201)


def operations() -> list[Operation]:
    """Every operation of the network."""
    listed: dict[str, Any] = {"query_model": PageQuery, "as_table": True, "tag": "network"}
    return [
        Operation(
            "GET", "/v1/me", "get_me", "Who you are here, and your roles.", get_me, accounts.AccountOutput,
            tag="network",
        ),
        Operation(
            "GET", "/v1/entities", "list_entities", "The entities of the network.", list_entities,
            Page[entities.EntityOutput], **listed,
        ),
        Operation(
            "POST", "/v1/entities", "add_entity", "Add an entity to the network.", add_entity, entities.EntityOutput,
            201, entities.EntityInput, tag="network",
        ),
        Operation(
            "GET", "/v1/accounts", "list_accounts", "The accounts of the network, to assign cases to.",
            list_accounts, Page[accounts.AccountOutput], **listed,
        ),
        Operation(
            "POST", "/v1/accounts", "add_account",
            "Add an account and propose its role; one that sees no case is held at once.", add_account,
            accounts.AccountOutput, 201, accounts.AccountInput, tag="network",
        ),
        Operation(
            "POST", "/v1/accounts/{id}/disabling", "disable_account", "Take an account out of service, for good.",
            disable_account, accounts.AccountOutput, 201, accounts.DisablingInput, subject=governed_account,
            tag="network",
        ),
        Operation(
            "POST", "/v1/accounts/{id}/memberships", "add_membership",
            "Propose that an account shall hold a role; one that sees no case is held at once.",
            add_membership, accounts.MembershipOutput, 201, accounts.MembershipInput, subject=adoptable_account,
            tag="network",
        ),
        Operation(
            "POST", "/v1/memberships/{id}/ending", "end_membership",
            "Take a role away, take a proposal back or refuse it.", end_membership,
            accounts.MembershipOutput, 201, Nothing, subject=governed_membership, tag="network",
        ),
        Operation(
            "GET", "/v1/accounts/{id}/keys", "list_account_keys", "The keys of an account, without their secrets.",
            list_account_keys, Page[KeyOutput], subject=governed_account, **listed,
        ),
        Operation(
            "POST", "/v1/accounts/{id}/keys", "create_first_key",
            "Make a further key of your own; nobody makes one for another account.", create_own_key, NewKeyOutput, 201,
            KeyInput, subject=own_account, replay_policy=ReplayPolicy.REFUSE, tag="network",
        ),
        Operation(
            "GET", "/v1/keys", "list_own_keys", "Your keys, without their secrets.", list_own_keys, Page[KeyOutput],
            **listed,
        ),
        Operation(
            "POST", "/v1/keys", "create_own_key", "Make a further key of yours, no wider and no longer than this one.",
            create_own_key, NewKeyOutput, 201, KeyInput, replay_policy=ReplayPolicy.REFUSE, tag="network",
        ),
        Operation(
            "POST", "/v1/keys/{key}/rotation", "rotate_own_key", "Make a key in the place of another of yours.",
            rotate_own_key, NewKeyOutput, 201, Nothing, subject=own_key, replay_policy=ReplayPolicy.REFUSE,
            tag="network",
        ),
        Operation(
            "POST", "/v1/keys/{key}/revocation", "revoke_key", "Kill a key: it is dead on the next request.",
            revoke_key, KeyOutput, 201, Nothing, subject=governed_key, tag="network",
        ),
    ]  # fmt: skip
