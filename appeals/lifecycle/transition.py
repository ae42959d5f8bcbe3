"""Taking a step: its records, guards, effect and history entry are written as one act."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import BaseModel

from appeals.access.record_writers import PROTECTIVE_RECORDS
from appeals.access.visibility import acting_roles, membership, most_senior, roles_on, roles_protecting
from appeals.accounts.caller import Caller
from appeals.accounts.network import Network
from appeals.cases.case import Case
from appeals.cases.history import HistoryEntry
from appeals.cases.public_content import shown_at
from appeals.cases.publication import Publication
from appeals.cases.record import Record, RecordInput
from appeals.cases.sharing import shared_until, sharing_ended
from appeals.database.declarative import new_id
from appeals.errors import ChangeRefused, FieldError, Forbidden, Invalid, StepRefused, Unmet
from appeals.fields import Sealed, annotated_fields
from appeals.lifecycle import case_inputs, consent_rules, record_kind, record_kinds, record_references, record_writing
from appeals.lifecycle import step_inputs as asks
from appeals.lifecycle.attempt import Attempt
from appeals.lifecycle.effects import take_effect
from appeals.lifecycle.guards import GUARDS, reasons_against, resumable, unmet
from appeals.lifecycle.guards_publication import up_until
from appeals.lifecycle.preparations import CaseFinder, prepare
from appeals.lifecycle.step_input import StepInput
from appeals.lifecycle.steps import GOING_UP, MAY_BE_UP, STEP_OF_NOUN, TAKEN_UP, Step, open_in
from appeals.lifecycle.write_context import WriteContext
from appeals.vocabulary import ConsentScope, ConsentSubject, PublicationLevel, Role, Status, SuspendReason, Visibility


def make(
    writing: WriteContext,
    step: Step,
    data: StepInput,
    role: Role,
    *,
    require_current: Callable[[], None],
    coordinated: CaseFinder,
) -> HistoryEntry:
    """Take a step, or refuse it and change nothing (the caller's transaction is rolled back).

    `role` is the role in which the caller takes it. `require_current` raises if the caller refers to an older state of
    the case. It runs after the input was read and before the guards, so that refusals come in the order 422, 428, 412,
    409. Raises: Forbidden, Invalid, StepRefused, and the errors of `require_current`.
    """
    case = writing.case
    record_writing.not_ahead(data, writing.now)
    _known_guards(data)
    day = data.occurred_on or data.own_day or writing.now.date()
    attempt = Attempt(writing.network, case, step, writing.caller, writing.now, day, data)
    is_open = Status(case.status) in step.sources
    if is_open:
        attempt.beside += write_records(writing, data.brought, "/records")
        record_references.require_conditions(case, data.met_conditions, "/conditions_met")
        prepare(writing, attempt, coordinated)
    require_current()
    if not is_open:
        says = f"The step {step.noun} is not possible while the case is {case.status}; open_steps lists those that are."
        raise StepRefused(case.status, open_nouns(writing.caller, case), [], None, "step.not_open", says)
    overridden = _overridden(attempt, role)
    entry = _entry(attempt, role, overridden)
    case.move(entry, writing.now)
    take_effect(writing, attempt)
    follow_up(writing)
    if attempt.survivor is not None:
        follow_up(replace(writing, case=attempt.survivor))
    return entry


def _known_guards(data: StepInput) -> None:
    """Check that overrides name known guards, since an unknown one would be ignored silently. Raises: Invalid."""
    unknown = [index for index, override in enumerate(data.passed) if override.guard not in GUARDS]
    if unknown:
        raise Invalid([FieldError(f"/overrides/{index}/guard", "is not the code of a guard") for index in unknown])


def open_nouns(caller: Caller, case: Case) -> list[str]:
    """Return the steps that the state allows and the caller's roles may take."""
    return [
        step.noun
        for step in open_in(Status(case.status))
        if most_senior(
            acting_roles(caller, case, step.roles, receiving=step.receiving, protects=step.noun in PROTECTIVE_RECORDS)
        )
    ]


def _overridden(attempt: Attempt, role: Role) -> dict[str, str]:
    """Return the soft guards that are overridden, with reasons.

    Raises: StepRefused, with all other guards that do not hold.
    """
    data = attempt.said(StepInput)
    reasons = {override.guard: override.reason for override in data.passed}
    failing = unmet(attempt)
    may = role is Role.COORDINATOR
    left = [item for item in failing if not (may and item.override and item.code in reasons)]
    if left:
        resume_to = resumable(attempt) if attempt.step.returns else None
        raise StepRefused(attempt.case.status, open_nouns(attempt.caller, attempt.case), left, resume_to)
    return {item.code: reasons[item.code] for item in failing}


def _entry(attempt: Attempt, role: Role, overridden: dict[str, str]) -> HistoryEntry:
    data = attempt.said(StepInput)
    reason = getattr(data, "reason", None)
    return HistoryEntry(
        id=new_id(),
        step=attempt.step.noun,
        from_status=attempt.case.status,
        to_status=attempt.entering,
        account_id=attempt.caller.account_id,
        role=role,
        entity_id=membership(attempt.caller, attempt.case, role, receiving=attempt.step.receiving).entity_id,
        occurred_on=attempt.on,
        occurred_precision=data.occurred_precision,
        recorded_at=attempt.now,
        reason=str(reason) if reason else None,
        says=attempt.step.says,
        input=_shown(data),
        overrides=overridden,
        left_open=_left_open(attempt.case) if attempt.entering is Status.CLOSED else {},
    )


def _left_open(case: Case) -> dict[str, object]:
    """Return the numbers of what a closing leaves open, without zeros."""
    counts = {
        "demands": sum(not demand.disposed for demand in case.demands_now),
        "commitments": sum(commitment.is_open for commitment in case.commitments),
        "held": case.still_held,
        "charged": case.charges_pending,
    }
    return {name: count for name, count in counts.items() if count}


def _shown(data: BaseModel) -> dict[str, object]:
    """Return the input as the history stores it: without sealed members, and without records, which have their own
    rows.
    """
    sealed = set(annotated_fields(type(data), Sealed))
    hidden = {"records", "overrides", "occurred_on", "occurred_precision", "reason", *sealed}
    return data.model_dump(mode="json", exclude=hidden, exclude_none=True)


def write_records(writing: WriteContext, brought: case_inputs.Records, at: str) -> list[Unmet]:
    """Write records sent along with an intake or a step, in an order in which they may refer to each other.

    Returns the rules that forbid them. Raises: Forbidden, Invalid.
    """
    beside: list[Unmet] = []
    for name in case_inputs.Records.model_fields:
        kind = record_kinds.KIND_OF_NOUN[name.replace("_", "-")]
        inputs = getattr(brought, name)
        if not all(record_writing.may_write(writing, kind, data) for data in inputs):
            raise Forbidden
        for index, data in enumerate(inputs):
            beside += record_writing.write(writing, kind, data, f"{at}/{name}/{index}")[1]
    return beside


# Consequences of a write


def add(writing: WriteContext, kind: record_kind.Kind, body: RecordInput) -> Record:
    """Add a record to a case, and do what follows from it. Raises: Invalid, ChangeRefused."""
    record_writing.not_ahead(body, writing.now)
    record: Record
    record, refused = record_writing.write(writing, kind, body)
    if refused:
        raise ChangeRefused(writing.case.status, refused, open_nouns(writing.caller, writing.case))
    follow_up(writing)
    _stand_in_survivor(writing)
    return record


def change(writing: WriteContext, kind: record_kind.Kind, record: Record, body: RecordInput) -> Record:
    """Change a record, and do what follows from it. Returns the record, or the new one that the change stands for.

    Raises: Invalid, ChangeRefused.
    """
    record_writing.not_ahead(body, writing.now)
    written, refused = record_writing.follow(writing, kind, record, body)
    if refused:
        raise ChangeRefused(writing.case.status, refused, open_nouns(writing.caller, writing.case))
    follow_up(writing)
    _stand_in_survivor(writing)
    return written


def _stand_in_survivor(writing: WriteContext) -> None:
    """Copy a refusal sent to a merged case into its survivor (section 9 of the domain specification, Duplicates)."""
    said_now = any(word.is_no and word.recorded_at == writing.now for word in writing.case.consents)
    if writing.case.merged_into_id is None or not said_now:
        return
    survivor = writing.tx.lock_id(writing.case.merged_into_id)
    in_survivor = replace(writing, case=survivor)
    consent_rules.carry_noes(in_survivor, writing.case)
    survivor.touch(writing.now)
    follow_up(in_survivor)
    _stand_in_survivor(in_survivor)


def follow_up(writing: WriteContext) -> None:
    """Do what must follow from any write to a case, and when days pass (section 8 of the domain specification), in this
    order.

    Take down a publication that may not be up. Suspend a campaign without one, and a case whose take-up was refused.
    Narrow the visibility if it may no longer be shared. Store the days until which all this holds, for queries.
    """
    case, page = writing.case, writing.case.page_up
    if page is not None:
        attempt = page_attempt(writing.network, case, writing.caller, writing.now, page)
        reasons = reasons_against(attempt)
        if reasons:
            _come_down(writing, reasons)
        else:
            page.up_until = up_until(attempt)
            _note_outdated(writing, page)
    if _taking_up_refused(writing):
        pause(writing, SuspendReason.CONSENT_WITHDRAWN)
    _narrow(writing)
    words = case.words(case.today(writing.now))
    met = case.take_up_conditions_met
    case.take_up_until = words.until(lambda day: words.workers_themselves(ConsentScope.TAKE_UP, day).permits(met))


def page_attempt(network: Network, case: Case, caller: Caller, now: datetime, page: Publication | None) -> Attempt:
    """Return the attempt by which the guards of a publication are checked: the state stays, and the day is today."""
    return Attempt(network, case, PAGE, caller, now, case.today(now), page=page)


PAGE = replace(STEP_OF_NOUN["escalation"], noun="publication", target=None, guards=(*MAY_BE_UP, *GOING_UP))
"""The step by which a publication without a campaign is checked. It is not in the table, because the state stays."""


def _come_down(writing: WriteContext, reasons: list[Unmet]) -> None:
    case = writing.case
    case.take_down(writing.now, " ".join(reason.says for reason in reasons))
    case.version += 1
    case.touch(writing.now)
    by_fact = all(reason.code in DISPROVED for reason in reasons)
    if case.status == Status.PUBLIC_CAMPAIGN:
        pause(writing, SuspendReason.VERIFICATION_DOUBT if by_fact else SuspendReason.CONSENT_WITHDRAWN)


DISPROVED = {"violation.unverified", "publication.disproved"}
"""The guards by which a publication comes down for a fact. All others are about somebody's word."""


def _note_outdated(writing: WriteContext, page: Publication) -> None:
    as_it_stands = shown_at(writing.case, PublicationLevel(page.level), writing.now)
    if as_it_stands == page.shows:
        page.outdated_on = None
    elif page.outdated_on is None:
        page.outdated_on = writing.now.date()


def _taking_up_refused(writing: WriteContext) -> bool:
    """Return whether this write recorded a refusal of the take-up that is the last word of its voice."""
    case = writing.case
    if Status(case.status) not in TAKEN_UP:
        return False
    words = case.words(case.today(writing.now))
    noes = (word for word in case.consents if word.is_no and word.scope == ConsentScope.TAKE_UP)
    return any(
        no.recorded_at == writing.now and no.subject != ConsentSubject.PERSON and words.stands(no) for no in noes
    )


def _narrow(writing: WriteContext) -> None:
    """Narrow the visibility of the case, and of those merged into it, to the region if the network may no longer see
    it.

    Cases that were wider before the rule existed stay so.
    """
    case = writing.case
    case.share_until = shared_until(case, writing.now)
    if case.visibility == Visibility.NETWORK and sharing_ended(case, writing.now):
        case.visibility = Visibility.REGIONAL
        case.version += 1
        case.touch(writing.now)
    if case.merged_here and sharing_ended(case, writing.now):
        for merged in writing.tx.lock_merged_into(case):
            _narrow(replace(writing, case=merged))


def pause(writing: WriteContext, reason: SuspendReason) -> None:
    """Suspend the case in the most responsible role that the caller has on it."""
    step_input = asks.Suspension(reason=reason, review_on=writing.now.date() + timedelta(days=14))
    caller, case = writing.caller, writing.case
    role = most_senior(roles_on(caller, case) | roles_protecting(caller, case)) or Role.REVIEWER
    make(
        writing, STEP_OF_NOUN["suspension"], step_input, role, require_current=lambda: None, coordinated=lambda _: None
    )
