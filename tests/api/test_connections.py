"""Connections: the slow, the endless, the malformed, the many; on a clock of the tests' own, then on real sockets."""

import asyncio
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from appeals import process
from appeals.api.connection import (
    COMPLAIN_S,
    FIRST_BYTES_S,
    MOST_PIPELINED,
    Connections,
    HttpConnection,
)
from appeals.api.connection_limits import LINGER_S, Limits
from appeals.api.middleware import STRICT
from appeals.api.problems import Problem
from appeals.process import RESERVED_FILES, files_for_connections, raise_file_limit
from appeals.settings import Settings
from tests.conftest import PEPPER, Template
from tests.support.live import served
from tests.support.newcomer import PATIENCE_S, Started, settings, started

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
        given: dict[str, Any] = {"config": self._config, "server_state": self._state, "app_state": {}}
        return Client(self, connections(**given, _loop=self.clock))

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
        told = Problem.model_validate_json(body)
        assert told.status == int(head[:3])
        assert headers[b"content-type"] == b"application/problem+json"
        assert headers[b"connection"] == b"close"
        assert int(headers[b"content-length"]) == len(body)
        assert len(headers[b"x-request-id"]) == 32
        assert STRICT.items() <= headers.items()
        return told.status, told.code

    def leave(self) -> None:
        """Go away."""
        self.wire.close()
        self.server.settle()


@pytest.fixture
def server(caplog: pytest.LogCaptureFixture) -> Iterator[Server]:
    """A server that in the end has complained of nothing but too many connections."""
    loop = asyncio.new_event_loop()
    made = Server(loop)
    yield made
    made.waits.set()
    made.settle()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    made.settle()
    loop.close()
    assert [record for record in caplog.get_records("call") if record.levelno > logging.WARNING] == []


# Slow headers


def test_headers_have_fifteen_seconds(server: Server) -> None:
    client = server.connect().send(b"GET / HTTP/1.1\r\nHo")
    server.pass_time(15)
    assert not client.is_refused
    server.pass_time(0.5)
    assert client.problem() == (408, "request.too_slow")
    assert client.wire.ended
    server.pass_time(LINGER_S + 0.5)
    assert client.is_gone
    assert server.asked == []


@pytest.mark.parametrize("trickled", [b"a", b"\r\n"], ids=["of a header", "before the request"])
def test_headers_that_trickle_have_no_longer(server: Server, trickled: bytes) -> None:
    client = server.connect().send(trickled if trickled == b"\r\n" else b"GET / HTTP/1.1\r\nX: ")
    client.trickle(trickled, 1, 20)
    assert client.problem() == (408, "request.too_slow")
    assert client.is_gone
    assert server.clock.now == 20


def test_who_says_nothing_is_told_nothing(server: Server) -> None:
    client = server.connect()
    server.pass_time(15.5)
    assert (client.is_gone, client.wire.written) == (True, b"")


def test_who_comes_in_time_is_answered(server: Server) -> None:
    client = server.connect()
    server.pass_time(14)
    client.send(GET[:9])
    client.send(GET[9:])
    assert client.answers() == [200]
    assert not client.is_refused


# Slow bodies


def test_a_body_has_a_minute_however_steadily_it_comes(server: Server) -> None:
    client = server.connect().send(POST % 500_000).trickle(b"x" * 1000, 1, 59)
    assert not client.is_refused
    client.trickle(b"x" * 1000, 1, 2)
    assert client.problem() == (408, "request.too_slow")
    assert server.asked == ["/", "gone"]


def test_a_body_comes_at_the_least_rate(server: Server) -> None:
    client = server.connect().send(POST % 100_000)
    server.pass_time(FIRST_BYTES_S)
    assert not client.is_refused
    server.pass_time(0.5)
    assert client.problem() == (408, "request.too_slow")


def test_a_body_that_slows_down_is_given_up_soon(server: Server) -> None:
    client = server.connect().send(POST % 100_000).send(b"x" * 5 * LIMITS.body_rate)
    client.trickle(b"x", 1, 2 * FIRST_BYTES_S)
    assert not client.is_refused
    client.trickle(b"x", 1, 2)
    assert client.problem() == (408, "request.too_slow")


def test_chunks_count_by_what_they_hold(server: Server) -> None:
    client = server.connect().send(CHUNKED)
    client.trickle(b"1;" + b"e" * 1000 + b"\r\nx\r\n", 1, 8)
    assert client.problem() == (408, "request.too_slow")


