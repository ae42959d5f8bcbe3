"""The status history of a case, as its team sees it and as those who follow it do."""

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
    """One entry of the status history. `account_id`, `reason`, `input` and `overrides` are for the team only."""

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
    """An entry of the history as the team sees it, or as those who only follow the status do.

    To these it is on record `since` they could have read it.
    """
    output = HistoryOutput.model_validate(entry)
    if not is_on_team(caller, case):
        hidden: dict[str, object] = dict.fromkeys(HISTORY_FOR_WORK)
        return output.model_copy(update={**hidden, "recorded_at": since(entry.recorded_at)})
    if output.input and "survivor" in output.input and not _sees_survivor(session, caller, entry):
        return output.model_copy(update={"input": {**output.input, "survivor": None}})
    return output


def _sees_survivor(session: Session, caller: Caller, entry: HistoryEntry) -> bool:
    """Of the case that this merger named: since then it may have been undone, and another made."""
    named = select(Case).where(Case.reference == entry.input["survivor"])
    survivor = session.scalar(named)
    return survivor is not None and sees(caller, survivor)
