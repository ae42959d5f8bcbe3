"""Clones of cases: all rows of a case are copied, with new ids and references, and with their days moved.

Cases that belong together are copied together. Their rows are read as the database spells them and joined into one
text. One pass over this text replaces what differs between copies (ids, references, tokens, days, the name of the
workplace), in columns, JSON documents and case snapshots alike. So the snapshot of a copy is copied too, and equals a
fresh rendering. The reasons and the tests are in docs/decisions/0024-seed.md.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from random import Random
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Table, insert, or_, select
from sqlalchemy.orm import Session

from appeals.cases.case import Case
from appeals.cases.case_rows import new_reference
from appeals.cases.change_log import Change
from appeals.cases.directory import identity_of_organisation, identity_of_workplace
from appeals.cases.publication import Publication, new_token
from appeals.cli import fake_cases
from appeals.cli.clone_tables import (
    BLOCKING_KEYS,
    CASE,
    DIRECTORY,
    KEPT,
    ORGANISATIONS,
    PARTIES,
    WORKPLACES,
    Row,
    column_index,
    leads_to_case,
    tables,
)
from appeals.database.bulk import bulk_insert, dump_rows
from appeals.database.declarative import new_id_spelled
from appeals.database.xid_order import current_xid
from appeals.read_models import name_similarity, search
from appeals.read_models.views import tag_of

TABLE, ROW, CELL, NULL = "\x1d", "\x1e", "\x1f", "\x00"
"""The separators of tables, rows and cells, and the sign for null: control characters, which no stored text contains.
"""
MONTH = len("2026-11")
TAGS = {"status_tag": "status_view", "work_tag": "work_view"}
FIRST_DAY = date(1980, 1, 1).toordinal()
DAYS = [date.fromordinal(number).isoformat() for number in range(FIRST_DAY, date(2060, 1, 1).toordinal())]
"""All days that a copy may contain, as text."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b[0-9a-f]{32}\b"
_REFERENCE = r"UA-[A-Z]{3}-[0-9]{4}-[0-9A-Z]{5}"
_A_DAY = r"\b(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]"


@dataclass(frozen=True)
class Template:
    """Cases that belong together as one text, cut at the values that differ between copies.

    The text lists tables with their rows. `values[i]` for each `i` of `positions` goes between two of the `fixed`
    parts. `references` holds the reference of each case with its country and the day of its receipt, `own` the ids of
    its rows in order, `directory` the ids of the directory rows that only these cases name, and `texts` the texts by
    which each case is searched. A copy may be moved into the past by less than `most_days` days.
    """

    fixed: tuple[str, ...]
    positions: tuple[int, ...]
    values: tuple[str, ...]
    references: tuple[tuple[str, str, date], ...]
    own: tuple[UUID, ...]
    directory: tuple[UUID, ...]
    tokens: tuple[str, ...]
    workplace: str
    texts: tuple[tuple[UUID, search.SearchTexts], ...]
    most_days: int = 1


@dataclass(frozen=True)
class CloneContext:
    """What all clones share: the random numbers, and the references and names of workplaces that are taken."""

    rng: Random
    references: set[str]
    names: set[str]


# Reading


def template_of(session: Session, cases: Sequence[UUID], workplace: str) -> Template:
    """Read these cases with all their rows. `workplace` is the name of a workplace that no other case names."""
    dumps = [(table, dump_rows(session, table, _of(table, cases, workplace))) for table in tables()]
    text = TABLE.join(ROW.join(CELL.join(map(_spelled, row)) for row in rows) for _, rows in dumps)
    tokens = tuple(session.scalars(select(Publication.token).where(Publication.case_id.in_(cases))))
    fixed, positions, values = _cut(text, workplace, tokens)
    loaded = [session.get_one(Case, row_id) for row_id in cases]
    references = tuple((case.reference, case.country, case.received_on) for case in loaded)
    own = sorted(row_id for table, rows in dumps if table.name not in DIRECTORY for row_id in _ids(table, rows))
    directory = tuple(row_id for table, rows in dumps if table.name in DIRECTORY for row_id in _ids(table, rows))
    texts = tuple((case.id, search.texts_of(case)) for case in loaded)
    return Template(fixed, positions, values, references, tuple(own), directory, tokens, workplace, texts)


