"""The rules of consents: whose consent it is, what a change of state records, and which refusals follow a merger."""

from uuid import UUID

from appeals.cases import (
    consent,
    party,
)
from appeals.cases.case import Case
from appeals.cases.due_date import set_due
from appeals.cases.last_word import SPEAKS_AS
from appeals.database.declarative import new_id
from appeals.errors import FieldError, Invalid
from appeals.lifecycle.record_references import referred
from appeals.lifecycle.write_context import WriteContext
from appeals.vocabulary import (
    ConsentScope,
    ConsentSubject,
    DueKind,
    Precision,
)


def consent_columns(writing: WriteContext, body: consent.ConsentInput, at: str) -> dict[str, object]:
    """Return the columns that say whose consent it is, and the day of a refusal, by default today. Raises: Invalid."""
    columns: dict[str, object] = {"of_party": None, "of_person": None}
    if body.subject is ConsentSubject.PERSON:
        if body.of is None and body.state in consent.YES:
            raise Invalid([FieldError(f"{at}/of", "is missing; name the person who says it")])
        columns["of_person"] = referred(writing.case, "people", body.of, f"{at}/of").id if body.of else None
    elif body.of is not None:
        speaks: party.Party = referred(writing.case, "parties", body.of, f"{at}/of")
        if speaks.role != SPEAKS_AS[body.subject]:
            raise Invalid(
                [FieldError(f"{at}/of", f"is not a party with the role {SPEAKS_AS[body.subject]} in this case")]
            )
        columns["of_party"] = speaks.id
    elif body.state in consent.YES and writing.case.words(writing.now.date()).is_one_of_several(body.subject):
        raise Invalid(
            [FieldError(f"{at}/of", "is missing; several parties have this role, so name the one that says it")]
        )
    if body.state in consent.NO and body.on is None:
        columns |= {"on": writing.now.date(), "on_precision": Precision.EXACT}
    return columns


def note_end(writing: WriteContext, word: consent.Consent) -> None:
    """Set a due date at the end of a consent, after which what rests on it is checked again."""
    if word.is_yes and word.expires_on:
        set_due(writing.case.due_dates, DueKind.CONSENT, word, word.expires_on, writing.now)


def next_word(
    writing: WriteContext, former: consent.Consent, body: consent.ConsentChange
) -> consent.ConsentInput | consent.Consent | None:
    """Return the new consent that a change of state stands for, or the same one if it is on record already.

    Source: section 8 of the domain specification, A word.
    """
    if body.state is None or body.state == former.state:
        return None
    is_yes = body.state in consent.YES
    precision = body.withdrawn_precision if body.withdrawn_on else Precision.EXACT
    said_on = body.withdrawn_on or writing.now.date()
    on, on_precision = consent.day_of_no(said_on, precision, former if former.is_yes else None)
    day = body.given_on if is_yes else on
    for word in writing.case.consents:
        alike = all(getattr(word, name) == getattr(former, name) for name in ("subject", "scope", "of", "recipients"))
        if alike and word.state == body.state and day == (word.given_on if is_yes else word.on):
            return word
    return consent.ConsentInput(
        label=body.label,
        subject=ConsentSubject(former.subject),
        scope=ConsentScope(former.scope),
        state=body.state,
        of=str(former.of) if former.of else None,
        conditions=body.conditions,
        recipients=former.recipients,
        given_on=body.given_on,
        given_precision=body.given_precision,
        on=None if is_yes else on,
        on_precision=Precision.EXACT if is_yes else on_precision,
        expires_on=body.expires_on,
        method=body.method,
        language=body.language,
    )


def carry_noes(writing: WriteContext, merged: Case) -> None:
    """Copy the refusals in force of a merged case into its survivor (section 8 of the domain specification, A word).

    Each is that of the same party there; if there is none, of its subject as a whole.
    """
    words = merged.words(merged.today(writing.now))
    for no in merged.consents:
        if not (no.is_no and words.stands(no)) or _is_carried(writing.case, no):
            continue
        carried = {name: getattr(no, name) for name in _CARRIED}
        carried |= {"of_party": _same_party(writing.case, merged.party(no.of_party)), "of_person": None}
        copy = consent.Consent(
            id=new_id(),
            case_id=writing.case.id,
            recorded_at=writing.now,
            recorded_by=writing.caller.account_id,
            **carried,
        )
        writing.case.add(copy)


def _is_carried(survivor: Case, no: consent.Consent) -> bool:
    return any(all(getattr(word, name) == getattr(no, name) for name in _CARRIED) for word in survivor.consents)


_CARRIED = (
    "subject",
    "scope",
    "state",
    "conditions",
    "recipients",
    "given_on",
    "given_precision",
    "on",
    "on_precision",
    "expires_on",
    "method",
    "language",
)


def _same_party(survivor: Case, merged: party.Party | None) -> UUID | None:
    """Return the party of the survivor that is the same organisation or facility."""
    if merged is None:
        return None
    identity = (merged.organisation_id, merged.facility_id)
    alike = (other for other in survivor.parties if (other.organisation_id, other.facility_id) == identity)
    return next((other.id for other in alike), None)
