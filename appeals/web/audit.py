"""The door of the access log, for auditors."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import selectinload

from appeals.access_log import AccessEntry, readable_by
from appeals.audit import Audit
from appeals.field import Instant, Model, NameOrId, as_uuid
from appeals.network import Account
from appeals.register import AnyOf, PageQuery
from appeals.vocabulary import Logged
from appeals.web.door import Answer, Call, Door
from appeals.web.page import Page, page, place


class AccessQuery(PageQuery):
    """Filters of the access log. Where one is given several times, any of its values fits."""

    account: Annotated[AnyOf[NameOrId], Field(description="Account, by name or id.")] = []
    kind: AnyOf[Logged] = []
    subject: Annotated[
        AnyOf[NameOrId], Field(description="A reference, an id or a keyed name, as an entry has it.")
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
    door: Annotated[str, Field(description="The operation that was asked for.")]
    status: Annotated[int, Field(description="What was answered.")]
    subjects: Annotated[
        list[str],
        Field(description="References and ids; keyed names where the case is sealed, or there may be none."),
    ]


def list_accesses(call: Call) -> Answer:
    asked: AccessQuery = call.query
    audit = Audit(call.caller, call.desk.pepper)
    query = select(AccessEntry).where(readable_by(call.caller, AccessEntry), *_conditions(audit, asked))
    after = place(call)
    if after is not None:
        query = query.where(AccessEntry.id < UUID(after[0]))
    query = query.options(selectinload(AccessEntry.about)).order_by(AccessEntry.id.desc())
    rows = list(call.session.scalars(query.limit(asked.limit + 1)))
    shown = rows[: asked.limit]
    following = [str(shown[-1].id)] if len(rows) > len(shown) else None
    return page(call, AccessOutput, _outputs(audit, call, shown), following)


def _outputs(audit: Audit, call: Call, entries: Sequence[AccessEntry]) -> list[dict[str, Any]]:
    columns = [name for name in AccessOutput.model_fields if name != "subjects"]
    subjects = audit.subjects(call.session, entries)
    return [{**{name: getattr(entry, name) for name in columns}, "subjects": subjects[entry.id]} for entry in entries]


def _conditions(audit: Audit, asked: AccessQuery) -> list[ColumnElement[bool]]:
    numbers = [number for name in asked.account if (number := as_uuid(name))]
    named = select(Account.id).where(or_(Account.name.in_(asked.account), Account.id.in_(numbers)))
    given: list[tuple[Any, Any]] = [
        (asked.account, lambda: AccessEntry.account_id.in_(named)),
        (asked.kind, lambda: AccessEntry.kind.in_(asked.kind)),
        (asked.subject, lambda: or_(*(audit.is_about(named) for named in asked.subject))),
        (asked.at_from, lambda: AccessEntry.at >= asked.at_from),
        (asked.at_to, lambda: AccessEntry.at < asked.at_to),
    ]
    return [condition() for value, condition in given if value]


def doors() -> list[Door]:
    """The door of the access log."""
    return [
        Door(
            "GET", "/v1/access-log", "list_accesses", "Who saw, opened, exported or was refused what; newest first.",
            list_accesses, Page[AccessOutput], query=AccessQuery, as_table=True,
            tag="operations",
        )
    ]  # fmt: skip
