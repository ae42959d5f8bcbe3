"""The guards: what must hold for a step. Each is a named function; the table in `lifecycle/steps.py` says which asks
which.

A guard returns True when it holds. `soft` ones a coordinator may override with a reason; `standing` ones speak of
the case rather than of what the caller says, so that a resumption asks them again; those that `hear` need the
step's input, so that a preview cannot answer them; `unless` names the reasons that lift one. Source: domain.md 3.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property, partial
from typing import TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from appeals.access.record_writers import RECORD_WRITERS
from appeals.access.visibility import roles_on
from appeals.accounts.account import Account, grants_of
from appeals.accounts.caller import Caller, RoleGrant
from appeals.accounts.entity import Entity
from appeals.cases.action import Action
from appeals.cases.case import Case
from appeals.cases.commitment import LET_GO, SETTLED, Commitment
from appeals.cases.consent import Consent, Met
from appeals.cases.demand import Demand
from appeals.cases.last_word import SCOPE_OF_LEVEL, LastWord, Words
from appeals.cases.party import Party, is_among
from appeals.cases.publication import SIGNED_FOR_DAYS, Approval, Publication, met_of
from appeals.cases.risk import RiskAssessment
from appeals.cases.violation import TRUE_ENOUGH
from appeals.errors import Unmet
from appeals.fields import earliest, latest, span
from appeals.lifecycle import step_inputs as asks
from appeals.lifecycle.steps import ENDED, LADDER, MAY_BE_UP, TAKEN_UP, Step, earlier_states, entered_by, target_of
from appeals.vocabulary import (
    AccountKind,
    CloseReason,
    ConsentScope,
    Disposition,
    EscalationReason,
    IntakeChannel,
    PartyRole,
    Precision,
    PublicationLevel,
    RiskLevel,
    Role,
    Status,
    SupplyStrength,
    SuspendReason,
    ViolationGrade,
)

RISK_REVIEW_DAYS = {Status.PUBLIC_CAMPAIGN: 14}
RISK_REVIEW_DAYS_ELSEWHERE = 30
PUBLIC_WHILE_SUSPENDED = frozenset(
    {SuspendReason.NEGOTIATION_PAUSE, SuspendReason.AWAITING_PROCEEDING, SuspendReason.CONTACT_LOST}
)
CALLED_OFF = frozenset(
    {
        CloseReason.WITHDRAWN_BY_WORKERS,
        CloseReason.WITHDRAWN_BY_REQUESTER,
        CloseReason.MERGED,
        CloseReason.UNSAFE_TO_CONTINUE,
    }
)
"""Why a case ended of which nothing stays public."""
MONITORING_DAYS_AT_MOST = 365
WITHOUT_RESULT = (
    CloseReason.NO_RESULT,
    CloseReason.UNSAFE_TO_CONTINUE,
    CloseReason.CONTACT_LOST,
    CloseReason.TAKEN_OVER_BY_OTHER,
)
AT_ONCE = (
    EscalationReason.IMMINENT_DANGER,
    EscalationReason.WORKERS_REQUEST,
    EscalationReason.ALREADY_PUBLIC,
)
RequestedInput = TypeVar("RequestedInput", bound=asks.StepInput)


@dataclass
class Attempt:
    """One try at a step: by whom, on which day, with what input (None in a preview), and what that input names.

    `page` is the publication of which is asked whether it may stay up; None where one is to go up.
    """

    session: Session
    case: Case
    step: Step
    caller: Caller
    now: datetime
    on: date
    input: asks.StepInput | asks.Publishing | None = None
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
        return grants_of(self.session, self.assignee.id) if self.assignee else ()

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
    def signed(self) -> "Publication | Approval | None":
        """What was signed: the page itself, or the second signature on which one is to go up."""
        page = self.page or (self.case.page_up if stays_up(self) else None)
        return page or (second_signature(self) if self.goes_public else None)

    @cached_property
    def may_sign(self) -> frozenset[UUID]:
        """Those whose unused signatures are on record and who may still sign: in service, in a role to do so."""
        signers = {approval.recorded_by for approval in self.case.approvals if approval.used_at is None}
        accounts = [self.session.get_one(Account, account_id) for account_id in signers]
        return frozenset(account.id for account in accounts if account.active and self._is_reviewer(account))

    def _is_reviewer(self, account: Account) -> bool:
        signer = Caller(account.id, account.name, grants_of(self.session, account.id), self.now)
        return bool(roles_on(signer, self.case) & RECORD_WRITERS["approvals"])

    @property
    def goes_public(self) -> bool:
        """True when something is to become public, with a campaign or without."""
        return self.entering is Status.PUBLIC_CAMPAIGN or isinstance(self.input, asks.Publishing)

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
        if isinstance(self.input, asks.Escalation | asks.Publishing):
            return self.input.publication_level
        published = self.case.publications
        return PublicationLevel(published[-1].level) if published else PublicationLevel.ANONYMISED

    def said(self, kind: type[RequestedInput]) -> RequestedInput:
        """The input, which in a guard that hears is always of its step's kind."""
        if not isinstance(self.input, kind):
            raise TypeError(f"{self.step.noun} brought {type(self.input)}")
        return self.input


