"""What fifty hostile bodies cost a service: its processor time for each, beside that of `json.loads`.

`python -m benchmarks.hostile_bodies [SIZE] [TIMES]` starts the service and sends each body some times, first without a
key and then with one. Printed are, for the dearest of them, the processor time of the service for one request and of
`json.loads` on the same bytes, in milliseconds. Bodies have up to SIZE bytes, 1 MB unless that is said.
"""

import json
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import httpx2

from benchmarks.beside import AMPLE, say
from benchmarks.hostile_shapes import shapes
from benchmarks.service import Started, settings, started
from benchmarks.slow_sockets import processor

SHOWN = 8


def plain(raw: bytes, times: int) -> float:
    """Milliseconds of `json.loads`."""
    began = time.process_time()
    for _ in range(times):
        with suppress(ValueError, RecursionError):
            json.loads(raw)
    return 1000 * (time.process_time() - began) / times


def asked(service: Started, client: httpx2.Client, raw: bytes, times: int) -> float:
    """Milliseconds of the service for one request."""
    began = processor(service.process.pid)
    for _ in range(times):
        answer = client.post("/v1/cases", content=raw, headers={"Content-Type": "application/json"})
        if answer.status_code not in (401, 422):
            raise SystemExit(f"an unexpected answer: {answer.status_code}")
    return 1000 * (processor(service.process.pid) - began) / times


def main(size: int, times: int) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as place:
        ample = {"rate_per_minute": AMPLE, "public_rate_per_minute": AMPLE}
        environment = settings(database_url=f"sqlite:///{Path(place) / 'a.db'}", pepper="a pepper for this", **ample)
        with started(environment) as service:
            key = {"Authorization": f"Bearer {service.key('coordinator')}"}
            for says, headers in ("without a key", {}), ("with a key", key):
                with httpx2.Client(base_url=service.url, headers=headers, timeout=120) as client:
                    asked(service, client, b"{}", times)
                    times_taken = []
                    for name, shape in shapes(size).items():
                        raw = shape.encode()
                        times_taken.append((asked(service, client, raw, times), plain(raw, times), len(raw), name))
                times_taken.sort(reverse=True)
                say(f"{says}: {len(times_taken)} bodies, the dearest {times_taken[0][0]:.0f} ms")
                for took, usual, length, name in times_taken[:SHOWN]:
                    say(f"  {took:7.1f} ms, json.loads {usual:6.1f} ms, {length:9,} bytes  {name}")


if __name__ == "__main__":
    given = [*sys.argv[1:], *("1000000", "10")[len(sys.argv) - 1 :]]
    main(int(given[0]), int(given[1]))
