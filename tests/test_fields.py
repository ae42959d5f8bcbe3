"""The types of values: names as they are compared, partial days, text, codes, references."""

import unicodedata
from datetime import date, timedelta
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from appeals import fields
from appeals.fields import Happened, Model, RefersTo, Sealed, annotated_fields, earliest, fold, future_dates, latest
from appeals.lifecycle.case_inputs import Intake
from appeals.lifecycle.step_inputs import Acknowledgement, Screening
from appeals.vocabulary import GROUP, HEADING, Status, ViolationCode

DAYS = st.dates(date(1900, 1, 1), date(2200, 12, 31))
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


def takes(kind: Any, value: Any) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def test_every_code_that_has_a_group_has_one() -> None:
    assert (set(HEADING), set(GROUP)) == (set(ViolationCode), set(Status))


# Names as they are compared


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bright Stitch Ltd", "BRIGHT  STITCH LTD."),
        ("Bright-Stitch", "Bright—Stitch"),
        ("Workers' Union", "Workers’ Union"),
        ("“Bright” Stitch", "Bright Stitch"),
        ("Société Générale", "societe generale"),
        ("Straße", "STRASSE"),
        ("İzmir Tekstil", "izmir tekstil"),
        ("ＡＢＣ Textiles", "abc textiles"),
        ("𝐀𝐁𝐂", "abc"),
        ("Cafe\u0301", "Café"),
        ("می\u200cخواهم", "میخواهم"),
        ("मजदूर संघ।", "मजदूर संघ"),
    ],
)
def test_names_that_people_take_for_one_are_compared_as_one(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bright Stitch", "Brightstitch"),
        ("Unit 1", "Unit 2"),
        ("গার্মেন্টস", "গর্মন্টস"),  # vowel signs are no accents
        ("が", "か"),
        ("ကက်", "ကက"),
    ],
)
def test_names_that_differ_in_more_than_writing_stay_apart(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@pytest.mark.parametrize("name", ["বাংলা", "ไทย", "ភាសាខ្មែរ", "தமிழ்", "中文", "한국어"])
def test_no_script_is_folded_away(name: str) -> None:
    assert unicodedata.normalize("NFKD", name) == fold(name)


@given(TEXT)
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(TEXT)
def test_composed_and_decomposed_text_is_compared_as_one(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


@given(st.text("abcxyzABCXYZ019 ,.'&-", max_size=30))
def test_case_and_spacing_are_set_aside(text: str) -> None:
    assert fold(f"  {text.swapcase()} . ") == fold(text)


# Days as they may be meant


@pytest.mark.parametrize(
    ("precision", "first", "last"),
    [
        ("exact", date(2024, 2, 10), date(2024, 2, 10)),
        ("day_unknown", date(2024, 2, 1), date(2024, 2, 29)),
        ("month_unknown", date(2024, 1, 1), date(2024, 12, 31)),
        ("estimate", date(2023, 2, 10), date(2025, 2, 9)),
    ],
)
def test_a_reported_day_may_mean_any_day_its_precision_allows(precision: str, first: date, last: date) -> None:
    day = date(2024, 2, 10)
    assert (earliest(day, precision), latest(day, precision)) == (first, last)


@given(DAYS, st.sampled_from(["exact", "day_unknown", "month_unknown", "estimate"]))
def test_a_reported_day_lies_within_what_it_may_mean(day: date, precision: str) -> None:
    assert fields.FIRST_DAY <= earliest(day, precision) <= day <= latest(day, precision) <= fields.LAST_DAY


@pytest.mark.parametrize(
    "value", ["2024-02-30", "2024-2-3", "20240203", "2024-02-03T00:00:00", 0, 1.5, True, "", "today"]
)
def test_what_spells_no_day_is_refused(value: Any) -> None:
    assert not takes(fields.Day, value)


@pytest.mark.parametrize("value", ["1899-12-31", "2201-01-01"])
def test_a_day_outside_the_calendar_of_cases_is_refused(value: str) -> None:
    assert not takes(fields.Day, value)


class _Letter(Model):
    sent_on: Happened
    due_on: fields.Day


class _Folder(Model):
    first: _Letter | None = None
    letters: list[_Letter] = []
    opened_on: Happened | None = None


def test_every_day_that_should_have_happened_but_lies_ahead_is_pointed_at_however_deep() -> None:
    today, ahead = date(2024, 5, 1), date(2024, 5, 2)
    late, good = _Letter(sent_on=ahead, due_on=ahead), _Letter(sent_on=today, due_on=ahead)
    told = _Folder(first=late, letters=[good, late], opened_on=ahead)
    assert list(future_dates(told, today)) == ["/first/sent_on", "/letters/1/sent_on", "/opened_on"]
    assert list(future_dates(told, today + timedelta(days=1))) == []


# Marks


def test_a_mark_is_found_inside_unions_and_lists() -> None:
    class Form(Model):
        one: Annotated[str, RefersTo("parties")] | None = None
        many: list[Annotated[str, RefersTo("demands")]] = []
        plain: str = ""

    assert annotated_fields(Form, RefersTo) == {"one": RefersTo("parties"), "many": RefersTo("demands")}


def test_what_is_sealed_is_marked() -> None:
    assert set(annotated_fields(Intake, Sealed)) == {"narrative"}
    assert set(annotated_fields(Acknowledgement, Sealed)) == {"safe_contact_rule"}
    assert annotated_fields(Screening, Sealed) == {}


# Text


@pytest.mark.parametrize("text", ["", " ", "\n", "\u200b", "\ufeff\u00ad", "\u2003"])
@pytest.mark.parametrize("kind", [fields.Name, fields.Prose])
def test_text_holds_a_visible_character(kind: Any, text: str) -> None:
    assert not takes(kind, text)
    assert takes(kind, f"{text} a".lstrip("\n"))


@pytest.mark.parametrize("mark", ["\u202a", "\u202e", "\u2066", "\u2069", "\n", "\t", "\u2028", "\x00", "\x1f", "\x85"])
def test_a_name_holds_no_line_break_control_or_direction_override(mark: str) -> None:
    assert not takes(fields.Name, f"Bright{mark}Stitch")


def test_prose_may_have_lines_and_turn_the_direction() -> None:
    assert takes(fields.Prose, "One line.\n\tAnother \u202bone\u202c.")


@pytest.mark.parametrize("kind", [fields.Name, fields.Prose])
def test_text_is_kept_composed(kind: Any) -> None:
    assert TypeAdapter(kind).validate_python("Cafe\u0301") == "Caf\u00e9"


@pytest.mark.parametrize(("kind", "most"), [(fields.Name, 200), (fields.Prose, 20_000)])
def test_text_is_not_longer_than_it_may_be(kind: Any, most: int) -> None:
    assert takes(kind, "a" * most)
    assert not takes(kind, "a" * (most + 1))


# Codes, counts, references


@pytest.mark.parametrize(("code", "good"), [("BD", True), ("bd", False), ("XX", False), ("BGD", False), ("UK", False)])
def test_a_country_is_an_iso_code_in_capitals(code: str, good: bool) -> None:
    assert takes(fields.Country, code) is good


@pytest.mark.parametrize(
    ("code", "good"),
    [("bn", True), ("sr-Latn", True), ("pt-BR", True), ("EN", False), ("english", False), ("en\n", False)],
)
def test_a_language_is_a_code_with_script_and_country_where_they_matter(code: str, good: bool) -> None:
    assert takes(fields.Language, code) is good


@pytest.mark.parametrize("value", [True, 1.0, "1", -1, 100_000_001, 2**63])
def test_a_count_is_a_whole_number_of_people(value: Any) -> None:
    assert takes(fields.Count, 0)
    assert not takes(fields.Count, value)


@pytest.mark.parametrize("value", [0, 1, "true", "yes", None])
def test_a_flag_is_true_or_false(value: Any) -> None:
    assert not takes(fields.Flag, value)


@pytest.mark.parametrize("label", ["a", "first-letter", "1", "a" * 40])
def test_a_label_is_a_short_handle(label: str) -> None:
    assert takes(fields.Label, label)
    assert takes(fields.PartyRef, f"#{label}")


@pytest.mark.parametrize("label", ["", "-a", "A", "a b", "a_b", "a" * 41, "é", "a\n"])
def test_a_label_is_nothing_that_could_name_a_person(label: str) -> None:
    assert not takes(fields.Label, label)
    assert not takes(fields.PartyRef, f"#{label}")


@given(st.uuids())
def test_a_uuid_is_read_only_as_it_is_written(number: Any) -> None:
    assert fields.as_uuid(str(number)) == number
    assert fields.as_uuid(number.hex) is None
    assert fields.as_uuid(f"{{{number}}}") is None
    assert fields.as_uuid(f"urn:uuid:{number}") is None


def test_a_member_that_is_not_known_is_refused() -> None:
    assert takes(_Letter, {"sent_on": "2024-01-01", "due_on": "2024-01-02"})
    assert not takes(_Letter, {"sent_on": "2024-01-01", "due_on": "2024-01-02", "more": 1})
