"""Two worlds that differ by one sealed case: those who are not on its team get the same bytes in both (invariant 7).

What the service leaves to chance (ids, references, keys, the clock) depends here on the number of the request, and the
id of a row of the directory on its identity. So answers differ only where the sealed case makes them.
"""

import re
from itertools import product, zip_longest
from random import Random
from typing import Any

import pytest
from sqlalchemy import true

from appeals.access import directory_entries
from appeals.api import authorization
from appeals.read_models import case_list
from appeals.vocabulary import Role
from tests.support.fate import Fate, drawn_by, fate
from tests.support.outsiders import ONE_CASE, QUESTIONS, Outsider, at_the_door
from tests.support.places import OVER, PLACES
from tests.support.size import examples
from tests.support.standing import ABSENT
from tests.support.two_worlds import Ground, Hidden, fill, ground, hide

__all__ = ["fate", "ground"]
A_CASE_READ = re.compile(r"\w+ \w+: GET /v1/cases/UA-[^/ ]+ ")
WORLDS = examples(3, share=0.2)
OUTSIDERS_HEARD = 2
FIRST_QUESTION = 100_000
WORKING = list(product(("partner", "caseworker", "coordinator", "reviewer", "reader"), PLACES))
OTHERS = list(product(("dashboard", "auditor", "admin"), PLACES))


def answers(ground: Ground, fate: Fate, hidden: Hidden, chance: Random) -> list[str]:
    """All that some outsiders hear; they ask the same in each world, as long as they hear the same."""
    fate.go_on_from(FIRST_QUESTION)
    heard: list[str] = []
    for who in (*chance.sample(WORKING, OUTSIDERS_HEARD), *chance.sample(OTHERS, chance.randint(0, 1))):
        out = Outsider(*who, ground.outsiders[Role(who[0]), who[1]], chance, heard)
        for question in QUESTIONS:
            question(out, hidden)
    return heard


def both_heard(ground: Ground, fate: Fate, seed: int) -> tuple[list[str], list[str]]:
    """What outsiders hear with the sealed case, and without."""
    chance = drawn_by(seed)
    ground.world.client.event_hooks = {"request": [fate.begin]}
    ground.serve(ground.beginning)
    fill(ground, chance)
    ground.world.leave()
    without = ground.template.copy(ground.served)
    hidden = hide(ground, chance)
    beside = answers(ground, fate, hidden, drawn_by(seed))
    ground.serve(without)
    ground.template.drop(without)
    return beside, answers(ground, fate, hidden, drawn_by(seed))


def first_difference(beside: list[str], without: list[str]) -> str | None:
    """The first answer that differs, in both worlds."""
    both = next((both for both in zip_longest(beside, without) if both[0] != both[1]), None)
    return both and "{}\n--- without it ---\n{}".format(*both)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(WORLDS))
def test_outsiders_hear_the_same_with_and_without_a_sealed_case(ground: Ground, fate: Fate, seed: int) -> None:
    beside, without = both_heard(ground, fate, seed)
    assert first_difference(beside, without) is None
    assert len(beside) > 100


# The judges are awake: without a condition somewhere, the sealed case is heard of


def anything(*_: Any, **__: Any) -> Any:
    """A condition that holds of every case."""
    return true()


LEAKS: dict[str, tuple[Any, str]] = {
    "the list": (case_list, "visible_filter"),
    "the directory": (directory_entries, "work_view_filter"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_without_a_condition_they_hear_of_it(
    ground: Ground, fate: Fate, monkeypatch: pytest.MonkeyPatch, leak: str
) -> None:
    monkeypatch.setattr(*LEAKS[leak], anything)
    assert first_difference(*both_heard(ground, fate, seed=0)) is not None


def test_behind_the_condition_of_one_case_there_is_another(
    ground: Ground, fate: Fate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stored view is read under a condition of its own.

    A write to the sealed case is then refused in other words, so that it is heard of; but the case itself is not read.
    """
    monkeypatch.setattr(authorization, "visible_filter", anything)
    both = both_heard(ground, fate, seed=0)
    assert first_difference(*both) is not None
    beside, without = ({answer for answer in heard if A_CASE_READ.match(answer)} for heard in both)
    assert beside == without
    assert len(beside) > 5


# In one world: the sealed case is answered like one that is not there, at every operation


def test_every_door_answers_for_the_sealed_case_as_for_none(ground: Ground, fate: Fate) -> None:
    ground.world.client.event_hooks = {"request": [fate.begin]}
    ground.serve(ground.beginning)
    hidden, heard = hide(ground, drawn_by(0)), list[str]()
    for (role, place), operation in product(ground.outsiders, ONE_CASE):
        if place not in ("own", "elsewhere") or (
            operation.name == "break_glass" and role == "coordinator" and place in OVER
        ):
            continue
        out = Outsider(role, place, ground.outsiders[role, place], drawn_by(0), heard)
        for reference in (hidden.reference, ABSENT):
            at_the_door(out, operation, reference, hidden.ids)
    without_request = [answer.partition("\n")[2] for answer in heard]
    assert without_request[::2] == without_request[1::2]
