"""The results of a replay, as the command prints them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from appeals.cli.replay_format import Published
from appeals.vocabulary import GROUP, CloseReason, Status, StatusGroup

SETTLED = frozenset({CloseReason.DEMANDS_MET, CloseReason.SETTLED_PARTIAL})
REMEDY = frozenset({Status.REMEDIATION, Status.MONITORING})
UNDONE = frozenset({"breach", "reopening"})
"""Steps that open a case again after a remedy."""


@dataclass(eq=False)
class Refused(Exception):
    """A call that the service refused or did not answer: its number, path and codes.

    It never holds a value of the input.
    """

    place: int
    to: str
    code: str
    unmet: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"call {self.place} {self.to or 'intake'}: {', '.join((self.code, *self.unmet))}"


@dataclass
class Result:
    """The result of playing one case."""

    key: str
    published: Published
    status: Status | None = None
    close_reason: CloseReason | None = None
    steps: list[str] = field(default_factory=list)
    recorded: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    replayed: int = 0
    refusal: Refused | None = None
    reference: str | None = None

    @property
    def agrees(self) -> bool:
        """True if the case ended in the state that its sources report."""
        return self.status is not None and _agree(self.published, self.status, self.close_reason, set(self.steps))

    @property
    def fine(self) -> bool:
        """True if no call was refused and the end agrees with the sources."""
        return self.refusal is None and self.agrees


def _agree(published: Published, status: Status, reason: CloseReason | None, steps: set[str]) -> bool:
    is_open = GROUP[status] is not StatusGroup.ENDED
    answers = {
        Published.OPEN: is_open,
        Published.RESOLVED: reason in SETTLED,
        Published.PARTIALLY_RESOLVED: (
            reason is CloseReason.SETTLED_PARTIAL or status in REMEDY or (is_open and bool(UNDONE & steps))
        ),
        Published.CLOSED_WITHOUT_RESULT: status is Status.CLOSED and reason not in SETTLED,
        Published.UNKNOWN: True,
    }
    return answers[published]


def table(results: Iterable[Result]) -> Table:
    """Return a table with a row for each case. Long texts are wrapped, not cut."""
    names = ("Steps", "Actions", "Answers", "Tallies", "Now", "Published", "Agrees", "Refused")
    columns = [Column(name, overflow="fold", min_width=4) for name in names]
    reference = Column("Reference", no_wrap=True)
    table = Table(Column("Case", overflow="fold"), reference, *columns, box=SIMPLE_HEAD, padding=0)
    for result in results:
        counts = [result.recorded[noun] for noun in ("actions", "responses", "tallies")]
        stands = " ".join(filter(None, (result.status, result.close_reason and f"({result.close_reason})"))) or "–"
        verdict = "yes" if result.agrees else "NO"
        numbers = map(str, (len(result.steps), *counts))
        why = str(result.refusal or "")
        table.add_row(result.key, result.reference or "–", *numbers, stands, result.published, verdict, why)
    return table


def totals(results: list[Result]) -> str:
    changed, replayed = (sum(getattr(result, name) for result in results) for name in ("changed", "replayed"))
    refused = sum(result.refusal is not None for result in results)
    disagree = sum(not result.agrees for result in results)
    return (
        f"{len(results)} cases: {changed} writes changed something, {replayed} were answered as before; "
        f"{refused} cases refused, {disagree} disagree with what was published."
    )
