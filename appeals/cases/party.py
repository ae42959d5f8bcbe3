"""The parties of a case: requesters, targets, alleged perpetrators, and brands with their supply links."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy.orm import Mapped, mapped_column, relationship

from appeals.cases.directory import Facility, FacilityInput, Organisation, OrganisationInput
from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.database.declarative import deferred_fk
from appeals.fields import Day, Prose, fold
from appeals.json_types import JsonObject
from appeals.vocabulary import ConsentScope, PartyRole, SupplyLinkKind, SupplyStrength, TargetKind

TARGET_OF_ROLE = {
    PartyRole.EMPLOYER: TargetKind.EMPLOYER,
    PartyRole.FACTORY_OWNER: TargetKind.FACTORY_OWNER_GROUP,
    PartyRole.BRAND: TargetKind.BRAND,
    PartyRole.RETAILER: TargetKind.RETAILER,
    PartyRole.AGENT: TargetKind.BUYING_AGENT,
    PartyRole.LICENSOR: TargetKind.LICENSOR,
    PartyRole.AUDITOR: TargetKind.AUDITOR_CERTIFIER,
    PartyRole.GOVERNMENT_BODY: TargetKind.GOVERNMENT_LABOUR,
    PartyRole.SECURITY_FORCE: TargetKind.GOVERNMENT_POLICE_JUSTICE,
    PartyRole.INVESTOR: TargetKind.INVESTOR_LENDER,
    PartyRole.EMPLOYERS_ASSOCIATION: TargetKind.EMPLOYERS_ASSOCIATION,
}
"""The kind of target of each role; the workers' side and unions are not targets."""

CONTACT_SCOPE = {
    **dict.fromkeys(
        (
            TargetKind.EMPLOYER,
            TargetKind.FACTORY_OWNER_GROUP,
            TargetKind.EMPLOYERS_ASSOCIATION,
            TargetKind.SECURITY_COMPANY,
        ),
        ConsentScope.CONTACT_FACTORY,
    ),
    **dict.fromkeys(
        (
            TargetKind.BRAND,
            TargetKind.RETAILER,
            TargetKind.BUYING_AGENT,
            TargetKind.LICENSOR,
            TargetKind.AUDITOR_CERTIFIER,
            TargetKind.MSI,
            TargetKind.INVESTOR_LENDER,
        ),
        ConsentScope.CONTACT_BRAND,
    ),
    **dict.fromkeys(
        (
            TargetKind.GOVERNMENT_LABOUR,
            TargetKind.GOVERNMENT_POLICE_JUSTICE,
            TargetKind.GOVERNMENT_HOME_BRAND,
            TargetKind.INTERGOVERNMENTAL,
        ),
        ConsentScope.CONTACT_GOVERNMENT,
    ),
}
"""The consent scope that contact with a kind of target needs."""

BUYERS = frozenset({TargetKind.BRAND, TargetKind.RETAILER, TargetKind.BUYING_AGENT, TargetKind.LICENSOR})
OWN_HOUSE = frozenset({TargetKind.EMPLOYER, TargetKind.FACTORY_OWNER_GROUP})
STRONG_LINKS = frozenset({SupplyStrength.EVIDENCED, SupplyStrength.CONFIRMED_BY_COMPANY, SupplyStrength.DISCLOSED_LIST})


def are_alike(one: TargetKind, other: TargetKind) -> bool:
    """Return whether two kinds of target need the same consent and have the same leverage."""
    return all((one in kinds) == (other in kinds) for kinds in (BUYERS, OWN_HOUSE)) and (
        CONTACT_SCOPE[one] == CONTACT_SCOPE[other]
    )


class Party(Record):
    """An organisation or facility in a role. A buyer has a supply link to the workplace.

    `named` holds the words of this case about it, the only ones shown to those who see this case.
    """

    __tablename__ = "party"

    role: Mapped[str]
    target: Mapped[str | None]
    organisation_id: Mapped[UUID | None] = mapped_column(deferred_fk("organisation.id"), index=True)
    facility_id: Mapped[UUID | None] = mapped_column(deferred_fk("facility.id"), index=True)
    named: Mapped[JsonObject]
    link_kind: Mapped[str | None]
    link_from: Mapped[date | None]
    link_to: Mapped[date | None]
    link_evidence: Mapped[str | None]
    link_strength: Mapped[str | None]
    company_position: Mapped[str | None]
    organisation: Mapped[Organisation | None] = relationship()
    facility: Mapped[Facility | None] = relationship()

    @property
    def name(self) -> str:
        """The name of the organisation or facility, in the words of this case."""
        name: str = self.named["name"]
        return name

    @property
    def names(self) -> list[str]:
        """Its name, and its name in its own script."""
        return [name for name in (self.name, self.named["name_local"]) if name]

    @property
    def is_target(self) -> bool:
        """True if pressure may be put on it."""
        return self.target is not None

    @property
    def contact_scope(self) -> ConsentScope | None:
        """The consent scope that contact with this party needs; None for the workers' side."""
        return CONTACT_SCOPE[TargetKind(self.target)] if self.target else None

    @property
    def is_buyer(self) -> bool:
        """True if it buys, orders or licenses, so that its link to the workplace must be shown."""
        return self.target in BUYERS

    @property
    def link_is_strong(self) -> bool:
        """True if the supply link is evidenced, confirmed or disclosed, or disputed with evidence."""
        disputed_with_evidence = self.link_strength == SupplyStrength.DISPUTED and self.link_evidence is not None
        return self.link_strength in STRONG_LINKS or disputed_with_evidence

    @property
    def is_leverage(self) -> bool:
        """True for a buyer with a supply link on record, or another target beyond the employer's own company."""
        if self.is_buyer:
            return self.link_strength not in (None, SupplyStrength.DISPROVED)
        return self.is_target and self.target not in OWN_HOUSE


def is_among(parties: Iterable[Party], name: str) -> bool:
    """Return whether one of the parties has this name. Rows may differ in kind or country, so only the name counts."""
    return fold(name) in {fold(party_name) for party in parties for party_name in party.names}


class SupplyLinkInput(RecordInput):
    link_kind: SupplyLinkKind | None = None
    link_from: Day | None = None
    link_to: Day | None = None
    link_evidence: Prose | None = None
    link_strength: SupplyStrength | None = None
    company_position: Prose | None = None


class PartyInput(SupplyLinkInput):
    """A party: an organisation or a facility, by its id or in full."""

    role: PartyRole
    target: Annotated[TargetKind | None, Field(description="The kind of target, if the role does not say it.")] = None
    organisation: UUID | OrganisationInput | None = None
    facility: UUID | FacilityInput | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "PartyInput":
        if (self.organisation is None) == (self.facility is None):
            raise ValueError("name either an organisation or a facility")
        return self


class PartyOutput(SupplyLinkInput, RecordOutput):
    role: PartyRole
    target: TargetKind | None
    name: Annotated[str, Field(description="The name of the organisation or facility, in the words of this case.")]
    organisation_id: UUID | None
    facility_id: UUID | None


class PartyChange(SupplyLinkInput):
    """A correction of a party: its supply link and the company's position."""
