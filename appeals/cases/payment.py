"""Payments: who owes, promised, paid and received how much in which currency, and the sums of them.

Sums never add currencies, paid money never counts as received by itself, and the rest is what is owed less what was
received (section 6 of the domain specification, invariant 13). Several sources may give different figures for the same
money: a payment that `contests` another is about the same money, and only one of them is counted (see `quoted`).
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import pycountry
from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from sqlalchemy.orm import Mapped, mapped_column

from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.database.declarative import deferred_fk
from appeals.fields import CommitmentRef, Count, Flag, Happened, Model, Name, PartyRef, PaymentRef, Prose
from appeals.vocabulary import PaymentFor, PaymentKind, Precision, Reliability

CURRENCIES = frozenset(currency.alpha_3 for currency in pycountry.currencies)
MOST_DIGITS, MOST_PLACES = 18, 4


def _exact(value: object) -> object:
    """Return a number by its digits as written, and not by its nearest binary value."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(repr(value))
    if isinstance(value, str | Decimal):
        return value
    raise ValueError("must be an amount, such as 1800000.00")


def _plain(value: Decimal) -> Decimal:
    """Return a decimal as it is stored: `1E+5` as `100000`, and never with a negative zero."""
    return Decimal(f"{abs(value):f}")


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError("must be an ISO 4217 code in capitals")
    return value


Amount = Annotated[
    Decimal,
    BeforeValidator(_exact),
    Field(ge=0, max_digits=MOST_DIGITS, decimal_places=MOST_PLACES, allow_inf_nan=False),
    AfterValidator(_plain),
]
Currency = Annotated[str, AfterValidator(_currency), Field(json_schema_extra={"enum": sorted(CURRENCIES)})]


class Payment(Record):
    """A sum of one kind on a day, according to a source. `amount` is null if it is confidential."""

    __tablename__ = "payment"

    kind: Mapped[str]
    amount: Mapped[Decimal | None]
    currency: Mapped[str | None]
    confidential: Mapped[bool]
    payer: Mapped[UUID | None] = mapped_column(deferred_fk("party.id"))
    purpose: Mapped[str]
    beneficiaries: Mapped[int | None]
    on: Mapped[date]
    on_precision: Mapped[str]
    source: Mapped[str | None]
    reliability: Mapped[str]
    commitment: Mapped[UUID | None] = mapped_column(deferred_fk("commitment.id"))
    contests: Mapped[UUID | None] = mapped_column(deferred_fk("payment.id"))
    note: Mapped[str | None]


class PaymentInput(RecordInput):
    """A sum of money. Omit the amount of a `confidential` one, and its currency if necessary."""

    kind: PaymentKind
    amount: Annotated[Amount | None, Field(description="The amount as a decimal, in a string or a number.")] = None
    currency: Annotated[Currency | None, Field(description="ISO 4217.")] = None
    confidential: Annotated[Flag, Field(description="Whether only the parties know the amount.")] = False
    payer: Annotated[PartyRef | None, Field(description="The party that owes, promises or pays it.")] = None
    purpose: Annotated[PaymentFor, Field(description="What it is for.")]
    beneficiaries: Annotated[Count | None, Field(description="The number of people it is for.")] = None
    on: Happened
    on_precision: Precision = Precision.EXACT
    source: Annotated[Name | None, Field(description="The organisation or publication that says so.")] = None
    reliability: Reliability = Reliability.UNKNOWN
    commitment: Annotated[CommitmentRef | None, Field(description="The promise it fulfils or repeats.")] = None
    contests: Annotated[
        PaymentRef | None, Field(description="Another record about the same money; only one of them counts.")
    ] = None
    note: Prose | None = None

    @model_validator(mode="after")
    def _an_amount_or_none_told(self) -> "PaymentInput":
        if self.confidential != (self.amount is None):
            raise ValueError("give the amount, or set confidential")
        if self.amount is not None and self.currency is None:
            raise ValueError("an amount has a currency")
        return self


class PaymentOutput(RecordOutput):
    kind: PaymentKind
    amount: Decimal | None
    currency: str | None
    confidential: bool
    payer: UUID | None
    purpose: PaymentFor
    beneficiaries: int | None
    on: date
    on_precision: Precision
    source: str | None
    reliability: Reliability
    commitment: UUID | None
    contests: UUID | None
    note: str | None


class Sums(Model):
    """The sums of one currency. Paid money counts as received only once the workers say so."""

    owed: Decimal
    promised: Decimal
    paid: Decimal
    received: Decimal
    waived: Decimal


class PayerSums(Sums):
    """What one payer owes, promised and paid; `payer` is null if no payer is recorded."""

    payer: UUID | None


class Money(Sums):
    """The sums of the payments in one currency."""

    currency: str
    remaining: Annotated[Decimal, Field(description="Owed less received; negative if more was received than owed.")]
    contested: Annotated[bool, Field(description="Whether sources give different figures for some of it.")]
    confidential: Annotated[
        list[PaymentKind], Field(description="The kinds of which further, confidential amounts are on record.")
    ]
    payers: list[PayerSums]


_SUM = {
    PaymentKind.OWED: "owed",
    PaymentKind.PROMISED: "promised",
    PaymentKind.PAID: "paid",
    PaymentKind.RECEIVED_BY_WORKERS: "received",
    PaymentKind.WAIVED: "waived",
}


def quoted(payments: Iterable[Payment]) -> list[Payment]:
    """Return the payments that count: of those about the same money, the best graded, then the newest, then the last
    recorded.

    Payments are about the same money if one contests the other, directly or through others.
    """
    by_id = {payment.id: payment for payment in payments}
    same = defaultdict[UUID, list[Payment]](list)
    for payment in by_id.values():
        same[_first(payment, by_id)].append(payment)
    grades = list(Reliability)
    return [
        max(reports, key=lambda p: (-grades.index(Reliability(p.reliability)), p.on, p.id)) for reports in same.values()
    ]


def _first(payment: Payment, by_id: dict[UUID, Payment]) -> UUID:
    """Return the payment with which the dispute began. A payment contests only an earlier one, so the search ends."""
    while payment.contests is not None and payment.contests in by_id:
        payment = by_id[payment.contests]
    return payment.id


def money(payments: Iterable[Payment]) -> list[Money]:
    """Return the sums of each currency. Confidential amounts are not included, but listed beside them."""
    by_id = {payment.id: payment for payment in payments}
    counted = [payment for payment in quoted(by_id.values()) if payment.currency is not None]
    disputed = {_first(payment, by_id) for payment in by_id.values() if payment.contests}
    moneys = []
    for currency in sorted({str(payment.currency) for payment in counted}):
        here = [payment for payment in counted if payment.currency == currency]
        sums = _sums(here)
        hidden = {payment.kind for payment in here if payment.confidential}
        payers = dict.fromkeys(payment.payer for payment in here)
        moneys.append(
            Money(
                currency=currency,
                **sums,
                remaining=sums["owed"] - sums["received"],
                contested=any(_first(payment, by_id) in disputed for payment in here),
                confidential=[kind for kind in PaymentKind if kind in hidden],
                payers=[PayerSums(payer=who, **_sums(p for p in here if p.payer == who)) for who in payers],
            )
        )
    return moneys


def _sums(payments: Iterable[Payment]) -> dict[str, Decimal]:
    sums = dict.fromkeys(_SUM.values(), Decimal(0))
    for payment in payments:
        sums[_SUM[PaymentKind(payment.kind)]] += payment.amount or 0
    return sums