def _spelled(value: str | int | None) -> str:
    return NULL if value is None else str(value)


def _of(table: Table, cases: Sequence[UUID], workplace: str) -> ColumnElement[bool]:
    """Return the condition for the rows of a table that belong to the cases; of the directory, rows no other case
    names.
    """
    if table.name in DIRECTORY:
        return table.c.name.startswith(workplace, autoescape=True)
    if table.name == "case":
        return table.c.id.in_(cases)
    if "case_id" in table.columns:
        return table.c.case_id.in_(cases)
    ways = (
        fk.parent.in_(select(fk.column).where(fk.column.table.c.case_id.in_(cases)))
        for fk in table.foreign_keys
        if leads_to_case(fk.column.table)
    )
    return or_(*ways)


def _ids(table: Table, rows: list[Row]) -> list[UUID]:
    return [UUID(row[column_index(table, "id")]) for row in rows] if "id" in table.columns else []


def _cut(text: str, workplace: str, tokens: Iterable[str]) -> tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...]]:
    """Cut the text at all values that may differ.

    Returns the fixed parts, the number of the value at each cut, the values.
    """
    named = "|".join(map(re.escape, (workplace, *tokens)))
    parts = re.split(f"({_UUID}|{_REFERENCE}|{_A_DAY}|{named})", text)
    values = tuple(dict.fromkeys(parts[1::2]))
    numbers = {value: number for number, value in enumerate(values)}
    return tuple(parts[::2]), tuple(numbers[value] for value in parts[1::2]), values


# Writing


@dataclass(frozen=True)
class Clones:
    """Copies to be written: their rows by table, and the search words and the day of receipt of each case by its id."""

    rows: dict[str, list[Row]]
    words: dict[UUID, list[str]]
    received: dict[UUID, date]


def clones_of(copier: CloneContext, templates: Sequence[tuple[Template, int]]) -> Clones:
    """Return a copy of each template, moved into the past by the given number of days, without reading the database."""
    rows: dict[str, list[Row]] = {table.name: [] for table in tables()}
    clones = Clones(rows, {}, {})
    for template, days in templates:
        changed = _changed(copier, template, days)
        for table_rows, text in zip(rows.values(), _varied(template, changed, days).split(TABLE), strict=True):
            table_rows += [
                [None if cell == NULL else cell for cell in row.split(CELL)] for row in text.split(ROW) if row
            ]
        for (row_id, texts), (_, _, day) in zip(template.texts, template.references, strict=True):
            copied = UUID(changed[row_id.hex])
            clones.words[copied] = search.words_of(_renamed(texts, template, changed))
            clones.received[copied] = day - timedelta(days=days)
    _update_snapshots(rows, clones.words)
    for name, identify in IDENTIFIED.items():
        identify(rows[name])
    return clones


def write(session: Session, clones: Clones) -> None:
    """Write the rows of copies, then the rows that refer to them."""
    for table in tables():
        bulk_insert(session, table, clones.rows[table.name])
    # After the cases: while rows refer to cases that do not exist yet, the database checks all of them at each insert.
    search.index_new(session.connection(), clones.received, clones.words)
    bulk_insert(session, BLOCKING_KEYS, _blocking_keys(clones.rows))
    _note_changes(session, clones.rows["case"])


def _changed(copier: CloneContext, template: Template, days: int) -> dict[str, str]:
    """Return the new value of each id, reference, token and name of a template, for one copy."""
    changed = {template.workplace: fake_cases.workplace(copier.rng, copier.names)}
    for reference, country, received_on in template.references:
        changed[reference] = _free_reference(copier, country, received_on - timedelta(days=days))
    new_ids = [(row_id, new_id_spelled()) for row_id in template.own] + [
        (row_id, uuid4().hex) for row_id in template.directory
    ]
    for row_id, new in new_ids:
        changed[row_id.hex] = new
        changed[str(row_id)] = f"{new[:8]}-{new[8:12]}-{new[12:16]}-{new[16:20]}-{new[20:]}"
    return changed | {token: new_token() for token in template.tokens}


