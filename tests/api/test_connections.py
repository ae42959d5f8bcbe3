"""Connections with a simulated clock: slow, endless, malformed and too many ones."""

import logging

import pytest

from appeals.api.connection import COMPLAIN_S, FIRST_BYTES_S, MOST_PIPELINED
from appeals.api.connection_limits import LINGER_S
from tests.support.connections import CHUNKED, GET, LIMITS, POST, Server, server

__all__ = ["server"]


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
