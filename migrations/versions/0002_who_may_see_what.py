"""The team of a case, openings of what is sealed, what a publication shows and the consents it rests on."""

import secrets
import uuid

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
PUBLICATION = sa.table(
    "publication",
    sa.column("id", sa.Uuid()),
    sa.column("token", sa.String()),
    sa.column("shows", DOCUMENT),
    sa.column("consents", DOCUMENT),
)
RELIANCE = sa.table("reliance", sa.column("publication_id", sa.Uuid()), sa.column("consent_id", sa.Uuid()))


def upgrade() -> None:
    the_team()
    the_openings()
    what_is_published()
    op.add_column("case", sa.Column("translations", DOCUMENT, nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("case", "translations")
    consents = relied_on()
    op.drop_table("reliance")
    with op.batch_alter_table("publication") as batch:
        batch.add_column(sa.Column("consents", DOCUMENT, nullable=False, server_default="[]"))
    for number, numbers in consents.items():
        row = sa.update(PUBLICATION).where(PUBLICATION.c.id == number)
        op.get_bind().execute(row.values(consents=[str(consent) for consent in numbers]))
    with op.batch_alter_table("publication") as batch:
        batch.alter_column("consents", server_default=None)
        batch.drop_constraint("uq_publication_token", type_="unique")
        batch.drop_column("token")
        batch.drop_column("shows")
    op.drop_column("approval", "shows")
    for table in ("opening", "team_member"):
        op.drop_table(table)


def of_a_case(table: str, *columns: sa.Column) -> None:
    """A table of records of a case."""
    op.create_table(
        table,
        *columns,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        refers(table, "case_id", "case"),
        refers(table, "recorded_by", "account"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint("case_id", "label", name=f"uq_{table}_case_id_label"),
    )
    op.create_index(f"ix_{table}_case_id", table, ["case_id"])


def refers(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    """A reference that is checked when the transaction ends."""
    name = f"fk_{table}_{column}_{other}"
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, deferrable=True, initially="DEFERRED")


def the_team() -> None:
    """Who has a case, and who logged it, was all of its team until now."""
    of_a_case(
        "team_member",
        sa.Column("account", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("broke_glass_because", sa.String(), nullable=True),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        refers("team_member", "account", "account"),
    )
    op.create_index("ix_team_member_account", "team_member", ["account"])
    member = sa.table(
        "team_member",
        *(sa.column(name, sa.Uuid()) for name in ("id", "case_id", "account", "recorded_by")),
        sa.column("status", sa.String()),
        sa.column("recorded_at", sa.DateTime(timezone=True)),
    )
    cases = op.get_bind().execute(
        sa.text('SELECT id, recorded_by, assignee_id, recorded_at FROM "case"').columns(
            id=sa.Uuid(), recorded_by=sa.Uuid(), assignee_id=sa.Uuid(), recorded_at=sa.DateTime(timezone=True)
        )
    )
    rows = [
        {"id": uuid.uuid4(), "case_id": case.id, "account": who, "recorded_by": case.recorded_by,
         "status": "on", "recorded_at": case.recorded_at}
        for case in cases
        for who in sorted({case.recorded_by, case.assignee_id or case.recorded_by})
    ]  # fmt: skip
    if rows:
        op.bulk_insert(member, rows)


def the_openings() -> None:
    """Who opened which sealed fields, and why."""
    of_a_case(
        "opening",
        sa.Column("fields", DOCUMENT, nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
    )


def what_is_published() -> None:
    """Publications show what was approved. What was approved before this was not kept: those show the country alone."""
    op.add_column("approval", sa.Column("shows", DOCUMENT, nullable=False, server_default="{}"))
    with op.batch_alter_table("publication") as batch:
        batch.add_column(sa.Column("token", sa.String(), nullable=True))
        batch.add_column(sa.Column("shows", DOCUMENT, nullable=True))
    relied_on = fill_publications()
    with op.batch_alter_table("publication") as batch:
        batch.alter_column("token", nullable=False)
        batch.alter_column("shows", nullable=False)
        batch.create_unique_constraint("uq_publication_token", ["token"])
        batch.drop_column("consents")
    op.create_table(
        "reliance",
        sa.Column("publication_id", sa.Uuid(), nullable=False),
        sa.Column("consent_id", sa.Uuid(), nullable=False),
        refers("reliance", "publication_id", "publication"),
        refers("reliance", "consent_id", "consent"),
        sa.PrimaryKeyConstraint("publication_id", "consent_id", name="pk_reliance"),
    )
    op.create_index("ix_reliance_consent_id", "reliance", ["consent_id"])
    if relied_on:
        op.bulk_insert(RELIANCE, relied_on)


def fill_publications() -> list[dict[str, uuid.UUID]]:
    """Give each a token and what it shows; the consents they rest on, as rows of a table to come."""
    connection, relied_on = op.get_bind(), []
    query = sa.text('SELECT p.id, p.consents, c.country FROM publication p JOIN "case" c ON c.id = p.case_id')
    for row in connection.execute(query.columns(id=sa.Uuid(), consents=DOCUMENT, country=sa.String())).all():
        shows = {"level": "anonymised", "country": row.country, "violations": [], "headings": []}
        told = sa.update(PUBLICATION).where(PUBLICATION.c.id == row.id)
        connection.execute(told.values(token=secrets.token_urlsafe(16), shows=shows))
        relied_on += [{"publication_id": row.id, "consent_id": uuid.UUID(told)} for told in dict.fromkeys(row.consents)]
    return relied_on


def relied_on() -> dict[uuid.UUID, list[uuid.UUID]]:
    """The consents each publication rests on."""
    found: dict[uuid.UUID, list[uuid.UUID]] = {}
    for row in op.get_bind().execute(sa.select(RELIANCE).order_by(RELIANCE.c.consent_id)):
        found.setdefault(row.publication_id, []).append(row.consent_id)
    return found
