"""The dependencies of routes: `Read`, `Write` and their variants declare who may call a route, and document its
headers.

They open nothing. `reading(find)` and `writing(find)` are for routes about something other than the case in the path.
"""

from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from appeals.api.authorization import AuthorizationContext
from appeals.api.snapshot import Subject_co
from appeals.api.transaction import Access, Preparation, ReadRequest, ReplayPolicy, SubjectFinder, WriteRequest
from appeals.cases.case import Case

BEARER = HTTPBearer(auto_error=False, description="A key: `ua_<id>_<secret><checksum>`.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The ETag of the case as you last read it; `*` accepts any. If it is missing, the answer is 428.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(alias="If-None-Match", description="The ETag that you have; the answer is 304 if nothing has changed."),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=64,
        pattern=r"^[!-~]+$",
        description="The same key with the same request returns the first answer again.",
    ),
]


def path_case(_: AuthorizationContext, case: Case | None) -> Case | None:
    """Find the case in the path, or nothing if the path has none."""
    return case


class ReadAccess(Access[Subject_co]):
    """The access of a route that reads."""

    async def __call__(
        self, request: Request, credentials: Credentials, if_none_match: IfNoneMatch = None
    ) -> ReadRequest[Subject_co]:
        """Return the route's request."""
        return ReadRequest(request, self)


class PublicReadAccess(Access[Subject_co]):
    """The access of a route that reads and needs no key."""

    public = True

    async def __call__(self, request: Request, if_none_match: IfNoneMatch = None) -> ReadRequest[Subject_co]:
        """Return the route's request."""
        return ReadRequest(request, self)


class WriteAccess(Access[Subject_co]):
    """The access of a route that writes."""

    async def __call__(
        self, request: Request, credentials: Credentials, idempotency_key: IdempotencyKey = None
    ) -> WriteRequest[Subject_co]:
        """Return the route's request."""
        return WriteRequest(request, self)


class CurrentWriteAccess(Access[Subject_co]):
    """The access of a route that changes the case itself, in the version that its caller last read."""

    needs_if_match = True

    async def __call__(
        self,
        request: Request,
        credentials: Credentials,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = None,
    ) -> WriteRequest[Subject_co]:
        """Return the route's request."""
        return WriteRequest(request, self)


class PublicWriteAccess(Access[Subject_co]):
    """The access of a route that writes and needs no key."""

    public = True

    async def __call__(self, request: Request) -> WriteRequest[Subject_co]:
        """Return the route's request."""
        return WriteRequest(request, self)


Read = Annotated[ReadRequest, Depends(ReadAccess(path_case))]
PublicRead = Annotated[ReadRequest, Depends(PublicReadAccess(path_case))]
Write = Annotated[WriteRequest, Depends(WriteAccess(path_case))]
CurrentWrite = Annotated[WriteRequest, Depends(CurrentWriteAccess(path_case))]
PublicWrite = Annotated[WriteRequest, Depends(PublicWriteAccess(path_case))]
"""Dependencies for routes about the case in the path, or about nothing in particular."""


def reading(find: SubjectFinder[object] = path_case) -> object:
    """Return the dependency of a route that reads what `find` returns, for `Annotated[ReadRequest[…],
    reading(find)]`.
    """
    return Depends(ReadAccess(find))


def reading_public(find: SubjectFinder[object]) -> object:
    """Return the same dependency for a route that needs no key."""
    return Depends(PublicReadAccess(find))


def writing(
    find: SubjectFinder[object] = path_case,
    *,
    replay_policy: ReplayPolicy | None = None,
    prepare: Preparation | None = None,
) -> object:
    """Return the dependency of a route that writes to what `find` returns, for `Annotated[WriteRequest[…],
    writing(find)]`.
    """
    return Depends(WriteAccess(find, replay_policy, prepare))
