"""The parts of a doctor's check.

No sentence contains a secret: accounts are named by their handles, keys by their ids.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy.orm import Session

from appeals.database.engine import Database
from appeals.settings import Settings

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Finding:
    """One result of a check: a sentence for the administrator, and the name of the check."""

    check: str
    is_problem: bool
    says: str


@dataclass(frozen=True)
class Check(Generic[Seen]):
    """A check of the doctor. Each text that `look` yields is put into the sentence `says`, and is one finding."""

    name: str
    is_problem: bool
    look: Callable[[Seen], Iterable[str]]
    says: str

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """Run the check and yield its findings."""
        return (Finding(self.name, self.is_problem, self.says.format(text)) for text in self.look(seen))


def problem(name: str, *, look: Callable[[Seen], Iterable[str]], says: str) -> Check[Seen]:
    """Return a check whose findings must be put right: the doctor then ends with 1."""
    return Check(name, True, look, says)


def note(name: str, *, look: Callable[[Seen], Iterable[str]], says: str) -> Check[Seen]:
    """Return a check whose findings somebody should look at."""
    return Check(name, False, look, says)


@dataclass(frozen=True)
class Installation:
    """What the checks of the installation read: the settings, and the database that they name."""

    settings: Settings
    database: Database


@dataclass(frozen=True)
class Network:
    """What the checks of the network read: a session on one snapshot of the database, and the current time."""

    session: Session
    now: datetime
