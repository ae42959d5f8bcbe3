"""The operation of the access log, for auditors."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import selectinload

from appeals.access.access_log import AccessEntry, readable_filter
from appeals.access.audit import Audit
from appeals.accounts.account import Account
from appeals.api.pagination import Page, decode_cursor, page
from appeals.api.routing import Operation, RequestContext, Result
from appeals.fields import Instant, Model, NameOrId, as_uuid
from appeals.read_models.case_list import OneOrMore, PageQuery
from appeals.vocabulary import Logged


class AccessQuery(PageQuery):
    """Filters of the access log. Where one is given several times, any of its values fits."""

    account: Annotated[OneOrMore[NameOrId], Field(description="Account, by name or id.")] = []
    kind: OneOrMore[Logged] = []
    subject: Annotated[
        OneOrMore[NameOrId], Field(description="A reference, an id or a keyed name, as an entry has it.")
    ] = []
    at_from: Annotated[Instant | None, Field(description="Not before.")] = None
    at_to: Annotated[Instant | None, Field(description="Before.")] = None


class AccessOutput(Model):
    """Who did what when, and about what; no content."""

    id: UUID
    at: datetime
    account_id: Annotated[UUID | None, Field(description="Null where no live key was shown.")]
    key_id: Annotated[str | None, Field(description="The part of the key that is no secret.")]
    kind: Logged
    operation: Annotated[str, Field(description="The operation that was asked for.")]
    status: Annotated[int, Field(description="What was answered.")]
    subjects: Annotated[
        list[str],
        Field(description="References and ids; keyed names where the case is sealed, or there may be none."),
    ]


def list_access_log(call: RequestContext) -> Result:
    params: AccessQuery = call.query
    audit = Audit(call.caller, call.context.pepper)
    query = select(AccessEntry).where(readable_filter(call.caller, AccessEntry), *_conditions(audit, params))
    after = decode_cursor(call)
    if after is not None:
        query = query.where(AccessEntry.id < UUID(after[0]))
    query = query.options(selectinload(AccessEntry.about)).order_by(AccessEntry.id.desc())
    rows = list(call.session.scalars(query.limit(params.limit + 1)))
    shown = rows[: params.limit]
    following = [str(shown[-1].id)] if len(rows) > len(shown) else None
    return page(call, AccessOutput, _outputs(audit, call, shown), following)


def _outputs(audit: Audit, call: RequestContext, entries: Sequence[AccessEntry]) -> list[dict[str, Any]]:
    columns = [name for name in AccessOutput.model_fields if name != "subjects"]
    subjects = audit.subjects(call.session, entries)
    return [{**{name: getattr(entry, name) for name in columns}, "subjects": subjects[entry.id]} for entry in entries]


def _conditions(audit: Audit, params: AccessQuery) -> list[ColumnElement[bool]]:
    numbers = [row_id for name in params.account if (row_id := as_uuid(name))]
    named = select(Account.id).where(or_(Account.name.in_(params.account), Account.id.in_(numbers)))
    given: list[tuple[Any, Any]] = [
        (params.account, lambda: AccessEntry.account_id.in_(named)),
        (params.kind, lambda: AccessEntry.kind.in_(params.kind)),
        (params.subject, lambda: or_(*(audit.is_about(named) for named in params.subject))),
        (params.at_from, lambda: AccessEntry.at >= params.at_from),
        (params.at_to, lambda: AccessEntry.at < params.at_to),
    ]
    return [condition() for value, condition in given if value]


def operations() -> list[Operation]:
    """The operation of the access log."""
    return [
        Operation(
            "GET", "/v1/access-log", "list_access_log", "Who saw, opened, exported or was refused what; newest first.",
            list_access_log, Page[AccessOutput], query_model=AccessQuery, as_table=True,
            tag="operations",
        )
    ]  # fmt: skip
