"""The change feed, as a reader follows it."""

from typing import Any

from tests.support.cast import Body, Person, settle


def read_changes(person: Person, since: str | None = None, **params: Any) -> tuple[list[Body], str]:
    """All that a reader hears from a place on, and the place after it."""
    settle(person)
    items: list[Body] = []
    while True:
        query = "&".join(f"{name}={value}" for name, value in {"since": since, **params}.items() if value)
        answer = person.get(f"/v1/changes?{query}")
        assert answer.status_code == 200, answer.text
        since = answer.json()["next"]
        assert since
        if not answer.json()["items"]:
            return items, since
        items += answer.json()["items"]
