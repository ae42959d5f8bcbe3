"""Snapshots of routes: an open, authorized transaction, and what a reading route does in it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic

from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session
from typing_extensions import TypeVar

from appeals.accounts.caller import Caller
from appeals.api.authorization import AuthorizationContext
from appeals.api.context import AppContext, context_of
from appeals.api.permissions import policy_of
from appeals.api.prepared_read import VARY, PreparedRead, ReadParams, ReadResult, matches_tag, tag_of, tags_of
from appeals.api.request_log import LogEntry, access_events, operation_of, state_of
from appeals.cases.case import Case
from appeals.database.raw_reads import FetchedRow
from appeals.vocabulary import Logged

Subject_co = TypeVar("Subject_co", default=object, covariant=True)
PUBLIC_HEADERS = {"Vary": "Accept", "Cache-Control": "public, no-cache"}
"""Caches may store publications but must revalidate each time, because one may be taken down at any moment."""


@dataclass
class Authorized(Generic[Subject_co]):
    """An open transaction whose caller is authorized.

    `case` is the one in the path, `subject` what the route is about.
    """

    request: Request
    caller: Caller
    authorization: AuthorizationContext
    path_case: Case | None
    subject: Subject_co
    logged: list[LogEntry] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        """The time of the authorization, which is after any other write that it waited for."""
        return self.authorization.now

    @property
    def session(self) -> Session:
        """The session for reading, or for rows that a write changes besides its case."""
        return self.authorization.session

    @property
    def context(self) -> AppContext:
        """The application's context."""
        return context_of(self.request)

    @property
    def case(self) -> Case:
        """The case in the path. Only for routes that have one."""
        if self.path_case is None:
            raise LookupError(f"the route {operation_of(self.request)} is not about a case")
        return self.path_case

    def log(self, kind: Logged, *subjects: str) -> None:
        """Log these entries in place of the one in the policy: the kind, and references and ids.

        Without subjects, those of the path are logged. Never pass content: neither names nor anything that was sent.
        """
        self.logged.append((kind, subjects))


@dataclass
class Snapshot(Authorized[Subject_co]):
    """An open snapshot for reading."""

    def respond(self, view: BaseModel | bytes, *, media_type: str = "application/json", **headers: str) -> Response:
        """Return the answer with its ETag, or 304 if the caller has it, and note its entries for the access log."""
        content = view if isinstance(view, bytes) else view.model_dump_json().encode()
        tag = headers.pop("ETag", None) or tag_of(content)
        public = policy_of(operation_of(self.request)).public
        sent = {**headers, "ETag": tag, **(PUBLIC_HEADERS if public else {"Vary": VARY})}
        if matches_tag(tag, tags_of(",".join(self.request.headers.getlist("if-none-match")))):
            return Response(status_code=304, headers=sent)
        state_of(self.request).events = access_events(self.request, self.logged, 200, media_type)
        return Response(content, 200, sent, media_type)

    def rows(self, read: PreparedRead, params: ReadParams) -> list[FetchedRow]:
        """Return the rows of a prepared read, each after the columns of its snapshot.

        Raises: Invalid, CursorExpired.
        """
        values = {"now": self.now, **read.parameters(params)}
        rows = self.session.execute(read.statement, values).all()
        if not read.snapshot_columns:
            return [tuple(row) for row in rows]
        beside = tuple(self.session.execute(read.snapshot_query()).one())
        return [(*beside, *row) for row in rows] or [beside + (None,) * len(read.statement.selected_columns)]

    def read(self, read: PreparedRead, cursor: str = "") -> ReadResult:
        """Return the result of a prepared read. The middleware answers the next request of the same kind with it."""
        params = ReadParams(self.request.path_params.get("ref", ""), cursor)
        result = read.render(self.rows(read, params), params)
        if result is None:
            raise LookupError("nothing is stored of what the caller sees: `appeals doctor` says more")
        if read.is_repeatable:
            self.context.fast_reads.remember(self.session, self.request, operation_of(self.request), self.caller, read)
        return result

    def send(self, result: ReadResult) -> Response:
        """Return the result of a prepared read as an answer."""
        if result.logged is not None:
            self.log(result.logged)
        return self.respond(result.content or b"", **{"ETag": result.tag, **result.headers})
