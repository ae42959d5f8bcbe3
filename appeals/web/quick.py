"""The quick way: what a door has answered once, asked again with the same key, is answered without its machinery.

Nothing is decided here. The door lets the caller pass as always and leaves a `Recipe`: the statement that answers the
question, with the policy in it, and what makes the answer of its rows. It is good for this key and this question, and
as long as the network is the one it was made in: the statement says so in the same snapshot. Whatever is odd (another
network, an ended key, no row) goes to the door. Both ways answer the same, byte for byte.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from fastapi import Request
from sqlalchemy import ColumnElement, Select, select, true
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appeals.access_log import Access, Recorder
from appeals.database import Unavailable
from appeals.errors import Gone, Invalid
from appeals.field import CASE_REFERENCE
from appeals.key import naming
from appeals.network import Caller, NetworkState, network_version
from appeals.reader import Question, Reader, Unreadable
from appeals.vocabulary import Logged

PLANS_KEPT = 1000
VARIES = "Accept, Authorization"


@dataclass(frozen=True)
class Answered:
    """What is answered; without content, that the caller has it already. `logged` is what the access log calls it."""

    content: bytes | None
    tag: str
    headers: dict[str, str] = field(default_factory=dict)
    logged: Logged | None = None


@dataclass(frozen=True)
class Asked:
    """What may differ from one time to the next: the case, the cursor, and the tags the caller has."""

    reference: str = ""
    cursor: str = ""
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """How a question is answered again: a statement, its parameters as they are asked, and the answer of its rows.

    `given` raises Invalid for a cursor that is none, and Gone. `make` gives None where the door has to be asked.
    `beside` are columns of the same snapshot that come before those of each row, also when there is no row: then these
    are null. Where the answer `goes_on`, it is a stream, which this is only a part of.
    """

    statement: Select[Any]
    given: Callable[[Asked], dict[str, Any]]
    make: Callable[[list[Any], Asked], Answered | None]
    beside: tuple[ColumnElement[Any], ...] = ()
    goes_on: bool = False


@dataclass(frozen=True)
class Plan:
    """A recipe as the driver takes it, and for whom and how long it is good.

    Its statement is not kept: as SQLAlchemy has it, it takes a hundred times the room of the text.
    """

    question: Question
    given: Callable[[Asked], dict[str, Any]]
    make: Callable[[list[Any], Asked], Answered | None]
    goes_on: bool
    door: str
    caller: Caller
    network: int


def tag_of(content: bytes) -> str:
    """The validator of an answer that has none of its own."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def tags_of(header: str) -> tuple[str, ...]:
    """The tags in an If-None-Match."""
    if "," not in header:
        return (header.strip().removeprefix("W/"),) if header else ()
    return tuple(tag.strip().removeprefix("W/") for tag in header.split(","))


def is_known(tag: str, known: tuple[str, ...]) -> bool:
    """Whether the caller has what is answered already, by weak comparison (RFC 9110, 13.1.2)."""
    return tag.removeprefix("W/") in known or known == ("*",)


def unless_known(content: bytes, tag: str, asked: Asked, **more: Any) -> Answered:
    """The answer, without its content where the caller has it."""
    return Answered(None if is_known(tag, asked.known) else content, tag, **more)


