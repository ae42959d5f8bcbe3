"""The types of values: text, country and language codes, dates, counts, references.

Text is Unicode in NFC. Control characters other than line feed and tab are refused in `api/request_body.py`. Names also
refuse bidirectional overrides and line breaks.
"""

import re
import unicodedata
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Annotated, Any, get_args
from uuid import UUID

import pycountry
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt
from typing_extensions import TypeAliasType

from appeals.json_types import Json, JsonObject
from appeals.vocabulary import Precision

CONTROLS = r"\u0000-\u0008\u000b-\u001f\u007f-\u009f"
OVERRIDES = r"\u202a-\u202e\u2066-\u2069"
LINES = r"\n\t\u2028\u2029"
INVISIBLE = rf"\s\u00ad\u200b-\u200f\u2060-\u2064\ufeff{OVERRIDES}"
_NAME = rf"^[^{CONTROLS}{LINES}{OVERRIDES}]*[^{CONTROLS}{INVISIBLE}][^{CONTROLS}{LINES}{OVERRIDES}]*$"
_NAMED = re.compile(_NAME.replace("$", r"\Z"))
_VISIBLE = re.compile(rf"[^{INVISIBLE}]")
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RFC_3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]+([Zz]|[+-][0-9]{2}:[0-9]{2})")
COUNTRIES: dict[str, str] = {country.alpha_2: country.alpha_3 for country in pycountry.countries}


class Model(BaseModel):
    """The base class of all inputs and outputs. Unknown members are refused."""

    model_config = ConfigDict(extra="forbid", from_attributes=True, json_schema_serialization_defaults_required=True)


def _named(value: str) -> str:
    if not _NAMED.match(value):
        raise ValueError("must have a visible character and no control character, line break or direction override")
    return unicodedata.normalize("NFC", value)


def _prose(value: str) -> str:
    if not _VISIBLE.search(value):
        raise ValueError("must have a visible character")
    return unicodedata.normalize("NFC", value)


def _country(value: str) -> str:
    if value not in COUNTRIES:
        raise ValueError("must be an ISO 3166-1 alpha-2 code in capitals")
    return value


Name = Annotated[
    str,
    Field(min_length=1, max_length=200, json_schema_extra={"pattern": _NAME}),
    AfterValidator(_named),
]
Prose = Annotated[
    str,
    Field(min_length=1, max_length=20_000),  # clients would need long to check a pattern on such a long text
    AfterValidator(_prose),
]
Country = TypeAliasType(
    "Country", Annotated[str, AfterValidator(_country), Field(json_schema_extra={"enum": sorted(COUNTRIES)})]
)
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$")]
Label = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,39}$",
        description="A short handle of your own, unique for its kind within the case; never a person's name.",
    ),
]
Count = Annotated[StrictInt, Field(ge=0, le=100_000_000)]
Flag = StrictBool
CASE_REFERENCE = r"^UA-[A-Z]{3}-[0-9]{4}-[0-9A-HJKMNP-TV-Z]{5}$"
A_YEAR = timedelta(days=365)
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 12, 31)


def _iso_day(value: object) -> object:
    """Refuse values that do not spell a day: Pydantic would take 0 for a day of 1970, and midnight for its day."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) and _ISO_DAY.fullmatch(value) else _a_day(value)
    except ValueError as error:
        raise ValueError("must be a day of the calendar, as YYYY-MM-DD") from error


def _a_day(value: object) -> date:
    if type(value) is not date:
        raise ValueError("no day")
    return value


def _rfc_3339(value: object) -> object:
    if isinstance(value, str) and _RFC_3339.fullmatch(value):
        return value
    raise ValueError("must be a time as YYYY-MM-DDThh:mm:ss with Z or its offset from UTC")


def _in_utc(value: datetime) -> datetime:
    """Return the time in UTC. The first and last days of the calendar have none."""
    if not FIRST_DAY <= value.date() <= LAST_DAY:
        raise ValueError(f"must be between {FIRST_DAY.year} and {LAST_DAY.year}")
    return value.astimezone(UTC)


Day = Annotated[date, BeforeValidator(_iso_day), Field(ge=FIRST_DAY, le=LAST_DAY)]
Instant = Annotated[AwareDatetime, BeforeValidator(_rfc_3339), AfterValidator(_in_utc)]


class _NotInFuture:
    """Marks the day of a past event, which must not be in the future."""


Happened = Annotated[Day, _NotInFuture()]


@dataclass(frozen=True)
class SaidByToday:
    """Marks the day of a no, which is never refused: a future one counts as today.

    `precision` is the name of the field with its precision, if it has one.
    """

    precision: str | None = None


class Sealed:
    """Marks a field that is stored but that only openings show: no history, no lists, no errors."""


class Versioned:
    """Marks a field whose values are all kept, each as a row of its own."""


SealedProse = Annotated[Prose, Sealed()]
SealedName = Annotated[Name, Sealed()]


@dataclass(frozen=True)
class RefersTo:
    """Marks a reference to a record of the same case: its id, or `#` and its label.

    Without a noun, the kind of record itself decides what it may refer to.
    """

    noun: str | None


_REFERENCE_PATTERN = r"^(#[a-z0-9][a-z0-9-]{0,39}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$"
SAYS_OF_PATTERN = {_REFERENCE_PATTERN: "should be # and the label of a record of this case, or its id"}
"""Sentences in place of patterns, which people cannot read."""
REFERENCE_TEXT = "A record of this case: its id, or # and its label."
_REFERENCE = Field(pattern=_REFERENCE_PATTERN, description=REFERENCE_TEXT)
PartyRef = Annotated[str, _REFERENCE, RefersTo("parties")]
PersonRef = Annotated[str, _REFERENCE, RefersTo("people")]
ViolationRef = Annotated[str, _REFERENCE, RefersTo("violations")]
DemandRef = Annotated[str, _REFERENCE, RefersTo("demands")]
CommitmentRef = Annotated[str, _REFERENCE, RefersTo("commitments")]
ActionRef = Annotated[str, _REFERENCE, RefersTo("actions")]
ConsentRef = Annotated[str, _REFERENCE, RefersTo("consents")]
VoiceRef = Annotated[str, _REFERENCE, RefersTo(None)]
"""A party of the case or, for a person's own statement, a person; the subject decides which."""
PaymentRef = Annotated[str, _REFERENCE, RefersTo("payments")]
# A UUID, or the unique name of an entity or account.
NameOrId = Name


