"""What reading and writing cost here, beside a bare reference that serves the same rows: ratios within one run.

`make bench` runs it: for each database it starts this service and the reference at each size of the record, each with
one worker on one core, asks all in turn from another core, five times for two seconds, and prints requests a second,
the median and 99th percentile of the time to answer, and the median of the ratios of the rounds. Everything is on:
keys, rules, access log, clock; only the rate limit is ample. Beside it, by how much the median time grew from the
smallest record to the largest, and the memory of each worker at its peak.

`python -m benchmarks.beside [SIZES] [DATABASES]`, as in `1000,10000,100000 sqlite,postgresql`. ROUNDS and SECONDS say
how long, POPULATIONS a folder in which what was seeded is kept for the next time.
"""

import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from sqlalchemy import select

from appeals.cases.case import Case
from appeals.cli.fake_cases import workplace
from appeals.database.engine import Database
from appeals.vocabulary import Status
from benchmarks.bodies import PARTIES, intake
from benchmarks.databases import server
from benchmarks.effect import effect
from benchmarks.population import Population, asks, keys, populated
from benchmarks.service import PEPPER, await_answer, free_port, settings, started

ROUNDS, SECONDS = int(os.environ.get("ROUNDS", "5")), float(os.environ.get("SECONDS", "2"))
STEPS = 40
"""Cases that take a step in each round, here and there."""
SERVED_ON, LOADED_ON = 0, 1
AMPLE = "1000000"
Asked = list[dict[str, Any]]
DICE = Random()  # noqa: S311 - it keeps no secret, and names nothing that an earlier run has named
NAMED: set[str] = set()


@dataclass(frozen=True)
class Work:
    """One kind of work: what is asked here, what is asked of the reference, and the ratio to be reached.

    Where each request can be made once only, a round takes `each` of them.
    """

    says: str
    here: Iterator[dict[str, Any]] | Asked
    there: Iterator[dict[str, Any]] | Asked
    reach: float
    each: int = 0


def reads(population: Population, reader: dict[str, str], worker: dict[str, str]) -> Iterator[Work]:
    """What is asked for again and again."""
    cases = [{"path": f"/cases/{reference}"} for reference in population.references]
    for says, who in (("one case, status view", reader), ("one case, work view, logged", worker)):
        mine = [{"path": f"/v1/cases/{reference}", "headers": who} for reference in population.references]
        yield Work(says, mine, cases, 0.7)
    pages = [f"cases?country={country}&status={status}" for country, status in population.filters]
    yield Work(
        "page of 50, filtered",
        [{"path": f"/v1/{page}", "headers": reader} for page in pages],
        [{"path": f"/{page}"} for page in pages],
        0.7,
    )
    yield Work(
        "statistics, region and status",
        [{"path": "/v1/statistics?by=region,status", "headers": reader}],
        [{"path": "/statistics"}],
        20,
    )
    yield Work(
        "one case, nothing new: 304",
        [{"path": f"/v1/cases/{ref}", "headers": {**reader, "If-None-Match": tag}} for ref, tag in population.tags],
        [{"path": f"/poll/{ref}", "headers": {"If-None-Match": tag}} for ref, tag in population.bare_tags],
        0.6,
    )
    yield Work(
        "changes, page of 100",
        [{"path": f"/v1/changes?limit=100&since={place}", "headers": reader} for place, _ in population.places],
        [{"path": f"/changes?after={number}"} for _, number in population.places],
        0.7,
    )


