"""The transactions of requests: the one place where a route opens the database.

A route declares who may call it and its subject by an `Access`, as a dependency. The dependency opens nothing. It gives
the route a `ReadRequest` or a `WriteRequest`, whose `snapshot()` or `transaction()` opens the database, authorizes the
caller, and closes it again before the answer is sent (docs/decisions/0001, 0047).
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import ClassVar, Generic

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from appeals.accounts.caller import Caller, anonymous_caller
from appeals.api.authorization import (
    AuthorizationContext,
    authorize,
    filter_replayed,
    require_role,
    require_scope,
    require_work_view,
)
from appeals.api.caller import bearer_token
from appeals.api.context import context_of
from appeals.api.idempotency import IdempotentResponse, claim, fingerprint, store_response
from appeals.api.permissions import Policy, policy_of
from appeals.api.request_body import parsed_body, raw_body
from appeals.api.request_log import access_events, operation_of, state_of
from appeals.api.snapshot import Authorized, Snapshot, Subject_co
from appeals.cases.case import Case
from appeals.errors import PreconditionFailed, PreconditionRequired, SecretNotKept
from appeals.json_types import Json
from appeals.lifecycle.write_context import WriteContext
from appeals.read_models.case_snapshot import RenderedView
from appeals.transaction import Transaction, transaction
from appeals.vocabulary import Logged

SubjectFinder = Callable[[AuthorizationContext, Case | None], Subject_co]
"""Finds the subject of a route, given the case in its path. Raises: NotFound, Forbidden."""
Preparation = Callable[[AuthorizationContext, Json], object]
"""Computes something from the body of a request. Raises: ValidationError, if the body has another form."""
STORED_HEADERS = ("Location", "ETag")


class ReplayPolicy(StrEnum):
    """What a repeated request gets if the first answer held a secret and was not stored."""

    REPEAT = "again"  # it is done again, because it only reads
    REFUSE = "refuse"  # 409, because doing it again would create another


class Replayed(Exception):
    """Ends a write whose idempotency key was used before. The route class answers with the stored response."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


# Open transactions


@dataclass
class WriteTransaction(Authorized[Subject_co]):
    """An open write: a `Transaction` together with its request.

    It is committed when its block ends, and rolled back if the block raises.
    """

    idempotency_key: str | None = None
    replay_policy: ReplayPolicy | None = None
    response: Response | None = None

    @property
    def write(self) -> Transaction:
        """The transaction of the write. `appeals/transaction.py` lists what its commit does, in order."""
        if self.authorization.tx is None:
            raise LookupError("a read writes nothing")
        return self.authorization.tx

    @property
    def write_context(self) -> WriteContext:
        """The context of a write to the case in the path, for the lifecycle."""
        return WriteContext(self.write, self.case, self.caller, self.now)

    @property
    def prepared(self) -> object:
        """What was computed before the write's turn; None if that failed or there is nothing."""
        return state_of(self.request).prepared

    def require_if_match(self) -> None:
        """Check that If-Match names the version of the case. Raises: PreconditionRequired, PreconditionFailed.

        Only the version counts, not the revision: records that were added meanwhile are no conflict.
        """
        tags = [tag.strip() for line in self.request.headers.getlist("if-match") for tag in line.split(",")]
        if not tags:
            raise PreconditionRequired
        current = re.compile(rf'"{self.case.version}-[0-9a-z]+"')
        if tags != ["*"] and not any(current.fullmatch(tag) for tag in tags):
            raise PreconditionFailed

    def show(self, case: Case | None = None) -> RenderedView:
        """Return the case in the path, or another, in the fullest view of the caller.

        Nothing may be written to it afterwards.
        """
        return self.write.show(self.caller, case or self.case)

    def respond(self, view: BaseModel | bytes, **headers: str) -> Response:
        """Return the answer to this write, with the status of the route. The commit stores and logs it."""
        status = _route_of(self.request).status_code or 200
        content = view if isinstance(view, bytes) else view.model_dump_json().encode()
        self.response = Response(content, status, headers, "application/json")
        return self.response

    def commit(self) -> None:
        """Commit the write, with its rows in the access log and the stored answer."""
        response = self.response
        events = access_events(self.request, self.logged, response.status_code, "") if response else []
        store = self._store_response(response) if response and self.idempotency_key else None
        self.write.commit(self.now, self.caller.account_id, events, store)

    def _store_response(self, response: Response) -> Callable[[Connection], None]:
        """Store the answer under the idempotency key, without its content if it holds a secret."""
        keeps = self.replay_policy is None
        headers = {name: response.headers[name] for name in STORED_HEADERS if name in response.headers}
        stored = {
            "status": response.status_code,
            "headers": headers if keeps else {},
            "body": bytes(response.body) if keeps else b"",
            "logged": self.logged,
        }
        return partial(
            store_response, account_id=self.caller.account_id, key=self.idempotency_key or "", response=stored
        )


# Declarations of routes


