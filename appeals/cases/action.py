"""Actions and what came of them: pressure, the answer expected, the answer given, the rejoinder."""

from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy import ColumnElement, and_
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.orm.util import AliasedClass

from appeals.cases.consent import ConditionMet, ConditionsMet
from appeals.cases.directory import OrganisationInput
from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.cases.response import Response, ResponseBody, ResponseInput, ResponseOutput
from appeals.database.declarative import deferred_fk
from appeals.fields import Count, Day, Happened, Language, NameOrId, PartyRef, Prose, earliest
from appeals.json_types import JsonObject
from appeals.vocabulary import (
    CHANNEL,
    ActedBy,
    ActionKind,
    ActionStatus,
    AnswerStatus,
    Channel,
    ConsentScope,
    Corner,
    Precision,
    ResponseGrade,
)

NEXT = {
    ActionStatus.PLANNED: {ActionStatus.DONE, ActionStatus.CANCELLED, ActionStatus.PAUSED},
    ActionStatus.PAUSED: {ActionStatus.PLANNED, ActionStatus.DONE, ActionStatus.CANCELLED},
}


CONTACT_SCOPE = {
    ActionKind.BRAND_CONTACT_LETTER: ConsentScope.CONTACT_BRAND,
    ActionKind.BRAND_MEETING: ConsentScope.CONTACT_BRAND,
    ActionKind.FACTORY_LETTER: ConsentScope.CONTACT_FACTORY,
    ActionKind.GOVERNMENT_LETTER: ConsentScope.CONTACT_GOVERNMENT,
}
"""The consent that contact of a kind needs where no target is named."""


TELLS = frozenset(
    {
        ActionKind.BRAND_CONTACT_LETTER,
        ActionKind.BRAND_MEETING,
        ActionKind.FACTORY_LETTER,
        ActionKind.GOVERNMENT_LETTER,
        ActionKind.EMPLOYERS_ASSOCIATION_LETTER,
        ActionKind.INVESTOR_CONTACT,
        ActionKind.DIPLOMATIC_CONTACT,
    }
)
"""By which those who were contacted can be told that the network stops (domain.md 8)."""


CANNOT_WAIT = frozenset(
    {ActionKind.LEGAL_AID, ActionKind.EMERGENCY_RELIEF, ActionKind.SECURITY_SUPPORT, ActionKind.RELOCATION}
)
"""What a court, a deadline or a life demands: with a reason it asks no consent to contact (domain.md 8)."""


class Action(Record):
    """Something the network does or plans to do, or that others did.

    `by_entity` is the entity that acted for the network, and of what others did the one that noted it. `by_party` or
    `by_organisation` is who else acted, also where that is the network under another name; `by_name` is what this case
    calls an organisation that is no party.
    """

    __tablename__ = "action"

    by: Mapped[str] = mapped_column(default=ActedBy.NETWORK)
    kind: Mapped[str]
    channel: Mapped[str]
    target: Mapped[UUID | None] = mapped_column(deferred_fk("party.id"), index=True)
    corner: Mapped[str | None]
    by_entity: Mapped[UUID] = mapped_column(deferred_fk("entity.id"))
    by_party: Mapped[UUID | None]
    by_organisation: Mapped[UUID | None]
    by_name: Mapped[str | None]
    without_consent_because: Mapped[str | None]
    planned_on: Mapped[date | None]
    done_on: Mapped[date | None]
    done_precision: Mapped[str]
    answer_due_on: Mapped[date | None]
    languages: Mapped[list[str]]
    reach: Mapped[int | None]
    note: Mapped[str | None]
    result_note: Mapped[str | None]
    conditions_met: Mapped[list[JsonObject]]
    status: Mapped[str]
    responses: Mapped[list[Response]] = relationship(order_by=Response.id, lazy="selectin", viewonly=True)

    def contradiction(self) -> tuple[str, str] | None:
        """Done and the day it was done go together; an answer is not due before."""
        if (self.status == ActionStatus.DONE) != (self.done_on is not None):
            return "done_on", "is needed of an action that is done (the default), and of no other"
        first = earliest(self.done_on, self.done_precision) if self.done_on else None
        if first and self.answer_due_on and self.answer_due_on < first:
            return "answer_due_on", "lies before the action"
        return None

    @property
    def is_by_network(self) -> bool:
        """True for an act of the network; what others did is a fact, for which nobody is asked and nothing is due."""
        return self.by == ActedBy.NETWORK

    @property
    def is_contact(self) -> bool:
        """True for an act of the network that by its kind goes beyond it, on whatever channel it is recorded."""
        return self.is_by_network and CHANNEL[ActionKind(self.kind)] is not Channel.INTERNAL

    @property
    def is_public(self) -> bool:
        """True for what by its kind or its channel is meant for the public: the wider of both counts."""
        return Channel.PUBLIC in (self.channel, CHANNEL[ActionKind(self.kind)])

    @property
    def asks_quietly(self) -> bool:
        """True for an act of the network that reaches those it is addressed to, and not the public."""
        return self.is_contact and self.channel == Channel.QUIET and not self.is_public

    @property
    def is_internal(self) -> bool:
        """True for what by its kind or its channel stays within the network: nobody is asked to answer it."""
        return Channel.INTERNAL in (self.channel, CHANNEL[ActionKind(self.kind)])

    @property
    def contact_scope(self) -> ConsentScope | None:
        """The consent that this kind of contact needs where no target is named; None for what is no contact."""
        return CONTACT_SCOPE.get(ActionKind(self.kind))

    @property
    def answers(self) -> list[Response]:
        """The responses of whom it was addressed to, and their silence: what others say of it answers nothing."""
        return [response for response in self.responses if self.target is None or response.party in (None, self.target)]

    @property
    def answer(self) -> AnswerStatus:
        """Where the answer stands. Silence stays on record: an answer that came late stands beside it."""
        if any(self.is_in_time(response) for response in self.answers if not response.is_silence):
            return AnswerStatus.RECEIVED
        if self.answers:
            return AnswerStatus.NO_RESPONSE
        return AnswerStatus.AWAITING if self.awaited_until else AnswerStatus.NONE_EXPECTED

    def is_in_time(self, answer: "Response | ResponseBody") -> bool:
        """True for an answer that came, or may have come, by the day it was due."""
        return earliest(answer.received_on, answer.received_precision) <= self.answer_by

    @property
    def silence(self) -> Response | None:
        """What says on record that no answer came; one at most."""
        return next((response for response in self.responses if response.is_silence), None)

    @property
    def answer_by(self) -> date:
        """Until when an answer is in time."""
        return self.awaited_until or date.max

    @property
    def awaited_until(self) -> date | None:
        """The day by which the network awaits an answer: to its own acts alone that leave it."""
        return self.answer_due_on if self.is_by_network and not self.is_internal else None

    def is_unanswered(self, on: date) -> bool:
        """True when it was done and met silence past the due date, or only inadequate answers."""
        if self.status != ActionStatus.DONE:
            return False
        if self.answers:
            return all(response.is_inadequate(on) for response in self.answers)
        return self.answer_due_on is not None and self.answer_due_on < on


