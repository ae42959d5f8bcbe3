"""The table of the kinds of record that a case holds."""

from sqlalchemy import select

from appeals.access.visibility import lasting_visible_filter, links
from appeals.cases import (
    action,
    commitment,
    consent,
    demand,
    link,
    outcome,
    party,
    payment,
    person,
    proceeding,
    publication,
    risk,
    tally,
    team,
    violation,
)
from appeals.cases.case import Case
from appeals.cases.last_word import PARTNER_SIDE
from appeals.cases.public_content import shown_at, shown_records_at
from appeals.errors import FieldError, Invalid, Unmet
from appeals.lifecycle.action_rules import action_columns, changed_actor, done_without_consent, settle_action
from appeals.lifecycle.consent_rules import consent_columns, next_word, note_end
from appeals.lifecycle.party_rules import party_columns
from appeals.lifecycle.record_kind import Kind
from appeals.lifecycle.record_references import referred, require_conditions
from appeals.lifecycle.response_rules import RESPONSES
from appeals.lifecycle.steps import STEP_OF_NOUN as STEP
from appeals.lifecycle.team_rules import is_out_of_service, member_columns, note_leaving, refuse_member
from appeals.lifecycle.write_context import WriteContext
from appeals.vocabulary import (
    AccountKind,
    CommitmentStatus,
    Disposition,
    PublicationLevel,
    RiskLevel,
    Status,
    TeamStatus,
    ViolationGrade,
)


def _of_demand(writing: WriteContext, data: demand.DemandInput, at: str) -> dict[str, object]:
    if data.revises is None:
        return {"disposition": Disposition.ACTIVE}
    replaced: demand.Demand = referred(writing.case, "demands", data.revises, f"{at}/revises")
    if replaced not in writing.case.demands_now:
        raise Invalid([FieldError(f"{at}/revises", "is a version that was revised already")])
    return {"disposition": Disposition.ACTIVE, "version": replaced.version + 1}


def _note_risk(writing: WriteContext, _made: risk.RiskAssessment) -> None:
    newest = writing.case.newest_risk(writing.latest_day)
    writing.case.risk = newest.level if newest else None


def _of_approval(writing: WriteContext, body: publication.ApprovalInput, at: str) -> dict[str, object]:
    """Return the columns of an approval.

    They hold what would be shown, and nothing else is published on this signature.
    """
    levels = list(PublicationLevel)
    agreed = levels[1 : levels.index(body.level) + 1]
    require_conditions(writing.case, body.conditions_met, f"{at}/conditions_met")
    words = writing.case.words(writing.case.today(writing.now))
    voices_left = []
    for index, left in enumerate(body.voices_left):
        no = referred(writing.case, "consents", left.consent, f"{at}/voices_left/{index}/consent")
        if not no.is_no or no.subject not in PARTNER_SIDE:
            says = "is not a refusal or withdrawal of the partner's side"
            raise Invalid([FieldError(f"{at}/voices_left/{index}/consent", says)])
        voice = words.voice_of(no)
        of_voice = [str(word.id) for word in writing.case.consents if words.voice_of(word) == voice]
        voices_left.append({"consent": str(no.id), "why": left.why, "words": of_voice})
    return {
        "shows": {level: shown_at(writing.case, level, writing.now) for level in agreed},
        "shown_records": {level: shown_records_at(writing.case, level, writing.now) for level in agreed},
        "conditions_met": [met.model_dump(mode="json") for met in body.conditions_met],
        "voices_left": voices_left,
    }


def _no_signature(writing: WriteContext, approval: publication.Approval) -> list[Unmet]:
    """Return why this is no signature: two people must sign a publication (section 3 of the domain specification)."""
    unmets = []
    if approval.level == PublicationLevel.NONE:
        unmets.append(Unmet("approval.level.none", "Give the level of publication that you approve."))
    if writing.network.account(writing.caller.account_id).kind != AccountKind.PERSON:
        unmets.append(Unmet("approval.by_machine", "Only a person can sign, with an account of their own."))
    return unmets


def _verified_by_target(writing: WriteContext, promise: commitment.Commitment) -> list[Unmet]:
    """Return a refusal if a target verifies a promise (section 6 of the domain specification, invariant 16)."""
    if promise.verified_by is None or not party.is_among(writing.case.hostile, promise.verified_by):
        return []
    return [Unmet("verifier.is_target", "A target of the case cannot verify that a promise was kept.")]


def _broken_without_the_step(writing: WriteContext, promise: commitment.Commitment) -> list[Unmet]:
    """Return a refusal if a promise is marked as broken where the step `breach` is open, or before its day."""
    if promise.status != CommitmentStatus.BREACHED:
        return []
    if Status(writing.case.status) in STEP["breach"].sources:
        return [Unmet("commitments.breach", "Take the step breach, which records the facts and moves the case.")]
    if promise.is_due(writing.latest_day):
        return []
    return [Unmet("breach.not_due", "The promise is not due yet.")]


