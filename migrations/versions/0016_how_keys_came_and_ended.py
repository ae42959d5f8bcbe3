"""Keys tell how they came to be; that their time has passed is put on record."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# The first keys of a network were made in the moment of their accounts.
FIRST = """UPDATE key SET origin = 'first_start' WHERE EXISTS (SELECT 1 FROM account WHERE account.id = key.account_id
    AND account.name IN ('first admin', 'first coordinator') AND account.recorded_at = key.recorded_at)"""
WAS_WATCHED = "account_id, digest, scopes, expires_at, revoked_at, retires_at"
BUMP = "UPDATE network_state SET version = version + 1"
WATCHED = f"{WAS_WATCHED}, ended_at"


def upgrade() -> None:
    _unwatch()
    # In place: keys that name those in their place cannot be moved to another table.
    op.add_column("key", sa.Column("origin", sa.String(), nullable=False, server_default="command"))
    op.add_column("key", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(FIRST)
    _watch(WATCHED)


def downgrade() -> None:
    """A key that had ended is revoked: the older schema would let it live again with the clock."""
    _unwatch()
    op.execute("UPDATE key SET revoked_at = ended_at WHERE ended_at IS NOT NULL AND revoked_at IS NULL")
    op.drop_column("key", "ended_at")
    op.drop_column("key", "origin")
    _watch(WAS_WATCHED)


def _unwatch() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER key_changes_network ON key")
    else:
        for number in range(3):
            op.execute(f"DROP TRIGGER IF EXISTS key_changes_network_{number}")


def _watch(columns: str) -> None:
    """Whoever keeps in memory who may do what sees by the version that it is no longer so."""
    verbs = ("INSERT", "DELETE", f"UPDATE OF {columns}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER key_changes_network AFTER {' OR '.join(verbs)} ON key "
            "FOR EACH STATEMENT EXECUTE FUNCTION network_changed()"
        )
        return
    for number, verb in enumerate(verbs):
        op.execute(f"CREATE TRIGGER key_changes_network_{number} AFTER {verb} ON key BEGIN {BUMP}; END")
