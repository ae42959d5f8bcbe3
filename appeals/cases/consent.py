"""Consent: one word of one voice about one scope. What all words together come to is asked of `cases/last_word.py`.

A yes (`given`, `given_with_conditions`) is said on a day, may run out, and may be limited to recipients. A no
(`refused`, `withdrawn`) is a record of its own and changes no yes. `requested` says nothing. Source: domain.md 8.
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

SAID_BY_TODAY = "Default: today, as which a day to come counts."
YES = frozenset({ConsentState.GIVEN, ConsentState.GIVEN_WITH_CONDITIONS})
NO = frozenset({ConsentState.REFUSED, ConsentState.WITHDRAWN})
NEXT: dict[ConsentState, set[ConsentState]] = {
    ConsentState.REQUESTED: {*YES, ConsentState.REFUSED},
    ConsentState.GIVEN: {ConsentState.WITHDRAWN},
    ConsentState.GIVEN_WITH_CONDITIONS: {ConsentState.WITHDRAWN},
}
"""Which word may follow from a record by the shorthand of `PATCH`; it is written as a record of its own."""


class Consent(Record):
    """One word of one voice. `of` names the party or person whose word it is, where there are several."""

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
        """The party or person whose word it is; None for the subject as a whole."""
        return self.of_party or self.of_person

    @property
    def is_yes(self) -> bool:
        """True for a yes, with conditions or without."""
        return self.state in YES

    @property
    def is_no(self) -> bool:
        """True for a refusal or a withdrawal."""
        return self.state in NO

    @property
    def withdrawn_on(self) -> date | None:
        """The day of a no, as a change calls it."""
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
        """A day ahead of the server's counts as the server's (domain.md 8)."""
        return min(day, self.recorded_at.date())

    def has_run_out(self, on: date) -> bool:
        """True when its end lies before that day."""
        return self.expires_on is not None and self.expires_on < on

    def contradiction(self) -> tuple[str, str] | None:
        """It ends no sooner than it was given."""
        if self.given_on and self.expires_on and self.expires_on < earliest(self.given_on, self.given_precision):
            return "expires_on", "lies before it was given"
        return None

    def may_become(self, name: str, value: Any) -> bool:
        """It stands as it was said: only the end of a yes may come sooner, never later (domain.md 8)."""
        sooner = name == "expires_on" and self.is_yes and (self.expires_on is None or value < self.expires_on)
        return name == "label" or sooner

    def concerns(self, recipient: str | None) -> bool:
        """True when it is a word for this recipient. None stands for everybody: there a no to one is a no.

        Sharing outside the network is permitted to those alone who are named.
        """
        if not self.recipients:
            return not (self.is_yes and self.scope == ConsentScope.SHARE_EXTERNAL)
        if recipient is None:
            return self.is_no
        return fold(recipient) in {fold(name) for name in self.recipients}


def day_of_no(day: date, precision: Precision, yes: Consent | None) -> tuple[date, Precision]:
    """The day of a no that ends a yes, and its precision: no older than that yes, or it would end nothing."""
    if yes is None or yes.given_on is None or span(day, precision)[1] >= yes.first_day:
        return day, precision
    return yes.given_on, Precision(yes.given_precision)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


_ListOfConditions = Annotated[list[Prose], Field(max_length=20)]
Conditions = Annotated[
    _ListOfConditions,
    BeforeValidator(_as_list, json_schema_input_type=_ListOfConditions | Prose),
    Field(description="What must hold before it authorises; one text stands for a list of one."),
]


class ConsentInput(RecordInput):
    """A word as it was said. A yes says when and how; a no was said today unless `on` is given."""

    subject: ConsentSubject
    scope: ConsentScope
    state: ConsentState = ConsentState.GIVEN
    of: Annotated[
        VoiceRef | None,
        Field(description="Whose word it is, where there are several: a party; of a `person`, always the person."),
    ] = None
    conditions: Conditions = []
    recipients: Annotated[list[Name], Field(max_length=50, description="To whom it is limited.")] = []
    given_on: Annotated[Happened | None, Field(description="Of a yes: when it was given.")] = None
    given_precision: Precision = Precision.EXACT
    on: Annotated[
        Day | None, SaidByToday("on_precision"), Field(description=f"Of a no: when it was said. {SAID_BY_TODAY}")
    ] = None
    on_precision: Precision = Precision.EXACT
    expires_on: Annotated[Day | None, Field(description="The last day on which a yes is good.")] = None
    method: ConsentMethod | None = None
    language: Annotated[Language | None, Field(description="The language it was explained in.")] = None

    @model_validator(mode="after")
    def _agrees_with_its_state(self) -> "ConsentInput":
        _require_of_yes(self.state, self.given_on, self.method, self.conditions)
        if self.state in NO and (self.given_on or self.expires_on or self.conditions):
            raise ValueError("a no has neither given_on, expires_on nor conditions; say when in on")
        if self.state not in NO and self.on is not None:
            raise ValueError("on is the day of a no; say when a yes was given in given_on")
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
    """A sooner end of a yes; or shorthand for the word that follows: a no to what was given, an answer to a request.

    The word is written as a record of its own, which is the answer; the record named stays as it is.
    """

    state: ConsentState | None = None
    conditions: Conditions = []
    given_on: Happened | None = None
    given_precision: Precision = Precision.EXACT
    expires_on: Day | None = None
    withdrawn_on: Annotated[
        Day | None, SaidByToday("withdrawn_precision"), Field(description=f"When a no was said. {SAID_BY_TODAY}")
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
            raise ValueError("a no has neither given_on, expires_on nor conditions; say when in withdrawn_on")
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
    """Says of one condition of a yes that it is met, and how. Never a person's name."""

    consent: ConsentRef
    condition: Annotated[Prose, Field(description="The condition, in the words of the consent.")]
    how: Prose


ConditionsMet = Annotated[
    list[ConditionMet],
    Field(max_length=100, description="The conditions of the consents that this relies on: that each is met, and how."),
]
Met = frozenset[tuple[UUID, str]]
"""Conditions that are said to be met: the id of the consent, and the condition in its words."""


def missing_conditions(words: Iterable[Consent], met: Met) -> list[tuple[Consent, str]]:
    """The conditions of these words that nobody says are met."""
    return [(word, condition) for word in words for condition in word.conditions if (word.id, condition) not in met]
