"""The directory of organisations and facilities that cases name.

What a case names is stored here too, so that one brand is one row. Such a row is shown only to those who work on a case
that names it, in the words of that case, unless somebody listed it for all. So nobody learns from a row that a hidden
case names it: neither from its details nor from its id, which contains no time.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar
from uuid import UUID, uuid4

from pydantic import AfterValidator, Field
from sqlalchemy import ForeignKey, Select, bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.database.bulk import insert_if_absent
from appeals.database.declarative import Base
from appeals.fields import COUNTRIES, Country, Flag, Model, Name, fold
from appeals.vocabulary import FacilityStatus, OrganisationKind

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_OS_ID = re.compile(r"([A-Z]{2})([0-9]{4})([0-9]{3})[0-9A-HJKMNP-TV-Z]{6}\Z")


def os_id(text: str) -> str:
    """Return an OS ID without spaces and hyphens. Raises: ValueError, if it is not valid.

    Source: Open Supply Hub, and section 4 of the domain specification. The last character is the sum of the code points
    of the two letters and the Crockford indexes of the next twelve characters, modulo 32, as a Crockford symbol.
    """
    plain = re.sub(r"[\s-]", "", text)
    parts = _OS_ID.match(plain)
    if not parts or parts[1] not in COUNTRIES or not 1 <= int(parts[3]) <= 366:
        raise ValueError("must be 15 characters: country, year, day of the year, 5 symbols, a check character")
    total = sum(map(ord, plain[:2])) + sum(CROCKFORD.index(symbol) for symbol in plain[2:14])
    if plain[14] != CROCKFORD[total % 32]:
        raise ValueError("has a wrong check character; was it copied whole?")
    return plain


OsId = Annotated[str, Field(max_length=40, description="Open Supply Hub id; optional."), AfterValidator(os_id)]


class Organisation(Base):
    """A union, worker centre, company, authority … `identity` is the same for the same name, so that it has one row."""

    __tablename__ = "organisation"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    identity: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    name_local: Mapped[str | None]
    kind: Mapped[str]
    country: Mapped[str | None]
    may_be_named: Mapped[bool]
    listed: Mapped[bool]


class Facility(Base):
    """A workplace. Its identity is its OS ID, or its name and country if it has none."""

    __tablename__ = "facility"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    identity: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    name_local: Mapped[str | None]
    os_id: Mapped[str | None]
    country: Mapped[str]
    province: Mapped[str | None]
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisation.id"))
    owner_country: Mapped[str | None]
    product: Mapped[str | None]
    status: Mapped[str]
    listed: Mapped[bool]


class OrganisationInput(Model):
    name: Name
    name_local: Annotated[Name | None, Field(description="The name in its own script.")] = None
    kind: OrganisationKind
    country: Country | None = None
    may_be_named: Annotated[Flag, Field(description="Whether the name may be published.")] = False


class FacilityInput(Model):
    name: Name
    name_local: Name | None = None
    os_id: OsId | None = None
    country: Country
    province: Name | None = None
    owner: UUID | OrganisationInput | None = None
    owner_country: Country | None = None
    product: Name | None = None
    status: FacilityStatus = FacilityStatus.UNKNOWN


class OrganisationOutput(Model):
    id: UUID
    name: str
    name_local: str | None
    kind: OrganisationKind
    country: str | None
    may_be_named: bool


class FacilityOutput(Model):
    id: UUID
    name: str
    name_local: str | None
    os_id: str | None
    country: str
    province: str | None
    owner_id: UUID | None
    owner_country: str | None
    product: str | None
    status: FacilityStatus


Row = TypeVar("Row", Organisation, Facility)


class Directory:
    """The directory as one transaction uses it. Each row, found or missing, is looked up only once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[type[Base], str], Any] = {}

    def look_up(self, inputs: Iterable[UUID | OrganisationInput | FacilityInput | None]) -> None:
        """Look up all rows that are given in full with one statement, instead of one for each."""
        named = list(inputs)
        organisations = {_identity_of_organisation(one) for one in named if isinstance(one, OrganisationInput)}
        facilities = {_identity_of_facility(one) for one in named if isinstance(one, FacilityInput)}
        for table, identities in ((Organisation, organisations), (Facility, facilities)):
            if identities:
                self._known |= dict.fromkeys((table, identity) for identity in identities)
                rows: Iterable[Any] = self._session.scalars(_OF_IDENTITIES[table], {"identities": sorted(identities)})
                self._known |= {(table, row.identity): row for row in rows}

    def existing_id(self, data: UUID | OrganisationInput | FacilityInput) -> UUID | None:
        """Return the id of a row that was looked up; None if it does not exist."""
        if isinstance(data, UUID):
            return data
        if isinstance(data, OrganisationInput):
            row = self._known.get((Organisation, _identity_of_organisation(data)))
        else:
            row = self._known.get((Facility, _identity_of_facility(data)))
        return row.id if row else None

    def organisation(self, data: UUID | OrganisationInput, *, listed: bool = False) -> Organisation:
        """Return the organisation with this id, which the caller may know, or with this kind, country and name.

        Creates it if it is missing.
        """
        if isinstance(data, UUID):
            return self._session.get_one(Organisation, data)
        return self._one(Organisation, _identity_of_organisation(data), data.model_dump(), listed=listed)

    def facility(self, data: UUID | FacilityInput, *, listed: bool = False) -> Facility:
        """Return the facility with this id, which the caller may know, or with this OS ID, or name and country.

        Creates it if it is missing.
        """
        if isinstance(data, UUID):
            return self._session.get_one(Facility, data)
        owner = self.organisation(data.owner, listed=listed) if data.owner else None
        return self._one(Facility, _identity_of_facility(data), _details(data, owner), listed=listed)

    def in_the_words_of(
        self, data: UUID | OrganisationInput | FacilityInput, row: Organisation | Facility
    ) -> dict[str, object]:
        """Return the words in which an input names a row in full."""
        details: dict[str, object] = {}
        if isinstance(data, OrganisationInput):
            details = {**data.model_dump(), "id": row.id}
        if isinstance(data, FacilityInput):
            owner = self.organisation(data.owner) if data.owner else None
            details = {**_details(data, owner), "id": row.id}
        return FORMS[type(row)].model_validate(details).model_dump(mode="json")

    def _one(self, table: type[Row], identity: str, details: dict[str, object], *, listed: bool) -> Row:
        query, params = _OF_IDENTITIES[table], {"identities": [identity]}
        if (table, identity) not in self._known:
            self._known[table, identity] = self._session.scalar(query, params)
        row: Row | None = self._known[table, identity]
        if row is None:
            values = {"id": uuid4(), "identity": identity, "listed": listed, **details}
            insert_if_absent(self._session.connection(), table, values)
            row = self._known[table, identity] = self._session.scalars(query, params).one()
        if listed and not row.listed:
            # The words of cases stay in the cases: the row takes the words of the input that lists it.
            for name, value in {**details, "listed": True}.items():
                setattr(row, name, value)
        return row


_OF_IDENTITIES: dict[type[Base], Select[Any]] = {
    table: select(table).where(table.identity.in_(bindparam("identities", expanding=True)))
    for table in (Organisation, Facility)
}
"""The rows of the identities in the list parameter `identities`."""


def _identity_of_organisation(data: OrganisationInput) -> str:
    return identity_of_organisation(data.kind, data.country, data.name)


def _identity_of_facility(data: FacilityInput) -> str:
    return _identity(data.os_id) if data.os_id else identity_of_workplace(data.country, data.name)


def identity_of_organisation(kind: str, country: str | None, name: str) -> str:
    """Return the identity of an organisation, which is unique."""
    return _identity(kind, country or "", fold(name) or name)


def identity_of_workplace(country: str, name: str) -> str:
    """Return the identity of a workplace without an OS ID, which is unique."""
    return _identity(country, fold(name) or name)


def _details(data: FacilityInput, owner: Organisation | None) -> dict[str, object]:
    return {**data.model_dump(exclude={"owner"}), "owner_id": owner.id if owner else None}


FORMS: dict[type[Base], type[Model]] = {Organisation: OrganisationOutput, Facility: FacilityOutput}


def _identity(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()
