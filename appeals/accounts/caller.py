"""The caller of a request: an account, its roles and its key."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from appeals.vocabulary import Role, Scope


@dataclass(frozen=True)
class RoleGrant:
    """A role of a caller: the path of the entity in which it is held, and the membership that grants it."""

    role: Role
    entity_id: UUID
    path: str
    membership_id: UUID


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The caller of a request: its account, its role grants, its key and the scopes of the key."""

    account_id: UUID
    name: str
    grants: tuple[RoleGrant, ...]
    now: datetime
    key_id: str = ""
    scopes: frozenset[Scope] = frozenset()
    expires_at: datetime | None = None
    """When the key expires."""
    first_use_today: bool = False
    """Whether this is the first use of the key on this day, which `api_key.note_use` records."""

    def is_valid(self, now: datetime) -> bool:
        """Return whether the cached caller may be used: its key has not expired, and was used on this day before."""
        return self.now.date() == now.date() and self.expires_at is not None and now < self.expires_at

    def roles_over(self, path: str) -> frozenset[Role]:
        """Return the roles that hold for the entity at `path`: those held there or above."""
        return frozenset(grant.role for grant in self.grants if path.startswith(grant.path))


def anonymous_caller(now: datetime) -> Caller:
    """Return the caller of a request without a key on a public operation: it has no roles, and no account has
    its id.
    """
    return Caller(account_id=UUID(int=0), name="outsider", grants=(), now=now)
