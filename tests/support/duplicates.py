"""Possible duplicates at intake, and names of one workplace in two scripts."""

from typing import Any

from tests.support.cast import World, intake


def duplicates(world: World, who: str = "coordinator", **changed: Any) -> dict[str, list[str]]:
    """The possible duplicates told at intake, with their reasons."""
    answer = world.as_(who).post("/v1/cases", intake(**changed))
    assert answer.status_code == 201, answer.text
    return {item["reference"]: item["reasons"] for item in answer.json()["possible_duplicates"]}


TWICE_TOLD = [
    ("Bright Stitch Ltd", "ব্রাইট স্টিচ লিমিটেড"),
    ("Tusuka Trousers Ltd", "তুসুকা ট্রাউজার্স লিমিটেড"),
    ("Ashulia Garments", "আশুলিয়া গার্মেন্টস"),
    ("Narayanganj Fashion", "নারায়ণগঞ্জ ফ্যাশন"),
    ("Ha-Meem Group", "হামীম গ্রুপ"),
    ("Özak Tekstil", "OZAK TEKSTIL A.S."),
]
UNSEEN = [
    ("Hatirjheel Denim", "হাতিরঝিল ডেনিম"), ("Blue Ocean", "ব্লু ওশান"), ("Rupali Sweater", "রূপালী সোয়েটার"),
    ("Eastern Jeans", "ইস্টার্ন জিন্স"), ("Lucky Fashion", "লাকি ফ্যাশন"), ("Aurora Knitwear", "অরোরা নিটওয়্যার"),
    ("Chattogram Apparels", "চট্টগ্রাম অ্যাপারেলস"), ("Titas Textile", "তিতাস টেক্সটাইল"),
    ("Friends Garments", "ফ্রেন্ডস গার্মেন্টস"), ("Quality Shirts", "কোয়ালিটি শার্টস"), ("Ekota Fabrics", "একতা ফেব্রিকস"),
    ("Suprovat Composite Knit", "সুপ্রভাত কম্পোজিট নিট"), ("Polash Leather", "পলাশ লেদার"),
    ("Moonlight Garments", "মুনলাইট গার্মেন্টস"), ("Basundhara Tex", "বসুন্ধরা টেক্স"),
]  # fmt: skip
"""Names that were written down after the rules were."""
