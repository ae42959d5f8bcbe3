"""The type of record kinds, the rows of the table in `lifecycle/record_kinds.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from appeals.access.record_writers import RECORD_WRITERS
from appeals.accounts.caller import Caller
from appeals.cases.case import Case
from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.errors import Unmet
from appeals.lifecycle.write_context import WriteContext
from appeals.vocabulary import (
    Role,
)

Adds = Callable[[WriteContext, Any, str], dict[str, Any]]


Refuses = Callable[[WriteContext, Any], list[Unmet]]


def adds_nothing(_: WriteContext, __: object, ___: str) -> dict[str, object]:
    return {}


def refuses_nothing(_: WriteContext, __: object) -> list[Unmet]:
    return []


@dataclass(frozen=True)
class Kind:
    """A kind of record: the noun of its URL, its table and wire forms, and its own small lifecycle.

    `state` is the column that `transitions` governs. `derive` returns columns that the input does not name, `alters`
    those of a change. `check` returns the rules that forbid the record; a change of `asides` alone does not check them.
    `shorthand` returns the new record that a change stands for. `readable` returns the records a caller may read, if
    not all. `protects` returns whether those who act only to protect may write an input.
    """

    noun: str
    table: type[Record]
    input: type[RecordInput]
    output: type[RecordOutput]
    change: type[RecordInput] | None = None
    state: str = "status"
    transitions: Mapping[Any, set[Any]] = field(default_factory=dict)
    derive: Adds = adds_nothing
    alters: Callable[[WriteContext, Any], dict[str, Any]] = lambda _w, _s: {}
    check: Refuses = refuses_nothing
    asides: frozenset[str] = frozenset()
    after_write: Callable[[WriteContext, Any], None] = lambda _w, _r: None
    shorthand: Callable[[WriteContext, Any, Any], RecordInput | Record | None] = lambda _w, _r, _b: None
    readable: Callable[[Caller, Case], list[Any]] | None = None
    protects: Callable[[WriteContext, Any], bool] = lambda _w, _s: False

    @property
    def attribute(self) -> str:
        """The name of the list on the case, and of the member in `records`."""
        return self.noun.replace("-", "_")

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that may write it."""
        return RECORD_WRITERS[self.attribute]
