"""Statistics: cells, deltas that are still to be added to them, and how each case was counted last."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("kept_view", sa.Column("counted", DOCUMENT, nullable=True))
    op.create_table(
        "statistic",
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("first", sa.String(), nullable=False),
        sa.Column("second", sa.String(), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entity_id"], ["entity.id"], name="fk_statistic_entity_id_entity", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("entity_id", "by", "first", "second", name="pk_statistic"),
        sqlite_with_rowid=False,  # the rows lie in the order of the key, as they are read
    )
    op.create_table(
        "statistic_delta",
        sa.Column("id", SERIAL, sa.Identity(), nullable=False),
        sa.Column("before", sa.String(), nullable=True),
        sa.Column("after", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_statistic_delta"),
    )


def downgrade() -> None:
    op.drop_table("statistic_delta")
    op.drop_table("statistic")
    op.drop_column("kept_view", "counted")
