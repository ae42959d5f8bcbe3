"""The last word, compared with an independent reading of domain.md 8."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

import pytest

from appeals.cases.consent import Consent
from appeals.cases.last_word import LastWord, Words
from appeals.cases.party import Party
from appeals.fields import span
from appeals.vocabulary import ConsentScope, Precision
from tests.support import consent_oracle as oracle
from tests.support.consent_model import Case, Word
from tests.support.consent_model import Party as OracleParty
from tests.support.size import examples

TODAY = date(2026, 3, 31)
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
SCOPES = (
    ["take_up"] * 3 + ["publish_anonymised", "publish_named", "publish_person"] * 2
    + ["contact_brand", "share_network", "share_external", "retain"]
)  # fmt: skip
ASKED = (
    ConsentScope.TAKE_UP,
    ConsentScope.PUBLISH_ANONYMISED,
    ConsentScope.PUBLISH_NAMED,
    ConsentScope.PUBLISH_PERSON,
    ConsentScope.SHARE_NETWORK,
    ConsentScope.RETAIN,
    ConsentScope.CONTACT_BRAND,
    ConsentScope.SHARE_EXTERNAL,
)
STATES = ["given"] * 4 + ["given_with_conditions", "withdrawn", "withdrawn", "refused", "requested"]
RECIPIENTS: list[list[str]] = [[]] * 6 + [["Sample Brand"], ["Other Brand"], ["Sample Brand", "Other Brand"]]
SUBJECTS = ["workers", "workers", "workers_union", "local_partner", "local_partner", "requester", "person"]
ROLES = ["requester", "workers_union", "local_partner", "employer"]


def random_party(rng: Random, role: str) -> Party:
    organisation = UUID(int=rng.randint(1, 4))
    named = {"name": f"Organisation {organisation.int}", "name_local": None}
    return Party(
        id=uuid4(), role=role, organisation_id=organisation, facility_id=None, named=named, recorded_at=moment(rng)
    )


def moment(rng: Random) -> datetime:
    return NOW - timedelta(days=rng.choice([0, 1, 5, 20, 40, 60]), hours=rng.randint(0, 6))


def random_word(rng: Random, parties: list[Party], people: list[UUID]) -> Consent:
    subject, scope = rng.choice(SUBJECTS), rng.choice(SCOPES)
    state, recorded_at = rng.choice(STATES), moment(rng)
    day = min(recorded_at.date() - timedelta(days=rng.choice([-1, 0, 0, 1, 2, 3, 10, 30])), TODAY + timedelta(days=1))
    precision = rng.choice([Precision.EXACT] * 5 + [Precision.DAY_UNKNOWN, Precision.MONTH_UNKNOWN])
    is_yes = state.startswith("given")
    role = {"workers": "employer"}.get(subject, subject)
    candidates = [party.id for party in parties if party.role == role]
    of = rng.choice([None, *candidates]) if rng.random() < 0.6 else None
    return Consent(
        id=uuid4(),
        subject=subject,
        scope=scope,
        state=state,
        of_party=of if subject != "person" else None,
        of_person=rng.choice(people) if subject == "person" else None,
        conditions=[f"Condition {rng.randint(1, 2)}"] if state == "given_with_conditions" else [],
        recipients=[] if scope == "take_up" else rng.choice(RECIPIENTS),
        given_on=day if is_yes else None,
        given_precision=precision,
        on=None if is_yes else day,
        on_precision=precision,
        expires_on=day + timedelta(days=rng.choice([0, 5, 30, 90])) if is_yes and rng.random() < 0.3 else None,
        recorded_at=recorded_at,
    )


def as_said(word: Consent) -> str:
    """What is the same in two records of one word."""
    return f"{word.scope} {word.first_day} {word.last_day}"


def as_oracle_word(word: Consent) -> Word:
    said = (word.given_on, word.given_precision) if word.is_yes else (word.on, word.on_precision)
    assert said[0] is not None
    first, last = span(said[0], said[1])
    return Word(
        id=str(word.id),
        subject=word.subject,
        scope=word.scope,
        state=word.state,
        first=first,
        last=last,
        recorded_at=word.recorded_at.replace(tzinfo=None),
        of=str(word.of) if word.of else None,
        expires_on=word.expires_on,
        recipients=frozenset(word.recipients),
        conditions=tuple(f"{as_said(word)} {condition}" for condition in word.conditions),
    )


def as_oracle_party(party: Party) -> OracleParty:
    added_at = party.recorded_at.replace(tzinfo=None)
    return OracleParty(str(party.id), party.role, str(party.organisation_id), added_at=added_at)


def as_text(answer: LastWord) -> tuple[str, set[str]]:
    conditions = {f"{as_said(word)} {condition}" for word in answer.words for condition in word.conditions}
    return "no" if answer.is_no else "yes" if answer.words else "silent", conditions


def told(side: str, scope: str, on: date, consents: list[Consent], parties: list[Party]) -> str:
    lines = [
        f"{word.subject}/{str(word.of)[:4]} {word.scope} {word.state} {word.first_day}..{word.last_day} "
        f"until {word.expires_on} to {word.recipients} recorded {word.recorded_at:%m-%d}"
        for word in consents
    ]
    lines += [
        f"party {party.role} {str(party.id)[:4]} is {party.organisation_id} since {party.recorded_at:%m-%d}"
        for party in parties
    ]
    return "\n".join([f"{side} on {scope}, {on}:", *lines])


@pytest.mark.parametrize("seed", range(examples() * 20))
def test_it_is_what_somebody_else_read_in_the_specification(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - nothing secret
    roles = ["requester", *(role for role in ROLES if rng.random() < 0.6)]
    parties = [random_party(rng, role) for role in roles]
    people = [uuid4(), uuid4()]
    consents = [random_word(rng, parties, people) for _ in range(rng.randint(1, 7))]
    words = Words(consents, parties, TODAY)
    case = Case(words=tuple(map(as_oracle_word, consents)), parties=tuple(map(as_oracle_party, parties)))
    now = NOW.replace(tzinfo=None)
    for scope in ASKED:
        to_everybody = scope in oracle.EVERYBODY
        for on in {TODAY, *(TODAY - timedelta(days=rng.randint(1, 60)) for _ in range(3))}:
            for recipient in (None,) if to_everybody else ("Sample Brand", "Third Brand"):
                for side, answer in (
                    ("workers", words.workers(scope, on, recipient)),
                    ("partner", words.partner(scope, on, recipient)),
                ):
                    expected = oracle.side_says(case, side, scope, on, now, recipient)
                    assert as_text(answer) == (expected.says, set(expected.conditions)), told(
                        side, scope, on, consents, parties
                    )
            if not to_everybody:
                continue
            for person in people:
                expected = oracle.side_says(case, "person", scope, on, now, person=str(person))
                assert as_text(words.person(person, scope, on)) == (expected.says, set(expected.conditions))
