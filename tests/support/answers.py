"""What all answers share: the form of a problem, strict headers, a request id of their own."""

import re

from httpx2 import Response

from tests.support.cast import Body, World

STRICT = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "cache-control": "no-store",
}


def a_problem(answer: Response, status: int, code: str) -> Body:
    """The body of an answer that must be a problem of this status and code."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body: Body = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert {"type", "title", "detail"} < set(body)
    return body


def alike(answer: Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All of an answer but its request id."""
    headers = sorted((name, value) for name, value in answer.headers.items() if name != "x-request-id")
    return answer.status_code, answer.content, headers


def stale_tag(world: World, reference: str) -> str:
    """An ETag of the case that has been overtaken."""
    return f'"{world.show(reference)["version"] - 1}-1"'


# Headers of every answer


def assert_strict(answer: Response, caching: str = "no-store") -> None:
    """The headers that every answer bears."""
    assert {name: answer.headers[name] for name in STRICT} == {**STRICT, "cache-control": caching}
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert not {"server", "x-powered-by"} & set(answer.headers)
