"""A service in a process of its own on a loopback port, and crowds of callers that reach it over real HTTP."""

import os
import signal
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest

from benchmarks.service import APPEALS, PATIENCE_S, settings, started
from tests.conftest import PEPPER, Template
from tests.support.cast import Person, World
from tests.support.people import Cast

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
    process: "subprocess.Popen[str]"
    cast: Cast
    world: Remote = field(init=False)

    def __post_init__(self) -> None:
        self.world = Remote(self.url, self.cast)

    def kill(self) -> None:
        """End the process, and its workers with it, as a power cut would."""
        workers = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for process in (self.process.pid, *map(int, workers)):
            os.kill(process, signal.SIGKILL)
        self.process.wait(PATIENCE_S)


@contextmanager
def served(
    database_url: str, cast: Cast, command: Sequence[str] = APPEALS, answers: str = "/readyz", **given: str
) -> Iterator[Live]:
    """`appeals serve` on a database that holds the cast, from ready to ended; settings are named as in `Settings`."""
    unlimited = {"rate_per_minute": "0", "public_rate_per_minute": "0", "clock_every_s": "0", "webhooks_every_s": "0"}
    told = settings(database_url=database_url, pepper=PEPPER, **{**unlimited, **given})
    with started(told, command, answers=answers) as service:
        live = Live(service.url, database_url, service.process, cast)
        yield live
        live.world.leave()


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

        params = zip(self._worlds, calls, strict=False)
        return [result.result() for result in [self._threads.submit(go, world, call) for world, call in params]]


@pytest.fixture(scope="session")
def live(template: Template) -> Iterator[Live]:
    """A service on a database of its own; the tests that share it make cases of their own."""
    url = template.copy()
    with served(url, template.cast) as running:
        yield running
    template.drop(url)
