"""The outermost middleware, in pure ASGI: it adds a request id and strict headers, and answers unexpected failures."""

import logging
import os

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appeals.api.problems import from_unavailable, problem
from appeals.database.failures import Unavailable

log = logging.getLogger("appeals")

STRICT = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"strict-transport-security": b"max-age=63072000; includeSubDomains",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}

ALL_STRICT = list(STRICT.items())


class ResponseHeadersMiddleware:
    """Adds headers to every answer, and turns an unexpected failure into a 500 with nothing but the request id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = os.urandom(16).hex()
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = with_strict_headers(list(message["headers"]), request_id)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except ClientDisconnect:
            return  # the client has left, and nothing was changed
        except Unavailable as failure:
            if started:
                raise
            await from_unavailable(None, failure)(scope, receive, send_with_headers)
        except Exception as error:
            # Only the kind of failure is logged: its message could contain what was sent.
            log.error("request %s failed: %s", request_id, _where(error))
            if started:
                raise
            broken = problem(
                500, "internal", f"The service failed; report the request id {request_id} to its administrator."
            )
            await broken(scope, receive, send_with_headers)


def with_strict_headers(headers: list[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with those of every answer, unless it sets them itself."""
    present = dict(headers)
    strict = ALL_STRICT if present.keys().isdisjoint(STRICT) else [had for had in ALL_STRICT if had[0] not in present]
    return [*headers, *strict, (b"x-request-id", request_id.encode())]


def _where(error: BaseException) -> str:
    """Return the kind of an error and the lines it passed, without its message."""
    trace, lines = error.__traceback__, []
    while trace:
        lines.append(f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__} at {' > '.join(lines[-6:])}"
