"""The context of a write to a case: the caller, the transaction and the time."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from appeals.accounts.caller import Caller
from appeals.accounts.network import Network
from appeals.cases.case import Case
from appeals.cases.case_transaction import CaseTransaction

A_DAY = timedelta(days=1)


def latest_day(now: datetime) -> date:
    """Return the latest day that may be reported as past: today somewhere on earth."""
    return (now + A_DAY).date()


@dataclass(frozen=True)
class WriteContext:
    """The caller, case, transaction and time of a write.

    The time is never before what is on record, whatever the clock says.
    """

    tx: CaseTransaction
    case: Case
    caller: Caller
    now: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "now", max(self.now, self.case.updated_at))

    @property
    def session(self) -> Session:
        """The session, for queries and for rows that belong to no case."""
        return self.tx.session

    @property
    def network(self) -> Network:
        """The entities, accounts and roles of the network."""
        return self.tx.network

    @property
    def latest_day(self) -> date:
        """The latest day that may be reported as past."""
        return latest_day(self.now)
