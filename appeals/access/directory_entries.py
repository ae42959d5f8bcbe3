"""The words by which a caller may know a row of the directory."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from appeals.access.visibility import work_view_filter
from appeals.accounts.caller import Caller
from appeals.cases.case import Case
from appeals.cases.directory import FORMS, Facility, Organisation
from appeals.cases.party import Party


def own_parties(caller: Caller, *, lasting: bool = False) -> Select[Party]:
    """Return the statement for the parties of cases that the caller works on; if `lasting`, for longer than a limited
    time.
    """
    return select(Party).join(Case, Case.id == Party.case_id).where(work_view_filter(caller, lasting=lasting))


def directory_entry_for(
    session: Session, caller: Caller, table: type[Organisation | Facility], row_id: UUID, *, lasting: bool = False
) -> dict[str, object] | None:
    """Return a directory row in the words by which the caller may know it, or None.

    Listed rows are known to all. Another is known only in the words of a case that names it and that the caller works
    on. To name it in another case, the caller must work on that case for longer than a limited time: `lasting`.
    """
    row: Any = session.get(table, row_id)
    if row is not None and row.listed:
        return FORMS[table].model_validate(row).model_dump(mode="json")
    key = Party.organisation_id if table is Organisation else Party.facility_id
    named = session.scalar(own_parties(caller, lasting=lasting).where(key == row_id).order_by(Party.id.desc()).limit(1))
    return named.named if named else None
