"""The replay format and the published cases in it: every body fits, and every event of the sources is recorded."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from appeals.cases.response import ResponseBody
from appeals.cli import replay_results
from appeals.cli.replay_format import CallLine, CaseLine, Published
from appeals.fields import earliest, latest
from appeals.lifecycle import case_inputs, record_kinds
from appeals.lifecycle.step_input import StepInput
from appeals.lifecycle.steps import STEP_OF_NOUN, Step
from appeals.vocabulary import CloseReason, Status
from tests.support.replaying import CASES, ROOT, actions

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
    return StepInput.model_validate({"occurred_on": text}).occurred_on


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
