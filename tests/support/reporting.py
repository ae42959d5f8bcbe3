"""Cases to report on."""

import time
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from hypothesis import strategies as st

from appeals.cases.payment import Payment
from appeals.vocabulary import PaymentKind
from tests.support.cast import Body, Person, World
from tests.support.standing import RECORDS


def add(world: World, reference: str, noun: str, **said: Any) -> Body:
    made = world.coordinator.add(reference, noun, {**RECORDS.get(noun, {}), **said})
    assert made.status_code == 201, made.text
    told: Body = made.json()
    return told


# Money


KINDS = list(PaymentKind)

CURRENCIES = ("BDT", "USD", "EUR")


@st.composite
def payments(draw: st.DrawFn) -> list[Payment]:
    """Payments of several payers in several currencies, some of which contest earlier ones."""
    made: list[Payment] = []
    for turn in range(draw(st.integers(0, 12))):
        hidden = draw(st.booleans()) and draw(st.booleans())
        contests = draw(st.sampled_from([None, None, *made]))
        made.append(
            Payment(
                id=UUID(int=turn + 1),
                kind=contests.kind if contests else draw(st.sampled_from(KINDS)),
                amount=None if hidden else draw(st.decimals(0, 10**9, places=2)),
                confidential=hidden,
                currency=draw(st.sampled_from([*CURRENCIES, None] if hidden else CURRENCIES)),
                payer=draw(st.sampled_from([None, UUID(int=100), UUID(int=200)])),
                on=date(2026, 1, draw(st.integers(1, 5))),
                reliability=draw(st.sampled_from(["high", "unsure", "unknown"])),
                contests=contests.id if contests else None,
            )
        )
    return made


def record(who: Person, whose: str, number: str) -> Body:
    answer = who.get(f"/v1/{whose}/{number}/record")
    assert answer.status_code == 200, answer.text
    told: Body = answer.json()
    return told


# The whole story, and what was known when


def moment() -> str:
    """Now, in a query, with a little time before and after."""
    time.sleep(0.02)
    now = quote(datetime.now(UTC).isoformat())
    time.sleep(0.02)
    return now
