"""Consents and refusals: one statement of one voice about one scope. `cases/last_word.py` decides what they add up to.

A yes (`given`, `given_with_conditions`) has a day, may expire, and may be limited to recipients. A no (`refused`,
`withdrawn`) is a record of its own and changes no yes. `requested` says nothing. Source: section 8 of the domain
specification.
"""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, Field, model_validator
from sqlalchemy.orm import Mapped, mapped_column

from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.database.declarative import deferred_fk
from appeals.fields import (
    ConsentRef,
    Day,
    Happened,
    Language,
    Model,
    Name,
    Prose,
    SaidByToday,
    VoiceRef,
    earliest,
    fold,
    span,
)
from appeals.vocabulary import ConsentMethod, ConsentScope, ConsentState, ConsentSubject, Precision

SAID_BY_TODAY = "If omitted, today; a future day counts as today."
YES = frozenset({ConsentState.GIVEN, ConsentState.GIVEN_WITH_CONDITIONS})
NO = frozenset({ConsentState.REFUSED, ConsentState.WITHDRAWN})
NEXT: dict[ConsentState, set[ConsentState]] = {
    ConsentState.REQUESTED: {*YES, ConsentState.REFUSED},
    ConsentState.GIVEN: {ConsentState.WITHDRAWN},
    ConsentState.GIVEN_WITH_CONDITIONS: {ConsentState.WITHDRAWN},
}
"""The states that may follow a record through the shorthand of `PATCH`; the new state is written as a record of its
own.
"""


class Consent(Record):
    """A statement of one voice, a yes or a no. `of` is the party or person who says it, if there are several."""

    __tablename__ = "consent"

    subject: Mapped[str]
    scope: Mapped[str]
    state: Mapped[str]
    of_party: Mapped[UUID | None] = mapped_column(deferred_fk("party.id"))
    of_person: Mapped[UUID | None] = mapped_column(deferred_fk("person.id"))
    conditions: Mapped[list[str]]
    recipients: Mapped[list[str]]
    given_on: Mapped[date | None]
    given_precision: Mapped[str]
    on: Mapped[date | None]
    on_precision: Mapped[str]
    expires_on: Mapped[date | None]
    method: Mapped[str | None]
    language: Mapped[str | None]

    @property
    def of(self) -> UUID | None:
        """The party or person who says it; None for the subject as a whole."""
        return self.of_party or self.of_person

    @property
    def is_yes(self) -> bool:
        """True for a consent, with or without conditions."""
        return self.state in YES

    @property
    def is_no(self) -> bool:
        """True for a refusal or a withdrawal."""
        return self.state in NO

    @property
    def withdrawn_on(self) -> date | None:
        """The day of a no, under the name that a change uses."""
        return self.on

    @property
    def withdrawn_precision(self) -> str:
        """The precision of that day."""
        return self.on_precision

    @property
    def first_day(self) -> date:
        """The first day on which it may have been said."""
        return self._no_later_than_recorded(span(*self._said)[0])

    @property
    def last_day(self) -> date:
        """The last day on which it may have been said."""
        return self._no_later_than_recorded(span(*self._said)[1])

    @property
    def _said(self) -> tuple[date, str]:
        day, precision = (self.given_on, self.given_precision) if self.is_yes else (self.on, self.on_precision)
        return day or self.recorded_at.date(), precision if day else Precision.EXACT

    def _no_later_than_recorded(self, day: date) -> date:
        """Return the day, or the server's day if it is later (section 8 of the domain specification)."""
        return min(day, self.recorded_at.date())

    def has_run_out(self, on: date) -> bool:
        """Return whether its last day is before that day."""
        return self.expires_on is not None and self.expires_on < on

    def contradiction(self) -> tuple[str, str] | None:
        """Check that it does not end before it was given."""
        if self.given_on and self.expires_on and self.expires_on < earliest(self.given_on, self.given_precision):
            return "expires_on", "is before the day it was given"
        return None

    def may_become(self, name: str, value: Any) -> bool:
        """Return whether a member may change: only the end of a yes, and only to an earlier day (section 8 of the
        domain specification).
        """
        sooner = name == "expires_on" and self.is_yes and (self.expires_on is None or value < self.expires_on)
        return name == "label" or sooner

    def concerns(self, recipient: str | None) -> bool:
        """Return whether it applies to this recipient. None stands for everybody, to whom a no to one recipient
        applies.

        Sharing outside the network is permitted only to named recipients.
        """
        if not self.recipients:
            return not (self.is_yes and self.scope == ConsentScope.SHARE_EXTERNAL)
        if recipient is None:
            return self.is_no
        return fold(recipient) in {fold(name) for name in self.recipients}


