"""The commands for accounts, entities and keys."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from typer.testing import Result

from appeals.accounts.api_key import OVERLAP, Key, note_use
from tests.support.cast import Person, World, intake
from tests.support.command_line import KEY, Appeals, Refused

# keys and accounts


ENTITIES = (
    "East Asia, Europe, Europe Production, Garment Workers Centre, International Office, South Asia, South East Asia, "
    "Tannery Workers Centre"
)


def holder(world: World, made: Result) -> Person:
    """Whoever holds the key that was printed."""
    return Person(world.client, made.output.strip())


def test_key_new_prints_the_key_and_nothing_else(appeals: Appeals, here: str, world: World) -> None:
    made = appeals("key", "new", "--role", "reviewer")
    assert re.fullmatch(rf"{KEY.pattern}\n", made.output)
    me = holder(world, made).get("/v1/me").json()
    assert [(held["role"], held["entity_name"]) for held in me["memberships"]] == [("reviewer", "International Office")]


def test_a_key_works_within_its_entity_only(appeals: Appeals, here: str, world: World) -> None:
    europe = holder(world, appeals("key", "new", "--role", "coordinator", "--entity", "Europe"))
    assert europe.post("/v1/cases", intake(entity="Europe Production")).status_code == 201
    assert europe.post("/v1/cases", intake(entity="South Asia")).status_code == 403


def test_a_key_for_an_account_is_that_account(appeals: Appeals, here: str, world: World) -> None:
    partner = holder(world, appeals("key", "new", "--account", "partner"))
    assert partner.get("/v1/me").json()["name"] == "partner"


def test_a_key_lasts_as_long_as_was_said(appeals: Appeals, here: str, world: World) -> None:
    made = appeals("key", "new", "--account", "partner", "--days", "3").output
    with world.database.reading() as session:
        kept = session.get_one(Key, made.split("_")[1])
        assert kept.expires_at - kept.recorded_at == pytest.approx(timedelta(days=3), abs=timedelta(seconds=5))


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ([], "give either --role or --account"),
        (["--role", "reviewer", "--account", "partner"], "give either --role or --account"),
        (["--role", "reviewer", "--entity", "Atlantis"], f"no entity is named 'Atlantis'; there are: {ENTITIES}"),
        (["--account", "nobody"], "no account is named 'nobody'"),
    ],
)
def test_a_key_is_made_for_somebody_who_exists(appeals: Appeals, here: str, said: list[str], answer: str) -> None:
    made = appeals("key", "new", *said)
    assert (made.exit_code, made.output) == (1, f"appeals: {answer}\n")


def test_a_revoked_key_is_dead_on_the_next_request(appeals: Appeals, here: str, world: World) -> None:
    reader = world.as_("reader")
    assert reader.get("/v1/cases").status_code == 200
    key_id = (reader.key or "").split("_")[1]
    assert appeals("key", "revoke", key_id).output == f"revoked {key_id}\n"
    assert reader.get("/v1/cases").status_code == 401


def test_revoking_a_key_twice_keeps_the_first_moment(appeals: Appeals, here: str, world: World) -> None:
    key_id = (world.as_("reader").key or "").split("_")[1]
    moments = []
    for _ in range(2):
        appeals("key", "revoke", key_id)
        with world.database.reading() as session:
            moments.append(session.scalar(select(Key.revoked_at).where(Key.id == key_id)))
    assert moments[0] == moments[1] is not None


def test_a_key_that_nobody_has_cannot_be_revoked(appeals: Appeals, here: str) -> None:
    done = appeals("key", "revoke", "00000000")
    assert (done.exit_code, done.output) == (1, "appeals: no key has this id\n")


def test_a_whole_key_is_not_repeated(appeals: Appeals, here: str, world: World) -> None:
    key = world.as_("reader").key or ""
    for said in key, key[:11], "7fK2m9Q":
        done = appeals("key", "revoke", said)
        assert done.exit_code == 1
        assert done.output == "appeals: a key is revoked by its id: give only the 8 characters after ua_\n"
    assert world.as_("reader").get("/v1/me").status_code == 200


def test_keys_are_listed_with_whose_they_are_and_how_long_they_last(appeals: Appeals, here: str, world: World) -> None:
    appeals("account", "new", "zz desk", "--role", "reader")
    secrets = [appeals("key", "new", "--account", "zz desk", "--days", days).output.strip() for days in ("3", "9")]
    ids = [secret.split("_")[1] for secret in secrets]
    appeals("key", "revoke", ids[1])
    listed = appeals("key", "list").output
    with world.database.reading() as session:
        days = [session.get_one(Key, id).expires_at.date() for id in ids]
        assert len(listed.splitlines()) == len(session.scalars(select(Key.id)).all())
    assert listed.splitlines()[-2:] == [
        f"{ids[0]}\tzz desk\t{days[0]}\tnot revoked\tread write open manage\tnever used",
        f"{ids[1]}\tzz desk\t{days[1]}\trevoked\tread write open manage\tnever used",
    ]
    assert not KEY.search(listed)


def test_accounts_are_made_given_more_roles_and_listed(appeals: Appeals, here: str) -> None:
    for role, entity in (("caseworker", "South Asia"), ("reviewer", "Europe"), ("reviewer", "Europe")):
        done = appeals("account", "new", "desk", "--role", role, "--entity", entity)
        assert done.output == f"desk: {role} in {entity}\n"
    listed = appeals("account", "list").output.splitlines()
    assert "desk\tperson\tcaseworker in South Asia, reviewer in Europe" in listed


def test_an_account_holds_its_role_in_an_entity_that_exists(appeals: Appeals, here: str) -> None:
    done = appeals("account", "new", "desk", "--role", "caseworker", "--entity", "Atlantis")
    assert (done.exit_code, done.output) == (1, f"appeals: no entity is named 'Atlantis'; there are: {ENTITIES}\n")


def test_a_key_opens_what_was_said_and_all_if_nothing_was(appeals: Appeals, here: str, world: World) -> None:
    narrow = appeals("key", "new", "--account", "reader", "--scope", "manage", "--scope", "read").output
    assert re.fullmatch(rf"{KEY.pattern}\n", narrow)
    wide = appeals("key", "new", "--account", "reader").output
    with world.database.reading() as session:
        kept = [session.get_one(Key, key.split("_")[1]).scopes for key in (narrow, wide)]
    assert kept == [["read", "manage"], ["read", "write", "open", "manage"]]
    assert appeals("key", "new", "--account", "reader", "--scope", "everything").exit_code == 2


def test_a_key_is_rotated_by_its_id_once_at_a_time(appeals: Appeals, refused: Refused, here: str, world: World) -> None:
    old = appeals("key", "new", "--account", "reader", "--scope", "read").output.strip()
    key_id = old.split("_")[1]
    after = appeals("key", "rotate", key_id)
    assert re.fullmatch(rf"{KEY.pattern}\n", after.output)
    assert Person(world.client, old).get("/v1/me").status_code == holder(world, after).get("/v1/me").status_code == 200
    assert (
        f"{key_id}\treader\t{(datetime.now(UTC) + OVERLAP).date()}\trotated\tread\tused {datetime.now(UTC).date()}"
        in (appeals("key", "list").output)
    )
    assert refused("key", "rotate", key_id).startswith("appeals: The old key and its successor are both live")
    assert old not in refused("key", "rotate", key_id)


def test_the_last_use_of_a_key_is_listed_by_its_day(appeals: Appeals, here: str, world: World) -> None:
    key_id = (world.as_("reader").key or "").split("_")[1]
    with world.database.writing() as session:
        note_use(session, key_id, date(2026, 3, 1))
    assert any(line.startswith(key_id) and line.endswith("\tused 2026-03-01") for line in listed_keys(appeals))


def listed_keys(appeals: Appeals) -> list[str]:
    """The lines of `key list`."""
    return appeals("key", "list").output.splitlines()


def test_roles_are_granted_and_ended_and_accounts_disabled(appeals: Appeals, here: str, world: World) -> None:
    assert appeals("account", "grant", "dashboard", "--role", "reader", "--entity", "Europe").output == (
        "dashboard: reader in Europe\n"
    )
    assert world.as_("dashboard").get("/v1/cases").status_code == 200
    assert appeals("account", "end-role", "dashboard", "--role", "reader", "--entity", "Europe").output == (
        "dashboard: no longer reader in Europe\n"
    )
    assert world.as_("dashboard").get("/v1/cases").status_code == 403
    assert appeals("account", "disable", "dashboard", "--reason", "left").output == "dashboard: disabled\n"
    assert world.as_("dashboard").get("/v1/me").status_code == 401
    assert "dashboard\tperson\tdisabled" in appeals("account", "list").output.splitlines()


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (["grant", "nobody", "--role", "reader"], "no account is named 'nobody'"),
        (["disable", "nobody", "--reason", "left"], "no account is named 'nobody'"),
        (["end-role", "reader", "--role", "partner"], "reader is no partner in International Office"),
        (["new", "gone", "--role", "reader"], "the account 'gone' was disabled; choose another name"),
    ],
)
def test_what_cannot_be_done_to_an_account_is_told(appeals: Appeals, here: str, said: list[str], answer: str) -> None:
    appeals("account", "new", "gone", "--role", "reader")
    appeals("account", "disable", "gone", "--reason", "mistake")
    done = appeals("account", *said)
    assert (done.exit_code, done.output) == (1, f"appeals: {answer}\n")


def test_the_last_admin_stays_also_by_command(refused: Refused, here: str) -> None:
    told = "appeals: Nobody would administer the network; grant the role to another admin of the root first."
    assert refused("account", "end-role", "admin", "--role", "admin") == told
    assert refused("account", "disable", "admin", "--reason", "left") == told


def test_entities_are_made_and_listed_as_a_tree(appeals: Appeals, refused: Refused, here: str) -> None:
    made = appeals(
        "entity", "new", "Sample Desk", "--kind", "member", "--parent", "Europe Production", "--country", "SE"
    )
    assert made.output == "Sample Desk: member below Europe Production\n"
    lines = appeals("entity", "list").output.splitlines()
    assert lines[0] == "International Office\tinternational_office\tno country"
    at = lines.index("  Europe\tregional_coalition\tno country")
    assert lines[at + 1 : at + 3] == ["    Europe Production\tsubgroup\tno country", "      Sample Desk\tmember\tSE"]
    assert refused("entity", "new", "Group", "--kind", "subgroup") == (
        "appeals: kind must be below one of: regional_coalition"
    )
    for said, answer in (
        (["Europe", "--kind", "member"], "an entity is named 'Europe' already"),
        (["X", "--kind", "member", "--country", "Europe"], "country: Value error, must be an ISO 3166-1 alpha-2"),
        (["X", "--kind", "member", "--parent", "Atlantis"], "no entity is named 'Atlantis'; there are: East Asia"),
    ):
        done = appeals("entity", "new", *said)
        assert done.exit_code == 1
        assert done.output.startswith(f"appeals: {answer}")
