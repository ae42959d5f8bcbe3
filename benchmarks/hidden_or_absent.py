"""How long a sealed case takes to be denied, and how long one that does not exist: nobody may tell them apart by time.

Run by hand: `python -m benchmarks.hidden_or_absent [PAIRS]`. Of each pair, one request names a sealed case and one a
reference that is not there, in random order, by somebody who may see neither. Times are in microseconds, as the client
sees them; the ratio is that of the medians, and the interval is of 95 %, by drawing the pairs again.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from statistics import median
from time import perf_counter_ns

from sqlalchemy import text

from appeals.access.access_log import AccessLogWriter
from appeals.database.engine import Database
from benchmarks.bodies import Body
from benchmarks.databases import databases
from benchmarks.network import Network

ABSENT = "UA-BGD-2026-00000"
CASES = 200
WARMING = 100
WITHIN = 0.05
Pair = tuple[float, float]


def main(pairs: int) -> None:
    """Print a line for each database, caller, operation and way of logging."""
    print(f"{'':62}{'hidden':>9}{'absent':>9}{'ratio':>8}   95 %")  # noqa: T201 - what it is for
    for url in databases():
        with network_at(url) as (network, hidden):
            for says, ask in questions(network):
                for way, logging in (("log", True), ("no log", False)):
                    label = f"{network.database.engine.dialect.name}, {says}, {way}"
                    measure(label, partial(timed, ask, hidden, logging=logging), pairs)


def questions(network: Network) -> Iterator[tuple[str, Callable[[str], int]]]:
    """Who asks what; each gives the status of the answer."""
    for who in ("europe caseworker", "europe coordinator", "partner", "auditor"):
        yield f"{who}, the case", partial(_ask, network, who, "GET", "", None)
    outsider = partial(_ask, network, "europe coordinator")
    yield "europe coordinator, its demands", partial(outsider, "GET", "/demands", None)
    yield "europe coordinator, a step", partial(outsider, "POST", "/suspension", {})
    yield "europe coordinator, breaking the glass", partial(outsider, "POST", "/break-glass", {"reason": "An arrest."})


def _ask(network: Network, who: str, method: str, below: str, body: Body | None, reference: str) -> int:
    return network.call(who, method, f"/v1/cases/{reference}{below}", body).status_code


def measure(label: str, pair: Callable[[Random], Pair], pairs: int) -> None:
    """Time the pairs, and print the medians and their ratio."""
    chance = Random(0)  # noqa: S311 - it keeps no secret
    for _ in range(WARMING):
        pair(chance)
    times = [pair(chance) for _ in range(pairs)]
    drawn = sorted(ratio(chance.choices(times, k=len(times))) for _ in range(200))
    hidden, absent = (median(column) for column in zip(*times, strict=True))
    verdict = "" if abs(hidden / absent - 1) <= WITHIN else "   NOT WITHIN 5 %"
    print(  # noqa: T201
        f"{label:62}{hidden:9.0f}{absent:9.0f}{hidden / absent:8.3f}   {drawn[4]:.3f} to {drawn[-5]:.3f}{verdict}",
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


# The network


@contextmanager
def network_at(url: str) -> Iterator[tuple[Network, str]]:
    """A network with cases of every visibility, and the reference of a sealed one with everything on it."""
    network = Network(url)
    hidden = network.create_engaged_case(visibility="sealed")
    for turn in range(CASES):
        network.create_case(visibility=("sealed", "restricted", "regional", "network")[turn % 4])
    _analyse(network.database)
    yield network, hidden
    network.end()


def _analyse(database: Database) -> None:
    with database.engine.connect().execution_options(writing=True) as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
