"""Authorization of every operation: the caller, the case in the path, and whether the policy permits it."""

import json
import re
from collections.abc import Callable, Set
from dataclasses import dataclass
from datetime import datetime
from re import fullmatch

from sqlalchemy import ColumnElement, Select, bindparam, select
from sqlalchemy.orm import Session

from appeals.access.visibility import cached_statement, is_on_team, visible_filter
from appeals.accounts.caller import Caller
from appeals.api.permissions import Policy
from appeals.cases.case import Case
from appeals.cases.case_reading import WITH_ENTITIES
from appeals.cases.case_rows import case_row
from appeals.database.statement_cache import statement_cache
from appeals.database.types import AnySelect
from appeals.errors import Forbidden, NotFound
from appeals.fields import CASE_REFERENCE
from appeals.json_types import Json
from appeals.transaction import Transaction
from appeals.vocabulary import View

Params = dict[str, str]
Condition = Callable[[Caller], ColumnElement[bool]]
"""Returns an SQL condition on cases for a caller."""


@dataclass(frozen=True)
class AuthorizationContext:
    """The caller, the path parameters and the transaction of a request while its policy is checked.

    The transaction is `reading` or `tx`.
    """

    reading: Session | None
    caller: Caller
    params: Params
    now: datetime
    tx: Transaction | None = None

    @property
    def session(self) -> Session:
        """The session for reading, or for rows that a write changes besides its case."""
        session = self.tx.session if self.tx is not None else self.reading
        if session is None:
            raise RuntimeError("neither reads nor writes")
        return session

    @property
    def writes(self) -> bool:
        """True if the case will be written to."""
        return self.tx is not None


def authorize(authorization: AuthorizationContext, policy: Policy) -> Case | None:
    """Check that the policy permits the request, and return the case of the operation. Raises: NotFound, Forbidden."""
    if policy.view is None:
        if policy.roles and not any(grant.role in policy.roles for grant in authorization.caller.grants):
            raise Forbidden
        return None
    case = get_visible_case(authorization)
    if policy.view is View.WORK and not is_on_team(authorization.caller, case):
        raise Forbidden
    return case


def require_role(authorization: AuthorizationContext, policy: Policy, case: Case) -> None:
    """Check that the caller has a role of the policy on the case. Raises: Forbidden."""
    if policy.roles and not policy.roles_of(authorization.caller, case):
        raise Forbidden


def require_scope(caller: Caller, policy: Policy) -> None:
    """Check that the key has the scope of the policy. Raises: Forbidden."""
    if policy.scope and not policy.public and policy.scope not in caller.scopes:
        raise Forbidden


def get_visible_case(authorization: AuthorizationContext) -> Case:
    """Return the case in the path if the caller may see it, locked if it will be written to. Raises: NotFound."""
    return case_in_path(authorization, visible_filter)


def case_in_path(authorization: AuthorizationContext, policy: Condition) -> Case:
    """Return the case in the path if the condition holds for the caller. Raises: NotFound."""
    reference = authorization.params["ref"]
    match = fullmatch(CASE_REFERENCE, reference)
    tx, caller = authorization.tx, authorization.caller
    if not match:
        case = None
    elif tx is None:
        case = _case(authorization.session, caller, reference, policy)
    else:
        case = _locked_case(tx, caller, reference, policy)
    if case is None:
        raise NotFound
    return case


def visible_case(session: Session, caller: Caller, reference: str) -> Case | None:
    """Return the case with this reference if the caller may see it, or None."""
    return _case(session, caller, reference, visible_filter)


def lock_visible_case(tx: Transaction, caller: Caller, reference: str) -> Case | None:
    """Return the case with this reference, locked for writing, if the caller may see it, or None."""
    return _locked_case(tx, caller, reference, visible_filter)


# Stored idempotent responses


def require_work_view(authorization: AuthorizationContext, reference: str) -> None:
    """Check that the caller still works on the case with this reference. Raises: NotFound, Forbidden."""
    case = visible_case(authorization.session, authorization.caller, reference)
    if case is None:
        raise NotFound
    if not is_on_team(authorization.caller, case):
        raise Forbidden


def filter_replayed(authorization: AuthorizationContext, content: bytes) -> bytes:
    """Return a stored answer without the cases that the caller may no longer see.

    If all may be seen, it is the stored answer, byte for byte. Raises: NotFound, if nothing would remain.
    """
    named = {reference.decode() for reference in _NAMED_CASE.findall(content)}
    unseen = named - _seen_of(authorization, named) if named else named
    if not unseen:
        return content
    data = json.loads(content)
    if _names(data, unseen):
        raise NotFound
    return json.dumps(_without(data, unseen), ensure_ascii=False, separators=(",", ":")).encode()


def _seen_of(authorization: AuthorizationContext, references: Set[str]) -> set[str]:
    query = select(Case.reference).where(Case.reference.in_(references), visible_filter(authorization.caller))
    return set(authorization.session.scalars(query))


def _without(data: Json, unseen: Set[str]) -> Json:
    """Return a value without a hidden case: an item is removed from its list, and a member becomes null."""
    if isinstance(data, list):
        return [_without(item, unseen) for item in data if not _names(item, unseen)]
    if isinstance(data, dict):
        return {
            name: None if name in _BESIDE and value in unseen else _without(value, unseen)
            for name, value in data.items()
        }
    return data


def _names(item: Json, unseen: Set[str]) -> bool:
    return isinstance(item, dict) and any(item.get(name) in unseen for name in _ITSELF)


_ITSELF, _BESIDE = ("reference", "other_reference"), ("merged_into_reference", "survivor")
_NAMED_CASE = re.compile(f'"(?:{"|".join((*_ITSELF, *_BESIDE))})":"(UA-[^"]+)"'.encode())
"""Matches a JSON member with a reference. Inside a text its quotes would be escaped."""


def _case(session: Session, caller: Caller, reference: str, policy: Condition) -> Case | None:
    query = cached_statement(statement_cache(session), caller, _one_case, policy)
    case: Case | None = session.scalar(query, {"reference": reference, "now": caller.now})
    return case


def _one_case(caller: Caller, policy: Condition) -> Select[Case]:
    query = select(Case).where(Case.reference == bindparam("reference"), policy(caller))
    return query.options(*WITH_ENTITIES)


def _locked_case(tx: Transaction, caller: Caller, reference: str, policy: Condition) -> Case | None:
    query = cached_statement(tx.database.statements, caller, _one_locked_case, policy)
    return tx.lock(query, reference=reference, now=caller.now)


def _one_locked_case(caller: Caller, policy: Condition) -> AnySelect:
    query = case_row(Case.reference == bindparam("reference"), policy(caller))
    return query.with_for_update(of=Case)
