"""Search: in every script, by whom, and the same on both databases."""

import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from httpx2 import Response
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from appeals.accounts.authentication import authenticate
from appeals.accounts.caller import Caller
from appeals.cases.case import Case
from appeals.database.engine import Database
from appeals.read_models import search
from appeals.read_models.case_list import MAX_WORDS, CaseQuery, list_statement
from appeals.read_models.search import SearchDocument, index, reindex
from appeals.read_models.tokenizer import fold, terms_in, terms_of, words_in
from tests.conftest import PEPPER, Template
from tests.support.cast import PARTIES, Body, World, consent, day, organisation


def ask(world: World, q: str, who: str = "coordinator", **more: Any) -> Response:
    """The answer of the list to a query."""
    return world.as_(who).get(f"/v1/cases?{urlencode({'q': q, **more})}")


def hits(world: World, q: str, who: str = "coordinator", **more: Any) -> list[str]:
    """The references of what a query finds."""
    answer = ask(world, q, who, **more)
    assert answer.status_code == 200, answer.text
    return [case["reference"] for case in answer.json()["items"]]


# In every language


TITLES = {
    "English": "Union officers dismissed at Sample Mill; it's unpaid wages again",
    "Spanish": "Despido de 12 sindicalistas: la fábrica no pagó la indemnización",
    "French": "Grève à l'usine : la déléguée Œuvrière licenciée",
    "German": "Große Näherei schließt, Löhne für März fehlen",
    "Polish": "Zwolnienia w łódzkiej szwalni",
    "Danish": "Ærlig løn på fabrikken i Århus",
    "Turkish": "İzmir'de grevdeki IŞIK işçileri çıkarıldı",
    "Vietnamese": "Công nhân Đồng Nai đình công đòi lương",
    "Arabic": "إضراب العُمّال في المصنـــع بسبب الأجور",
    "Urdu": "کراچی کی فیکٹری میں مزدور یونین پر حملہ",
    "Hebrew": "שְׁבִיתָה במפעל הטקסטיל",
    "Greek": "Απεργία στο εργοστάσιο Θεσσαλονίκης",
    "Russian": "Швейная фабрика: рабочие ещё ждут зарплату",
    "Bengali": "আশুলিয়ায় শ্রমিক ইউনিয়নের নেতা গ্রেপ্তার ২০২৪",
    "Hindi": "मज़दूर यूनियन की हड़ताल पर लाठीचार्ज",
    "Tamil": "தையல் தொழிலாளர் சங்கம் வேலைநிறுத்தம்",
    "Sinhala": "ඇඟලුම් කම්කරුවන්ගේ වෘත්තීය සමිතිය",
    "Thai": "สหภาพแรงงานถูกเลิกจ้างปี ๒๕๖๗",
    "Lao": "ກຳມະກອນໂຮງງານຕັດຫຍິບນັດຢຸດວຽກ",
    "Khmer": "កម្មកររោងចក្រកាត់ដេរធ្វើកូដកម្ម",
    "Burmese": "အထည်ချုပ်အလုပ်သမားများ သပိတ်မှောက်",
    "Chinese": "制衣厂工人罢工，拖欠工资三个月",
    "Japanese": "縫製工場のミシン労働組合",
    "Korean": "봉제공장 노동조합 파업",
}
"""A title for each language, in which the queries below find it."""
FINDS: dict[str, list[str]] = {
    "English": [
        "union",
        "UNION OFFICERS",
        "wages unpaid",
        "off",
        "mill sample",
        "ＵＮＩＯＮ",
        "it's",
        "dismissed, at!",
    ],
    "Spanish": ["fábrica", "FABRICA", "fabri", "pago indemnizacion", "12 sindicalistas", "indemniza\u0301ci"],
    "French": ["greve", "grève", "l'usine", "l’usine", "usine", "déléguée", "DELEGUEE", "oeuvriere", "œuvrière"],
    "German": ["grosse", "GROẞE", "große naherei", "Löhne", "lohne", "Ma\u0308rz"],
    "Polish": ["lodzkiej", "łódzkiej", "Łódz", "szwalni zwolnienia"],
    "Danish": ["aerlig", "Ærlig", "lon", "LØN", "arhus", "Århus"],
    "Turkish": ["izmir", "İZMİR", "IZMIR", "ızmır", "isik", "ışık", "IŞIK", "isci", "İŞÇİ", "cikarildi", "çıkarıldı"],
    "Vietnamese": ["cong nhan", "Công Nhân", "dong nai", "ĐỒNG NAI", "dinh cong", "Đình", "luong", "lương"],
    "Arabic": ["العمال", "العُمَّال", "اضراب", "إضراب", "المصنع", "الاجور", "الأجور"],
    "Urdu": ["مزدور", "کراچی", "كراچي", "فيكٹري", "یونین", "يونين حمله", "حملہ"],
    "Hebrew": ["שביתה", "שְׁבִיתָה", "במפעל", "הטקס"],
    "Greek": ["απεργία", "απεργια", "ΑΠΕΡΓΙΑ", "ΘΕΣΣΑΛΟΝΙΚΗΣ", "εργοστασιο"],
    "Russian": ["фабрика", "ФАБРИКА", "еще", "ещё ждут", "швейная", "зарпл"],
    "Bengali": ["শ্রমিক", "গ্রেপ্তার", "ইউনিয়ন", "ইউনিয\u09bcন", "২০২৪", "2024", "আশুলিয়া"],
    "Hindi": ["मज़दूर", "मजदूर", "हड़ताल", "लाठी", "यूनियन की"],
    "Tamil": ["சங்கம்", "தொழிலாளர்", "தொழில", "வேலைநிறுத்தம்"],
    "Sinhala": ["ඇඟලුම්", "සමිතිය", "කම්කරු"],
    "Thai": ["สหภาพ", "แรงงาน", "เลิกจ้าง", "2567", "๒๕๖๗", "แ", "ง", "สหภาพแรงงาน เลิกจ้าง"],
    "Lao": ["ກຳມະກອນ", "ໂຮງງານ", "ວຽກ", "ກ"],
    "Khmer": ["កម្មករ", "រោងចក្រ", "កូដកម្ម", "ម"],
    "Burmese": ["အလုပ်သမား", "အထည်ချုပ်", "သပိတ်", "က်"],
    "Chinese": ["工人", "罢工", "拖欠工资", "厂", "月", "工资 罢工", "制衣厂工人罢工"],
    "Japanese": ["縫製", "ミシン", "ﾐｼﾝ", "労働組合", "の", "合"],
    "Korean": ["노동", "노동조합", "조합", "파업", "봉", "공장 파업", "노동"],
}
FINDS_NOT: dict[str, list[str]] = {
    "English": ["unions", "nion", "union strike", "officer wages", "dismissedat", "unpaidwages"],
    "Spanish": ["brica", "fabrica huelga", "122"],
    "French": ["rève", "usin grève"],
    "German": ["gro\u00dfen", "marzen"],
    "Polish": ["odzkiej", "lodzka"],
    "Danish": ["rlig", "løner"],
    "Turkish": ["zmir", "izmirde", "iscilik"],
    "Vietnamese": ["congnhan", "hanoi", "nha dong"],
    "Arabic": ["عمال", "المصانع"],
    "Urdu": ["لاہور", "مزدوروں"],
    "Hebrew": ["מפעל", "שבת"],
    "Greek": ["απεργίες"],
    "Russian": ["фабрики", "рабочая"],
    "Bengali": ["শ্রমিকদের", "রমিক", "২০২৩", "শরমিক"],
    "Hindi": ["यूनियनें", "दूर", "मजदरों"],
    "Tamil": ["சங்கங்கள்", "தொழிற்சாலை"],
    "Sinhala": ["සමිති සභාව", "කමකරු"],
    "Thai": ["นัดหยุดงาน", "2568", "งแ"],
    "Lao": ["ສະຫະພັນ", "ວກ"],
    "Khmer": ["សហជីព"],
    "Burmese": ["သမဂ္ဂ"],
    "Chinese": ["工会", "资工", "上海", "月三"],
    "Japanese": ["スト", "労組", "場工"],
    "Korean": ["노조", "합조", "해고"],
}


