"""HTTP connections: Uvicorn's protocol with limits, so that no slow, endless or malformed client keeps others out.

Every phase in which the client must act has a time limit, and headers and bodies have size limits. If there are too
many connections, the one that has been unfinished longest is closed for the new one. A refusal is a problem with a
request id, as everywhere. It is not logged, because anybody could fill the log.
"""

import asyncio
import fcntl
import logging
import math
import os
import socket
import struct
import termios
from collections import OrderedDict, deque
from contextlib import suppress
from typing import NotRequired, TypedDict, Unpack, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from appeals.api.connection_limits import Limits, Phase
from appeals.api.middleware import with_strict_headers
from appeals.api.problems import problem

SWEEP_S = 0.25
FIRST_BYTES_S = 5
"""Seconds before the rate of a body is checked."""
MOST_PIPELINED = 20
"""How many requests may be sent before the ones ahead of them are answered."""
COMPLAIN_S = 60
MALFORMED = 400, "request.malformed", "The request is not valid HTTP for this service."
TOO_SLOW = 408, "request.too_slow", "The request took too long; send it again, faster."
HEADERS_TOO_LARGE = 431, "headers.too_large", "The headers are larger than this service accepts."
log = logging.getLogger("appeals")


class _OfServer(TypedDict):
    """What uvicorn makes a connection with."""

    config: Config
    server_state: ServerState
    app_state: dict[str, object]
    _loop: NotRequired[asyncio.AbstractEventLoop | None]


