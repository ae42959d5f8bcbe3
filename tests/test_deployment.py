"""The image, the composition and the lock files: everything they name exists. No container engine is needed."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

from appeals.cli import installation_checks
from appeals.cli.checks import Installation
from appeals.settings import ROOT, Settings, database_of, load_settings
from benchmarks.service import settings, started
from tests.conftest import as_service
from tests.support.cast import World
from tests.support.commands import command_names

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
COMMANDS = set(command_names())
SETTINGS = {f"APPEALS_{name.upper()}" for name in Settings.model_fields}
PORT = Settings.model_fields["port"].default


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continued lines joined."""
    lines = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines.splitlines()) if word]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage; each begins with its FROM."""
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


def last(word: str) -> str:
    """What the final image says to an instruction, the last time it does."""
    return [rest for found, rest in stages()[-1] if found == word][-1]


def copies() -> Iterator[tuple[str, str]]:
    """Source and target of everything that is copied from this tree."""
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from="):
            source, target = rest.split()
            yield source, target


def image_environment() -> dict[str, str]:
    return dict(item.split("=", 1) for item in last("ENV").split())


# The image


def test_every_file_the_image_takes_is_there_and_let_through() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    for source, _ in copies():
        assert (ROOT / source).exists()
        verdicts = [not rule.startswith("!") for rule in rules if fnmatch(source, rule.lstrip("!"))]
        assert verdicts[-1] is False, f"{source} is ignored"


def test_the_image_is_built_on_a_slim_python_that_the_package_allows() -> None:
    bases = {stage[0][1].split()[0] for stage in stages()}
    assert len(bases) == 1
    found = re.fullmatch(r"python:3\.(\d+)-slim", bases.pop())
    assert found
    assert int(found[1]) >= 11


def test_no_root_and_no_build_tool_is_left_in_the_image() -> None:
    assert last("USER").isdigit()
    assert last("USER") != "0"
    assert f"--uid {last('USER')} " in last("RUN")
    runs = " ".join(rest for word, rest in stages()[-1] if word == "RUN")
    assert "pip uninstall --yes pip" in runs
    assert not re.search(r"install\b(?<!uninstall)|apt", runs)
    built = " ".join(rest for word, rest in stages()[0] if word == "RUN")
    assert "--require-hashes" in built
    assert "uninstall --yes flit-core" in built


def test_the_health_check_asks_a_route_that_exists_at_the_port_that_is_served(world: World) -> None:
    params = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", last("HEALTHCHECK"))
    assert params
    assert params[1] == last("EXPOSE") == image_environment()["APPEALS_PORT"] == str(PORT)
    assert world.nobody.get(params[2]).status_code == 200


# The composition


def test_every_command_is_one_of_ours() -> None:
    said = [service["command"][0] for service in OURS.values()] + [json.loads(last("CMD"))[0]]
    assert set(said) <= COMMANDS
    assert json.loads(last("ENTRYPOINT")) == ["python", "-m", "appeals"]


def test_every_setting_is_one_of_ours() -> None:
    said = {name for service in OURS.values() for name in service["environment"]}
    said |= {name for name in image_environment() if name.startswith("APPEALS_")}
    assert said <= SETTINGS


def test_only_the_service_is_published_and_only_on_this_machine() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"app"}
    assert SERVICES["app"]["ports"] == [f"127.0.0.1:${{PORT:-{PORT}}}:{last('EXPOSE')}"]
    assert SERVICES["database"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"]["internal"] is True


def test_the_doctor_finds_no_problem_with_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the database, which is not there, and with the secrets mounted elsewhere."""
    monkeypatch.delenv("PGSSLMODE", raising=False)
    monkeypatch.setattr(installation_checks, "MOUNTED_SECRETS", tmp_path)
    for secret in COMPOSE["secrets"]:
        (tmp_path / secret).write_text("kept in a file, nowhere else\n")
        (tmp_path / secret).chmod(0o444)
    for name, value in (image_environment() | OURS["app"]["environment"]).items():
        if name in SETTINGS:
            monkeypatch.setenv(name, value.replace("/run/secrets", str(tmp_path)))
    at = Installation(load_settings(), database_of(load_settings()))
    checks = [check for check in installation_checks.OF_THE_INSTALLATION if check is not installation_checks.UNREADABLE]
    found = [finding for check in checks for finding in check.findings(at)]
    at.database.engine.dispose()
    assert [finding.says for finding in found if finding.is_problem] == []
    assert [finding.check for finding in found] == ["database.neighbours_line"]


