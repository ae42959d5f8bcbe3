"""An attempt at a step: what its guards read, and the signatures that count.

Source: sections 3 and 8 of the domain specification.
"""

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
from appeals.lifecycle.step_input import StepInput
from appeals.lifecycle.steps import Step, target_of
from appeals.vocabulary import (
    ConsentScope,
    Precision,
    PublicationLevel,
    RiskLevel,
    Status,
)

RequestedInput = TypeVar("RequestedInput", bound=StepInput)


@dataclass
class Attempt:
    """An attempt at a step: its caller, day and input (None in a preview), and the records that the input names.

    `page` is the publication whose guards are checked; None if a new one is to be published.
    """

    network: Network
    case: Case
    step: Step
    caller: Caller
    now: datetime
    on: date
    input: StepInput | publishing_input.Publishing | None = None
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
        """The role grants of the future assignee."""
        return self.network.grants_of(self.assignee.id) if self.assignee else ()

    @property
    def today(self) -> date:
        """The server's day in UTC, never before the newest entry of the case."""
        return self.case.today(self.now)

    @property
    def words(self) -> Words:
        """All consents and refusals; for a signed publication without those of voices that had left."""
        return self.case.words(self.today, self.signed.silent if self.signed else ())

    def permits(self, answer: Callable[[date], LastWord], met: Met | None = None) -> bool:
        """Return whether a consent is in force today and was so on some possible day of the step."""
        met = self.met if met is None else met
        precision = getattr(self.input, "occurred_precision", Precision.EXACT)
        first, last = (min(day, self.today) for day in span(self.on, precision))
        days = self.words.days_within(first, last)
        return answer(self.today).permits(met) and any(answer(day).permits(met) for day in days)

    @cached_property
    def signed(self) -> Publication | Approval | None:
        """What was signed: the publication itself, or the approval on which a new one will rest."""
        page = self.page or (self.case.page_up if stays_up(self) else None)
        return page or (second_signature(self) if self.goes_public else None)

    @cached_property
    def may_sign(self) -> frozenset[UUID]:
        """The accounts with unused approvals that may still sign: active, with a role that allows it."""
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
        """True if the step publishes something, with a campaign or without."""
        return self.entering is Status.PUBLIC_CAMPAIGN or isinstance(self.input, publishing_input.Publishing)

    @property
    def met(self) -> Met:
        """The conditions that are met according to this input, to what was signed, and to earlier steps for the
        take-up.
        """
        conditions = self.input.met_conditions if isinstance(self.input, StepInput) else []
        here = met_of([condition.model_dump(mode="json") for condition in conditions])
        return here | self.met_for_publishing

    @property
    def met_for_publishing(self) -> Met:
        """The conditions met according to what was signed, on which alone a publication relies (section 8 of the domain
        specification).
        """
        signed = self.signed.met if self.signed else frozenset()
        return signed | self.case.take_up_conditions_met

    def permitted_to_publish(self, level: PublicationLevel, side: Callable[[ConsentScope, date], LastWord]) -> bool:
        """Return whether the last word of a side covers a level of publication."""
        return self.permits(lambda day: side(SCOPE_OF_LEVEL[level], day), self.met_for_publishing)

    @property
    def entering(self) -> Status:
        """The state to which the step leads."""
        state = self.input.resume_to if isinstance(self.input, asks.Resumption) else None
        return target_of(self.case, self.step, state)

    @property
    def level(self) -> PublicationLevel:
        """The level of the publication: the requested one, or that of the last publication, or the narrowest."""
        if self.page is not None:
            return PublicationLevel(self.page.level)
        if isinstance(self.input, asks.Escalation | publishing_input.Publishing):
            return self.input.publication_level
        published = self.case.publications
        return PublicationLevel(published[-1].level) if published else PublicationLevel.ANONYMISED

    def said(self, kind: type[RequestedInput]) -> RequestedInput:
        """Return the input as the type that its step requires."""
        if not isinstance(self.input, kind):
            raise TypeError(f"{self.step.noun} brought {type(self.input)}")
        return self.input


def critical_risk(a: Attempt) -> RiskAssessment | None:
    """Return the newest assessment of that day or of today if it calls the risk critical."""
    newest = (a.case.newest_risk(day) for day in (a.on, date.max))
    return next((assessment for assessment in newest if assessment and assessment.level == RiskLevel.CRITICAL), None)


def people_in(signed: Approval | Publication | None, level: PublicationLevel) -> list[UUID]:
    """Return the ids of the people that a signed level shows."""
    return [UUID(person) for person in shown_records(signed, level).get("people", [])]


def shown_records(signed: Approval | Publication | None, level: PublicationLevel) -> dict[str, list[str]]:
    """Return the ids of the records that a signed level shows, by kind."""
    records: dict[str, list[str]] = {}
    if isinstance(signed, Publication):
        records = signed.shown_records
    elif signed is not None:
        records = signed.shown_records.get(level, {})
    return records


def second_signature(a: Attempt) -> Approval | None:
    """Return the newest approval by another person on which a publication may rest."""
    return next(filter(is_by_another(a), reversed(approvals(a))), None)


def approvals(a: Attempt) -> list[Approval]:
    """Return the approvals that count, of accounts that may still sign.

    Each is unused, at most `SIGNED_FOR_DAYS` old, wide enough for the level, newer than a critical risk assessment, and
    not void after a no.
    """
    critical = critical_risk(a)
    assessed_at = critical.recorded_at if critical else None
    return [
        approval
        for approval in a.case.approvals
        if approval.used_at is None
        and approval.recorded_at >= a.now - timedelta(days=SIGNED_FOR_DAYS)
        and a.level in approval.shows
        and approval.recorded_by in a.may_sign
        and (assessed_at is None or approval.recorded_at >= assessed_at)
        and not is_void_after_no(a, approval)
    ]


def is_void_after_no(a: Attempt, signed: Approval | Publication) -> bool:
    """Return whether a no came that has no newer yes of the same voice, as it was on record at the signature (section 8
    of the domain specification).
    """
    words = a.case.words(a.today, signed.silent)
    people = people_in(signed, a.level) if a.level is PublicationLevel.PERSON else []
    return bool(words.unanswered(SCOPE_OF_LEVEL[a.level], people, signed.recorded_at))


def is_by_another(a: Attempt) -> Callable[[Approval], bool]:
    """Return a function that tells whether an approval is by another account than the caller's."""
    return lambda approval: approval.recorded_by != a.caller.account_id


def stays_up(a: Attempt) -> bool:
    """Return whether a campaign is resumed whose publication stayed up during the suspension."""
    return a.step.returns and any(publication.is_readable(a.today) for publication in a.case.publications)
