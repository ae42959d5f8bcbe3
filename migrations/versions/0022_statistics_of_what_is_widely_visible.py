"""Statistics count cases that are widely visible in cells of their own; all are counted anew from the kept views."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WIDELY_VISIBLE = "widely_visible"


def upgrade() -> None:
    _make(WIDELY_VISIBLE)
    op.execute(
        "INSERT INTO statistic_delta (before, after, widely_visible) "
        "SELECT NULL, CAST(kept_view.counted AS VARCHAR), \"case\".visibility = 'network' "
        "OR (\"case\".visibility = 'regional' AND entity.parent_id IS NOT NULL) "
        'FROM kept_view JOIN "case" ON "case".id = kept_view.case_id JOIN entity ON entity.id = "case".lead_entity_id '
        "WHERE kept_view.counted IS NOT NULL"
    )


def downgrade() -> None:
    _make()
    op.execute(
        "INSERT INTO statistic_delta (before, after) "
        "SELECT NULL, CAST(counted AS VARCHAR) FROM kept_view WHERE counted IS NOT NULL"
    )


def _make(*told_apart: str) -> None:
    """The tables anew, without a row: each case is then a delta, which the service folds into cells."""
    op.drop_table("statistic_delta")
    op.drop_table("statistic")
    op.create_table(
        "statistic",
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        *_columns(told_apart),
        sa.Column("first", sa.String(), nullable=False),
        sa.Column("second", sa.String(), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entity_id"], ["entity.id"], name="fk_statistic_entity_id_entity", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("entity_id", "by", *told_apart, "first", "second", name="pk_statistic"),
        sqlite_with_rowid=False,  # the rows lie in the order of the key, as they are read
    )
    op.create_table(
        "statistic_delta",
        sa.Column("id", SERIAL, sa.Identity(), nullable=False),
        sa.Column("before", sa.String(), nullable=True),
        sa.Column("after", sa.String(), nullable=True),
        *_columns(told_apart),
        sa.PrimaryKeyConstraint("id", name="pk_statistic_delta"),
    )


def _columns(names: tuple[str, ...]) -> list[sa.Column[bool]]:
    return [sa.Column(name, sa.Boolean(), nullable=False) for name in names]
