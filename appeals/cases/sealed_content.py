"""The sealed fields of a case, which only openings show."""

from collections.abc import Collection

from appeals.cases.case import Case
from appeals.cases.person import Person, SealedPerson
from appeals.cases.safe_contact import SafeContactRuleVersion, newest_rule
from appeals.vocabulary import SealedField


def sealed_content(of: Case, field: SealedField) -> object:
    """Return the content of a sealed field, as an opening shows it."""
    match field:
        case SealedField.NARRATIVE:
            return of.narrative
        case SealedField.SAFE_CONTACT_RULE:
            return newest_rule(of.safe_contact_rules, None)
        case SealedField.PROCEEDING_NUMBERS:
            return {proceeding.id: proceeding.number for proceeding in of.proceedings if proceeding.number}
        case SealedField.PEOPLE:
            return {person.id: _sealed_person(of, person) for person in of.people}


def safe_contact_rules_of(case: Case, fields: Collection[SealedField]) -> list[SafeContactRuleVersion]:
    """Return all safe-contact rules that these fields cover, the newest first."""
    of_requester, of_people = SealedField.SAFE_CONTACT_RULE in fields, SealedField.PEOPLE in fields
    rules = [rule for rule in case.safe_contact_rules if (of_people if rule.person else of_requester)]
    return [SafeContactRuleVersion.model_validate(rule) for rule in reversed(rules)]


def _sealed_person(case: Case, person: Person) -> SealedPerson:
    rule = newest_rule(case.safe_contact_rules, person.id)
    return SealedPerson(name=person.name, contacts=person.contacts, safe_contact_rule=rule)
