"""Who acted: the network, as all that was on record, or others; and why somebody was contacted without consent."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

NEW = (
    sa.Column("by", sa.String(), nullable=False, server_default="network"),
    sa.Column("by_party", sa.Uuid(), nullable=True),
    sa.Column("by_organisation", sa.Uuid(), nullable=True),
    sa.Column("by_name", sa.String(), nullable=True),
    sa.Column("without_consent_because", sa.String(), nullable=True),
)


def upgrade() -> None:
    for column in NEW:
        op.add_column("action", column)


def downgrade() -> None:
    for column in reversed(NEW):
        op.drop_column("action", column.name)
