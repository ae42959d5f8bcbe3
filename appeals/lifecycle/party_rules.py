"""The rules of parties, and of the organisations and facilities that inputs name."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from appeals.access.directory_entries import directory_entry_for
from appeals.accounts.caller import Caller
from appeals.cases import (
    party,
)
from appeals.cases.directory import (
    Facility,
    FacilityInput,
    Organisation,
)
from appeals.errors import FieldError, Invalid
from appeals.lifecycle.write_context import WriteContext


def party_columns(writing: WriteContext, data: party.PartyInput, at: str) -> dict[str, object]:
    session, directory = writing.session, writing.tx.directory
    usual = party.TARGET_OF_ROLE.get(data.role)
    if data.target and (usual is None or not party.are_alike(usual, data.target)):
        raise Invalid([FieldError(f"{at}/target", "is not a kind of target for this role")])
    columns: dict[str, object] = {"organisation_id": None, "facility_id": None, "target": data.target or usual}
    if data.organisation is not None:
        values = require_known(session, writing.caller, Organisation, data.organisation, f"{at}/organisation")
        row = directory.organisation(data.organisation)
        columns |= {"organisation_id": row.id, "named": values or directory.in_the_words_of(data.organisation, row)}
    if data.facility is not None:
        values = require_known(session, writing.caller, Facility, data.facility, f"{at}/facility")
        owner = data.facility.owner if isinstance(data.facility, FacilityInput) else None
        require_known(session, writing.caller, Organisation, owner, f"{at}/facility/owner")
        place = directory.facility(data.facility)
        columns |= {"facility_id": place.id, "named": values or directory.in_the_words_of(data.facility, place)}
    return columns


def require_known(session: Session, caller: Caller, table: Any, data: Any, pointer: str) -> dict[str, Any] | None:
    """Return the words by which the caller knows a directory row named by its id; None if the input is not an id.

    Raises: Invalid, the same for an unknown id and for one that the caller may not know.
    """
    if not isinstance(data, UUID):
        return None
    values = directory_entry_for(session, caller, table, data, lasting=True)
    if values is None:
        raise Invalid([FieldError(pointer, f"is not the id of a known {table.__tablename__}")])
    return values
