"""OS IDs, checked offline. The check character is computed here once more, from domain.md 4."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appeals.cases.directory import os_id
from tests.support.cast import Body, World

SYMBOLS = string.digits + "ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U


def check_character(country: str, rest: str) -> str:
    """From the two letters of the country, and the twelve symbols after them."""
    return SYMBOLS[(ord(country[0]) + ord(country[1]) + sum(map(SYMBOLS.index, rest))) % 32]


def whole(country: str, year: int, day: int, tail: str) -> str:
    rest = f"{year:04}{day:03}{tail}"
    return country + rest + check_character(country, rest)


WHOLE = st.builds(
    whole,
    st.sampled_from(["BD", "IN", "TR", "SE", "MM"]),
    st.integers(0, 9999),
    st.integers(1, 366),
    st.text(SYMBOLS, min_size=5, max_size=5),
)


@pytest.mark.parametrize("good", ["IN2019067X1K87G", "BD2023331A1B2CR", "TR2023331H4K9MS"])
def test_an_os_id_of_the_specification_is_taken(good: str) -> None:
    assert os_id(good) == good


@pytest.mark.parametrize(
    "written", ["IN 2019067 X1K87G", "in-2019067-x1k87g".upper(), " IN2019067X1K87G\t", "IN2019-067X 1K87-G"]
)
def test_spaces_and_hyphens_are_removed_first(written: str) -> None:
    assert os_id(written) == "IN2019067X1K87G"


@pytest.mark.parametrize(
    "bad",
    [
        "IN2019067X1K87E",  # another check character
        "IN2019067X1K87",
        "IN2019067X1K87GG",
        "IN2019067X1K87G\nX",
        "in2019067x1k87g",
        "XX2019067X1K87G",  # no country
        "IN2O19067X1K87G",  # an O for a zero
        "IN2019067XIK87G",  # an I for a one
        "IN٢٠١٩067X1K87G",  # digits of another script
        whole("IN", 2019, 0, "X1K87"),
        whole("IN", 2019, 367, "X1K87"),
        "",
    ],
)
def test_what_is_no_os_id_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"must be 15 characters|wrong check character"):
        os_id(bad)


@given(WHOLE)
def test_every_os_id_with_its_own_check_character_is_taken(good: str) -> None:
    assert os_id(good) == good


@given(WHOLE, st.integers(7, 14), st.sampled_from(SYMBOLS))
def test_one_mistyped_symbol_is_always_found(good: str, place: int, symbol: str) -> None:
    mistyped = good[:place] + symbol + good[place + 1 :]
    day = int(mistyped[6:9]) if mistyped[6:9].isdigit() else 0
    if mistyped == good or not 1 <= day <= 366:
        return
    with pytest.raises(ValueError, match="wrong check character"):
        os_id(mistyped)


def facility(**changed: str | None) -> Body:
    named: Body = {"name": "Bright Stitch Ltd", "country": "BD", **changed}
    return {"role": "employer", "facility": named}


def test_a_workplace_with_a_wrong_os_id_is_refused_and_one_with_none_is_not(world: World) -> None:
    reference = world.case()
    refused = world.coordinator.add(reference, "parties", facility(os_id="BD2023331A1B2CX"))
    assert refused.status_code == 422
    assert "/facility/os_id" in {error["pointer"] for error in refused.json()["errors"]}
    assert world.coordinator.add(reference, "parties", facility(os_id=None)).status_code == 201


def test_an_os_id_makes_one_workplace_of_two_spellings(world: World) -> None:
    reference = world.case()
    told = [facility(os_id="BD2023331A1B2CR"), facility(os_id="BD-2023331-A1B2CR", name="Bright Stitch (BD) Limited")]
    first, second = [world.coordinator.add(reference, "parties", said).json()["facility_id"] for said in told]
    assert first == second
    assert world.coordinator.add(reference, "parties", facility(os_id=None)).json()["facility_id"] != first
