"""Pages: lists by key, as JSON, CSV or NDJSON."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel

from appeals import cursor
from appeals.field import Model
from appeals.register import PageQuery
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


def page(call: Call, items: Sequence[BaseModel], after: list[Any] | None) -> Answer:
    """A page of items as the caller accepts it; `after` is the place where the next page begins."""
    following = cursor.seal(after, _question(call), call.desk.pepper) if after else None
    headers = {"Link": f'<{_link(call, following)}>; rel="next"'} if following else {}
    wanted = _wanted(call.request.headers.get("accept", ""))
    if wanted == "text/csv":
        return Answer(_csv(items), headers=headers, media_type="text/csv; charset=utf-8")
    if wanted == "application/x-ndjson":
        lines = "".join(f"{item.model_dump_json()}\n" for item in items)
        return Answer(lines.encode(), headers=headers, media_type=wanted)
    body = ",".join(item.model_dump_json() for item in items)
    return Answer(f'{{"items":[{body}],"next":{json.dumps(following)}}}'.encode(), headers=headers)


def _wanted(accept: str) -> str:
    """The first of our formats that the caller names; JSON when none is."""
    for told in accept.split(","):
        media_type = told.partition(";")[0].strip().lower()
        if media_type in {"application/json", "text/csv", "application/x-ndjson"}:
            return media_type
    return "application/json"


def _question(call: Call) -> str:
    """What a cursor belongs to: the path and every filter, in one order."""
    asked = [(name, value) for name, value in call.request.query_params.multi_items() if name not in _PAGING]
    return call.request.url.path + "?" + urlencode(sorted(asked))


_PAGING = {"cursor", "limit"}


def _link(call: Call, following: str | None) -> str:
    asked = [(name, value) for name, value in call.request.query_params.multi_items() if name != "cursor"]
    return call.request.url.path + "?" + urlencode([*asked, ("cursor", following)])


def _csv(items: Sequence[BaseModel]) -> bytes:
    """A table with a header line; what is nested stands as JSON in its cell."""
    out = io.StringIO()
    if items:
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(type(items[0]).model_fields)
        for item in items:
            writer.writerow([_cell(value) for value in item.model_dump(mode="json").values()])
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    """A value as a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
