"""Doors of the network: entities, accounts, memberships, keys; and who the caller is.

Nobody changes their own account, and nobody makes a key for another: an admin sees no case content, also not through
another's key. How a role is confirmed, and how a first key is made: `web/rights.py`.
"""

from datetime import datetime
from re import fullmatch
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from appeals import key as keys
from appeals import network, rights
from appeals.errors import Fault, Forbidden, Invalid, KeyForAnother, NotFound, Unauthenticated
from appeals.field import Model, as_uuid
from appeals.key import Key, KeyInput, KeyOutput, MintedOutput, minted_output
from appeals.network import Account, Entity, Membership, account_output
from appeals.register import PageQuery
from appeals.rights import CONFIRMING
from appeals.vocabulary import MembershipState, Role, Scope
from appeals.web.door import Answer, Call, Door, Secret, rendered
from appeals.web.gate import Visit
from appeals.web.page import Page, by_id, page, place


class Nothing(Model):
    """Nothing needs to be said: `{}`."""


# What the path names


def known_account(visit: Visit, _: Any) -> Account:
    """The account in the path, also a disabled one. Raises: NotFound."""
    number = as_uuid(visit.params["id"])
    account = _account(visit.session, number, lock=visit.writes) if number else None
    if account is None:
        raise NotFound
    return account


def _account(session: Session, number: UUID, *, lock: bool) -> Account | None:
    """An account; locked, the keys and roles of one account are changed one after the other."""
    found = select(Account).where(Account.id == number)
    found = found.with_for_update(key_share=True) if lock else found
    return session.scalar(found, execution_options={"populate_existing": True})


def governed_account(visit: Visit, _: Any) -> Account:
    """The account in the path, for an admin of all that it holds. Raises: NotFound, Forbidden."""
    account = known_account(visit, _)
    if not network.administers(visit.session, visit.caller, account):
        raise Forbidden
    return account


def own_account(visit: Visit, _: Any) -> Account:
    """The account in the path, if it is the caller's own. Raises: NotFound, KeyForAnother."""
    account = known_account(visit, _)
    if account.id != visit.caller.account_id:
        raise KeyForAnother
    return account


def adoptable_account(visit: Visit, _: Any) -> Account:
    """The account in the path, if the caller may propose a role for it. Raises: NotFound, Forbidden."""
    account = known_account(visit, _)
    if not rights.belongs_to(visit.session, visit.caller, account):
        raise Forbidden
    return account


def known_membership(visit: Visit) -> Membership:
    """The membership in the path, as it stands once nobody else changes its account. Raises: NotFound."""
    membership_id = as_uuid(visit.params["id"])
    membership = visit.session.get(Membership, membership_id) if membership_id else None
    if membership is None:
        raise NotFound
    if visit.writes:
        _account(visit.session, membership.account_id, lock=True)
        visit.session.refresh(membership)
    return membership


def governed_membership(visit: Visit, _: Any) -> Membership:
    """The membership in the path, for an admin of its entity; what is proposed also for its coordinators.

    Raises: NotFound, Forbidden.
    """
    membership = known_membership(visit)
    roles = visit.caller.roles_over(visit.session.get_one(Entity, membership.entity_id).path)
    may_end = CONFIRMING if membership.state is MembershipState.PROPOSED else {Role.ADMIN}
    if not roles & may_end:
        raise Forbidden
    return membership


def own_key(visit: Visit, _: Any) -> Key:
    """The key in the path, if it is the caller's. Raises: NotFound, Forbidden."""
    found = _key(visit)
    if found.account_id != visit.caller.account_id:
        raise NotFound
    _require_manage(visit, found)
    return found


def governed_key(visit: Visit, _: Any) -> Key:
    """The key in the path, if it is the caller's or of an account they administer. Raises: NotFound, Forbidden."""
    found = _key(visit)
    if found.account_id != visit.caller.account_id:
        holder = visit.session.get_one(Account, found.account_id)
        if not network.administers(visit.session, visit.caller, holder):
            raise NotFound
    _require_manage(visit, found)
    return found


def _require_manage(visit: Visit, key: Key) -> None:
    """Any other key than the one that is shown is touched with `manage` alone. Raises: Forbidden."""
    if key.id != visit.caller.key_id and Scope.MANAGE not in visit.caller.scopes:
        raise Forbidden


