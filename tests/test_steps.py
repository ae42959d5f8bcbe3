"""Every state reached, as a first look."""

import pytest

from appeals.vocabulary import Status
from tests.cast import World


@pytest.mark.parametrize("state", list(Status))
def test_a_case_can_be_brought_to(world: World, state: Status) -> None:
    reference = world.case_in(state)
    assert world.history(reference)[-1]["to_status"] == state
