"""A service in a process of its own on a loopback port, and crowds of callers that reach it over real HTTP."""

import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest

from tests.cast import Cast, Person, World
from tests.conftest import PEPPER, Template

PATIENCE_S = 60
Result = TypeVar("Result")


class Remote(World):
    """The same world, talked to over one connection to a service in another process."""

    def __init__(self, url: str, cast: Cast) -> None:
        # The application is elsewhere: nothing of the parent's is to be built.
        self.cast = cast
        self.client = httpx2.Client(base_url=url, timeout=PATIENCE_S, trust_env=False, verify=_certificates())
        self.nobody = Person(self.client, None)

    def leave(self) -> None:
        """Hang up."""
        self.client.close()


@cache
def _certificates() -> ssl.SSLContext:
    """Never used on plain HTTP, and dear to build for every one of three hundred clients."""
    return ssl.create_default_context()


@dataclass
class Live:
    """A running service: where it listens, its database, its process, the cast that may call it, a first caller."""

    url: str
    database_url: str
    process: "subprocess.Popen[bytes]"
    cast: Cast
    world: Remote = field(init=False)

    def __post_init__(self) -> None:
        self.world = Remote(self.url, self.cast)

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def stop(self) -> None:
        """End this process, and no other."""
        self.world.leave()
        self.process.terminate()
        self.process.wait(PATIENCE_S)


@contextmanager
def served(database_url: str, cast: Cast, **settings: str) -> Iterator[Live]:
    """`appeals serve` on a database that holds the cast, from ready to ended; settings are named as in `Settings`."""
    live = _started(database_url, cast, settings)
    try:
        _await_ready(live)
        yield live
    finally:
        live.stop()


def _started(database_url: str, cast: Cast, settings: dict[str, str]) -> Live:
    port = _free_port()
    told = {"database_url": database_url, "pepper": PEPPER, "port": str(port), **settings}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("APPEALS_")}
    environment |= {f"APPEALS_{name.upper()}": value for name, value in told.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "appeals", "serve"],
        cwd=Path(__file__).parent.parent,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    return Live(f"http://127.0.0.1:{port}", database_url, process, cast)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_ready(live: Live) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_at:
        if live.process.poll() is not None:
            raise RuntimeError(f"the service ended with {live.process.returncode} before it was ready")
        try:
            if live.world.nobody.get("/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise RuntimeError("the service did not become ready")


class Crowd:
    """Callers who act at the same moment, each in a thread and on a connection of its own."""

    def __init__(self, live: Live, size: int) -> None:
        self._threads = ThreadPoolExecutor(size)
        self._worlds = [Remote(live.url, live.cast) for _ in range(size)]
        list(self._threads.map(lambda world: world.nobody.get("/healthz"), self._worlds))

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        for world in self._worlds:
            world.leave()

    def all_at_once(self, calls: Sequence[Callable[[Remote], Result]]) -> list[Result]:
        """Let as many callers go together as there are calls, one call each; the results in the order of the calls."""
        start = threading.Barrier(len(calls))

        def go(world: Remote, call: Callable[[Remote], Result]) -> Result:
            start.wait(PATIENCE_S)
            return call(world)

        asked = zip(self._worlds, calls, strict=False)
        return [result.result() for result in [self._threads.submit(go, world, call) for world, call in asked]]


@pytest.fixture(scope="session")
def live(template: Template) -> Iterator[Live]:
    """A service on a database of its own; the tests that share it make cases of their own."""
    url = template.copy()
    with served(url, template.cast) as running:
        yield running
    template.drop(url)
