"""The replay format: a file of recorded cases, one per line. docs/replay.md describes it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appeals.json_types import JsonObject


class Published(StrEnum):
    """The result of a case according to its sources."""

    OPEN = "open"
    RESOLVED = "resolved"
    PARTIALLY_RESOLVED = "partially_resolved"
    CLOSED_WITHOUT_RESULT = "closed_without_result"
    UNKNOWN = "unknown"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CallLine(_Line):
    """One request: the role that sends it, the path below the case, and the body."""

    by: Annotated[Literal["coordinator", "caseworker", "reviewer"], Field(alias="as")]
    to: str
    method: Literal["POST", "PATCH"] = "POST"
    body: JsonObject


class EventLine(_Line):
    """One event of the sources and where it was recorded: `actions/#label`, `step closure`, `note narrative` …"""

    date: Annotated[str, Field(pattern=r"^\d{4}(-\d{2}){0,2}$")]
    kind: str
    coded: Annotated[list[str], Field(min_length=1)]


class CaseLine(_Line):
    """One line of a file: a published case, and the requests that record it."""

    key: str
    title: str
    sources: list[str]
    status_as_published: Published
    coding: str
    events: list[EventLine]
    calls: Annotated[list[CallLine], Field(min_length=1)]


class Unplayable(Exception):
    """A file or service that cannot be used for a replay. The message says why, and contains nothing of the file."""


def read(path: Path) -> list[CaseLine]:
    """Read the cases of a file, one per line. Raises: Unplayable."""
    lines = enumerate(path.read_bytes().split(b"\n"), 1)
    return [_case(path.name, number, line) for number, line in lines if line.strip()]


def _case(name: str, number: int, line: bytes) -> CaseLine:
    try:
        return CaseLine.model_validate_json(line)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        unknown = fault["type"] == "extra_forbidden"  # the last member may be a text of the file
        at = "".join(f"/{part}" for part in (fault["loc"][:-1] if unknown else fault["loc"]))
        where = f"{name}, line {number}{at and f', at {at},'}"
        raise Unplayable(f"{where} is not in the replay format, which docs/replay.md describes") from None
