"""The documentation says what the code does, completely, and its links work."""

import json
import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from appeals import __version__
from appeals.access.record_writers import RECORD_WRITERS
from appeals.access.visibility import VISIBILITY_RULES
from appeals.api.permissions import POLICIES
from appeals.api.rate_limit import RateLimit
from appeals.app import routes
from appeals.cases.publication import SIGNED_FOR_DAYS
from appeals.cli import generated_docs, lifecycle_page
from appeals.cli.commands import cli
from appeals.fields import Language
from appeals.lifecycle.case_inputs import CaseChange
from appeals.lifecycle.guards import GUARDS
from appeals.lifecycle.guards_publication import PUBLIC_WHILE_SUSPENDED
from appeals.lifecycle.guards_risk_and_contact import RISK_REVIEW_DAYS
from appeals.lifecycle.record_kinds import KINDS
from appeals.lifecycle.steps import STEPS
from appeals.settings import ROOT, Settings
from appeals.vocabulary import VOCABULARIES, AttentionReason, Role, Status
from tests.support.cast import PARTIES, Person, World, consent, day
from tests.support.commands import command_names
from tests.support.layers import HEIGHT

DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
TEXTS = {".py", ".md", ".toml", ".ini", ".yml", ".txt", ".in", ".jsonl", ".mako"}
NAMED = {"Makefile", "Dockerfile", ".dockerignore", ".gitignore", "run"}
FOLDERS = ("appeals", "docs", "examples", "migrations", "requirements", "tests", ".ci")
FILES = [*ROOT.iterdir(), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]


WIDTH = 120
PAGES_MADE = generated_docs.pages(cli, routes())


def said(name: str) -> str:
    return (DOCS / name).read_text()


def section(name: str, heading: str) -> str:
    """A part of a page, from its heading to the next, in one line."""
    return " ".join(said(name).partition(f"\n## {heading}\n")[2].partition("\n## ")[0].split())


@pytest.mark.parametrize("name", PAGES_MADE)
def test_a_page_made_from_the_code_is_current(name: str) -> None:
    assert said(name) == PAGES_MADE[name], "run make docs"


def test_every_setting_is_documented() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"| `APPEALS_{name.upper()}` |" in said("configuration.md")


def test_every_variable_that_is_named_is_a_setting() -> None:
    known = {f"APPEALS_{name.upper()}" for name in Settings.model_fields} | {"APPEALS_TEST_DATABASE_URL"}
    known |= set(re.findall(r"\[env var: (\w+)\]", said("command.md")))
    for page in PAGES:
        assert set(re.findall(r"\bAPPEALS_[A-Z][A-Z_]*[A-Z]", page.read_text())) <= known, page.name


def test_every_command_is_documented() -> None:
    for name in command_names():
        assert re.search(rf"^##+ `appeals {name}`\n\n\S", said("command.md"), re.M), name


def test_every_code_is_documented_with_its_meaning() -> None:
    for name, codes in VOCABULARIES.items():
        part = said("vocabularies.md").partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        for code in codes:
            assert code.definition
            assert f"| `{code}` | {code.definition}" in part, f"{name}: {code}"


def test_every_kind_of_record_is_on_the_page_of_the_interface() -> None:
    kinds = said("http.md").partition("The kinds are `")[2].partition("`")[0].split()
    assert kinds == [kind.noun for kind in KINDS]


def test_every_state_step_and_guard_is_on_the_page_of_the_lifecycle() -> None:
    page = said("lifecycle.md")
    for name in [*Status, *(step.noun for step in STEPS), *GUARDS]:
        assert f"| `{name}` |" in page, name


def test_every_door_is_on_the_page_of_the_policy_with_its_place() -> None:
    page = said("access.md")
    assert routes().keys() == {policy.operation for policy in POLICIES}
    for policy in POLICIES:
        line = (
            rf"^\| `{policy.operation}` \| `{re.escape(routes()[policy.operation])}` \| [^|]+ \| [^|]+ \| ([^|]+) \|$"
        )
        found = re.findall(line, page, re.M)
        assert found == [f"`{policy.logged}`" if policy.logged else "–"], policy.operation


