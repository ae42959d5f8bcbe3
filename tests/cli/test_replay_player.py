"""The player of the replay, against a simulated service."""

import re
from collections import Counter
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import httpx2
import pytest
from rich.console import Console

from appeals.cli import replay_format, replay_player, replay_results
from appeals.cli.replay_format import CaseLine, Published
from appeals.vocabulary import Status
from tests.support.replaying import CASES, ROOT

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
        assert (
            str(told.value) == f"cases.jsonl, line 3{says} is not in the replay format, which docs/replay.md describes"
        )


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