def test_a_slow_body_within_the_limits_is_read_whole(server: Server) -> None:
    client = server.connect().send(POST % 27_500).trickle(b"x" * 550, 1, 50)
    assert client.answers() == [200]
    assert server.bodies == [b"x" * 27_500]


def test_the_rate_is_a_setting_and_nought_is_none(server: Server) -> None:
    client = server.within(body_rate=0).connect().send(POST % 100)
    server.pass_time(59)
    assert not client.is_refused
    server.pass_time(2)
    assert client.is_refused


def test_time_in_which_the_service_does_not_read_is_its_own(server: Server) -> None:
    server.reads_bodies = False
    server.waits.clear()
    client = server.connect().send(POST % 1_000_000).send(b"x" * 100_000)
    assert not client.wire.reads
    server.pass_time(300)
    assert not client.is_refused
    server.waits.set()
    server.settle()
    assert client.answers() == [200]


# Answered early


def test_what_is_left_of_a_body_that_was_answered_has_a_moment(server: Server) -> None:
    server.reads_bodies = False
    client = server.connect().send(POST % 1000)
    assert client.answers() == [200]
    server.pass_time(LINGER_S)
    assert not client.is_refused
    server.pass_time(0.5)
    assert client.is_gone


def test_a_body_that_was_answered_early_and_then_comes_ends_nothing(server: Server) -> None:
    server.reads_bodies = False
    client = server.connect().send(POST % 1000).send(b"x" * 1000)
    server.pass_time(LIMITS.idle_timeout_s - 1)
    client.send(GET)
    assert client.answers() == [200, 200]


