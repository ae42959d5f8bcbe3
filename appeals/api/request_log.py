"""The access log of a request: what is known of the request while it is served, and what is logged of it.

A read or a denial is noted here, and the route class writes it before the answer is sent. A write stores its entries in
its own transaction.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from fastapi import Request

from appeals.access.access_log import AccessEvent
from appeals.accounts.caller import Caller
from appeals.api.caller import bearer_token
from appeals.api.context import context_of
from appeals.api.permissions import Policy, policy_of
from appeals.api.problems import STATUS
from appeals.errors import NotFound, Refusal
from appeals.fields import CASE_REFERENCE
from appeals.vocabulary import Logged

LogEntry = tuple[Logged, tuple[str, ...]]
"""The kind of an access, and the references and ids that it is about: never names, never anything that was sent."""
EXPORTS = {"text/csv", "application/x-ndjson"}
_KEY_ID = re.compile(r"ua_([0-9A-Za-z]{8})_[0-9A-Za-z]{49}\Z")
_SUBJECT = re.compile(rf"{CASE_REFERENCE}|^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}\Z")


@dataclass
class RequestState:
    """What is known of a request while it is served.

    `use_logged` means that today's first use of the key is on the access log. `events` must still be written there. A
    write waits for others until `waits_until`, a time of `time.monotonic`. `prepared` was computed before the write's
    turn.
    """

    key_id: str | None = None
    caller: Caller | None = None
    use_logged: bool = False
    events: list[AccessEvent] = field(default_factory=list)
    waits_until: float = 0.0
    prepared: object = None


def state_of(request: Request) -> RequestState:
    """Return the state of a request, created at its first use."""
    if not hasattr(request.state, "request_state"):
        match = _KEY_ID.match(bearer_token(request) or "")
        request.state.request_state = RequestState(key_id=match[1] if match else None)
    state: RequestState = request.state.request_state
    return state


def operation_of(request: Request) -> str:
    """Return the name of the operation that a request calls, which is that of its route."""
    name: str = request.scope["route"].name
    return name


def access_events(request: Request, entries: Sequence[LogEntry], status: int, media_type: str) -> list[AccessEvent]:
    """Return the events of an answer: those that the route logged, or the one of the policy."""
    policy: Policy = policy_of(operation_of(request))
    if policy.public:
        return []
    entries = entries or ([(policy.logged, ())] if policy.logged else [])
    if media_type.partition(";")[0] in EXPORTS:
        entries = [(Logged.EXPORT, tuple(subject for _, subjects in entries for subject in subjects))]
    return [_event(request, kind, status, subjects) for kind, subjects in entries]


def note_denial(request: Request, refusal: Refusal) -> None:
    """Note a denial, unless it only means that a path or a key was mistyped."""
    state = state_of(request)
    if state.key_id is None or (isinstance(refusal, NotFound) and not request.path_params):
        return
    state.events = [_event(request, Logged.DENIAL, STATUS[type(refusal)])]


async def write_noted_events(request: Request) -> None:
    """Write all noted events to the access log. Raises: Unavailable."""
    state = state_of(request)
    events, state.events = state.events, []
    is_first_use = state.caller is not None and state.caller.first_use_today and not state.use_logged
    use = _event(request, Logged.KEY, 200, (str(state.key_id),)) if is_first_use else None
    await context_of(request).access_log.write(events, use)
    state.use_logged = state.caller is not None


def _event(request: Request, kind: Logged, status: int, subjects: tuple[str, ...] = ()) -> AccessEvent:
    state = state_of(request)
    account_id = state.caller.account_id if state.caller else None
    about = subjects or _subjects(request.path_params)
    return AccessEvent(context_of(request).now(), account_id, state.key_id, kind, operation_of(request), status, about)


def _subjects(path_params: dict[str, str]) -> tuple[str, ...]:
    """Return the references and ids in the path. Other values may be anything and are not logged."""
    return tuple(value for value in path_params.values() if _SUBJECT.fullmatch(value))
