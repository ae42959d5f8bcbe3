"""Doors of the directories: organisations, facilities, entities, accounts, code lists; and who the caller is."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select, true
from sqlalchemy.exc import IntegrityError

from appeals import directory, network
from appeals.access import own_parties
from appeals.directory import FORMS, Facility, Organisation
from appeals.errors import Fault, Forbidden, Invalid, NotFound
from appeals.field import Model, Name, NameOrId
from appeals.lifecycle import INTAKE_ROLES
from appeals.network import Account, Entity, account_output
from appeals.party import Party
from appeals.records import require_known
from appeals.register import PageQuery
from appeals.vocabulary import VOCABULARIES, AccountKind, Code, EntityKind, Role
from appeals.web.cases import anyone, with_roles
from appeals.web.door import Answer, Call, Door, Visit, rendered
from appeals.web.page import Page, page, place


class CodeOutput(Model):
    """A code, what it means, and the ILO conventions behind it."""

    code: str
    definition: str
    conventions: list[str]


class AccountInput(Model):
    """A new account with one role. The name is a handle, never a person's name."""

    name: Name
    kind: AccountKind
    role: Role
    entity: NameOrId


def list_entities(call: Call) -> Answer:
    rows, following = _by_id(call, Entity, select(Entity))
    return page(call, network.EntityOutput, rows, following)


def _by_id(call: Call, table: Any, query: Select[Any]) -> tuple[list[Any], list[str] | None]:
    """A page of rows in the order of their ids, and where the next begins."""
    after = place(call)
    if after is not None:
        query = query.where(table.id > UUID(after[0]))
    rows = list(call.session.scalars(query.order_by(table.id).limit(call.query.limit + 1)))
    shown = rows[: call.query.limit]
    return shown, [str(shown[-1].id)] if len(rows) > len(shown) else None


def _directory(table: type[Organisation] | type[Facility], key: ColumnElement[UUID | None]) -> Any:
    """What is listed openly, and what the cases name that the caller works on, in the words of those cases."""

    def work(call: Call) -> Answer:
        named = own_parties(call.caller).where(key.is_not(None))
        query = select(table).where(or_(table.listed.is_(true()), table.id.in_(named.with_only_columns(key))))
        rows, following = _by_id(call, table, query)
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


def add_entity(call: Call) -> Answer:
    said: network.EntityInput = call.body
    parent = network.existing_entity(call.session, said.parent, "/parent")
    if Role.ADMIN not in call.caller.roles_over(parent.path):
        raise Forbidden
    if said.kind is EntityKind.INTERNATIONAL_OFFICE:
        raise Invalid([Fault("/kind", "is that of the root, which there is one of")])
    try:
        made = network.new_entity(call.session, said.name, said.kind, parent, said.country)
    except IntegrityError as error:
        raise Invalid([Fault("/name", "is the name of another entity")]) from error
    return rendered(network.EntityOutput.model_validate(made), 201)


def add_account(call: Call) -> Answer:
    said: AccountInput = call.body
    entity = network.existing_entity(call.session, said.entity, "/entity")
    if Role.ADMIN not in call.caller.roles_over(entity.path):
        raise Forbidden
    try:
        made = network.new_account(call.session, said.name, said.kind, call.now)
    except IntegrityError as error:
        raise Invalid([Fault("/name", "is the name of another account")]) from error
    network.grant(call.session, made, said.role, entity)
    return rendered(account_output(call.session, made), 201)


def list_accounts(call: Call) -> Answer:
    rows, following = _by_id(call, Account, select(Account).where(Account.active))
    return page(call, network.AccountOutput, [account_output(call.session, row) for row in rows], following)


def show_me(call: Call) -> Answer:
    account = call.session.get_one(Account, call.caller.account_id)
    return rendered(account_output(call.session, account))


def known_codes(visit: Visit) -> type[Code]:
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
    """The doors of every directory."""
    listed: dict[str, Any] = {"query": PageQuery, "as_table": True, "tag": "directories"}
    to_log = with_roles(*INTAKE_ROLES)
    to_run = with_roles(Role.ADMIN)
    to_assign = with_roles(Role.ADMIN, Role.COORDINATOR)
    return [
        Door(
            "GET", "/v1/me", "show_me", "Who you are here, and your roles.", anyone, show_me,
            network.AccountOutput, forbids=False, tag="directories",
        ),
        Door(
            "GET", "/v1/organisations", "list_organisations", "The organisations you may see.", anyone,
            _directory(Organisation, Party.organisation_id.expression),
            Page[directory.OrganisationOutput], forbids=False, **listed,
        ),
        Door(
            "POST", "/v1/organisations", "add_organisation", "List an organisation openly.", to_log, add_organisation,
            directory.OrganisationOutput, 201, directory.OrganisationInput, tag="directories",
        ),
        Door(
            "GET", "/v1/facilities", "list_facilities", "The facilities you may see.", anyone,
            _directory(Facility, Party.facility_id.expression),
            Page[directory.FacilityOutput], forbids=False, **listed,
        ),
        Door(
            "POST", "/v1/facilities", "add_facility", "List a facility openly, and its owner.", to_log, add_facility,
            directory.FacilityOutput, 201, directory.FacilityInput, tag="directories",
        ),
        Door(
            "GET", "/v1/entities", "list_entities", "The entities of the network.", anyone, list_entities,
            Page[network.EntityOutput], forbids=False, **listed,
        ),
        Door(
            "POST", "/v1/entities", "add_entity", "Add an entity to the network.", to_run, add_entity,
            network.EntityOutput, 201, network.EntityInput, tag="directories",
        ),
        Door(
            "GET", "/v1/accounts", "list_accounts", "The accounts of the network, to assign cases to.", to_assign,
            list_accounts, Page[network.AccountOutput], **listed,
        ),
        Door(
            "POST", "/v1/accounts", "add_account", "Add an account with a role.", to_run, add_account,
            network.AccountOutput, 201, AccountInput, tag="directories",
        ),
        Door(
            "GET", "/v1/vocabularies/{name}", "show_vocabulary", "The codes of a list, with what each means.",
            known_codes, show_vocabulary, Page[CodeOutput], forbids=False, **listed,
        ),
    ]  # fmt: skip
