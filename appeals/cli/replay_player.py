"""The player of the replay format: it enters recorded cases over HTTP into a running service, with their real dates.

Every write has an idempotency key made of the case's key and the number of the call. So a file that is played again
gets the stored answers and changes nothing. The format is in docs/replay.md.
"""

import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx2
from rich.console import Console
from rich.progress import Progress

from appeals.cli.replay_format import CallLine, CaseLine, Unplayable, read
from appeals.cli.replay_results import Refused, Result, table, totals
from appeals.json_types import JsonObject
from appeals.vocabulary import CloseReason, Status

PATIENCE_S = 60
TRIES = 5


def replay(path: Path, url: str, keys: Mapping[str, str], console: Console) -> list[Result]:
    """Play all cases of a file one after the other, and print a table of the results.

    `keys` holds an API key for each role.
    """
    cases = read(path)
    with ExitStack() as stack, Progress(console=console, transient=True) as progress:
        clients = {role: stack.enter_context(_client(url, key)) for role, key in keys.items()}
        results = [_Play(clients, case).run() for case in progress.track(cases, description="Playing")]
    console.print(table(results))
    console.print(totals(results), soft_wrap=True)
    return results


def check(path: Path, url: str) -> None:
    """Check the format of the file and that the service answers, before anything is written. Raises: Unplayable."""
    read(path)
    try:
        answer = httpx2.get(f"{url.rstrip('/')}/readyz", timeout=PATIENCE_S)
    except (httpx2.TransportError, httpx2.InvalidURL):
        raise Unplayable(f"nothing answers at {url}; is the service running? --url names another") from None
    if answer.is_server_error:  # a web server in front may refuse this path to outsiders
        raise Unplayable(f"the service at {url} is not ready ({answer.status_code})")


def _client(url: str, key: str) -> httpx2.Client:
    return httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE_S)


