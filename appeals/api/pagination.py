"""Pages of lists by key, as JSON, CSV or NDJSON."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import InstrumentedAttribute

from appeals.api import cursor
from appeals.api.snapshot import Snapshot
from appeals.fields import Model
from appeals.json_types import Json, JsonObject
from appeals.read_models.case_list import PageQuery
from appeals.vocabulary import Logged

Item = TypeVar("Item", bound=BaseModel)


class WithId(Protocol):
    """A row with an id that says when it was made."""

    @property
    def id(self) -> UUID:
        """The id."""


Row = TypeVar("Row", bound=WithId)


class Page(Model, Generic[Item]):
    """One page: `next` is the cursor of the page after it, null on the last."""

    items: list[Item]
    next: str | None


def decode_cursor(tx: Snapshot, query: PageQuery) -> list[Json] | None:
    """Return the position of the caller's cursor in the list. Raises: Invalid."""
    return cursor.decode(query.cursor, _list_key(tx.request), tx.context.pepper) if query.cursor else None


def page(tx: Snapshot, form: type[Item], rows: Iterable[object], after: list[Json] | None) -> Response:
    """Return a page of rows in their wire form, in the format that the caller accepts.

    `after` is the position of the next.
    """
    items = [form.model_validate(row) for row in rows]
    media_type = negotiate_format(tx.request)
    if media_type == "application/json":
        content, headers = paging(tx).page([item.model_dump_json().encode() for item in items], after)
        return tx.respond(content, **headers)
    return page_as_table(tx, form, items, after, media_type)


@dataclass(frozen=True)
class Paging:
    """What the pages of one list share: the key of its cursors, and its URL."""

    list_key: str
    link: str
    pepper: bytes

    def page(self, lines: Sequence[bytes], after: list[Json] | None) -> tuple[bytes, dict[str, str]]:
        """Return a page as JSON: its content and its headers."""
        next_cursor = self.encode_cursor(after)
        content = b'{"items":[%s],"next":%s}' % (b",".join(lines), json.dumps(next_cursor).encode())
        return content, self.headers(next_cursor)

    def encode_cursor(self, after: list[Json] | None) -> str | None:
        """Return the cursor of the next page."""
        return cursor.encode(after, self.list_key, self.pepper) if after else None

    def decode_cursor(self, text: str) -> list[Json]:
        """Return the position of a cursor. Raises: Invalid."""
        return cursor.decode(text, self.list_key, self.pepper)

    def headers(self, next_cursor: str | None) -> dict[str, str]:
        """Return the header with the link to the next page."""
        return {"Link": f'<{self.link}cursor={next_cursor}>; rel="next"'} if next_cursor else {}


def paging(tx: Snapshot) -> Paging:
    """Return the paging of the requested list."""
    params = [(name, value) for name, value in tx.request.query_params.multi_items() if name != "cursor"]
    link = tx.request.scope["path"] + "?" + urlencode(params) + ("&" if params else "")
    return Paging(_list_key(tx.request), link, tx.context.pepper)


def negotiate_format(request: Request) -> str:
    """Return the media type that the caller prefers."""
    return _accepted_format(",".join(request.headers.getlist("accept")))


def page_as_table(
    tx: Snapshot, form: type[Item], items: Sequence[Item], after: list[Json] | None, media_type: str
) -> Response:
    """Return a page as CSV or NDJSON. The access log names every case in it."""
    headers = paging(tx).headers(paging(tx).encode_cursor(after))
    named = (getattr(item, "reference", None) for item in items)
    tx.log(Logged.EXPORT, *(reference for reference in named if reference is not None))
    columns = [field.serialization_alias or name for name, field in form.model_fields.items()]
    return as_table(tx, columns, [item.model_dump(mode="json") for item in items], media_type, **headers)


def as_table(
    tx: Snapshot, columns: Sequence[str], rows: Iterable[JsonObject], media_type: str, **headers: str
) -> Response:
    """Return rows as CSV or NDJSON, whichever the caller accepts."""
    if media_type == "text/csv":
        return tx.respond(_csv(columns, rows), media_type="text/csv; charset=utf-8; header=present", **headers)
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    return tx.respond("".join(lines).encode(), media_type=media_type, **headers)


def page_by_id(
    tx: Snapshot, query: PageQuery, ids: ColumnElement[UUID] | InstrumentedAttribute[UUID], statement: Select[Row]
) -> tuple[list[Row], list[str] | None]:
    """Return a page of rows in the order of their ids, and the position of the next."""
    after = decode_cursor(tx, query)
    if after is not None:
        statement = statement.where(ids > UUID(after[0]))
    rows = list(tx.session.scalars(statement.order_by(ids).limit(query.limit + 1)))
    shown = rows[: query.limit]
    return shown, [str(shown[-1].id)] if len(rows) > len(shown) else None


def page_of_records(tx: Snapshot, query: PageQuery, form: type[Item], records: Iterable[WithId]) -> Response:
    """Return a page of the records of one case in the order of their ids."""
    after = decode_cursor(tx, query)
    rest = sorted((row for row in records if not after or str(row.id) > after[0]), key=lambda row: row.id)
    shown = rest[: query.limit]
    return page(tx, form, shown, [str(shown[-1].id)] if len(rest) > len(shown) else None)


def page_in_order(
    tx: Snapshot,
    query: PageQuery,
    form: type[Item],
    items: Iterable[Item],
    key: Callable[[Item], tuple[str | int, ...]],
) -> Response:
    """Return a page of items in the order of a key, which is unique."""
    after = decode_cursor(tx, query)
    rest = [item for item in items if not after or key(item) > tuple(after)]
    shown = rest[: query.limit]
    return page(tx, form, shown, list(key(shown[-1])) if len(rest) > len(shown) else None)


FORMATS = {
    "application/json": "application/json",
    "application/x-ndjson": "application/x-ndjson",
    "application/*": "application/json",
    "text/csv": "text/csv",
    "text/*": "text/csv",
    "*/*": "application/json",
}
"""The media type for each media range."""
_QUALITY = re.compile(r"q\s*=\s*(0(\.\d{0,3})?|1(\.0{0,3})?)", re.ASCII)


def _accepted_format(accept: str) -> str:
    """Return the media type that the caller prefers, the first among equals; JSON if none is named."""
    best, media_type = 0.0, "application/json"
    for accepted in accept.lower().split(","):
        media_range, *parameters = (part.strip() for part in accepted.split(";"))
        qualities = [_QUALITY.fullmatch(part) for part in parameters if part.startswith("q")]
        quality = min((float(match[1]) if match else 0.0 for match in qualities), default=1.0)
        if quality > best and media_range in FORMATS:
            best, media_type = quality, FORMATS[media_range]
    return media_type


def _list_key(request: Request) -> str:
    """Return the key that cursors belong to: the path and all filters, in a fixed order."""
    params = [(name, value) for name, value in request.query_params.multi_items() if name not in _PAGING]
    return request.scope["path"] + "?" + urlencode(sorted(params))  # type: ignore[no-any-return]


_PAGING = {"cursor", "limit"}


def _csv(columns: Sequence[str], rows: Iterable[JsonObject]) -> bytes:
    """Return a CSV table with a header line; nested values are JSON in their cell.

    Every cell is quoted (RFC 4180), so that a spreadsheet that splits at semicolons does not split a cell.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    return out.getvalue().encode()


def _cell(value: Json) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # fmt: skip