@pytest.fixture(scope="module")
def library(template: Template) -> Iterator[World]:
    """A case for each title, told in no other words."""
    url = template.copy()
    world = World(url, PEPPER, template.cast)
    for title in TITLES.values():
        world.case(title=title, records={}, requesting_organisation=organisation("x"))
    yield world
    world.end()
    template.drop(url)


def test_every_language_has_its_queries() -> None:
    assert TITLES.keys() == FINDS.keys() == FINDS_NOT.keys()
    assert len(TITLES) >= 10


@pytest.mark.parametrize("language", TITLES)
def test_a_title_is_found_with_accents_and_without(library: World, language: str) -> None:
    for query, found in [*((q, True) for q in FINDS[language]), *((q, False) for q in FINDS_NOT[language])]:
        titles = [case["title"] for case in ask(library, query, limit=200).json()["items"]]
        expected = unicodedata.normalize("NFC", TITLES[language])
        assert (query, expected in titles) == (query, found)


# Any text at all


SCRIPTS = st.sampled_from([word for title in TITLES.values() for word in title.split()])
ANYTHING = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30)
TEXTS = st.lists(st.one_of(SCRIPTS, ANYTHING), min_size=1, max_size=6).map(" ".join)


@pytest.fixture(scope="module")
def one_case(template: Template) -> Iterator[World]:
    """A single case, in Bangladesh, of which the requester is called x."""
    url = template.copy()
    world = World(url, PEPPER, template.cast)
    world.case(records={}, requesting_organisation=organisation("x"))
    yield world
    world.end()
    template.drop(url)


