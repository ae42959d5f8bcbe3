"""The `appeals` command: invalid settings, generated pages, the replay."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from appeals import __main__ as command
from appeals.accounts.account import Account
from appeals.cli import generated_docs, replay_player, replay_results
from appeals.lifecycle.steps import STEPS
from appeals.read_models.case_snapshot import CaseSnapshot
from appeals.settings import Settings, SettingsError, pepper_of
from tests.support.cast import Person, World
from tests.support.command_line import CASES, NOWHERE, ON_A_NETWORK, Appeals, Refused

# settings that cannot be used


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("APPEALS_PROT", "9000", "APPEALS_PROT is not a setting"),
        ("APPEALS_PORT", "ninety", "APPEALS_PORT: "),
        ("APPEALS_PORT", "0", "APPEALS_PORT: "),
        ("APPEALS_PEPPER", "guessable", "the pepper in APPEALS_PEPPER is shorter than 16 characters"),
        ("APPEALS_PEPPER", "", "the pepper in APPEALS_PEPPER is shorter than 16 characters"),
    ],
)
def test_settings_that_cannot_be_used_are_told_in_a_sentence(
    refused: Refused,
    settings: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    value: str,
    says: str,
) -> None:
    settings(database_url="sqlite:///new.db")
    monkeypatch.setenv(name, value)
    told = refused("serve")
    assert told.startswith(f"appeals: {says}")
    assert "guessable" not in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["nonsense", "postgresql://desk:half@of:secret-word@127.0.0.1/appeals"])
def test_an_address_that_cannot_be_read_is_not_repeated(
    refused: Refused, settings: Callable[..., None], value: str
) -> None:
    settings(database_url=value)
    assert re.fullmatch(r"appeals: APPEALS_DATABASE_URL .*", told := refused("serve"))
    assert value not in told
    assert "secret-word" not in told


def test_a_file_of_secrets_that_cannot_be_read_is_named(
    refused: Refused, settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings(database_url=NOWHERE)
    for name, says in ("missing", "No such file or directory"), (".", "Is a directory"):
        settings(database_password_file=name)
        for said in ["serve"], ["migrate"], *ON_A_NETWORK[:-1]:
            assert refused(*said) == f"appeals: APPEALS_DATABASE_PASSWORD_FILE: {name}: {says}"
    (tmp_path / "latin").write_bytes(b"gar\xe7on")
    settings(database_password_file=str(tmp_path / "latin"))
    assert refused("serve") == f"appeals: the password in {tmp_path}/latin is not written in UTF-8"
    monkeypatch.delenv("APPEALS_DATABASE_PASSWORD_FILE")
    monkeypatch.delenv("APPEALS_PEPPER")
    settings(pepper_file=".")
    assert refused("serve") == "appeals: APPEALS_PEPPER_FILE: .: Is a directory"


def test_an_empty_file_is_no_pepper(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text("\n")
    with pytest.raises(SettingsError, match="shorter than 16"):
        pepper_of(Settings(pepper_file=tmp_path / "pepper"))


# the table and the pages


def test_lifecycle_prints_a_row_for_every_step(appeals: Appeals) -> None:
    rows = appeals("lifecycle").output.splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [step.noun for step in STEPS]


def test_docs_writes_the_pages_and_tells_when_they_are_out_of_date(
    appeals: Appeals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(generated_docs, "DOCS", tmp_path)
    refused = appeals("docs", "--check")
    assert refused.exit_code == 1
    assert "lifecycle.md" in refused.output
    assert appeals("docs").exit_code == 0
    assert appeals("docs", "--check").exit_code == 0
    (tmp_path / "configuration.md").write_text("old")
    assert appeals("docs", "--check").output == "appeals: out of date, run make docs: configuration.md\n"


# replay


def test_replay_takes_all_three_keys_or_none(appeals: Appeals, here: str) -> None:
    done = appeals("replay", CASES, "--coordinator-key", "ua_")
    assert (done.exit_code, done.output) == (1, "appeals: give all three keys or none\n")


def test_replay_names_a_file_that_is_not_there(appeals: Appeals, here: str) -> None:
    done = appeals("replay", "nofile.jsonl")
    assert done.exit_code == 2
    assert "'nofile.jsonl' does not exist" in done.output


def test_replay_tells_when_nothing_answers_and_makes_no_account(
    refused: Refused, here: str, settings: Callable[..., None], world: World
) -> None:
    settings(port="1")
    for said, url in ([], "http://127.0.0.1:1"), (["--url", "http://127.0.0.1:2"], "http://127.0.0.1:2"):
        told = refused("replay", CASES, *said)
        assert told == f"appeals: nothing answers at {url}; is the service running? --url names another"
    with world.database.reading() as session:
        assert session.scalar(select(Account.id).where(Account.name.startswith("replay"))) is None


@pytest.mark.usefixtures("answering")
def test_replay_without_keys_makes_three_for_a_day(
    appeals: Appeals, here: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, str]] = []

    def played(_file: Path, _url: str, keys: dict[str, str], _console: object) -> list[replay_results.Result]:
        given.append(keys)
        return []

    monkeypatch.setattr(replay_player, "replay", played)
    assert appeals("replay", CASES).exit_code == 0
    (keys,) = given
    names = [Person(world.client, key).get("/v1/me").json()["name"] for key in keys.values()]
    assert names == ["replay coordinator", "replay caseworker", "replay reviewer"]


def test_without_arguments_it_says_what_it_can_do(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("sys.argv", ["appeals"])
    with pytest.raises(SystemExit):
        command.main()
    said = capsys.readouterr()
    assert all(word in said.out + said.err for word in ("serve", "migrate", "replay", "account", "key", "lifecycle"))


def test_after_restoring_a_copy_readers_of_the_feed_begin_anew(appeals: Appeals, here: str, world: World) -> None:
    place = world.coordinator.get("/v1/changes").json()["next"]
    assert world.coordinator.get(f"/v1/changes?since={place}").status_code == 200
    assert appeals("reset-feed").exit_code == 0
    assert world.coordinator.get(f"/v1/changes?since={place}").status_code == 410


def test_render_renders_all_and_counts_anew(appeals: Appeals, here: str, world: World) -> None:
    world.case()
    with world.database.writing() as session:
        session.execute(update(CaseSnapshot).values(status_tag="old"))
    assert appeals("rebuild").output == "rendered: 1 cases\n"
    assert world.coordinator.get("/v1/statistics").json()["items"] == [{"cases": 1}]
