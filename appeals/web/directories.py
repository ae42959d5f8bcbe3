"""Doors of the directories: organisations, facilities, entities, accounts, code lists; and who the caller is."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select

from appeals import directory, network
from appeals.access import directory_shown_to
from appeals.errors import Fault, Forbidden, Invalid, NotFound
from appeals.field import Model, Name, NameOrId
from appeals.lifecycle import INTAKE_ROLES
from appeals.network import Account, Entity, account_output
from appeals.party import Party
from appeals.register import PageQuery
from appeals.vocabulary import VOCABULARIES, AccountKind, Role
from appeals.web.cases import anyone, with_roles
from appeals.web.door import Answer, Call, Door, rendered
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


def _listing(table: Any, output: type[Model], shown: Any) -> Any:
    """A page of a directory's rows, by id."""

    def work(call: Call) -> Answer:
        after = place(call)
        query = select(table).where(shown(call), *([table.id > UUID(after[0])] if after else []))
        rows = list(call.session.scalars(query.order_by(table.id).limit(call.query.limit + 1)))
        items = rows[: call.query.limit]
        following = [str(items[-1].id)] if len(rows) > len(items) else None
        return page(call, [output.model_validate(row) for row in items], following)

    return work


def _organisations(call: Call) -> ColumnElement[bool]:
    return directory_shown_to(call.caller, directory.Organisation, Party.organisation_id.expression)


def _facilities(call: Call) -> ColumnElement[bool]:
    return directory_shown_to(call.caller, directory.Facility, Party.facility_id.expression)


def _everything(call: Call) -> ColumnElement[bool]:
    return Entity.id.is_not(None)


def add_organisation(call: Call) -> Answer:
    found = directory.organisation(call.session, call.body, "", listed=True)
    call.session.flush()
    return rendered(directory.OrganisationOutput.model_validate(found), 201)


def add_facility(call: Call) -> Answer:
    found = directory.facility(call.session, call.body, "", listed=True)
    call.session.flush()
    return rendered(directory.FacilityOutput.model_validate(found), 201)


def add_entity(call: Call) -> Answer:
    said: network.EntityInput = call.body
    parent = network.existing_entity(call.session, said.parent, "/parent")
    if network.entity_named(call.session, said.name):
        raise Invalid([Fault("/name", "is the name of another entity")])
    made = network.new_entity(call.session, said.name, said.kind, parent, said.country)
    return rendered(network.EntityOutput.model_validate(made), 201)


def add_account(call: Call) -> Answer:
    said: AccountInput = call.body
    entity = network.existing_entity(call.session, said.entity, "/entity")
    if not {Role.ADMIN} & call.caller.roles_over(entity.path):
        raise Forbidden
    if call.session.scalar(select(Account).where(Account.name == said.name)):
        raise Invalid([Fault("/name", "is the name of another account")])
    made = network.new_account(call.session, said.name, said.kind, call.now)
    network.grant(call.session, made, said.role, entity)
    return rendered(account_output(call.session, made), 201)


def list_accounts(call: Call) -> Answer:
    after = place(call)
    query = select(Account).where(Account.active, *([Account.id > UUID(after[0])] if after else []))
    rows = list(call.session.scalars(query.order_by(Account.id).limit(call.query.limit + 1)))
    items = rows[: call.query.limit]
    following = [str(items[-1].id)] if len(rows) > len(items) else None
    return page(call, [account_output(call.session, row) for row in items], following)


def show_me(call: Call) -> Answer:
    account = call.session.get_one(Account, call.caller.account_id)
    return rendered(account_output(call.session, account))


def show_vocabulary(call: Call) -> Answer:
    codes = VOCABULARIES.get(call.visit.params["name"])
    if codes is None:
        raise NotFound
    items = [CodeOutput(code=c, definition=c.definition, conventions=list(c.conventions)) for c in codes]
    after = place(call) or [0]
    shown = items[after[0] : after[0] + call.query.limit]
    end = after[0] + len(shown)
    return page(call, shown, [end] if end < len(items) else None)


def doors() -> list[Door]:
    """The doors of every directory."""
    listed: dict[str, Any] = {"query": PageQuery, "as_table": True, "tag": "directories"}
    to_log = with_roles(*INTAKE_ROLES)
    to_run = with_roles(Role.ADMIN)
    to_assign = with_roles(Role.ADMIN, Role.COORDINATOR)
    return [
        Door("GET", "/v1/me", "show_me", "Who you are here, and your roles.", anyone, show_me, network.AccountOutput, tag="directories"),
        Door("GET", "/v1/organisations", "list_organisations", "The organisations you may see.", anyone, _listing(directory.Organisation, directory.OrganisationOutput, _organisations), Page[directory.OrganisationOutput], **listed),
        Door("POST", "/v1/organisations", "add_organisation", "List an organisation openly.", to_log, add_organisation, directory.OrganisationOutput, 201, directory.OrganisationInput, tag="directories"),
        Door("GET", "/v1/facilities", "list_facilities", "The facilities you may see.", anyone, _listing(directory.Facility, directory.FacilityOutput, _facilities), Page[directory.FacilityOutput], **listed),
        Door("POST", "/v1/facilities", "add_facility", "List a facility openly.", to_log, add_facility, directory.FacilityOutput, 201, directory.FacilityInput, tag="directories"),
        Door("GET", "/v1/entities", "list_entities", "The entities of the network.", anyone, _listing(Entity, network.EntityOutput, _everything), Page[network.EntityOutput], **listed),
        Door("POST", "/v1/entities", "add_entity", "Add an entity to the network.", to_run, add_entity, network.EntityOutput, 201, network.EntityInput, tag="directories"),
        Door("GET", "/v1/accounts", "list_accounts", "The accounts of the network, to assign cases to.", to_assign, list_accounts, Page[network.AccountOutput], **listed),
        Door("POST", "/v1/accounts", "add_account", "Add an account with a role.", to_run, add_account, network.AccountOutput, 201, AccountInput, tag="directories"),
        Door("GET", "/v1/vocabularies/{name}", "show_vocabulary", "The codes of a list, with what each means.", anyone, show_vocabulary, Page[CodeOutput], **listed),
    ]  # fmt: skip