def _varied(template: Template, changed: dict[str, str], days: int) -> str:
    """Return the text of a template with the values of one copy."""
    values = [changed.get(value) or _days_before(value, days) for value in template.values]
    filled = [values[position] for position in template.positions]
    return "".join(chain.from_iterable(zip(template.fixed, filled, strict=False))) + template.fixed[-1]


def _renamed(texts: search.SearchTexts, template: Template, changed: dict[str, str]) -> search.SearchTexts:
    name = changed[template.workplace]
    return search.SearchTexts(*(tuple(text.replace(template.workplace, name) for text in some) for some in texts))


def _days_before(value: str, days: int) -> str:
    """Return the day that lies `days` days earlier. A value that is no day of the calendar is returned as it is."""
    if _DAY.fullmatch(value) is None:
        return value
    try:
        return DAYS[date.fromisoformat(value).toordinal() - days - FIRST_DAY]
    except ValueError:
        return value


def _free_reference(copier: CloneContext, country: str, received_on: date) -> str:
    while True:
        reference = new_reference(country, received_on.year)
        if reference not in copier.references:
            copier.references.add(reference)
            return reference


def _update_snapshots(rows: dict[str, list[Row]], words: dict[UUID, list[str]]) -> None:
    """Compute the values of case snapshots that depend on a copy: the tags of its views, its words, the months it
    counts in.
    """
    number, *columns = (column_index(CASE, name) for name in ("id", "received_on", "closed_on"))
    days = {case[number]: [case[column] for column in columns] for case in rows["case"]}
    case_id, counted, indexed = (column_index(KEPT, name) for name in ("case_id", "counted", "indexed"))
    tags = [(column_index(KEPT, tag), column_index(KEPT, view)) for tag, view in TAGS.items()]
    for row in rows["case_snapshot"]:
        for tag, view in tags:
            row[tag] = tag_of(int(row[tag][1:].partition("-")[0]), row[view].encode())
        row[indexed] = search.words_digest(words[UUID(row[case_id])])
        if row[counted] is not None:
            dates = zip(("received", "closed"), days[row[case_id]], strict=True)
            row[counted] = json.dumps(
                {**json.loads(row[counted]), **{name: [day[:MONTH]] for name, day in dates if day}}
            )


def _identify_workplaces(rows: list[Row]) -> None:
    """Compute the identity of each workplace from its new name."""
    at, country, name = (column_index(WORKPLACES, column) for column in ("identity", "country", "name"))
    for row in rows:
        row[at] = identity_of_workplace(row[country], row[name])


def _identify_organisations(rows: list[Row]) -> None:
    names = ("identity", "kind", "country", "name")
    at, kind, country, name = (column_index(ORGANISATIONS, column) for column in names)
    for row in rows:
        row[at] = identity_of_organisation(row[kind], row[country], row[name])


IDENTIFIED: dict[str, Callable[[list[Row]], None]] = {
    "facility": _identify_workplaces,
    "organisation": _identify_organisations,
}


def _blocking_keys(rows: dict[str, list[Row]]) -> list[Row]:
    """Return the blocking keys of copies, made of the names of their parties."""
    number, case_id, role, named = (column_index(PARTIES, name) for name in ("id", "case_id", "role", "named"))
    names: dict[str, list[name_similarity.PartyNames]] = {}
    for row in sorted(rows["party"], key=lambda row: str(row[number])):
        names.setdefault(row[case_id], []).append(name_similarity.names_of_party(row[role], json.loads(row[named])))
    at, country, received_on = (column_index(CASE, name) for name in ("id", "country", "received_on"))
    return [
        [key, row[received_on], row[at]]
        for row in rows["case"]
        for key in name_similarity.keys_of_case(row[country], names.get(row[at], ()))
    ]


def _note_changes(session: Session, rows: list[Row]) -> None:
    """Write one row of the change log for each copy."""
    number, version, updated = (column_index(CASE, name) for name in ("id", "version", "updated_at"))
    transaction = session.scalars(select(current_xid())).one()
    changes = [
        {
            "transaction_id": transaction,
            "case_id": UUID(row[number]),
            "at": datetime.fromisoformat(row[updated]).replace(tzinfo=UTC),
            "version": int(row[version]),
        }
        for row in rows
    ]
    session.execute(insert(Change), changes)
