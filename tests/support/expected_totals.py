"""Totals of counts and money, computed by hand from what was sent (invariants 9 and 10 of domain.md 6)."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from tests.support.cast import Body

GRADES = ["high", "likely", "unsure", "unlikely", "unreliable", "unknown"]
HELD, OUT = ["arrested", "held"], ["released", "bailed", "died"]
CHARGED, CHARGE_OVER = ["charged_named", "charged_unnamed"], ["charges_dropped", "acquitted", "convicted"]
MONEY = {"owed": "owed", "promised": "promised", "paid": "paid", "received_by_workers": "received", "waived": "waived"}


# Told by hand


def newest(counts: list[Body], kind: str) -> Body | None:
    """The count that is quoted: the newest, then the best graded, then the last told."""
    fitting = [(c["as_of"], -GRADES.index(c["reliability"]), turn, c) for turn, c in enumerate(counts)]
    return max((candidate for candidate in fitting if candidate[3]["kind"] == kind), default=(None,) * 4)[3]


def bound(counts: list[Body], kind: str, end: str) -> int:
    count = newest(counts, kind)
    return count[end] if count else 0


def detained(counts: list[Body]) -> dict[str, int]:
    """The most that came in, the least that went out; a count of those held speaks for itself as of its day."""
    out = {kind: bound(counts, kind, "low") for kind in OUT}
    left = max(0, bound(counts, "arrested", "high") - sum(out.values()))
    inside_count, arrested = newest(counts, "held"), newest(counts, "arrested")
    inside = left if inside_count is None else inside_count["high"]
    if inside_count and arrested and arrested["as_of"] > inside_count["as_of"]:
        inside = max(inside, left)
    return {"held": inside, **out}


def pending(counts: list[Body]) -> int:
    over = sum(bound(counts, kind, "low") for kind in CHARGE_OVER)
    return max(0, sum(bound(counts, kind, "high") for kind in CHARGED) - over)


def is_impossible(counts: list[Body], on: str) -> bool:
    """More are out on that day than anybody ever counted inside by then."""
    by_then = [count for count in counts if count["as_of"] <= on]
    most = {kind: max((c["high"] for c in by_then if c["kind"] == kind), default=0) for kind in [*HELD, *CHARGED]}
    out, over = (sum(bound(by_then, kind, "low") for kind in kinds) for kinds in (OUT, CHARGE_OVER))
    return out > max(most[kind] for kind in HELD) or over > sum(most[kind] for kind in CHARGED)


def expected_money(payments: list[Body]) -> dict[str, dict[str, Decimal]]:
    """Of what speaks of the same money the best graded, then the newest, then the last; nothing across currencies."""
    same: dict[int, list[Any]] = defaultdict(list)
    for turn, payment in enumerate(payments):
        same[payment["same"]].append((-GRADES.index(payment["reliability"]), payment["on"], turn, payment))
    counted = [max(best)[3] for best in same.values()]
    sums: dict[str, dict[str, Decimal]] = {}
    for payment in counted:
        here = sums.setdefault(payment["currency"], dict.fromkeys(MONEY.values(), Decimal(0)))
        here[MONEY[payment["kind"]]] += Decimal(payment.get("amount", 0))
    return {name: {**here, "remaining": here["owed"] - here["received"]} for name, here in sums.items()}


def money_of(sums: Body) -> dict[str, Decimal]:
    assert sum(Decimal(payer["paid"]) for payer in sums["payers"]) == Decimal(sums["paid"])
    return {name: Decimal(sums[name]) for name in [*MONEY.values(), "remaining"]}