@dataclass(frozen=True)
class Guard:
    """A condition with its code, the sentence a refusal says, and how it may be lifted."""

    code: str
    says: str
    holds: Callable[[Attempt], bool]
    soft: bool = False
    standing: bool = False
    hears: bool = False
    unless: tuple[str, ...] = ()

    def as_unmet(self) -> Unmet:
        """What a refusal tells of this guard."""
        return Unmet(self.code, self.says, self.soft, self.unless)


GUARDS: dict[str, Guard] = {}


def guard(
    code: str,
    says: str,
    *,
    soft: bool = False,
    standing: bool = False,
    hears: bool = False,
    unless: Iterable[str] = (),
) -> Callable[[Callable[[Attempt], bool]], Callable[[Attempt], bool]]:
    """Name a function as the guard of a code."""

    def name(holds: Callable[[Attempt], bool]) -> Callable[[Attempt], bool]:
        GUARDS[code] = Guard(code, says, holds, soft, standing, hears, tuple(unless))
        return holds

    return name


def unmet(attempt: Attempt) -> list[Unmet]:
    """Every guard of the step that does not hold, in the order of the table; for a preview those it can tell."""
    params = [GUARDS[code] for code in attempt.step.guards]
    if attempt.input is None:
        params = [item for item in params if not item.hears]
    if attempt.step.returns:
        params += standing_guards(attempt.entering)
    reason = getattr(attempt.input, "reason", None)
    failing = [item for item in params if reason not in item.unless and not item.holds(attempt)]
    return _each_once([item.as_unmet() for item in failing] + attempt.beside)


def _each_once(unmets: list[Unmet]) -> list[Unmet]:
    return list({item.code: item for item in unmets}.values())


def standing_guards(state: Status) -> list[Guard]:
    """The guards of being in a state that can be asked at any time: those of entering it, and what it rests on."""
    step = entered_by(state)
    codes = step.guards if step else ()
    rests_on = ("consent.take_up.workers.missing",) if state in TAKEN_UP else ()
    return [GUARDS[code] for code in dict.fromkeys((*rests_on, *codes)) if GUARDS[code].standing]


def resumable(attempt: Attempt) -> Status | None:
    """The nearest open state, earlier than the one a suspended case came from, whose guards hold now."""
    origin = attempt.case.suspended_from
    been = {entry.to_status for entry in attempt.case.history}
    for state in earlier_states(Status(origin)) if origin in LADDER else []:
        if state not in been:
            continue
        try_it = replace(attempt, input=asks.Resumption.model_construct(resume_to=state, what_changed="", reason=None))
        if all(item.holds(try_it) for item in standing_guards(state)):
            return state
    return None


# Dates


@guard("date.before_last_step", "The step lies before the last one on record; check occurred_on.", hears=True)
def it_follows_the_last_step(a: Attempt) -> bool:
    last = a.case.last_move()
    data = a.said(asks.StepInput)
    return latest(a.on, data.occurred_precision) >= earliest(last.occurred_on, last.occurred_precision)


@guard("acknowledgement.before_receipt", "The acknowledgement lies before the request.", hears=True)
def it_was_received_before(a: Attempt) -> bool:
    data = a.said(asks.Acknowledgement)
    received = earliest(a.case.received_on, a.case.received_precision)
    return latest(a.on, data.occurred_precision) >= received


