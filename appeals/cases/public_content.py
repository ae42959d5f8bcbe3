"""What outsiders may see of a published case, by level."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field

from appeals.cases import party, person, violation
from appeals.cases.case import Case
from appeals.cases.violation import TRUE_ENOUGH
from appeals.fields import Model
from appeals.json_types import JsonObject
from appeals.vocabulary import (
    HEADING,
    ActionKind,
    ActionStatus,
    Channel,
    ConsentScope,
    DemandKind,
    Disposition,
    OutcomeCode,
    OutcomeExtent,
    PublicationLevel,
    StatusGroup,
    SupplyStrength,
    ViolationCode,
    ViolationHeading,
)

# What outsiders get


class PublicPlace(Model):
    name: str
    country: str


class PublicCompany(Model):
    name: str
    country: str | None


class PublicText(Model):
    language: str
    title: str
    summary: str | None


class PublicDemand(Model):
    kind: DemandKind
    disposition: Disposition


class PublicAction(Model):
    kind: ActionKind
    done_on: date


class Anonymised(Model):
    """What the level `anonymised` shows: country and kinds of violations, and nothing else (domain.md 4)."""

    level: PublicationLevel
    country: str
    violations: list[ViolationCode]
    headings: list[ViolationHeading]


class PublicOutcome(Model):
    code: OutcomeCode
    extent: OutcomeExtent


class Named(Anonymised):
    """What the wider levels show besides: factory and brands, demands, public actions, and the public texts.

    State group and outcomes are those of the day it was signed. Never a requester that is not cleared, a narrative, an
    account, or the case's own reference.
    """

    group: StatusGroup
    outcomes: list[PublicOutcome]

    texts: list[PublicText]
    workplaces: list[PublicPlace]
    companies: Annotated[list[PublicCompany], Field(description="Brands, retailers, licensors and agents.")]
    requesters: Annotated[list[str], Field(description="Those cleared to be named.")]
    demands: list[PublicDemand]
    actions: Annotated[list[PublicAction], Field(description="Public ones that were done.")]


class PublicPerson(Model):
    """Somebody who consented to be named, by the pseudonym that the case has."""

    pseudonym: str
    role: str | None


class WithPeople(Named):
    """What the level `person` shows besides: each person with their own consent, under a pseudonym."""

    people: list[PublicPerson]


class PublicCase(Model):
    """A published case."""

    token: Annotated[str, Field(description="Random; it is no reference and says nothing of the case.")]
    shows: WithPeople | Named | Anonymised


FORM_OF_LEVEL: dict[PublicationLevel, type[Anonymised]] = {
    PublicationLevel.ANONYMISED: Anonymised,
    PublicationLevel.NAMED: Named,
    PublicationLevel.PERSON: WithPeople,
}


def shown_at(case: Case, level: PublicationLevel, now: datetime) -> JsonObject:
    """What a publication of the case at this level would show, as it stands."""
    codes = {violation.code for violation in _true_enough(case)}
    kinds = [code for code in ViolationCode if code in codes]
    shows: JsonObject = {
        "level": level,
        "country": case.country,
        "violations": kinds,
        "headings": list(dict.fromkeys(HEADING[code] for code in kinds)),
    }
    if level is not PublicationLevel.ANONYMISED:
        shows |= _named(case)
    if level is PublicationLevel.PERSON:
        shows["people"] = [PublicPerson.model_validate(person) for person in _people(case, now)]
    return FORM_OF_LEVEL[level].model_validate(shows).model_dump(mode="json")


def shown_records_at(case: Case, level: PublicationLevel, now: datetime) -> dict[str, list[str]]:
    """The ids of the records that a publication at this level would show, by kind."""
    records: dict[str, Iterable[Any]] = {"violations": _true_enough(case)}
    if level is not PublicationLevel.ANONYMISED:
        records |= {"parties": [*_workplaces(case), *_companies(case)]}
    if level is PublicationLevel.PERSON:
        records |= {"people": _people(case, now)}
    return {kind: sorted(str(record.id) for record in shown) for kind, shown in records.items()}


def _true_enough(case: Case) -> list[violation.Violation]:
    return [row for row in case.violations if row.grade in TRUE_ENOUGH]


def _workplaces(case: Case) -> list[party.Party]:
    """A requester or union may be named by the place where it sits: that is no workplace."""
    return [workplace for workplace in case.parties if workplace.facility_id and workplace.target in party.OWN_HOUSE]


def _companies(case: Case) -> list[party.Party]:
    """Of a company that is there twice, one row may have turned out to be untrue."""
    disproved = {row.organisation_id for row in case.parties if row.link_strength == SupplyStrength.DISPROVED}
    buyers = [row for row in case.parties if row.is_buyer and row.link_is_strong]
    return [row for row in buyers if row.organisation_id not in disproved]


def _people(case: Case, now: datetime) -> list[person.Person]:
    """Those who consented themselves; of a condition it is asked when the page goes up."""
    today = case.today(now)
    words, scope = case.words(today), ConsentScope.PUBLISH_PERSON
    return [who for who in case.people if words.person(who.id, scope, today).words]


def _named(case: Case) -> JsonObject:
    public = [
        action for action in case.actions if action.channel == Channel.PUBLIC and action.status == ActionStatus.DONE
    ]
    text = PublicText(language=case.narrative_language, title=case.title, summary=case.public_summary)
    return {
        "texts": [text, *(PublicText(language=code, **translation) for code, translation in case.translations.items())],
        "group": case.group,
        "outcomes": [PublicOutcome.model_validate(outcome) for outcome in case.outcomes],
        "workplaces": _each_once(_workplaces(case)),
        "companies": _each_once(_companies(case)),
        "requesters": [asking.name for asking in case.requesters if asking.named.get("may_be_named")],
        "demands": [PublicDemand.model_validate(demand) for demand in case.demands_now],
        "actions": [PublicAction.model_validate(action) for action in public],
    }


def _each_once(parties: Iterable[party.Party]) -> list[JsonObject]:
    items = ({"name": party.name, "country": party.named["country"]} for party in parties)
    return list({item["name"]: item for item in items}.values())
