"""Operations of what is published: by the team of a case, and to outsiders, who need no key."""

from re import fullmatch
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import select

from appeals.api.authorization import AuthorizationContext
from appeals.api.pagination import Page, decode_cursor, page, page_of_records
from appeals.api.routing import Operation, RequestContext, Result, json_response
from appeals.cases.case import Case
from appeals.cases.public_content import PublicCase
from appeals.cases.publication import TOKEN, Publication, PublicationOutput, TakingDown, published, readable
from appeals.errors import FieldError, Invalid, NotFound
from appeals.fields import Model, as_uuid
from appeals.lifecycle import publishing
from appeals.lifecycle.publishing_input import Publishing
from appeals.lifecycle.write_context import WriteContext
from appeals.read_models.case_list import PageQuery
from appeals.read_models.public_statistics import MIN_CELL, PUBLIC_DIMENSIONS, public_statistics


def list_publications(call: RequestContext) -> Result:
    return page_of_records(call, PublicationOutput, call.subject.publications)


def publish(call: RequestContext) -> Result:
    case: Case = call.subject
    publication = publishing.publish_now(_writing(call, case), call.body, lambda: call.require_current(case))
    tag = call.tx.show(call.caller, case).tag
    return json_response(PublicationOutput.model_validate(publication), 201, ETag=tag)


def a_publication(authorization: AuthorizationContext, case: Case | None) -> tuple[Case | None, Publication]:
    """The case and its publication in the path. Raises: NotFound."""
    row_id = as_uuid(authorization.params["id"])
    publication = next((made for made in (case.publications if case else ()) if made.id == row_id), None)
    if publication is None:
        raise NotFound
    return case, publication


def take_down(call: RequestContext) -> Result:
    case, published = call.subject
    publishing.take_down(_writing(call, case), published, call.body.reason)
    return json_response(PublicationOutput.model_validate(published), 201)


def _writing(call: RequestContext, case: Case) -> WriteContext:
    return WriteContext(call.tx, case, call.caller, call.now)


# To outsiders


def list_published(call: RequestContext) -> Result:
    """In the order of their tokens, which tells nothing of when they were published."""
    after = decode_cursor(call)
    query = select(Publication).where(readable(call.now.date()), Publication.token > (after[0] if after else ""))
    rows = list(call.session.scalars(query.order_by(Publication.token).limit(call.query.limit + 1)))
    shown = rows[: call.query.limit]
    return page(call, PublicCase, shown, [shown[-1].token] if len(rows) > len(shown) else None)


def published_in_path(authorization: AuthorizationContext, _: Any) -> Publication:
    """The publication of the token in the path, while it may be read. Raises: NotFound."""
    token = authorization.params["token"]
    query = select(Publication).where(Publication.token == token, readable(authorization.now.date()))
    publication = authorization.session.scalar(query) if fullmatch(TOKEN, token) else None
    if publication is None:
        raise NotFound
    return publication


def get_published(call: RequestContext) -> Result:
    return json_response(PublicCase.model_validate(call.subject))


class PublicStatisticsQuery(Model):
    """By which dimensions to count; left out, only the total."""

    by: Annotated[
        str, Field(max_length=40, description=f"Out of {', '.join(PUBLIC_DIMENSIONS)}; commas between them.")
    ] = ""


class PublicStatistics(Model):
    """Counts of published cases as flat rows; null stands for all that is not told of a batch of cases."""

    by: list[str]
    fewest: Annotated[int, Field(description="No count is of fewer cases, nor gives one away.")]
    items: list[dict[str, str | int | None]]


def get_public_statistics(call: RequestContext) -> Result:
    params = call.query.by.split(",") if call.query.by else []
    if len(set(params)) < len(params) or not set(params) <= set(PUBLIC_DIMENSIONS):
        raise Invalid(
            [FieldError("?by", f"names each of {', '.join(PUBLIC_DIMENSIONS)} once at most, with commas between them")]
        )
    rows = public_statistics(call.session, published(call.now.date()), tuple(params))
    return json_response(PublicStatistics(by=params, fewest=MIN_CELL, items=rows))


def operations() -> list[Operation]:
    """The operations of publications."""
    many = "/v1/cases/{ref}/publications"
    return [
        Operation(
            "GET", many, "list_publications", "The publications of a case, oldest first.", list_publications,
            Page[PublicationOutput], query_model=PageQuery, as_table=True, tag="publications",
        ),
        Operation(
            "POST", many, "publish", "Publish what a reviewer approved, with no campaign.", publish, PublicationOutput,
            201, Publishing, needs_if_match=True, headers=("ETag",), tag="publications",
        ),
        Operation(
            "POST", f"{many}/{{id}}/takedown", "take_down", "Take a publication down at once.", take_down,
            PublicationOutput, 201, TakingDown, subject=a_publication, tag="publications",
        ),
        Operation(
            "GET", "/public/cases", "list_published", "The published cases.", list_published, Page[PublicCase],
            query_model=PageQuery, as_table=True, tag="public",
        ),
        Operation(
            "GET", "/public/cases/{token}", "get_published", "A published case.", get_published, PublicCase,
            subject=published_in_path, tag="public",
        ),
        Operation(
            "GET", "/public/statistics", "get_public_statistics", "Counts of published cases.", get_public_statistics,
            PublicStatistics,
            query_model=PublicStatisticsQuery, tag="public",
        ),
    ]  # fmt: skip