@guard("due.not_in_future", "Set a due date after the day of the request.", hears=True)
def the_answer_is_due_later(a: Attempt) -> bool:
    return a.said(asks.InformationRequest).due_on > a.on


# Who acts


@guard("lead.is_party", "An entity that is a party to the case cannot lead it.", hears=True)
def the_lead_is_no_party(a: Attempt) -> bool:
    return a.lead is None or not is_among(a.case.parties, a.lead.name)


@guard("assignee.is_party", "The assignee belongs to a party of the case; choose somebody else.", hears=True)
def the_assignee_is_no_party(a: Attempt) -> bool:
    entities = (a.session.get(Entity, entity_id) for entity_id in {role.entity_id for role in a.held_by_assignee})
    return not any(entity and is_among(a.case.parties, entity.name) for entity in entities)


@guard(
    "assignee.without_role",
    "The assignee is neither caseworker nor coordinator of the lead entity or one above it.",
    hears=True,
)
def the_assignee_may_work_on_it(a: Attempt) -> bool:
    if a.assignee is None or a.lead is None:
        return True
    grants = a.held_by_assignee
    working = (role for role in grants if role.role in {Role.CASEWORKER, Role.COORDINATOR})
    return any(a.lead.path.startswith(role.path) for role in working)


@guard("handover.to_itself", "The receiving entity already leads the case.", hears=True)
def another_entity_receives(a: Attempt) -> bool:
    return a.lead is None or a.lead.id != a.case.lead_entity_id


@guard("handover.not_proposed", "Nobody proposed to hand this case over.", standing=True)
def a_handover_is_proposed(a: Attempt) -> bool:
    return a.case.handover_to_id is not None


@guard("verifier.is_target", "A target of the case cannot verify it.", hears=True)
def the_verifier_is_no_target(a: Attempt) -> bool:
    return a.verifier is None or not is_among(a.case.hostile, a.verifier)


@guard(
    "verifier.is_requester",
    "The verifier is the only requester; let another verify, or say same_as_requester_because.",
    hears=True,
)
def somebody_else_verifies(a: Attempt) -> bool:
    others = [asking for asking in a.case.requesters if not is_among([asking], a.verifier or "")]
    return bool(others) or a.said(asks.Verification).same_as_requester_because is not None


# Taking a case up, or not


@guard(
    "consent.take_up.workers.missing",
    "Record the workers' own consent to take up the case, in force on that day and today.",
    standing=True,
)
def the_workers_want_it(a: Attempt) -> bool:
    return a.permits(lambda day: a.words.workers_themselves(ConsentScope.TAKE_UP, day))


@guard(
    "consent.take_up.renewed.missing",
    "Record the workers' new consent to take up the case, given after it ended.",
    standing=True,
)
def the_workers_want_it_again(a: Attempt) -> bool:
    ended = a.case.last_move()
    told = ended.recorded_at.date()
    since = max(
        min(latest(ended.occurred_on, ended.occurred_precision), told),
        earliest(a.case.received_on, a.case.received_precision),
    )
    renewed = [
        word
        for word in a.case.consents
        if word.is_no or (word.is_yes and word.recorded_at > ended.recorded_at and word.last_day >= since)
    ]
    words = replace(a.words, consents=renewed)
    return a.permits(lambda day: words.workers_themselves(ConsentScope.TAKE_UP, day))


@guard("demand.missing", "Record at least one demand that is still active.", standing=True)
def something_is_demanded(a: Attempt) -> bool:
    return any(not demand.disposed for demand in a.case.demands_now)


@guard("violation.unverified", "Grade at least one violation confirmed, likely or possible.", standing=True)
def a_violation_is_true_enough(a: Attempt) -> bool:
    return any(violation.grade in TRUE_ENOUGH for violation in a.case.violations)


@guard("target.missing", "Record at least one target, such as an employer, a brand or an authority.", standing=True)
def somebody_can_be_pressed(a: Attempt) -> bool:
    return bool(a.case.targets)


