"""The headers of every answer, and what the interactive page may load (api.md)."""

import base64
import hashlib
import re

import pytest

from tests.support.answers import a_problem, assert_strict
from tests.support.standing import Standing, standing

__all__ = ["standing"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/me", 200),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/version", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/docs", 200),
        ("GET", "/docs/static/swagger-ui.css", 200),
        ("GET", "/docs/static/none.css", 404),
        ("GET", "/v1/cases?limit=0", 422),
        ("GET", "/v1/none", 404),
        ("PUT", "/v1/cases", 405),
        ("POST", "/v1/cases", 422),
    ],
)
def test_every_answer_bears_the_strict_headers(standing: Standing, method: str, path: str, status: int) -> None:
    answer = standing.world.coordinator.call(method, path, Origin="https://elsewhere.example")
    assert answer.status_code == status
    assert_strict(answer)


def test_other_origins_are_not_let_in(standing: Standing) -> None:
    params = {"Origin": "https://elsewhere.example", "Access_Control_Request_Method": "GET"}
    answer = standing.world.nobody.call("OPTIONS", "/v1/cases", **params)
    a_problem(answer, 405, "method_not_allowed")
    assert_strict(answer)


def test_each_answer_has_a_request_id_of_its_own_making(standing: Standing) -> None:
    request_id = "0" * 32
    ids = {standing.world.nobody.get("/healthz", X_Request_Id=request_id).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert request_id not in ids


# The interactive page


def test_the_docs_page_takes_everything_from_this_service(standing: Standing) -> None:
    page = standing.world.nobody.get("/docs")
    linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(linked) == 3
    for path in linked:
        assert path.startswith("/docs/static/")
        assert standing.world.nobody.get(path).status_code == 200
    assert "//" not in re.sub(r"<!--.*?-->", "", page.text).replace("</", "")
    assert "'/openapi.json'" in page.text


def test_the_docs_page_may_run_no_script_but_its_own(standing: Standing) -> None:
    page = standing.world.nobody.get("/docs")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    inline = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline]
    assert policy["script-src"] == " ".join(["'self'", *(f"'sha256-{digest}'" for digest in digests)])
    assert policy["connect-src"] == "'self'"
    assert policy["default-src"] == "'none'"