def writes(url: str, worker: dict[str, str]) -> Iterator[Work]:
    """What is done once to each case."""
    yield Work("intake", _intakes(worker), _bare_intakes(), 0.4, each=5 * STEPS // 2)
    yield Work("a step", _steps(url, worker), _bare_steps(url), 0.4, each=STEPS)


def _intakes(worker: dict[str, str]) -> Iterator[dict[str, Any]]:
    while True:
        parties = [{**PARTIES[0], "facility": {"name": workplace(DICE, NAMED), "country": "BD"}}, *PARTIES[1:]]
        body = intake()
        body["records"] = {**body["records"], "parties": parties}
        yield {"method": "POST", "path": "/v1/cases", "headers": worker, "body": body}


def _bare_intakes() -> Iterator[dict[str, Any]]:
    for told in _intakes({}):
        yield {**told, "path": "/intake"}


STEP = {"lead_entity": "South Asia", "assignee": "worker"}


def _received(url: str, *, odd: bool) -> Iterator[tuple[str, Any]]:
    """References and ids of cases just received through this service, no case twice."""
    database = Database(url)
    rows = select(Case.reference, Case.id).where(
        Case.status == Status.RECEIVED, Case.reference.like("UA-BGD-____-_____")
    )
    with database.reading() as session:
        found = list(session.execute(rows.order_by(Case.recorded_at.desc()).limit(2 * STEPS * (ROUNDS + 2))))
    database.engine.dispose()
    for number, (reference, case) in enumerate(found):
        if number % 2 == odd:
            yield reference, case


def _steps(url: str, worker: dict[str, str]) -> Iterator[dict[str, Any]]:
    for reference, case in _received(url, odd=False):
        path, headers = f"/v1/cases/{reference}/screening", {**worker, "If-Match": "*"}
        yield {"method": "POST", "path": path, "headers": headers, "body": STEP, "case": case}


def _bare_steps(url: str) -> Iterator[dict[str, Any]]:
    for reference, _ in _received(url, odd=True):
        yield {"method": "POST", "path": f"/steps/{reference}", "headers": {}, "body": STEP}


def main(sizes: list[int], databases: list[str]) -> None:
    """Print the tables. All sizes are asked in turn within each round, so that no change of the machine is a growth."""
    with tempfile.TemporaryDirectory() as place, server(Path(place)):
        for database in databases:
            with ExitStack() as stack:
                stand = [stack.enter_context(_services(database, size, Path(place))) for size in sizes]
                say(f"\n{database}, at {' and '.join(f'{size:,}' for size in sizes)} cases")
                say(
                    f"{'':39}{'here/s':>8}{'p50':>8}{'p99':>8}{'bare/s':>9}{'p50':>8}{'p99':>8}{'ratio':>8}{'reach':>7}"
                )
                for works in zip(*(services.works() for services in stand), strict=True):
                    params = list(zip(stand, works, strict=True))
                    # The first round warms both.
                    _, *rounds = [[services.round(work) for services, work in params] for _ in range(1 + ROUNDS)]
                    for size, work, *pairs in zip(sizes, works, *rounds, strict=True):
                        say(_line(work, size, pairs))
                    growth = median(of_size[-1][0]["p50"] / of_size[0][0]["p50"] for of_size in rounds)
                    say(f"{'':31}the p50 here grew by {growth:.2f}")
                for size, services in zip(sizes, stand, strict=True):
                    say(f"memory of the worker at its peak, {size:,} cases: {services.memory_mb():.0f} MB")


def _line(work: Work, size: int, rounds: Sequence[tuple[Any, Any]]) -> str:
    odd = {status for pair in rounds for found in pair for status in found["statuses"]} - {"200", "201", "304"}
    if odd:
        raise SystemExit(f"{work.says}: answered {odd}")
    told = ""
    for side in zip(*rounds, strict=True):
        rps, p50, p99 = (median(found[name] for found in side) for name in ("rps", "p50", "p99"))
        told += f"{rps:8.0f}{p50:8.2f}{p99:8.2f} "
    ratio = median(here["rps"] / there["rps"] for here, there in rounds)
    return f"{work.says:31}{size:8,}{told}{ratio:7.2f}{work.reach:7.1f}"


def load(port: int, params: Asked, seconds: float) -> Any:
    """What the client on the other core measured."""
    lines = "\n".join(json.dumps(one, default=str) for one in params)
    done = subprocess.run(  # noqa: S603 - our own command
        ["/usr/bin/taskset", "-c", str(LOADED_ON), sys.executable, "-m", "benchmarks.load", str(port), str(seconds)],
        input=lines, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Services:
    """This service and the reference, running, and what they are asked."""

    url: str
    port: int
    pid: int
    bare: int
    reader: dict[str, str]
    worker: dict[str, str]
    population: Population

    def works(self) -> Iterator[Work]:
        """What is measured."""
        yield from reads(self.population, self.reader, self.worker)
        yield from writes(self.url, self.worker)

    def round(self, work: Work) -> tuple[Any, Any]:
        """What both did, one after the other."""
        mine, theirs = (list(islice(side, work.each)) if work.each else list(side) for side in (work.here, work.there))
        seconds = 0 if work.each else SECONDS
        return load(self.port, mine, seconds), load(self.bare, theirs, seconds)

    def memory_mb(self) -> float:
        """The most memory that the worker had at any time."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


@contextmanager
def _services(database: str, size: int, place: Path) -> Iterator[Services]:
    with ExitStack() as stack:
        url = stack.enter_context(populated(database, size, place))
        reader, worker = ({"Authorization": f"Bearer {key}"} for key in keys(url).values())
        left = {"intake": effect(url, PEPPER, islice(_intakes(worker), 3 + STEPS))}
        left["step"] = effect(url, PEPPER, islice(_steps(url, worker), 3))
        environment = settings(database_url=url, pepper=PEPPER, rate_per_minute=AMPLE, public_rate_per_minute=AMPLE)
        mine = stack.enter_context(started(environment))
        pin(mine.process.pid, SERVED_ON)
        bare = free_port()
        reference = subprocess.Popen(  # noqa: S603 - our own command
            ["/usr/bin/taskset", "-c", str(SERVED_ON), sys.executable, "-m", "benchmarks.bare", url, str(bare)],
            stdin=subprocess.PIPE,
        )
        stack.callback(reference.wait)
        stack.callback(reference.terminate)
        if reference.stdin:
            with reference.stdin as pipe:
                pickle.dump(left, pipe)
        await_answer(f"http://127.0.0.1:{bare}/statistics")
        port = int(mine.url.rpartition(":")[2])
        population = Population.of(url, asks(port, reader["Authorization"].removeprefix("Bearer ")), asks(bare))
        yield Services(url, port, mine.process.pid, bare, reader, worker, population)


def pin(pid: int, core: int) -> None:
    """Let a process with all its threads run on this core alone."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    given = [*sys.argv[1:], *("1000,10000,100000", "sqlite,postgresql")[len(sys.argv) - 1 :]]
    main([int(size) for size in given[0].split(",")], given[1].split(","))
