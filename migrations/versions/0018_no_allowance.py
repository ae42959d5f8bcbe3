"""The rate limit is kept in memory: its table goes."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("allowance")


def downgrade() -> None:
    op.create_table(
        "allowance",
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("full_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="pk_allowance"),
    )
    op.create_index("ix_allowance_full_at", "allowance", ["full_at"])