def test_every_way_to_a_case_and_every_kind_of_record_is_on_the_page_of_the_policy() -> None:
    page = said("access.md")
    assert len(re.findall(r"^\| .* \| (?:yes|no|only to protect) \|$", page, re.M)) == len(VISIBILITY_RULES) + len(
        RECORD_WRITERS
    )
    for rule in VISIBILITY_RULES:
        assert f", {rule.via.says} |" in page
    for kind in RECORD_WRITERS:
        assert f"| `{kind.replace('_', '-')}` |" in page, kind


def test_the_diagram_draws_every_move_and_no_other() -> None:
    drawn = set(re.findall(r"^    (\w+) --> (\w+): ([a-z-]+)$", lifecycle_page.diagram(), re.M))
    everywhere = {("suspended", "suspension"), ("closed", "withdrawal"), ("closed", "merger")}
    moves = {(str(source), str(step.target), step.noun) for step in STEPS for source in step.sources if step.target}
    expected = {move for move in moves if move[1:] not in everywhere}
    expected |= {("any_open", *move) for move in everywhere} | {("suspended", "any_open", "resumption")}
    assert drawn == expected


def test_every_decision_is_listed_and_has_its_four_parts() -> None:
    index = said("decisions/README.md")
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04d}" for number in range(1, len(DECISIONS) + 1)]
    for path in DECISIONS:
        text = path.read_text()
        title = text.splitlines()[0].removeprefix(f"# {path.name[:4]} · ")
        assert f"| [{path.name[:4]}]({path.name}) | {title} |" in index
        assert re.findall(r"^## (.*)$", text, re.M) == ["Context", "Decision", "Consequences", "Alternatives"]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path) if path else page
        assert there.exists(), target
        headings = re.findall(r"^#+ (.*)$", there.read_text(), re.M) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w\- ]", "", found).lower().replace(" ", "-") for found in headings}


def test_every_page_can_be_found_from_the_readme() -> None:
    linked = {target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / "README.md").read_text())}
    assert {f"docs/{path.name}" for path in DOCS.glob("*.md")} <= linked


def test_the_changelog_begins_with_what_is_unreleased_and_knows_the_last_release() -> None:
    unreleased, newest, *_ = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert unreleased == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d", newest)


def test_good_examples_are_taken_from_this_code() -> None:
    blocks = re.findall(r"^# Good\n(.*?)```$", (ROOT / "CONTRIBUTING.md").read_text(), re.M | re.S)
    code = "\n".join(path.read_text() for folder in ("appeals", "tests") for path in (ROOT / folder).rglob("*.py"))
    lines = {line.strip() for line in code.splitlines()}
    quoted = {line.strip() for block in blocks for line in block.splitlines()} - {"", "..."}
    assert len(blocks) >= 6
    assert quoted - lines == set()


