"""A server of connections without sockets, with a simulated clock, and its clients."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from appeals.api.connection import Connections, HttpConnection
from appeals.api.connection_limits import Limits
from appeals.api.middleware import STRICT
from appeals.api.problems import Problem
from appeals.settings import Settings

LIMITS = Limits.of(Settings())
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


# A server without sockets, whose clock stands still


class Clock:
    """The loop, with a time of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self.now = loop, 0.0

    def time(self) -> float:
        return self.now

    def call_later(self, *_: object) -> asyncio.Handle:
        return asyncio.Handle(lambda: None, (), self._loop)

    def create_task(self, work: Any) -> Any:
        return self._loop.create_task(work)


class Wire(asyncio.Transport):
    """A transport that keeps what is written; closed, it refuses more, as that of uvloop does."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: HttpConnection) -> None:
        super().__init__()
        self.loop, self.connection = loop, connection
        self.written, self.unsent = b"", 0
        self.reads, self.closed, self.aborted, self.ended = True, False, False, False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 1), "sockname": ("192.0.2.2", 80)}.get(name, default)

    def write(self, data: Any) -> None:
        if self.ended or self.is_closing():
            raise RuntimeError("the handler is closed")
        self.written += bytes(data)

    def write_eof(self) -> None:
        self.ended = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        if not self.is_closing() and not self.unsent:
            self.loop.call_soon(self.connection.connection_lost, None)
        self.closed = True

    def abort(self) -> None:
        if not self.is_closing() or self.unsent:
            self.loop.call_soon(self.connection.connection_lost, None)
        self.aborted = True


class Server:
    """What serves an application on wires."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.clock = loop, Clock(loop)
        self.limits = replace(LIMITS, connections=100)
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.waits = asyncio.Event()
        self.waits.set()
        self.reads_bodies = True

    def within(self, **limits: Any) -> "Server":
        """With other limits."""
        self.limits = replace(self.limits, **limits)
        return self

    @property
    def connections(self) -> Connections:
        """All of them."""
        if not hasattr(self, "_connections"):
            self._connections = Connections(self.limits)
            http: Any = self._connections
            self._config = Config(self.app, http=http, ws="none", interface="asgi3", lifespan="off", log_config=None)
            self._config.load()
            self._state = ServerState()
        return self._connections

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """Reads the body, waits until it is let, and answers; `/stream` begins at once and ends when it is let."""
        assert scope["state"]["peer"] == "192.0.2.1"
        self.asked.append(scope["path"])
        body, more = b"", self.reads_bodies
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.asked.append("gone")
                return
            body, more = body + message.get("body", b""), message["more_body"]
        self.bodies.append(body)
        if scope["path"] == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"began", "more_body": True})
            await self.waits.wait()
            await send({"type": "http.response.body", "body": b"ended"})
            return
        await self.waits.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    def connect(self) -> "Client":
        """A new connection."""
        connections = self.connections
        arguments: dict[str, Any] = {"config": self._config, "server_state": self._state, "app_state": {}}
        return Client(self, connections(**arguments, _loop=cast(asyncio.AbstractEventLoop, self.clock)))

    def settle(self) -> None:
        """Let everything happen that can."""
        for _ in range(10):
            self.loop.run_until_complete(asyncio.sleep(0))

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and look at it every quarter of a second."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.clock.now = min(until, self.clock.now + 0.25)
            self.connections._sweep(self.clock)  # type: ignore[arg-type]
            self.settle()


class Client:
    """One client, at its end of the wire."""

    def __init__(self, server: Server, connection: HttpConnection) -> None:
        self.server, self.connection, self.wire = server, connection, Wire(server.loop, connection)
        connection.connection_made(self.wire)

    def send(self, data: bytes, by: int = 0) -> "Client":
        """Send, in pieces where that is said."""
        for at in range(0, len(data), by or len(data) or 1):
            if not self.is_gone:
                self.connection.data_received(data[at : at + (by or len(data))])
            self.server.settle()
        return self

    def trickle(self, data: bytes, every: float, seconds: float) -> "Client":
        """Send some bytes again and again, for so long or until the connection is gone."""
        for _ in range(int(seconds / every)):
            self.send(data)
            self.server.pass_time(every)
        return self

    @property
    def is_gone(self) -> bool:
        """Whether the server has closed it."""
        return self.wire.is_closing()

    @property
    def is_refused(self) -> bool:
        """Whether nothing more is taken from it."""
        return self.is_gone or self.wire.ended

    def answers(self) -> list[int]:
        """The statuses it was answered."""
        return [int(part[:3]) for part in self.wire.written.split(b"HTTP/1.1 ")[1:]]

    def problem(self) -> tuple[int, str]:
        """The status and code of the problem that it was told last; in the form of every problem."""
        head, _, body = self.wire.written.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
        headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        problem = Problem.model_validate_json(body)
        assert problem.status == int(head[:3])
        assert headers[b"content-type"] == b"application/problem+json"
        assert headers[b"connection"] == b"close"
        assert int(headers[b"content-length"]) == len(body)
        assert len(headers[b"x-request-id"]) == 32
        assert STRICT.items() <= headers.items()
        return problem.status, problem.code

    def leave(self) -> None:
        """Go away."""
        self.wire.close()
        self.server.settle()


@pytest.fixture
def server(caplog: pytest.LogCaptureFixture) -> Iterator[Server]:
    """A server that in the end has complained of nothing but too many connections."""
    loop = asyncio.new_event_loop()
    running = Server(loop)
    yield running
    running.waits.set()
    running.settle()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    running.settle()
    loop.close()
    assert [record for record in caplog.get_records("call") if record.levelno > logging.WARNING] == []
