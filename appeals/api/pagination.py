"""Pages: lists by key, as JSON, CSV or NDJSON."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Select

from appeals.api import cursor
from appeals.api.routing import RequestContext, Result
from appeals.fields import Model
from appeals.read_models.case_list import PageQuery
from appeals.vocabulary import Logged

Item = TypeVar("Item", bound=BaseModel)


class Page(Model, Generic[Item]):
    """One page: `next` is the cursor of the page after it, null on the last."""

    items: list[Item]
    next: str | None


def decode_cursor(call: RequestContext) -> list[Any] | None:
    """The place in the list that the caller's cursor stands for. Raises: Invalid."""
    params: PageQuery = call.query
    return cursor.decode(params.cursor, _list_key(call), call.context.pepper) if params.cursor else None


def page(call: RequestContext, form: type[Item], rows: Iterable[Any], after: list[Any] | None) -> Result:
    """A page of rows in their wire form, as the caller accepts it; `after` is where the next page begins."""
    items = [form.model_validate(row) for row in rows]
    wanted = negotiate_format(call)
    if wanted == "application/json":
        return Result(*paging(call).page([item.model_dump_json().encode() for item in items], after))
    return _as_table(call, form, items, after, wanted)


def page_of_lines(call: RequestContext, form: type[Item], lines: Sequence[bytes], after: list[Any] | None) -> Result:
    """A page of rows that are kept in their wire form."""
    wanted = negotiate_format(call)
    if wanted == "application/json":
        return Result(*paging(call).page(lines, after))
    return _as_table(call, form, [form.model_validate_json(line) for line in lines], after, wanted)


@dataclass(frozen=True)
class Paging:
    """What the pages of one list have in common: the question that cursors belong to, and where the list is asked."""

    list_key: str
    link: str
    pepper: bytes

    def page(self, lines: Sequence[bytes], after: list[Any] | None) -> tuple[bytes, int, dict[str, str]]:
        """A page as JSON: its content, status and headers."""
        following = self.next_link(after)
        told = json.dumps(following).encode()
        return b'{"items":[%s],"next":%s}' % (b",".join(lines), told), 200, self.headers(following)

    def next_link(self, after: list[Any] | None) -> str | None:
        """The cursor of the next page."""
        return cursor.encode(after, self.list_key, self.pepper) if after else None

    def headers(self, following: str | None) -> dict[str, str]:
        """Where the next page is."""
        return {"Link": f'<{self.link}cursor={following}>; rel="next"'} if following else {}


def paging(call: RequestContext) -> Paging:
    """The paging of the list that a call asks for."""
    params = [(name, value) for name, value in call.request.query_params.multi_items() if name != "cursor"]
    link = call.request.scope["path"] + "?" + urlencode(params) + ("&" if params else "")
    return Paging(_list_key(call), link, call.context.pepper)


def negotiate_format(call: RequestContext) -> str:
    """The media type that the caller would rather have."""
    return _accepted_format(",".join(call.request.headers.getlist("accept")))


def _as_table(
    call: RequestContext, form: type[Item], items: Sequence[Item], after: list[Any] | None, wanted: str
) -> Result:
    headers = paging(call).headers(paging(call).next_link(after))
    call.log(Logged.EXPORT, *(named for item in items if (named := getattr(item, "reference", None)) is not None))
    rows = [item.model_dump(mode="json") for item in items]
    columns = [field.serialization_alias or name for name, field in form.model_fields.items()]
    return as_table(columns, rows, wanted, headers)


def as_table(
    columns: Sequence[str], rows: Iterable[dict[str, Any]], wanted: str, headers: dict[str, str] | None = None
) -> Result:
    """Rows as CSV or NDJSON, whichever is wanted."""
    if wanted == "text/csv":
        media_type = "text/csv; charset=utf-8; header=present"
        return Result(_csv(columns, rows), headers=headers or {}, media_type=media_type)
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    return Result("".join(lines).encode(), headers=headers or {}, media_type=wanted)


def page_by_id(call: RequestContext, table: Any, query: Select[Any]) -> tuple[list[Any], list[str] | None]:
    """A page of rows in the order of their ids, and where the next begins."""
    after = decode_cursor(call)
    if after is not None:
        query = query.where(table.id > UUID(after[0]))
    rows = list(call.session.scalars(query.order_by(table.id).limit(call.query.limit + 1)))
    shown = rows[: call.query.limit]
    return shown, [str(shown[-1].id)] if len(rows) > len(shown) else None


def page_of_records(call: RequestContext, form: type[Item], held: Iterable[Any]) -> Result:
    """A page of the records of one case, in the order of their ids."""
    after = decode_cursor(call)
    rest = sorted((record for record in held if not after or str(record.id) > after[0]), key=lambda record: record.id)
    shown = rest[: call.query.limit]
    return page(call, form, shown, [str(shown[-1].id)] if len(rest) > len(shown) else None)


def page_in_order(
    call: RequestContext, form: type[Item], items: Iterable[Item], key: Callable[[Item], tuple[Any, ...]]
) -> Result:
    """A page of items that lie in the order of a key, of which no two are alike but those that are the same."""
    after = decode_cursor(call)
    rest = [item for item in items if not after or key(item) > tuple(after)]
    shown = rest[: call.query.limit]
    return page(call, form, shown, list(key(shown[-1])) if len(rest) > len(shown) else None)


FORMATS = {
    "application/json": "application/json",
    "application/x-ndjson": "application/x-ndjson",
    "application/*": "application/json",
    "text/csv": "text/csv",
    "text/*": "text/csv",
    "*/*": "application/json",
}
"""What each media range gets."""
_QUALITY = re.compile(r"q\s*=\s*(0(\.\d{0,3})?|1(\.0{0,3})?)", re.ASCII)


def _accepted_format(accept: str) -> str:
    """The one of our formats that the caller would rather have, the first of equals; JSON when none is named."""
    best, wanted = 0.0, "application/json"
    for told in accept.lower().split(","):
        media_range, *parameters = (part.strip() for part in told.split(";"))
        given = [_QUALITY.fullmatch(part) for part in parameters if part.startswith("q")]
        quality = min((float(match[1]) if match else 0.0 for match in given), default=1.0)
        if quality > best and media_range in FORMATS:
            best, wanted = quality, FORMATS[media_range]
    return wanted


def _list_key(call: RequestContext) -> str:
    """What a cursor belongs to: the path and every filter, in one order."""
    params = [(name, value) for name, value in call.request.query_params.multi_items() if name not in _PAGING]
    return call.request.scope["path"] + "?" + urlencode(sorted(params))  # type: ignore[no-any-return]


_PAGING = {"cursor", "limit"}


def _csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> bytes:
    """A table with a header line; what is nested stands as JSON in its cell.

    Every cell is quoted (RFC 4180): where a spreadsheet splits at semicolons, none becomes a cell of its own.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    """A value as a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # fmt: skip
