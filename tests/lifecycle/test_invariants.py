"""The invariants of domain.md 6, each with a test that tries to break it, as far as the service is built.

12 (withdrawal) and 14 (reopening) stand in `tests/lifecycle/test_steps.py`, one code of a guard each in
`tests/lifecycle/test_guards.py`; the same idempotency key and the same case (16) in `tests/api/test_idempotency.py`; 7
in `tests/access/test_access.py`.
"""

from datetime import UTC, date, datetime
from itertools import product
from typing import Any
from uuid import uuid4

import pytest

from appeals.cases.consent import Consent
from appeals.cases.last_word import SCOPE_OF_LEVEL, Words
from appeals.vocabulary import PublicationLevel
from tests.support.cast import CONSENTS, PARTIES, Body, World, consent, day, step_input
from tests.support.invariants import consents_to, end, publications, records
from tests.support.refusals import codes

SIGNED_UP = [given for given in CONSENTS if not given["scope"].startswith("publish")]

SIDES = ("workers", "local_partner", "person")


def to_publish(level: str, side: str, **changed: Any) -> Body:
    """The consent of a side to publish at a level; a person's own names the person."""
    return consent(f"publish_{level}", side, **({"of": "#seven"} if side == "person" else {}), **changed)


# 1. Nothing is published without consent in force of both sides, at least as wide as the level


LEVELS = ["anonymised", "named", "person"]

GOES_PUBLIC = [
    ("anonymised", "anonymised", "anonymised", None, True),
    ("anonymised", "person", "named", None, True),
    ("anonymised", None, "named", None, False),
    ("anonymised", "named", None, None, False),
    ("named", "named", "anonymised", None, False),
    ("named", "anonymised", "named", None, False),
    ("named", "named", "named", None, True),
    ("person", "person", "person", None, False),
    ("person", "person", "named", "person", False),
    ("person", "named", "person", "person", False),
    ("person", "person", "person", "named", False),
    ("person", "person", "person", "person", True),
]


@pytest.mark.parametrize(("level", "workers", "partner", "person", "public"), GOES_PUBLIC)
def test_1_nothing_is_published_wider_than_both_sides_agreed(
    world: World, level: str, workers: str | None, partner: str | None, person: str | None, public: bool
) -> None:
    sides = dict(zip(SIDES, (workers, partner, person), strict=True))
    agreed = [to_publish(widest, side) for side, widest in sides.items() if widest]
    reference = world.case_in("engagement", records=records([*SIGNED_UP, *agreed]))
    assert world.reviewer.add(reference, "approvals", {"level": "person"}).status_code == 201
    answer = world.coordinator.step(reference, "escalation", {**step_input("escalation"), "publication_level": level})
    assert (answer.status_code == 201) is public, answer.text
    assert world.show(reference)["publication"] == (level if public else "none")
    assert len(publications(world, reference)) == public


@pytest.mark.parametrize(
    ("given", "void"),
    [
        ({"subject": "requester"}, set()),
        ({"subject": "person", "of": "#seven"}, set()),
        ({"state": "requested", "given_on": None, "method": None}, set()),
        ({"state": "refused", "given_on": None, "method": None}, {"signature.missing"}),
        ({"expires_on": day(1)}, set()),
        ({"scope": "media_interview"}, set()),
        ({"recipients": ["Evening Post"]}, set()),
        ({"state": "given_with_conditions", "conditions": ["No photographs."]}, set()),
    ],
)
def test_1_a_consent_of_another_or_out_of_force_publishes_nothing(world: World, given: Body, void: set[str]) -> None:
    workers = {**consent("publish_named"), **given}
    agreed = [*SIGNED_UP, workers, consent("publish_named", "local_partner")]
    reference = world.case_in("engagement", records=records(agreed))
    world.reviewer.add(reference, "approvals", {"level": "named"})
    refused = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert codes(refused) == {"consent.publish.workers.missing", *void}