def test_every_folder_and_file_that_is_looked_through_or_excepted_is_there() -> None:
    excepted = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["per-file-ignores"]
    for name in *FOLDERS, *(path.partition("/")[0] for path in excepted):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_are_wrapped(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    wide = [line for line in text.splitlines() if len(line) > WIDTH and line[0] != "|"]
    assert page.name in PAGES_MADE or wide == []


def test_what_is_said_to_stand_in_a_module_stands_there() -> None:
    found = [pair for page in PAGES for pair in re.findall(r"`(\w+)`\s+of\s+`([\w/]+\.py)`", page.read_text())]
    assert ("PREPARE", "lifecycle/preparations.py") in found
    for name, module in found:
        assert re.search(rf"^{name}\b", (ROOT / "appeals" / module).read_text(), re.M), f"{name} of {module}"
    for page in PAGES:
        for module in re.findall(
            r"`(?!appeals/|tests/|benchmarks/|migrations/)((?:[a-z_]+/)*\w+\.py)`", page.read_text()
        ):
            assert (ROOT / "appeals" / module).exists(), f"{page.name}: {module}"


def test_the_order_of_imports_is_told_as_it_is() -> None:
    drawn = re.findall(r"^    (?:__main__|         →).*$", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    groups = [re.findall(r"\w+", group) for group in " ".join(drawn).split("→")]
    heights = [[height for name in names for height in _heights(name)] for names in groups]
    assert all(heights)
    for above, below in pairwise(heights):
        assert min(above) >= max(below)
    told = {name for names in groups for name in names}
    assert {"lifecycle", "read_models", "access", "cases"} <= told


def _heights(name: str) -> list[int]:
    inside = [height for module, height in HEIGHT.items() if module.startswith(f"{name}.")]
    return inside or [HEIGHT[name]]


def test_what_is_counted_in_words_is_counted_right() -> None:
    words = {8: "eight", 12: "twelve", 22: "twenty-two"}
    counted = said("decisions/0002-the-table-of-steps-is-data.md").lower()
    for number, of in (len(STEPS), "steps"), (len(Status), "states"), (len(Role), "roles"):
        assert f"{words[number]} {of}" in counted
    assert f"breach, closure … {words[len(STEPS)]} of them" in " ".join((ROOT / "README.md").read_text().split())


def test_the_changelog_tells_what_of_a_case_can_be_changed() -> None:
    told = re.search(r"`PATCH` for ([^.]*)\.", " ".join((ROOT / "CHANGELOG.md").read_text().split()))
    assert told
    names = [name.replace(" ", "_") for name in re.split(r", | and ", told[1])]
    assert names == list(CaseChange.model_fields)


def test_the_languages_that_are_named_are_taken_and_others_are_not() -> None:
    language: TypeAdapter[str] = TypeAdapter(Language)
    told = re.findall(r"`([\w-]+)`", section("http.md", "Text and times").partition("Languages")[2])
    assert len(told) >= 3
    assert [language.validate_python(code) for code in told] == told
    for other in "de-1996", "x-private", "es-419":
        with pytest.raises(ValidationError):
            language.validate_python(other)


def test_entities_and_accounts_are_added_as_the_page_says(world: World) -> None:
    calls = re.findall(r"^    POST (/v1/\S+) (\{.*\})$", said("http.md"), re.M)
    assert [path for path, _ in calls] == ["/v1/entities", "/v1/accounts"]
    for path, body in calls:
        assert world.as_("admin").post(path, json.loads(body)).status_code == 201


def test_two_people_bring_in_a_third_as_the_page_says(world: World) -> None:
    calls = re.findall(
        r"^    (admin|coordinator|holder) +(GET|POST) +(/v1/\S+)(?: (\{.*\}))?$", said("accounts.md"), re.M
    )
    assert [who for who, *_ in calls] == ["admin", "coordinator", "coordinator", "admin", "coordinator", "holder"]
    known: dict[str, str] = {}
    people = {"admin": world.as_("admin"), "coordinator": world.as_("asia coordinator"), "holder": world.nobody}
    for who, method, path, body in calls:
        for name, value in known.items():
            path, body = path.replace(f"{{{name}}}", value), body.replace(f"{{{name}}}", value)  # noqa: PLW2901
        answer = people[who].call(method, path, json.loads(body) if body else None)
        assert answer.status_code == (200 if method == "GET" else 201), answer.text
        told = answer.json()
        if path == "/v1/accounts":
            known |= {"account": told["id"], "membership": told["memberships"][0]["id"]}
        if path.endswith("/enrolment"):
            known["other half" if "half" in known else "half"] = told["halves"][0]
    holder = Person(world.client, told["key"])
    assert holder.get("/v1/me").json()["name"] == "dhaka desk"


def test_what_stands_is_put_right_as_the_page_says(world: World) -> None:
    page = section("http.md", "Putting a mistake right")
    someone, case = world.as_("coordinator"), world.case_in("accepted")
    at = f"/v1/cases/{case}"

    def one(noun: str, **wanted: Any) -> dict[str, Any]:
        items = someone.get(f"{at}/{noun}").json()["items"]
        found: dict[str, Any] = next(item for item in items if wanted.items() <= item.items())
        return found

    def change(noun: str, id: str, **body: Any) -> int:
        return someone.patch(f"{at}/{noun}/{id}", body).status_code

    assert "an action of the kind `internal_coordination` with a `note`" in page
    note = {"kind": "internal_coordination", "done_on": "2025-05-01", "note": "The tally of May counts a day twice."}
    told = someone.add(case, "actions", note)
    assert told.status_code == 201
    assert "an action that was done or cancelled" in page
    assert change("actions", told.json()["id"], status="planned") == 409
    assert "`result_note` can say what was wrong" in page
    assert change("actions", told.json()["id"], result_note="It was another day.") == 200

    assert "a consent, but for a sooner end of a yes" in page
    given = one("consents", state="given")
    assert change("consents", given["id"], state="given", given_on="2020-01-01", method="written") == 409
    assert change("consents", given["id"], expires_on=day(-30)) == 200
    assert change("consents", given["id"], expires_on=day(-31)) == 409
    assert 'a no by `{"state": "withdrawn"}`' in page
    assert change("consents", given["id"], state="withdrawn") == 200
    assert one("consents", state="withdrawn", scope=given["scope"])["id"] != given["id"]

    assert "record a new version of the demand that `revises` it" in page
    demand = one("demands", disposition="active")
    assert change("demands", demand["id"], disposition="met") == 200
    assert change("demands", demand["id"], disposition="not_met") == 409
    again = {"kind": demand["kind"], "text": demand["text"], "addressees": demand["addressees"]}
    assert someone.add(case, "demands", {**again, "revises": demand["id"]}).status_code == 201

    assert "or 405 where nothing can be changed" in page
    for noun in "violations", "risk-assessments", "approvals", "tallies", "outcomes":
        assert change(noun, demand["id"], label="another") == 405


def test_consents_are_recorded_as_the_page_says(world: World) -> None:
    page, reference = said("consent.md"), world.case(records={"parties": PARTIES})
    seven = {"label": "seven", "pseudonym": "Worker Seven"}
    assert world.caseworker.add(reference, "people", seven).status_code == 201
    words = [json.loads(line) for line in page.partition("```json\n")[2].partition("```")[0].splitlines()]
    assert len(words) == 3
    for word in words:
        answer = world.caseworker.add(reference, "consents", word)
        assert answer.status_code == 201, answer.text
        assert word.items() - {("of", "#seven")} <= answer.json().items()
    conditional = consent(
        "publish_named", "local_partner", label="yes", state="given_with_conditions", conditions=["No photographs."]
    )
    assert world.caseworker.add(reference, "consents", conditional).status_code == 201
    met = json.loads(re.findall(r"`(\[.*\])`", page)[0])
    approval = {"level": "named", "conditions_met": met}
    assert world.reviewer.add(reference, "approvals", approval).status_code == 201


def test_when_something_may_be_public_is_told_as_it_is(world: World) -> None:
    page = section("consent.md", "May it be up now?")
    pauses = page.partition("It is not suspended, unless for ")[2].partition(".")[0]
    assert set(re.findall(r"`(\w+)`", pauses)) == PUBLIC_WHILE_SUSPENDED
    reasons = re.findall(r"\| [^|`]+ \| `(\w+)` \|", page)
    assert reasons == ["consent_withdrawn", "verification_doubt", "safety"]
    for code in AttentionReason.PUBLICATION_OUTDATED, AttentionReason.SHARED_WITHOUT_CONSENT:
        assert f"`{code}`" in said("consent.md")
    reference = world.case()
    check = world.coordinator.get(f"/v1/cases/{reference}/steps").json()["publication"]
    assert "`GET …/steps` says under `publication`" in page
    assert (check["up"], check["allowed"]) == (False, False)
    assert f"good for {SIGNED_FOR_DAYS} days" in page
    assert f"a risk assessment of at most {RISK_REVIEW_DAYS[Status.PUBLIC_CAMPAIGN]} days" in page


def test_every_reason_for_attention_is_on_the_page_of_reports_in_its_order() -> None:
    page = said("reports.md").partition("\n## What needs somebody now\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([\w.]+)` \|", page, re.M) == list(AttentionReason)


def test_paths_take_ids_and_bodies_labels_and_an_etag_has_its_quotes(world: World) -> None:
    someone, case = world.as_("coordinator"), world.case_in("accepted")
    assert "Paths take ids only." in section("http.md", "Records")
    tally = {"kind": "dismissed", "low": 1, "high": 1, "as_of": "2025-05-01", "label": "first"}
    someone.add(case, "tallies", tally)
    assert someone.get(f"/v1/cases/{case}/tallies/%23first").status_code == 404
    assert "Without its quotes it is another tag, and answered 412." in section("http.md", "Versions, retries, pages")
    tag = someone.get(f"/v1/cases/{case}").headers["ETag"]
    for sent, status in (tag.strip('"'), 412), (tag, 200):
        assert someone.patch(f"/v1/cases/{case}", {"priority": "urgent"}, If_Match=sent).status_code == status


def test_a_table_stops_at_the_limit_and_its_link_leads_on(world: World) -> None:
    assert "these stop at `limit` too" in section("http.md", "Versions, retries, pages")
    page = world.as_("reader").get("/v1/entities?limit=2", Accept="text/csv")
    assert len(page.text.splitlines()) == 3
    assert 'rel="next"' in page.headers["Link"]


def test_the_limits_are_told_as_they_are() -> None:
    page = section("http.md", "How often")
    for name in "rate_per_minute", "public_rate_per_minute":
        rate = Settings.model_fields[name].default
        limit = RateLimit.of(rate)
        assert limit
        assert re.search(rf"\b{rate:,}\b.*\b{limit.burst:,}\b", page)


def test_sealed_fields_and_publications_are_reached_as_the_page_says(world: World) -> None:
    page = section("http.md", "Who sees a case")
    assert {name for name in ("openings", "break-glass", "team") if f"`POST …/{name}`" in page} == {
        "openings", "break-glass", "team",
    }  # fmt: skip
    case = world.case(visibility="sealed")
    someone, at = world.as_("coordinator"), f"/v1/cases/{case}"
    opened = someone.post(
        f"{at}/openings", {"fields": ["narrative", "safe_contact_rule"], "reason": "To brief a lawyer."}
    )
    assert opened.status_code == 201
    assert opened.json()["fields"]["narrative"]
    member = someone.post(f"{at}/team", {"account": "caseworker"}).json()
    assert world.caseworker.get(at).status_code == 200
    assert '`PATCH …/team/{id}` and `{"status": "left"}`' in page
    assert someone.patch(f"{at}/team/{member['id']}", {"status": "left"}).status_code == 200
    assert world.caseworker.get(at).status_code == 404


def test_postgresql_is_set_up_in_the_order_that_the_page_says() -> None:
    block = said("deployment.md").partition("\n## On PostgreSQL\n")[2].partition("\n\n")[0]
    lines = [line.partition("#")[0].strip() for line in block.split("\n") if line]
    assert [line.partition("=")[0] for line in lines] == [
        "export APPEALS_DATABASE_URL",
        "export APPEALS_DATABASE_PASSWORD_FILE",
        "make run",
        "APPEALS_MIGRATION_DATABASE_URL",
        "APPEALS_MIGRATION_DATABASE_PASSWORD_FILE",
        ".venv/bin/appeals migrate",
        "make run",
    ]


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    place = re.compile(r"(?<![\w.$}])/(home|root|work|Users|private)/\w")
    for path in FILES:
        if path.is_file() and (path.suffix in TEXTS or path.name in NAMED):
            found = place.search(path.read_text())
            assert not found, f"{path.relative_to(ROOT)}: {found[0]}"
