"""What a kind of record is: a row of the table in `lifecycle/record_kinds.py`."""

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


def adds_nothing(_: WriteContext, __: Any, ___: str) -> dict[str, Any]:
    return {}


def refuses_nothing(_: WriteContext, __: Any) -> list[Unmet]:
    return []


@dataclass(frozen=True)
class Kind:
    """A row: the noun of its URL, its table and wire forms, and its small lifecycle.

    `state` names the column that the lifecycle `next` governs. `derive` gives columns that the input does not
    name as such, and `alters` those of a change; `check` tells which rule forbids to have this record, which is not
    asked again where only `asides` change; `shorthand` gives the further record that a change stands for, where it is
    one; `shown` gives those a caller may read, where that is not all; `protects` tells of an input whether those may
    write it who act on the case only to protect somebody.
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
        """Who may write one."""
        return RECORD_WRITERS[self.attribute]
