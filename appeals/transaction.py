"""The transaction of a write: everything it reads and changes belongs together, and its commit writes what follows.

Cases are read, locked and changed as objects without a session (`cases/case_transaction.py`). Other rows that a write
changes, such as an account or a webhook, go through the `session` of the same transaction.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from appeals.access.access_log import AccessEvent, write_events
from appeals.accounts.caller import Caller
from appeals.cases.case import Case
from appeals.cases.case_transaction import CaseChange, CaseTransaction, write_rows
from appeals.cases.publication import published
from appeals.cases.revision import write_revisions
from appeals.database.engine import Database
from appeals.read_models import case_snapshot, name_similarity, search, statistic_counts, views
from appeals.read_models.case_snapshot import RenderedView, SnapshotKeys
from appeals.read_models.public_statistics import update_batches
from appeals.vocabulary import View


class Transaction(CaseTransaction):
    """A write transaction, committed by `commit` and otherwise rolled back."""

    READ_BESIDE = (case_snapshot.SELECT_KEYS,)

    def __init__(self, database: Database, connection: Connection) -> None:
        super().__init__(database, connection)
        self._rendered: dict[UUID, dict[View, RenderedView]] = {}

    def show(self, caller: Caller, case: Case) -> RenderedView:
        """Return the case in the fullest view that the caller may have.

        Nothing more may be written to it afterwards.
        """
        view = views.most(caller, case)
        return case_snapshot.for_reader(self._views_of(case)[view], caller, case, view)

    def commit(
        self,
        now: datetime,
        by: UUID,
        events: Sequence[AccessEvent] = (),
        store_response: Callable[[Connection], None] | None = None,
    ) -> None:
        """Write everything that follows from this transaction, in this order, and commit it.

        `by` is the account that writes.
        """
        connection = self.connection
        self.flush_session()
        changes = self.changes()
        write_rows(connection, changes)
        write_revisions(connection, changes, now, by)
        for change in changes:
            self._write_read_models(change, now)
        if any(change.has_other_pages for change in changes):
            update_batches(self.session, published(now.date()), now)
        write_events(connection, events)
        if store_response is not None:
            store_response(connection)
        connection.commit()

    def _write_read_models(self, change: CaseChange, now: datetime) -> None:
        """Write the read models of a case: change log, search words, blocking keys, statistics, snapshot."""
        connection, case = self.connection, change.case
        before = SnapshotKeys(*change.beside[0]) if change.beside and change.beside[0] else None
        snapshot = case_snapshot.snapshot_columns(case, self._views_of(case))
        change_id = case_snapshot.log_change(connection, case, now)
        if before is not None and before.visibility_key != snapshot["visibility_key"]:
            case_snapshot.log_previous_visibility(connection, change_id, before.visibility_key)
        digest = search.index(connection, case, before.indexed if before else None, is_new=change.is_new)
        if before is None or before.indexed != digest:  # the search words include the names of parties
            name_similarity.index_names(connection, case, is_new=change.is_new)
        statistic_counts.log_delta(connection, before.counted if before else None, snapshot["counted"])
        case_snapshot.write_snapshot(connection, case.id, {**snapshot, "indexed": digest}, is_new=before is None)

    def _views_of(self, case: Case) -> dict[View, RenderedView]:
        """Return the views of a case for its snapshot, rendered once."""
        if case.id not in self._rendered:
            self._rendered[case.id] = {view: case_snapshot.render(case, view) for view in View}
        return self._rendered[case.id]


@contextmanager
def transaction(database: Database, *, patience_s: float | None = None) -> Iterator[Transaction]:
    """Open a write transaction. Raises: Unavailable.

    On SQLite it is the only writer; on PostgreSQL cases are locked as they are read. `patience_s` is the time that it
    may wait for others in total, in place of the usual time for each lock.
    """
    with (
        database.transaction(patience_s=patience_s) as connection,
        closing(Transaction(database, connection)) as write,
    ):
        yield write