def test_the_web_server_in_front_is_believed_and_nobody_beyond() -> None:
    told = OURS["app"]["environment"]["APPEALS_PROXY"].split(",")
    assert all(ip_network(network).is_private for network in told)
    assert {ports.split(":")[0] for ports in SERVICES["app"]["ports"]} == {"127.0.0.1"}


def test_secrets_are_files_that_exist_nowhere_in_the_tree() -> None:
    for service in SERVICES.values():
        named = {value for value in service["environment"].values() if value.startswith("/run/secrets/")}
        assert named == {f"/run/secrets/{secret}" for secret in service["secrets"]}
        assert not [name for name in service["environment"] if re.search(r"(PASSWORD|PEPPER)$", name)]
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    for secret in COMPOSE["secrets"].values():
        assert f"/{Path(secret['file']).parts[0]}/" in ignored


def test_the_schema_is_laid_once_the_database_answers_and_before_the_service_starts() -> None:
    assert SERVICES["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert SERVICES["app"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert (SERVICES["migrate"]["command"], SERVICES["migrate"]["restart"]) == (["migrate"], "no")
    assert SERVICES["database"]["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]


def test_the_database_keeps_its_data_and_knows_the_one_who_calls() -> None:
    database = SERVICES["database"]
    assert database["image"] == "postgres:18"
    assert database["volumes"] == ["database:/var/lib/postgresql"]  # 18 keeps them in a folder of its version below
    assert "database" in COMPOSE["volumes"]
    url = make_url(SERVICES["migrate"]["environment"]["APPEALS_MIGRATION_DATABASE_URL"])
    given = database["environment"]
    assert (url.host, url.database, url.username) == ("database", given["POSTGRES_DB"], given["POSTGRES_USER"])
    assert url.password is None


def test_who_owns_the_tables_is_known_where_they_are_migrated_and_nowhere_else() -> None:
    app, migrate, database = (SERVICES[name] for name in ("app", "migrate", "database"))
    assert app["environment"].keys() & {name for name in SETTINGS if "MIGRATION" in name} == set()
    assert set(database["secrets"]) & set(app["secrets"]) == set()
    assert set(database["secrets"]) < set(migrate["secrets"])
    owner = make_url(migrate["environment"]["APPEALS_MIGRATION_DATABASE_URL"])
    for name in ("DATABASE_URL", "DATABASE_PASSWORD_FILE"):
        assert app["environment"][f"APPEALS_{name}"] == migrate["environment"][f"APPEALS_{name}"]
    url = make_url(app["environment"]["APPEALS_DATABASE_URL"])
    assert url.username != owner.username
    assert (url.host, url.port, url.database, url.password) == (owner.host, owner.port, owner.database, None)


def test_our_containers_may_write_nothing_and_gain_nothing() -> None:
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_what_the_image_holds_is_enough_to_migrate_serve_and_be_healthy(empty_url: str, tmp_path: Path) -> None:
    """Its files in a folder of their own, its settings, its commands, its health check; only the places differ."""
    image, secrets = tmp_path / "image", tmp_path / "secrets"
    for source, target in copies():
        place = image / Path(target).name
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
    secrets.mkdir()
    for secret in COMPOSE["secrets"]:
        (secrets / secret).write_text("kept in a file, nowhere else\n")

    def environment(name: str) -> dict[str, str]:
        """What one of our containers is told, with the places that are here."""
        told: dict[str, str] = {**image_environment(), **OURS[name]["environment"]}
        told |= {"APPEALS_HOST": "127.0.0.1", "PATH": os.environ["PATH"], "APPEALS_DATABASE_URL": as_service(empty_url)}
        if "APPEALS_MIGRATION_DATABASE_URL" in told:
            told["APPEALS_MIGRATION_DATABASE_URL"] = empty_url
        told = {name: value.replace("/run/secrets", str(secrets)) for name, value in told.items()}
        without = "PASSWORD_FILE" if empty_url.startswith("sqlite") else "nothing"
        return settings() | {name: value for name, value in told.items() if not name.endswith(without)}

    held = sorted(image.rglob("*"))
    entry = [sys.executable, *json.loads(last("ENTRYPOINT"))[1:]]

    def run(name: str, *command: str) -> str:
        done = subprocess.run(  # noqa: S603 - commands read off our own files
            command, cwd=image, env=environment(name), check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    assert run("migrate", *entry, *OURS["migrate"]["command"]) == "schema: head\n"
    with started(environment("app"), entry, folder=image) as service:
        params = last("HEALTHCHECK").partition("CMD ")[2].replace(f"http://127.0.0.1:{PORT}", service.url)
        assert run("app", sys.executable, *json.loads(params)[1:]) == ""
    assert service.key("coordinator")
    assert sorted(image.rglob("*")) == held


# The lock files


def pins(name: str) -> dict[str, str]:
    """What a lock file asks for: each name with its version and hashes."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "requirements" / name).read_text(), flags=re.M).replace("\\\n", " ")
    return {line.split("==")[0]: " ".join(line.split()) for line in text.splitlines()}


def test_the_lock_files_agree_and_hold_a_hash_for_everything() -> None:
    run, check = pins("run.txt"), pins("check.txt")
    assert run.items() <= check.items()
    assert all("--hash=sha256:" in line for line in check.values())


def test_the_lock_files_name_no_index() -> None:
    for path in (ROOT / "requirements").iterdir():
        assert not re.search(r"://|--(index|extra-index|find-links)", path.read_text()), path.name


def test_what_the_package_needs_is_what_is_locked() -> None:
    params = (ROOT / "requirements" / "run.in").read_text().splitlines()
    names = {re.split(r"[>\s]", line)[0] for line in params if line[0] != "#"}
    project = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    assert project
    assert {re.split(r"[>]", name)[0] for name in re.findall(r'"([^"]+)"', project[1])} == names - {"flit-core"}


# The commands of the tree


def test_the_build_checks_with_the_command_that_the_readme_names() -> None:
    makefile = (ROOT / "Makefile").read_text()
    check = makefile.partition("\ncheck:")[2].partition("\n\n")[0]
    assert re.search(r"^\t\$\(MAKE\) (--[a-z-]+ )*test\b", check, re.M)
    assert "make test" in (ROOT / "README.md").read_text()
    assert (ROOT / ".ci" / "run").read_text().endswith("exec make check\n")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_every_target_says_what_it_is_for() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.M)
    described = re.findall(r"^([a-z]+):.*## \S", makefile, re.M)
    assert sorted(" ".join(phony).split()) == sorted(described)


# The web server in front


def test_the_example_of_a_web_server_has_the_limits_of_the_service() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text()
    said = {words[0]: words[1:] for line in page.splitlines() if (words := re.sub(r";.*", "", line).split())}
    default = {name: info.default for name, info in Settings.model_fields.items()}
    buffers, each = said["large_client_header_buffers"]
    assert int(buffers) * int(each.removesuffix("k")) * 1024 == default["header_limit"]
    assert said["client_max_body_size"] == [f"{default['body_limit'] // 1_048_576}m"]
    seconds = {name: int(said[name][0].removesuffix("s")) for name in said if name.endswith("_timeout")}
    assert seconds["client_header_timeout"] == default["header_timeout_s"]
    assert seconds["client_body_timeout"] <= default["body_timeout_s"] == seconds["send_timeout"]
    assert seconds["proxy_read_timeout"] > 30  # the longest poll
    assert f"keepalive_timeout {default['idle_timeout_s']:.0f}s;" in page
    upstream = re.search(r"upstream appeals \{(.*?)\}", page, re.S)
    assert upstream
    rests = re.search(r"keepalive_timeout (\d+)s;", upstream[1])
    assert rests
    assert int(rests[1]) < default["idle_timeout_s"]