@guard(
    "leverage.missing",
    "Record a brand with its supply link, or another target beyond the employer.",
    standing=True,
)
def somebody_beyond_the_employer_can_be_pressed(a: Attempt) -> bool:
    return any(party.is_leverage for party in a.case.parties)


@guard(
    "requester.not_told",
    "Tell the requester and say when, or say that telling is unsafe.",
    hears=True,
)
def the_requester_knows(a: Attempt) -> bool:
    data = a.said(asks.Decline)
    return data.requester_told_on is not None or data.telling_is_unsafe


@guard(
    "consent.share_external.missing",
    "Record the consent to share the case with that body by name, in force on that day and today.",
    hears=True,
)
def they_agreed_to_that_receiver(a: Attempt) -> bool:
    body = a.said(asks.Referral).receiving_body
    return a.permits(lambda day: a.words.contact(ConsentScope.SHARE_EXTERNAL, day, body))


@guard("receiver.not_accepted", "The receiving body has to accept first; say when it did.", hears=True)
def the_receiver_accepted(a: Attempt) -> bool:
    return a.said(asks.Referral).receiver_accepted_on is not None


# Risk


@guard("risk.missing", "Record a risk assessment made by that day.", standing=True)
def risk_is_assessed(a: Attempt) -> bool:
    return a.case.newest_risk(a.on) is not None


@guard(
    "risk.stale",
    "Assess the risk anew: on the day of the step, and for what becomes public also today, it is older than it may be: "
    "30 days before a quiet step, 14 before a public one.",
    soft=True,
    standing=True,
)
def risk_is_fresh(a: Attempt) -> bool:
    newest = a.case.newest_risk(a.on)
    if newest is None:
        return True
    days = RISK_REVIEW_DAYS[Status.PUBLIC_CAMPAIGN] if a.goes_public else RISK_REVIEW_DAYS_ELSEWHERE
    return newest.age(a.on) <= days and (not a.goes_public or _fresh_today(a, days))


def _fresh_today(a: Attempt, days: int) -> bool:
    """What becomes public now is as dangerous as it is now, whenever the step is said to have been taken."""
    brought_along = any(assessment.recorded_at == a.now for assessment in a.case.risk_assessments)
    newest = a.case.newest_risk(a.today)
    return brought_along or (newest is not None and newest.age(a.today) <= days)


@guard(
    "risk.critical",
    "The risk is critical: go public only at the workers' request (reason workers_request).",
    standing=True,
    unless=(EscalationReason.WORKERS_REQUEST,),
)
def the_risk_is_not_critical(a: Attempt) -> bool:
    return _critical(a) is None


def _critical(a: Attempt) -> RiskAssessment | None:
    """The assessment that calls the risk critical, by what was known on that day or is known now."""
    newest = (a.case.newest_risk(day) for day in (a.on, date.max))
    return next((assessment for assessment in newest if assessment and assessment.level == RiskLevel.CRITICAL), None)


# Contact


def _contact_agreed(scope: ConsentScope) -> Callable[[Attempt], bool]:
    def holds(a: Attempt) -> bool:
        names = [party.name for party in _to_contact(a) if party.contact_scope == scope]
        return all(a.permits(partial(a.words.contact, scope, recipient=name)) for name in names)

    return holds


def _to_contact(a: Attempt) -> list[Party]:
    """Whom the step contacts: the target of the first action; on a resumption all contacted so far."""
    if not isinstance(a.input, asks.Engagement):
        return a.case.contacted
    return [party for party in [a.case.party(a.first_action.target if a.first_action else None)] if party]


for _scope in (ConsentScope.CONTACT_BRAND, ConsentScope.CONTACT_FACTORY, ConsentScope.CONTACT_GOVERNMENT):
    guard(
        f"consent.{_scope}.missing",
        f"Record the workers' side's consent {_scope}, in force on that day and today.",
        standing=True,
        hears=True,
    )(_contact_agreed(_scope))


@guard(
    "supply_link.weak",
    "Show the brand's supply link: evidenced, confirmed or disclosed; a disputed one with its evidence.",
    soft=True,
    standing=True,
    hears=True,
)
def the_supply_link_would_stand(a: Attempt) -> bool:
    return all(party.link_is_strong for party in _to_contact(a) if party.is_buyer)


# Going public


