"""What the doctor looks for, and what a check finds. No sentence holds a secret: accounts are named by their
handles, keys by their ids.
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
    """Something that is not as it should be, and the name of the check that found it."""

    check: str
    is_problem: bool
    says: str


@dataclass(frozen=True)
class Check(Generic[Seen]):
    """What is looked for. Each text that `look` yields is a finding, and completes the sentence."""

    name: str
    is_problem: bool
    look: Callable[[Seen], Iterable[str]]
    says: str

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """What this check finds."""
        return (Finding(self.name, self.is_problem, self.says.format(text)) for text in self.look(seen))


def problem(name: str, *, look: Callable[[Seen], Iterable[str]], says: str) -> Check[Seen]:
    """A check for what is refused."""
    return Check(name, True, look, says)


def note(name: str, *, look: Callable[[Seen], Iterable[str]], says: str) -> Check[Seen]:
    """A check for what somebody should look at."""
    return Check(name, False, look, says)


@dataclass(frozen=True)
class Installation:
    """The settings, and the database that they lead to."""

    settings: Settings
    database: Database


@dataclass(frozen=True)
class Network:
    """What stands in the database, in one snapshot, and the time at which it is looked at."""

    session: Session
    now: datetime