def _key(visit: Visit) -> Key:
    number = visit.params["key"]
    found = visit.session.get(Key, number) if fullmatch(keys.ID, number) else None
    if found is None:
        raise NotFound
    return found


# Entities, accounts, memberships


def show_me(call: Call) -> Answer:
    account = call.session.get_one(Account, call.caller.account_id)
    return rendered(account_output(call.session, account))


def list_entities(call: Call) -> Answer:
    rows, following = by_id(call, Entity, select(Entity))
    return page(call, network.EntityOutput, network.entity_outputs(call.session, rows), following)


def add_entity(call: Call) -> Answer:
    said: network.EntityInput = call.body
    parent = _administered(call, said.parent, "/parent")
    try:
        made = network.new_entity(call.session, said.name, said.kind, parent, said.country)
    except IntegrityError as error:
        raise Invalid([Fault("/name", "is the name of another entity")]) from error
    return rendered(network.entity_outputs(call.session, [made])[0], 201)


def _administered(call: Call, named: str, pointer: str) -> Entity:
    """The entity that the body names, if the caller is its admin. Raises: Invalid, Forbidden."""
    entity = network.existing_entity(call.session, named, pointer)
    if Role.ADMIN not in call.caller.roles_over(entity.path):
        raise Forbidden
    return entity


def list_accounts(call: Call) -> Answer:
    rows, following = by_id(call, Account, select(Account).where(Account.active))
    return page(call, network.AccountOutput, [account_output(call.session, row) for row in rows], following)


def add_account(call: Call) -> Answer:
    said: network.AccountInput = call.body
    entity = _administered(call, said.entity, "/entity")
    try:
        made = network.new_account(call.session, said.name, said.kind, call.now)
    except IntegrityError as error:
        raise Invalid([Fault("/name", "is the name of another account")]) from error
    rights.propose(call.session, made, said.role, entity, call.caller)
    return rendered(account_output(call.session, made), 201)


def disable_account(call: Call) -> Answer:
    said: network.DisablingInput = call.body
    _require_another(call, call.subject.id)
    network.disable(call.session, call.subject, said.reason, call.now)
    return rendered(account_output(call.session, call.subject), 201)


def add_membership(call: Call) -> Answer:
    said: network.MembershipInput = call.body
    entity = _administered(call, said.entity, "/entity")
    _require_another(call, call.subject.id)
    if not call.subject.active:
        raise network.refused("disabled", "account.disabled")
    made = rights.propose(call.session, call.subject, said.role, entity, call.caller)
    return rendered(network.membership_output(made, entity), 201)


def end_membership(call: Call) -> Answer:
    held: Membership = call.subject
    _require_another(call, held.account_id)
    network.end(call.session, held, call.now)
    return rendered(network.membership_output(held, call.session.get_one(Entity, held.entity_id)), 201)


def _require_another(call: Call, account_id: UUID) -> None:
    """See that it is not the caller's own account. Raises: ChangeRefused."""
    if account_id == call.caller.account_id:
        raise network.refused("active", "account.own")


# Keys


def list_own_keys(call: Call) -> Answer:
    return _listed(call, call.caller.account_id)


def list_account_keys(call: Call) -> Answer:
    return _listed(call, call.subject.id)


def _listed(call: Call, account_id: UUID) -> Answer:
    """A page of an account's keys, the oldest first."""
    query = select(Key).where(Key.account_id == account_id)
    after = place(call)
    if after is not None:
        made, number = datetime.fromisoformat(after[0]), after[1]
        query = query.where(or_(Key.recorded_at > made, and_(Key.recorded_at == made, Key.id > number)))
    rows = list(call.session.scalars(query.order_by(Key.recorded_at, Key.id).limit(call.query.limit + 1)))
    shown = rows[: call.query.limit]
    following = [shown[-1].recorded_at.isoformat(), shown[-1].id] if len(rows) > len(shown) else None
    return page(call, KeyOutput, [KeyOutput.of(key) for key in shown], following)


def make_own_key(call: Call) -> Answer:
    """Its answer holds a secret."""
    made = keys.further_key(call.session, _shown_key(call), call.body, call.desk.pepper, call.now)
    return rendered(minted_output(made), 201)


