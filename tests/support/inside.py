"""A client of a service in this process, which sends whole requests."""

from collections.abc import Callable
from typing import Any

from httpx2 import ASGITransport, AsyncByteStream, BaseTransport, ByteStream, Client, Request, Response
from starlette.testclient import TestClient

from appeals.database.engine import Database


def in_loop_of(service: TestClient) -> Callable[..., Any]:
    """What runs a function in the event loop of a service that was entered."""
    run: Callable[..., Any] = getattr(service, "portal").call  # noqa: B009 - it may be none
    return run


class Together(BaseTransport):
    """Hands over a whole request in the event loop of a service, and takes back the whole answer.

    A `TestClient` goes to that loop and back eight times for each; streams, either way, are left to it.
    """

    def __init__(self, service: TestClient) -> None:
        self._service, self._hand_over = service, in_loop_of(service)
        self._inside = ASGITransport(service.app, raise_app_exceptions=False, client=("testclient", 50000))

    def handle_request(self, request: Request) -> Response:
        if request.url.path.startswith("/v1/changes/stream") or not isinstance(request.stream, AsyncByteStream):
            return self._service.send(request, stream=True)
        answer: Response = self._hand_over(self._answer, request)
        return answer

    async def _answer(self, request: Request) -> Response:
        answer = await self._inside.handle_async_request(request)
        assert isinstance(answer.stream, AsyncByteStream)
        content = b"".join([part async for part in answer.stream])
        return Response(answer.status_code, headers=answer.headers, stream=ByteStream(content))


class Inside(Client):
    """A client of a service in this process."""

    def __init__(self, service: TestClient, database: Database) -> None:
        self.database = database
        super().__init__(transport=Together(service), base_url=service.base_url, follow_redirects=True)