def test_1_a_consent_covers_just_the_levels_up_to_its_own() -> None:
    on, now = date(2026, 5, 1), datetime(2026, 5, 2, tzinfo=UTC)
    said = {"subject": "workers", "state": "given", "given_on": on, "given_precision": "exact", "recorded_at": now}
    for widest, level in product(LEVELS, LEVELS):
        given = Consent(**said, id=uuid4(), scope=f"publish_{widest}", recipients=[], conditions=[])
        answer = Words([given], [], now.date()).workers(SCOPE_OF_LEVEL[PublicationLevel(level)], on)
        assert answer.permits() is (LEVELS.index(widest) >= LEVELS.index(level))


def test_1_a_publication_rests_on_the_consents_of_both_sides_and_on_two_people(world: World) -> None:
    reference = world.case_in("public_campaign")
    (up,) = publications(world, reference)
    sides = [consents_to(world, reference, "publish_named", who)[0]["id"] for who in ("workers", "local_partner")]
    assert sides == [str(consent) for consent in up.consents]
    assert (up.level, up.is_up) == ("named", True)
    signed = {str(up.recorded_by), str(up.approved_by)}
    assert signed == {world.coordinator.account, world.reviewer.account}


# 2. A no takes down what rests on that subject's yes, and suspends a public campaign; nothing goes up again by itself


def is_paused_by_a_no(world: World, reference: str, before: list[Body]) -> None:
    """The campaign was suspended by who recorded the no, and its page came down in the same moment."""
    shown, history = world.show(reference), world.history(reference)
    assert (shown["status"], shown["suspended_from"], shown["publication"]) == ("suspended", "public_campaign", "none")
    assert history[:-1] == before
    told = {name: history[-1][name] for name in ("step", "reason", "account_id", "role")}
    assert told == {
        "step": "suspension",
        "reason": "consent_withdrawn",
        "account_id": world.caseworker.account,
        "role": "caseworker",
    }
    (down,) = publications(world, reference)
    assert down.taken_down_at is not None
    assert down.taken_down_at.isoformat() == history[-1]["recorded_at"].replace("Z", "+00:00")


@pytest.mark.parametrize("side", ["workers", "local_partner"])
@pytest.mark.parametrize(
    "ends",
    [
        {"state": "withdrawn"},
        {"state": "withdrawn", "withdrawn_on": day(2)},
        {"state": "withdrawn", "withdrawn_on": day(30)},
        {"state": "withdrawn", "withdrawn_on": day(-1)},
        {"expires_on": day(1)},
    ],
)
def test_2_a_consent_that_ends_takes_the_publication_down_and_pauses_the_campaign(
    world: World, side: str, ends: Body
) -> None:
    reference = world.case_in("public_campaign")
    before = world.history(reference)
    end(world.caseworker, reference, consents_to(world, reference, "publish_named", side)[0], **ends)
    is_paused_by_a_no(world, reference, before)


@pytest.mark.parametrize("side", ["workers", "workers_union", "local_partner", "requester"])
@pytest.mark.parametrize("scope", ["publish_anonymised", "publish_named"])
def test_2_a_refusal_by_any_voice_of_a_side_takes_down_however_often_the_yes_is_on_record(
    world: World, side: str, scope: str
) -> None:
    reference = world.case_in("public_campaign")
    for again in (consent("publish_named", side), consent("publish_person", side, given_on=day(2))):
        assert world.caseworker.add(reference, "consents", again).status_code == 201
    before = world.history(reference)
    refusal = {"subject": side, "scope": scope, "state": "refused"}
    assert world.caseworker.add(reference, "consents", refusal).status_code == 201
    is_paused_by_a_no(world, reference, before)


