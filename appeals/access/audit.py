"""The access log as auditors read it: their rows, with keyed names in place of what would reveal hidden cases.

A reference is shown as it is if its case exists and is not sealed now. In the row of a denial it is shown only if the
auditor also reads it in another row; otherwise they could test, by their own or others' denials, whether a reference
exists. All other references are replaced by a *keyed name*, and so is everything else that such a row is about. One
auditor always reads the same name for the same case, so that the accesses to it can be seen together. Denials have
their own names for each account that was denied, so that no request reveals the name of a reference.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from appeals.access.access_log import AccessEntry, AccessSubject, readable_filter
from appeals.accounts.caller import Caller
from appeals.accounts.encryption import NotGenuine, RepeatableCipher
from appeals.cases.case import Case
from appeals.fields import as_uuid
from appeals.vocabulary import Logged, Visibility

PREFIX = "keyed-"
_REFERENCE = "UA-"
"""The beginning of every case reference; no id begins so."""


@dataclass(frozen=True)
class Audit:
    """The access log as one auditor reads it."""

    caller: Caller
    pepper: bytes

    def subjects(self, session: Session, entries: Sequence[AccessEntry]) -> dict[UUID, list[str]]:
        """Return the subjects of these entries, as the auditor reads them."""
        hidden: dict[UUID, set[str]] = defaultdict(set)
        query = self._hidden_references().with_only_columns(AccessSubject.entry_id, AccessSubject.subject)
        query = query.join(AccessEntry, AccessEntry.id == AccessSubject.entry_id)
        for entry_id, subject in session.execute(query.where(AccessEntry.id.in_([entry.id for entry in entries]))):
            hidden[entry_id].add(subject)
        return {entry.id: sorted(self._shown(entry, hidden[entry.id])) for entry in entries}

    def _shown(self, entry: AccessEntry, hidden: set[str]) -> list[str]:
        if not hidden:
            return entry.subjects
        asker = _asker(entry)
        return [
            subject if subject.startswith(_REFERENCE) and subject not in hidden else self._name(subject, asker)
            for subject in entry.subjects
        ]

    def is_about(self, named: str) -> ColumnElement[bool]:
        """Return the condition that an entry is about a subject, given as it is or by a keyed name of the auditor."""
        subject, asker = self._subject(named) or (named, None)
        about = AccessEntry.id.in_(select(AccessSubject.entry_id).where(AccessSubject.subject == subject))
        hidden = self._hidden_references().where(AccessSubject.entry_id == AccessEntry.id)
        is_reference = subject.startswith(_REFERENCE)
        if is_reference:
            hidden = hidden.where(AccessSubject.subject == subject)
        is_hidden = hidden.correlate(AccessEntry).exists()
        if asker is not None:
            return and_(about, is_hidden, _asked_by(asker))
        # `_is_open` is first and runs once, so that the response time says nothing about the rows of a sealed case.
        return and_(_is_open(subject), about, ~is_hidden) if is_reference else and_(about, ~is_hidden)

    def _hidden_references(self) -> Select[str]:
        """Return the statement for references that the auditor reads by a keyed name, to be joined with the entry."""
        other, row = aliased(AccessSubject), aliased(AccessEntry)
        is_read_of_anyway = (
            select(row.id)
            .join(other, other.entry_id == row.id)
            .where(other.subject == AccessSubject.subject, row.kind != Logged.DENIAL, readable_filter(self.caller, row))
            .correlate(AccessSubject)
            .exists()
        )
        is_told = and_(_is_open(AccessSubject.subject), or_(AccessEntry.kind != Logged.DENIAL, is_read_of_anyway))
        return select(AccessSubject.subject).where(AccessSubject.subject.startswith(_REFERENCE), ~is_told)

    # Keyed names

    def _name(self, subject: str, asker: str) -> str:
        return PREFIX + self._names.encode(f"{subject}\n{asker}".encode(), self.caller.account_id.bytes)

    def _subject(self, named: str) -> tuple[str, str] | None:
        """Return what a keyed name of this auditor stands for and for whom, or None if it is not one."""
        if not named.startswith(PREFIX):
            return None
        try:
            text = self._names.decode(named.removeprefix(PREFIX), self.caller.account_id.bytes).decode()
        except NotGenuine:
            return None
        subject, _, asker = text.partition("\n")
        return subject, asker

    @cached_property
    def _names(self) -> RepeatableCipher:
        return RepeatableCipher(self.pepper, b"name in the access log")


def _is_open(reference: str | InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Return the condition that a case with this reference exists and is not sealed."""
    open_ones = select(Case.id).where(Case.reference == reference, Case.visibility != Visibility.SEALED)
    return open_ones.correlate(AccessSubject).exists()


def _asker(entry: AccessEntry) -> str:
    """Return who the names in an entry are for: the account that was denied, and nobody in particular for other
    entries.
    """
    return str(entry.account_id or entry.key_id) if entry.kind == Logged.DENIAL else ""


def _asked_by(asker: str) -> ColumnElement[bool]:
    if not asker:
        return AccessEntry.kind != Logged.DENIAL
    account_id = as_uuid(asker)
    is_theirs = AccessEntry.account_id == account_id if account_id else AccessEntry.key_id == asker
    return and_(AccessEntry.kind == Logged.DENIAL, is_theirs)
