"""How an intake slows down as like cases pile up: so many intakes of one country in one week.

Run by hand: `python -m benchmarks.duplicates [INTAKES]`. The last hundred intakes take turns with the first hundred of
the same week on a fresh database, so that both are measured under the same load of the machine. What is printed is the
median of the first, that of the last and their ratio: of the time to answer, and of the processor's time (on
PostgreSQL without that of its server). The week is of workplaces that are all like each other, and of workplaces of
names drawn at random, as six federations report them.
"""

import sys
from collections.abc import Callable
from random import Random
from statistics import median
from time import perf_counter, process_time
from typing import Any

from benchmarks.bodies import day, intake, organisation
from benchmarks.databases import several_databases
from benchmarks.network import Network

HUNDRED = 100
UNIONS = [
    f"{name} Garment Workers Federation" for name in ("Ashulia", "Gazipur", "Savar", "Mirpur", "Tongi", "Narayan")
]
FIRST = "Golden Blue Star Delta Padma Meghna Royal Lucky Aurora Titas Falcon Tulip Crescent Nova Unity Modern"
SECOND = "Stitch Loom Thread Needle Leaf Harbour Lace Sewing Ocean Dream Vision Craft Point Line Style"
TRADE = ("Garments Ltd", "Fashion", "Knit Composite", "Apparels Ltd", "Textile Mills")
Named = Callable[[Random, int], str]
Times = tuple[float, float]


def main(intakes: int) -> None:
    """Print a line for each database and week."""
    print(f"{'':30}{'first':>10}{'last':>10}{'ratio':>8}{'first':>12}{'last':>10}{'ratio':>8}")  # noqa: T201
    for urls in several_databases(2):
        networks = [Network(url) for url in urls]
        for country, (says, named) in WEEKS.items():
            for number in range(intakes - HUNDRED):
                logged(networks[0], country, named, number)
            pairs = [_first_and_last(networks, country, named, number, intakes) for number in range(HUNDRED)]
            line = f"{'sqlite' if networks[0].database.embedded else 'postgresql':11}{says:19}"
            for column in range(2):
                first, last = (1000 * median(pair[which][column] for pair in pairs) for which in range(2))
                line += f"{first:{10 + 2 * column}.1f}{last:10.1f}{last / first:8.2f}"
            print(line, flush=True)  # noqa: T201
        for network in networks:
            network.end()


def _first_and_last(
    networks: list[Network], country: str, named: Named, number: int, intakes: int
) -> tuple[Times, Times]:
    full, fresh = networks
    last = logged(full, country, named, intakes - HUNDRED + number)
    return logged(fresh, country, named, number), last


def all_alike(_: Random, number: int) -> str:
    """One workplace, in two spellings."""
    return ("Bright Stitch Ltd", "Brite Stitch Limited")[number % 2]


def at_random(chance: Random, _: int) -> str:
    """A name as workplaces have them."""
    return f"{chance.choice(FIRST.split())} {chance.choice(SECOND.split())} {chance.choice(TRADE)}"


WEEKS: dict[str, tuple[str, Named]] = {"BD": ("all of a like name", all_alike), "IN": ("at random", at_random)}
"""By the country they are of."""


def logged(network: Network, country: str, named: Named, number: int) -> Times:
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
    answer = network.call("coordinator", "POST", "/v1/cases", body)
    took = perf_counter() - began, process_time() - busy
    assert answer.status_code == 201, answer.text  # noqa: S101 - or there is nothing to measure
    return took


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