@guard("publication.not_accepted", "Only an appeal that was accepted is published.", standing=True)
def it_was_accepted(a: Attempt) -> bool:
    return a.case.is_accepted


@guard(
    "publication.suspended",
    "The case is paused for a reason that keeps nothing public; resume it first.",
    standing=True,
)
def no_pause_forbids_it(a: Attempt) -> bool:
    return a.entering is not Status.SUSPENDED or a.case.suspended_because in PUBLIC_WHILE_SUSPENDED


@guard("publication.called_off", "The appeal was withdrawn, merged, or is unsafe to go on with.", standing=True)
def it_was_not_called_off(a: Attempt) -> bool:
    return a.case.close_reason not in CALLED_OFF


@guard(
    "consent.publish.workers.missing",
    "Record the workers' side's consent to publish at this level, in force on that day and today.",
    standing=True,
)
def the_workers_agree_to_publish(a: Attempt) -> bool:
    return a.permitted_to_publish(a.level, a.words.workers)


@guard(
    "consent.publish.partner.missing",
    "Record the local partner's consent to publish at this level, in force on that day and today.",
    standing=True,
)
def the_partner_agrees_to_publish(a: Attempt) -> bool:
    if not _is_without_partner(a):
        return a.permitted_to_publish(a.level, a.words.partner)
    no = a.words.partner(SCOPE_OF_LEVEL[a.level], a.today).is_no
    return not no and a.permitted_to_publish(a.level, a.words.workers_themselves)


def _is_without_partner(a: Attempt) -> bool:
    """True where there is none but the workers, and two people sign that it is so (domain.md 8)."""
    nobody_asked = a.case.channel == IntakeChannel.PUBLISHED_SOURCE
    partners = any(party.role == PartyRole.LOCAL_PARTNER for party in a.case.parties)
    signed = a.signed is not None and bool(a.signed.no_local_partner)
    reason = a.page is not None or bool(getattr(a.input, "no_local_partner", None))
    return nobody_asked and not partners and signed and reason


@guard(
    "consent.publish.person.missing",
    "Record the own consent of each person who is named, in force on that day and today.",
    standing=True,
    hears=True,
)
def each_person_agrees_to_be_named(a: Attempt) -> bool:
    if a.level is not PublicationLevel.PERSON:
        return True
    people = _people_shown(a)
    answers = [partial(a.words.person, person, ConsentScope.PUBLISH_PERSON) for person in people]
    return bool(people) and all(a.permits(answer, a.met_for_publishing) for answer in answers)


def _people_shown(a: Attempt) -> list[UUID]:
    """The persons that what was signed shows; while nobody has signed, those that a signature would be about."""
    if a.signed is not None:
        return _people_in(a.signed, a.level)
    scope = ConsentScope.PUBLISH_PERSON
    return [person.id for person in a.case.people if a.words.person(person.id, scope, a.today).words]


def _people_in(signed: Approval | Publication | None, level: PublicationLevel) -> list[UUID]:
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


@guard(
    "publication.disproved",
    "Something it shows turned out to be untrue: a violation unlikely or refuted, a supply link disproved.",
    standing=True,
)
def nothing_shown_was_disproved(a: Attempt) -> bool:
    shown = shown_records(a.signed, a.level)
    violations = [v for v in a.case.violations if str(v.id) in shown.get("violations", [])]
    companies = {party.organisation_id for party in a.case.parties if str(party.id) in shown.get("parties", [])}
    parties = [party for party in a.case.parties if party.organisation_id and party.organisation_id in companies]
    untrue = {ViolationGrade.UNLIKELY, ViolationGrade.REFUTED}
    return not any(violation.grade in untrue for violation in violations) and not any(
        party.link_strength == SupplyStrength.DISPROVED for party in parties
    )


@guard(
    "publication.signed_before_no",
    "A no came after it was signed: two people sign anew, on a newer yes of that subject.",
    standing=True,
)
def no_no_came_since_it_was_signed(a: Attempt) -> bool:
    return a.page is None or not is_void_after_no(a, a.page)


def reasons_against(a: Attempt) -> list[Unmet]:
    """Why a publication may not be up now; nothing when it may."""
    return [GUARDS[code].as_unmet() for code in MAY_BE_UP if not GUARDS[code].holds(a)]