def is_approach(of: type[Action] | AliasedClass[Action] = Action) -> ColumnElement[bool]:
    """That the network did it, and that it was not internal: what counts as its approaches (domain.md 9)."""
    internal = [kind for kind, channel in CHANNEL.items() if channel is Channel.INTERNAL]
    return and_(of.by == ActedBy.NETWORK, of.channel != Channel.INTERNAL, of.kind.not_in(internal))


By = Annotated[
    NameOrId | OrganisationInput,
    Field(
        description="Who acted: a party of the case (# and its label, or its id), an entity of the network (its name "
        "or id), or an organisation (its id, or in full). Default: the lead entity."
    ),
]


Because = Annotated[
    Prose,
    Field(
        description="Why somebody is contacted without consent: to tell a target contacted before that the network "
        "stops, or for legal_aid, emergency_relief, security_support or relocation."
    ),
]


class ActionInput(RecordInput):
    """An action. Its channel follows from its kind unless it is given."""

    kind: ActionKind
    channel: Channel | None = None
    target: PartyRef | None = None
    corner: Corner | None = None
    by: By | None = None
    status: ActionStatus = ActionStatus.DONE
    planned_on: Day | None = None
    done_on: Happened | None = None
    done_precision: Precision = Precision.EXACT
    answer_due_on: Annotated[
        Day | None, Field(description="By when the target is asked to answer; of what is internal nothing follows.")
    ] = None
    languages: Annotated[list[Language], Field(max_length=50)] = []
    reach: Annotated[Count | None, Field(description="People who took part or signed.")] = None
    note: Prose | None = None
    result_note: Prose | None = None
    without_consent_because: Because | None = None
    conditions_met: ConditionsMet = []

    @model_validator(mode="after")
    def _an_answer_has_a_target(self) -> "ActionInput":
        if self.answer_due_on and self.target is None:
            raise ValueError("an answer is awaited from a target")
        self.channel = self.channel or CHANNEL[self.kind]
        return self


def silence_of(params: Action) -> ResponseInput:
    """What says on record that no answer came by the day it was due; told of an action with such a day."""
    came_to_nothing = params.answer_by + timedelta(days=1)
    return ResponseInput(action=str(params.id), received_on=came_to_nothing, grade=ResponseGrade.NO_RESPONSE)


class ActionOutput(RecordOutput):
    kind: ActionKind
    channel: Channel
    target: UUID | None
    corner: Corner | None
    by: ActedBy
    by_entity: Annotated[UUID, Field(description="Which entity acted, or noted what others did.")]
    by_party: UUID | None
    by_organisation: UUID | None
    by_name: Annotated[str | None, Field(description="Of the organisation, in this case's own words.")]
    status: ActionStatus
    planned_on: date | None
    done_on: date | None
    done_precision: Precision
    answer_due_on: date | None
    answer: AnswerStatus
    languages: list[str]
    reach: int | None
    note: str | None
    result_note: str | None
    without_consent_because: str | None
    conditions_met: list[ConditionMet]
    responses: list[ResponseOutput]


class ActionChange(RecordInput):
    """What became of an action, and who did it where that was recorded wrongly."""

    by: By | None = None
    status: ActionStatus | None = None
    done_on: Happened | None = None
    done_precision: Precision | None = None
    answer_due_on: Day | None = None
    reach: Count | None = None
    result_note: Prose | None = None
    without_consent_because: Because | None = None
