"""Connections on real sockets: limits of time and number, open files, and workers that end with their parent."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from appeals import process
from appeals.api.connection_limits import Limits
from appeals.process import RESERVED_FILES, files_for_connections, raise_file_limit
from appeals.settings import Settings
from benchmarks.service import PATIENCE_S, Started, settings, started
from tests.conftest import PEPPER, Template
from tests.support.live import served


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
    environment = settings(
        pepper=PEPPER, database_url=f"sqlite:///{folder / 'appeals.db'}", public_rate_per_minute="0", **SHORT
    )
    with started(environment) as running:
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
    headers = {"Authorization": f"Bearer {service.key('coordinator')}"}
    with httpx2.Client(base_url=service.url, headers=headers, timeout=PATIENCE_S, trust_env=False) as client:
        since = client.get("/v1/changes").json()["next"]
        assert client.get(f"/v1/changes?since={since}&wait=3").json()["items"] == []
        with client.stream("GET", "/v1/changes/stream") as stream:
            lines = stream.iter_lines()
            assert next(lines)
            time.sleep(2.5)
            body = {"kind": "ngo", "name": "Sample"}
            assert httpx2.post(
                f"{service.url}/v1/organisations", json=body, headers=headers, trust_env=False
            ).is_success
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
    environment = settings(
        pepper=PEPPER, database_url=f"sqlite:///{tmp_path / 'appeals.db'}", public_rate_per_minute="0"
    )
    command = ("/bin/sh", "-c", f'ulimit -n 300; exec "{sys.executable}" -m appeals serve', "sh")
    with started(environment, command) as running, ExitStack() as stack:
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
