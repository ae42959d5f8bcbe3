"""Routes of API keys. Nobody creates a key for another account, because an admin must see no case content.

How a first key is created is in `role_confirmation.py`.
"""

from datetime import datetime
from re import fullmatch
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from sqlalchemy import and_, or_, select

from appeals.accounts import account as accounts
from appeals.accounts import api_key as keys
from appeals.accounts.account import Account
from appeals.accounts.api_key import Key, KeyInput, KeyOutput, NewKeyOutput, new_key_output
from appeals.api.authorization import AuthorizationContext
from appeals.api.dependencies import Read, reading, writing
from appeals.api.openapi import AS_TABLE
from appeals.api.pagination import Page, decode_cursor, page
from appeals.api.parameters import KeyId, RecordId
from appeals.api.routes.accounts import Nothing, account_of, governed_account, known_account
from appeals.api.routing import new_router
from appeals.api.snapshot import Snapshot
from appeals.api.transaction import ReadRequest, ReplayPolicy, WriteRequest, WriteTransaction
from appeals.errors import Forbidden, KeyForAnother, NotFound, Unauthenticated
from appeals.read_models.case_list import PageQuery
from appeals.vocabulary import Scope

router = new_router("network")


def own_account(authorization: AuthorizationContext, _: object) -> Account:
    """Find the account in the path, if it is the caller's own. Raises: NotFound, KeyForAnother."""
    account = known_account(authorization, _)
    if account.id != authorization.caller.account_id:
        raise KeyForAnother
    return account


def own_key(authorization: AuthorizationContext, _: object) -> Key:
    """Find the key in the path, if it is the caller's. Raises: NotFound, Forbidden."""
    key = _key(authorization)
    if key.account_id != authorization.caller.account_id:
        raise NotFound
    _require_manage(authorization, key)
    return key


def governed_key(authorization: AuthorizationContext, _: object) -> Key:
    """Find the key in the path, if it is the caller's or of an account they administer. Raises: NotFound, Forbidden."""
    key = _key(authorization)
    if key.account_id != authorization.caller.account_id:
        holder = authorization.session.get_one(Account, key.account_id)
        if not accounts.administers(authorization.session, authorization.caller, holder):
            raise NotFound
    _require_manage(authorization, key)
    return key


def _require_manage(authorization: AuthorizationContext, key: Key) -> None:
    """Check that the key in use has the scope `manage`, unless it is the key in question. Raises: Forbidden."""
    if key.id != authorization.caller.key_id and Scope.MANAGE not in authorization.caller.scopes:
        raise Forbidden


def _key(authorization: AuthorizationContext) -> Key:
    number = authorization.params["key"]
    key = authorization.session.get(Key, number) if fullmatch(keys.ID, number) else None
    if key is None:
        raise NotFound
    return key


@router.get("/v1/accounts/{id}/keys", response_model=Page[KeyOutput], responses=AS_TABLE)
def list_account_keys(
    id: RecordId,
    query: Annotated[PageQuery, Query()],
    read: Annotated[ReadRequest[Account], reading(governed_account)],
) -> Response:
    """The keys of an account, without their secrets.

    The answer shows when each key ends and when it was last used.
    """
    with read.snapshot() as tx:
        return _page_of_keys(tx, query, tx.subject.id)


@router.post("/v1/accounts/{id}/keys", status_code=201, response_model=NewKeyOutput)
def create_first_key(
    id: RecordId,
    body: KeyInput,
    write: Annotated[WriteRequest[Account], writing(own_account, replay_policy=ReplayPolicy.REFUSE)],
) -> Response:
    """Create a further key of your own; nobody creates one for another account.

    The holder of another account creates the first key with an enrolment code. The answer shows the key once.
    """
    with write.transaction() as tx:
        return _create_key(tx, body)


@router.get("/v1/keys", response_model=Page[KeyOutput], responses=AS_TABLE)
def list_own_keys(query: Annotated[PageQuery, Query()], read: Read) -> Response:
    """Your keys, without their secrets.

    The answer shows when each key ends and when it was last used.
    """
    with read.snapshot() as tx:
        return _page_of_keys(tx, query, tx.caller.account_id)


def _page_of_keys(tx: Snapshot, query: PageQuery, account_id: UUID) -> Response:
    """Return a page of an account's keys, the oldest first."""
    statement = select(Key).where(Key.account_id == account_id)
    after = decode_cursor(tx, query)
    if after is not None:
        made_at, key_id = datetime.fromisoformat(after[0]), after[1]
        later = and_(Key.recorded_at == made_at, Key.id > key_id)
        statement = statement.where(or_(Key.recorded_at > made_at, later))
    rows = list(tx.session.scalars(statement.order_by(Key.recorded_at, Key.id).limit(query.limit + 1)))
    shown = rows[: query.limit]
    following = [shown[-1].recorded_at.isoformat(), shown[-1].id] if len(rows) > len(shown) else None
    return page(tx, KeyOutput, [KeyOutput.of(key) for key in shown], following)


@router.post("/v1/keys", status_code=201, response_model=NewKeyOutput)
def create_own_key(
    body: KeyInput, write: Annotated[WriteRequest, writing(replay_policy=ReplayPolicy.REFUSE)]
) -> Response:
    """Create a further key of yours, with at most the scopes and lifetime of this one.

    Send the scopes and for how many days it is valid. The answer shows the key once.
    """
    with write.transaction() as tx:
        return _create_key(tx, body)


def _create_key(tx: WriteTransaction, body: KeyInput) -> Response:
    new_key = keys.create_key(tx.session, _shown_key(tx), body, tx.context.pepper, tx.now)
    return tx.respond(new_key_output(new_key))


@router.post("/v1/keys/{key}/rotation", status_code=201, response_model=NewKeyOutput)
def rotate_own_key(
    key: KeyId,
    body: Nothing,
    write: Annotated[WriteRequest[Key], writing(own_key, replay_policy=ReplayPolicy.REFUSE)],
) -> Response:
    """Create a key that replaces another of yours.

    The old key works for a week at most. The answer shows the new key once.
    """
    with write.transaction() as tx:
        shown = _shown_key(tx)
        tx.session.refresh(tx.subject)
        return tx.respond(new_key_output(keys.rotate(tx.session, tx.subject, tx.context.pepper, tx.now, shown)))


def _shown_key(tx: WriteTransaction) -> Key:
    """Return the key in use, with its account locked. Raises: Unauthenticated."""
    account = account_of(tx.session, tx.caller.account_id, lock=True)
    shown = tx.session.get_one(Key, tx.caller.key_id, populate_existing=True)
    if not (account and account.active and shown.is_active(tx.now)):
        raise Unauthenticated
    return shown


@router.post("/v1/keys/{key}/revocation", status_code=201, response_model=KeyOutput)
def revoke_key(key: KeyId, body: Nothing, write: Annotated[WriteRequest[Key], writing(governed_key)]) -> Response:
    """Revoke a key, which does not work from the next request on.

    Name the key by the 8 characters after `ua_`. A revoked key stays revoked.
    """
    with write.transaction() as tx:
        tx.session.refresh(tx.subject, with_for_update=True)
        keys.revoke(tx.subject, tx.now)
        tx.session.flush()
        return tx.respond(KeyOutput.of(tx.subject))
