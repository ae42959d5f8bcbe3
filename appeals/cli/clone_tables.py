"""The tables whose rows are copied with a case, and the indexes of their columns."""

from functools import cache
from typing import Any

from sqlalchemy import Table

from appeals.cases.case import Case
from appeals.cases.directory import Facility, Organisation
from appeals.cases.party import Party
from appeals.database.declarative import Base
from appeals.read_models.case_snapshot import CaseSnapshot
from appeals.read_models.name_similarity import BlockingKey

Row = list[Any]


CASE, KEPT, PARTIES, BLOCKING_KEYS, WORKPLACES, ORGANISATIONS = (
    Base.metadata.tables[kind.__tablename__]
    for kind in (Case, CaseSnapshot, Party, BlockingKey, Facility, Organisation)
)
DIRECTORY = ("organisation", "facility")
LEFT_OUT = frozenset(
    {
        "change",
        "suppression_batch_case",
        "previous_team_member",
        "previous_visibility",
        "search_document",
        "blocking_key",
    }
)
"""Tables whose rows are not copied with a case, because they are derived from the other rows."""


@cache
def tables() -> list[Table]:
    """Return the tables whose rows are copied, in an order in which they can be written."""
    ours = {table for table in Base.metadata.sorted_tables if leads_to_case(table)}
    below = {table for table in Base.metadata.sorted_tables if {fk.column.table for fk in table.foreign_keys} & ours}
    copied = {"case", *DIRECTORY, *(table.name for table in ours | below)} - LEFT_OUT
    return [table for table in Base.metadata.sorted_tables if table.name in copied]


def leads_to_case(table: Table) -> bool:
    """Return whether each row of a table belongs to a case."""
    return "case_id" in table.columns and table.name not in LEFT_OUT


@cache
def column_index(table: Table, column: str) -> int:
    """Return the index of a column in the rows of a table."""
    return [each.name for each in table.columns].index(column)
