"""The caller of a request: an account, its roles and its key."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from appeals.vocabulary import Role, Scope


@dataclass(frozen=True)
class RoleGrant:
    """A role a caller holds, the place in the tree it is held at, and the membership that gives it."""

    role: Role
    entity_id: UUID
    path: str
    membership_id: UUID


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who is calling: an account, the roles it holds, the key it shows and what that may be used for."""

    account_id: UUID
    name: str
    grants: tuple[RoleGrant, ...]
    now: datetime
    key_id: str = ""
    scopes: frozenset[Scope] = frozenset()
    expires_at: datetime | None = None
    """When the key dies of itself."""
    first_use_today: bool = False
    """Whether the use of the key on this day is still to be noted, with `api_key.note_use`."""

    def is_valid(self, now: datetime) -> bool:
        """False when the key has ended of itself, or is used for the first time on a day, which is to be noted."""
        return self.now.date() == now.date() and self.expires_at is not None and now < self.expires_at

    def roles_over(self, path: str) -> frozenset[Role]:
        """The roles good for the entity at `path`: those held there or above."""
        return frozenset(grant.role for grant in self.grants if path.startswith(grant.path))


def anonymous_caller(now: datetime) -> Caller:
    """Who calls without a key, where none is asked for: they hold no role, and no account has this id."""
    return Caller(account_id=UUID(int=0), name="outsider", grants=(), now=now)
