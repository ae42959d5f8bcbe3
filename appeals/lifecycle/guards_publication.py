"""The guards on publication: consent, quiet work before, two signatures.

Source: sections 3 and 8 of the domain specification.
"""

from datetime import date
from functools import partial
from uuid import UUID

from appeals.cases.consent import Consent
from appeals.cases.last_word import SCOPE_OF_LEVEL, LastWord
from appeals.lifecycle import step_inputs as asks
from appeals.lifecycle.attempt import (
    Attempt,
    approvals,
    is_by_another,
    is_void_after_no,
    people_in,
    shown_records,
    stays_up,
)
from appeals.lifecycle.guard import guard
from appeals.vocabulary import (
    AccountKind,
    CloseReason,
    ConsentScope,
    EscalationReason,
    IntakeChannel,
    PartyRole,
    PublicationLevel,
    Status,
    SupplyStrength,
    SuspendReason,
    ViolationGrade,
)

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
"""The close reasons with which nothing of a case stays public."""


AT_ONCE = (
    EscalationReason.IMMINENT_DANGER,
    EscalationReason.WORKERS_REQUEST,
    EscalationReason.ALREADY_PUBLIC,
)


@guard("publication.not_accepted", "Only an accepted appeal can be published.", standing=True)
def it_was_accepted(a: Attempt) -> bool:
    return a.case.is_accepted


@guard(
    "publication.suspended",
    "The case is suspended for a reason that does not allow publication; resume it first.",
    standing=True,
)
def no_pause_forbids_it(a: Attempt) -> bool:
    return a.entering is not Status.SUSPENDED or a.case.suspended_because in PUBLIC_WHILE_SUSPENDED


@guard("publication.called_off", "The appeal was withdrawn or merged, or is unsafe to continue.", standing=True)
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
    """Return whether nobody but the workers could be asked, and two people signed that (section 8 of the domain
    specification).
    """
    nobody_asked = a.case.channel == IntakeChannel.PUBLISHED_SOURCE
    partners = any(party.role == PartyRole.LOCAL_PARTNER for party in a.case.parties)
    signed = a.signed is not None and bool(a.signed.no_local_partner)
    reason = a.page is not None or bool(getattr(a.input, "no_local_partner", None))
    return nobody_asked and not partners and signed and reason


@guard(
    "consent.publish.person.missing",
    "Record the consent of each named person, in force on that day and today.",
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
    """Return the people that the signed publication shows; before a signature, those who spoke about being named."""
    if a.signed is not None:
        return people_in(a.signed, a.level)
    scope = ConsentScope.PUBLISH_PERSON
    return [person.id for person in a.case.people if a.words.person(person.id, scope, a.today).words]


@guard(
    "publication.disproved",
    "It shows something untrue: a violation graded unlikely or refuted, or a disproved supply link.",
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
    "A no came after the signatures; two people must sign again, on a newer yes of that subject.",
    standing=True,
)
def no_no_came_since_it_was_signed(a: Attempt) -> bool:
    return a.page is None or not is_void_after_no(a, a.page)


def up_until(a: Attempt) -> date | None:
    """Return the last day on which a page may be up by the consents on record; None if it has no end."""
    return a.words.until(lambda day: all(answer.permits(a.met) for answer in _publication_answers(a, day)))


def relied_on(a: Attempt) -> list[Consent]:
    """Return the consents on which a publication at this level rests."""
    consents = [word for answer in _publication_answers(a, a.today)[1:] for word in answer.words]
    return list({consent.id: consent for consent in consents}.values())


def _publication_answers(a: Attempt, on: date) -> list[LastWord]:
    """Return the last words on which a page rests: on the take-up, and of each side and each person on publishing."""
    scope, words = SCOPE_OF_LEVEL[a.level], a.words
    answers = [words.workers_themselves(ConsentScope.TAKE_UP, on), words.workers(scope, on)]
    if not _is_without_partner(a):
        answers.append(words.partner(scope, on))
    people = _people_shown(a) if a.level is PublicationLevel.PERSON else []
    return answers + [words.person(person, ConsentScope.PUBLISH_PERSON, on) for person in people]


@guard(
    "quiet_action.missing",
    "Wait until the answer to a quiet action is overdue or inadequate, or give a reason that cannot wait.",
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
    "An accepted case can go public only in imminent danger, at the workers' request, or if it is public already.",
    unless=AT_ONCE,
)
def quiet_work_comes_first(a: Attempt) -> bool:
    return a.case.status != Status.ACCEPTED


@guard("signature.missing", "A reviewer must approve the publication at this level first.", standing=True)
def somebody_signed(a: Attempt) -> bool:
    return stays_up(a) or bool(approvals(a))


@guard(
    "signature.same_person",
    "Two people must sign: you, with your own account and not a machine's, and another person.",
    standing=True,
)
def two_people_sign(a: Attempt) -> bool:
    if stays_up(a) or not approvals(a):
        return True
    by_a_person = a.network.account(a.caller.account_id).kind == AccountKind.PERSON
    return by_a_person and any(map(is_by_another(a), approvals(a)))


@guard("workers.not_consulted", "Ask the workers first, and say when.", hears=True)
def the_workers_were_asked(a: Attempt) -> bool:
    return a.said(asks.DeEscalation).workers_consulted_on is not None
