"""The case and its status history. The status changes only together with a history entry: `Case.move`."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from functools import cache, partial
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
)
from sqlalchemy.orm import (
    Mapped,
    class_mapper,
    mapped_column,
    relationship,
)

from appeals.accounts.entity import Entity
from appeals.cases.action import Action
from appeals.cases.case_counts import CaseCounts
from appeals.cases.case_indexes import LISTED_BY, list_index
from appeals.cases.commitment import Commitment
from appeals.cases.consent import Consent, Met
from appeals.cases.demand import Demand, current
from appeals.cases.directory import Organisation
from appeals.cases.due_date import DueDate
from appeals.cases.history import HistoryEntry
from appeals.cases.last_word import Words
from appeals.cases.link import Link
from appeals.cases.opening import Opening
from appeals.cases.outcome import Outcome
from appeals.cases.party import Party
from appeals.cases.payment import Payment
from appeals.cases.person import Person
from appeals.cases.proceeding import Proceeding
from appeals.cases.publication import Approval, Publication, met_of
from appeals.cases.record import Record
from appeals.cases.response import Response
from appeals.cases.risk import RiskAssessment
from appeals.cases.safe_contact import SafeContactRule
from appeals.cases.tally import Tally
from appeals.cases.team import TeamMember
from appeals.cases.violation import Violation
from appeals.database.declarative import Base, deferred_fk, new_id, partial_index
from appeals.database.row_shape import shape_of
from appeals.json_types import JsonObject
from appeals.vocabulary import (
    GROUP,
    ConsentScope,
    PartyRole,
    PublicationLevel,
    Status,
    StatusGroup,
    SuspendReason,
)

MONITORING_DAYS = 180
DECISIONS = frozenset({"acceptance", "decline", "referral"})
"""The steps that decide whether the network takes a case up."""


_list = partial(relationship, viewonly=True)
"""A relationship of a case, for reading only. Writes are found in `cases/case_transaction.py`."""


class Case(CaseCounts, Base):
    """An urgent appeal. `version` counts its own changes (steps, PATCH), `revision` also those of its records.

    `take_up_until` and `share_until` are the last days on which the workers' consent to the take-up, and the consent to
    share it in the network, are in force by what is on record; null if they are not in force.
    """

    __tablename__ = "case"
    __table_args__ = (
        CheckConstraint("status IN ({})".format(", ".join(f"'{state}'" for state in Status)), name="status"),
        *(list_index(column, "received_on", "id") for column in LISTED_BY),
        list_index("received_on", "id"),
        list_index("updated_at", "id"),
        partial_index("ix_case_merged_into_id", "merged_into_id", condition="merged_into_id IS NOT NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    reference: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    public_summary: Mapped[str | None]
    narrative: Mapped[str]
    narrative_language: Mapped[str]
    help_asked: Mapped[str]
    channel: Mapped[str]
    country: Mapped[str]
    status: Mapped[str] = mapped_column(default=Status.RECEIVED)
    suspended_from: Mapped[str | None]
    visibility: Mapped[str]
    publication: Mapped[str] = mapped_column(default=PublicationLevel.NONE)
    translations: Mapped[JsonObject] = mapped_column(default=dict)
    risk: Mapped[str | None]
    priority: Mapped[str]
    danger: Mapped[bool]
    requester_id: Mapped[UUID] = mapped_column(deferred_fk("organisation.id"))
    intake_entity_id: Mapped[UUID] = mapped_column(deferred_fk("entity.id"))
    lead_entity_id: Mapped[UUID] = mapped_column(deferred_fk("entity.id"))
    region_id: Mapped[UUID | None] = mapped_column(deferred_fk("entity.id"))
    handover_to_id: Mapped[UUID | None] = mapped_column(deferred_fk("entity.id"), index=True)
    assignee_id: Mapped[UUID | None] = mapped_column(deferred_fk("account.id"))
    merged_into_id: Mapped[UUID | None] = mapped_column(deferred_fk("case.id"))
    received_on: Mapped[date]
    received_precision: Mapped[str]
    acknowledged_on: Mapped[date | None]
    first_action_on: Mapped[date | None]
    accepted_on: Mapped[date | None]
    take_up_until: Mapped[date | None]
    share_until: Mapped[date | None]
    share_conditions_met: Mapped[list[JsonObject]] = mapped_column(default=list)
    review_on: Mapped[date | None]
    closed_on: Mapped[date | None]
    close_reason: Mapped[str | None]
    reopen_count: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)
    revision: Mapped[int] = mapped_column(default=1)
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[UUID] = mapped_column(deferred_fk("account.id"))
    updated_at: Mapped[datetime]

    intake_entity: Mapped[Entity] = relationship(foreign_keys=intake_entity_id)
    lead_entity: Mapped[Entity] = relationship(foreign_keys=lead_entity_id)
    handover_to: Mapped[Entity | None] = relationship(foreign_keys=handover_to_id)
    requester: Mapped[Organisation] = relationship()
    merged_into: Mapped["Case | None"] = relationship(remote_side="Case.id")
    merged_here: Mapped[list["Case"]] = _list(foreign_keys=merged_into_id)
    history: Mapped[list[HistoryEntry]] = _list(order_by=HistoryEntry.sequence)
    parties: Mapped[list[Party]] = _list(order_by=Party.id)
    violations: Mapped[list[Violation]] = _list(order_by=Violation.id)
    demands: Mapped[list[Demand]] = _list(order_by=Demand.id)
    people: Mapped[list[Person]] = _list(order_by=Person.id)
    consents: Mapped[list[Consent]] = _list(order_by=Consent.id)
    risk_assessments: Mapped[list[RiskAssessment]] = _list(order_by=RiskAssessment.id)
    actions: Mapped[list[Action]] = _list(order_by=Action.id)
    commitments: Mapped[list[Commitment]] = _list(order_by=Commitment.id)
    tallies: Mapped[list[Tally]] = _list(order_by=Tally.id)
    payments: Mapped[list[Payment]] = _list(order_by=Payment.id)
    proceedings: Mapped[list[Proceeding]] = _list(order_by=Proceeding.id)
    outcomes: Mapped[list[Outcome]] = _list(order_by=Outcome.id)
    links: Mapped[list[Link]] = _list(order_by=Link.id, foreign_keys=Link.case_id)
    links_here: Mapped[list[Link]] = _list(order_by=Link.id, foreign_keys=Link.other)
    approvals: Mapped[list[Approval]] = _list(order_by=Approval.id)
    publications: Mapped[list[Publication]] = _list(order_by=Publication.id)
    team: Mapped[list[TeamMember]] = _list(order_by=TeamMember.id)
    safe_contact_rules: Mapped[list[SafeContactRule]] = _list(order_by=SafeContactRule.id)
    openings: Mapped[list[Opening]] = _list(order_by=Opening.id)
    due_dates: Mapped[list[DueDate]] = _list(order_by=DueDate.id)

    def move(self, entry: HistoryEntry, now: datetime) -> None:
        """Set the status of a new history entry and add the entry: the only way a status changes."""
        entry.case_id, entry.sequence = self.id, len(self.history) + 1
        shape_of(HistoryEntry).complete(entry)
        self.history.append(entry)
        if entry.moved:
            self.suspended_from = entry.from_status if entry.to_status == Status.SUSPENDED else None
            self.review_on = None  # the steps suspension and monitoring set a new one
        self.status = entry.to_status
        self.version += 1
        self.touch(now)

    def add(self, record: Record) -> None:
        """Add a record to the list of its kind, with its defaults. A response is also added to its action."""
        shape_of(type(record)).complete(record)
        if isinstance(record, Response):
            next(action for action in self.actions if action.id == record.action).responses.append(record)
        else:
            getattr(self, _list_names()[type(record)]).append(record)

    def lead_by(self, entity: Entity) -> None:
        """Set the lead entity, and with it the region."""
        self.lead_entity, self.lead_entity_id, self.region_id = entity, entity.id, entity.region_id

    def offer_to(self, entity: Entity | None) -> None:
        """Offer the lead of the case to an entity, or to none."""
        self.handover_to, self.handover_to_id = entity, entity.id if entity else None

    def merge_into(self, survivor: "Case | None") -> None:
        """Set the survivor of the case, or none if it goes on by itself again."""
        self.merged_into, self.merged_into_id = survivor, survivor.id if survivor else None

    def touch(self, now: datetime) -> None:
        """Set the time of the last change, which never goes back, whatever the clock says."""
        self.revision += 1
        self.updated_at = max(now, self.updated_at)

    @property
    def demands_now(self) -> list[Demand]:
        """The demands that no later version replaces."""
        return current(self.demands)

    @property
    def targets(self) -> list[Party]:
        """The parties on whom pressure may be put."""
        return [party for party in self.parties if party.is_target]

    @property
    def hostile(self) -> list[Party]:
        """The parties that must not verify: targets, and unions set up by the employer."""
        return [party for party in self.parties if party.is_target or party.role == PartyRole.YELLOW_UNION]

    @property
    def requesters(self) -> list[Party]:
        """The parties that ask for help."""
        return [party for party in self.parties if party.role == PartyRole.REQUESTER]

    @property
    def contacted(self) -> list[Party]:
        """The targets of all done actions."""
        outward = (action for action in self.actions if action.done_on and action.is_contact)
        targets = {action.target for action in outward}
        return [party for party in self.parties if party.id in targets]

    def party(self, record_id: UUID | None) -> Party | None:
        """Return the party with this id, or None."""
        return next((party for party in self.parties if party.id == record_id), None)

    def newest_risk(self, on: date) -> RiskAssessment | None:
        """Return the newest risk assessment made by that day, or None."""
        assessments = [assessment for assessment in self.risk_assessments if assessment.assessed_on <= on]
        return max(assessments, key=lambda assessment: (assessment.assessed_on, assessment.id), default=None)

    def review_of_monitoring(self) -> date | None:
        """Return the review date that the last monitoring set; None if the case is not in monitoring."""
        if Status.MONITORING not in (self.status, self.suspended_from):
            return None
        set_by = next(entry for entry in reversed(self.history) if entry.step == "monitoring")
        review_on = set_by.input.get("review_on")
        return date.fromisoformat(review_on) if review_on else set_by.occurred_on + timedelta(days=MONITORING_DAYS)

    def last_move(self) -> HistoryEntry:
        """The history entry that led to the present state."""
        return next(entry for entry in reversed(self.history) if entry.moved)

    def today(self, now: datetime) -> date:
        """Return the server's day, but never one before the newest entry, so that a clock set back revives no
        consent.
        """
        return max(now, self.updated_at).date()

    def words(self, today: date, silent: Collection[UUID] = ()) -> Words:
        """Return all consents and refusals, except those in `silent`, whose voice has left."""
        heard = [word for word in self.consents if word.id not in silent] if silent else self.consents
        return Words(heard, self.parties, today)

    @property
    def suspended_because(self) -> SuspendReason | None:
        """The reason of the suspension; None if the case is not suspended."""
        reason = self.last_move().reason if self.status == Status.SUSPENDED else None
        return SuspendReason(reason) if reason else None

    @property
    def is_accepted(self) -> bool:
        """True if the case was accepted, and neither declined nor referred since."""
        decisive = (entry.step for entry in reversed(self.history) if entry.step in DECISIONS)
        return next(decisive, None) == "acceptance"

    @property
    def take_up_conditions_met(self) -> Met:
        """The conditions of the take-up that steps named as met. They stay met."""
        of_take_up = {word.id for word in self.consents if word.scope == ConsentScope.TAKE_UP}
        conditions = met_of([item for entry in self.history for item in entry.input.get("conditions_met", [])])
        return frozenset(condition for condition in conditions if condition[0] in of_take_up)

    @property
    def sharing_conditions_met(self) -> Met:
        """The conditions that were named as met when the case was shared in the network."""
        return met_of(self.share_conditions_met)

    @property
    def page_up(self) -> Publication | None:
        """The publication that is up, of which there is at most one."""
        return next((publication for publication in self.publications if publication.is_up), None)

    def take_down(self, now: datetime, why: str) -> None:
        """Take down all publications that are up."""
        for publication in self.publications:
            if publication.is_up:
                publication.taken_down_at, publication.taken_down_why = now, why
        self.publication = PublicationLevel.NONE

    @property
    def publications_up(self) -> set[UUID]:
        """The publications that are up."""
        return {publication.id for publication in self.publications if publication.is_up}

    @property
    def group(self) -> StatusGroup:
        """The group of its status."""
        return GROUP[Status(self.status)]


@cache
def _list_names() -> dict[type[Base], str]:
    """Return the name of the list of each kind of record. Links from other cases belong to those cases."""
    lists = [relation for relation in class_mapper(Case).relationships if relation.uselist]
    return {of.mapper.class_: of.key for of in lists if of.key != "links_here"}