def test_an_endless_body_is_dropped_when_it_is_larger_than_any(server: Server) -> None:
    server.reads_bodies = False
    client = server.connect().send(CHUNKED)
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    for _ in range(LIMITS.body_limit // 65_536):
        assert not client.is_refused
        client.send(chunk)
    client.send(chunk)
    assert client.is_gone
    assert client.answers() == [200]


# At rest


def test_a_connection_rests_for_a_minute(server: Server) -> None:
    client = server.connect().send(GET)
    server.pass_time(59)
    client.send(GET)
    server.pass_time(60)
    assert not client.is_refused
    server.pass_time(0.5)
    assert client.is_gone
    assert client.answers() == [200, 200]


def test_the_next_request_has_its_time_from_its_first_byte(server: Server) -> None:
    client = server.connect().send(GET)
    server.pass_time(50)
    client.send(b"GET / HTTP/1.1\r\nX: ").trickle(b"E", 1, 15)
    assert not client.is_refused
    client.trickle(b"E", 1, 1)
    assert client.is_refused


def test_a_resting_connection_with_an_answer_nobody_takes_is_cut(server: Server) -> None:
    client = server.connect().send(GET)
    client.wire.unsent = 100
    server.pass_time(61)
    assert client.wire.aborted


# Streams, and those who do not read


@pytest.mark.parametrize("path", [b"/", b"/stream"], ids=["a long poll", "a stream"])
def test_who_waits_for_an_answer_may_wait(server: Server, path: bytes) -> None:
    server.waits.clear()
    client = server.connect().send(GET.replace(b"/", path, 1))
    server.pass_time(600)
    assert not client.is_refused
    server.waits.set()
    server.settle()
    assert client.wire.written.endswith((b"ended\r\n0\r\n\r\n", b"ok"))
    server.pass_time(59)
    assert not client.is_refused


def test_who_does_not_take_in_what_is_sent_is_cut_after_a_minute(server: Server) -> None:
    server.waits.clear()
    client = server.connect().send(GET.replace(b"/", b"/stream", 1))
    for _ in range(3):
        client.connection.pause_writing()
        server.pass_time(50)
        client.connection.resume_writing()
        server.pass_time(50)
    assert not client.is_refused
    client.connection.pause_writing()
    client.wire.unsent = 100_000
    server.pass_time(61)
    assert client.wire.aborted


def test_a_last_answer_that_nobody_takes_is_cut_after_a_minute(server: Server) -> None:
    client = server.connect()
    client.wire.unsent = 100  # as if it had not taken in what was sent before
    client.send(GET.replace(b"Host", b"Connection: close\r\nHost"))
    assert client.wire.closed
    server.pass_time(59)
    assert not client.wire.aborted
    server.pass_time(2)
    assert client.wire.aborted


# Large headers


def head(size: int) -> bytes:
    """A request of which the address and headers take so many bytes, with all that is between them."""
    one = b"GET / HTTP/1.1\r\nX: %s\r\n\r\n"
    return one % (b"x" * (size - len("/X: \r\n")))


@pytest.mark.parametrize("by", [0, 1000])
def test_headers_take_sixteen_kilobytes(server: Server, by: int) -> None:
    within, beyond = server.connect(), server.connect()
    assert within.send(head(LIMITS.header_limit - 100), by).answers() == [200]
    assert beyond.send(head(LIMITS.header_limit + 1), by).problem() == (431, "headers.too_large")
    server.pass_time(LINGER_S + 0.5)
    assert (within.is_gone, beyond.is_gone) == (False, True)


@pytest.mark.parametrize(
    "endless",
    [
        b"GET / HTTP/1.1\r\nX: " + b"x" * 50_000,
        b"GET /" + b"x" * 50_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 9000,
        b"GET / HTTP/1.1\r\n" + b"X" * 50_000,
        GET + b"GET / HTTP/1.1\r\nX: " + b"x" * 50_000,
        CHUNKED + b"0\r\n" + b"X: y\r\n" * 9000,
    ],
    ids=["a header", "an address", "many headers", "a name", "of the next request", "trailers"],
)
def test_endless_headers_are_not_taken(server: Server, endless: bytes) -> None:
    client = server.connect().send(endless, 4096)
    assert client.problem() == (431, "headers.too_large")
    client.send(b"more", 1)
    assert len(client.answers()) <= 2


def test_a_large_body_behind_small_headers_is_no_large_header(server: Server) -> None:
    client = server.connect().send(POST % 100_000 + b"x" * 100_000)
    assert client.answers() == [200]


# Malformed


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        CHUNKED + b"zz\r\n",
    ],
    ids=["tls", "http/2", "words", "path", "connect", "nul", "length", "two lengths", "chunk"],
)
def test_what_is_not_http_is_told_so_and_stands_in_no_log(
    server: Server, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = server.connect().send(sent)
    assert client.problem() == (400, "request.malformed")
    assert client.wire.ended
    assert server.asked in ([], ["/", "gone"])
    assert [record for record in caplog.records if record.name.startswith(("uvicorn", "appeals"))] == []


def test_what_follows_a_request_does_not_disturb_its_answer(server: Server) -> None:
    server.waits.clear()
    client = server.connect().send(GET + b"nonsense\r\n\r\n")
    server.pass_time(100)
    assert client.wire.written == b""
    server.waits.set()
    server.settle()
    assert client.wire.written.endswith(b"ok")
    assert client.is_gone


def test_a_body_that_goes_wrong_while_it_is_answered_is_cut(server: Server) -> None:
    server.reads_bodies = False
    server.waits.clear()
    client = server.connect().send(CHUNKED.replace(b"/", b"/stream", 1)).send(b"zz\r\n")
    assert client.is_gone
    assert client.wire.written.endswith(b"began\r\n")


def test_requests_in_a_row_are_answered_in_a_row_up_to_a_number(server: Server) -> None:
    client = server.connect().send(GET * MOST_PIPELINED)
    assert client.answers() == [200] * MOST_PIPELINED
    assert not client.is_refused
    server.waits.clear()
    many = server.connect().send(GET * 1000)
    assert len(server.asked) == MOST_PIPELINED + 1
    server.waits.set()
    server.pass_time(1)
    assert many.is_gone


def test_of_requests_in_a_row_none_is_answered_to_who_has_left(server: Server) -> None:
    server.waits.clear()
    stream = GET.replace(b"/", b"/stream", 1)
    for params in (GET * 3, stream * 3, stream + POST % 10, stream + GET):
        client = server.connect().send(params)
        client.leave()
    server.waits.set()
    server.pass_time(1)
    assert len(server.connections) == 0


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
def test_no_other_protocol_is_spoken(server: Server, protocol: bytes, caplog: pytest.LogCaptureFixture) -> None:
    params = GET.replace(b"Host", b"Connection: Upgrade\r\nUpgrade: %s\r\nHost" % protocol)
    assert server.connect().send(params).answers() == [200]
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


# Many


def test_of_too_many_the_one_goes_that_was_unfinished_longest(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.within(connections=5)
    clients = [server.connect() for _ in range(5)]
    clients[0].send(GET)  # it is the one that had its answer last
    clients[1].send(GET[:9])  # begun, and not finished
    later = [server.connect() for _ in range(3)]
    assert [client.is_gone for client in clients] == [False, True, True, True, False]
    assert not any(client.is_gone for client in later)
    assert later[-1].send(GET).answers() == [200]
    assert clients[0].send(GET).answers() == [200, 200]
    assert [record.levelname for record in caplog.records if record.name == "appeals"] == ["WARNING"]


def test_whoever_is_being_answered_stays(server: Server) -> None:
    server.within(connections=5)
    server.waits.clear()
    served_first = [server.connect().send(GET.replace(b"/", b"/stream", 1)) for _ in range(4)]
    others = [server.connect() for _ in range(20)]
    assert not any(client.is_gone for client in served_first)
    assert [client.is_gone for client in others] == [True] * 19 + [False]


def test_where_all_are_being_answered_the_oldest_makes_room(server: Server) -> None:
    server.within(connections=5)
    server.waits.clear()
    streams = [server.connect().send(GET.replace(b"/", b"/stream", 1)) for _ in range(6)]
    assert [client.is_gone for client in streams] == [True] + [False] * 5


def test_it_is_complained_of_once_a_minute(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.within(connections=5)
    for _ in range(3):
        for _ in range(20):
            server.connect()
        server.pass_time(COMPLAIN_S + 1)
    assert len([record for record in caplog.records if record.name == "appeals"]) == 3


def test_nothing_is_kept_of_a_connection_that_is_lost(server: Server) -> None:
    server.waits.clear()
    clients = [
        server.connect(),
        server.connect().send(GET),
        server.connect().send(GET * 3),
        server.connect().send(GET.replace(b"/", b"/stream", 1)),
        server.connect().send(POST % 100),
        server.connect().send(b"nonsense\r\n\r\n"),
    ]
    assert len(server.connections) == len(clients)
    for client in clients:
        client.leave()
    server.waits.set()
    server.pass_time(1)
    assert len(server.connections) == 0
    assert server.connect().send(GET).answers() == [200]


# Files and workers


def test_open_files_decide_how_many_connections_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = {"files": (1024, 4096)}
    monkeypatch.setattr(resource, "getrlimit", lambda _: allowed["files"])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: allowed.update(files=limits))
    assert files_for_connections() == 1024 - RESERVED_FILES
    raise_file_limit()
    assert files_for_connections() == 4096 - RESERVED_FILES
    assert Limits.of(Settings()).connections == Settings().connection_limit
    allowed["files"] = (1024, 1024)
    assert Limits.of(Settings()).connections == 1024 - RESERVED_FILES
    allowed["files"] = (300, 300)
    assert files_for_connections() == 150


def test_a_limit_that_cannot_be_raised_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(resource, "setrlimit", refuse)
    raise_file_limit()


# Real sockets


SHORT = {"header_timeout_s": "0.8", "body_timeout_s": "1.5", "idle_timeout_s": "1", "connection_limit": "40"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The command, with short times; what it says stands in `log`."""
    folder = tmp_path_factory.mktemp("connections")
    told = settings(
        pepper=PEPPER, database_url=f"sqlite:///{folder / 'appeals.db'}", public_rate_per_minute="0", **SHORT
    )
    with started(Path(__file__).parents[2], told) as running:
        yield running


def port_of(service: Started) -> int:
    return int(service.url.rpartition(":")[2])


@contextmanager
def connected(service: Started, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A connection to the service."""
    with socket.create_connection(("127.0.0.1", port_of(service)), PATIENCE_S, (source, 0)) as connection:
        yield connection


def rest_of(connection: socket.socket) -> bytes:
    """All that comes until the service closes the connection."""
    heard = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            heard += part
    return heard


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"GET /healthz HT", b"HTTP/1.1 408 "),
        (b"POST /v1/cases HTTP/1.1\r\nAuthorization: Bearer %s\r\nContent-Length: 9\r\n\r\n{", b"HTTP/1.1 408 "),
        (b"POST /v1/cases HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{", b"HTTP/1.1 401 "),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 "),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000, b"HTTP/1.1 431 "),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000_000, b"HTTP/1.1 431 "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"HTTP/1.1 400 "),
    ],
    ids=["nothing", "half a header", "half a body", "half a body without a key", "one request", "large headers",
         "endless headers", "no http"],
)  # fmt: skip
def test_a_socket_is_answered_and_closed(service: Started, sent: bytes, answer: bytes) -> None:
    sent = sent.replace(b"%s", str(service.key("coordinator")).encode())
    with connected(service) as connection:
        with suppress(ConnectionError):  # it need not take all of it
            connection.sendall(sent)
        assert rest_of(connection).startswith(answer)