def test_2_a_no_that_is_told_late_voids_what_was_signed_before_it_though_a_newer_yes_is_on_record(world: World) -> None:
    reference = world.case_in("public_campaign")
    again = consent("publish_named", given_on=day(1))
    assert world.caseworker.add(reference, "consents", again).status_code == 201
    before = world.history(reference)
    assert world.show(reference)["status"] == "public_campaign"
    end(world.caseworker, reference, consents_to(world, reference, "publish_named", "workers")[0], withdrawn_on=day(3))
    is_paused_by_a_no(world, reference, before)
    resumed = world.coordinator.step(reference, "resumption", step_input("resumption"))
    assert codes(resumed) == {"signature.missing"}


def test_2_a_no_to_more_than_is_published_leaves_it_up(world: World) -> None:
    reference = world.case_in("public_campaign")
    before = world.history(reference)
    refusal = {"subject": "workers", "scope": "publish_person", "state": "refused"}
    assert world.caseworker.add(reference, "consents", refusal).status_code == 201
    shown = world.show(reference)
    assert (shown["status"], shown["publication"], world.history(reference)) == ("public_campaign", "named", before)


def test_2_the_partner_who_withdraws_pauses_the_campaign(world: World) -> None:
    reference = world.case("partner", records={"parties": PARTIES, "consents": CONSENTS})
    world.caseworker.add(reference, "risk-assessments", {"level": "low", "assessed_on": day()})
    for noun in ("screening", "verification", "acceptance", "engagement", "escalation"):
        world.take(reference, noun)
    end(world.as_("partner"), reference, consents_to(world, reference, "publish_named", "local_partner")[0])
    assert (world.show(reference)["status"], world.history(reference)[-1]["role"]) == ("suspended", "partner")


@pytest.mark.parametrize("left", ["publish_named", "publish_person"])
def test_2_a_campaign_goes_on_when_one_of_two_voices_runs_out_and_not_when_it_says_no(world: World, left: str) -> None:
    reference = world.case_in("public_campaign", records=records([*CONSENTS, consent(left, "workers_union")]))
    before = world.history(reference)
    (ended,) = consents_to(world, reference, "publish_named", "workers")
    (up,) = publications(world, reference)
    end(world.caseworker, reference, ended, expires_on=day(1))
    shown = world.show(reference)
    assert (shown["status"], shown["publication"], world.history(reference)) == ("public_campaign", "named", before)
    assert [(made.id, made.token, made.is_up) for made in publications(world, reference)] == [(up.id, up.token, True)]
    end(world.caseworker, reference, ended)
    is_paused_by_a_no(world, reference, before)


def test_2_a_narrower_consent_left_does_not_keep_the_campaign_up(world: World) -> None:
    narrow = consent("publish_anonymised", "workers_union")
    reference = world.case_in("public_campaign", records=records([*CONSENTS, narrow]))
    ended = consents_to(world, reference, "publish_named", "workers")[0]
    end(world.caseworker, reference, ended, expires_on=day(1))
    assert (world.show(reference)["status"], world.show(reference)["publication"]) == ("suspended", "none")


@pytest.mark.parametrize("side", ["workers", "local_partner"])
def test_2_what_came_down_by_a_no_goes_up_on_a_newer_yes_and_newer_signatures_alone(world: World, side: str) -> None:
    reference = world.case_in("public_campaign")
    assert world.reviewer.add(reference, "approvals", {"level": "named"}).status_code == 201
    end(world.caseworker, reference, consents_to(world, reference, "publish_named", side)[0], withdrawn_on=day(2))
    for given_on, unmet in (
        (day(3), {f"consent.publish.{'workers' if side == 'workers' else 'partner'}.missing", "signature.missing"}),
        (day(1), {"signature.missing"}),
    ):
        again = consent("publish_named", side, given_on=given_on)
        assert world.caseworker.add(reference, "consents", again).status_code == 201
        assert codes(world.coordinator.step(reference, "resumption", step_input("resumption"))) == unmet
        assert world.show(reference)["publication"] == "none"
    assert world.reviewer.add(reference, "approvals", {"level": "named"}).status_code == 201
    assert world.show(reference)["publication"] == "none"
    world.take(reference, "resumption")
    assert (world.show(reference)["status"], world.show(reference)["publication"]) == ("public_campaign", "named")