class Connections:
    """All connections of a process, ordered by when they entered their phase.

    Uvicorn calls the object to create the protocol of a new connection.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._unfinished: OrderedDict[HttpConnection, None] = OrderedDict()
        self._answering: OrderedDict[HttpConnection, None] = OrderedDict()
        self._is_sweeping = False
        self._complained_at = -math.inf

    def __call__(self, **of_server: Unpack[_OfServer]) -> "HttpConnection":
        return HttpConnection(self, **of_server)

    def __len__(self) -> int:
        return len(self._unfinished) + len(self._answering)

    def add(self, connection: "HttpConnection") -> None:
        """Add a new connection, and close another if there are too many."""
        if len(self) >= self.limits.connections:
            self._make_room(connection.loop.time())
        self._unfinished[connection] = None
        if not self._is_sweeping:
            self._is_sweeping = True
            connection.loop.call_later(SWEEP_S, self._sweep, connection.loop)

    def remove(self, connection: "HttpConnection") -> None:
        """Remove a connection that is closed or about to be."""
        self._unfinished.pop(connection, None)
        self._answering.pop(connection, None)

    def begins(self, connection: "HttpConnection") -> None:
        """Mark a connection as waiting for a request or in the middle of one."""
        self.remove(connection)
        self._unfinished[connection] = None

    def is_whole(self, connection: "HttpConnection") -> None:
        """Mark a connection whose request is complete and is being answered."""
        self._unfinished.pop(connection, None)
        self._answering[connection] = None

    def _make_room(self, now: float) -> None:
        """Close the connection that has been unfinished longest; if all are being answered, the oldest, which is a
        stream.
        """
        oldest = next(iter(self._unfinished or self._answering))
        oldest.hang_up()
        if now - self._complained_at > COMPLAIN_S:
            self._complained_at = now
            log.warning("more than %d connections; the oldest unfinished ones are closed", self.limits.connections)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in [*self._unfinished, *self._answering]:
            connection.end_if_overdue(now)
        self._is_sweeping = bool(len(self))
        if self._is_sweeping:
            loop.call_later(SWEEP_S, self._sweep, loop)


class MalformedRequest(Exception):
    """Raised inside the parser to stop it."""


class HttpConnection(HttpToolsProtocol):
    """One HTTP connection with limits."""

    def __init__(self, connections: Connections, **of_server: Unpack[_OfServer]) -> None:
        super().__init__(**of_server)
        self._connections, self._limits = connections, connections.limits
        self._phase, self._since = Phase.HEADERS, self.loop.time()
        self._received = self._header_size = 0
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._is_deaf = False
        self._stalled_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self)
        super().connection_lost(exc)
        for cycle in self._unanswered:  # Uvicorn keeps only the last one
            cycle.disconnected = True
            cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        if self._phase in (Phase.IDLE, Phase.ANSWERING):
            self._enter(Phase.HEADERS)
        if self._phase is Phase.HEADERS:
            self._received += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # no upgrade to another protocol: it is answered as any other request
        except httptools.HttpParserError:
            self._refuse(HEADERS_TOO_LARGE if self._header_size > self._limits.header_limit else MALFORMED)
        else:
            if self._phase is Phase.HEADERS and self._received > self._limits.header_limit:
                self._refuse(HEADERS_TOO_LARGE)

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_size = 0
        if self._phase is not Phase.HEADERS:  # it arrived together with the request before
            self._enter(Phase.HEADERS)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count the size of headers, including the trailers after a body."""
        self._count_header(len(name) + len(value) + len(": \r\n"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._count_header(len(self.url))
        if len(self.pipeline) >= MOST_PIPELINED:
            raise MalformedRequest
        self._enter(Phase.BODY)
        self.scope["state"]["peer"] = self.client[0] if self.client else ""
        super().on_headers_complete()
        self._unanswered.append(self.cycle)

    def _count_header(self, size: int) -> None:
        self._header_size += size
        if self._header_size > self._limits.header_limit:
            raise MalformedRequest

    def on_body(self, body: bytes) -> None:
        self._received += len(body)
        if self._received > self._limits.body_limit and (self._phase is Phase.DRAINING or self.cycle.response_started):
            self.hang_up()
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._enter(Phase.IDLE if self.cycle.response_complete else Phase.ANSWERING)

    # Calls of the application

    def on_response_complete(self) -> None:
        self._unanswered.popleft()
        super().on_response_complete()
        self._unset_keepalive_if_required()  # the sweep closes it
        if self.transport.is_closing():  # as soon as the client has read the answer
            self._stalled_since = self._stalled_since or self.loop.time()
        elif self.cycle.response_complete and self._phase is Phase.ANSWERING:
            self._enter(Phase.IDLE)
        elif self.cycle.response_complete and self._phase is Phase.BODY:
            self._enter(Phase.DRAINING)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_since = None

    # Ending a connection

    def shutdown(self) -> None:
        """Answer all long polls at once, because the server ends."""
        self.app_state.get("on_server_stop", lambda: None)()
        super().shutdown()

    def end_if_overdue(self, now: float) -> None:
        """Close the connection if the client has used up its time."""
        if self._phase is Phase.BODY and self.flow.read_paused:  # the server is the one that is slow
            self._since, self._received = now, 0
        if not self._is_overdue(now):
            return
        has_begun = self._phase is Phase.BODY or (self._phase is Phase.HEADERS and self._received)
        if has_begun and self._stalled_since is None:
            self._refuse(TOO_SLOW)
        else:
            self.hang_up()

    def _is_overdue(self, now: float) -> bool:
        limits, age = self._limits, now - self._since
        if self._stalled_since is not None and now - self._stalled_since > limits.body_timeout_s:
            return True
        if self._phase is Phase.BODY and self._received < (age - FIRST_BYTES_S) * limits.body_rate:
            return True
        return age > limits.time_of(self._phase)

    def hang_up(self) -> None:
        """Close the connection at once. What the client has not read is lost."""
        self._is_deaf = True
        self._connections.remove(self)
        if self.transport.get_write_buffer_size() or self._is_unread():
            self._forget_unsent()
            self.transport.abort()
        else:
            self.transport.close()

    def _is_unread(self) -> bool:
        """Return whether the system holds data that the client has not read."""
        wire = self.transport.get_extra_info("socket")
        if wire is None:
            return False
        with suppress(OSError):
            return any(fcntl.ioctl(wire.fileno(), termios.TIOCOUTQ, bytes(4)))
        return False

    def _forget_unsent(self) -> None:
        """Make the system drop unread data, which it would otherwise keep after the connection is closed here."""
        wire = self.transport.get_extra_info("socket")
        if wire is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _refuse(self, refusal: tuple[int, str, str]) -> None:
        """Answer a request that cannot be read, and accept no more."""
        self._is_deaf = True
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if self.transport.is_closing():
            self.hang_up()
        elif is_answering and self._phase is Phase.HEADERS:  # the request before it is still being answered
            self.cycle.keep_alive = False
            self._enter(Phase.ANSWERING)
        elif is_answering and (self.pipeline or self.cycle.response_started):
            self.hang_up()
        else:
            if is_answering:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self._enter(Phase.CLOSING)
            self.transport.write(self._written(*refusal))
            self.transport.write_eof()

    def _written(self, status: int, code: str, detail: str) -> bytes:
        answer = problem(status, code, detail, {"Connection": "close"})
        headers = with_strict_headers(self.server_state.default_headers + answer.raw_headers, os.urandom(16).hex())
        lines = [STATUS_LINE[status], *(b"%s: %s\r\n" % header for header in headers), b"\r\n"]
        return b"".join(lines) + bytes(answer.body)

    def _enter(self, phase: Phase) -> None:
        if self.parser is None:  # the connection is lost already
            return
        self._phase, self._since, self._received = phase, self.loop.time(), 0
        if phase is Phase.ANSWERING:
            self._connections.is_whole(self)
        elif phase in (Phase.HEADERS, Phase.IDLE, Phase.CLOSING):
            self._connections.begins(self)
