"""One try at a step: what its guards look at, and the signatures that count for it. Source: domain.md 3 and 8."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TypeVar
from uuid import UUID

from appeals.access.record_writers import RECORD_WRITERS
from appeals.access.visibility import roles_on
from appeals.accounts.account import Account
from appeals.accounts.caller import Caller, RoleGrant
from appeals.accounts.entity import Entity
from appeals.accounts.network import Network
from appeals.cases.action import Action
from appeals.cases.case import Case
from appeals.cases.commitment import Commitment
from appeals.cases.consent import Met
from appeals.cases.demand import Demand
from appeals.cases.last_word import SCOPE_OF_LEVEL, LastWord, Words
from appeals.cases.publication import SIGNED_FOR_DAYS, Approval, Publication, met_of
from appeals.cases.risk import RiskAssessment
from appeals.errors import Unmet
from appeals.fields import span
from appeals.lifecycle import publishing_input
from appeals.lifecycle import step_inputs as asks
from appeals.lifecycle.steps import Step, target_of
from appeals.vocabulary import (
    ConsentScope,
    Precision,
    PublicationLevel,
    RiskLevel,
    Status,
)

RequestedInput = TypeVar("RequestedInput", bound=asks.StepInput)


@dataclass
class Attempt:
    """One try at a step: by whom, on which day, with what input (None in a preview), and what that input names.

    `page` is the publication of which is asked whether it may stay up; None where one is to go up.
    """

    network: Network
    case: Case
    step: Step
    caller: Caller
    now: datetime
    on: date
    input: asks.StepInput | publishing_input.Publishing | None = None
    page: Publication | None = None
    lead: Entity | None = None
    assignee: Account | None = None
    verifier: str | None = None
    survivor: Case | None = None
    first_action: Action | None = None
    breached: Commitment | Demand | None = None
    beside: list[Unmet] = field(default_factory=list)

    @cached_property
    def held_by_assignee(self) -> tuple[RoleGrant, ...]:
        """The roles of who is to be the assignee."""
        return self.network.grants_of(self.assignee.id) if self.assignee else ()

    @property
    def today(self) -> date:
        """The server's day, in UTC, and never before the newest thing on record."""
        return self.case.today(self.now)

    @property
    def words(self) -> Words:
        """What everybody said about consent; of what was signed, but for the words of voices that had left."""
        return self.case.words(self.today, self.signed.silent if self.signed else ())

    def permits(self, answer: Callable[[date], LastWord], met: Met | None = None) -> bool:
        """True when a consent was in force when the step was taken, as far as its day is known, and is now."""
        met = self.met if met is None else met
        precision = getattr(self.input, "occurred_precision", Precision.EXACT)
        first, last = (min(day, self.today) for day in span(self.on, precision))
        days = self.words.days_within(first, last)
        return answer(self.today).permits(met) and any(answer(day).permits(met) for day in days)

    @cached_property
    def signed(self) -> Publication | Approval | None:
        """What was signed: the page itself, or the second signature on which one is to go up."""
        page = self.page or (self.case.page_up if stays_up(self) else None)
        return page or (second_signature(self) if self.goes_public else None)

    @cached_property
    def may_sign(self) -> frozenset[UUID]:
        """Those whose unused signatures are on record and who may still sign: in service, in a role to do so."""
        signers = {approval.recorded_by for approval in self.case.approvals if approval.used_at is None}
        accounts = [self.network.account(account_id) for account_id in signers]
        return frozenset(account.id for account in accounts if account.active and self._is_reviewer(account))

    def _is_reviewer(self, account: Account) -> bool:
        signer = Caller(
            account_id=account.id, name=account.name, grants=self.network.grants_of(account.id), now=self.now
        )
        return bool(roles_on(signer, self.case) & RECORD_WRITERS["approvals"])

    @property
    def goes_public(self) -> bool:
        """True when something is to become public, with a campaign or without."""
        return self.entering is Status.PUBLIC_CAMPAIGN or isinstance(self.input, publishing_input.Publishing)

    @property
    def met(self) -> Met:
        """The conditions said to be met: in this input, in what was signed, and of take-up in earlier steps."""
        conditions = self.input.met_conditions if isinstance(self.input, asks.StepInput) else []
        here = met_of([condition.model_dump(mode="json") for condition in conditions])
        return here | self.met_for_publishing

    @property
    def met_for_publishing(self) -> Met:
        """What is published relies on the approval, which alone says that conditions are met (domain.md 8)."""
        signed = self.signed.met if self.signed else frozenset()
        return signed | self.case.take_up_conditions_met

    def permitted_to_publish(self, level: PublicationLevel, side: Callable[[ConsentScope, date], LastWord]) -> bool:
        """True when a side's last word covers a level of publication."""
        return self.permits(lambda day: side(SCOPE_OF_LEVEL[level], day), self.met_for_publishing)

    @property
    def entering(self) -> Status:
        """The state the step leads to."""
        state = self.input.resume_to if isinstance(self.input, asks.Resumption) else None
        return target_of(self.case, self.step, state)

    @property
    def level(self) -> PublicationLevel:
        """How wide the publication is to be: as asked, else as the last one was, else the narrowest."""
        if self.page is not None:
            return PublicationLevel(self.page.level)
        if isinstance(self.input, asks.Escalation | publishing_input.Publishing):
            return self.input.publication_level
        published = self.case.publications
        return PublicationLevel(published[-1].level) if published else PublicationLevel.ANONYMISED

    def said(self, kind: type[RequestedInput]) -> RequestedInput:
        """The input, which in a guard that hears is always of its step's kind."""
        if not isinstance(self.input, kind):
            raise TypeError(f"{self.step.noun} brought {type(self.input)}")
        return self.input