class Undone(Exception):
    """Nothing of the transaction stays."""


def _any(session: Session, caller: Caller, query: str) -> bool:
    return session.execute(list_statement(session, caller, CaseQuery(q=query), None)).first() is not None


def is_found(world: World, title: str, queries: list[str]) -> list[bool]:
    """Whether each query finds the case under this title, asked of the database as the list asks it."""
    found: list[bool] = []
    try:
        with world.database.writing() as session:
            case = session.scalars(select(Case)).one()
            caller = authenticate(session, world.coordinator.key, PEPPER.encode(), case.updated_at)
            case.title = title
            index(session.connection(), case, None)
            session.flush()
            found = [_any(session, caller, query) for query in queries]
            raise Undone
    except Undone:
        return found


def finds(query: str, *texts: str) -> bool:
    """The rule, told once more: every term of the query is one of the texts', or the beginning of one."""
    terms = set[str]().union(*map(terms_in, texts))
    return all(
        any(term == params.text or (params.begins and term.startswith(params.text)) for term in terms)
        for params in terms_of(query)
    )


@given(title=TEXTS, other=TEXTS, data=st.data())
def test_any_text_is_found_by_any_of_its_words_and_by_nothing_else(
    one_case: World, title: str, other: str, data: st.DataObject
) -> None:
    words = [word for word in title.split() if 1 <= words_in(word) <= MAX_WORDS and len(word) <= 200]
    assume(words)
    word = data.draw(st.sampled_from(words))
    queries = [word, *(query for query in (other, other[:2], f"{word} {other}") if 1 <= words_in(query) <= MAX_WORDS)]
    queries = [query for query in queries if len(query) <= 200]
    assert finds(word, title)
    assert is_found(one_case, title, queries) == [finds(query, title, "Bangladesh", "x") for query in queries]


