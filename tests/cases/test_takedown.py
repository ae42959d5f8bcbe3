"""What takes a publication down: a takedown, the end of a case, a consent that ends."""

import pytest

from tests.support.cast import Body, World, day, intake, step_input
from tests.support.clock import on_day
from tests.support.pages import (
    ABSENT,
    SIDES,
    SIGNED_UP,
    UNSIGNED,
    WORKERS,
    a_case,
    agreed_by_all,
    approve,
    public,
    publish,
    published,
    say_no,
    say_yes,
    take_down,
    to_publish,
)
from tests.support.refusals import codes


def test_a_takedown_ends_it_at_once_and_pauses_the_campaign(world: World) -> None:
    reference = world.case_in("public_campaign")
    (publication,) = world.records(reference, "publications")
    down = take_down(world, reference, publication, Idempotency_Key="down")
    assert (down.status_code, public(world)) == (201, {})
    shown = world.show(reference)
    assert (shown["status"], shown["publication"]) == ("suspended", "none")
    assert world.history(reference)[-1]["reason"] == "safety"
    assert take_down(world, reference, publication, Idempotency_Key="down").content == down.content
    assert codes(take_down(world, reference, publication)) == {"publication.taken_down"}
    assert (public(world), world.show(reference)) == ({}, shown)
    assert world.records(reference, "publications") == [down.json()]


def test_taking_an_old_publication_down_leaves_the_one_that_replaced_it(world: World) -> None:
    reference = a_case(world)
    old = published(world, reference)
    new = published(world, reference, "named")
    assert codes(take_down(world, reference, old)) == {"publication.taken_down"}
    assert public(world) == {new["token"]: new["shows"]}


def test_a_publication_is_taken_down_only_by_its_own_case(world: World) -> None:
    reference, other = a_case(world), world.case()
    publication = published(world, reference)
    assert take_down(world, other, publication).status_code == 404
    assert public(world).keys() == {publication["token"]}


NOT_WANTED = {"publication.called_off", "consent.take_up.workers.missing", WORKERS, UNSIGNED}
ENDINGS: dict[str, tuple[Body, set[str]]] = {
    "withdrawal": ({}, NOT_WANTED),
    "withdrawal by the requester": ({"withdrawn_by": "requester"}, {"publication.called_off"}),
    "merger": ({}, {"publication.called_off"}),
    "referral": ({}, {"publication.not_accepted"}),
    "closure": ({"reason": "unsafe_to_continue"}, {"publication.called_off"}),
}


@pytest.mark.parametrize("way", ENDINGS)
def test_what_is_called_off_comes_down_and_is_not_published_again(world: World, way: str) -> None:
    reference, noun, (body, unmet) = a_case(world), way.split(maxsplit=1)[0], ENDINGS[way]
    published(world, reference)
    approve(world, reference)
    world.take(reference, noun, **({"survivor": world.case()} if noun == "merger" else body))
    assert public(world) == {}
    assert codes(publish(world, reference)) == unmet
    assert public(world) == {}


def test_a_case_that_was_called_off_and_reopened_may_be_published_again_on_new_consents(world: World) -> None:
    reference = a_case(world)
    before = published(world, reference)
    world.take(reference, "withdrawal", withdrawn_on=day(1))
    world.take(reference, "reopening")
    approve(world, reference)
    assert codes(publish(world, reference)) == {WORKERS}
    say_yes(world, reference, "publish_named", "workers", given_on=day())
    publication = published(world, reference)
    assert public(world).keys() == {publication["token"]} != {before["token"]}


@pytest.mark.parametrize(
    ("noun", "said"),
    [
        ("suspension", {"reason": "negotiation_pause"}),
        ("suspension", {"reason": "awaiting_proceeding"}),
        ("suspension", {"reason": "contact_lost"}),
        ("closure", {}),
        ("de-escalation", {"keep_public": "The workers ask that it can still be read."}),
    ],
)
def test_what_was_agreed_to_stays_public_through(world: World, noun: str, said: Body) -> None:
    reference = world.case_in("public_campaign")
    before = public(world)
    world.dispose(reference, "not_met")
    world.take(reference, noun, **said)
    assert public(world) == before != {}


