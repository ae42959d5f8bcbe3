"""The input of the consent oracle: consents, parties, facts, pages, signatures; and its output.

Quotes are sentences of domain.md. `A-nn` points at AMBIGUITIES.md. Times are naive UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - all times here are naive


@dataclass(frozen=True)
class Word:
    """ "A consent record is one word of one voice.\""""

    id: str
    subject: str  # workers, workers_union, local_partner, requester, person
    scope: str
    state: str  # requested, given, given_with_conditions, refused, withdrawn
    first: date  # the first and the last day on which it may have been said
    last: date
    recorded_at: datetime
    of: str | None = None
    expires_on: date | None = None
    recipients: frozenset[str] = frozenset()
    conditions: tuple[str, ...] = ()
    retracted_at: datetime | None = None  # when the retraction took effect (signed)


@dataclass(frozen=True)
class Party:
    id: str
    role: str
    org: str = ""  # the same organisation in two roles is one mouth on its side
    kind: str = "organisation"
    added_at: datetime = EPOCH
    left_signed_at: datetime | None = None  # left for good, and a second person signed


@dataclass(frozen=True)
class Step:
    noun: str
    on: date
    reversed: bool = False


@dataclass(frozen=True)
class Fact:
    """A violation (mark: its grade), a supply link (its strength) or a person (empty)."""

    id: str
    mark: str
    retracted: bool = False


@dataclass(frozen=True)
class Page:
    level: str
    id: str = "page"
    people: frozenset[str] = frozenset()
    shows: frozenset[str] = frozenset()  # violations and links shown
    signed_at: datetime | None = None  # None: not signed yet, asked ahead
    conditions_met: frozenset[str] = frozenset()
    no_local_partner: bool = False
    up: bool = False


@dataclass(frozen=True)
class Approval:
    by: str
    level: str
    signed_at: datetime
    role: str = "reviewer"
    conditions_met: frozenset[str] = frozenset()
    no_local_partner: bool = False
    people: frozenset[str] = frozenset()
    used: bool = False
    retracted: bool = False


@dataclass(frozen=True)
class Case:
    words: tuple[Word, ...] = ()
    parties: tuple[Party, ...] = ()
    history: tuple[Step, ...] = ()
    status: str = "engagement"
    suspend_reason: str | None = None
    close_reason: str | None = None
    violations: tuple[Fact, ...] = ()
    links: tuple[Fact, ...] = ()
    people: tuple[Fact, ...] = ()
    pages: tuple[Page, ...] = ()
    assessed_on: tuple[date, ...] = ()
    risk: str = "elevated"
    newest_recorded_at: datetime = EPOCH  # of anything on record, not only words


@dataclass(frozen=True)
class Answer:
    says: str  # yes, no, silent
    conditions: frozenset[str] = frozenset()  # each to be named and said to be met, and how

    def authorises(self, met: frozenset[str]) -> bool:
        """ "They authorise only where what relies on them names each and says that it is met.\""""
        return self.says == "yes" and self.conditions <= met


@dataclass(frozen=True)
class Ends:
    down: tuple[str, ...] = ()
    suspended: str | None = None  # the reason code, where the case is suspended by it
    narrowed: bool = False  # visibility network falls back to regional
