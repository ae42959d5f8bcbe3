"""The indexes of the table of cases, and how lists are put in order by urgency."""

from sqlalchemy import (
    Index,
    Integer,
    literal_column,
)

from appeals.vocabulary import (
    Priority,
)

URGENCY = literal_column(
    "CASE priority {} END".format(" ".join(f"WHEN '{level}' THEN {at}" for at, level in enumerate(reversed(Priority)))),
    Integer,
)
"""How pressing a case is, as a number; spelt as in its index, which the migration makes."""
LISTED_BY = ("country", "status", "intake_entity_id", "lead_entity_id", "region_id", "assignee_id", "risk", "priority")
"""Columns that lists are filtered by; each has an index in the order of lists."""


FILTERED_BY = ("status", "country", "risk", "priority", "danger", "visibility")


def list_index(*order: str) -> Index:
    """An index in the order of a list. It holds the small columns too by which lists are filtered besides: then what is
    left out is not looked up, however rare what is asked for is.
    """
    return Index(f"ix_case_{'_'.join(order)}", *order, *(column for column in FILTERED_BY if column not in order))
