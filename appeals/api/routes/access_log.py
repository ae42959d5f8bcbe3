"""The route of the access log, for auditors."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, selectinload

from appeals.access.access_log import AccessEntry, readable_filter
from appeals.access.audit import Audit
from appeals.accounts.account import Account
from appeals.api.dependencies import Read
from appeals.api.openapi import AS_TABLE
from appeals.api.pagination import Page, decode_cursor, page
from appeals.api.routing import new_router
from appeals.fields import Instant, Model, NameOrId, as_uuid
from appeals.read_models.case_list import OneOrMore, PageQuery
from appeals.vocabulary import Logged

router = new_router("operations")


class AccessQuery(PageQuery):
    """The filters of the access log. If one is given several times, any of its values fits."""

    account: Annotated[OneOrMore[NameOrId], Field(description="The account, by name or id.")] = []
    kind: OneOrMore[Logged] = []
    subject: Annotated[
        OneOrMore[NameOrId], Field(description="A reference, an id or a keyed name, as in an entry.")
    ] = []
    at_from: Annotated[Instant | None, Field(description="From this time on.")] = None
    at_to: Annotated[Instant | None, Field(description="Before this time.")] = None


class AccessOutput(Model):
    """Who did what when, and to what; no content."""

    id: UUID
    at: datetime
    account_id: Annotated[UUID | None, Field(description="Null if no live key was sent.")]
    key_id: Annotated[str | None, Field(description="The id of the key, which is not secret.")]
    kind: Logged
    operation: Annotated[str, Field(description="The operation that was called.")]
    status: Annotated[int, Field(description="The status of the answer.")]
    subjects: Annotated[
        list[str],
        Field(description="References and ids; keyed names if a case is sealed or may not exist."),
    ]


@router.get("/v1/access-log", response_model=Page[AccessOutput], responses=AS_TABLE)
def list_access_log(query: Annotated[AccessQuery, Query()], read: Read) -> Response:
    """Who saw, opened, exported or was refused what; newest first.

    Filter it by kind. The answer is a page, newest first.
    """
    with read.snapshot() as tx:
        audit = Audit(tx.caller, tx.context.pepper)
        statement = select(AccessEntry).where(readable_filter(tx.caller, AccessEntry), *_conditions(audit, query))
        after = decode_cursor(tx, query)
        if after is not None:
            statement = statement.where(AccessEntry.id < UUID(after[0]))
        statement = statement.options(selectinload(AccessEntry.about)).order_by(AccessEntry.id.desc())
        rows = list(tx.session.scalars(statement.limit(query.limit + 1)))
        shown = rows[: query.limit]
        following = [str(shown[-1].id)] if len(rows) > len(shown) else None
        return page(tx, AccessOutput, _outputs(audit, tx.session, shown), following)


def _outputs(audit: Audit, session: Session, entries: Sequence[AccessEntry]) -> list[dict[str, object]]:
    columns = [name for name in AccessOutput.model_fields if name != "subjects"]
    subjects = audit.subjects(session, entries)
    return [{**{name: getattr(entry, name) for name in columns}, "subjects": subjects[entry.id]} for entry in entries]


def _conditions(audit: Audit, params: AccessQuery) -> list[ColumnElement[bool]]:
    numbers = [row_id for name in params.account if (row_id := as_uuid(name))]
    named = select(Account.id).where(or_(Account.name.in_(params.account), Account.id.in_(numbers)))
    conditions: list[tuple[object, Callable[[], ColumnElement[bool]]]] = [
        (params.account, lambda: AccessEntry.account_id.in_(named)),
        (params.kind, lambda: AccessEntry.kind.in_(params.kind)),
        (params.subject, lambda: or_(*(audit.is_about(named) for named in params.subject))),
        (params.at_from, lambda: AccessEntry.at >= params.at_from),
        (params.at_to, lambda: AccessEntry.at < params.at_to),
    ]
    return [condition() for value, condition in conditions if value]
