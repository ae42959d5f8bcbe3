"""The directory: organisations and facilities that cases speak of.

What is named inside a case is kept here too, so that one brand is one row; it is shown only to those who work on
a case that names it, in the words of that case, unless somebody listed it openly. So nobody learns from a row that
a case they may not see speaks of it: not from its details, and not from its id, which tells no time.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar
from uuid import UUID, uuid4

from pydantic import AfterValidator, Field
from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.database.bulk import insert_if_absent
from appeals.database.declarative import Base
from appeals.fields import COUNTRIES, Country, Flag, Model, Name, fold
from appeals.vocabulary import FacilityStatus, OrganisationKind

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_OS_ID = re.compile(r"([A-Z]{2})([0-9]{4})([0-9]{3})[0-9A-HJKMNP-TV-Z]{6}\Z")


def os_id(text: str) -> str:
    """The OS ID a text spells, without spaces and hyphens. Raises: ValueError when it cannot be one.

    Source: Open Supply Hub; domain.md 4. The last character is the sum of the code points of the two letters
    and the Crockford indexes of the next twelve characters, modulo 32, as a Crockford symbol.
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
    """A union, worker centre, company, authority … ; `identity` makes one of the same name one row."""

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
    """A workplace. With an OS ID that is its identity; without, its name and country are."""

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
    may_be_named: Annotated[Flag, Field(description="Whether the public may be told this name.")] = False


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


def organisation(session: Session, given: UUID | OrganisationInput, *, listed: bool = False) -> Organisation:
    """The organisation of this id, which the caller was found to know; or of this kind, country and name, even new."""
    if isinstance(given, UUID):
        return session.get_one(Organisation, given)
    return _one(session, Organisation, _identity_of_organisation(given), given.model_dump(), listed=listed)


def facility(session: Session, given: UUID | FacilityInput, *, listed: bool = False) -> Facility:
    """The facility of this id, which the caller was found to know; or of this OS ID, or name and country, even new."""
    if isinstance(given, UUID):
        return session.get_one(Facility, given)
    owner = organisation(session, given.owner, listed=listed) if given.owner else None
    return _one(session, Facility, _identity_of_facility(given), _details(given, owner), listed=listed)


def _identity_of_organisation(data: OrganisationInput) -> str:
    return identity_of_organisation(data.kind, data.country, data.name)


def _identity_of_facility(data: FacilityInput) -> str:
    return _identity(data.os_id) if data.os_id else identity_of_workplace(data.country, data.name)


def identity_of_organisation(kind: str, country: str | None, name: str) -> str:
    """What makes an organisation one row."""
    return _identity(kind, country or "", fold(name) or name)


def identity_of_workplace(country: str, name: str) -> str:
    """What makes a workplace without an OS ID one row."""
    return _identity(country, fold(name) or name)


def _details(data: FacilityInput, owner: Organisation | None) -> dict[str, Any]:
    return {**data.model_dump(exclude={"owner"}), "owner_id": owner.id if owner else None}


def in_the_words_of(
    session: Session, given: UUID | OrganisationInput | FacilityInput, row: Organisation | Facility
) -> dict[str, Any]:
    """What was said of a row where it was named in full."""
    details: dict[str, Any] = {}
    if isinstance(given, OrganisationInput):
        details = {**given.model_dump(), "id": row.id}
    if isinstance(given, FacilityInput):
        owner = organisation(session, given.owner) if given.owner else None
        details = {**_details(given, owner), "id": row.id}
    return FORMS[type(row)].model_validate(details).model_dump(mode="json")


FORMS: dict[type[Base], type[Model]] = {Organisation: OrganisationOutput, Facility: FacilityOutput}


def _identity(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


Row = TypeVar("Row", Organisation, Facility)


def look_up(session: Session, given: Iterable[UUID | OrganisationInput | FacilityInput | None]) -> None:
    """Find at once those of these rows that are there, for this transaction to name: each alone is a statement."""
    known = session.info.setdefault(_KNOWN, {})
    named = list(given)
    organisations = {_identity_of_organisation(one) for one in named if isinstance(one, OrganisationInput)}
    facilities = {_identity_of_facility(one) for one in named if isinstance(one, FacilityInput)}
    for table, identities in ((Organisation, organisations), (Facility, facilities)):
        if identities:
            rows: Iterable[Any] = session.scalars(select(table).where(table.identity.in_(sorted(identities))))
            known.update({(table, row.identity): row for row in rows})


_KNOWN = "rows of the directory, by table and identity, that this transaction has found"


def existing_id(session: Session, given: UUID | OrganisationInput | FacilityInput) -> UUID | None:
    """The id of a row that was looked up; None where there is none yet."""
    if isinstance(given, UUID):
        return given
    if isinstance(given, OrganisationInput):
        key: tuple[type[Base], str] = Organisation, _identity_of_organisation(given)
    else:
        key = Facility, _identity_of_facility(given)
    row = session.info.setdefault(_KNOWN, {}).get(key)
    return row.id if row else None


def _one(session: Session, table: type[Row], identity: str, details: dict[str, Any], *, listed: bool) -> Row:
    known = session.info.setdefault(_KNOWN, {})
    row: Row | None = known.get((table, identity))
    found = select(table).where(table.identity == identity)
    if row is None:
        row = session.scalar(found)
    if row is None:
        insert_if_absent(session, table, {"id": uuid4(), "identity": identity, "listed": listed, **details})
        row = session.scalars(found).one()
    known[table, identity] = row
    if listed and not row.listed:
        # What cases said of it stays theirs: it is listed as whoever lists it knows it.
        for name, value in {**details, "listed": True}.items():
            setattr(row, name, value)
    return row
