"""The effects of steps: what each step changes apart from the status, once its guards hold."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from appeals.cases.case import MONITORING_DAYS, Case
from appeals.cases.commitment import Commitment
from appeals.cases.consent import ConsentInput, day_of_no
from appeals.cases.demand import Demand
from appeals.cases.last_word import ALL_WORKERS
from appeals.cases.publication import Publication, new_token
from appeals.database.declarative import new_id
from appeals.lifecycle import consent_rules, record_kinds, record_writing, team_rules
from appeals.lifecycle import step_inputs as asks
from appeals.lifecycle.attempt import Attempt, is_void_after_no, second_signature, shown_records, stays_up
from appeals.lifecycle.guards_publication import relied_on
from appeals.lifecycle.write_context import WriteContext
from appeals.vocabulary import (
    CloseReason,
    CommitmentStatus,
    ConsentScope,
    ConsentState,
    ConsentSubject,
    Disposition,
    Precision,
    PublicationLevel,
    Status,
    Visibility,
    WithdrawnBy,
)


def take_effect(writing: WriteContext, attempt: Attempt) -> None:
    """Apply the effect of the step to its case."""
    what = EFFECT.get(attempt.step.noun)
    if what is not None:
        what(writing, attempt)


def _effect_acknowledgement(writing: WriteContext, a: Attempt) -> None:
    a.case.acknowledged_on = a.case.acknowledged_on or a.on
    record_writing.add_safe_contact_rule(writing, a.said(asks.Acknowledgement).safe_contact_rule)


def _effect_lead(writing: WriteContext, a: Attempt) -> None:
    if a.lead is not None and a.assignee is not None:
        a.case.lead_by(a.lead)
        a.case.assignee_id = a.assignee.id
        team_rules.name_on_team(writing, a.assignee.id)
    a.case.offer_to(None)


def _effect_handover_acceptance(writing: WriteContext, a: Attempt) -> None:
    """Replace the team: all leave except who logged the case, and who accepts it joins."""
    for member in a.case.team:
        if member.account != a.case.recorded_by:
            team_rules.leave_team(writing, member)
    _effect_lead(writing, a)
    team_rules.name_on_team(writing, writing.caller.account_id)


def _effect_acceptance(_: WriteContext, a: Attempt) -> None:
    a.case.accepted_on = a.on


def _effect_escalation(writing: WriteContext, a: Attempt) -> None:
    if not stays_up(a):
        publish_signed(writing, a)


def publish_signed(writing: WriteContext, a: Attempt) -> None:
    """Use the second signature, and publish what it covers in place of the publication before."""
    signed = second_signature(a)
    if signed is None:
        return
    publication = Publication(
        id=new_id(),
        case_id=writing.case.id,
        token=_kept_token(a) or new_token(),
        level=a.level,
        shows=signed.shows[a.level],
        shown_records=shown_records(signed, a.level),
        conditions_met=signed.conditions_met,
        voices_left=signed.voices_left,
        no_local_partner=getattr(a.input, "no_local_partner", None) if signed.no_local_partner else None,
        approved_by=signed.recorded_by,
        relies_on=relied_on(a),
        recorded_at=writing.now,
        recorded_by=writing.caller.account_id,
    )
    a.case.take_down(writing.now, "replaced by a new publication")
    signed.used_at = writing.now
    a.case.add(publication)
    a.case.publication = a.level


def _kept_token(a: Attempt) -> str | None:
    """Return the token of the publication before, if this one shows no less and no refusal came since (section 8 of the
    domain specification).
    """
    before = a.case.publications[-1] if a.case.publications else None
    levels = list(PublicationLevel)
    if before is None or levels.index(a.level) < levels.index(PublicationLevel(before.level)):
        return None
    called_off = any(
        entry.step in {"withdrawal", "decline", "merger"} and entry.recorded_at >= before.recorded_at
        for entry in a.case.history
    )
    return None if called_off or is_void_after_no(a, before) else before.token


def _effect_resumption(writing: WriteContext, a: Attempt) -> None:
    a.case.review_on = a.case.review_of_monitoring()  # the suspension had replaced it by its own
    if a.case.status == Status.PUBLIC_CAMPAIGN:
        _effect_escalation(writing, a)


def _effect_breach(writing: WriteContext, a: Attempt) -> None:
    if isinstance(a.breached, Commitment):
        a.breached.status = CommitmentStatus.BREACHED
    elif isinstance(a.breached, Demand) and a.breached.disposed and a.breached in a.case.demands_now:
        _revive(writing, a.breached)


def _revive(writing: WriteContext, broken: Demand) -> None:
    """Add a new version of a demand that was met and is broken; the old version stays as it was."""
    again = {name: getattr(broken, name) for name in ("kind", "text", "language", "addressees", "made_by", "case_id")}
    writing.case.add(
        Demand(
            **again,
            id=new_id(),
            version=broken.version + 1,
            revises=broken.id,
            disposition=Disposition.ACTIVE,
            recorded_at=writing.now,
            recorded_by=writing.caller.account_id,
        )
    )


def _effect_monitoring(_: WriteContext, a: Attempt) -> None:
    a.case.review_on = a.said(asks.Monitoring).review_on or a.on + timedelta(days=MONITORING_DAYS)


def _effect_suspension(_: WriteContext, a: Attempt) -> None:
    a.case.review_on = a.said(asks.Suspension).review_on


def _effect_withdrawal(writing: WriteContext, a: Attempt) -> None:
    by_workers = a.said(asks.Withdrawal).withdrawn_by is WithdrawnBy.WORKERS
    reason = CloseReason.WITHDRAWN_BY_WORKERS if by_workers else CloseReason.WITHDRAWN_BY_REQUESTER
    _close(a, reason)
    if by_workers:
        _write_no_to_take_up(writing, a)


def _write_no_to_take_up(writing: WriteContext, a: Attempt) -> None:
    """Record the withdrawal as the workers' refusal of the take-up, which ends their newest yes (section 8 of the
    domain specification).
    """
    step_input = a.said(asks.Withdrawal)
    words = a.case.words(a.today)
    to_take_up = (word for word in a.case.consents if word.is_yes and word.scope == ConsentScope.TAKE_UP)
    yes = [word for word in to_take_up if words.voice_of(word) == ALL_WORKERS]
    precision = step_input.occurred_precision if step_input.occurred_on is None else Precision.EXACT
    newest = max(yes, key=lambda word: word.first_day, default=None)
    on, on_precision = day_of_no(step_input.withdrawn_on, precision, newest)
    no = ConsentInput(
        subject=ConsentSubject.WORKERS,
        scope=ConsentScope.TAKE_UP,
        state=ConsentState.WITHDRAWN,
        on=on,
        on_precision=on_precision,
    )
    record_writing.write(writing, record_kinds.KIND_OF_NOUN["consents"], no)


def _effect_de_escalation(writing: WriteContext, a: Attempt) -> None:
    """Take the publication down with the campaign, unless the workers were asked and a reason to keep it is given."""
    if a.said(asks.DeEscalation).keep_public is None:
        a.case.take_down(writing.now, "the campaign was de-escalated")


def _effect_closure(_: WriteContext, a: Attempt) -> None:
    _close(a, CloseReason(a.said(asks.Closure).reason))


def _close(a: Attempt, reason: CloseReason) -> None:
    a.case.closed_on, a.case.close_reason = a.on, reason
    a.case.offer_to(None)


def _effect_ending(_: WriteContext, a: Attempt) -> None:
    a.case.closed_on = a.on
    a.case.offer_to(None)


def _effect_reopening(writing: WriteContext, a: Attempt) -> None:
    """Copy the refusals of the case into which this one had been merged, and open it again."""
    if a.case.merged_into is not None:
        consent_rules.carry_noes(writing, a.case.merged_into)
    a.case.reopen_count += 1
    a.case.closed_on, a.case.close_reason = None, None
    a.case.merge_into(None)


def _effect_merger(writing: WriteContext, a: Attempt) -> None:
    survivor = a.survivor
    _close(a, CloseReason.MERGED)
    if survivor is not None:
        a.case.merge_into(survivor)
        _tighten(writing, survivor, a.case.visibility)
        consent_rules.carry_noes(replace(writing, case=survivor), a.case)
        survivor.version += 1
        survivor.touch(writing.now)


def _tighten(writing: WriteContext, survivor: Case, other: str) -> None:
    """Give the survivor the stricter visibility.

    If that seals it, the caller joins its team, so that somebody is on it.
    """
    order = list(Visibility)
    stricter = min(survivor.visibility, other, key=lambda shown: order.index(Visibility(shown)))
    if stricter == Visibility.SEALED != survivor.visibility:
        team_rules.name_on_team(replace(writing, case=survivor), writing.caller.account_id)
    survivor.visibility = stricter


def _effect_handover(_: WriteContext, a: Attempt) -> None:
    a.case.offer_to(a.lead)


EFFECT: dict[str, Callable[[WriteContext, Attempt], None]] = {
    "acknowledgement": _effect_acknowledgement,
    "screening": _effect_lead,
    "acceptance": _effect_acceptance,
    "decline": _effect_ending,
    "referral": _effect_ending,
    "escalation": _effect_escalation,
    "de-escalation": _effect_de_escalation,
    "breach": _effect_breach,
    "monitoring": _effect_monitoring,
    "suspension": _effect_suspension,
    "resumption": _effect_resumption,
    "withdrawal": _effect_withdrawal,
    "closure": _effect_closure,
    "reopening": _effect_reopening,
    "merger": _effect_merger,
    "handover": _effect_handover,
    "handover-acceptance": _effect_handover_acceptance,
}