def _date_disposition(writing: WriteContext, row: demand.Demand) -> None:
    row.disposed_on = row.disposed_on or (writing.now.date() if row.disposed else None)


def _not_inside(writing: WriteContext, row: tally.Tally) -> list[Unmet]:
    """Return a refusal if more people are released than were held, or more charges ended than were brought (section 6
    of the domain specification, invariant 9).
    """
    if not tally.more_out_than_in(writing.case.tallies, row):
        return []
    says = "More people are released or free of charges than are recorded as held or charged; record those first."
    return [Unmet("tally.never_inside", says)]


def _of_link(writing: WriteContext, data: link.LinkInput, at: str) -> dict[str, object]:
    seen = select(Case.id).where(Case.reference == data.other, lasting_visible_filter(writing.caller))
    other = writing.session.scalar(seen)
    if other is None or other == writing.case.id:
        raise Invalid([FieldError(f"{at}/other", "is not the reference of another case that you may see")])
    return {"other": other, "this_case": writing.case, "other_case": writing.tx.see(other)}


def _is_graver(writing: WriteContext, assessed: risk.RiskAssessmentInput) -> bool:
    """Return whether an assessment is graver than the risk on record, or than low if there is none."""
    order = list(RiskLevel)
    return order.index(assessed.level) > order.index(RiskLevel(writing.case.risk or RiskLevel.LOW))


KINDS: tuple[Kind, ...] = (
    Kind(
        "parties", party.Party, party.PartyInput, party.PartyOutput, party.PartyChange,
        derive=party_columns,
    ),
    Kind(
        "violations", violation.Violation, violation.ViolationInput, violation.ViolationOutput,
        derive=lambda _w, _s, _a: {"grade": ViolationGrade.ALLEGED},
    ),
    Kind(
        "demands", demand.Demand, demand.DemandInput, demand.DemandOutput, demand.DemandChange,
        state="disposition", transitions=demand.NEXT, after_write=_date_disposition, derive=_of_demand,
    ),
    Kind("people", person.Person, person.PersonInput, person.PersonOutput, person.PersonChange),
    Kind(
        "consents", consent.Consent, consent.ConsentInput, consent.ConsentOutput, consent.ConsentChange,
        state="state", transitions=consent.NEXT, derive=consent_columns, after_write=note_end, shorthand=next_word,
        protects=lambda _w, data: data.state in consent.NO,
    ),
    Kind(
        "risk-assessments", risk.RiskAssessment, risk.RiskAssessmentInput, risk.RiskAssessmentOutput,
        after_write=_note_risk, protects=_is_graver,
    ),
    Kind(
        "approvals", publication.Approval, publication.ApprovalInput, publication.ApprovalOutput,
        check=_no_signature, derive=_of_approval,
    ),
    Kind(
        "actions", action.Action, action.ActionInput, action.ActionOutput, action.ActionChange,
        transitions=action.NEXT, derive=action_columns, alters=changed_actor, check=done_without_consent,
        asides=frozenset({"label", "reach", "result_note"}), after_write=settle_action,
    ),
    RESPONSES,
    Kind(
        "commitments", commitment.Commitment, commitment.CommitmentInput, commitment.CommitmentOutput,
        commitment.CommitmentChange, transitions=commitment.NEXT,
        check=lambda w, promise: _verified_by_target(w, promise) + _broken_without_the_step(w, promise),
        derive=lambda _w, _s, _a: {"status": CommitmentStatus.PROMISED},
    ),
    Kind("tallies", tally.Tally, tally.TallyInput, tally.TallyOutput, check=_not_inside),
    Kind("payments", payment.Payment, payment.PaymentInput, payment.PaymentOutput),
    Kind(
        "proceedings", proceeding.Proceeding, proceeding.ProceedingInput, proceeding.ProceedingOutput,
        proceeding.ProceedingChange, state="stage", transitions=proceeding.NEXT,
    ),
    Kind("outcomes", outcome.Outcome, outcome.OutcomeInput, outcome.OutcomeOutput),
    Kind("links", link.Link, link.LinkInput, link.LinkOutput, derive=_of_link, readable=links),
    Kind(
        "team", team.TeamMember, team.TeamMemberInput, team.TeamMemberOutput, team.TeamMemberChange,
        transitions={TeamStatus.ON: {TeamStatus.LEFT}, TeamStatus.PROPOSED: {TeamStatus.LEFT}}, derive=member_columns,
        check=refuse_member, after_write=note_leaving, protects=lambda writing, _: is_out_of_service(writing),
    ),
)  # fmt: skip


KIND_OF_NOUN = {kind.noun: kind for kind in KINDS}
