"""How long a sealed case takes to be denied, and how long one that does not exist: nobody may tell them apart by time.

Run by hand: `python -m benchmarks.hidden_or_absent [PAIRS]`. Of each pair, one request names a sealed case and one a
reference that is not there, in random order, by somebody who may see neither. Times are in microseconds, as the client
sees them; the ratio is that of the medians, and the interval is of 95 %, by drawing the pairs again.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter_ns

from sqlalchemy import text

from appeals.access.access_log import AccessLogWriter
from appeals.database.engine import Database
from tests.conftest import pytest_configure, pytest_unconfigure, run_on_server, server_url
from tests.support.cast import Person, World, found_cast

PEPPER = "a pepper for benchmarks only"
ABSENT = "UA-BGD-2026-00000"
CASES = 200
WARMING = 100
WITHIN = 0.05
Pair = tuple[float, float]


def main(pairs: int) -> None:
    """Print a line for each database, caller, operation and way of logging."""
    print(f"{'':62}{'hidden':>9}{'absent':>9}{'ratio':>8}   95 %")  # noqa: T201 - what it is for
    for url in databases():
        with world_at(url) as (world, hidden):
            for says, ask in questions(world):
                for way, logging in (("log", True), ("no log", False)):
                    told = f"{world.database.engine.dialect.name}, {says}, {way}"
                    measure(told, partial(timed, ask, hidden, logging=logging), pairs)


def questions(world: World) -> Iterator[tuple[str, Callable[[str], int]]]:
    """Who asks what; each gives the status of the answer."""
    for who in ("europe caseworker", "europe coordinator", "partner", "auditor"):
        yield f"{who}, the case", partial(_get, world.as_(who), "")
    outsider = world.as_("europe coordinator")
    yield "europe coordinator, its demands", partial(_get, outsider, "/demands")
    yield "europe coordinator, a step", partial(_post, outsider, "/suspension", {})
    yield "europe coordinator, breaking the glass", partial(_post, outsider, "/break-glass", {"reason": "An arrest."})


def _get(who: Person, below: str, reference: str) -> int:
    return who.get(f"/v1/cases/{reference}{below}").status_code


def _post(who: Person, below: str, body: dict[str, str], reference: str) -> int:
    return who.post(f"/v1/cases/{reference}{below}", body, If_Match="*").status_code


def measure(told: str, pair: Callable[[Random], Pair], pairs: int) -> None:
    """Time the pairs, and print the medians and their ratio."""
    chance = Random(0)  # noqa: S311 - it keeps no secret
    for _ in range(WARMING):
        pair(chance)
    times = [pair(chance) for _ in range(pairs)]
    drawn = sorted(ratio(chance.choices(times, k=len(times))) for _ in range(200))
    hidden, absent = (median(column) for column in zip(*times, strict=True))
    verdict = "" if abs(hidden / absent - 1) <= WITHIN else "   NOT WITHIN 5 %"
    print(  # noqa: T201
        f"{told:62}{hidden:9.0f}{absent:9.0f}{hidden / absent:8.3f}   {drawn[4]:.3f} to {drawn[-5]:.3f}{verdict}",
        flush=True,
    )


def ratio(times: list[Pair]) -> float:
    """Of the medians, hidden to absent."""
    hidden, absent = (median(column) for column in zip(*times, strict=True))
    return float(hidden / absent)


def timed(ask: Callable[[str], int], hidden: str, chance: Random, *, logging: bool) -> Pair:
    """Ask for both, in random order; the microseconds that each took."""
    took = {}
    with as_it_is() if logging else without_commits():
        for reference in chance.sample([hidden, ABSENT], 2):
            began = perf_counter_ns()
            status = ask(reference)
            took[reference] = (perf_counter_ns() - began) / 1000
            assert status == 404, status  # noqa: S101 - else it measures something else
    return took[hidden], took[ABSENT]


@contextmanager
def as_it_is() -> Iterator[None]:
    """Denials are logged."""
    yield


@contextmanager
def without_commits() -> Iterator[None]:
    """The log writes nothing: what its commit takes would hide a smaller difference."""
    commit = AccessLogWriter._commit
    AccessLogWriter._commit = lambda *_: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        AccessLogWriter._commit = commit  # type: ignore[method-assign]


# The databases


def databases() -> Iterator[str]:
    """An empty database of each kind, one after the other."""
    yield from (url for (url,) in several_databases(1))


def several_databases(number: int) -> Iterator[list[str]]:
    """So many empty databases of each kind, first of the one, then of the other."""
    with tempfile.TemporaryDirectory() as place:
        yield [f"sqlite:///{Path(place) / f'cases_{copy}.db'}" for copy in range(number)]
    pytest_configure(None)  # type: ignore[arg-type]
    names = [f"appeals_bench_{os.getpid()}_{copy}" for copy in range(number)]
    for name in names:
        run_on_server(f'CREATE DATABASE "{name}"')
    yield [server_url().set(database=name).render_as_string(hide_password=False) for name in names]
    for name in names:
        run_on_server(f'DROP DATABASE "{name}" WITH (FORCE)')
    pytest_unconfigure(None)  # type: ignore[arg-type]


@contextmanager
def world_at(url: str) -> Iterator[tuple[World, str]]:
    """A network with cases of every visibility, and the reference of a sealed one with everything on it."""
    database = Database(url)
    cast = found_cast(database, PEPPER.encode())
    database.engine.dispose()
    world = World(url, PEPPER, cast)
    hidden = world.case_in("engagement", visibility="sealed")
    for turn in range(CASES):
        world.case(visibility=("sealed", "restricted", "regional", "network")[turn % 4])
    _analyse(world.database)
    yield world, hidden
    world.end()


def _analyse(database: Database) -> None:
    with database.engine.connect().execution_options(writing=True) as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
