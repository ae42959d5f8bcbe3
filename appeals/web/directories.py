"""Doors of the directories: organisations, facilities, code lists."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, true

from appeals import directory
from appeals.access import own_parties
from appeals.directory import FORMS, Facility, Organisation
from appeals.errors import NotFound
from appeals.field import Model
from appeals.party import Party
from appeals.records import require_known
from appeals.register import PageQuery
from appeals.vocabulary import VOCABULARIES, Code
from appeals.web.door import Answer, Call, Door, rendered
from appeals.web.gate import Visit
from appeals.web.page import Page, by_id, page, place


class CodeOutput(Model):
    """A code, what it means, and the ILO conventions behind it."""

    code: str
    definition: str
    conventions: list[str]


def _directory(table: type[Organisation] | type[Facility], key: ColumnElement[UUID | None]) -> Any:
    """What is listed openly, and what the cases name that the caller works on, in the words of those cases."""

    def work(call: Call) -> Answer:
        named = own_parties(call.caller).where(key.is_not(None))
        query = select(table).where(or_(table.listed.is_(true()), table.id.in_(named.with_only_columns(key))))
        rows, following = by_id(call, table, query)
        unlisted = [row.id for row in rows if not row.listed]
        naming = call.session.scalars(named.where(key.in_(unlisted)).order_by(Party.id.desc()))
        words = {party.named["id"]: party.named for party in naming}
        return page(call, FORMS[table], [words.get(str(row.id), row) for row in rows], following)

    return work


def add_organisation(call: Call) -> Answer:
    found = directory.organisation(call.session, call.body, listed=True)
    return rendered(directory.OrganisationOutput.model_validate(found), 201)


def add_facility(call: Call) -> Answer:
    require_known(call.session, call.caller, Organisation, call.body.owner, "/owner")
    found = directory.facility(call.session, call.body, listed=True)
    return rendered(directory.FacilityOutput.model_validate(found), 201)


def known_codes(visit: Visit, _: Any) -> type[Code]:
    """The code list of this name. Raises: NotFound."""
    codes = VOCABULARIES.get(visit.params["name"])
    if codes is None:
        raise NotFound
    return codes


def show_vocabulary(call: Call) -> Answer:
    items = [CodeOutput(code=c, definition=c.definition, conventions=list(c.conventions)) for c in call.subject]
    after = place(call) or [0]
    shown = items[after[0] : after[0] + call.query.limit]
    end = after[0] + len(shown)
    return page(call, CodeOutput, shown, [end] if end < len(items) else None)


def doors() -> list[Door]:
    """Every door of the directories."""
    listed: dict[str, Any] = {"query": PageQuery, "as_table": True, "tag": "directories"}
    return [
        Door(
            "GET", "/v1/organisations", "list_organisations", "The organisations you may see.",
            _directory(Organisation, Party.organisation_id.expression), Page[directory.OrganisationOutput], **listed,
        ),
        Door(
            "POST", "/v1/organisations", "add_organisation", "List an organisation openly.", add_organisation,
            directory.OrganisationOutput, 201, directory.OrganisationInput, tag="directories",
        ),
        Door(
            "GET", "/v1/facilities", "list_facilities", "The facilities you may see.",
            _directory(Facility, Party.facility_id.expression), Page[directory.FacilityOutput], **listed,
        ),
        Door(
            "POST", "/v1/facilities", "add_facility", "List a facility openly, and its owner.", add_facility,
            directory.FacilityOutput, 201, directory.FacilityInput, tag="directories",
        ),
        Door(
            "GET", "/v1/vocabularies/{name}", "show_vocabulary", "The codes of a list, with what each means.",
            show_vocabulary, Page[CodeOutput], finds=known_codes, **listed,
        ),
    ]  # fmt: skip
