"""Routes of the directory: organisations, facilities, code lists."""

from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Query, Response
from sqlalchemy import ColumnElement, or_, select, true

from appeals.access.directory_entries import own_parties
from appeals.api.authorization import AuthorizationContext
from appeals.api.dependencies import Read, Write, reading
from appeals.api.openapi import AS_TABLE
from appeals.api.pagination import Page, decode_cursor, page, page_by_id
from appeals.api.parameters import CodeListName
from appeals.api.routing import new_router
from appeals.api.snapshot import Snapshot
from appeals.api.transaction import ReadRequest
from appeals.cases import directory
from appeals.cases.directory import FORMS, Facility, FacilityOutput, Organisation, OrganisationOutput
from appeals.cases.party import Party
from appeals.errors import NotFound
from appeals.fields import Model
from appeals.lifecycle.party_rules import require_known
from appeals.read_models.case_list import PageQuery
from appeals.vocabulary import VOCABULARIES, Code

router = new_router("directories")
Listed = TypeVar("Listed", Organisation, Facility)


class CodeOutput(Model):
    """A code, what it means, and the ILO conventions behind it."""

    code: str
    definition: str
    conventions: list[str]


@router.get("/v1/organisations", response_model=Page[OrganisationOutput], responses=AS_TABLE)
def list_organisations(query: Annotated[PageQuery, Query()], read: Read) -> Response:
    """The organisations you may see.

    The answer is a page in a fixed order; `next` is the cursor of the page after it.
    """
    with read.snapshot() as tx:
        return _directory(tx, query, Organisation, Party.organisation_id.expression)


@router.post("/v1/organisations", status_code=201, response_model=OrganisationOutput)
def add_organisation(body: directory.OrganisationInput, write: Write) -> Response:
    """List an organisation for everybody.

    Everybody in the network can see a listed organisation. Cases can refer to it by its id.
    """
    with write.transaction() as tx:
        organisation = directory.Directory(tx.session).organisation(body, listed=True)
        return tx.respond(OrganisationOutput.model_validate(organisation))


@router.get("/v1/facilities", response_model=Page[FacilityOutput], responses=AS_TABLE)
def list_facilities(query: Annotated[PageQuery, Query()], read: Read) -> Response:
    """The facilities you may see.

    The answer is a page in a fixed order; `next` is the cursor of the page after it.
    """
    with read.snapshot() as tx:
        return _directory(tx, query, Facility, Party.facility_id.expression)


@router.post("/v1/facilities", status_code=201, response_model=FacilityOutput)
def add_facility(body: directory.FacilityInput, write: Write) -> Response:
    """List a facility and its owner for everybody.

    Everybody in the network can see a listed facility. Cases can refer to it by its id.
    """
    with write.transaction() as tx:
        require_known(tx.session, tx.caller, Organisation, body.owner, "/owner")
        facility = directory.Directory(tx.session).facility(body, listed=True)
        return tx.respond(FacilityOutput.model_validate(facility))


def _directory(
    tx: Snapshot,
    query: PageQuery,
    table: type[Listed],
    key: ColumnElement[UUID | None],
) -> Response:
    """Return listed rows, and those named in cases that the caller works on, in the words of those cases."""
    named = own_parties(tx.caller).where(key.is_not(None))
    statement = select(table).where(or_(table.listed.is_(true()), table.id.in_(named.with_only_columns(key))))
    rows, after = page_by_id(tx, query, table.id, statement)
    unlisted = [row.id for row in rows if not row.listed]
    parties = tx.session.scalars(named.where(key.in_(unlisted)).order_by(Party.id.desc()))
    words = {party.named["id"]: party.named for party in parties}
    return page(tx, FORMS[table], [words.get(str(row.id), row) for row in rows], after)


def codes_in_path(authorization: AuthorizationContext, _: object) -> type[Code]:
    """Find the code list in the path. Raises: NotFound."""
    codes = VOCABULARIES.get(authorization.params["name"])
    if codes is None:
        raise NotFound
    return codes


@router.get("/v1/vocabularies/{name}", response_model=Page[CodeOutput], responses=AS_TABLE)
def get_vocabulary(
    name: CodeListName,
    query: Annotated[PageQuery, Query()],
    read: Annotated[ReadRequest[type[Code]], reading(codes_in_path)],
) -> Response:
    """The codes of a list, with what each means.

    The codes of a list stay the same: a code in use is never renamed and never changes its meaning.
    """
    with read.snapshot() as tx:
        items = [CodeOutput(code=c, definition=c.definition, conventions=list(c.conventions)) for c in tx.subject]
        (start,) = decode_cursor(tx, query) or [0]
        shown = items[start : start + query.limit]
        end = start + len(shown)
        return page(tx, CodeOutput, shown, [end] if end < len(items) else None)
