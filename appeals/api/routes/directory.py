"""Operations of the directories: organisations, facilities, code lists."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, true

from appeals.access.directory_entries import own_parties
from appeals.api.authorization import AuthorizationContext
from appeals.api.pagination import Page, decode_cursor, page, page_by_id
from appeals.api.routing import Operation, RequestContext, Result, json_response
from appeals.cases import directory
from appeals.cases.directory import FORMS, Facility, Organisation
from appeals.cases.party import Party
from appeals.errors import NotFound
from appeals.fields import Model
from appeals.lifecycle.party_rules import require_known
from appeals.read_models.case_list import PageQuery
from appeals.vocabulary import VOCABULARIES, Code


class CodeOutput(Model):
    """A code, what it means, and the ILO conventions behind it."""

    code: str
    definition: str
    conventions: list[str]


def _directory(table: type[Organisation] | type[Facility], key: ColumnElement[UUID | None]) -> Any:
    """What is listed openly, and what the cases name that the caller works on, in the words of those cases."""

    def work(call: RequestContext) -> Result:
        named = own_parties(call.caller).where(key.is_not(None))
        query = select(table).where(or_(table.listed.is_(true()), table.id.in_(named.with_only_columns(key))))
        rows, following = page_by_id(call, table, query)
        unlisted = [row.id for row in rows if not row.listed]
        naming = call.session.scalars(named.where(key.in_(unlisted)).order_by(Party.id.desc()))
        words = {party.named["id"]: party.named for party in naming}
        return page(call, FORMS[table], [words.get(str(row.id), row) for row in rows], following)

    return work


def add_organisation(call: RequestContext) -> Result:
    organisation = directory.Directory(call.session).organisation(call.body, listed=True)
    return json_response(directory.OrganisationOutput.model_validate(organisation), 201)


def add_facility(call: RequestContext) -> Result:
    require_known(call.session, call.caller, Organisation, call.body.owner, "/owner")
    facility = directory.Directory(call.session).facility(call.body, listed=True)
    return json_response(directory.FacilityOutput.model_validate(facility), 201)


def known_codes(authorization: AuthorizationContext, _: Any) -> type[Code]:
    """The code list of this name. Raises: NotFound."""
    codes = VOCABULARIES.get(authorization.params["name"])
    if codes is None:
        raise NotFound
    return codes


def get_vocabulary(call: RequestContext) -> Result:
    items = [CodeOutput(code=c, definition=c.definition, conventions=list(c.conventions)) for c in call.subject]
    after = decode_cursor(call) or [0]
    shown = items[after[0] : after[0] + call.query.limit]
    end = after[0] + len(shown)
    return page(call, CodeOutput, shown, [end] if end < len(items) else None)


def operations() -> list[Operation]:
    """Every operation of the directories."""
    listed: dict[str, Any] = {"query_model": PageQuery, "as_table": True, "tag": "directories"}
    return [
        Operation(
            "GET", "/v1/organisations", "list_organisations", "The organisations you may see.",
            _directory(Organisation, Party.organisation_id.expression), Page[directory.OrganisationOutput], **listed,
        ),
        Operation(
            "POST", "/v1/organisations", "add_organisation", "List an organisation openly.", add_organisation,
            directory.OrganisationOutput, 201, directory.OrganisationInput, tag="directories",
        ),
        Operation(
            "GET", "/v1/facilities", "list_facilities", "The facilities you may see.",
            _directory(Facility, Party.facility_id.expression), Page[directory.FacilityOutput], **listed,
        ),
        Operation(
            "POST", "/v1/facilities", "add_facility", "List a facility openly, and its owner.", add_facility,
            directory.FacilityOutput, 201, directory.FacilityInput, tag="directories",
        ),
        Operation(
            "GET", "/v1/vocabularies/{name}", "get_vocabulary", "The codes of a list, with what each means.",
            get_vocabulary, Page[CodeOutput], subject=known_codes, **listed,
        ),
    ]  # fmt: skip
