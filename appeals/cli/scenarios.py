"""The scenarios of invented cases: which acts they have, in which order, and how often each is played.

The reasons are in docs/decisions/0024-seed.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from uuid import UUID

from appeals.accounts.caller import Caller
from appeals.cli.fake_cases import FakeCase
from appeals.database.engine import Database
from appeals.vocabulary import (
    CloseReason,
    Visibility,
)

SUPPORT, LETTERS, MONEY = "(help on the spot)", "(letters and answers)", "(money, counts, proceedings)"
KEEP, DISPOSE = "(promises are kept)", "(what became of every demand)"
RISK, APPROVE, CAMPAIGN = "(risk is looked at)", "(a reviewer signs)", "(acts in public)"
SECOND, LINK = "(the same dispute comes in again)", "(it is linked)"


@dataclass(frozen=True)
class Scenario:
    """A course that `share` of a thousand cases take: their acts in order, and the reason of their closing.

    `second` holds the acts of a second case about the same dispute, if there is one.
    """

    share: int
    acts: tuple[str, ...]
    reason: CloseReason = CloseReason.NO_RESULT
    is_open: bool = False
    second: tuple[str, ...] | None = None

    @property
    def cases(self) -> int:
        """The number of cases that one play creates."""
        return 1 if self.second is None else 2


_ACCEPTED = ("screening", "verification", "acceptance")
_ENGAGED = (*_ACCEPTED, "engagement", LETTERS, LETTERS)
_AGREED = (*_ENGAGED, MONEY, "agreement")
_PUBLIC = (*_ENGAGED, "escalation", CAMPAIGN)
SCENARIOS: tuple[Scenario, ...] = (
    Scenario(140, ("acknowledgement", SUPPORT, "decline")),
    Scenario(110, (*_AGREED, KEEP, "closure"), CloseReason.SETTLED_PARTIAL),
    Scenario(100, (*_ENGAGED, LETTERS, MONEY, "closure")),
    Scenario(110, ("screening", SUPPORT, "withdrawal")),
    Scenario(90, (*_ACCEPTED, SUPPORT, SUPPORT, "closure"), CloseReason.TAKEN_OVER_BY_OTHER),
    Scenario(80, ("screening", SUPPORT, SUPPORT, "decline")),
    Scenario(75, (*_AGREED, KEEP, DISPOSE, "monitoring", "closure"), CloseReason.DEMANDS_MET),
    Scenario(50, ("acknowledgement", "screening", SUPPORT, "referral")),
    Scenario(40, (*_ENGAGED, LETTERS, "withdrawal")),
    Scenario(30, (*_PUBLIC, LETTERS, MONEY, "agreement", KEEP, "closure"), CloseReason.SETTLED_PARTIAL),
    Scenario(25, (*_ENGAGED, "suspension", "closure"), CloseReason.CONTACT_LOST),
    Scenario(20, ("acknowledgement", *_AGREED, "breach", LETTERS, "closure")),
    Scenario(15, (*_PUBLIC, "de-escalation", MONEY, "agreement", KEEP, "closure"), CloseReason.SETTLED_PARTIAL),
    Scenario(10, (*_ENGAGED, "closure", "reopening", "verification", "acceptance", "engagement", LETTERS, "closure")),
    Scenario(16, (*_ACCEPTED, SECOND, "engagement", LETTERS, LETTERS, "closure"), second=("merger",)),
    Scenario(
        14, (*_ACCEPTED, SECOND, SUPPORT, "closure"), CloseReason.TAKEN_OVER_BY_OTHER, second=(SUPPORT, "decline")
    ),
    Scenario(18, _ENGAGED, is_open=True),
    Scenario(9, ("screening", SUPPORT), is_open=True),
    Scenario(8, (*_AGREED, LETTERS), is_open=True),
    Scenario(7, ("acknowledgement",), is_open=True),
    Scenario(7, (*_AGREED, KEEP, DISPOSE, "monitoring"), CloseReason.DEMANDS_MET, is_open=True),
    Scenario(6, (*_PUBLIC, LETTERS, CAMPAIGN), is_open=True),
    Scenario(6, (*_ACCEPTED, SUPPORT), is_open=True),
    Scenario(5, (*_ENGAGED, "suspension"), is_open=True),
    Scenario(5, ("screening", "information-request"), is_open=True),
    Scenario(4, (*_ENGAGED, "handover"), is_open=True),
)


@dataclass(frozen=True)
class SeedContext:
    """What all plays share: the coordinator of each coalition, the reviewer, the entities that log cases by country."""

    rng: Random
    now: datetime
    coordinators: Mapping[str, Caller]
    reviewer: Caller
    entities: Mapping[str, list[UUID]]
    visible: Iterator[Visibility]
    names: set[str]


@dataclass
class Play:
    """One play of a scenario, with the ids of its cases: the first, and the second about the same dispute if there is
    one.
    """

    database: Database
    context: SeedContext
    scenario: Scenario
    case: FakeCase
    cases: list[UUID]

    @property
    def coordinator(self) -> Caller:
        return self.context.coordinators[self.case.profile.coalition]
