"""Tallies: conflicting counts stand side by side, one is the headline, and who is still held or charged follows."""

from datetime import date
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appeals.cases.tally import Tally, charges, detention, headline
from appeals.vocabulary import TallyKind
from tests.support.cast import Body, World, day


def tally(kind: str, low: int, high: int | None = None, *, on: int = 1, grade: str = "unknown", told: int = 1) -> Tally:
    """A count as of a day of May, told as the so-many-th."""
    return Tally(
        id=UUID(int=told),
        kind=kind,
        low=low,
        high=low if high is None else high,
        as_of=date(2026, 5, on),
        reliability=grade,
    )


def test_the_headline_is_the_newest_count() -> None:
    old, new = tally("dismissed", 323, on=1, grade="high", told=2), tally("dismissed", 324, on=2, told=1)
    assert headline([old, new], TallyKind.DISMISSED) is new


def test_of_one_day_the_best_graded_count_is_the_headline() -> None:
    grades = ["high", "likely", "unsure", "unlikely", "unreliable", "unknown"]
    told = [tally("dismissed", index, grade=grade, told=index) for index, grade in enumerate(grades)]
    for order in permutations(told[:4]):
        assert headline(order, TallyKind.DISMISSED) is told[0]
    assert headline(reversed(told[1:]), TallyKind.DISMISSED) is told[1]


def test_of_two_equal_counts_the_last_told_is_the_headline() -> None:
    first, last = tally("dismissed", 323, told=1), tally("dismissed", 324, told=2)
    assert headline([last, first], TallyKind.DISMISSED) is last


def test_counts_of_other_kinds_are_no_headline() -> None:
    assert headline([tally("arrested", 3)], TallyKind.HELD) is None


def test_whoever_was_arrested_is_held_until_they_are_told_to_be_out() -> None:
    arrested = [tally("arrested", 10)]
    assert detention(arrested).held == 10
    assert detention([*arrested, tally("released", 4), tally("bailed", 3), tally("died", 1)]).held == 2
    assert detention([*arrested, tally("released", 12)]).held == 0


def test_a_count_of_those_held_speaks_for_itself() -> None:
    assert detention([tally("arrested", 10), tally("held", 2, 3, on=2)]).held == 3
    assert detention([tally("arrested", 10), tally("held", 0, on=2), tally("released", 4)]).held == 0


def test_arrests_counted_after_those_held_are_not_forgotten() -> None:
    assert detention([tally("held", 0, on=2), tally("arrested", 10, on=3)]).held == 10
    assert detention([tally("held", 12, on=2), tally("arrested", 10, on=3), tally("released", 5, on=3)]).held == 12


def test_a_newer_count_of_those_held_replaces_an_older_one() -> None:
    assert detention([tally("held", 5, on=2), tally("held", 0, on=3)]).held == 0


def test_the_charged_are_charged_until_every_charge_has_ended() -> None:
    charged = [tally("charged_named", 36), tally("charged_unnamed", 40_000, 48_000)]
    assert charges(charged).pending == 48_036
    ended = [tally("charges_dropped", 48_000), tally("acquitted", 30), tally("convicted", 4)]
    assert charges([*charged, *ended]).pending == 2


def test_a_range_is_read_in_the_way_that_leaves_nobody_behind() -> None:
    assert detention([tally("arrested", 10, 12), tally("released", 9, 10)]).held == 3
    assert charges([tally("charged_unnamed", 10, 12), tally("charges_dropped", 9, 10)]).pending == 3


COUNTS = st.lists(
    st.builds(
        tally,
        st.sampled_from(list(TallyKind)),
        st.integers(0, 50),
        on=st.integers(1, 5),
        grade=st.sampled_from(["high", "unsure", "unknown"]),
        told=st.integers(1, 99),
    ),
    max_size=12,
    unique_by=lambda told: told.id,
)


@given(COUNTS, st.randoms(use_true_random=False))
def test_what_follows_from_counts_does_not_depend_on_their_order(counts: list[Tally], dice: object) -> None:
    shuffled = list(counts)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert (detention(shuffled), charges(shuffled)) == (detention(counts), charges(counts))
    assert all(headline(shuffled, kind) is headline(counts, kind) for kind in TallyKind)


@given(COUNTS)
def test_nobody_is_counted_below_nobody(counts: list[Tally]) -> None:
    assert detention(counts).held >= 0
    assert charges(counts).pending >= 0


@pytest.mark.parametrize(
    "said",
    [
        {"low": 5, "high": 4},
        {"low": -1, "high": 4},
        {"low": 1, "high": 10, "women": 6, "men": 5},
        {"low": 1, "high": 100_000_001},
        {"low": True, "high": 4},
        {"low": 1.0, "high": 4},
        {"low": "1", "high": 4},
    ],
)
def test_a_count_that_contradicts_itself_is_refused(world: World, said: Body) -> None:
    reference = world.case()
    answer = world.coordinator.add(reference, "tallies", {"kind": "dismissed", "as_of": day(), **said})
    assert answer.status_code == 422


def test_conflicting_counts_coexist_and_the_case_shows_what_follows(world: World) -> None:
    reference = world.case("coordinator", affected="unknown")
    assert world.show(reference)["affected"] is None
    for low, high, source in ((323, 323, "The union"), (320, 324, "A newspaper")):
        said = {"kind": "affected", "low": low, "high": high, "as_of": day(), "source": source}
        assert world.coordinator.add(reference, "tallies", {**said, "reliability": "likely"}).status_code == 201
    world.coordinator.add(reference, "tallies", {"kind": "arrested", "low": 2, "high": 3, "as_of": day()})
    assert [told["low"] for told in world.records(reference, "tallies")] == [323, 320, 2]
    shown = world.show(reference)
    assert (shown["affected"], shown["still_held"]) == ({"low": 320, "high": 324}, 3)