class _Play:
    """One case during its replay: its reference, its last known ETag, and the ids behind its labels."""

    def __init__(self, clients: Mapping[str, httpx2.Client], case: CaseLine) -> None:
        self.clients = clients
        self.case = case
        self.result = Result(case.key, case.status_as_published)
        self.at = "/v1/cases"
        self.tag: str | None = None
        self.steps: frozenset[str] = frozenset()
        self.ids: dict[str, str] = {}

    def run(self) -> Result:
        """Make all calls in order until one is refused, then read the state of the case."""
        try:
            for place, call in enumerate(self.case.calls):
                self._make(place, call)
        except Refused as refusal:
            self.result.refusal = refusal
        if self.steps:
            self._read_state()
        return self.result

    def _make(self, place: int, call: CallLine) -> None:
        headers = {"Idempotency-Key": str(uuid.uuid5(uuid.NAMESPACE_URL, f"replay:{self.case.key}:{place}"))}
        if place and self._needs_tag(call):
            headers["If-Match"] = self.tag or self._ask(call.by, self.at, place).headers["ETag"]
        answer = self._send(call, place, headers)
        again = answer.headers.get("Idempotency-Replayed") == "true"
        self.result.replayed += again
        self.result.changed += not again
        # The ETag of a stored answer may be outdated, because every later record has changed the case.
        self.tag = answer.headers.get("ETag") if self._needs_tag(call) and not again else None
        self._note(call, answer.json())

    def _needs_tag(self, call: CallLine) -> bool:
        """Return whether the answer carries the ETag of the case: for intake, steps and changes of the case itself."""
        return call.to == "" or call.to in self.steps

    def _send(self, call: CallLine, place: int, headers: dict[str, str]) -> httpx2.Response:
        path = f"{self.at}/{self._resolved(call, place)}".rstrip("/")
        body = {name: self._account(value, place) for name, value in call.body.items()}
        client = self.clients[call.by]
        for _ in range(TRIES):
            try:
                answer = client.request(call.method, path, json=body, headers=headers)
            except httpx2.TransportError as error:
                raise Refused(place, call.to, f"unreachable.{type(error).__name__}") from error
            if "Retry-After" not in answer.headers:
                break
            time.sleep(float(answer.headers["Retry-After"]))
        return _accepted(answer, place, call.to)

    def _resolved(self, call: CallLine, place: int) -> str:
        """Return the path of a call, with ids in place of labels such as `#label`."""
        parts = call.to.split("/")
        resolved = [self._id(call.by, parts[0], part, place) if part.startswith("#") else part for part in parts]
        return "/".join(resolved)

    def _id(self, role: str, noun: str, reference: str, place: int) -> str:
        label = noun + reference
        if label not in self.ids:
            self._learn(noun, self._all(role, f"{self.at}/{noun}", place))
        if label not in self.ids:
            raise Refused(place, noun, "label.unknown")
        return self.ids[label]

    def _all(self, role: str, path: str, place: int) -> Iterable[JsonObject]:
        cursor: dict[str, str] = {}
        while True:
            page = self._ask(role, path, place, limit="200", **cursor).json()
            yield from page["items"]
            if page["next"] is None:
                return
            cursor = {"cursor": page["next"]}

    def _learn(self, noun: str, records: Iterable[JsonObject]) -> None:
        self.ids |= {f"{noun}#{record['label']}": record["id"] for record in records if record.get("label")}

    def _account(self, value: object, place: int) -> object:
        """Return the account id for `@role`, and any other value as it is."""
        if not (isinstance(value, str) and value.removeprefix("@") in self.clients and value.startswith("@")):
            return value
        return self._ask(value[1:], "/v1/me", place).json()["id"]

    def _ask(self, role: str, path: str, place: int, **query: str) -> httpx2.Response:
        try:
            answer = self.clients[role].get(path, params=query)
        except httpx2.TransportError as error:
            raise Refused(place, path, f"unreachable.{type(error).__name__}") from error
        return _accepted(answer, place, path)

    def _note(self, call: CallLine, answer: JsonObject) -> None:
        """Store the ids that the answer contains, and count the records that were written."""
        if call.to == "":
            if call.method == "POST":
                self.result.reference = answer["reference"]
                self.at = f"/v1/cases/{self.result.reference}"
            steps = self._ask(call.by, f"{self.at}/steps", 0).json()["items"]
            self.steps = frozenset(step["noun"] for step in steps)
        if call.method == "POST":
            self.result.recorded += _written(call)
            if self._needs_tag(call):
                self.result.steps.append(call.to or "intake")
            else:
                self._learn(call.to, [answer])

    def _read_state(self) -> None:
        """Read the final state of the case."""
        try:
            case = self._ask(self.case.calls[0].by, self.at, len(self.case.calls)).json()
        except Refused as refusal:
            self.result.refusal = self.result.refusal or refusal
            return
        self.result.status = Status(case["status"])
        self.result.close_reason = CloseReason(case["close_reason"]) if case["close_reason"] else None


def _accepted(answer: httpx2.Response, place: int, to: str) -> httpx2.Response:
    """Return the answer if it is a success. Raises: Refused, which holds only codes."""
    if answer.is_success:
        return answer
    is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    problem = answer.json() if is_problem else {}
    unmet = [item["code"] for item in problem.get("unmet") or []]
    where = [item["pointer"] for item in problem.get("errors") or []]
    raise Refused(place, to, problem.get("code") or f"http.{answer.status_code}", (*unmet, *where))


def _written(call: CallLine) -> Counter[str]:
    """Return the number of records of each kind that a call writes."""
    brought = call.body.get("records", {})
    written = Counter({noun: len(records) for noun, records in brought.items()})
    for noun in ("violations", "demands", "commitments"):
        written[noun] += len(call.body.get(noun, []))
    written["actions"] += "first_action" in call.body
    written["tallies"] += isinstance(call.body.get("affected"), dict)
    written[call.to.rsplit("/", 1)[-1]] += call.to != ""
    return +written