def test_who_does_not_read_is_cut_and_nothing_is_kept_for_them(service: Started) -> None:
    """The system tells them so at once, though they have not taken in what came before."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port_of(service)))
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 16)
        established = 1
        assert until(lambda: connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != established)


def test_a_large_body_without_a_key_ends_no_connection(service: Started) -> None:
    with httpx2.Client(base_url=service.url, timeout=PATIENCE_S, trust_env=False) as client:
        for _ in range(3):
            assert client.post("/v1/cases", content=b"x" * 1_000_000).status_code == 401
        assert client.get("/healthz").status_code == 200


def test_long_polls_and_streams_outlast_every_limit(service: Started) -> None:
    said = {"Authorization": f"Bearer {service.key('coordinator')}"}
    with httpx2.Client(base_url=service.url, headers=said, timeout=PATIENCE_S, trust_env=False) as client:
        since = client.get("/v1/changes").json()["next"]
        assert client.get(f"/v1/changes?since={since}&wait=3").json()["items"] == []
        with client.stream("GET", "/v1/changes/stream") as stream:
            lines = stream.iter_lines()
            assert next(lines)
            time.sleep(2.5)
            body = {"kind": "ngo", "name": "Sample"}
            assert httpx2.post(f"{service.url}/v1/organisations", json=body, headers=said, trust_env=False).is_success
            assert stream.status_code == 200


def test_newcomers_get_in_however_many_wait(service: Started) -> None:
    with ExitStack() as stack:
        waiting = [stack.enter_context(connected(service, "127.0.0.2")) for _ in range(60)]
        for number in range(10):
            with httpx2.Client(
                transport=httpx2.HTTPTransport(local_address="127.0.0.3"), base_url=service.url, trust_env=False
            ) as client:
                assert client.get("/healthz").status_code == 200, number
        assert rest_of(waiting[0]) == b""


def test_with_few_files_newcomers_get_in(tmp_path: Path) -> None:
    """As under `ulimit -n 300`; on real sockets, more than there are files."""
    told = settings(pepper=PEPPER, database_url=f"sqlite:///{tmp_path / 'appeals.db'}", public_rate_per_minute="0")
    command = ("/bin/sh", "-c", f'ulimit -n 300; exec "{sys.executable}" -m appeals serve', "sh")
    with started(Path(__file__).parents[2], told, command) as running, ExitStack() as stack:
        for _ in range(350):
            stack.enter_context(connected(running, "127.0.0.2"))
        for _ in range(5):
            assert httpx2.get(f"{running.url}/readyz", timeout=PATIENCE_S, trust_env=False).status_code == 200


def workers_of(pid: int) -> list[int]:
    """The processes that a supervisor has started and that serve."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_running(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def until(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold, within some patience."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not holds() and time.monotonic() < give_up_at:
        time.sleep(0.1)
    return holds()