@given(st.text(), st.text())
def test_folding_twice_is_folding_once_and_words_do_not_touch(one: str, other: str) -> None:
    assert fold(fold(one)) == fold(one)
    assert terms_in(f"{one} {other}") == terms_in(one) | terms_in(other)


# By whom


NAMED: list[Body] = [
    {
        "role": "employer",
        "facility": {"name": "Quiet Yarn Ltd", "name_local": "নীরব সুতা", "country": "BD", "province": "Gazipur"},
    },
    {"role": "brand", "organisation": {**organisation("Loud Label", "company", "SE"), "name_local": "Högljudd"}},
]
BY_ITS_PARTIES = ["Quiet Yarn", "নীরব", "gazipur", "loud", "hogljudd", "Tailors Assembly", "quiet campaign"]
BY_ITS_STATUS = ["campaign", "dismissals reported", "bangladesh", "kampanya", "özet"]
BY_NOTHING = ["eleven", "sealed", "write", "messenger", "saffron"]


def told(world: World, visibility: str = "network") -> str:
    """A case with something to find in every place that is searched, and in some that are not."""
    reference = world.case(
        title="Campaign for a living wage",
        public_summary="Dismissals were reported.",
        narrative="Eleven officers; sealed.",
        help_asked="Write to saffron.",
        visibility=visibility,
        requesting_organisation=organisation("Tailors Assembly"),
        records={"parties": NAMED, "consents": [consent("share_network")]},
    )
    texts = {"tr": {"title": "Kampanya", "summary": "Kısa özet"}}
    assert world.coordinator.patch(f"/v1/cases/{reference}", {"translations": texts}, If_Match="*").status_code == 200
    return reference


def test_who_works_on_a_case_finds_it_by_all_that_is_searched(world: World) -> None:
    reference = told(world)
    for query in (*BY_ITS_STATUS, *BY_ITS_PARTIES):
        assert (query, hits(world, query)) == (query, [reference])


@pytest.mark.parametrize("who", ["asia reader", "europe caseworker", "partner"])
def test_who_follows_a_case_does_not_find_it_by_its_parties(world: World, who: str) -> None:
    reference = told(world)
    for query in BY_ITS_STATUS:
        assert (query, hits(world, query, who)) == (query, [reference])
    for query in BY_ITS_PARTIES:
        assert (query, hits(world, query, who)) == (query, [])


def test_nobody_finds_a_case_by_what_is_sealed_or_not_searched(world: World) -> None:
    told(world)
    assert [query for query in BY_NOTHING if hits(world, query)] == []


def test_a_hidden_case_changes_no_answer(world: World) -> None:
    told(world)
    told(world, "regional")
    queries = [*BY_ITS_STATUS, *BY_ITS_PARTIES, "eleven", "a"]
    params = [(query, "europe caseworker", limit) for query in queries for limit in (1, 50)]
    before = [ask(world, query, who, limit=limit).content for query, who, limit in params]
    hidden = told(world, "sealed")
    assert hidden in hits(world, "campaign")
    assert [ask(world, query, who, limit=limit).content for query, who, limit in params] == before


# With the other filters, and in pages


def shelf(world: World) -> dict[str, str]:
    """Five cases of which four speak of a strike, by name."""
    made = {}
    for name, ago, country in (("old", 50, "BD"), ("new", 1, "IN"), ("mid", 20, "BD"), ("twin", 20, "TR")):
        made[name] = world.case(title=f"Strike {name}", received_on=day(ago), country=country, records={})
    made["other"] = world.case(title="Lockout", received_on=day(3), records={})
    return made


@pytest.mark.parametrize("sort", ["received_on", "updated_at", "priority"])
def test_a_query_composes_with_filters_orders_and_pages(world: World, sort: str) -> None:
    made = shelf(world)
    every = [made[name] for name in ("old", "new", "mid", "twin")]
    expected = {"received_on": [made[name] for name in ("new", "twin", "mid", "old")]}.get(sort, every[::-1])
    assert hits(world, "strike", sort=sort) == expected
    assert hits(world, "strike", sort=sort, country="BD", received_from=day(30)) == [made["mid"]]
    following, walked = f"/v1/cases?q=strike&limit=1&sort={sort}", []
    while following:
        answer = world.coordinator.get(following)
        walked += [case["reference"] for case in answer.json()["items"]]
        following = answer.links["next"]["url"] if "next" in answer.links else ""
    assert walked == expected


