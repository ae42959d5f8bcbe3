"""Hostile input: it is refused with the same answer on both databases, and never answers 500."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from httpx2 import Response

from tests.support.cast import PARTIES, Body, World, consent, day, intake
from tests.support.standing import RECORDS, Standing, standing

__all__ = ["standing"]
LIMIT = 1_048_576
NOT_ALLOWED = "contains a character that is not allowed"
NOT_JSON = [{"pointer": "", "says": "is not JSON in UTF-8 with unique members"}]


def errors_of(answer: Response, status: int = 422) -> list[Body]:
    """The faults told by a refusal of this status."""
    assert answer.status_code == status, answer.text
    errors: list[Body] = answer.json().get("errors", [])
    return errors


def logged(standing: Standing, **changed: Any) -> Response:
    """The answer to a request for help with something in it changed."""
    return standing.world.coordinator.post("/v1/cases", intake(records={}, **changed))


# Characters


@pytest.mark.parametrize(
    "text",
    ["a\0b", "\0", "\x1b[31m", "a\x7f", "a\x85", "\r\n", "\ud800", "a\udfffb", "\udc00\ud800"],
    ids=ascii,
)
def test_text_that_no_database_keeps_is_refused_where_it_stands(standing: Standing, text: str) -> None:
    assert errors_of(logged(standing, narrative=text)) == [{"pointer": "/narrative", "says": NOT_ALLOWED}]
    assert errors_of(logged(standing, violations=[{"code": "threat", "label": text}])) == [
        {"pointer": "/violations/0/label", "says": NOT_ALLOWED}
    ]


def test_a_member_whose_name_no_database_keeps_is_refused_without_its_name(standing: Standing) -> None:
    fault = {"pointer": "/records", "says": "has a member whose name contains a character that is not allowed"}
    assert errors_of(standing.world.coordinator.post("/v1/cases", intake(records={"par\0ties": []}))) == [fault]


def test_line_feeds_tabs_and_every_script_are_kept_in_prose(standing: Standing) -> None:
    for text in ("one\n\ttwo", "শ্রমিক ইউনিয়ন", "اتحاد العمال", "👩🏽‍🏭 \u200f", "\U0010ffff", "a\u2028b"):
        assert logged(standing, help_asked=text).status_code == 201


@pytest.mark.parametrize(
    "name",
    [
        "Union \u202eevil",
        "\u2066Union\u2069",
        "Union\nTwo",
        "Union\tTwo",
        "Union\u2028Two",
        " ",
        "\u200b",
        "\u00ad\u2060",
        "",
        "x" * 201,
    ],
    ids=ascii,
)
def test_a_name_holds_something_visible_on_one_line_and_turns_nothing_round(standing: Standing, name: str) -> None:
    errors = errors_of(standing.world.coordinator.post("/v1/organisations", {"name": name, "kind": "ngo"}))
    assert [error["pointer"] for error in errors] == ["/name"]
    assert [error["pointer"] for error in errors_of(logged(standing, title=name))] == ["/title"]


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\u200b\ufeff", "x" * 20_001], ids=lambda text: ascii(text[:9]))
def test_prose_holds_something_visible_and_is_no_book(standing: Standing, text: str) -> None:
    assert [error["pointer"] for error in errors_of(logged(standing, help_asked=text))] == ["/help_asked"]


def test_text_is_kept_in_its_composed_form(standing: Standing) -> None:
    composed, apart = "Café Bräu", "Cafe\u0301 Bra\u0308u"
    assert logged(standing, title=apart).json()["title"] == composed
    first = standing.world.coordinator.post("/v1/organisations", {"name": apart, "kind": "company"}).json()
    again = standing.world.coordinator.post("/v1/organisations", {"name": composed, "kind": "company"}).json()
    assert first == again
    assert first["name"] == composed


def test_names_are_found_in_whichever_form_they_are_asked_for(world: World) -> None:
    entity = {"name": "Régional Café", "kind": "member", "parent": "South Asia"}
    assert world.as_("admin").post("/v1/entities", entity).status_code == 201
    reference = world.case()
    assert (
        world.coordinator.step(
            reference, "screening", {"lead_entity": "Re\u0301gional Cafe\u0301", "assignee": "coordinator"}
        ).status_code
        == 201
    )
    for params in ("Régional Café", "Re\u0301gional Cafe\u0301"):
        items = world.coordinator.get(f"/v1/cases?lead={quote(params)}").json()["items"]
        assert [case["reference"] for case in items] == [reference]


# Numbers, flags and dates


@pytest.mark.parametrize(
    "number",
    ["-1", "100000001", "9223372036854775807", "9223372036854775808", "1" + "0" * 400, "1.0", "1.5", "1e2", "1e999",
     "-0.0", "true", "false", '"1"', "null", "[1]", '{"value":1}'],
)  # fmt: skip
def test_a_count_is_a_whole_number_of_people(standing: Standing, number: str) -> None:
    body = json.dumps({**RECORDS["tallies"], "low": 0, "high": "HERE", "women": 0}).replace('"HERE"', number)
    answer = standing.world.coordinator.add(standing.reference, "tallies", body.encode())
    assert [error["pointer"] for error in errors_of(answer)] == ["/high"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "01", "+1", ".5", "1.", "0x1", "1_000", "1" * 5000])
def test_what_is_no_json_number_is_no_json(standing: Standing, number: str) -> None:
    body = json.dumps({**RECORDS["tallies"], "high": "HERE"}).replace('"HERE"', number)
    assert errors_of(standing.world.coordinator.add(standing.reference, "tallies", body.encode())) == NOT_JSON


@pytest.mark.parametrize("flag", [0, 1, 1.0, "true", "yes", "", None, [], {}])
def test_a_flag_is_true_or_false(standing: Standing, flag: Any) -> None:
    assert [error["pointer"] for error in errors_of(logged(standing, danger=flag))] == ["/danger"]


@pytest.mark.parametrize(
    "told",
    ["0000-01-01", "0001-01-01", "1899-12-31", "2201-01-01", "9999-12-31", "10000-01-01", "-001-01-01", "2024-02-30",
     "2023-02-29", "2024-13-01", "2024-00-10", "2024-1-1", "20240101", "2024-W01-1", "2024-01-01T00:00:00",
     "2024-01-01Z",     " 2024-01-01", "٢٠٢٤-٠١-٠١", "1700000000",
     "today", "", 0, 1_700_000_000, 86400.0, True, None, [], {}],
)  # fmt: skip
def test_a_day_is_one_of_the_calendar_within_three_centuries(standing: Standing, told: Any) -> None:
    assert [error["pointer"] for error in errors_of(logged(standing, received_on=told))] == ["/received_on"]
    if isinstance(told, str):
        answer = standing.world.coordinator.get(f"/v1/cases?received_from={quote(told)}")
        assert [error["pointer"] for error in errors_of(answer)] == ["?received_from"]


def test_a_leap_day_and_the_first_day_are_days(standing: Standing) -> None:
    for day_ in ("2024-02-29", "1900-01-01", day()):
        assert logged(standing, received_on=day_).status_code == 201


def test_what_happened_does_not_lie_ahead(standing: Standing) -> None:
    errors = errors_of(logged(standing, received_on="2200-12-31", violations=[{"code": "threat", "since": day(-2)}]))
    assert errors == [
        {"pointer": pointer, "says": "is in the future"} for pointer in ("/received_on", "/violations/0/since")
    ]


@pytest.mark.parametrize(
    "told",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-01-01T00:00:00", "2024-01-01", "1700000000",
     "2024-02-30T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:00:00+99:99", "2024-01-01t00:00",
     "now", "", "NaN", "inf"],
)  # fmt: skip
def test_a_moment_has_its_offset_and_a_place_in_the_calendar(standing: Standing, told: str) -> None:
    answer = standing.world.coordinator.get(f"/v1/cases?updated_since={quote(told)}")
    assert [error["pointer"] for error in errors_of(answer)] == ["?updated_since"]


# Bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"true",
        b"0",
        b'""',
        b"[]",
        b"[{}]",
    ],
)
def test_a_body_is_one_object(standing: Standing, body: bytes) -> None:
    assert [error["pointer"] for error in errors_of(standing.world.coordinator.post("/v1/cases", body))] == [""]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{}{}",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":1,"a":1}',
        b'{"records":{"parties":[],"parties":[]}}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b'{"a":"\xff"}',
        b'{"a":"\xc0\x80"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\t"}',
        b'{"a":\x00}',
        b'{"a":"\\x41"}',
        b"[" * 10_000,
        b'{"a":' * 10_000,
        b"\x1f\x8b\x08\x00",
    ],
    ids=lambda body: ascii(body[:16]),
)
def test_what_is_not_json_in_utf_8_is_refused_as_such(standing: Standing, body: bytes) -> None:
    assert errors_of(standing.world.coordinator.post("/v1/cases", body)) == NOT_JSON


@pytest.mark.parametrize(("depth", "says"), [(31, "has an unknown member"), (33, "is nested deeper than 32")])
def test_a_body_is_not_nested_without_end(standing: Standing, depth: int, says: str) -> None:
    body = b'{"a":' * depth + b"1" + b"}" * depth
    assert says in {error["says"] for error in errors_of(standing.world.coordinator.post("/v1/cases", body))}


@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize("told", [True, False], ids=["with its length", "in chunks"])
def test_a_body_of_one_mebibyte_is_the_largest(standing: Standing, over: int, told: bool) -> None:
    whole = json.dumps(intake()).encode().ljust(LIMIT + over)
    sent: Any = whole if told else (whole[at : at + 65_536] for at in range(0, len(whole), 65_536))
    headers = {"Authorization": f"Bearer {standing.world.coordinator.key}", "Content-Type": "application/json"}
    answer = standing.world.client.post("/v1/cases", content=sent, headers=headers)
    assert answer.status_code == (413 if over else 201), answer.text


@pytest.mark.parametrize("length", ["1048577", "9" * 30, "99999999999999999999999999999999999999"])
def test_a_body_that_says_it_is_too_large_is_not_read(standing: Standing, length: str) -> None:
    answer = standing.world.coordinator.post("/v1/cases", b"{}", Content_Length=length)
    assert errors_of(answer, 413) == []


@pytest.mark.parametrize(
    "told",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "",
     "json", "application/jsonx", "application/merge-patch+json", "application/json; charset=utf-16",
     "application/json, text/plain", "application/json; charset=latin-1; charset=utf-8", "text/json", "*/*"],
)  # fmt: skip
def test_a_body_that_is_not_said_to_be_json_is_refused(standing: Standing, told: str) -> None:
    assert errors_of(standing.world.coordinator.post("/v1/cases", intake(), Content_Type=told), 415) == []


@pytest.mark.parametrize(
    "told", ["application/json", "Application/JSON;charset=UTF-8", 'application/json ; charset="utf-8"']
)
def test_a_body_may_be_said_to_be_json_in_these_ways(standing: Standing, told: str) -> None:
    assert standing.world.coordinator.post("/v1/cases", intake(records={}), Content_Type=told).status_code == 201


def test_a_packed_body_is_refused(standing: Standing) -> None:
    assert errors_of(standing.world.coordinator.post("/v1/cases", intake(), Content_Encoding="gzip"), 415) == []


def test_the_body_of_a_reading_is_not_read(standing: Standing) -> None:
    answer = standing.world.coordinator.call("GET", "/v1/me", b"\0" * (LIMIT + 1), Content_Type="text/plain")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"unknown": 1}, ""),
        ({"records": {"unknown": []}}, "/records"),
        ({"records": {"parties": [{**PARTIES[0], "unknown": 1}]}}, "/records/parties/0"),
        ({"requesting_organisation": {"unknown": 1, "name": "A", "kind": "ngo"}}, "/requesting_organisation"),
        ({"affected": {"low": 1, "high": 1, "unknown": 1}}, "/affected"),
        ({"violations": [{"code": "threat", "grade": "confirmed"}]}, "/violations/0"),
        ({"status": "closed"}, ""),
        ({"__class__": 1}, ""),
    ],
)  # fmt: skip
def test_a_member_that_is_not_known_is_refused_at_every_depth(standing: Standing, changed: Body, pointer: str) -> None:
    errors = errors_of(standing.world.coordinator.post("/v1/cases", intake(**changed)))
    assert {"pointer": pointer, "says": "has an unknown member"} in errors
    assert all(error["pointer"].startswith(pointer) for error in errors)


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"violations": []}, "/violations"),
        ({"violations": [{"code": "threat"}] * 101}, "/violations"),
        ({"records": {"parties": [{"role": "brand"}] * 101}}, "/records/parties"),
        ({"records": {"consents": [consent("retain", recipients=["A"] * 51)]}}, "/records/consents/0/recipients"),
        ({"violations": {"0": {"code": "threat"}}}, "/violations"),
        ({"violations": "threat"}, "/violations"),
        ({"violations": None}, "/violations"),
        ({"violations": [{"code": "threat", "label": "a" * 41}]}, "/violations/0/label"),
        ({"violations": [{"code": "threat", "label": "Amina"}]}, "/violations/0/label"),
        ({"violations": [{"code": "threat", "label": "a\n"}]}, "/violations/0/label"),
        ({"violations": [{"code": "threat", "label": "l"}, {"code": "raid", "label": "l"}]}, "/violations/1/label"),
        ({"violations": [{"code": "threat", "facility": "#nobody"}]}, "/violations/0/facility"),
        ({"violations": [{"code": "threat", "facility": "nobody"}]}, "/violations/0/facility"),
        ({"narrative_language": "en\n"}, "/narrative_language"),
        ({"narrative_language": "English"}, "/narrative_language"),
        ({"country": "bd"}, "/country"),
        ({"country": "BD\0"}, "/country"),
        ({"country": "ZZ"}, "/country"),
        ({"requesting_organisation": "00000000-0000-4000-8000-000000000000"}, "/requesting_organisation"),
        ({"requesting_organisation": 1}, "/requesting_organisation"),
        ({"entity": "nobody of this name"}, "/entity"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_where_it_stands(standing: Standing, changed: Body, pointer: str) -> None:
    errors = errors_of(standing.world.coordinator.post("/v1/cases", intake(**{"records": {}, **changed})))
    assert {error["pointer"] for error in errors} == {pointer}


def test_nothing_is_kept_of_a_refused_request(world: World) -> None:
    parties = [{"role": "brand", "organisation": {"name": "Kept Nowhere", "kind": "company"}}]
    refused = intake(records={"parties": parties}, violations=[{"code": "threat", "facility": "#nobody"}])
    assert world.coordinator.post("/v1/cases", refused).status_code == 422
    assert world.coordinator.get("/v1/cases").json()["items"] == []
    with world.database.reading() as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM organisation").scalar() == 0


# Addresses


@pytest.mark.parametrize(
    "part", ["%00", "%C0%80", "%FF", "..%2F..", "%2e%2e", "%E2%80%AE", "'; --", "*", "%0d%0aX:1", "x" * 60_000]
)
def test_no_path_breaks_anything(standing: Standing, part: str) -> None:
    coordinator, one = standing.world.coordinator, f"/v1/cases/{standing.reference}"
    for path in (f"/v1/cases/{part}", f"{one}/demands/{part}", f"{one}{part}", f"/v1/vocabularies/{part}", f"/{part}"):
        assert coordinator.get(path).status_code == 404, path


@pytest.mark.parametrize(
    "query",
    ["lead=%00", "lead=%FF", "lead=%ED%A0%80", "lead=a%0D%0AX:%201", "%00=1", "lead=%1b", "region=%7F"],
)
def test_no_parameter_holds_what_no_database_keeps(standing: Standing, query: str) -> None:
    assert errors_of(standing.world.coordinator.get(f"/v1/cases?{query}")) == [{"pointer": "?", "says": NOT_ALLOWED}]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "?limit"),
        ("limit=201", "?limit"),
        ("limit=9223372036854775808", "?limit"),
        ("limit=" + "9" * 5000, "?limit"),
        ("limit=1e1", "?limit"),
        ("limit=", "?limit"),
        ("limit=5&limit=5", "?limit"),
        ("danger=maybe", "?danger"),
        ("sort=id", "?sort"),
        ("status=", "?status"),
        ("status=open", "?status"),
        ("brand=1", "?brand"),
        ("brand=' OR 1=1", "?brand"),
        ("lead=%E2%80%AE", "?lead"),
        ("lead=" + "x" * 201, "?lead"),
        ("cursor=", "?cursor"),
        ("cursor=%3D", "?cursor"),
        ("cursor=" + "A" * 2001, "?cursor"),
        ("&".join(["country=BD"] * 101), "?country"),
        ("unknown=1", "?"),
        ("status[]=received", "?"),
        ("q", "?q"),
        ("q=%E2%80%93", "?q"),
    ],
    ids=lambda value: value[:24],
)
def test_a_parameter_that_does_not_fit_is_refused(standing: Standing, query: str, pointer: str) -> None:
    errors = errors_of(standing.world.coordinator.get(f"/v1/cases?{query}"))
    assert {error["pointer"] for error in errors} == {pointer}


def test_a_hundred_values_of_every_filter_are_answered(standing: Standing) -> None:
    names = "&".join(f"{name}=x{n}" for name in ("lead", "region", "assignee") for n in range(100))
    ids = "&".join(f"{name}=00000000-0000-4000-8000-{n:012}" for name in ("brand", "facility") for n in range(100))
    assert standing.world.coordinator.get(f"/v1/cases?{names}&{ids}").json() == {"items": [], "next": None}


# Headers


@pytest.mark.parametrize(
    "header", ["If-Match", "If-None-Match", "Accept", "Idempotency-Key", "Authorization", "Content-Type"]
)
@pytest.mark.parametrize(
    "value", [b"\xff\xfe", b"\xe2\x80\xae", b"\x01", b'"', b"," * 5000, b";q=" * 3000, b"x" * 60_000, b"\t "]
)
def test_no_header_breaks_anything(standing: Standing, header: str, value: bytes) -> None:
    """Bytes that a client library would not send: given to the application as a server hands them on."""
    key = standing.world.coordinator.key or ""
    headers = {"Authorization": f"Bearer {key}".encode(), "Content-Type": b"application/json", header: value}
    path = f"/v1/cases/{standing.reference}"
    answers = [
        standing.world.client.request(method, path, content=body, headers=list(headers.items()))  # type: ignore[arg-type]
        for method, body in (("GET", b""), ("PATCH", b'{"danger":false}'))
    ]
    expected = {
        "If-Match": [200, 412],
        "If-None-Match": [200, 428],
        "Accept": [200, 428],
        "Idempotency-Key": [200, 428 if value == b'"' else 422],
        "Authorization": [401, 401],
        "Content-Type": [200, 415],
    }[header]
    assert [answer.status_code for answer in answers] == expected


def test_a_length_that_is_no_number_breaks_nothing(standing: Standing) -> None:
    headers = [(b"Authorization", f"Bearer {standing.world.coordinator.key}".encode()), (b"Content-Length", b"\xb2")]
    answer = standing.world.client.request("POST", "/v1/cases", content=b"{}", headers=headers)
    assert answer.status_code == 415