def test_workers_keep_the_limits_and_end_with_their_supervisor(template: Template, database_url: str) -> None:
    if template.dialect == "sqlite":
        pytest.skip("SQLite has one writing process")
    with served(database_url, template.cast, workers="2", **SHORT) as live:
        for _ in range(6):
            answer = httpx2.get(f"{live.url}/healthz", headers={"X": "x" * 20_000}, trust_env=False)
            assert (answer.status_code, answer.json()["code"]) == (431, "headers.too_large")
        workers = workers_of(live.process.pid)
        assert len(workers) == 2
        os.kill(live.process.pid, signal.SIGKILL)
        assert until(lambda: not any(map(is_running, workers)))
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{live.url}/healthz", trust_env=False)


def test_a_worker_that_does_not_end_when_asked_is_ended(tmp_path: Path) -> None:
    """One whose event loop hangs."""
    program = (
        "import multiprocessing as m, os, signal, sys, time\n"
        "from appeals import process\n"
        "def work(told):\n"
        "    process.GRACE_S = 0.2\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    process.end_with_parent()\n"
        "    told.send(os.getpid())\n"
        "    time.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    here, there = m.Pipe()\n"
        "    m.get_context('spawn').Process(target=work, args=(there,)).start()\n"
        "    print(here.recv(), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (tmp_path / "program.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(Path(process.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    worker = int(done.stdout)
    assert until(lambda: not is_running(worker))
