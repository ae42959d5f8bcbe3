"""Consent: who agreed to what, how it was given, and whether it is in force on a day."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any

from pydantic import Field, model_validator
from sqlalchemy import ColumnElement, and_, false, func, or_
from sqlalchemy.orm import Mapped

from appeals.field import Day, Happened, Language, Name, Prose, fold
from appeals.record import Record, RecordInput, RecordOutput
from appeals.vocabulary import ConsentMethod, ConsentScope, ConsentState, ConsentSubject, PublicationLevel

GIVEN = frozenset({ConsentState.GIVEN, ConsentState.GIVEN_WITH_CONDITIONS})
NO = frozenset({ConsentState.REFUSED, ConsentState.WITHDRAWN})
COUNTED = GIVEN | {ConsentState.WITHDRAWN, ConsentState.EXPIRED}
"""States in which a consent was in force for a time: its dates say when."""
WORKERS_SIDE = frozenset({ConsentSubject.WORKERS, ConsentSubject.WORKERS_UNION})
PUBLISHING = {
    ConsentScope.PUBLISH_ANONYMISED: PublicationLevel.ANONYMISED,
    ConsentScope.PUBLISH_NAMED: PublicationLevel.NAMED,
    ConsentScope.PUBLISH_PERSON: PublicationLevel.PERSON,
}
"""The widest publication that each publishing consent covers."""

NEXT = {
    ConsentState.REQUESTED: {
        ConsentState.GIVEN,
        ConsentState.GIVEN_WITH_CONDITIONS,
        ConsentState.REFUSED,
    },
    ConsentState.GIVEN: {ConsentState.WITHDRAWN, ConsentState.EXPIRED, ConsentState.SUPERSEDED},
    ConsentState.GIVEN_WITH_CONDITIONS: {
        ConsentState.WITHDRAWN,
        ConsentState.EXPIRED,
        ConsentState.SUPERSEDED,
    },
}


class Consent(Record):
    """One consent of one subject to one scope."""

    __tablename__ = "consent"

    subject: Mapped[str]
    scope: Mapped[str]
    state: Mapped[str]
    conditions: Mapped[str | None]
    recipients: Mapped[list[str]]
    given_on: Mapped[date | None]
    expires_on: Mapped[date | None]
    withdrawn_on: Mapped[date | None]
    method: Mapped[str | None]
    language: Mapped[str | None]

    def in_force(self, on: date) -> bool:
        """True when it was given by that day and had neither run out nor been withdrawn."""
        given = self.state in COUNTED and self.given_on is not None and self.given_on <= on
        withdrawn = self.withdrawn_on is not None and self.withdrawn_on <= on
        run_out = self.expires_on is not None and self.expires_on < on
        return given and not withdrawn and not run_out

    @classmethod
    def in_force_on(cls, on: date) -> ColumnElement[bool]:
        """`in_force`, as a condition on the consent table."""
        return and_(
            cls.state.in_(COUNTED),
            func.coalesce(cls.given_on <= on, false()),
            or_(cls.withdrawn_on.is_(None), cls.withdrawn_on > on),
            or_(cls.expires_on.is_(None), cls.expires_on >= on),
        )

    def contradiction(self) -> tuple[str, str] | None:
        """It ends no sooner than it was given."""
        for end in ("withdrawn_on", "expires_on"):
            day = getattr(self, end)
            if self.given_on and day and day < self.given_on:
                return end, "lies before it was given"
        return None

    def may_become(self, name: str, value: Any) -> bool:
        """Once given it stands as it was given: only its end may be told, or come sooner."""
        if self.state not in COUNTED or name in {"state", "label"}:
            return True
        if name == "withdrawn_on":
            return self.withdrawn_on is None
        return name == "expires_on" and (self.expires_on is None or value < self.expires_on)

    def reaches(self, recipient: str) -> bool:
        """True when it is good for this recipient: named in it, or, but for sharing outside, none is named."""
        if not self.recipients:
            return self.scope != ConsentScope.SHARE_EXTERNAL
        return fold(recipient) in {fold(name) for name in self.recipients}


class ConsentInput(RecordInput):
    """A consent as it was asked for or given. A given one says when and how."""

    subject: ConsentSubject
    scope: ConsentScope
    state: ConsentState = ConsentState.GIVEN
    conditions: Prose | None = None
    recipients: Annotated[list[Name], Field(max_length=50, description="To whom it is limited.")] = []
    given_on: Happened | None = None
    expires_on: Day | None = None
    method: ConsentMethod | None = None
    language: Annotated[Language | None, Field(description="The language it was explained in.")] = None

    @model_validator(mode="after")
    def _a_given_one_says_how(self) -> "ConsentInput":
        if self.state not in {ConsentState.REQUESTED, ConsentState.REFUSED, *GIVEN}:
            raise ValueError("a new consent is requested, refused, given, or given with conditions")
        _given_fully(self.state, self.given_on, self.method, self.conditions)
        return self


class ConsentOutput(RecordOutput):
    subject: ConsentSubject
    scope: ConsentScope
    state: ConsentState
    conditions: str | None
    recipients: list[str]
    given_on: date | None
    expires_on: date | None
    withdrawn_on: date | None
    method: ConsentMethod | None
    language: str | None


class ConsentChange(RecordInput):
    """The next state of a consent: given or refused after it was requested; then withdrawn, expired …"""

    state: ConsentState
    conditions: Prose | None = None
    given_on: Happened | None = None
    expires_on: Day | None = None
    withdrawn_on: Annotated[Happened | None, Field(description="Default: today.")] = None
    method: ConsentMethod | None = None
    language: Language | None = None

    @model_validator(mode="after")
    def _a_given_one_says_how(self) -> "ConsentChange":
        _given_fully(self.state, self.given_on, self.method, self.conditions)
        return self


def _given_fully(
    state: ConsentState, given_on: date | None, method: ConsentMethod | None, conditions: str | None
) -> None:
    if state in GIVEN and (given_on is None or method is None):
        raise ValueError("a consent that is given needs given_on and method")
    if state is ConsentState.GIVEN_WITH_CONDITIONS and conditions is None:
        raise ValueError("a consent given with conditions needs conditions")


def covers(consent: Consent, level: PublicationLevel) -> bool:
    """True when the consent is one to publish at least as widely as `level`."""
    widest = PUBLISHING.get(ConsentScope(consent.scope))
    order = list(PublicationLevel)
    return widest is not None and order.index(widest) >= order.index(level)


def publishing(
    consents: Iterable[Consent], subjects: frozenset[ConsentSubject], level: PublicationLevel, days: set[date]
) -> Consent | None:
    """A consent of one of these subjects that covers the level and is in force on every one of the days.

    One limited to named recipients is none to the public.
    """
    for consent in consents:
        fits = consent.subject in subjects and covers(consent, level) and not consent.recipients
        if fits and all(map(consent.in_force, days)):
            return consent
    return None


def first_in_force(
    consents: Iterable[Consent],
    subjects: frozenset[ConsentSubject],
    scope: ConsentScope,
    on: date,
    *,
    recipient: str | None = None,
) -> Consent | None:
    """A consent of one of these subjects to a scope, in force on a day; good for a recipient if one is asked."""
    for consent in consents:
        fits = consent.subject in subjects and consent.scope == scope and consent.in_force(on)
        if fits and (recipient is None or consent.reaches(recipient)):
            return consent
    return None
