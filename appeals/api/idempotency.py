"""Idempotency keys: the first answer to a key is stored in the transaction of its effect and replayed later.

Answers are stored without end: a request that was lost on a bad line may be sent again days later, and must lead to the
same case.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Connection, ForeignKey, Table, bindparam, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.database.bulk import insert_ignore
from appeals.database.declarative import Base
from appeals.database.failures import Busy, failure_from
from appeals.database.types import Document
from appeals.errors import FieldError, KeyReused, StillRunning
from appeals.json_types import JsonObject


class IdempotentResponse(Base):
    """The first answer to an account's idempotency key. `fingerprint` is a hash of the method, path and body.

    `logged` are its entries in the access log, which a replay logs again. `body` is empty if the answer held a secret.
    """

    __tablename__ = "idempotent_response"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]
    status: Mapped[int]
    headers: Mapped[dict[str, str]] = mapped_column(Document)
    body: Mapped[bytes]
    logged: Mapped[list[JsonObject]] = mapped_column(Document)
    recorded_at: Mapped[datetime]

    def require_same(self, print_: bytes) -> None:
        """Check that the key came with the same request. Raises: KeyReused."""
        if self.fingerprint != print_:
            raise KeyReused([FieldError("Idempotency-Key", KeyReused.detail)])


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    """Return the hash by which two requests are the same."""
    return hashlib.sha256(b"\n".join((method.encode(), path.encode(), body))).digest()


def claim(session: Session, account_id: UUID, key: str, print_: bytes, now: datetime) -> IdempotentResponse | None:
    """Claim a key for this request, or return the answer that is stored under it.

    Waits for a running request with the same key. Raises: StillRunning.
    """
    values = {
        "account_id": account_id,
        "key": key,
        "fingerprint": print_,
        "status": 0,
        "headers": {},
        "body": b"",
        "logged": [],
        "recorded_at": now,
    }
    try:
        if insert_ignore(session.connection(), IdempotentResponse, values):
            return None
    except OperationalError as error:
        if type(failure_from(error)) is not Busy:  # a deadlock has other causes, and is retried
            raise
        raise StillRunning from error
    return session.get_one(IdempotentResponse, (account_id, key))


def store_response(connection: Connection, account_id: UUID, key: str, response: Mapping[str, object]) -> None:
    """Store the answer to a key claimed in this transaction: status, headers, body and access log entries."""
    connection.execute(_KEEP, {"of": account_id, "under": key, **response})


_TABLE = cast(Table, IdempotentResponse.__table__)
_KEEP = (
    update(_TABLE)
    .where(_TABLE.c.account_id == bindparam("of"), _TABLE.c.key == bindparam("under"))
    .values({name: bindparam(name) for name in ("status", "headers", "body", "logged")})
)