def rotate_own_key(call: Call) -> Answer:
    """Its answer holds a secret."""
    shown = _shown_key(call)
    call.session.refresh(call.subject)
    return rendered(minted_output(keys.rotate(call.session, call.subject, call.desk.pepper, call.now, shown)), 201)


def _shown_key(call: Call) -> Key:
    """The key that the caller shows, as it stands once nobody else changes their keys. Raises: Unauthenticated."""
    account = _account(call.session, call.caller.account_id, lock=True)
    shown = call.session.get_one(Key, call.caller.key_id, populate_existing=True)
    if not (account and account.active and shown.lives(call.now)):
        raise Unauthenticated
    return shown


def revoke_key(call: Call) -> Answer:
    call.session.refresh(call.subject, with_for_update=True)
    keys.revoke(call.subject, call.now)
    call.session.flush()
    return rendered(KeyOutput.of(call.subject), 201)


def doors() -> list[Door]:
    """Every door of the network."""
    listed: dict[str, Any] = {"query": PageQuery, "as_table": True, "tag": "network"}
    return [
        Door(
            "GET", "/v1/me", "show_me", "Who you are here, and your roles.", show_me, network.AccountOutput,
            tag="network",
        ),
        Door(
            "GET", "/v1/entities", "list_entities", "The entities of the network.", list_entities,
            Page[network.EntityOutput], **listed,
        ),
        Door(
            "POST", "/v1/entities", "add_entity", "Add an entity to the network.", add_entity, network.EntityOutput,
            201, network.EntityInput, tag="network",
        ),
        Door(
            "GET", "/v1/accounts", "list_accounts", "The accounts of the network, to assign cases to.",
            list_accounts, Page[network.AccountOutput], **listed,
        ),
        Door(
            "POST", "/v1/accounts", "add_account",
            "Add an account and propose its role; one that sees no case is held at once.", add_account,
            network.AccountOutput, 201, network.AccountInput, tag="network",
        ),
        Door(
            "POST", "/v1/accounts/{id}/disabling", "disable_account", "Take an account out of service, for good.",
            disable_account, network.AccountOutput, 201, network.DisablingInput, finds=governed_account,
            tag="network",
        ),
        Door(
            "POST", "/v1/accounts/{id}/memberships", "add_membership",
            "Propose that an account shall hold a role; one that sees no case is held at once.",
            add_membership, network.MembershipOutput, 201, network.MembershipInput, finds=adoptable_account,
            tag="network",
        ),
        Door(
            "POST", "/v1/memberships/{id}/ending", "end_membership",
            "Take a role away, take a proposal back or refuse it.", end_membership,
            network.MembershipOutput, 201, Nothing, finds=governed_membership, tag="network",
        ),
        Door(
            "GET", "/v1/accounts/{id}/keys", "list_account_keys", "The keys of an account, without their secrets.",
            list_account_keys, Page[KeyOutput], finds=governed_account, **listed,
        ),
        Door(
            "POST", "/v1/accounts/{id}/keys", "make_first_key",
            "Make a further key of your own; nobody makes one for another account.", make_own_key, MintedOutput, 201,
            KeyInput, finds=own_account, secret=Secret.REFUSE, tag="network",
        ),
        Door(
            "GET", "/v1/keys", "list_own_keys", "Your keys, without their secrets.", list_own_keys, Page[KeyOutput],
            **listed,
        ),
        Door(
            "POST", "/v1/keys", "make_own_key", "Make a further key of yours, no wider and no longer than this one.",
            make_own_key, MintedOutput, 201, KeyInput, secret=Secret.REFUSE, tag="network",
        ),
        Door(
            "POST", "/v1/keys/{key}/rotation", "rotate_own_key", "Make a key in the place of another of yours.",
            rotate_own_key, MintedOutput, 201, Nothing, finds=own_key, secret=Secret.REFUSE, tag="network",
        ),
        Door(
            "POST", "/v1/keys/{key}/revocation", "revoke_key", "Kill a key: it is dead on the next request.",
            revoke_key, KeyOutput, 201, Nothing, finds=governed_key, tag="network",
        ),
    ]  # fmt: skip
