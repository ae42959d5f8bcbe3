"""A thousand slow or endless sockets from one address, and how a client at another fares meanwhile.

`python -m benchmarks.slow_sockets [SOCKETS] [SECONDS]` starts the service with its usual limits, but for an ample rate.
A client at 127.0.0.3 reads the list of cases again and again, every tenth time over a new connection: first alone, then
beside SOCKETS connections from 127.0.0.2 of eight kinds, then alone again. Printed are the median and 99th percentile
of its answers in milliseconds, the ratio of the latter, the memory of the service at its peak and its processor time,
and for each kind how many sockets the service closed and the longest that one lived. Then the same service with 1,024
open files, more silent sockets than that, and how many of a hundred new clients get in.

All of it stays on this machine and ends by itself.
"""

import asyncio
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx2

from benchmarks.beside import AMPLE, LOADED_ON, SERVED_ON, pin, say
from benchmarks.service import APPEALS, Started, settings, started

SLOW, CALM = "127.0.0.2", "127.0.0.3"
ESTABLISHED = 1
OPENED_AGAIN_S, BYTE_EVERY_S, PACE_S, NEW_EVERY = 1, 2, 0.01, 10
HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /v1/cases HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
KINDS: dict[str, tuple[bytes, bytes, float]] = {
    "silent": (b"", b"", 0),
    "half headers": (HEAD + b"X: ", b"x", BYTE_EVERY_S),
    "endless headers": (HEAD + b"X: ", b"x" * 65_536, 0),
    "half a body": (POST + b"Content-Length: 100000\r\n\r\n{", b" ", BYTE_EVERY_S),
    "endless body": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65_536 + b"\r\n", 0),
    "no reader": (b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 8, b"", 0),
    "no http": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9, b"", 0),
    "at rest": (HEAD + b"\r\n", b"", 0),
}
"""What each kind sends first, what then again and again, and with which pause."""


# Those who are slow


@dataclass
class Tally:
    """What became of the sockets of a kind."""

    opened: int = 0
    closed: int = 0
    longest_s: float = 0


async def attack(port: int, kind: str, tally: Tally) -> None:
    """Keep one socket of a kind open, and open it again when the service closes it."""
    first, again, pause = KINDS[kind]
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(SLOW, 0), limit=1024)
            tally.opened, began = tally.opened + 1, time.monotonic()
            with suppress(OSError):
                writer.write(first)
                await (not_reading(writer) if kind == "no reader" else talk(reader, writer, again, pause))
            tally.closed, tally.longest_s = tally.closed + 1, max(tally.longest_s, time.monotonic() - began)
            writer.close()
        await asyncio.sleep(OPENED_AGAIN_S)


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, again: bytes, pause: float) -> None:
    """Send until the service closes the connection."""
    closed = asyncio.create_task(until_closed(reader))
    while again and not closed.done():
        writer.write(again)
        await writer.drain()
        await asyncio.wait({closed}, timeout=pause)
    await closed


async def not_reading(writer: asyncio.StreamWriter) -> None:
    """Take in nothing, until the system says that the connection is closed."""
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    connection = writer.get_extra_info("socket")
    while connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED:
        await asyncio.sleep(0.5)


async def until_closed(reader: asyncio.StreamReader) -> None:
    """Read and drop what comes."""
    with suppress(OSError):
        while await reader.read(65_536):
            pass


