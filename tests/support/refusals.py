"""The content of a refusal."""

from httpx2 import Response


def codes(answer: Response) -> set[str]:
    """The codes of the guards that a refused write did not meet."""
    assert answer.status_code == 409, answer.text
    return {item["code"] for item in answer.json()["unmet"]}
