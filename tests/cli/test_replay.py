"""The player, and the published cases it plays: every body fits, every event of the sources is accounted for."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel
from rich.console import Console

from appeals.cases.response import ResponseBody
from appeals.cli import replay_format, replay_player, replay_results
from appeals.cli.replay_format import CallLine, CaseLine, Published
from appeals.fields import earliest, latest
from appeals.lifecycle import case_inputs, record_kinds, step_inputs
from appeals.lifecycle.steps import STEP_OF_NOUN, Step
from appeals.vocabulary import CloseReason, Status

ROOT = Path(__file__).parents[2]
CASES = replay_format.read(ROOT / "examples" / "real_cases.jsonl")
PAGE = (ROOT / "docs" / "replay.md").read_text("utf-8")
KEYS = [
    "id-pt-kizone-severance", "kh-free-the-23-2014", "bd-ashulia-2016", "th-brilliant-alliance", "kh-hulu-garment",
    "tr-desa-2008", "in-ffi-jkpl-gag-order", "th-body-fashion-tshirt-2008", "id-panarub-dwikarya", "id-jaba-garmindo",
    "pk-ali-enterprises", "tr-ozak-tekstil", "bd-wage-protests-2023", "hn-jerzees-de-honduras", "ht-codevi-grupo-m",
    "sv-industrias-florenzi", "pk-power-loom-karachi", "bd-bcws-2010", "mm-stum-director", "th-kanlayanee-mae-sot",
    "ro-tanex", "lk-next-manufacturing", "cn-artigas-shenzhen", "tr-bravo-tekstil", "hr-orljava-olymp",
    "in-gokaldas-ecc2", "ls-nien-hsing", "tr-sf-leather-mulberry", "bd-gazipur-leader-killed-2023", "bd-tazreen",
    "mm-hosheng", "ph-chong-won", "th-vk-garment", "cn-guangdong-ngo-raids-2015", "kh-superl-facebook",
    "kh-sl-garment", "ph-metro-wear-two", "it-montblanc-z-production", "rs-geox-vranje", "ht-genesis-sota-2011",
    "gt-choi-shin", "lk-zm-group-2013", "bd-wage-strikes-2018-19", "id-kahoindah-nike", "mx-kukdong-atlixco",
    "cn-xinsheng-shoes-2014", "jp-koshimizu-ehime-2022",
]  # fmt: skip
EVENTS = {
    "brand_contact": 6, "brand_response": 19, "closed": 5, "government_contact": 9, "legal": 35, "letter": 18,
    "outcome": 26, "partial_outcome": 28, "petition": 9, "press": 23, "protest": 46, "request": 6, "update": 31,
    "verification": 17, "violation": 91,
}  # fmt: skip
COLUMNS = ("violations", "actions", "responses", "tallies", "outcomes", "step", "note", "only note")
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
LABEL = re.compile(r"#[a-z0-9][a-z0-9-]*\Z")


def model_of(call: CallLine) -> type[BaseModel]:
    """What the service reads the body of a call as."""
    noun = call.to.split("/")[0]
    if call.method == "PATCH":
        change = record_kinds.KIND_OF_NOUN[noun].change if noun else case_inputs.CaseChange
        assert change is not None
        return change
    if not noun:
        return case_inputs.Intake
    if call.to.endswith("/responses"):
        return ResponseBody
    return STEP_OF_NOUN[noun].input if noun in STEP_OF_NOUN else record_kinds.KIND_OF_NOUN[noun].input


def strings(value: Any) -> Iterator[str]:
    """Every string inside a body, however deep."""
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(part)


def written(call: CallLine) -> Iterator[tuple[str, str]]:
    """Noun and label of every record that a call puts on record."""
    if call.method == "PATCH":
        return
    body = call.body
    first = [body["first_action"]] if "first_action" in body else []
    beside = [(noun, body.get(noun, [])) for noun in ("violations", "demands", "commitments")]
    for noun, items in [*body.get("records", {}).items(), *beside, ("actions", first)]:
        yield from ((noun.replace("_", "-"), item["label"]) for item in items)
    if "label" in body:
        yield call.to.split("/")[-1], body["label"]


def in_words(coded: str) -> bool:
    """True when an event is only told in the words of something else."""
    return coded.startswith("note ")


def columns(coded: list[str]) -> set[str]:
    """Where an event went: the columns of the table in docs/replay.md."""
    nouns = {"note" if in_words(place) else re.split("[/ ]", place)[0] for place in coded}
    return nouns | ({"only note"} if nouns == {"note"} else set())


def test_every_published_case_is_there() -> None:
    assert [case.key for case in CASES] == KEYS


@EVERY_CASE
def test_every_body_fits(case: CaseLine) -> None:
    for call in case.calls:
        model_of(call).model_validate(call.body)


@EVERY_CASE
def test_every_label_is_known_before_it_is_used(case: CaseLine) -> None:
    known: set[tuple[str, str]] = set()
    for call in case.calls:
        new = list(written(call))
        assert len({*known, *new}) == len(known) + len(new)
        known |= set(new)
        used = [text for text in [*strings(call.body), *call.to.split("/")] if LABEL.match(text)]
        assert {text[1:] for text in used} <= {label for _, label in known}


@EVERY_CASE
def test_every_event_is_coded(case: CaseLine) -> None:
    places = {f"{noun}/#{label}" for call in case.calls for noun, label in written(call)}
    places |= {f"step {call.to or 'intake'}" for call in case.calls} | {"narrative"}
    told = [place.removeprefix("note ") for event in case.events for place in event.coded]
    assert set(told) <= places


def test_all_369_events_are_there() -> None:
    assert Counter(event.kind for case in CASES for event in case.events) == EVENTS
    assert sum(EVENTS.values()) == 369


def test_the_page_counts_where_events_went() -> None:
    for kind, total in [*EVENTS.items(), ("all", 369)]:
        places = [columns(e.coded) for case in CASES for e in case.events if kind in {e.kind, "all"}]
        counts = [sum(column in found for found in places) for column in COLUMNS]
        assert f"| `{kind}` | {total} | {' | '.join(map(str, counts))} |" in PAGE


@EVERY_CASE
def test_steps_follow_each_other_in_time(case: CaseLine) -> None:
    first = case.calls[0].body
    before = earliest(_day(first["received_on"]), first["received_precision"])
    for call in case.calls[1:]:
        step: Step | None = STEP_OF_NOUN.get(call.to)
        if step and step.moves:
            on, precision = _day(call.body["occurred_on"]), call.body["occurred_precision"]
            assert latest(on, precision) >= before
            before = earliest(on, precision)


def _day(text: str) -> Any:
    return step_inputs.StepInput.model_validate({"occurred_on": text}).occurred_on


def actions(case: CaseLine) -> Iterator[dict[str, Any]]:
    """Every action of a case."""
    for call in case.calls:
        yield from [call.body] if call.to == "actions" and call.method == "POST" else ()
        yield from call.body.get("records", {}).get("actions", [])
        yield from [call.body["first_action"]] if "first_action" in call.body else ()


OF_OTHERS = re.compile(
    r"not the network|by others|by the authorities|human rights watch|worker rights consortium|industriall writes|"
    r"strike begins|the union (writes|publishes|turns|visits)|filed by the union|statement of the workers"
)


def test_what_others_did_is_by_them() -> None:
    noted = [(made, made.get("note", "").lower()) for case in CASES for made in actions(case)]
    assert [made["label"] for made, note in noted if OF_OTHERS.search(note) and "by" not in made] == []
    assert [made["label"] for made, note in noted if re.search(r"\bccc\b", note) and "by" in made] == []
    assert (sum("by" in made for made, _ in noted), len(noted)) == (80, 204)
    assert "(Human Rights Watch, IndustriALL, buyers, authorities; with those of the workers 80 of 204)" in PAGE


@EVERY_CASE
def test_what_every_member_sees_was_shared_with_the_network(case: CaseLine) -> None:
    intake = case.calls[0].body
    scopes = [consent["scope"] for consent in intake["records"]["consents"]]
    assert (intake["visibility"], scopes.count("share_network")) == ("network", 1)


@EVERY_CASE
def test_published_history_goes_public_whatever_the_risk_is_today(case: CaseLine) -> None:
    public = [call for call in case.calls if call.to in {"escalation", "resumption"}]
    reasons = [{item["guard"]: item["reason"] for item in call.body["overrides"]} for call in public]
    assert {told["risk.stale"] for told in reasons} <= {"Published history was entered."}


@pytest.mark.parametrize("case", [case for case in CASES if any(call.to == "reopening" for call in case.calls)])
def test_a_reopened_case_brings_a_new_consent(case: CaseLine) -> None:
    reopening = next(call for call in case.calls if call.to == "reopening")
    scopes = [consent["scope"] for consent in reopening.body["records"]["consents"]]
    assert "take_up" in scopes


@pytest.mark.parametrize(
    ("published", "status", "reason", "made", "expected"),
    [
        (Published.RESOLVED, Status.CLOSED, CloseReason.DEMANDS_MET, set(), True),
        (Published.RESOLVED, Status.CLOSED, CloseReason.NO_RESULT, set(), False),
        (Published.RESOLVED, Status.MONITORING, None, set(), False),
        (Published.PARTIALLY_RESOLVED, Status.CLOSED, CloseReason.SETTLED_PARTIAL, set(), True),
        (Published.PARTIALLY_RESOLVED, Status.REMEDIATION, None, set(), True),
        (Published.PARTIALLY_RESOLVED, Status.ENGAGEMENT, None, set(), False),
        (Published.PARTIALLY_RESOLVED, Status.ENGAGEMENT, None, {"breach"}, True),
        (Published.PARTIALLY_RESOLVED, Status.CLOSED, CloseReason.NO_RESULT, {"breach"}, False),
        (Published.CLOSED_WITHOUT_RESULT, Status.CLOSED, CloseReason.UNSAFE_TO_CONTINUE, set(), True),
        (Published.CLOSED_WITHOUT_RESULT, Status.CLOSED, CloseReason.DEMANDS_MET, set(), False),
        (Published.OPEN, Status.SCREENING, None, set(), True),
        (Published.OPEN, Status.CLOSED, CloseReason.DEMANDS_MET, set(), False),
        (Published.UNKNOWN, Status.CLOSED, CloseReason.CONTACT_LOST, set(), True),
    ],
)
def test_where_a_case_stands_agrees_with_what_was_published(
    published: Published, status: Status, reason: CloseReason | None, made: set[str], expected: bool
) -> None:
    result = replay_results.Result("a-case", published, status, reason, sorted(made))
    assert result.agrees is expected
    assert result.fine is expected


# The player, against a service made of answers


class Service:
    """Answers as told, and remembers what it was asked."""

    def __init__(self, **answers: Callable[[httpx2.Request], httpx2.Response]) -> None:
        self.answers = answers
        self.asked: list[httpx2.Request] = []
        self.status = "screening"

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        path = request.url.path.removeprefix("/v1/").removeprefix("cases/UA-XXX-2020-AAAAA").strip("/")
        name = f"{request.method.lower()}_{path.split('/')[-1] or 'case'}".replace("-", "_")
        return self.answers[name](request) if name in self.answers else self._usual(name)

    def _usual(self, name: str) -> httpx2.Response:
        usual: dict[str, Any] = {
            "post_cases": {"reference": "UA-XXX-2020-AAAAA"},
            "get_steps": {"items": [{"noun": "screening"}]},
            "get_me": {"id": "an-account"},
            "get_case": {"status": self.status, "close_reason": None},
        }
        return httpx2.Response(200, json=usual.get(name, {"label": "made", "id": "an-id"}), headers={"ETag": '"1-2"'})

    def sent(self, method: str, path: str) -> list[httpx2.Request]:
        return [params for params in self.asked if params.method == method and params.url.path.endswith(path)]


def problem(status: int, **facts: Any) -> httpx2.Response:
    return httpx2.Response(status, json=facts, headers={"content-type": "application/problem+json"})


def line(*calls: dict[str, Any], published: str = "open") -> str:
    head = {"as": "coordinator", "to": "", "body": {"narrative": "a secret"}}
    return CaseLine.model_validate(
        {
            "key": "a-case",
            "title": "A case",
            "sources": ["https://example.org/"],
            "status_as_published": published,
            "coding": "As it is.",
            "events": [],
            "calls": [head, *calls],
        }
    ).model_dump_json(by_alias=True)


def test_a_file_in_another_format_is_told_by_its_line_and_not_by_what_it_holds(tmp_path: Path) -> None:
    good, path = line(), tmp_path / "cases.jsonl"
    for bad, says in (
        ('{"key": "a secret"', ""),
        (good.replace('"as":"coordinator"', '"as":"a secret"'), ", at /calls/0/as,"),
        (good.replace('"title"', '"a secret":1,"title"'), ""),
        ("[]", ""),
        ("a secret \udcff", ""),
    ):
        path.write_bytes(f"{good}\n\n{bad}\n".encode("utf-8", "surrogateescape"))
        with pytest.raises(replay_format.Unplayable) as told:
            replay_format.read(path)
        assert str(told.value) == f"cases.jsonl, line 3{says} is not in the replay format; docs/replay.md has it"


@pytest.mark.parametrize("mark", ["\u2028", "\x85"])
def test_a_line_ends_at_a_line_feed_and_nowhere_else(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(line().replace("A case", f"A{mark}case") + "\r\n", "utf-8")
    assert len(replay_format.read(path)) == 1


def asked(monkeypatch: pytest.MonkeyPatch, answer: httpx2.Response | Exception) -> list[str]:
    """Let the service answer so when it is asked whether it is ready; the addresses that were asked."""
    addresses: list[str] = []

    def get(url: str, **_: Any) -> httpx2.Response:
        addresses.append(url)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(httpx2, "get", get)
    return addresses


@pytest.mark.parametrize("status", [200, 403, 404])
def test_a_service_that_answers_is_played_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    (tmp_path / "cases.jsonl").write_text(line())
    addresses = asked(monkeypatch, httpx2.Response(status))
    replay_player.check(tmp_path / "cases.jsonl", "http://service/")
    assert addresses == ["http://service/readyz"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx2.Response(503), "the service at http://service is not ready (503)"),
        (
            httpx2.ConnectError("a secret"),
            "nothing answers at http://service; is the service running? --url names another",
        ),
        (
            httpx2.InvalidURL("a secret"),
            "nothing answers at http://service; is the service running? --url names another",
        ),
    ],
)
def test_a_service_that_is_not_there_or_not_ready_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: httpx2.Response | Exception, says: str
) -> None:
    (tmp_path / "cases.jsonl").write_text(line())
    asked(monkeypatch, answer)
    with pytest.raises(replay_format.Unplayable) as told:
        replay_player.check(tmp_path / "cases.jsonl", "http://service")
    assert str(told.value) == says


def test_a_file_is_looked_at_before_the_service_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cases.jsonl").write_text("no case")
    addresses = asked(monkeypatch, httpx2.Response(200))
    with pytest.raises(replay_format.Unplayable):
        replay_player.check(tmp_path / "cases.jsonl", "http://service")
    assert addresses == []


def test_the_pages_say_from_how_many_countries_the_cases_come() -> None:
    countries = {case.calls[0].body["country"] for case in CASES}
    for name in "README.md", "docs/replay.md":
        said = " ".join((ROOT / name).read_text("utf-8").split())
        assert re.findall(r"from (\d+) countries", said) == [str(len(countries))], name


@pytest.fixture
def play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Service, str], tuple[list[replay_results.Result], str]]:
    """Plays lines into a service and gives the results, and what the console showed."""

    def go(service: Service, text: str) -> tuple[list[replay_results.Result], str]:
        def client(url: str, key: str) -> httpx2.Client:
            return httpx2.Client(base_url=url, transport=httpx2.MockTransport(service), headers={"x-key": key})

        monkeypatch.setattr(replay_player, "_client", client)
        monkeypatch.setattr("time.sleep", lambda _: None)
        path = tmp_path / "cases.jsonl"
        path.write_text(text + "\n", "utf-8")
        shown = StringIO()
        keys = {"coordinator": "c", "caseworker": "w", "reviewer": "r"}
        return replay_player.replay(path, "http://service", keys, Console(file=shown, width=200)), shown.getvalue()

    return go


Play = Callable[[Service, str], tuple[list[replay_results.Result], str]]
SCREENING = {"as": "coordinator", "to": "screening", "body": {"assignee": "@coordinator", "lead_entity": "@nobody"}}


def test_a_step_carries_the_tag_and_the_account(play: Play) -> None:
    service = Service()
    results, shown = play(service, line(SCREENING))
    (sent,) = service.sent("POST", "/screening")
    assert sent.headers["if-match"] == '"1-2"'
    assert sent.read() == b'{"assignee":"an-account","lead_entity":"@nobody"}'
    assert results[0].fine
    assert "1 cases: 2 writes changed something, 0 were answered as before" in shown


def test_the_tag_is_read_again_after_a_record(play: Play) -> None:
    service = Service()
    play(service, line({"as": "caseworker", "to": "parties", "body": {}}, SCREENING))
    order = [(params.method, params.url.path.split("/")[-1]) for params in service.asked]
    assert order.index(("GET", "UA-XXX-2020-AAAAA")) < order.index(("POST", "screening"))


def test_the_same_call_has_the_same_idempotency_key_each_time(play: Play) -> None:
    first, second = Service(), Service()
    play(first, line(SCREENING))
    play(second, line(SCREENING))
    keys = [
        [params.headers["idempotency-key"] for params in s.asked if params.method == "POST"] for s in (first, second)
    ]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 2


def test_what_was_answered_before_is_counted_apart(play: Play) -> None:
    again = {"ETag": '"1-1"', "Idempotency-Replayed": "true"}
    service = Service(post_cases=lambda _: httpx2.Response(200, json={"reference": "UA-XXX-2020-AAAAA"}, headers=again))
    results, _ = play(service, line(SCREENING))
    assert (results[0].replayed, results[0].changed) == (1, 1)
    assert service.sent("POST", "/screening")[0].headers["if-match"] == '"1-2"'


def test_a_label_in_a_path_becomes_the_id(play: Play) -> None:
    service = Service()
    action = {"as": "caseworker", "to": "actions", "body": {"label": "made"}}
    answer = {"as": "caseworker", "to": "actions/#made/responses", "body": {"label": "reply"}}
    results, _ = play(service, line(action, answer))
    assert service.sent("POST", "/actions/an-id/responses")
    assert results[0].recorded == Counter(actions=1, responses=1)


def test_the_label_of_a_record_brought_along_is_looked_up_on_every_page(play: Play) -> None:
    def pages(request: httpx2.Request) -> httpx2.Response:
        if "cursor" in request.url.params:
            return httpx2.Response(200, json={"items": [{"label": "far", "id": "far-id"}], "next": None})
        return httpx2.Response(200, json={"items": [{"label": None, "id": "x"}], "next": "more"})

    service = Service(get_demands=pages)
    change = {"as": "caseworker", "to": "demands/#far", "method": "PATCH", "body": {"disposition": "met"}}
    play(service, line(change))
    assert service.sent("PATCH", "/demands/far-id")


def test_a_label_nobody_knows_stops_the_case(play: Play) -> None:
    service = Service(get_demands=lambda _: httpx2.Response(200, json={"items": [], "next": None}))
    change = {"as": "caseworker", "to": "demands/#far", "method": "PATCH", "body": {}}
    results, _ = play(service, line(change))
    assert str(results[0].refusal) == "call 1 demands: label.unknown"


def test_a_refused_call_stops_its_case_and_shows_codes_only(play: Play) -> None:
    unmet = [{"code": "risk.missing", "says": "a secret"}]
    service = Service(post_screening=lambda _: problem(409, code="step.refused", detail="a secret", unmet=unmet))
    results, shown = play(service, line(SCREENING, SCREENING))
    assert len(service.sent("POST", "/screening")) == 1
    assert "call 1 screening: step.refused, risk.missing" in shown
    assert "secret" not in shown
    assert not results[0].fine


def test_the_table_tells_under_which_reference_a_case_is_found(play: Play) -> None:
    results, shown = play(Service(), line(SCREENING))
    assert results[0].reference == "UA-XXX-2020-AAAAA"
    head = next(row for row in shown.splitlines() if "Reference" in row)
    row = next(row for row in shown.splitlines() if "UA-XXX-2020-AAAAA" in row)
    assert head.index("Reference") == row.index("UA-XXX-2020-AAAAA")


def test_a_narrow_table_folds_words_and_cuts_none_short() -> None:
    result = replay_results.Result("a-case-with-a-long-key", Published.PARTIALLY_RESOLVED, Status.PUBLIC_CAMPAIGN)
    result.reference, result.refusal = "UA-XXX-2020-AAAAA", replay_results.Refused(3, "screening", "step.refused")
    Console(file=(shown := StringIO()), width=80).print(replay_results.table([result]))
    assert "UA-XXX-2020-AAAAA" in shown.getvalue()
    assert "…" not in shown.getvalue()


def test_a_refused_intake_leaves_nothing_to_look_at(play: Play) -> None:
    errors = [{"pointer": "/country", "says": "a secret"}]
    service = Service(post_cases=lambda _: problem(422, code="invalid", errors=errors))
    results, shown = play(service, line())
    assert "call 0 intake: invalid, /country" in shown
    assert results[0].status is results[0].reference is None
    assert not results[0].agrees


def test_an_answer_that_is_no_problem_document_is_told_by_its_number(play: Play) -> None:
    results, _ = play(Service(post_cases=lambda _: httpx2.Response(502, text="a secret")), line())
    assert str(results[0].refusal) == "call 0 intake: http.502"


def test_a_service_that_is_away_stops_the_case(play: Play) -> None:
    def away(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("a secret")

    results, shown = play(Service(post_cases=away), line())
    assert "unreachable.ConnectError" in shown
    assert "secret" not in shown
    results, _ = play(Service(get_case=away), line())
    assert results[0].refusal is not None


def test_a_busy_service_is_asked_again(play: Play) -> None:
    answers = iter([httpx2.Response(409, headers={"Retry-After": "1"}), httpx2.Response(201, json={})])
    results, _ = play(Service(post_screening=lambda _: next(answers)), line(SCREENING))
    assert results[0].fine


def test_a_service_that_stays_busy_stops_the_case(play: Play) -> None:
    busy = problem(409, code="idempotency.still_running")
    busy.headers["Retry-After"] = "1"
    service = Service(post_screening=lambda _: busy)
    results, _ = play(service, line(SCREENING))
    assert len(service.sent("POST", "/screening")) == replay_player.TRIES
    assert str(results[0].refusal) == "call 1 screening: idempotency.still_running"


def test_the_key_goes_into_the_header() -> None:
    with replay_player._client("http://service", "a-key") as client:
        assert client.headers["Authorization"] == "Bearer a-key"
