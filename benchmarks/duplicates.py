"""How an intake slows down as like cases pile up: so many intakes of one country in one week.

Run by hand: `python -m benchmarks.duplicates [INTAKES]`. Of each hundred intakes the median is taken, and what is
printed is that of the first, that of the last and their ratio: of the time to answer, and of the processor's time (on
PostgreSQL without that of its server). The week is of workplaces that are all like each other, and of workplaces of
names drawn at random, as six federations report them.
"""

import sys
from collections.abc import Callable
from random import Random
from statistics import median
from time import perf_counter, process_time
from typing import Any

from appeals.database import Database
from benchmarks.hidden_or_absent import PEPPER, databases
from tests.cast import World, day, found_cast, intake, organisation
from tests.crisis import UNIONS

HUNDRED = 100
FIRST = "Golden Blue Star Delta Padma Meghna Royal Lucky Aurora Titas Falcon Tulip Crescent Nova Unity Modern"
SECOND = "Stitch Loom Thread Needle Leaf Harbour Lace Sewing Ocean Dream Vision Craft Point Line Style"
TRADE = ("Garments Ltd", "Fashion", "Knit Composite", "Apparels Ltd", "Textile Mills")
Named = Callable[[Random, int], str]
Times = tuple[float, float]


def main(intakes: int) -> None:
    """Print a line for each database and week."""
    print(f"{'':30}{'first':>10}{'last':>10}{'ratio':>8}{'first':>12}{'last':>10}{'ratio':>8}")  # noqa: T201
    for url in databases():
        database = Database(url)
        cast = found_cast(database, PEPPER.encode())
        database.engine.dispose()
        world = World(url, PEPPER, cast)
        for country, (says, named) in WEEKS.items():
            taken = [logged(world, country, named, number) for number in range(intakes)]
            first, last = (tuple(map(median, zip(*part, strict=True))) for part in (taken[:HUNDRED], taken[-HUNDRED:]))
            line = f"{'sqlite' if world.database.embedded else 'postgresql':11}{says:19}"
            for number in range(2):
                one, other = 1000 * first[number], 1000 * last[number]
                line += f"{one:{10 + 2 * number}.1f}{other:10.1f}{other / one:8.2f}"
            print(line, flush=True)  # noqa: T201
        world.end()


def all_alike(_: Random, number: int) -> str:
    """One workplace, in two spellings."""
    return ("Bright Stitch Ltd", "Brite Stitch Limited")[number % 2]


def at_random(chance: Random, _: int) -> str:
    """A name as workplaces have them."""
    return f"{chance.choice(FIRST.split())} {chance.choice(SECOND.split())} {chance.choice(TRADE)}"


WEEKS: dict[str, tuple[str, Named]] = {"BD": ("all of a like name", all_alike), "IN": ("at random", at_random)}
"""By the country they are of."""


def logged(world: World, country: str, named: Named, number: int) -> Times:
    """Log an appeal; how long that took, and the processor's time."""
    chance = Random(number)  # noqa: S311 - no secret
    employer = {"label": "factory", "role": "employer", "facility": {"name": named(chance, number), "country": country}}
    body: dict[str, Any] = intake(
        requesting_organisation=organisation(chance.choice(UNIONS), "union_federation"),
        received_on=day(number % 7),
        country=country,
    )
    body["records"] = {**body["records"], "parties": [employer, *body["records"]["parties"][1:]]}
    began, busy = perf_counter(), process_time()
    answer = world.coordinator.post("/v1/cases", body)
    took = perf_counter() - began, process_time() - busy
    assert answer.status_code == 201, answer.text  # noqa: S101 - or there is nothing to measure
    return took


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