@dataclass(frozen=True, eq=False)
class Access(Generic[Subject_co]):
    """Who may call a route, by the policy of its name, and the subject of the route.

    `prepare` computes something of the body from a snapshot, before the write waits for its turn.
    """

    find: SubjectFinder[Subject_co]
    replay_policy: ReplayPolicy | None = None
    prepare: Preparation | None = None

    public: ClassVar[bool] = False
    needs_if_match: ClassVar[bool] = False

    def open(
        self, request: Request, session: Session | None, caller: Caller, tx: Transaction | None = None
    ) -> tuple[AuthorizationContext, Case | None, Subject_co]:
        """Authorize the caller, and find the subject. Raises: NotFound, Forbidden."""
        context = context_of(request)
        authorization = AuthorizationContext(session, caller, dict(request.path_params), context.now(), tx)
        found = self.authorize(authorization, policy_of(operation_of(request)))
        return replace(authorization, now=context.now()), *found

    def authorize(self, authorization: AuthorizationContext, policy: Policy) -> tuple[Case | None, Subject_co]:
        """Authorize the caller by a policy, and find the subject. Raises: NotFound, Forbidden."""
        case = authorize(authorization, policy)
        subject = self.find(authorization, case)
        if case is not None:
            require_role(authorization, policy, case)
        require_scope(authorization.caller, policy)
        return case, subject

    def require(self, request: Request) -> None:
        """Check only whether the caller is authorized. Raises: Unauthenticated, NotFound, Forbidden."""
        with context_of(request).database.reading() as session:
            self.open(request, session, authenticate(request, session.connection()))

    def prepare_write(self, request: Request) -> None:
        """Do the part of a write that needs no place in the queue. Raises: Unauthenticated, Forbidden, Busy."""
        if self.prepare is None:
            return
        with suppress(ValidationError), context_of(request).database.reading() as session:
            caller = authenticate(request, session.connection())
            authorization, *_ = self.open(request, session, caller)
            state_of(request).prepared = self.prepare(authorization, parsed_body(request))


# Requests of routes


@dataclass(frozen=True)
class ReadRequest(Generic[Subject_co]):
    """A request to read, before the database is opened."""

    request: Request
    access: "Access[Subject_co]"

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot[Subject_co]]:
        """Open a snapshot of the database for an authorized caller. Raises: Unauthenticated, NotFound, Forbidden."""
        with context_of(self.request).database.reading() as session:
            caller = authenticate(self.request, session.connection())
            yield Snapshot(self.request, caller, *self.access.open(self.request, session, caller))


@dataclass(frozen=True)
class WriteRequest(Generic[Subject_co]):
    """A request to write, before the database is opened."""

    request: Request
    access: "Access[Subject_co]"

    @contextmanager
    def transaction(self) -> Iterator[WriteTransaction[Subject_co]]:
        """Open one transaction for the effect, the stored answer and the access log.

        Raises, in this order: Unauthenticated, StillRunning, NotFound, Forbidden, KeyReused, SecretNotKept, Replayed.
        """
        patience_s = max(state_of(self.request).waits_until - time.monotonic(), 0)
        replay: Response | None = None
        with transaction(context_of(self.request).database, patience_s=patience_s) as write:
            caller = authenticate(self.request, write.connection)
            # The key is claimed before the case is locked, so that a second try waits only for the key.
            stored = self._claim(write, caller)
            tx = WriteTransaction(self.request, caller, *self.access.open(self.request, None, caller, write))
            tx.idempotency_key, tx.replay_policy = self._idempotency_key, self.access.replay_policy
            replay = self._replay(tx, stored) if stored else None
            if replay is None:
                yield tx
                tx.commit()
        if replay is not None:
            raise Replayed(replay)

    @property
    def _idempotency_key(self) -> str | None:
        """The idempotency key with the account of the caller, so that two accounts share no answers."""
        return None if self.access.public else self.request.headers.get("idempotency-key")

    @property
    def _fingerprint(self) -> bytes:
        return fingerprint(self.request.method, self.request.scope["path"], raw_body(self.request))

    def _claim(self, write: Transaction, caller: Caller) -> IdempotentResponse | None:
        """Return the answer that is stored under the key, or None if this is the first request with it."""
        key, now = self._idempotency_key, context_of(self.request).now()
        return claim(write.session, caller.account_id, key, self._fingerprint, now) if key else None

    def _replay(self, tx: WriteTransaction[Subject_co], stored: IdempotentResponse) -> Response | None:
        """Return the stored answer as far as the caller may still see it; None if the request is to be done again.

        Raises: NotFound, Forbidden, KeyReused, SecretNotKept.
        """
        stored.require_same(self._fingerprint)
        if tx.replay_policy is ReplayPolicy.REFUSE:
            raise SecretNotKept
        if tx.replay_policy is ReplayPolicy.REPEAT:
            return None
        has_view = policy_of(operation_of(self.request)).view
        reference = self.request.path_params["ref"] if has_view else _case_at(stored.headers.get("Location", ""))
        if reference is not None:
            require_work_view(tx.authorization, reference)
        content = filter_replayed(tx.authorization, stored.body)
        logged = [(Logged(kind), tuple(subjects)) for kind, subjects in stored.logged]
        events = access_events(self.request, logged, stored.status, "")
        tx.write.commit(tx.now, tx.caller.account_id, events)
        headers = {**stored.headers, "Idempotency-Replayed": "true"}
        return Response(content, stored.status, headers, "application/json")


def authenticate(request: Request, connection: Connection) -> Caller:
    """Return the caller, read in the transaction. Raises: Unauthenticated."""
    context, state = context_of(request), state_of(request)
    if policy_of(operation_of(request)).public:
        return anonymous_caller(context.now())
    state.caller = None
    state.caller = context.callers.authenticate(connection, bearer_token(request), context.now())
    return state.caller


def _route_of(request: Request) -> APIRoute:
    route: APIRoute = request.scope["route"]
    return route


def _case_at(location: str) -> str | None:
    """Return the reference of the case created at a location; None if something else was created."""
    _, prefix, reference = location.partition("/v1/cases/")
    return reference if prefix else None