class Quick:
    """The plans of this process, and what is needed to carry them out."""

    def __init__(
        self,
        reader: Reader,
        recorder: Recorder,
        pepper: bytes,
        now: Callable[[], datetime],
        latest: Callable[[datetime], datetime],
    ) -> None:
        self.reader, self._now, self._latest = reader, now, latest
        self._recorder = recorder
        self._named = naming("a plan", pepper)
        self._plans: OrderedDict[bytes, Plan] = OrderedDict()
        self._lock = Lock()  # doors learn in threads
        self._written: WeakKeyDictionary[Select[Any], Question] = WeakKeyDictionary()

    def forget(self) -> None:
        """Forget every plan: another database is served now."""
        with self._lock:
            self._plans.clear()

    def learn(
        self, session: Session, request: Request, door: str, caller: Caller, recipe_of: Callable[[], Recipe | None]
    ) -> None:
        """Keep how a question is answered that its door has just answered, in the snapshot in which it did."""
        name = self._name(request.scope)
        if name is None or caller.first_use_today:  # the day is noted by the door
            return
        network, stands = network_version(session), self._plans.get(name)
        if stands is not None and stands.network == network and self.is_good(stands):
            return
        recipe = recipe_of()
        if recipe is None:
            return
        question = self._question(recipe)
        plan = Plan(question, recipe.given, recipe.make, recipe.goes_on, door, caller, network)
        with self._lock:
            self._plans[name] = plan
            self._plans.move_to_end(name)
            if len(self._plans) > PLANS_KEPT:
                self._plans.popitem(last=False)

    def _question(self, recipe: Recipe) -> Question:
        """The recipe as a question; written once for as long as others keep its statement."""
        question = self._written.get(recipe.statement)
        if question is None:
            inner, state = recipe.statement.subquery(), NetworkState.__table__
            whole = select(NetworkState.version, *recipe.beside, *inner.c).select_from(state.outerjoin(inner, true()))
            question = self.reader.written(whole)
            if question.statement is None and not recipe.beside:
                self._written[recipe.statement] = question
        return question

    def plan(self, scope: Scope) -> Plan | None:
        """How this is answered, if that is known and the key is still good."""
        name = self._name(scope)
        if name is None:
            return None
        with self._lock:
            plan = self._plans.get(name)
            if plan is None:
                return None
            if not self.is_good(plan):
                del self._plans[name]
                return None
            self._plans.move_to_end(name)
            return plan

    def is_good(self, plan: Plan) -> bool:
        """False when the key has ended, or is used for the first time on a day, which the door notes."""
        return plan.caller.is_good(self._latest(self._now()))

    async def answered(self, plan: Plan, asked: Asked) -> Answered | None:
        """What is answered, from one snapshot; None where the door has to be asked.

        Raises: Unreadable, and Invalid or Gone for a cursor.
        """
        rows = await self.reader.answer(plan.question, now=self._now(), **plan.given(asked))
        if rows[0][0] != plan.network:
            return None
        return plan.make([row[1:] for row in rows], asked)

    async def answer(self, scope: Scope) -> Answered | None:
        """What is answered to a request, when it is on the access log; None where the door has to be asked."""
        plan = self.plan(scope)
        if plan is None or plan.goes_on:
            return None
        asked = asked_in(scope)
        try:
            found = await self.answered(plan, asked)
        except (Unreadable, Invalid, Gone):
            found = None
        if found is not None and found.logged is not None and found.content is not None:
            await self._recorder.write([self._access(plan, asked, found.logged)])
        return found

    def _access(self, plan: Plan, asked: Asked, kind: Logged) -> Access:
        about = (asked.reference,) if asked.reference else ()
        return Access(self._now(), plan.caller.account_id, plan.caller.key_id, kind, plan.door, 200, about)

    def _name(self, scope: Scope) -> bytes | None:
        """What tells questions apart, and who asks; a key is kept as a keyed hash only.

        None where the question is spelt so that only the door can say what it means.
        """
        said = [b"%s:%s" % (name, value) for name, value in scope["headers"] if name in _TELLING]
        question = _question(scope)
        if question is None:
            return None
        parts = (_place(scope["path"]).encode(), question, *said)
        return self._named(b"".join(b"%d:%s" % (len(part), part) for part in parts))


_TELLING = (b"authorization", b"accept")
_SINCE = re.compile(rb"(since)=([A-Za-z0-9_-]+)")
_VARYING = {
    "/v1/cases": re.compile(rb"(cursor)=([A-Za-z0-9_-]+)"),
    "/v1/changes": _SINCE,
    "/v1/changes/stream": _SINCE,
}
"""The parameter that is no part of the question, but of where in its answers one is."""


def _question(scope: Scope) -> bytes | None:
    """The query without what varies, but that it is there; None where a part is spelt oddly, or given twice."""
    query: bytes = scope["query_string"]
    if not query:
        return b""
    varying, parts = _VARYING.get(scope["path"]), query.split(b"&")
    if any(b"%" in part.partition(b"=")[0] for part in parts):
        return None
    if varying is None:
        return query
    found = [match for part in parts if (match := varying.fullmatch(part))]
    if len(found) > 1:
        return None
    paged = [b"cursor" for match in found if match[1] == b"cursor"]  # another statement than that of the first page
    return b"&".join([part for part in parts if not varying.fullmatch(part)] + paged)


_CASE = re.compile(rf"/v1/cases/({CASE_REFERENCE.strip('^$')})")


def _place(path: str) -> str:
    """The path without the case in it."""
    return "/v1/cases/{ref}" if _CASE.fullmatch(path) else path


def asked_in(scope: Scope) -> Asked:
    """What a request asks for that is not in its plan."""
    found = _CASE.fullmatch(scope["path"])
    varying = _VARYING.get(scope["path"]) if scope["query_string"] else None
    places = [
        match[2].decode()
        for part in (scope["query_string"].split(b"&") if varying else ())
        if varying and (match := varying.fullmatch(part))
    ]
    tags = b",".join([value for name, value in scope["headers"] if name == b"if-none-match"]).decode("latin-1")
    return Asked(found[1] if found else "", places[0] if places else "", tags_of(tags))


class QuickWay:
    """Answers what it has a plan for, and lets all else pass to the doors."""

    def __init__(self, app: ASGIApp, quick: Quick) -> None:
        self.app, self._quick = app, quick

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = None
        if scope["type"] == "http" and scope["method"] == "GET":
            try:
                found = await self._quick.answer(scope)
            except Unavailable:  # the access log cannot be written: the door says so
                found = None
        if found is None:
            await self.app(scope, receive, send)
            return
        for message in answer_of(found):
            await send(message)


def answer_of(found: Answered) -> list[Message]:
    """What is answered, as ASGI sends it."""
    headers = {"ETag": found.tag, "Vary": VARIES, **found.headers}
    if found.content is not None:
        headers |= {"Content-Length": str(len(found.content)), "Content-Type": "application/json"}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    status = 304 if found.content is None else 200
    return [
        {"type": "http.response.start", "status": status, "headers": raw},
        {"type": "http.response.body", "body": found.content or b""},
    ]