def critical_risk(a: Attempt) -> RiskAssessment | None:
    """The assessment that calls the risk critical, by what was known on that day or is known now."""
    newest = (a.case.newest_risk(day) for day in (a.on, date.max))
    return next((assessment for assessment in newest if assessment and assessment.level == RiskLevel.CRITICAL), None)


def people_in(signed: Approval | Publication | None, level: PublicationLevel) -> list[UUID]:
    """The persons that what was signed shows at a level."""
    return [UUID(person) for person in shown_records(signed, level).get("people", [])]


def shown_records(signed: Approval | Publication | None, level: PublicationLevel) -> dict[str, list[str]]:
    """The ids of the records that what was signed shows at a level, by kind."""
    records: dict[str, list[str]] = {}
    if isinstance(signed, Publication):
        records = signed.shown_records
    elif signed is not None:
        records = signed.shown_records.get(level, {})
    return records


def second_signature(a: Attempt) -> Approval | None:
    """The newest approval, by another person, that a publication may rest on."""
    return next(filter(is_by_another(a), reversed(approvals(a))), None)


def approvals(a: Attempt) -> list[Approval]:
    """Signatures that count: unused, fresh, as wide as the level, made knowing of a critical risk, void after a no.

    And of those alone who may still sign.
    """
    critical = critical_risk(a)
    known = critical.recorded_at if critical else None
    return [
        approval
        for approval in a.case.approvals
        if approval.used_at is None
        and approval.recorded_at >= a.now - timedelta(days=SIGNED_FOR_DAYS)
        and a.level in approval.shows
        and approval.recorded_by in a.may_sign
        and (known is None or approval.recorded_at >= known)
        and not is_void_after_no(a, approval)
    ]


def is_void_after_no(a: Attempt, signed: Approval | Publication) -> bool:
    """True when a no speaks to what was signed, and no newer yes of that voice was on record then (domain.md 8)."""
    words = a.case.words(a.today, signed.silent)
    people = people_in(signed, a.level) if a.level is PublicationLevel.PERSON else []
    return bool(words.unanswered(SCOPE_OF_LEVEL[a.level], people, signed.recorded_at))


def is_by_another(a: Attempt) -> Callable[[Approval], bool]:
    """Whether an approval was signed by somebody other than the caller."""
    return lambda approval: approval.recorded_by != a.caller.account_id


def stays_up(a: Attempt) -> bool:
    """True when a campaign is resumed whose publication stayed up while it was paused."""
    return a.step.returns and any(publication.is_readable(a.today) for publication in a.case.publications)