def test_2_a_person_who_withdraws_is_named_no_longer(world: World) -> None:
    everybody = [to_publish("person", side) for side in SIDES]
    reference = world.case_in("engagement", records=records([*SIGNED_UP, *everybody]))
    world.reviewer.add(reference, "approvals", {"level": "person"})
    said = {**step_input("escalation"), "publication_level": "person"}
    assert world.coordinator.step(reference, "escalation", said).json()["case"]["publication"] == "person"
    end(world.caseworker, reference, consents_to(world, reference, "publish_person", "person")[0])
    assert (world.show(reference)["status"], world.show(reference)["publication"]) == ("suspended", "none")


def test_2_another_consent_that_ends_leaves_the_publication_up(world: World) -> None:
    reference = world.case_in("public_campaign")
    end(world.caseworker, reference, consents_to(world, reference, "contact_brand", "workers")[0])
    assert (world.show(reference)["status"], world.show(reference)["publication"]) == ("public_campaign", "named")


KEPT_UP = {"keep_public": "The workers ask that it can still be read."}


@pytest.mark.parametrize(
    ("way", "said", "state"), [("de-escalation", KEPT_UP, "engagement"), ("closure", {}, "closed")]
)
def test_2_a_publication_comes_down_in_any_state_and_no_other_state_is_paused(
    world: World, way: str, said: Body, state: str
) -> None:
    reference = world.case_in("public_campaign")
    world.take(reference, way, **said)
    assert world.show(reference)["publication"] == "named"
    end(world.caseworker, reference, consents_to(world, reference, "publish_named", "workers")[0])
    assert (world.show(reference)["status"], world.show(reference)["publication"]) == (state, "none")
    assert not any(publication.is_up for publication in publications(world, reference))


def test_2_whoever_last_read_the_case_before_the_withdrawal_decides_anew(world: World) -> None:
    reference = world.case_in("public_campaign")
    world.take(reference, "de-escalation", **KEPT_UP)
    tag = world.coordinator.get(f"/v1/cases/{reference}").headers["ETag"]
    end(world.caseworker, reference, consents_to(world, reference, "publish_named", "workers")[0])
    answer = world.coordinator.step(reference, "suspension", step_input("suspension"), If_Match=tag)
    assert answer.status_code == 412


# 3. No case is accepted without the workers' own consent to take it up


@pytest.mark.parametrize(
    "given",
    [
        [],
        [consent("take_up", "workers_union"), consent("take_up", "local_partner"), consent("take_up", "requester")],
        [consent("take_up", state="requested", given_on=None, method=None)],
        [consent("take_up", expires_on=day(1))],
        [consent("retain"), consent("share_network")],
    ],
)
def test_3_no_case_is_accepted_without_the_workers_own_consent(world: World, given: list[Body]) -> None:
    reference = world.case_in("screening", records=records(given))
    world.take(reference, "verification")
    refused = world.coordinator.step(reference, "acceptance", step_input("acceptance"))
    assert codes(refused) == {"consent.take_up.workers.missing"}
    assert world.records(reference, "demands") == []


def test_3_a_consent_that_was_withdrawn_accepts_nothing_not_even_backdated(world: World) -> None:
    reference = world.case_in("screening")
    world.take(reference, "verification")
    end(world.caseworker, reference, consents_to(world, reference, "take_up", "workers")[0], withdrawn_on=day(1))
    before = {"occurred_on": day(3), "occurred_precision": "day_unknown"}
    for said in ({}, before):
        refused = world.coordinator.step(reference, "acceptance", {**step_input("acceptance"), **said})
        assert "consent.take_up.workers.missing" in codes(refused)
