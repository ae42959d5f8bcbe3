"""The status history of a case, in the work view and in the status view."""

from collections.abc import Callable
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from appeals.access.visibility import is_on_team, sees
from appeals.accounts.caller import Caller
from appeals.cases.case import Case
from appeals.cases.history import HistoryEntry
from appeals.fields import Model
from appeals.json_types import JsonObject
from appeals.vocabulary import (
    Precision,
    Role,
    Status,
)


class HistoryOutput(Model):
    """An entry of the status history.

    `account_id`, `reason`, `input` and `overrides` are shown only in the work view.
    """

    sequence: int
    step: str
    from_status: Status | None
    to_status: Status
    says: str
    role: Role
    entity_id: UUID
    account_id: UUID | None
    occurred_on: date
    occurred_precision: Precision
    recorded_at: datetime
    reason: str | None
    input: JsonObject | None
    overrides: dict[str, str] | None
    left_open: dict[str, int]


HISTORY_FOR_WORK = ("account_id", "reason", "input", "overrides")


def of_entry(
    session: Session,
    caller: Caller,
    case: Case,
    entry: HistoryEntry,
    since: Callable[[datetime], datetime] = lambda moment: moment,
) -> HistoryOutput:
    """Return an entry of the history in the work view or the status view.

    In the status view, `recorded_at` is the time `since` which the caller could have read it.
    """
    output = HistoryOutput.model_validate(entry)
    if not is_on_team(caller, case):
        hidden: dict[str, object] = dict.fromkeys(HISTORY_FOR_WORK)
        return output.model_copy(update={**hidden, "recorded_at": since(entry.recorded_at)})
    if output.input and "survivor" in output.input and not _sees_survivor(session, caller, entry):
        return output.model_copy(update={"input": {**output.input, "survivor": None}})
    return output


def _sees_survivor(session: Session, caller: Caller, entry: HistoryEntry) -> bool:
    """Return whether the caller sees the survivor that this merger named, which may differ from the present one."""
    named = select(Case).where(Case.reference == entry.input["survivor"])
    survivor = session.scalar(named)
    return survivor is not None and sees(caller, survivor)