def up_until(a: Attempt) -> date | None:
    """The last day on which a page may be up, by the consents it rests on, if nothing more is said."""
    return a.words.until(lambda day: all(answer.permits(a.met) for answer in _publication_answers(a, day)))


def relied_on(a: Attempt) -> list[Consent]:
    """The consents that a publication at this level rests on."""
    consents = [word for answer in _publication_answers(a, a.today)[1:] for word in answer.words]
    return list({consent.id: consent for consent in consents}.values())


def _publication_answers(a: Attempt, on: date) -> list[LastWord]:
    """What a page rests on: that the case is taken up, and what each side and each person says to publishing it."""
    scope, words = SCOPE_OF_LEVEL[a.level], a.words
    answers = [words.workers_themselves(ConsentScope.TAKE_UP, on), words.workers(scope, on)]
    if not _is_without_partner(a):
        answers.append(words.partner(scope, on))
    people = _people_shown(a) if a.level is PublicationLevel.PERSON else []
    return answers + [words.person(person, ConsentScope.PUBLISH_PERSON, on) for person in people]


@guard(
    "quiet_action.missing",
    "Wait until a quiet action's answer is overdue or inadequate, or give a reason that cannot wait.",
    soft=True,
    unless=AT_ONCE,
)
def quiet_work_was_tried(a: Attempt) -> bool:
    targets = {party.id for party in a.case.targets}
    return any(
        action.asks_quietly and action.target in targets and action.is_unanswered(a.on) for action in a.case.actions
    )


@guard(
    "escalation.skips_quiet_work",
    "From accepted a case goes public only in imminent danger, at the workers' request, or if already public.",
    unless=AT_ONCE,
)
def quiet_work_comes_first(a: Attempt) -> bool:
    return a.case.status != Status.ACCEPTED


@guard("signature.missing", "A reviewer has to approve the publication at this level first.", standing=True)
def somebody_signed(a: Attempt) -> bool:
    return stays_up(a) or bool(approvals(a))


@guard(
    "signature.same_person",
    "Two people have to sign: you with a key of your own, not a machine's, and another person.",
    standing=True,
)
def two_people_sign(a: Attempt) -> bool:
    if stays_up(a) or not approvals(a):
        return True
    by_a_person = a.session.get_one(Account, a.caller.account_id).kind == AccountKind.PERSON
    return by_a_person and any(map(_is_anothers(a), approvals(a)))


def second_signature(a: Attempt) -> Approval | None:
    """The newest approval, by another person, that a publication may rest on."""
    return next(filter(_is_anothers(a), reversed(approvals(a))), None)


def approvals(a: Attempt) -> list[Approval]:
    """Signatures that count: unused, fresh, as wide as the level, made knowing of a critical risk, void after a no.

    And of those alone who may still sign.
    """
    critical = _critical(a)
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
    people = _people_in(signed, a.level) if a.level is PublicationLevel.PERSON else []
    return bool(words.unanswered(SCOPE_OF_LEVEL[a.level], people, signed.recorded_at))


def _is_anothers(a: Attempt) -> Callable[[Approval], bool]:
    return lambda approval: approval.recorded_by != a.caller.account_id


def stays_up(a: Attempt) -> bool:
    """True when a campaign is resumed whose publication stayed up while it was paused."""
    return a.step.returns and any(publication.is_readable(a.today) for publication in a.case.publications)


@guard("workers.not_consulted", "Ask the workers first, and say when.", hears=True)
def the_workers_were_asked(a: Attempt) -> bool:
    return a.said(asks.DeEscalation).workers_consulted_on is not None


# Promises


@guard("commitment.missing", "Record at least one open commitment.", standing=True)
def something_is_promised(a: Attempt) -> bool:
    return any(commitment.is_open for commitment in a.case.commitments)


@guard(
    "agreement.not_accepted",
    "The workers' organisation accepts the agreement, or its objection is recorded.",
    hears=True,
)
def the_workers_accept_or_object(a: Attempt) -> bool:
    data = a.said(asks.Agreement)
    return data.workers_accepted or data.workers_objection is not None