@pytest.mark.parametrize(
    ("noun", "said"),
    [
        ("suspension", {"reason": "consent_withdrawn"}),
        ("closure", {"reason": "unsafe_to_continue"}),
        ("de-escalation", {}),
    ],
)
def test_what_nobody_stands_for_any_more_comes_down_with(world: World, noun: str, said: Body) -> None:
    reference = world.case_in("public_campaign")
    entry = world.take(reference, noun, **said)["entry"]
    assert public(world) == {}
    (publication,) = world.records(reference, "publications")
    assert publication["taken_down_at"] == entry["recorded_at"]
    assert world.history(reference)[-1] == entry


# Consents that end


@pytest.mark.parametrize("side", SIDES)
def test_each_side_alone_can_end_it(world: World, side: str) -> None:
    reference = a_case(world, **agreed_by_all())
    published(world, reference, "person")
    say_no(world, reference, "publish_person", side)
    assert public(world) == {}


def test_what_two_voices_of_a_side_agreed_to_stays_up_when_the_word_of_one_runs_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = [to_publish("named", side) for side in ("workers_union", "local_partner")]
    reference = a_case(world, consents=[*SIGNED_UP, *sides, to_publish("named", "workers", expires_on=day(-2))])
    publication = published(world, reference, "named")
    on_day(monkeypatch, 3)
    assert public(world) == {publication["token"]: publication["shows"]}


@pytest.mark.parametrize("side", [0, 1])
def test_a_consent_that_runs_out_ends_it_though_nobody_wrote(
    world: World, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    lasting = {published(world, a_case(world), "named")["token"] for _ in range(4)}
    sides = [to_publish("named", who) for who in ("workers", "local_partner")]
    sides[side]["expires_on"] = day(-2)
    running_out = a_case(world, consents=[*SIGNED_UP, *sides])
    publication = published(world, running_out, "named")
    total = [{"cases": 5}]
    for days, tokens, figures in ((0, lasting | {publication["token"]}, total), (2, None, total), (3, lasting, [])):
        on_day(monkeypatch, days)
        assert public(world).keys() == (lasting | {publication["token"]} if tokens is None else tokens)
        assert world.nobody.get("/public/statistics").json()["items"] == figures
    gone, absent = (world.nobody.get(f"/public/cases/{token}") for token in (publication["token"], ABSENT))
    assert (gone.status_code, gone.content) == (404, absent.content)


def test_a_campaign_whose_consent_ran_out_is_not_resumed_on_the_old_publication(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = [to_publish("named", who, expires_on=day(-2)) for who in ("workers", "local_partner")]
    reference = world.case_in("public_campaign", records={**intake()["records"], "consents": [*SIGNED_UP, *sides]})
    world.take(reference, "suspension", reason="negotiation_pause")
    on_day(monkeypatch, 3)
    for who in ("workers", "local_partner"):
        say_yes(world, reference, "publish_named", who, given_on=day())
    assert codes(world.coordinator.step(reference, "resumption", step_input("resumption"))) == {UNSIGNED}
    approve(world, reference)
    world.take(reference, "resumption")
    assert world.show(reference)["status"] == "public_campaign"
    assert len(public(world)) == 1


def test_a_campaign_is_resumed_on_the_page_that_stayed_up_and_on_what_was_signed_for_it(world: World) -> None:
    condition = {"state": "given_with_conditions", "conditions": ["No photographs."]}
    records = agreed_by_all()
    records["consents"] = [*SIGNED_UP, *(to_publish("person", side, **condition) for side in SIDES)]
    reference = world.case_in("engagement", records={**intake()["records"], **records})
    words = [word["id"] for word in world.records(reference, "consents") if word["conditions"]]
    met = [{"consent": word, "condition": "No photographs.", "how": "The editor saw to it."} for word in words]
    signed = world.reviewer.add(reference, "approvals", {"level": "person", "conditions_met": met})
    assert signed.status_code == 201, signed.text
    body = {**step_input("escalation"), "publication_level": "person"}
    assert world.coordinator.step(reference, "escalation", body).status_code == 201
    before = public(world)
    world.take(reference, "suspension", reason="negotiation_pause")
    world.take(reference, "resumption")
    assert public(world) == before != {}
    assert world.show(reference)["status"] == "public_campaign"
