"""The content of publications: what outsiders may see of a case at each level."""

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

# The public views


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
    """The level `anonymised`: country, kinds of violations and the like, and no names (section 4 of the domain
    specification).
    """

    level: PublicationLevel
    country: str
    violations: list[ViolationCode]
    headings: list[ViolationHeading]


class PublicOutcome(Model):
    code: OutcomeCode
    extent: OutcomeExtent


class Named(Anonymised):
    """The level `named`: also the workplace, brands, demands, public actions and the public texts.

    State group and outcomes are those of the day of the signature. It never shows a requester that is not cleared, a
    narrative, an account, or the reference of the case.
    """

    group: StatusGroup
    outcomes: list[PublicOutcome]

    texts: list[PublicText]
    workplaces: list[PublicPlace]
    companies: Annotated[list[PublicCompany], Field(description="The brands, retailers, licensors and agents.")]
    requesters: Annotated[list[str], Field(description="The workers' organisations that are cleared to be named.")]
    demands: list[PublicDemand]
    actions: Annotated[list[PublicAction], Field(description="The public actions that were done.")]


class PublicPerson(Model):
    """A person who consented to be named, under the pseudonym of the case."""

    pseudonym: str
    role: str | None


class WithPeople(Named):
    """The level `person`: also each person with their own consent, under a pseudonym."""

    people: list[PublicPerson]


class PublicCase(Model):
    """A published case."""

    token: Annotated[
        str, Field(description="A random name, which is not the reference and reveals nothing about the case.")
    ]
    shows: WithPeople | Named | Anonymised


FORM_OF_LEVEL: dict[PublicationLevel, type[Anonymised]] = {
    PublicationLevel.ANONYMISED: Anonymised,
    PublicationLevel.NAMED: Named,
    PublicationLevel.PERSON: WithPeople,
}


def shown_at(case: Case, level: PublicationLevel, now: datetime) -> JsonObject:
    """Return what a publication of the case at this level would show now."""
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
    """Return the ids of the records that a publication at this level would show, by kind."""
    records: dict[str, Iterable[Any]] = {"violations": _true_enough(case)}
    if level is not PublicationLevel.ANONYMISED:
        records |= {"parties": [*_workplaces(case), *_companies(case)]}
    if level is PublicationLevel.PERSON:
        records |= {"people": _people(case, now)}
    return {kind: sorted(str(record.id) for record in shown) for kind, shown in records.items()}


def _true_enough(case: Case) -> list[violation.Violation]:
    return [row for row in case.violations if row.grade in TRUE_ENOUGH]


def _workplaces(case: Case) -> list[party.Party]:
    """Return the workplaces. A facility that names the seat of a requester or union is not one."""
    return [workplace for workplace in case.parties if workplace.facility_id and workplace.target in party.OWN_HOUSE]


def _companies(case: Case) -> list[party.Party]:
    """Return the companies. If one is there twice, a disproved link leaves the other one."""
    disproved = {row.organisation_id for row in case.parties if row.link_strength == SupplyStrength.DISPROVED}
    buyers = [row for row in case.parties if row.is_buyer and row.link_is_strong]
    return [row for row in buyers if row.organisation_id not in disproved]


def _people(case: Case, now: datetime) -> list[person.Person]:
    """Return the people with their own consent. Its conditions are checked when the page is published."""
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
