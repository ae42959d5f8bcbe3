"""Routes of publications: for the team of a case, and for outsiders without a key."""

from re import fullmatch
from typing import Annotated

from fastapi import Query, Response
from pydantic import Field
from sqlalchemy import select

from appeals.api.authorization import AuthorizationContext
from appeals.api.dependencies import CurrentWrite, PublicRead, Read, reading_public, writing
from appeals.api.openapi import AS_TABLE, with_headers
from appeals.api.pagination import Page, decode_cursor, page, page_of_records
from appeals.api.parameters import CaseReference, PublicationToken, RecordId
from appeals.api.routing import new_router
from appeals.api.transaction import ReadRequest, WriteRequest
from appeals.cases.case import Case
from appeals.cases.public_content import PublicCase
from appeals.cases.publication import TOKEN, Publication, PublicationOutput, TakingDown, published, readable
from appeals.errors import FieldError, Invalid, NotFound
from appeals.fields import Model, as_uuid
from appeals.lifecycle import publishing
from appeals.lifecycle.publishing_input import Publishing
from appeals.read_models.case_list import PageQuery
from appeals.read_models.public_statistics import MIN_CELL, PUBLIC_DIMENSIONS, public_statistics

router = new_router("publications")
public = new_router("public")


@router.get("/v1/cases/{ref}/publications", response_model=Page[PublicationOutput], responses=AS_TABLE)
def list_publications(ref: CaseReference, query: Annotated[PageQuery, Query()], read: Read) -> Response:
    """The publications of a case, oldest first.

    The answer lists what each shows, whether it was taken down, and why.
    """
    with read.snapshot() as tx:
        return page_of_records(tx, query, PublicationOutput, tx.case.publications)


@router.post(
    "/v1/cases/{ref}/publications",
    status_code=201,
    response_model=PublicationOutput,
    responses=with_headers(201, "ETag"),
)
def publish(ref: CaseReference, body: Publishing, write: CurrentWrite) -> Response:
    """Publish what a reviewer approved, without a campaign.

    Send the level, at most the approved one. Exactly what the reviewer approved is published.
    """
    with write.transaction() as tx:
        publication = publishing.publish_now(tx.write_context, body, tx.require_if_match)
        return tx.respond(PublicationOutput.model_validate(publication), ETag=tx.show().tag)


def publication_in_path(authorization: AuthorizationContext, case: Case | None) -> Publication:
    """Find the publication of the case in the path. Raises: NotFound."""
    row_id = as_uuid(authorization.params["id"])
    publications = case.publications if case else ()
    publication = next((publication for publication in publications if publication.id == row_id), None)
    if publication is None:
        raise NotFound
    return publication


@router.post("/v1/cases/{ref}/publications/{id}/takedown", status_code=201, response_model=PublicationOutput)
def take_down(
    ref: CaseReference,
    id: RecordId,
    body: TakingDown,
    write: Annotated[WriteRequest[Publication], writing(publication_in_path)],
) -> Response:
    """Take a publication down at once.

    Send the reason. Outsiders cannot read it from then on.
    """
    with write.transaction() as tx:
        publishing.take_down(tx.write_context, tx.subject, body.reason)
        return tx.respond(PublicationOutput.model_validate(tx.subject))


# For outsiders, without a key


@public.get("/public/cases", response_model=Page[PublicCase], responses=AS_TABLE)
def list_published(query: Annotated[PageQuery, Query()], read: PublicRead) -> Response:
    """The published cases.

    They are ordered by their tokens, which say nothing about when they were published.
    """
    with read.snapshot() as tx:
        after = decode_cursor(tx, query)
        statement = select(Publication).where(readable(tx.now.date()), Publication.token > (after[0] if after else ""))
        rows = list(tx.session.scalars(statement.order_by(Publication.token).limit(query.limit + 1)))
        shown = rows[: query.limit]
        return page(tx, PublicCase, shown, [shown[-1].token] if len(rows) > len(shown) else None)


def published_in_path(authorization: AuthorizationContext, _: object) -> Publication:
    """Find the publication with the token in the path, as long as it may be read. Raises: NotFound."""
    token = authorization.params["token"]
    query = select(Publication).where(Publication.token == token, readable(authorization.now.date()))
    publication = authorization.session.scalar(query) if fullmatch(TOKEN, token) else None
    if publication is None:
        raise NotFound
    return publication


@public.get("/public/cases/{token}", response_model=PublicCase)
def get_published(
    token: PublicationToken, read: Annotated[ReadRequest[Publication], reading_public(published_in_path)]
) -> Response:
    """A published case.

    It shows what was approved for the public, and needs no key.
    """
    with read.snapshot() as tx:
        return tx.respond(PublicCase.model_validate(tx.subject))


class PublicStatisticsQuery(Model):
    """The dimensions by which to count; if omitted, only the total."""

    by: Annotated[
        str, Field(max_length=40, description=f"One or more of {', '.join(PUBLIC_DIMENSIONS)}, separated by commas.")
    ] = ""


class PublicStatistics(Model):
    """Counts of published cases as flat rows. Null stands for values that a batch of cases does not reveal."""

    by: list[str]
    fewest: Annotated[int, Field(description="The smallest count; none reveals a smaller one.")]
    items: list[dict[str, str | int | None]]


@public.get("/public/statistics", response_model=PublicStatistics)
def get_public_statistics(query: Annotated[PublicStatisticsQuery, Query()], read: PublicRead) -> Response:
    """Counts of published cases.

    It needs no key. No count is so small that it reveals a case.
    """
    with read.snapshot() as tx:
        names = query.by.split(",") if query.by else []
        by = [dimension for name in names for dimension in PUBLIC_DIMENSIONS if dimension == name]
        if len(set(by)) < len(names):
            dimensions = ", ".join(PUBLIC_DIMENSIONS)
            raise Invalid([FieldError("?by", f"must name each of {dimensions} at most once, separated by commas")])
        rows = public_statistics(tx.session, published(tx.now.date()), tuple(by))
        return tx.respond(PublicStatistics(by=[*by], fewest=MIN_CELL, items=rows))
