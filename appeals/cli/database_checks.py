"""The doctor's checks of stored cases and read models, and of the rights to change them."""

from collections.abc import Iterator

from sqlalchemy import and_, func, select

from appeals.cases.case import Case
from appeals.cases.history import HistoryEntry
from appeals.cli.checks import Network
from appeals.database import protection
from appeals.read_models import statistics_folding
from appeals.read_models.case_snapshot import CaseSnapshot, all_counted_cases, stale_snapshots
from appeals.read_models.change_feed import count_foreign_changes
from appeals.read_models.statistic_counts import TABLES

LOOKED_AT = 100


def stale_views(at: Network) -> Iterator[str]:
    """Yield references of cases whose snapshot is missing or wrong, among those without one and the last that were
    written.
    """
    unkept = select(Case).where(Case.id.not_in(select(CaseSnapshot.case_id))).limit(LOOKED_AT)
    newest = select(Case).order_by(Case.updated_at.desc(), Case.id.desc()).limit(LOOKED_AT)
    for query in (unkept, newest):
        yield from (case.reference for case in stale_snapshots(at.session, at.session.scalars(query)))


def restored(at: Network) -> Iterator[str]:
    """Yield the number of changes in the feed that another database server numbered."""
    changes = count_foreign_changes(at.session)
    if changes:
        yield str(changes)


def miscounted(at: Network) -> Iterator[str]:
    """Yield the number of statistics by one dimension that differ from a new count."""
    wrong = statistics_folding.miscounted(at.session, all_counted_cases, [name for name in TABLES if "," not in name])
    if wrong:
        yield str(wrong)


def unmoved(at: Network) -> Iterator[str]:
    """Return the cases whose status differs from the last entry of their history, which always sets the status."""
    numbered = select(HistoryEntry.case_id, func.max(HistoryEntry.sequence).label("last"))
    last = numbered.group_by(HistoryEntry.case_id).subquery()
    entry = and_(HistoryEntry.case_id == last.c.case_id, HistoryEntry.sequence == last.c.last)
    query = select(Case.reference).outerjoin(last, last.c.case_id == Case.id).outerjoin(HistoryEntry, entry)
    moved = func.coalesce(HistoryEntry.to_status, "")
    return iter(at.session.scalars(query.where(Case.status != moved).order_by(Case.reference).limit(LOOKED_AT)))


def unprotected(at: Network) -> Iterator[str]:
    """Return the names of triggers that differ from those of this release."""
    return iter(protection.differing_triggers(at.session.connection()))


def other_rights(at: Network) -> Iterator[str]:
    """Yield the rights in which the service's database user differs from what this release needs, on PostgreSQL."""
    connection = at.session.connection()
    if not protection.is_embedded(connection) and not protection.is_owner(connection):
        yield from protection.differing_rights(connection)


def one_user(at: Network) -> Iterator[str]:
    connection = at.session.connection()
    if not protection.is_embedded(connection) and protection.is_owner(connection):
        yield str(connection.engine.url.username)
