"""Random walks of records over HTTP: invariants 9 to 16 of domain.md 6, computed here once more by hand.

A walk writes what people write, in any order: counts, money, demands, promises, letters, answers, signatures; days
pass; the case is offered, closed, withdrawn, merged, reopened. After each turn everything the case tells is compared
with what was told to it.
"""

from collections.abc import Callable
from random import Random, SystemRandom
from uuid import uuid4

import pytest

from appeals.vocabulary import AccountKind, Role
from tests.support.cast import WAY, Person, World, intake
from tests.support.record_walk import NARROW_TO_WIDE, Letter, Walk
from tests.support.size import EXAMPLES, examples

TURNS = 12
MOVES: dict[Callable[[Walk], None], int] = {
    Walk.count: 6, Walk.pay: 3, Walk.demand: 1, Walk.dispose: 3, Walk.promise: 1, Walk.settle: 4,
    Walk.write_letter: 1, Walk.answer: 2, Walk.pass_days: 3, Walk.sign: 2, Walk.change_consent: 1,
    Walk.escalate: 5, Walk.calm: 2, Walk.verify: 1, Walk.hand_over: 1, Walk.close: 3, Walk.withdraw: 1,
    Walk.merge: 1, Walk.agree_again: 1, Walk.reopen: 3,
}  # fmt: skip
"""What may come next, and how often."""


def begun(world: World, chance: Random, second: Person, machine: Person) -> Walk:
    """A case in some state; the same key gives the same case."""
    state, visibility = chance.choice(["accepted", "engagement", "remediation"]), chance.choice(NARROW_TO_WIDE[1:])
    key, body = str(uuid4()), intake(visibility=visibility)
    one, again = (world.coordinator.post("/v1/cases", body, Idempotency_Key=key) for _ in range(2))
    assert one.json()["reference"] == again.json()["reference"]
    reference = one.json()["reference"]
    for noun in WAY[state]:
        world.take(reference, noun)
    shown = world.show(reference)
    return Walk(
        world, chance, second, machine, reference, state, visibility, "South Asia",
        demands={record["id"]: "active" for record in shown["demands"]},
        promises={record["id"]: ("promised", record["due_on"]) for record in shown["commitments"]},
        letters={record["id"]: Letter(record["answer_due_on"]) for record in shown["actions"]},
    )  # fmt: skip


@pytest.mark.soak
def test_9_to_16_hold_on_random_ledgers(world: World) -> None:
    second = world.newcomer("second coordinator", Role.COORDINATOR, Role.REVIEWER)
    machine = world.newcomer("signing machine", Role.REVIEWER, kind=AccountKind.MACHINE)
    for number in range(examples(3)):
        seed = SystemRandom().getrandbits(32) if EXAMPLES else number
        walk = begun(world, Random(seed), second, machine)  # noqa: S311 - no secret
        turns: list[str] = []
        try:
            for move in walk.chance.choices([*MOVES], [*MOVES.values()], k=TURNS):
                turns.append(move.__name__)
                move(walk)
                walk.check()
        except AssertionError as error:
            error.add_note(f"walk {seed}: {turns}")
            raise