async def attack_all(port: int, sockets: int, seconds: float) -> None:
    """Keep so many sockets open for so long; print what became of them as JSON."""
    tallies = {kind: Tally() for kind in KINDS}
    tasks = [asyncio.create_task(attack(port, kind, tallies[kind])) for kind in list(KINDS) * (sockets // len(KINDS))]
    await asyncio.sleep(seconds)
    say(json.dumps({kind: vars(tally) for kind, tally in tallies.items()}))
    for task in tasks:
        task.cancel()


# The client at another address


@dataclass
class Calm:
    """What a client measured: milliseconds to each answer, and how many did not come."""

    took: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def p99(self) -> float:
        return sorted(self.took)[int(len(self.took) * 0.99)]

    def __str__(self) -> str:
        return f"{len(self.took)} answers, median {median(self.took):.1f}, 99th {self.p99:.1f} ms, {self.failed} failed"


def ask(service: Started, seconds: float) -> Calm:
    """Read the list of cases for so long."""
    calm, until = Calm(), time.monotonic() + seconds
    said = {"Authorization": f"Bearer {service.key('coordinator')}"}
    while time.monotonic() < until:
        with httpx2.Client(
            transport=httpx2.HTTPTransport(local_address=CALM), base_url=service.url, headers=said, timeout=30
        ) as client:
            for _ in range(NEW_EVERY):
                began = time.perf_counter()
                try:
                    client.get("/v1/cases").raise_for_status()
                except httpx2.HTTPError:
                    calm.failed += 1
                calm.took.append(1000 * (time.perf_counter() - began))
                time.sleep(PACE_S)
    return calm


@contextmanager
def watched(pid: int) -> Iterator[list[float]]:
    """The memory of a process, in MB, looked at twice a second."""
    seen, ended = [memory(pid)], threading.Event()

    def look() -> None:
        while not ended.wait(0.5):
            seen.append(memory(pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    yield seen
    ended.set()
    watcher.join()


def memory(pid: int) -> float:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024


def processor(pid: int) -> float:
    """The processor time that a process has used, in seconds."""
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


def beside_slow_ones(folder: Path, sockets: int, seconds: float) -> None:
    """The client alone, beside the slow ones, and alone again."""
    ample = {"rate_per_minute": AMPLE, "public_rate_per_minute": AMPLE}
    environment = settings(database_url=f"sqlite:///{folder / 'a.db'}", pepper="a pepper for this", **ample)
    with started(environment) as service, watched(service.process.pid) as seen:
        pin(service.process.pid, SERVED_ON)
        port = service.url.rpartition(":")[2]
        httpx2.get(
            f"{service.url}/openapi.json", timeout=30
        ).raise_for_status()  # built once, when it is first asked for
        ask(service, 2)
        before = ask(service, seconds / 4)
        say(f"alone:            {before}; {max(seen):.0f} MB")
        command = [sys.executable, "-m", "benchmarks.slow_sockets", "attack", port, str(sockets), str(seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as slow:  # noqa: S603 - this program
            time.sleep(2)
            began = processor(service.process.pid)
            beside = ask(service, seconds - 4)
            share = (processor(service.process.pid) - began) / (seconds - 4)
            told_of = json.loads(slow.communicate()[0])
        peak = max(seen)
        time.sleep(2)
        after = ask(service, seconds / 4)
        say(f"beside {sockets:5} slow: {beside}; {peak:.0f} MB")
        say(f"alone again:      {after}")
        say(
            f"ratio of the 99th percentiles: {beside.p99 / median([before.p99, after.p99]):.2f}; memory {peak:.0f} MB; "
            f"{100 * share:.0f} % of a core"
        )
        for kind, tally in told_of.items():
            lived = f"{tally['longest_s']:.1f} s at most" if tally["closed"] else "-"
            say(f"  {kind:16} opened {tally['opened']:6}, closed {tally['closed']:6}, lived {lived}")


def with_few_files(folder: Path) -> None:
    """More silent sockets than the service may have files, and new clients."""
    environment = settings(
        database_url=f"sqlite:///{folder / 'b.db'}", pepper="a pepper for this", public_rate_per_minute="0"
    )
    limited = ("/bin/sh", "-c", f'ulimit -n 1024; exec "{APPEALS[0]}" -m appeals serve', "sh")
    with started(environment, limited) as service, ExitStack() as stack:
        port = int(service.url.rpartition(":")[2])
        for _ in range(1500):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 10, (SLOW, 0)))
        statuses, slowest = list[int](), 0.0
        for _ in range(100):
            began = time.perf_counter()
            with (
                suppress(httpx2.HTTPError),
                httpx2.Client(transport=httpx2.HTTPTransport(local_address=CALM), base_url=service.url) as client,
            ):
                statuses.append(client.get("/healthz").status_code)
            slowest = max(slowest, time.perf_counter() - began)
        said = f"{statuses.count(200)} of 100 new clients got in, in {slowest:.2f} s at most"
        say(f"1,024 files, 1,500 silent sockets: {said}")


def main(sockets: int, seconds: float) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as place:
        beside_slow_ones(Path(place), sockets, seconds)
        with_few_files(Path(place))


if __name__ == "__main__":
    if sys.argv[1:2] == ["attack"]:
        pin(os.getpid(), LOADED_ON)
        asyncio.run(attack_all(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
    else:
        given = [*sys.argv[1:], *("1000", "80")[len(sys.argv) - 1 :]]
        pin(os.getpid(), LOADED_ON)
        main(math.ceil(float(given[0])), float(given[1]))
