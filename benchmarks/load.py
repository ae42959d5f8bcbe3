"""A load client: sixteen connections that ask one after the other, as fast as they are answered. On one core.

`python -m benchmarks.load PORT SECONDS` reads requests from standard input, one JSON object a line
(`{"path": …, "headers": {…}, "method": …, "body": …}`), and asks them in turn. It prints one JSON object: requests a
second, and the median and 99th percentile of the time to answer, in milliseconds. With 0 seconds each request is asked
once.
"""

import asyncio
import json
import sys
from itertools import cycle
from math import inf
from statistics import median
from time import perf_counter
from typing import Any

import uvloop

CONNECTIONS = 16


class Asker(asyncio.Protocol):
    """One connection that is kept alive."""

    def __init__(self, requests: Any, until: float, took: list[float], statuses: dict[int, int]) -> None:
        self._requests, self._until, self._took, self._statuses = requests, until, took, statuses
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = bytearray()
        self._left: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            if self._left is None:
                end = self._buffer.find(b"\r\n\r\n")
                if end < 0:
                    return
                head = bytes(self._buffer[:end]).lower()
                status = int(head[9:12])
                self._statuses[status] = self._statuses.get(status, 0) + 1
                at = head.find(b"\r\ncontent-length:")
                length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 and status != 304 else 0
                self._left = end + 4 + length
            if len(self._buffer) < self._left:
                return
            del self._buffer[: self._left]
            self._left = None
            self._took.append(perf_counter() - self._asked_at)
            self._ask()
            if self.done.done():
                return

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("the service hung up"))

    def _ask(self) -> None:
        self._asked_at = perf_counter()
        request = next(self._requests, None) if self._asked_at < self._until else None
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._transport.write(request)


async def load(port: int, seconds: float, requests: list[bytes]) -> dict[str, Any]:
    """Ask for so many seconds; with 0, each once."""
    took: list[float] = []
    statuses: dict[int, int] = {}
    began = perf_counter()
    turns = cycle(requests) if seconds else iter(requests)
    until = began + seconds if seconds else inf
    loop = asyncio.get_running_loop()
    askers = [
        (await loop.create_connection(lambda: Asker(turns, until, took, statuses), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(asker.done for asker in askers))
    lasted = perf_counter() - began
    took.sort()
    return {
        "rps": len(took) / lasted,
        "p50": 1000 * median(took),
        "p99": 1000 * took[int(len(took) * 0.99)],
        "statuses": statuses,
    }


def raw(told: dict[str, Any]) -> bytes:
    """A request as it is sent."""
    body = json.dumps(told["body"]).encode() if "body" in told else b""
    lines = [f"{told.get('method', 'GET')} {told['path']} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in told.get("headers", {}).items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


if __name__ == "__main__":
    asked = [raw(json.loads(line)) for line in sys.stdin]
    sys.stdout.write(json.dumps(uvloop.run(load(int(sys.argv[1]), float(sys.argv[2]), asked))))
