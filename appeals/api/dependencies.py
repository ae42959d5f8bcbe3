"""Dependencies of routes: `Read`, `Write` and their like say who may call a route and document the headers it takes.

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
        description="The ETag of the case as you last read it; `*` takes it as it is. Without it: 428.",
    ),
]
IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="The ETag you have; 304 when nothing is new.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=64,
        pattern=r"^[!-~]+$",
        description="Send the same key with the same request again, and get the first answer again.",
    ),
]


def path_case(_: AuthorizationContext, case: Case | None) -> Case | None:
    """The route is about the case in its path, or about nothing in particular."""
    return case


class ReadAccess(Access[Subject_co]):
    """Of a route that reads."""

    async def __call__(
        self, request: Request, credentials: Credentials, if_none_match: IfNoneMatch = None
    ) -> ReadRequest[Subject_co]:
        """Give the route its request."""
        return ReadRequest(request, self)


class PublicReadAccess(Access[Subject_co]):
    """Of a route that reads and asks for no key."""

    public = True

    async def __call__(self, request: Request, if_none_match: IfNoneMatch = None) -> ReadRequest[Subject_co]:
        """Give the route its request."""
        return ReadRequest(request, self)


class WriteAccess(Access[Subject_co]):
    """Of a route that writes."""

    async def __call__(
        self, request: Request, credentials: Credentials, idempotency_key: IdempotencyKey = None
    ) -> WriteRequest[Subject_co]:
        """Give the route its request."""
        return WriteRequest(request, self)


class CurrentWriteAccess(Access[Subject_co]):
    """Of a route that changes the case itself, as its caller last read it."""

    needs_if_match = True

    async def __call__(
        self,
        request: Request,
        credentials: Credentials,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = None,
    ) -> WriteRequest[Subject_co]:
        """Give the route its request."""
        return WriteRequest(request, self)


class PublicWriteAccess(Access[Subject_co]):
    """Of a route that writes and asks for no key."""

    public = True

    async def __call__(self, request: Request) -> WriteRequest[Subject_co]:
        """Give the route its request."""
        return WriteRequest(request, self)


Read = Annotated[ReadRequest, Depends(ReadAccess(path_case))]
PublicRead = Annotated[ReadRequest, Depends(PublicReadAccess(path_case))]
Write = Annotated[WriteRequest, Depends(WriteAccess(path_case))]
CurrentWrite = Annotated[WriteRequest, Depends(CurrentWriteAccess(path_case))]
PublicWrite = Annotated[WriteRequest, Depends(PublicWriteAccess(path_case))]
"""For routes about the case in the path, or about nothing in particular."""


def reading(find: SubjectFinder[object] = path_case) -> object:
    """For `Annotated[ReadRequest[…], reading(find)]`: a route that reads what `find` finds."""
    return Depends(ReadAccess(find))


def reading_public(find: SubjectFinder[object]) -> object:
    """The same for a route that asks for no key."""
    return Depends(PublicReadAccess(find))


def writing(
    find: SubjectFinder[object] = path_case,
    *,
    replay_policy: ReplayPolicy | None = None,
    prepare: Preparation | None = None,
) -> object:
    """For `Annotated[WriteRequest[…], writing(find)]`: a route that writes to what `find` finds."""
    return Depends(WriteAccess(find, replay_policy, prepare))
