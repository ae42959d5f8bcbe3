"""The crisis week (domain.md 7): one country, 45 brands, 36 proceedings, six unions, and half of it reported twice.

Shaped on Bangladesh 2023-24; every name is invented. The same seed makes the same week.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tests.support.cast import Body, consent, day, organisation

UNIONS = [
    f"{name} Garment Workers Federation" for name in ("Ashulia", "Gazipur", "Savar", "Mirpur", "Tongi", "Narayan")
]
BRANDS = [
    f"{first} {second}"
    for first in ("North", "Blue", "Urban", "Alpine", "Royal", "Nova", "Terra", "Vista", "Luna")
    for second in ("Apparel", "Wear", "Denim", "Sports", "Basics")
]
TWICE = [
    ("Bright Stitch Ltd", "ব্রাইট স্টিচ লিমিটেড"),
    ("Ashulia Garments", "আশুলিয়া গার্মেন্টস"),
    ("Narayanganj Fashion", "নারায়ণগঞ্জ ফ্যাশন"),
    ("Tusuka Trousers Ltd", "তুসুকা ট্রাউজার্স লিমিটেড"),
    ("Nasa Basics", "নাসা বেসিকস"), ("Star Fashion", "স্টার ফ্যাশন"), ("Padma Denim", "পদ্মা ডেনিম"),
    ("Meghna Textile Mills", "মেঘনা টেক্সটাইল মিলস"), ("Jamuna Sweaters", "যমুনা সোয়েটার্স"),
    ("Karnaphuli Shirts", "কর্ণফুলী শার্টস"), ("Sonali Garments", "সোনালী গার্মেন্টস"),
    ("Golden Thread", "গোল্ডেন থ্রেড"), ("Green Leaf Apparels", "গ্রিন লিফ অ্যাপারেলস"),
    ("Shapla Knit Composite", "শাপলা নিট কম্পোজিট"), ("Doel Packaging", "দোয়েল প্যাকেজিং"),
]  # fmt: skip
"""Workplaces of which two unions report, one in each language."""
ONCE = [
    "Padma Fashion", "Star Shirts", "Golden Needle", "Green Valley Knit", "Delta Outerwear", "Turag Washing",
    "Bangla Lace", "Hatiya Jeans", "Ruposhi Kids Wear", "Orchid Lingerie", "Falcon Sewing", "Modhumoti Dyeing",
    "Sitara Uniforms", "Tulip Towels", "Kushiara Leather",
]  # fmt: skip
"""Workplaces of which one union reports; some bear half the name of another."""
PROCEEDINGS, ARRESTED, KILLED, ACCUSED = 36, 130, 4, (40_000, 48_000)
CODES = ("arbitrary_arrest", "judicial_harassment", "antiunion_dismissal", "strike_suppression")


@dataclass(frozen=True)
class Report:
    """An appeal as it arrives: of which workplace, the how-manieth of it, on which day of the week."""

    workplace: str
    again: bool
    weekday: int
    body: Body


def week() -> Iterator[Report]:
    """The reports in the order in which they arrive."""
    chance = Random(2024)  # noqa: S311 - it keeps no secret
    reports = [
        _report(chance, name, name, turn, again=False) for turn, name in enumerate([*(e for e, _ in TWICE), *ONCE])
    ]
    reports += [_report(chance, english, bengali, turn, again=True) for turn, (english, bengali) in enumerate(TWICE)]
    yield from sorted(reports, key=lambda report: (report.weekday, report.again, report.workplace))


def _report(chance: Random, workplace: str, told: str, turn: int, *, again: bool) -> Report:
    union = UNIONS[(turn + 3 * again) % len(UNIONS)]
    weekday = chance.randint(3, 6) if again else chance.randint(0, 4)
    ago = 7 - weekday
    arrested = ARRESTED // 30 + (turn < ARRESTED % 30)
    low = ACCUSED[again] // 30
    tallies = [
        {
            "kind": "arrested",
            "low": max(0, arrested - again),
            "high": arrested + again,
            "as_of": day(8),
            "source": union,
        },
        {"kind": "charged_unnamed", "low": low, "high": low, "as_of": day(8), "source": union},
    ]
    if turn < KILLED:
        tallies.append({"kind": "killed", "low": 1, "high": 1, "as_of": day(8), "source": union})
    parties = [
        {"label": "factory", "role": "employer", "facility": {"name": told, "country": "BD"}},
        *(
            {
                "label": f"brand-{index}", "role": "brand", "organisation": organisation(brand, "company", "SE"),
                "link_kind": "direct_supplier", "link_strength": "evidenced", "link_evidence": "Labels.",
            }
            for index, brand in enumerate(BRANDS[(2 * turn + step) % len(BRANDS)] for step in range(2))
        ),
    ]  # fmt: skip
    codes = ["arbitrary_arrest", CODES[1 + turn % 3]]
    return Report(
        workplace, again, weekday,
        {
            "requesting_organisation": organisation(union, "union_federation"),
            "channel": "messenger", "received_on": day(ago), "country": "BD", "visibility": "restricted",
            "narrative": "পুলিশ ভোরে এসে ধরে নিয়ে গেছে।" if again else "The police came at dawn and took people away.",
            "narrative_language": "bn" if again else "en", "danger": True,
            "violations": [{"code": code, "since": day(8)} for code in codes],
            "affected": {"low": 900 + turn, "high": 1200 + turn}, "help_asked": "Lawyers, and letters to the buyers.",
            "records": {
                "parties": parties, "tallies": tallies,
                "consents": [
                    *(consent(scope, given_on=day(ago)) for scope in ("take_up", "contact_brand", "publish_named")),
                    consent("publish_named", "local_partner", given_on=day(ago)),
                ],
                "risk_assessments": [{"level": "high", "assessed_on": day(ago)}],
            },
        },
    )  # fmt: skip
