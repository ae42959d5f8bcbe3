"""Keys have scopes, a day of last use and a successor; memberships end, accounts are disabled for a reason."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
ALL = '["read", "write", "open", "manage"]'
HELD = ["account_id", "entity_id", "role"]
UNIQUE = "uq_membership_account_id_entity_id_role"
OPEN = sa.text("ended_at IS NULL")
KEY = sa.table(
    "key",
    sa.column("id", sa.String),
    sa.column("scopes", DOCUMENT),
    sa.column("recorded_at", sa.DateTime(timezone=True)),
    sa.column("expires_at", sa.DateTime(timezone=True)),
    sa.column("retires_at", sa.DateTime(timezone=True)),
    sa.column("revoked_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    op.add_column("account", sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("account", sa.Column("disabled_reason", sa.String(), nullable=True))
    with op.batch_alter_table("membership") as membership:
        membership.drop_constraint(UNIQUE, type_="unique")
        membership.add_column(sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(UNIQUE, "membership", HELD, unique=True, sqlite_where=OPEN, postgresql_where=OPEN)
    with op.batch_alter_table("key") as key:
        key.add_column(sa.Column("scopes", DOCUMENT, nullable=False, server_default=ALL))
        key.add_column(sa.Column("last_used_on", sa.Date(), nullable=True))
        key.add_column(sa.Column("retires_at", sa.DateTime(timezone=True), nullable=True))
        key.add_column(sa.Column("replaced_by_id", sa.String(), nullable=True))
        key.create_foreign_key("fk_key_replaced_by_id_key", "key", ["replaced_by_id"], ["id"])
    with op.batch_alter_table("key") as key:
        key.alter_column("scopes", server_default=None)


def downgrade() -> None:
    """What the older schema cannot hold back is taken away: ended memberships, and keys that open less than all."""
    op.execute("DELETE FROM membership WHERE ended_at IS NOT NULL")
    _end_what_would_live_again()
    with op.batch_alter_table("key") as key:
        key.drop_constraint("fk_key_replaced_by_id_key", type_="foreignkey")
        for column in ("replaced_by_id", "retires_at", "last_used_on", "scopes"):
            key.drop_column(column)
    op.drop_index(UNIQUE, "membership")
    with op.batch_alter_table("membership") as membership:
        membership.drop_column("ended_at")
        membership.create_unique_constraint(UNIQUE, HELD)
    for column in ("disabled_reason", "disabled_at"):
        op.drop_column("account", column)


def _end_what_would_live_again() -> None:
    connection = op.get_bind()
    for key in connection.execute(sa.select(KEY)).all():
        changed = {}
        if key.retires_at is not None and key.retires_at < key.expires_at:
            changed["expires_at"] = key.retires_at
        if len(key.scopes) < 4 and key.revoked_at is None:
            changed["revoked_at"] = key.recorded_at
        if changed:
            connection.execute(sa.update(KEY).where(KEY.c.id == key.id).values(**changed))
