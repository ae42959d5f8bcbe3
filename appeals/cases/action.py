"""Actions and their answers: pressure, the expected answer, the answer itself, the rejoinder."""

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
"""The consent scope that a kind of contact needs if no target is named."""


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
"""The kinds of action that can tell contacted targets that the network stops (section 8 of the domain
specification).
"""


CANNOT_WAIT = frozenset(
    {ActionKind.LEGAL_AID, ActionKind.EMERGENCY_RELIEF, ActionKind.SECURITY_SUPPORT, ActionKind.RELOCATION}
)
"""The kinds of action demanded by a court, a deadline or a life.

They need a reason but no consent to contact (section 8 of the domain specification).
"""


class Action(Record):
    """An act that the network did or plans, or that others did.

    `by_entity` is the entity that acted for the network; for acts of others, the one that recorded them. `by_party` or
    `by_organisation` is who else acted, even if it belongs to the network under another name. `by_name` is the name of
    an organisation that is not a party, in the words of this case.
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
        """Check that an action is done if and only if it has a day, and that the answer is not due before that day."""
        if (self.status == ActionStatus.DONE) != (self.done_on is not None):
            return "done_on", "is required of a done action (the default), and of no other"
        first = earliest(self.done_on, self.done_precision) if self.done_on else None
        if first and self.answer_due_on and self.answer_due_on < first:
            return "answer_due_on", "is before the action"
        return None

    @property
    def is_by_network(self) -> bool:
        """True for acts of the network. Acts of others are facts, which need no consent and expect no answer."""
        return self.by == ActedBy.NETWORK

    @property
    def is_contact(self) -> bool:
        """True for acts of the network that contact somebody outside by their kind, whatever channel is recorded."""
        return self.is_by_network and CHANNEL[ActionKind(self.kind)] is not Channel.INTERNAL

    @property
    def is_public(self) -> bool:
        """True if the kind or the channel is public."""
        return Channel.PUBLIC in (self.channel, CHANNEL[ActionKind(self.kind)])

    @property
    def asks_quietly(self) -> bool:
        """True for acts of the network that reach their target and not the public."""
        return self.is_contact and self.channel == Channel.QUIET and not self.is_public

    @property
    def is_internal(self) -> bool:
        """True if the kind or the channel stays within the network, so that no answer is expected."""
        return Channel.INTERNAL in (self.channel, CHANNEL[ActionKind(self.kind)])

    @property
    def contact_scope(self) -> ConsentScope | None:
        """The consent scope that this kind of contact needs if no target is named; None if it is no contact."""
        return CONTACT_SCOPE.get(ActionKind(self.kind))

    @property
    def answers(self) -> list[Response]:
        """The responses of the target, including its silence. Responses of others do not answer the action."""
        return [response for response in self.responses if self.target is None or response.party in (None, self.target)]

    @property
    def answer(self) -> AnswerStatus:
        """The state of the answer. Silence stays on record, and a late answer is shown beside it."""
        if any(self.is_in_time(response) for response in self.answers if not response.is_silence):
            return AnswerStatus.RECEIVED
        if self.answers:
            return AnswerStatus.NO_RESPONSE
        return AnswerStatus.AWAITING if self.awaited_until else AnswerStatus.NONE_EXPECTED

    def is_in_time(self, answer: "Response | ResponseBody") -> bool:
        """Return whether an answer came, or may have come, by the day it was due."""
        return earliest(answer.received_on, answer.received_precision) <= self.answer_by

    @property
    def silence(self) -> Response | None:
        """The record that no answer came; None if there is none."""
        return next((response for response in self.responses if response.is_silence), None)

    @property
    def answer_by(self) -> date:
        """The last day on which an answer is in time."""
        return self.awaited_until or date.max

    @property
    def awaited_until(self) -> date | None:
        """The day by which an answer is due; None unless the action is one of the network's own that left it."""
        return self.answer_due_on if self.is_by_network and not self.is_internal else None

    def is_unanswered(self, on: date) -> bool:
        """Return whether it was done and met silence past the due date, or got only inadequate answers."""
        if self.status != ActionStatus.DONE:
            return False
        if self.answers:
            return all(response.is_inadequate(on) for response in self.answers)
        return self.answer_due_on is not None and self.answer_due_on < on


def is_approach(of: type[Action] | AliasedClass[Action] = Action) -> ColumnElement[bool]:
    """Return the condition for approaches: acts of the network that are not internal (section 9 of the domain
    specification).
    """
    internal = [kind for kind, channel in CHANNEL.items() if channel is Channel.INTERNAL]
    return and_(of.by == ActedBy.NETWORK, of.channel != Channel.INTERNAL, of.kind.not_in(internal))


By = Annotated[
    NameOrId | OrganisationInput,
    Field(
        description="Who acted: a party of the case (# and its label, or its id), an entity of the network (its name "
        "or id), or an organisation (its id, or in full). If omitted, the lead entity."
    ),
]


Because = Annotated[
    Prose,
    Field(
        description="Why a target is contacted without consent: to tell a target contacted before that the network "
        "stops, or for legal_aid, emergency_relief, security_support or relocation."
    ),
]


class ActionInput(RecordInput):
    """An action. Its channel follows from its kind if it is omitted."""

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
        Day | None, Field(description="By when the target is asked to answer; it has no effect on an internal action.")
    ] = None
    languages: Annotated[list[Language], Field(max_length=50)] = []
    reach: Annotated[Count | None, Field(description="How many people took part or signed.")] = None
    note: Prose | None = None
    result_note: Prose | None = None
    without_consent_because: Because | None = None
    conditions_met: ConditionsMet = []

    @model_validator(mode="after")
    def _an_answer_has_a_target(self) -> "ActionInput":
        if self.answer_due_on and self.target is None:
            raise ValueError("an answer can be due only from a target")
        self.channel = self.channel or CHANNEL[self.kind]
        return self


def silence_of(params: Action) -> ResponseInput:
    """Return the input that records that no answer came by the day it was due. The action must have such a day."""
    came_to_nothing = params.answer_by + timedelta(days=1)
    return ResponseInput(action=str(params.id), received_on=came_to_nothing, grade=ResponseGrade.NO_RESPONSE)


class ActionOutput(RecordOutput):
    kind: ActionKind
    channel: Channel
    target: UUID | None
    corner: Corner | None
    by: ActedBy
    by_entity: Annotated[UUID, Field(description="The entity that acted, or that recorded the act of others.")]
    by_party: UUID | None
    by_organisation: UUID | None
    by_name: Annotated[str | None, Field(description="The name of the organisation, in the words of this case.")]
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
    """The result of an action, or a correction of who did it."""

    by: By | None = None
    status: ActionStatus | None = None
    done_on: Happened | None = None
    done_precision: Precision | None = None
    answer_due_on: Day | None = None
    reach: Count | None = None
    result_note: Prose | None = None
    without_consent_because: Because | None = None
