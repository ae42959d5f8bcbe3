"""THE TABLE: every step that a case can take, declared once.

The routes, OpenAPI, `GET …/steps`, the CHECK constraint, `docs/lifecycle.md`, `appeals lifecycle` and the tests read
it. The guards named here are in `lifecycle/guards_….py`. Source: sections 2 and 3 of the domain specification.
"""

from dataclasses import dataclass

from appeals.access.roles import CASEWORK, COORDINATION, PARTNERS
from appeals.cases.case import Case
from appeals.lifecycle import step_inputs as asks
from appeals.lifecycle.step_input import StepInput
from appeals.vocabulary import GROUP, Role, Status, StatusGroup

RECEIVED, SCREENING, INFO_REQUESTED = Status.RECEIVED, Status.SCREENING, Status.INFO_REQUESTED
ACCEPTED, ENGAGEMENT, PUBLIC_CAMPAIGN = Status.ACCEPTED, Status.ENGAGEMENT, Status.PUBLIC_CAMPAIGN
REMEDIATION, MONITORING, SUSPENDED = Status.REMEDIATION, Status.MONITORING, Status.SUSPENDED
DECLINED, REFERRED, CLOSED = Status.DECLINED, Status.REFERRED, Status.CLOSED

OPEN = frozenset(state for state in Status if GROUP[state] is not StatusGroup.ENDED)
ENDED = frozenset(Status) - OPEN
LADDER = (RECEIVED, SCREENING, INFO_REQUESTED, ACCEPTED, ENGAGEMENT, PUBLIC_CAMPAIGN, REMEDIATION, MONITORING)
"""The open states from earlier to later.

A resumption that may not return to its own state looks for an earlier one here.
"""
TAKEN_UP = LADDER[LADDER.index(ACCEPTED) :]
"""The states in which the network acts for the workers, as long as they want it."""


@dataclass(frozen=True)
class Step:
    """One row: the noun of the step, its states, roles, input and guards, and the sentence in the history.

    `target` is None if the state does not change. `returns` marks the step back to the state from which a case was
    suspended. `receiving` marks a step of the entity to which a case is offered.
    """

    noun: str
    sources: frozenset[Status]
    target: Status | None
    roles: frozenset[Role]
    input: type[StepInput]
    guards: tuple[str, ...]
    says: str
    second: Role | None = None
    returns: bool = False
    receiving: bool = False

    @property
    def operation(self) -> str:
        """The name of its operation."""
        return self.noun.replace("-", "_")

    @property
    def moves(self) -> bool:
        """True if the step changes the state."""
        return self.target is not None or self.returns


def _from(*states: Status) -> frozenset[Status]:
    return frozenset(states)


_RISK = ("risk.missing", "risk.stale")
_CONTACT = (
    "consent.contact_brand.missing",
    "consent.contact_factory.missing",
    "consent.contact_government.missing",
)
_DATED = ("date.before_last_step",)
PUBLISHABLE = (
    "consent.take_up.workers.missing",
    "violation.unverified",
    "consent.publish.workers.missing",
    "consent.publish.partner.missing",
    "consent.publish.person.missing",
    "publication.disproved",
)
MAY_BE_UP = (
    "publication.not_accepted",
    "publication.suspended",
    "publication.called_off",
    "publication.signed_before_no",
    *PUBLISHABLE,
)
"""The guards of a publication that is up, checked when it is published, after every write to its case, and when days
pass (section 8 of the domain specification).
"""
GOING_UP = ("risk.missing", "risk.stale", "risk.critical", "signature.missing", "signature.same_person")
"""The further guards when something is published."""

