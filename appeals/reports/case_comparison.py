"""The comparison of two cases: whether they may be the same appeal, and the reasons."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby, islice
from operator import attrgetter
from typing import Literal
from uuid import UUID

from appeals.cases.case import Case
from appeals.read_models.name_similarity import (
    COMPARED_ROLES,
    are_alike,
    blocking_keys,
)
from appeals.vocabulary import PartyRole

SAME_DAYS = timedelta(days=14)


COMPARED_PARTIES, COMPARED_NAMES = 100, 200
"""How many parties of a case are compared for each role, and how many pairs of names with the same key of two cases."""


BUYER_ROLES = frozenset({PartyRole.BRAND, PartyRole.RETAILER, PartyRole.LICENSOR, PartyRole.AGENT})


@dataclass(frozen=True)
class CaseFeatures:
    """The features of a case that are compared: names and directory rows by role, violations, days."""

    received_on: date
    id: UUID | None = None
    reference: str = ""
    names: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, set[UUID]] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)
    since: set[date] = field(default_factory=set)

    @property
    def buyers(self) -> set[UUID]:
        """The ids of the directory rows of buyers."""
        return set[UUID]().union(*(self.rows.get(role, ()) for role in BUYER_ROLES))

    @property
    def days(self) -> set[date]:
        """The first and last day of the violations, or the day of receipt if they have no days."""
        return self.since or {self.received_on}

    def add(self, role: str, row: UUID | None, names: Iterable[str | None]) -> None:
        """Add a party with its role."""
        self.names.setdefault(role, []).extend(filter(None, names))
        if row is not None:
            self.rows.setdefault(role, set()).add(row)


def features_of(case: Case) -> CaseFeatures:
    """Return the features of a case as it is in this transaction."""
    features = CaseFeatures(case.received_on, case.id, case.reference)
    for role, parties in groupby(sorted(case.parties, key=lambda party: (party.role, party.id)), _role_of):
        if role in {*COMPARED_ROLES, *BUYER_ROLES}:
            for party in islice(parties, COMPARED_PARTIES):
                features.add(role, party.facility_id or party.organisation_id, party.names)
    features.codes.update(violation.code for violation in case.violations)
    features.since.update(violation.since for violation in case.violations if violation.since)
    return features


_role_of = attrgetter("role")


def cases_alike(features: CaseFeatures, others: Iterable[CaseFeatures]) -> list[tuple[CaseFeatures, list[str]]]:
    return [(other, reasons) for other in others if (reasons := why(features, other))]


def why(case: CaseFeatures, other: CaseFeatures) -> list[str]:
    """Return the reasons why two cases may be the same appeal; none if they are not enough."""
    employers = (case.names.get(PartyRole.EMPLOYER), other.names.get(PartyRole.EMPLOYER))
    if all(employers) and not _alike(PartyRole.EMPLOYER, case, other):
        return []
    met = {who: similarity for role, who in COMPARED_ROLES.items() if (similarity := _alike(role, case, other))}
    beside = _beside(case, other)
    if "same" not in met.values() and not (met and beside):
        return []
    same = sorted(who for who, similarity in met.items() if similarity == "same")
    return [*(f"same {who}" for who in same), *(f"{who} of a like name" for who in sorted(met.keys() - same)), *beside]


def _alike(role: PartyRole, case: CaseFeatures, other: CaseFeatures) -> Literal["same", "alike", ""]:
    """Return whether both cases name the same directory row, or similar names, in this role."""
    if case.rows.get(role, set()) & other.rows.get(role, set()):
        return "same"
    pairs = _sharing_keys(case.names.get(role, ()), other.names.get(role, ()))
    return "alike" if any(are_alike(*pair) for pair in islice(pairs, COMPARED_NAMES)) else ""


def _sharing_keys(names: Iterable[str], other_names: Collection[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        keys = set(blocking_keys(name))
        yield from ((name, other) for other in other_names if not keys.isdisjoint(blocking_keys(other)))


def _beside(case: CaseFeatures, other: CaseFeatures) -> list[str]:
    """Return the reasons that make it more likely, and are not enough alone."""
    near = any(abs(one - another) <= SAME_DAYS for one in case.days for another in other.days)
    shared = {"same violations": case.codes & other.codes, "same brand": case.buyers & other.buyers}
    return [*(clue for clue, both in shared.items() if both), *(["same days"] if near else [])]
