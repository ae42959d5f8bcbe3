"""Making a step: its records, its guards, what it changes, and its history entry, as one act."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from appeals import records
from appeals import step_input as asks
from appeals.access import membership, role_at
from appeals.case import Case, HistoryEntry
from appeals.consent import Consent
from appeals.database import new_id
from appeals.effect import Finder, prepare, publish, publish_signed, take_effect
from appeals.errors import ChangeRefused, Fault, Forbidden, Invalid, StepRefused, Unmet
from appeals.field import Sealed, marks_of
from appeals.figures import settle
from appeals.guard import GUARDS, Attempt, relied_on, resumable, unmet
from appeals.lifecycle import BY_NOUN, Step, open_in
from appeals.network import Caller
from appeals.publication import Publication, published
from appeals.records import Writing
from appeals.vocabulary import (
    PublicationLevel,
    Role,
    Status,
    SuspendReason,
)


def make(
    writing: Writing,
    step: Step,
    said: asks.StepInput,
    role: Role,
    *,
    require_current: Callable[[], None],
    coordinated: Finder,
) -> HistoryEntry:
    """Take a step, or refuse it and change nothing (the caller's transaction is rolled back).

    `role` is the one the caller takes it in. `require_current` raises when the caller speaks of an older state
    of the case: it is asked after the input was understood and before the guards (api.md: 422, 428, 412, 409).
    Raises: Forbidden, Invalid, StepRefused, and whatever `require_current` does.
    """
    case = writing.case
    records.not_ahead(said, writing.latest_day)
    _known_guards(said)
    day = said.occurred_on or said.own_day or writing.now.date()
    attempt = Attempt(writing.session, case, step, writing.caller, writing.now, day, said)
    is_open = Status(case.status) in step.sources
    if is_open:
        attempt.beside += bring(writing, said.brought, "/records")
        prepare(writing, attempt, coordinated)
    require_current()
    if not is_open:
        raise StepRefused(
            case.status,
            open_nouns(writing.caller, case),
            [],
            None,
            "step.not_open",
            f"No {step.noun} while the case is {case.status}; open_steps tells what you may do.",
        )
    overridden = _overridden(attempt, role)
    entry = _entry(attempt, role, overridden)
    up = case.publications_up
    case.move(entry, writing.now)
    take_effect(writing, attempt)
    writing.session.flush()
    _count_anew(writing, up)
    return entry


def _known_guards(said: asks.StepInput) -> None:
    """Raises: Invalid, when an override names what is no guard: it would be dropped in silence."""
    unknown = [index for index, override in enumerate(said.passed) if override.guard not in GUARDS]
    if unknown:
        raise Invalid([Fault(f"/overrides/{index}/guard", "is the code of no guard") for index in unknown])


def open_nouns(caller: Caller, case: Case) -> list[str]:
    """The steps that the state knows and the caller's roles allow."""
    return [step.noun for step in open_in(Status(case.status)) if role_at(step.door, caller, case)]


def _overridden(attempt: Attempt, role: Role) -> dict[str, str]:
    """The soft guards passed with a reason. Raises: StepRefused, with every guard left unmet."""
    said = attempt.said(asks.StepInput)
    reasons = {override.guard: override.reason for override in said.passed}
    failing = unmet(attempt)
    may = role is Role.COORDINATOR
    left = [item for item in failing if not (may and item.override and item.code in reasons)]
    if left:
        resume_to = resumable(attempt) if attempt.step.returns else None
        raise StepRefused(attempt.case.status, open_nouns(attempt.caller, attempt.case), left, resume_to)
    return {item.code: reasons[item.code] for item in failing}


def _entry(attempt: Attempt, role: Role, overridden: dict[str, str]) -> HistoryEntry:
    said = attempt.said(asks.StepInput)
    reason = getattr(said, "reason", None)
    return HistoryEntry(
        id=new_id(),
        step=attempt.step.noun,
        from_status=attempt.case.status,
        to_status=attempt.entering,
        account_id=attempt.caller.account_id,
        role=role,
        entity_id=membership(attempt.caller, attempt.case, role, receiving=attempt.step.receiving).entity_id,
        occurred_on=attempt.on,
        occurred_precision=said.occurred_precision,
        recorded_at=attempt.now,
        reason=str(reason) if reason else None,
        says=attempt.step.says,
        input=_shown(said),
        overrides=overridden,
        left_open=attempt.case.left_open() if attempt.entering is Status.CLOSED else {},
    )


def _shown(said: BaseModel) -> dict[str, Any]:
    """The input as history keeps it: without what is sealed, and without records, which stand for themselves."""
    sealed = set(marks_of(type(said), Sealed))
    hidden = {"records", "overrides", "occurred_on", "occurred_precision", "reason", *sealed}
    return said.model_dump(mode="json", exclude=hidden, exclude_none=True)


def bring(writing: Writing, brought: asks.Records, at: str) -> list[Unmet]:
    """Write records that come along with intake or a step, in the order in which they may refer to each other.

    Tells which rules forbid one. Raises: Forbidden, Invalid.
    """
    beside: list[Unmet] = []
    for name in asks.Records.model_fields:
        kind = records.BY_NOUN[name.replace("_", "-")]
        inputs = getattr(brought, name)
        if not all(records.may_write(writing, kind, said) for said in inputs):
            raise Forbidden
        for index, said in enumerate(inputs):
            beside += records.write(writing, kind, said, f"{at}/{name}/{index}")[1]
    return beside


# Records that move a case


def add(writing: Writing, kind: records.Kind, said: Any) -> Any:
    """Add a record under a case. Raises: Invalid, ChangeRefused."""
    records.not_ahead(said, writing.latest_day)
    record, refused = records.write(writing, kind, said)
    if refused:
        raise ChangeRefused(writing.case.status, refused, open_nouns(writing.caller, writing.case))
    writing.session.flush()
    return record


def change(writing: Writing, kind: records.Kind, record: Any, said: Any, role: Role) -> None:
    """Change a record, and let follow from it what must. Raises: Invalid, ChangeRefused."""
    records.not_ahead(said, writing.latest_day)
    refused = records.change(writing, kind, record, said)
    if refused:
        raise ChangeRefused(writing.case.status, refused, open_nouns(writing.caller, writing.case))
    if isinstance(record, Consent) and not record.in_force(writing.now.date()):
        up = writing.case.publications_up
        obey_withdrawal(writing, record, role)
        _count_anew(writing, up)


def obey_withdrawal(writing: Writing, ended: Consent, role: Role) -> None:
    """Take down what rested on a consent that ended; without one left that covers it, pause a public campaign.

    Invariant 2. Where the consents left still cover the level, the publication goes on, resting on those.
    """
    case, today = writing.case, writing.now.date()
    resting = [publication for publication in case.publications if publication.is_up and ended in publication.relies_on]
    if not resting:
        return
    published = resting[-1]
    level = PublicationLevel(published.level)
    case.take_down(writing.now, "a consent it relied on ended")
    case.version += 1
    escalation = BY_NOUN["escalation"]
    attempt = Attempt(writing.session, case, escalation, writing.caller, writing.now, today)
    left = relied_on(attempt)
    if len(left) == (3 if level is PublicationLevel.PERSON else 2):
        publish(writing, level, published.shows, left, (published.recorded_by, published.approved_by))
    else:
        _pause_campaign(writing, SuspendReason.CONSENT_WITHDRAWN, role)


def take_down(writing: Writing, published: Publication, reason: str, role: Role) -> None:
    """Take a publication down at once; a public campaign does not go on without one. Raises: ChangeRefused."""
    if not published.is_up:
        gone = Unmet("publication.taken_down", "It was taken down before.")
        raise ChangeRefused(writing.case.status, [gone], open_nouns(writing.caller, writing.case))
    up = writing.case.publications_up
    writing.case.take_down(writing.now, reason)
    writing.case.version += 1
    writing.case.touch(writing.now)
    _pause_campaign(writing, SuspendReason.SAFETY, role)
    _count_anew(writing, up)


def _count_anew(writing: Writing, up: set[UUID]) -> None:
    """Where other publications are up than were, the public figures follow in the same transaction."""
    if writing.case.publications_up != up:
        settle(writing.session, published(writing.now.date()), writing.now)


def _pause_campaign(writing: Writing, reason: SuspendReason, role: Role) -> None:
    if writing.case.status != Status.PUBLIC_CAMPAIGN:
        return
    said = asks.Suspension(reason=reason, review_on=writing.now.date() + timedelta(days=14))
    step = BY_NOUN["suspension"]
    make(writing, step, said, role, require_current=lambda: None, coordinated=lambda _: None)


PUBLISHING_GUARDS = tuple(
    code for code in BY_NOUN["escalation"].guards if code.startswith(("consent.publish.", "risk.", "signature."))
)
"""What publishing asks for, with a campaign and without."""


def publish_now(writing: Writing, said: asks.Publishing, require_current: Callable[[], None]) -> Publication:
    """Publish what a reviewer approved, without a campaign. Raises: StepRefused, and what `require_current` does."""
    step = replace(BY_NOUN["escalation"], guards=PUBLISHING_GUARDS)
    attempt = Attempt(writing.session, writing.case, step, writing.caller, writing.now, writing.now.date(), said)
    require_current()
    left = unmet(attempt)
    if writing.case.was_called_off:
        left.append(
            Unmet("case.called_off", "The appeal was withdrawn, declined or merged: nothing of it is published.")
        )
    if left:
        raise StepRefused(writing.case.status, open_nouns(writing.caller, writing.case), left)
    up = writing.case.publications_up
    publish_signed(writing, attempt)
    writing.case.version += 1
    writing.case.touch(writing.now)
    _count_anew(writing, up)
    return writing.case.publications[-1]
