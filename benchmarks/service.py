"""The service as a user starts it, for benchmarks and tests: the command in a process of its own, on a free port."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PEPPER = "a pepper for benchmarks only"
PATIENCE_S = 60
FOLDER = Path(__file__).parent.parent
APPEALS = (sys.executable, "-m", "appeals")


@dataclass(frozen=True)
class Started:
    """A running service: where it listens, its process, and the lines it printed on its first start."""

    url: str
    process: "subprocess.Popen[str]"
    printed: list[str]

    def key(self, role: str) -> str | None:
        """The first key of a role, as it was printed."""
        match = re.search(rf"^{role} key: (\S+)$", "\n".join(self.printed), re.M)
        return match[1] if match else None


def settings(**values: str) -> dict[str, str]:
    """The environment without settings of whoever runs this, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("APPEALS_", "PORT"))}
    return kept | {f"APPEALS_{name.upper()}": value for name, value in values.items()}


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def started(
    environment: dict[str, str],
    command: Sequence[str] = APPEALS,
    *,
    folder: Path = FOLDER,
    answers: str = "/readyz",
) -> Iterator[Started]:
    """`appeals serve` in a folder, from ready (or from when another path answers) to ended."""
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*command, "serve"],
        cwd=folder,
        env={**environment, "APPEALS_PORT": str(port)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        service = Started(f"http://127.0.0.1:{port}", process, _first_lines(process))
        await_answer(f"{service.url}{answers}")
        yield service
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def _first_lines(process: "subprocess.Popen[str]") -> list[str]:
    printed: list[str] = []
    for line in process.stdout or ():
        printed.append(line.rstrip("\n"))
        if line.startswith("serving on "):
            return printed
    raise RuntimeError(f"the service ended with {process.wait(PATIENCE_S)}, saying {printed}")


def await_answer(url: str) -> None:
    """Wait until a URL answers 200."""
    give_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_at:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer")