def day_of_no(day: date, precision: Precision, yes: Consent | None) -> tuple[date, Precision]:
    """Return the day and precision of a no that ends a yes. It is never before the yes, or it would end nothing."""
    if yes is None or yes.given_on is None or span(day, precision)[1] >= yes.first_day:
        return day, precision
    return yes.given_on, Precision(yes.given_precision)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


_ListOfConditions = Annotated[list[Prose], Field(max_length=20)]
Conditions = Annotated[
    _ListOfConditions,
    BeforeValidator(_as_list, json_schema_input_type=_ListOfConditions | Prose),
    Field(description="Conditions that must be met before it authorises anything; a single text is a list of one."),
]


class ConsentInput(RecordInput):
    """A consent or refusal. A yes has a day and a method; a no was said today if `on` is omitted."""

    subject: ConsentSubject
    scope: ConsentScope
    state: ConsentState = ConsentState.GIVEN
    of: Annotated[
        VoiceRef | None,
        Field(description="Who says it: the party, if several have this role; for `person`, always the person."),
    ] = None
    conditions: Conditions = []
    recipients: Annotated[list[Name], Field(max_length=50, description="The recipients to whom it is limited.")] = []
    given_on: Annotated[Happened | None, Field(description="The day of a yes.")] = None
    given_precision: Precision = Precision.EXACT
    on: Annotated[Day | None, SaidByToday("on_precision"), Field(description=f"The day of a no. {SAID_BY_TODAY}")] = (
        None
    )
    on_precision: Precision = Precision.EXACT
    expires_on: Annotated[Day | None, Field(description="The last day on which a yes is in force.")] = None
    method: ConsentMethod | None = None
    language: Annotated[Language | None, Field(description="The language in which it was explained.")] = None

    @model_validator(mode="after")
    def _agrees_with_its_state(self) -> "ConsentInput":
        _require_of_yes(self.state, self.given_on, self.method, self.conditions)
        if self.state in NO and (self.given_on or self.expires_on or self.conditions):
            raise ValueError("a no has no given_on, expires_on or conditions; give its day in on")
        if self.state not in NO and self.on is not None:
            raise ValueError("on is the day of a no; give the day of a yes in given_on")
        return self


class ConsentOutput(RecordOutput):
    subject: ConsentSubject
    scope: ConsentScope
    state: ConsentState
    of: UUID | None
    conditions: list[str]
    recipients: list[str]
    given_on: date | None
    given_precision: Precision
    on: date | None
    on_precision: Precision
    expires_on: date | None
    method: ConsentMethod | None
    language: str | None


class ConsentChange(RecordInput):
    """An earlier end of a yes, or the shorthand for a following record: a no to a yes, or an answer to a request.

    The following record is written as a record of its own, which is the answer; the named record stays as it is.
    """

    state: ConsentState | None = None
    conditions: Conditions = []
    given_on: Happened | None = None
    given_precision: Precision = Precision.EXACT
    expires_on: Day | None = None
    withdrawn_on: Annotated[
        Day | None, SaidByToday("withdrawn_precision"), Field(description=f"The day of a no. {SAID_BY_TODAY}")
    ] = None
    withdrawn_precision: Precision = Precision.EXACT
    method: ConsentMethod | None = None
    language: Language | None = None

    @model_validator(mode="after")
    def _agrees_with_its_state(self) -> "ConsentChange":
        if self.state is None:
            alone = self.model_fields_set - {"expires_on", "label", "state"}
            if alone:
                raise ValueError("without a state only expires_on and label can be changed")
            return self
        _require_of_yes(self.state, self.given_on, self.method, self.conditions)
        if self.state in NO and (self.given_on or self.expires_on or self.conditions):
            raise ValueError("a no has no given_on, expires_on or conditions; give its day in withdrawn_on")
        if self.state in YES and self.withdrawn_on:
            raise ValueError("withdrawn_on is the day of a no")
        return self


def _require_of_yes(
    state: ConsentState, given_on: date | None, method: ConsentMethod | None, conditions: list[str]
) -> None:
    if state in YES and (given_on is None or method is None):
        raise ValueError("a consent that is given needs given_on and method")
    if state is ConsentState.GIVEN_WITH_CONDITIONS and not conditions:
        raise ValueError("a consent given with conditions needs conditions")


class ConditionMet(Model):
    """States that one condition of a yes is met, and how. Never contains a person's name."""

    consent: ConsentRef
    condition: Annotated[Prose, Field(description="The condition, in the words of the consent.")]
    how: Prose


ConditionsMet = Annotated[
    list[ConditionMet],
    Field(max_length=100, description="How each condition of the consents that this relies on is met."),
]
Met = frozenset[tuple[UUID, str]]
"""Conditions that are met, each as the id of the consent and the text of the condition."""


def missing_conditions(words: Iterable[Consent], met: Met) -> list[tuple[Consent, str]]:
    """Return the conditions of these consents that nobody has named as met."""
    return [(word, condition) for word in words for condition in word.conditions if (word.id, condition) not in met]
