"""Pages: lists by key, as JSON, CSV or NDJSON."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Select

from appeals import cursor
from appeals.field import Model
from appeals.register import PageQuery
from appeals.vocabulary import Logged
from appeals.web.door import Answer, Call

Item = TypeVar("Item", bound=BaseModel)


class Page(Model, Generic[Item]):
    """One page: `next` is the cursor of the page after it, null on the last."""

    items: list[Item]
    next: str | None


def place(call: Call) -> list[Any] | None:
    """The place in the list that the caller's cursor stands for. Raises: Invalid."""
    asked: PageQuery = call.query
    return cursor.unseal(asked.cursor, _question(call), call.desk.pepper) if asked.cursor else None


def page(call: Call, form: type[Item], rows: Iterable[Any], after: list[Any] | None) -> Answer:
    """A page of rows in their wire form, as the caller accepts it; `after` is where the next page begins."""
    items = [form.model_validate(row) for row in rows]
    following = cursor.seal(after, _question(call), call.desk.pepper) if after else None
    headers = {"Link": f'<{_link(call, following)}>; rel="next"'} if following else {}
    wanted = _wanted(",".join(call.request.headers.getlist("accept")))
    if wanted != "application/json":
        call.log(Logged.EXPORT, *(item.reference for item in items if hasattr(item, "reference")))
    if wanted == "text/csv":
        return Answer(_csv(form, items), headers=headers, media_type="text/csv; charset=utf-8; header=present")
    if wanted == "application/x-ndjson":
        lines = "".join(f"{item.model_dump_json()}\n" for item in items)
        return Answer(lines.encode(), headers=headers, media_type=wanted)
    body = ",".join(item.model_dump_json() for item in items)
    return Answer(f'{{"items":[{body}],"next":{json.dumps(following)}}}'.encode(), headers=headers)


def by_id(call: Call, table: Any, query: Select[Any]) -> tuple[list[Any], list[str] | None]:
    """A page of rows in the order of their ids, and where the next begins."""
    after = place(call)
    if after is not None:
        query = query.where(table.id > UUID(after[0]))
    rows = list(call.session.scalars(query.order_by(table.id).limit(call.query.limit + 1)))
    shown = rows[: call.query.limit]
    return shown, [str(shown[-1].id)] if len(rows) > len(shown) else None


def of_records(call: Call, form: type[Item], held: Iterable[Any]) -> Answer:
    """A page of the records of one case, in the order of their ids."""
    after = place(call)
    rest = sorted((record for record in held if not after or str(record.id) > after[0]), key=lambda record: record.id)
    shown = rest[: call.query.limit]
    return page(call, form, shown, [str(shown[-1].id)] if len(rest) > len(shown) else None)


def in_order(call: Call, form: type[Item], items: Iterable[Item], key: Callable[[Item], tuple[Any, ...]]) -> Answer:
    """A page of items that lie in the order of a key, of which no two are alike but those that are the same."""
    after = place(call)
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


def _wanted(accept: str) -> str:
    """The one of our formats that the caller would rather have, the first of equals; JSON when none is named."""
    best, wanted = 0.0, "application/json"
    for told in accept.lower().split(","):
        media_range, *parameters = (part.strip() for part in told.split(";"))
        given = [_QUALITY.fullmatch(part) for part in parameters if part.startswith("q")]
        quality = min((float(found[1]) if found else 0.0 for found in given), default=1.0)
        if quality > best and media_range in FORMATS:
            best, wanted = quality, FORMATS[media_range]
    return wanted


def _question(call: Call) -> str:
    """What a cursor belongs to: the path and every filter, in one order."""
    asked = [(name, value) for name, value in call.request.query_params.multi_items() if name not in _PAGING]
    return call.request.scope["path"] + "?" + urlencode(sorted(asked))  # type: ignore[no-any-return]


_PAGING = {"cursor", "limit"}


def _link(call: Call, following: str | None) -> str:
    asked = [(name, value) for name, value in call.request.query_params.multi_items() if name != "cursor"]
    return call.request.scope["path"] + "?" + urlencode([*asked, ("cursor", following)])  # type: ignore[no-any-return]


def _csv(form: type[BaseModel], items: Sequence[BaseModel]) -> bytes:
    """A table with a header line; what is nested stands as JSON in its cell.

    Every cell is quoted (RFC 4180): where a spreadsheet splits at semicolons, none becomes a cell of its own.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerow(form.model_fields)
    for item in items:
        writer.writerow([_cell(value) for value in item.model_dump(mode="json").values()])
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    """A value as a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # fmt: skip