class Dated(Model):
    """The day of an event and its precision. If omitted, today."""

    occurred_on: Happened | None = None
    occurred_precision: Precision = Precision.EXACT


def earliest(day: date, precision: str) -> date:
    """Return the first day that a partial date may mean: the first of its month or year; for an estimate a year
    earlier.
    """
    if precision == Precision.ESTIMATE:
        return max(FIRST_DAY, day - A_YEAR)
    if precision == Precision.MONTH_UNKNOWN:
        return date(day.year, 1, 1)
    if precision == Precision.DAY_UNKNOWN:
        return date(day.year, day.month, 1)
    return day


def latest(day: date, precision: str) -> date:
    """Return the last day that a partial date may mean: the end of its month or year; for an estimate a year later."""
    if precision == Precision.ESTIMATE:
        return min(LAST_DAY, day + A_YEAR)
    if precision == Precision.MONTH_UNKNOWN:
        return date(day.year, 12, 31)
    if precision == Precision.DAY_UNKNOWN:
        return date(day.year, day.month, monthrange(day.year, day.month)[1])
    return day


def span(day: date, precision: str) -> tuple[date, date]:
    """Return the first and last day that a partial date may mean in comparisons. An estimate counts as its day.

    Source: section 9 of the domain specification, "Partial dates".
    """
    return (day, day) if precision == Precision.ESTIMATE else (earliest(day, precision), latest(day, precision))


def _in_order(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _in_order(value[name]) for name in sorted(value)}
    return [_in_order(item) for item in value] if isinstance(value, list) else value


Document = Annotated[JsonObject, AfterValidator(_in_order)]
"""A JSON column. Its members are sorted when shown, because databases may return them in another order."""


def annotations_of(annotation: Any, kind: type) -> Iterator[Any]:
    """Return every mark of a kind inside an annotation, also within unions and lists."""
    for part in get_args(annotation) if get_args(annotation) else ():
        if isinstance(part, kind):
            yield part
        yield from annotations_of(part, kind)


@cache
def annotated_fields(model: type[BaseModel], kind: type) -> Mapping[str, Any]:
    """Return the fields of a model that carry a mark of a kind, with the mark."""
    values: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        direct = [mark for mark in info.metadata if isinstance(mark, kind)]
        for mark in [*direct, *annotations_of(info.annotation, kind)]:
            values.setdefault(name, mark)
    return values


def bring_to_today(model: BaseModel, latest: date, today: date) -> None:
    """Set the days of refusals after `latest` to `today`, in a model and all below it."""
    for name, mark in annotated_fields(type(model), SaidByToday).items():
        day = getattr(model, name)
        if day is not None and day > latest:
            setattr(model, name, today)
            if mark.precision:
                setattr(model, mark.precision, Precision.EXACT)
    for value in dict(model).values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, BaseModel):
                bring_to_today(item, latest, today)


def future_dates(model: BaseModel, latest: date, at: str = "") -> Iterator[str]:
    """Return JSON pointers of the days of past events after `latest`, in a model and all below it."""
    ahead = annotated_fields(type(model), _NotInFuture)
    for name in type(model).model_fields:
        value = getattr(model, name)
        if name in ahead and isinstance(value, date) and value > latest:
            yield f"{at}/{name}"
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(item, BaseModel):
                place = f"{at}/{name}/{index}" if isinstance(value, list) else f"{at}/{name}"
                yield from future_dates(item, latest, place)


def fold(text: str) -> str:
    """Return a name as it is compared: without case, accents, punctuation and extra spaces, in every script."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join("".join(map(_compared, plain)).split())


def _compared(mark: str) -> str:
    """Return a character as `fold` keeps it: accents and joiners are dropped, punctuation becomes a space."""
    kind = unicodedata.category(mark)
    if kind == "Cf" or "\u0300" <= mark <= "\u036f":
        return ""
    return mark if kind[0] in "LNM" else " "


def as_uuid(value: str) -> UUID | None:
    """Return the UUID that a text spells in canonical form, or None."""
    try:
        parsed = UUID(value)
    except ValueError:
        return None
    return parsed if str(parsed) == value.lower() else None
