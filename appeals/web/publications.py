"""Doors of what is published: by the team of a case, and to outsiders, who need no key."""

from re import fullmatch
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import select

from appeals import step as steps
from appeals import views
from appeals.case import Case
from appeals.errors import Fault, Invalid, NotFound
from appeals.field import Model, as_uuid
from appeals.figures import DIMENSIONS, FEWEST, figures
from appeals.publication import TOKEN, Publication, PublicationOutput, TakingDown, published, readable
from appeals.records import Writing
from appeals.register import PageQuery
from appeals.step_input import Publishing
from appeals.views import PublicCase
from appeals.web.door import Answer, Call, Door, rendered
from appeals.web.gate import Visit
from appeals.web.page import Page, of_records, page, place


def list_publications(call: Call) -> Answer:
    return of_records(call, PublicationOutput, call.subject.publications)


def publish(call: Call) -> Answer:
    case: Case = call.subject
    made = steps.publish_now(_writing(call, case), call.body, lambda: call.require_current(case))
    return rendered(PublicationOutput.model_validate(made), 201, ETag=views.tag(case, views.most(call.caller, case)))


def a_publication(visit: Visit, case: Case | None) -> tuple[Case | None, Publication]:
    """The case and its publication in the path. Raises: NotFound."""
    number = as_uuid(visit.params["id"])
    found = next((made for made in (case.publications if case else ()) if made.id == number), None)
    if found is None:
        raise NotFound
    return case, found


def take_down(call: Call) -> Answer:
    case, published = call.subject
    steps.take_down(_writing(call, case), published, call.body.reason)
    call.session.flush()
    return rendered(PublicationOutput.model_validate(published), 201)


def _writing(call: Call, case: Case) -> Writing:
    return Writing(call.session, case, call.caller, call.now)


# To outsiders


def list_published(call: Call) -> Answer:
    """In the order of their tokens, which tells nothing of when they were published."""
    after = place(call)
    query = select(Publication).where(readable(call.now.date()), Publication.token > (after[0] if after else ""))
    rows = list(call.session.scalars(query.order_by(Publication.token).limit(call.query.limit + 1)))
    shown = rows[: call.query.limit]
    return page(call, PublicCase, shown, [shown[-1].token] if len(rows) > len(shown) else None)


def published_in_path(visit: Visit, _: Any) -> Publication:
    """The publication of the token in the path, while it may be read. Raises: NotFound."""
    token = visit.params["token"]
    query = select(Publication).where(Publication.token == token, readable(visit.now.date()))
    found = visit.session.scalar(query) if fullmatch(TOKEN, token) else None
    if found is None:
        raise NotFound
    return found


def show_published(call: Call) -> Answer:
    return rendered(PublicCase.model_validate(call.subject))


class FigureQuery(Model):
    """By which dimensions to count; left out, only the total."""

    by: Annotated[str, Field(max_length=40, description=f"Out of {', '.join(DIMENSIONS)}; commas between them.")] = ""


class PublicFigures(Model):
    """Counts of published cases as flat rows; null stands for all that is not told of a batch of cases."""

    by: list[str]
    fewest: Annotated[int, Field(description="No count is of fewer cases, nor gives one away.")]
    items: list[dict[str, str | int | None]]


def show_figures(call: Call) -> Answer:
    asked = call.query.by.split(",") if call.query.by else []
    if len(set(asked)) < len(asked) or not set(asked) <= set(DIMENSIONS):
        raise Invalid([Fault("?by", f"names each of {', '.join(DIMENSIONS)} once at most, with commas between them")])
    rows = figures(call.session, published(call.now.date()), tuple(asked))
    return rendered(PublicFigures(by=asked, fewest=FEWEST, items=rows))


def doors() -> list[Door]:
    """The doors of publications."""
    many = "/v1/cases/{ref}/publications"
    return [
        Door(
            "GET", many, "list_publications", "The publications of a case, oldest first.", list_publications,
            Page[PublicationOutput], query=PageQuery, as_table=True, tag="publications",
        ),
        Door(
            "POST", many, "publish", "Publish what a reviewer approved, with no campaign.", publish, PublicationOutput,
            201, Publishing, current=True, headers=("ETag",), tag="publications",
        ),
        Door(
            "POST", f"{many}/{{id}}/takedown", "take_down", "Take a publication down at once.", take_down,
            PublicationOutput, 201, TakingDown, finds=a_publication, tag="publications",
        ),
        Door(
            "GET", "/public/cases", "list_published", "The published cases.", list_published, Page[PublicCase],
            query=PageQuery, as_table=True, tag="public",
        ),
        Door(
            "GET", "/public/cases/{token}", "show_published", "A published case.", show_published, PublicCase,
            finds=published_in_path, tag="public",
        ),
        Door(
            "GET", "/public/statistics", "show_figures", "Counts of published cases.", show_figures, PublicFigures,
            query=FigureQuery, tag="public",
        ),
    ]  # fmt: skip