STEPS: tuple[Step, ...] = (
    Step(
        "acknowledgement", OPEN, None, CASEWORK, asks.Acknowledgement,
        ("acknowledgement.before_receipt",),
        "The request was acknowledged.",
    ),
    Step(
        "screening", _from(RECEIVED), SCREENING, COORDINATION, asks.Screening,
        (*_DATED, "lead.is_party", "assignee.is_party", "assignee.without_role"),
        "Screening began under a lead entity.",
    ),
    Step(
        "information-request", _from(SCREENING), INFO_REQUESTED, CASEWORK, asks.InformationRequest,
        (*_DATED, "due.not_in_future"),
        "Information was asked for.",
    ),
    Step(
        "information", _from(INFO_REQUESTED), SCREENING, PARTNERS, asks.Information,
        _DATED,
        "The requested information arrived, or is not available.",
    ),
    Step(
        "verification", OPEN, None, CASEWORK, asks.Verification,
        ("verifier.is_target", "verifier.is_requester"),
        "Violations were verified and graded.",
    ),
    Step(
        "acceptance", _from(SCREENING), ACCEPTED, COORDINATION, asks.Acceptance,
        (
            *_DATED, "consent.take_up.workers.missing", "demand.missing", "violation.unverified", "target.missing",
            "risk.missing", "leverage.missing",
        ),
        "The case was taken up.",
    ),
    Step(
        "decline", _from(RECEIVED, SCREENING, INFO_REQUESTED), DECLINED, COORDINATION, asks.Decline,
        (*_DATED, "requester.not_told"),
        "The case was not taken up.",
    ),
    Step(
        "referral", _from(SCREENING, INFO_REQUESTED, ACCEPTED), REFERRED, COORDINATION, asks.Referral,
        (*_DATED, "consent.share_external.missing", "receiver.not_accepted"),
        "The case was handed to another body.",
    ),
    Step(
        "engagement", _from(ACCEPTED), ENGAGEMENT, CASEWORK, asks.Engagement,
        (*_DATED, *_CONTACT, *_RISK, "supply_link.weak"),
        "Quiet pressure began.",
    ),
    Step(
        "escalation", _from(ACCEPTED, ENGAGEMENT, REMEDIATION, MONITORING), PUBLIC_CAMPAIGN, COORDINATION,
        asks.Escalation,
        (
            *_DATED, *PUBLISHABLE, *_RISK, "risk.critical", "quiet_action.missing", "escalation.skips_quiet_work",
            "signature.missing", "signature.same_person",
        ),
        "The campaign went public.",
        second=Role.REVIEWER,
    ),
    Step(
        "de-escalation", _from(PUBLIC_CAMPAIGN), ENGAGEMENT, COORDINATION, asks.DeEscalation,
        (*_DATED, "workers.not_consulted"),
        "Public pressure stopped; quiet work goes on.",
    ),
    Step(
        "agreement", _from(ENGAGEMENT, PUBLIC_CAMPAIGN), REMEDIATION, CASEWORK, asks.Agreement,
        (*_DATED, "commitment.missing", "agreement.not_accepted"),
        "Dated commitments were made.",
    ),
    Step(
        "breach", _from(REMEDIATION, MONITORING), ENGAGEMENT, CASEWORK, asks.Breach,
        (*_DATED, "breach.not_due"),
        "A promise was broken.",
    ),
    Step(
        "monitoring", _from(ENGAGEMENT, PUBLIC_CAMPAIGN, REMEDIATION), MONITORING, COORDINATION, asks.Monitoring,
        (*_DATED, "demand.undisposed", "commitment.unsettled", "review.too_far"),
        "Every demand is disposed of; the remedy is being watched.",
    ),
    Step(
        "suspension", OPEN - {SUSPENDED}, SUSPENDED, CASEWORK, asks.Suspension,
        (),
        "Work was paused.",
    ),
    Step(
        "resumption", _from(SUSPENDED), None, COORDINATION, asks.Resumption,
        (*_DATED, "resumption.not_offered"),
        "Work went on.",
        returns=True,
    ),
    Step(
        "withdrawal", OPEN, CLOSED, COORDINATION, asks.Withdrawal,
        (),
        "The appeal was withdrawn.",
    ),
    Step(
        "closure", _from(ACCEPTED, ENGAGEMENT, PUBLIC_CAMPAIGN, REMEDIATION, MONITORING, SUSPENDED), CLOSED,
        COORDINATION, asks.Closure,
        (
            *_DATED, "demand.undisposed", "commitment.open", "detention.open", "charges.open",
            "close_reason.disagrees", "settlement.not_accepted", "review.pending",
        ),
        "The case was closed.",
    ),
    Step(
        "reopening", ENDED, SCREENING, COORDINATION, asks.Reopening,
        (*_DATED, "consent.take_up.renewed.missing"),
        "The case was opened again.",
    ),
    Step(
        "merger", OPEN, CLOSED, COORDINATION, asks.Merger,
        (*_DATED, "survivor.unrelated", "survivor.ended"),
        "The case was merged into another.",
    ),
    Step(
        "handover", OPEN, None, COORDINATION, asks.Handover,
        ("lead.is_party", "handover.to_itself"),
        "Another entity was asked to take the lead.",
    ),
    Step(
        "handover-acceptance", OPEN, None, COORDINATION, asks.HandoverAcceptance,
        ("handover.not_proposed", "lead.is_party", "assignee.is_party", "assignee.without_role"),
        "The receiving entity took the lead.",
        receiving=True,
    ),
)  # fmt: skip

STEP_OF_NOUN = {step.noun: step for step in STEPS}


def target_of(case: Case, step: Step, resume_to: Status | None = None) -> Status:
    """Return the status to which a step leads from the present one."""
    if step.returns:
        return resume_to or Status(case.suspended_from or Status.RECEIVED)
    return step.target or Status(case.status)


def earlier_states(state: Status) -> list[Status]:
    """Return the states before one on the ladder, nearest first, without `info_requested`, to which no case returns."""
    below = LADDER[: LADDER.index(state)]
    return [earlier for earlier in reversed(below) if earlier is not Status.INFO_REQUESTED]


def open_in(state: Status) -> tuple[Step, ...]:
    """Return the steps that can be taken in this state."""
    return tuple(step for step in STEPS if state in step.sources)


def entered_by(state: Status) -> Step | None:
    """Return the step whose guards are those of entering a state: the first row of the table with this target."""
    return next((step for step in STEPS if step.target is state), None)
