"""The rules of actions: who acted, whether a consent permits it, and what an action changes."""

from collections.abc import Callable
from datetime import date
from functools import partial

from sqlalchemy import select

from appeals.accounts.entity import Entity
from appeals.cases import (
    action,
    party,
    publication,
)
from appeals.cases.case import Case
from appeals.cases.directory import (
    Organisation,
    OrganisationInput,
)
from appeals.cases.due_date import set_due
from appeals.cases.last_word import LastWord, Words
from appeals.errors import FieldError, Invalid, Unmet
from appeals.fields import (
    as_uuid,
    fold,
    span,
)
from appeals.json_types import JsonObject
from appeals.lifecycle.party_rules import require_known
from appeals.lifecycle.record_references import find, require_conditions
from appeals.lifecycle.write_context import WriteContext
from appeals.vocabulary import (
    ActedBy,
    ActionStatus,
    ConsentScope,
    DueKind,
    OrganisationKind,
)


def action_columns(writing: WriteContext, data: action.ActionInput, at: str) -> dict[str, object]:
    require_conditions(writing.case, data.conditions_met, f"{at}/conditions_met")
    met = [condition.model_dump(mode="json") for condition in data.conditions_met]
    return {**_acted_by(writing, data.by, f"{at}/by"), "responses": [], "conditions_met": met}


def _acted_by(writing: WriteContext, by: str | OrganisationInput | None, at: str) -> dict[str, object]:
    """Return the columns that say who acted. Raises: Invalid, if the caller may not know whom the input names."""
    case, directory = writing.case, writing.tx.directory
    columns: dict[str, object] = {"by": ActedBy.NETWORK, "by_entity": case.lead_entity.id}
    columns |= dict.fromkeys(("by_party", "by_organisation", "by_name"))
    acting = find(case, "parties", by) if isinstance(by, str) else None
    if acting is not None:
        return columns | {"by": _whose(writing, acting.named), "by_party": acting.id}
    entity = writing.network.entity_named(by) if isinstance(by, str) else None
    if by is None or entity is not None:
        return columns | {"by_entity": entity.id if entity else case.lead_entity.id}
    actor = as_uuid(by) if isinstance(by, str) else by
    if actor is None:
        raise Invalid([FieldError(at, "is not a party of the case, an entity of the network or an organisation")])
    values = require_known(writing.session, writing.caller, Organisation, actor, at)
    row = directory.organisation(actor)
    named = values or directory.in_the_words_of(actor, row)
    return columns | {"by": _whose(writing, named), "by_organisation": row.id, "by_name": named["name"]}


def _whose(writing: WriteContext, named: dict[str, object]) -> ActedBy:
    """Return whether the actor with these words is the network: a member of it, or somebody with the name of
    an entity.
    """
    if named.get("kind") == OrganisationKind.CCC_MEMBER:
        return ActedBy.NETWORK
    members = [party.named for party in writing.case.parties if party.named.get("kind") == OrganisationKind.CCC_MEMBER]
    listed = select(Organisation).where(Organisation.listed, Organisation.kind == OrganisationKind.CCC_MEMBER)
    members += [{"name": row.name, "name_local": row.name_local} for row in writing.session.scalars(listed)]
    names = {name for member in members for name in _names(member)}
    names |= {fold(name) for name in writing.session.scalars(select(Entity.name))}
    return ActedBy.NETWORK if names & _names(named) else ActedBy.OTHERS


def _names(named: JsonObject) -> set[str]:
    return {fold(name) for name in (named["name"], named.get("name_local")) if name}


def changed_actor(writing: WriteContext, data: action.ActionChange) -> dict[str, object]:
    return _acted_by(writing, data.by, "/by") if "by" in data.model_fields_set else {}


def done_without_consent(writing: WriteContext, row: action.Action) -> list[Unmet]:
    """Return the consents that a done action lacks: the network needs one to contact a target or to act in public
    (section 6 of the domain specification, invariant 4).
    """
    if row.done_on is None or not row.is_contact:
        return []
    words = writing.case.words(writing.case.today(writing.now))
    first, last = (min(day, words.today) for day in span(row.done_on, row.done_precision))

    def permitted(answer: Callable[[date], LastWord]) -> bool:
        """Return whether a consent permits it on some day of a partial date."""
        met = publication.met_of(row.conditions_met)
        return any(answer(day).permits(met) for day in words.days_within(first, last))

    excused = row.without_consent_because is not None and _needs_no_consent(writing.case, row)
    contact = [] if excused else _contact_without_consent(writing.case, row, words, permitted)
    return contact + (_public_without_consent(words, permitted) if row.is_public else [])


Permitted = Callable[[Callable[[date], LastWord]], bool]


def _needs_no_consent(case: Case, row: action.Action) -> bool:
    """Return whether an action needs no consent: it cannot wait, or tells a target contacted before that the network
    stops.
    """
    if row.kind in action.CANNOT_WAIT:
        return True
    before = [
        case.party(other.target)
        for other in case.actions
        if other is not row
        and other.is_contact
        and other.without_consent_because is None
        and other.done_on
        and other.done_on <= (row.done_on or date.max)
    ]
    target = case.party(row.target)
    is_known_to_target = target is not None and party.is_among(
        [contacted for contacted in before if contacted], target.name
    )
    return is_known_to_target and row.kind in action.TELLS and row.answer_due_on is None


def _public_without_consent(words: Words, permitted: Permitted) -> list[Unmet]:
    scope = ConsentScope.PUBLISH_ANONYMISED
    sides = {
        "consent.publish.workers.missing": ("workers' side's", partial(words.workers, scope)),
        "consent.publish.partner.missing": ("local partner's", partial(words.partner, scope)),
    }
    return [
        Unmet(
            code,
            f"Record the {whose} consent to publish, in force on done_on; or plan the action, or say who did it.",
        )
        for code, (whose, answer) in sides.items()
        if not permitted(answer)
    ]


def _contact_without_consent(case: Case, row: action.Action, words: Words, permitted: Permitted) -> list[Unmet]:
    target = case.party(row.target)
    name = target.name if target else ""
    params = {target.contact_scope if target else None}
    if params == {None}:
        # A party that is a target in another record is one here too. Without a target, the kind of contact counts.
        alike = {other.contact_scope for other in case.targets if party.is_among([other], name)}
        params = alike or {row.contact_scope}
    return [
        Unmet(f"consent.{scope}.missing", f"Record the workers' side's consent {scope}, in force on done_on.")
        for scope in sorted(filter(None, params))
        if not permitted(partial(words.contact, scope, recipient=name))
    ]


def settle_action(writing: WriteContext, row: action.Action) -> None:
    """Set the due date of the answer to an action, and the day of the first contact."""
    case = writing.case
    if row.answer_due_on:
        awaited = row.awaited_until if row.status == ActionStatus.DONE else None
        set_due(case.due_dates, DueKind.ANSWER, row, awaited, writing.now)
    contacts = [other.done_on for other in case.actions if other.done_on and other.is_contact]
    case.first_action_on = min(contacts, default=None)
