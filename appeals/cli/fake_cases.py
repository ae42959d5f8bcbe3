"""The bodies of requests for the intake of invented cases, made of a day, a country and random numbers.

Organisations, workplaces and counts are invented; there are no persons. The cases have the shapes of section 1 of the
domain specification: counts that conflict, money in several currencies, up to 45 brands, answers that deflect, news
that comes late.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from uuid import UUID

from appeals.json_types import JsonObject
from appeals.vocabulary import Priority, ViolationCode, Visibility

Body = JsonObject
MOST_BRANDS = 45
REVIEW_DAYS = 400
ARRESTS = (ViolationCode.ARBITRARY_ARREST, ViolationCode.JUDICIAL_HARASSMENT)
DAILY = tuple(code for code in ViolationCode if code not in {*ARRESTS, ViolationCode.OTHER})


@dataclass(frozen=True)
class CountryProfile:
    """A producing country: its regional coalition, its currency and language, its towns."""

    coalition: str
    currency: str
    language: str
    towns: tuple[str, ...]


COUNTRIES = {
    "BD": CountryProfile("South Asia", "BDT", "bn", ("Dhaka", "Gazipur", "Chattogram", "Savar", "Narayanganj")),
    "IN": CountryProfile("South Asia", "INR", "hi", ("Bengaluru", "Tiruppur", "Chennai", "Gurugram")),
    "PK": CountryProfile("South Asia", "PKR", "ur", ("Karachi", "Lahore", "Faisalabad")),
    "LK": CountryProfile("South Asia", "LKR", "si", ("Katunayake", "Colombo")),
    "KH": CountryProfile("South East Asia", "KHR", "km", ("Phnom Penh", "Kandal", "Takeo")),
    "ID": CountryProfile("South East Asia", "IDR", "id", ("Tangerang", "Bandung", "Semarang")),
    "VN": CountryProfile("South East Asia", "VND", "vi", ("Đồng Nai", "Bình Dương", "Huế")),
    "MM": CountryProfile("South East Asia", "MMK", "my", ("Yangon", "Bago")),
    "TH": CountryProfile("South East Asia", "THB", "th", ("Mae Sot", "Samut Prakan")),
    "PH": CountryProfile("South East Asia", "PHP", "tl", ("Cavite", "Cebu")),
    "CN": CountryProfile("East Asia", "CNY", "zh", ("Shenzhen", "Dongguan")),
    "KR": CountryProfile("East Asia", "KRW", "ko", ("Seoul", "Incheon")),
    "TR": CountryProfile("Europe", "TRY", "tr", ("İstanbul", "Şanlıurfa", "İzmir")),
    "RS": CountryProfile("Europe", "RSD", "sr", ("Vranje", "Leskovac")),
    "RO": CountryProfile("Europe", "RON", "ro", ("Călărași", "Sibiu")),
    "GE": CountryProfile("Europe", "GEL", "ka", ("Kutaisi", "Tbilisi")),
    "UA": CountryProfile("Europe", "UAH", "uk", ("Lviv", "Chernivtsi")),
    "MA": CountryProfile("Europe", "MAD", "ar", ("Tangier", "Casablanca")),
}
MARKETS = ("SE", "DE", "US", "ES", "JP", "GB", "NL", "FR")


@dataclass(frozen=True)
class FakeCase:
    """The facts of an invented case that its request bodies repeat. `on` is the day of the next request."""

    rng: Random
    on: date
    country: str
    entity: UUID
    coordinator: str
    visibility: Visibility
    workplace: str
    danger: bool
    brands: int

    @property
    def profile(self) -> CountryProfile:
        """The profile of its country."""
        return COUNTRIES[self.country]

    @property
    def union(self) -> str:
        """The name of the union that asks for help."""
        return f"{self.workplace} Workers Union"

    def ago(self, days: int) -> str:
        """Return the day `days` days earlier, as text."""
        return (self.on - timedelta(days=days)).isoformat()


def brands_of(rng: Random) -> int:
    """Return the number of brands of a case, which is small in most cases."""
    return min(MOST_BRANDS, 1 + int(rng.expovariate(1 / 2)))


def workplace(rng: Random, taken: set[str]) -> str:
    """Return a name that no workplace has yet."""
    while True:
        syllables = rng.choices(SYLLABLES, k=rng.choice((3, 4)))
        name = f"{''.join(syllables).capitalize()} {rng.choice(TRADES)}"
        if name not in taken:
            taken.add(name)
            return name


SYLLABLES = (
    "ba", "dor", "ken", "li", "mar", "no", "pra", "san", "ti", "vel", "yu", "zha", "go", "rin", "su", "ha", "bel",
    "ko", "nam", "thi", "cha", "ral", "de", "win", "mo", "fa", "jor", "pel", "ki", "tan",
)  # fmt: skip
TRADES = ("Apparel", "Garments", "Knitwear", "Textiles", "Leather", "Footwear", "Denim")


def organisation(name: str, kind: str, country: str) -> Body:
    """Return an organisation with all its fields."""
    return {"name": name, "kind": kind, "country": country}


# The request


def intake(s: FakeCase) -> Body:
    """Return an intake with all that later guards need."""
    codes = [s.rng.choice(ARRESTS if s.danger else DAILY), *s.rng.sample(DAILY, s.rng.choice((0, 0, 1, 2)))]
    affected = s.rng.choice((3, 11, 40, 323, 1200, 4800))
    town = s.rng.choice(s.profile.towns)
    return {
        "entity": str(s.entity),
        "requesting_organisation": organisation(s.union, "union_factory", s.country),
        "title": f"{codes[0].replace('_', ' ').capitalize()} at {s.workplace}, {town}",
        "public_summary": f"Workers of {s.workplace} in {town} ask for support.",
        "channel": s.rng.choice(("email", "phone", "messenger", "meeting", "partner_visit")),
        "received_on": s.ago(s.rng.randrange(4)),
        "received_precision": s.rng.choice(("exact", "exact", "exact", "estimate")),
        "country": s.country,
        "visibility": s.visibility,
        "priority": Priority.URGENT if s.danger else s.rng.choice((Priority.NORMAL, Priority.NORMAL, Priority.HIGH)),
        "narrative": "The officers of the union were sent away a week after it was registered. " * 4,
        "narrative_language": s.profile.language,
        "violations": [
            {"label": f"violation-{number}", "code": code, "since": s.ago(20), "perpetrator": "#factory"}
            for number, code in enumerate(codes)
        ],
        "affected": {"low": affected, "high": affected + s.rng.choice((0, 1, affected // 5))},
        "help_asked": "Write to the buyers.",
        "danger": s.danger,
        "records": {
            "parties": _parties(s, town),
            "consents": [*(consent(s, scope) for scope in _SCOPES), consent(s, "publish_named", "local_partner")],
            "risk_assessments": [risk(s)],
            "tallies": _counts(s, affected),
        },
    }


_SCOPES = ("take_up", "contact_brand", "contact_factory", "contact_government", "publish_named")


def _parties(s: FakeCase, town: str) -> list[Body]:
    names = s.rng.sample(range(1, 150), s.brands)
    factory = {"name": s.workplace, "country": s.country, "province": town, "product": "garments"}
    return [
        {"label": "factory", "role": "employer", "facility": factory},
        {"label": "union", "role": "workers_union", "organisation": organisation(s.union, "union_factory", s.country)},
        *(_brand(s, place, number) for place, number in enumerate(names, 1)),
        {"label": "ministry", "role": "government_body", "organisation": _ministry(s)},
    ]


def _brand(s: FakeCase, place: int, number: int) -> Body:
    company = organisation(f"Brand {number:03}", "company", MARKETS[number % len(MARKETS)])
    strength = "evidenced" if place == 1 else s.rng.choice(("claimed", "evidenced", "disclosed_list", "disputed"))
    link = {"link_kind": "direct_supplier", "link_strength": strength, "link_evidence": "Labels from the line."}
    return {"label": f"brand-{place}", "role": "brand", "organisation": company, **link}


def _ministry(s: FakeCase) -> Body:
    return organisation(f"Ministry of Labour ({s.country})", "authority", s.country)


def consent(s: FakeCase, scope: str, subject: str = "workers", **more: object) -> Body:
    """Return a consent of that day, in the language of the country."""
    values: Body = {"subject": subject, "scope": scope, "state": "given", "given_on": s.ago(0)}
    return {**values, "method": "union_decision", "language": s.profile.language, **more}


def risk(s: FakeCase) -> Body:
    """Return a risk assessment of that day."""
    level = s.rng.choice(("high", "high", "critical") if s.danger else ("low", "elevated", "elevated", "high"))
    return {"level": level, "assessed_on": s.ago(0), "assessed_with": s.union}


def _counts(s: FakeCase, affected: int) -> list[Body]:
    """Return two tallies that contradict each other, and of arrests the people held."""
    by_union: Body = {"as_of": s.ago(0), "source": s.union, "connection": "union", "reliability": "high"}
    by_paper: Body = {"as_of": s.ago(0), "source": "A newspaper", "connection": "media"}
    tallies = [
        {"kind": "dismissed", "low": affected, "high": affected, "women": affected // 2, **by_union},
        {"kind": "dismissed", "low": affected + 1, "high": affected + 1, **by_paper},
    ]
    taken = [{"kind": kind, "low": 7, "high": 7, **by_union} for kind in ("arrested", "held")]
    return tallies[: s.rng.choice((0, 1, 2))] + (taken if s.danger else [])
