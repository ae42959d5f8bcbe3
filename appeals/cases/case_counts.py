"""The counts and sums of a case, computed from its tallies and payments."""

from typing import Protocol

from appeals.cases.payment import Money, Payment, money
from appeals.cases.tally import Charges, Detention, Headline, Tally, charges, detention, headline, headlines
from appeals.vocabulary import (
    TallyKind,
)


class _Counted(Protocol):
    """An object with tallies and payments."""

    @property
    def tallies(self) -> list[Tally]: ...

    @property
    def payments(self) -> list[Payment]: ...

    @property
    def detention(self) -> Detention: ...

    @property
    def charges(self) -> Charges: ...


class CaseCounts:
    """The counts of a case, as its views show them."""

    @property
    def still_held(self: _Counted) -> int:
        """How many people may still be held, by the upper bounds on record."""
        return self.detention.held

    @property
    def charges_pending(self: _Counted) -> int:
        """How many people may still be charged, by the upper bounds on record."""
        return self.charges.pending

    @property
    def detention(self: _Counted) -> Detention:
        """What became of the arrested people."""
        return detention(self.tallies)

    @property
    def charges(self: _Counted) -> Charges:
        """What became of the charged people."""
        return charges(self.tallies)

    @property
    def counts(self: _Counted) -> list[Headline]:
        """The headline count of each kind."""
        return headlines(self.tallies)

    @property
    def money(self: _Counted) -> list[Money]:
        """The sums owed, promised, paid and received, by currency."""
        return money(self.payments)

    @property
    def affected(self: _Counted) -> Tally | None:
        """The headline count of affected workers."""
        return headline(self.tallies, TallyKind.AFFECTED)
