"""What is said in invented cases: bodies as the service takes them, for a day, a country and the throw of dice.

Organisations, workplaces and counts are invented; persons there are none. The shapes are those of domain.md 1: counts
that conflict, money in several currencies, up to forty-five brands, answers that deflect, news that comes late.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID

from appeals.vocabulary import Priority, ViolationCode, Visibility

Body = dict[str, Any]
MOST_BRANDS = 45
REVIEW_DAYS = 400
ARRESTS = (ViolationCode.ARBITRARY_ARREST, ViolationCode.JUDICIAL_HARASSMENT)
DAILY = tuple(code for code in ViolationCode if code not in {*ARRESTS, ViolationCode.OTHER})


@dataclass(frozen=True)
class CountryProfile:
    """A country of production: the coalition it lies in, what people pay with and speak, where they work."""

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
    """Where an invented case plays and who keeps it, by account; `on` is the day of what is said next."""

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
        """The country it plays in."""
        return COUNTRIES[self.country]

    @property
    def union(self) -> str:
        """The union that asks for help."""
        return f"{self.workplace} Workers Union"

    def ago(self, days: int) -> str:
        """The day so many days before."""
        return (self.on - timedelta(days=days)).isoformat()


def brands_of(rng: Random) -> int:
    """How many brands a case has: few, as a rule."""
    return min(MOST_BRANDS, 1 + int(rng.expovariate(1 / 2)))


def workplace(rng: Random, taken: set[str]) -> str:
    """A name that no workplace has yet."""
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
    """An organisation named in full."""
    return {"name": name, "kind": kind, "country": country}


# The request


def intake(s: FakeCase) -> Body:
    """A request for help with all that guards ask for on the way."""
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


def consent(s: FakeCase, scope: str, subject: str = "workers", **more: Any) -> Body:
    """A consent given that day, in the language of the place."""
    values: Body = {"subject": subject, "scope": scope, "state": "given", "given_on": s.ago(0)}
    return {**values, "method": "union_decision", "language": s.profile.language, **more}


def risk(s: FakeCase) -> Body:
    """A look at the risk that day."""
    level = s.rng.choice(("high", "high", "critical") if s.danger else ("low", "elevated", "elevated", "high"))
    return {"level": level, "assessed_on": s.ago(0), "assessed_with": s.union}


def _counts(s: FakeCase, affected: int) -> list[Body]:
    """Two sources that cannot both be right; of arrests who was held."""
    by_union: Body = {"as_of": s.ago(0), "source": s.union, "connection": "union", "reliability": "high"}
    by_paper: Body = {"as_of": s.ago(0), "source": "A newspaper", "connection": "media"}
    told = [
        {"kind": "dismissed", "low": affected, "high": affected, "women": affected // 2, **by_union},
        {"kind": "dismissed", "low": affected + 1, "high": affected + 1, **by_paper},
    ]
    taken = [{"kind": kind, "low": 7, "high": 7, **by_union} for kind in ("arrested", "held")]
    return told[: s.rng.choice((0, 1, 2))] + (taken if s.danger else [])


# Steps


def _acceptance(s: FakeCase) -> Body:
    kinds = s.rng.sample(("reinstate", "pay_wages", "recognise_union", "pay_severance", "bargain"), 2)
    demands = [
        {"kind": kind, "text": "As the workers decided.", "addressees": ["#factory", "#brand-1"]} for kind in kinds
    ]
    return {"rationale": "The workers ask for it and buyers can be reached.", "demands": demands, "records": _new(s)}


def _new(s: FakeCase) -> Body:
    return {"risk_assessments": [risk(s)]}


def _agreement(s: FakeCase) -> Body:
    promises = [
        {
            "promisor": who,
            "text": text,
            "kind": kind,
            "promised_on": s.ago(0),
            "due_on": s.ago(-s.rng.randrange(20, 60)),
            "how_verified": "The union counts.",
        }
        for who, text, kind in (
            ("#factory", "All are reinstated.", "reinstatement"),
            ("#brand-1", "A fund.", "payment"),
        )
    ]
    return {"commitments": promises[: s.rng.choice((1, 2))], "workers_accepted": True}


def _referral(s: FakeCase) -> Body:
    share = consent(s, "share_external", recipients=[LAWYERS])
    told = {"receiving_body": LAWYERS, "handed_over": "The letters.", "receiver_accepted_on": s.ago(0)}
    return {**told, "records": {"consents": [share]}}


LAWYERS = "Legal Aid Network"

STEPS: dict[str, Callable[[FakeCase], Body]] = {
    "acknowledgement": lambda _: {"channel": "email", "safe_contact_rule": "By messenger, after the shift."},
    "screening": lambda s: {"lead_entity": str(s.entity), "assignee": s.coordinator},
    "information-request": lambda s: {
        "questions": "Who signed the letters?",
        "addressee": s.union,
        "due_on": s.ago(-REVIEW_DAYS),
    },
    "information": lambda _: {"answers": "The personnel department did."},
    "verification": lambda s: {
        "verifying_organisation": organisation(LAWYERS, "ngo", "NL"),
        "method": s.rng.choice(("interviews", "documents", "partner_report")),
        "grades": [{"violation": "#violation-0", "grade": s.rng.choice(("confirmed", "likely", "possible"))}],
        "reliability": s.rng.choice(("high", "likely")),
    },
    "acceptance": _acceptance,
    "decline": lambda s: {
        "reason": s.rng.choice(("no_leverage", "unverifiable", "out_of_sector", "handled_by_other", "no_capacity")),
        "explanation": "No buyer is known.",
        "explanation_language": "en",
        "signposting": "The national legal aid centre.",
        "requester_told_on": s.ago(0),
    },
    "referral": _referral,
    "engagement": lambda s: {"first_action": letter(s, 0), "records": _new(s)},
    "escalation": lambda s: {
        "public_aim": "The buyers answer in public.",
        "planned_actions": "A petition.",
        "publication_level": "named",
        "reason": "workers_request",
    },
    "de-escalation": lambda s: {
        "reason": "A buyer asked for talks.",
        "what_stops": "The petition.",
        "workers_consulted_on": s.ago(0),
    },
    "agreement": _agreement,
    "monitoring": lambda s: {"plan": "Ask every month.", "checked_by": s.union},
    "suspension": lambda s: {
        "reason": s.rng.choice(("safety", "negotiation_pause", "contact_lost", "awaiting_proceeding")),
        "review_on": s.ago(-REVIEW_DAYS),
    },
    "withdrawal": lambda s: {
        "withdrawn_by": s.rng.choice(("workers", "workers", "requester")),
        "withdrawn_on": s.ago(0),
        "how_told": "By telephone.",
    },
    "reopening": lambda s: {
        "reason": s.rng.choice(("retaliation", "new_violation", "new_information")),
        "records": {"consents": [consent(s, "take_up")]},
    },
    "handover": lambda _: {"receiving_entity": "International Office", "reason": "The owner sits elsewhere."},
    "closure": lambda _: {
        "summary": "What could be reached was reached.",
        "learning_note": "Write to the owner group sooner.",
        "requester_view": "agrees",
    },
}
"""What is said at each step; `cli/seed.py` adds what a step names of the case itself."""


# Work


def letter(s: FakeCase, days: int, *, awaited: bool = True) -> Body:
    """A letter so many days ago, to be answered within a fortnight where an answer is awaited."""
    kind = s.rng.choice(("brand_contact_letter", "brand_contact_letter", "factory_letter", "government_letter"))
    corner, target = _AIMED_AT[kind]
    values: Body = {"kind": kind, "target": target, "corner": corner, "done_on": s.ago(days), "languages": ["en"]}
    return {**values, "answer_due_on": s.ago(days - 14)} if awaited else values


_AIMED_AT = {
    "brand_contact_letter": ("market", "#brand-1"),
    "factory_letter": ("production", "#factory"),
    "government_letter": ("production", "#ministry"),
}
_SUPPORT = ("fact_finding", "legal_aid", "emergency_relief", "solidarity_letter", "internal_coordination")
_PUBLIC = ("petition", "email_action", "social_media_action", "store_action", "press_release", "street_action")


def support(s: FakeCase) -> Body:
    """Help on the spot, or work among ourselves."""
    return {"kind": s.rng.choice(_SUPPORT), "done_on": s.ago(s.rng.randrange(9)), "note": "As agreed."}


def public_action(s: FakeCase) -> Body:
    """Something that was done in public."""
    return {"kind": s.rng.choice(_PUBLIC), "done_on": s.ago(0), "reach": s.rng.randrange(50, 90_000)}


def answer(s: FakeCase, action: UUID) -> Body:
    """An answer that came a while ago, and perhaps what was said to it."""
    grades = ("partial", "denies_link", "blames_other", "substantive_commits", "investigating", "holding_reply")
    values: Body = {"action": str(action), "grade": s.rng.choice(grades), "received_on": s.ago(0)}
    rejoined = {"rejoinder": "The labels say otherwise.", "rejoined_on": s.ago(0)} if s.rng.random() < 0.3 else {}
    return {**values, "summary": "They refer to their code of conduct.", **rejoined}


def payments(s: FakeCase) -> list[Body]:
    """What is owed by two sources, and what came of it, in the money of the place and sometimes in dollars."""
    sum_owed = s.rng.randrange(40_000, 90_000_000)
    owed: Body = {"purpose": "severance", "currency": s.profile.currency, "on": s.ago(0), "payer": "#factory"}
    dollars: Body = {"purpose": "wages", "currency": "USD", "on": s.ago(0), "payer": "#brand-1", "source": "The brand"}
    told = [
        {**owed, "label": "owed", "kind": "owed", "amount": f"{sum_owed}.50", "source": s.union, "reliability": "high"},
        {**owed, "kind": "owed", "amount": f"{sum_owed // 2}.00", "source": "The factory", "contests": "#owed"},
        {**owed, "kind": "paid", "amount": f"{sum_owed // 3}.25", "source": "The factory"},
        {**owed, "kind": "received_by_workers", "amount": f"{sum_owed // 4}.25", "source": s.union},
        {**dollars, "kind": "promised", "amount": "125000.00"},
    ]
    return told[: s.rng.choice((1, 2, 5))]


def later_counts(s: FakeCase) -> list[Body]:
    """Who was arrested is free; some were taken back."""
    values: Body = {"as_of": s.ago(0), "source": s.union, "reliability": "likely"}
    free = [{"kind": "released", "low": 7, "high": 7, **values}, {"kind": "held", "low": 0, "high": 0, **values}]
    return [*(free if s.danger else []), {"kind": "reinstated", "low": 2, "high": 3, **values}]


def proceeding(s: FakeCase) -> Body:
    """A proceeding before a labour court, with its number."""
    return {
        "body": "court",
        "body_name": "The labour court",
        "kind": s.rng.choice(("labour", "criminal")),
        "filed_on": s.ago(3),
        "number": f"{s.rng.randrange(1, 999)}/L",
    }
