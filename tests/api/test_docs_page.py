"""The files of the interactive page are those of a release of Swagger UI, with its licences, and nothing else."""

import hashlib
import re
from pathlib import Path

import appeals
from tests.support.standing import Standing, standing

__all__ = ["standing"]

FILES = Path(appeals.__file__).parent / "api" / "static"
SUMS = {name: digest for digest, name in map(str.split, (FILES / "SHA256SUMS").read_text().splitlines())}


def test_each_file_is_as_it_was_released() -> None:
    assert {name: hashlib.sha256((FILES / name).read_bytes()).hexdigest() for name in SUMS} == SUMS


def test_there_is_no_other_file() -> None:
    assert {path.name for path in FILES.iterdir()} == {*SUMS, "SHA256SUMS", "README.md"}


def test_the_licences_lie_beside() -> None:
    assert "Apache License" in (FILES / "LICENSE").read_text()
    licence = re.findall(
        r"license information please see (\S+)", (FILES / "swagger-ui-bundle.js").read_text("utf-8")[:200]
    )
    assert set(licence) <= SUMS.keys()
    assert len(licence) == 1


def test_what_the_page_takes_is_what_lies_there(standing: Standing) -> None:
    page = standing.world.nobody.get("/docs")
    for name in re.findall(r'"/docs/static/([^"]+)"', page.text):
        assert hashlib.sha256(standing.world.nobody.get(f"/docs/static/{name}").content).hexdigest() == SUMS[name]