@guard(
    "breach.not_due",
    "The promise is not due yet, or is settled; a breach of a kept one is a contrary act.",
    hears=True,
)
def the_promise_was_broken(a: Attempt) -> bool:
    data = a.said(asks.Breach)
    promise = a.breached if isinstance(a.breached, Commitment) else None
    overdue = promise is not None and promise.status not in SETTLED and promise.is_due(data.breached_on)
    let_go = promise is not None and promise.status in LET_GO
    return not let_go and (data.contrary_act or overdue)


@guard(
    "commitment.unsettled",
    "A commitment that is due is not yet verified, waived or superseded.",
    standing=True,
)
def due_commitments_are_settled(a: Attempt) -> bool:
    return all(c.status in SETTLED for c in a.case.commitments if c.is_due(a.on))


@guard("review.too_far", "Set a review after the step and at most 365 days on.", hears=True)
def the_review_is_near_enough(a: Attempt) -> bool:
    review = a.said(asks.Monitoring).review_on
    return review is None or a.on < review <= a.on + timedelta(days=MONITORING_DAYS_AT_MOST)


# Ending, and beginning again


@guard("demand.undisposed", "Say of every demand what became of it.", standing=True, unless=WITHOUT_RESULT)
def every_demand_is_disposed(a: Attempt) -> bool:
    return all(demand.disposed for demand in a.case.demands_now)


@guard("commitment.open", "A commitment is still open.", unless=WITHOUT_RESULT)
def no_commitment_is_open(a: Attempt) -> bool:
    return not any(commitment.is_open for commitment in a.case.commitments)


@guard("detention.open", "People are still held on record.", unless=WITHOUT_RESULT)
def nobody_is_held(a: Attempt) -> bool:
    return a.case.still_held == 0


@guard("charges.open", "People are still charged on record.", unless=WITHOUT_RESULT)
def nobody_is_charged(a: Attempt) -> bool:
    return a.case.charges_pending == 0


@guard("close_reason.disagrees", "The reason does not agree with what became of the demands.", hears=True)
def the_reason_agrees(a: Attempt) -> bool:
    kept = [d.disposition for d in a.case.demands_now if d.disposition != Disposition.DROPPED_BY_WORKERS]
    gained = any(found in {Disposition.MET, Disposition.PARTLY_MET} for found in kept)
    all_met = bool(kept) and all(found == Disposition.MET for found in kept)
    agrees = {
        CloseReason.DEMANDS_MET: all_met,
        CloseReason.SETTLED_PARTIAL: gained,
        CloseReason.NO_RESULT: not gained,
    }
    return agrees.get(a.said(asks.Closure).reason, True)


@guard("settlement.not_accepted", "A partial settlement needs the workers' acceptance.", hears=True)
def the_workers_accept_the_settlement(a: Attempt) -> bool:
    data = a.said(asks.Closure)
    return data.reason is not CloseReason.SETTLED_PARTIAL or data.workers_accept


@guard("review.pending", "The review of the monitoring is still to come.", soft=True)
def the_review_is_past(a: Attempt) -> bool:
    review = a.case.review_of_monitoring()
    return review is None or review <= a.on


@guard(
    "survivor.unrelated",
    "The cases share no workplace on record; say in same_dispute why they are one dispute.",
    hears=True,
)
def it_is_one_dispute(a: Attempt) -> bool:
    if a.survivor is None or a.said(asks.Merger).same_dispute is not None:
        return True
    return bool(_workplaces(a.case) & _workplaces(a.survivor))


def _workplaces(case: Case) -> set[UUID]:
    employers = {p.organisation_id for p in case.parties if p.role == PartyRole.EMPLOYER and p.organisation_id}
    return employers | {party.facility_id for party in case.parties if party.facility_id}


@guard("survivor.ended", "The surviving case has ended; reopen it first.", hears=True)
def the_survivor_is_open(a: Attempt) -> bool:
    return a.survivor is None or Status(a.survivor.status) not in ENDED


@guard(
    "resumption.not_offered",
    "Resume to the state the case came from, or to the nearest earlier one that is offered.",
    hears=True,
)
def the_state_is_offered(a: Attempt) -> bool:
    state = a.said(asks.Resumption).resume_to
    return state in (None, a.case.suspended_from) or state == resumable(a)