def test_cases_that_were_logged_in_one_millisecond_are_all_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_place", lambda _number, _day: 1)
    made = shelf(world)
    with world.database.reading() as session:
        assert sorted(session.scalars(select(SearchDocument.place))) == [1, 2, 3, 4, 5]
    assert set(hits(world, "strike")) == set(made.values()) - {made["other"]}


@pytest.mark.parametrize(
    "query", ["", " ", "–", "!?", "\u200b", "%", "👩🏽‍🏭", "x" * 201, "a " * 21, "ﷺ " * 6], ids=lambda q: ascii(q[:9])
)
def test_a_query_without_words_or_with_too_many_is_refused(library: World, query: str) -> None:
    answer = ask(library, query)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "?q"
    too_long = "String should have at most 200 characters"
    assert error["says"] == (too_long if len(query) > 200 else "must contain a letter or digit, and at most 20 words")


@pytest.mark.parametrize(
    "query",
    ['"', "union*", "* union", 'union" OR "a', "NEAR(a b)", "words:union", "union NOT mill", "a:* & b | !c", "'", "\\",
     "union' OR 1=1 --", "a'b", "%union%", "_", "union^2", "-union", "+union", "(union", "{a}:b", "<-> a", "工" * 200,
     "a" * 200, " ".join("abcdefghijklmnopqrst"), "แรงงาน" * 33],
    ids=lambda query: ascii(query[:20]),
)  # fmt: skip
def test_no_query_is_taken_for_the_language_of_a_database(library: World, query: str) -> None:
    assert ask(library, query).status_code == (200 if words_in(query) else 422)
    if query.strip("*%-+( ") == "union":
        assert len(hits(library, query)) == 1


# What is kept


def test_what_changes_is_found_anew_and_no_longer_as_it_was(world: World) -> None:
    reference = world.case(title="First words", records={"parties": PARTIES})

    def indexed(known: str | None) -> str:
        with world.database.writing() as session:
            return index(session.connection(), session.scalars(select(Case)).one(), known)

    first = indexed(None)
    assert hits(world, "first") == hits(world, "bright stitch") == [reference]
    assert indexed(first) == first
    world.coordinator.patch(f"/v1/cases/{reference}", {"title": "Second words"}, If_Match="*")
    second = indexed(first)
    assert second != first
    assert (hits(world, "first"), hits(world, "second")) == ([], [reference])
    assert is_whole(world.database)


def test_a_document_that_is_as_it_was_is_not_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.case()
    with world.database.writing() as session:
        case = session.scalars(select(Case)).one()
        known = index(session.connection(), case, None)
        monkeypatch.setattr(search, "_write", None)
        assert index(session.connection(), case, known) == known


def test_all_documents_together_are_written_as_each_alone(world: World) -> None:
    shelf(world)

    def kept() -> dict[UUID, tuple[int, list[str]]]:
        with world.database.reading() as session:
            return {
                found.case_id: (found.place, sorted(found.words)) for found in session.scalars(select(SearchDocument))
            }

    together = kept()
    with world.database.writing() as session:
        cases = session.scalars(select(Case)).all()
        alone = {case.id: index(session.connection(), case, None) for case in cases}
        assert reindex(session.connection(), cases) == alone
    assert kept() == together
    assert is_whole(world.database)


def is_whole(database: Database) -> bool:
    """True when the index holds what the documents do, as far as the database can say so itself."""
    if database.embedded:
        with database.writing() as session:
            session.execute(text("INSERT INTO search_index (search_index, rank) VALUES ('integrity-check', 1)"))
    return True
