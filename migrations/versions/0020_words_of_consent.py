"""Words of consent: a no is a record of its own; what a page shows and until when; second signatures for a purpose."""

import json
import uuid
from datetime import UTC, date, datetime, time

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
NO_END = date(9999, 12, 31)
UP = sa.text("taken_down_at IS NULL")
REVISION_TRIGGER = """CREATE TRIGGER revision_no_update BEFORE UPDATE ON revision
    BEGIN SELECT RAISE(ABORT, 'revisions are append only'); END"""

CONSENT = sa.table(
    "consent",
    *(sa.column(name, sa.Uuid()) for name in ("id", "case_id", "recorded_by", "of_party", "of_person")),
    *(sa.column(name, sa.String()) for name in ("label", "subject", "scope", "state", "method", "language")),
    *(sa.column(name, sa.String()) for name in ("given_precision", "on_precision", "conditions")),
    *(sa.column(name, DOCUMENT) for name in ("recipients", "conditions_list")),
    *(sa.column(name, sa.Date()) for name in ("given_on", "expires_on", "withdrawn_on", "on")),
    sa.column("recorded_at", sa.DateTime(timezone=True)),
)
REVISION = sa.table(
    "revision",
    *(sa.column(name, sa.Uuid()) for name in ("id", "record_id", "by")),
    sa.column("kind", sa.String()),
    sa.column("at", sa.DateTime(timezone=True)),
    sa.column("holds", DOCUMENT),
)
PUBLICATION = sa.table(
    "publication", sa.column("id", sa.Uuid()), sa.column("up_until", sa.Date()),
    sa.column("taken_down_at", sa.DateTime(timezone=True)),
)  # fmt: skip
RELIANCE = sa.table("reliance", sa.column("publication_id", sa.Uuid()), sa.column("consent_id", sa.Uuid()))
CASE = sa.table("case", sa.column("id", sa.Uuid()), sa.column("take_up_until", sa.Date()))
SIGNED = {"shown_records": {}, "conditions_met": [], "voices_left": []}
ADDED: dict[str, dict[str, object]] = {
    "consent": {"of_party": None, "of_person": None, "given_precision": "exact", "on": None, "on_precision": "exact"},
    "approval": {"purpose": "publication", "no_local_partner": False, **SIGNED},
    "publication": {"no_local_partner": None, "up_until": None, "outdated_on": None, **SIGNED},
    "action": {"conditions_met": []},
    "case": {"take_up_until": None, "share_until": None, "share_conditions_met": []},
}
"""What revisions hold of each kind besides, in the names of the model."""


def upgrade() -> None:
    _add_columns()
    _split_noes()
    _note_ends()
    _rewrite_revisions(_as_new)
    with op.batch_alter_table("consent") as batch:
        batch.drop_column("withdrawn_on")
        batch.drop_column("conditions")
    with op.batch_alter_table("consent") as batch:
        batch.alter_column("conditions_list", new_column_name="conditions", nullable=False)


def _add_columns() -> None:
    def document(name: str, empty: str) -> sa.Column[object]:
        return sa.Column(name, DOCUMENT, nullable=False, server_default=empty)

    def precision(name: str) -> sa.Column[str]:
        return sa.Column(name, sa.String(), nullable=False, server_default="exact")

    with op.batch_alter_table("consent") as batch:
        batch.add_column(sa.Column("of_party", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("of_person", sa.Uuid(), nullable=True))
        batch.add_column(precision("given_precision"))
        batch.add_column(sa.Column("on", sa.Date(), nullable=True))
        batch.add_column(precision("on_precision"))
        batch.add_column(document("conditions_list", "[]"))
        for column, table in (("of_party", "party"), ("of_person", "person")):
            batch.create_foreign_key(
                f"fk_consent_{column}_{table}", table, [column], ["id"], initially="DEFERRED", deferrable=True
            )
    with op.batch_alter_table("approval") as batch:
        batch.add_column(sa.Column("for", sa.String(), nullable=False, server_default="publication"))
        batch.add_column(document("shown_records", "{}"))
        batch.add_column(document("conditions_met", "[]"))
        batch.add_column(document("voices_left", "[]"))
        batch.add_column(sa.Column("no_local_partner", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("publication") as batch:
        batch.add_column(document("shown_records", "{}"))
        batch.add_column(document("conditions_met", "[]"))
        batch.add_column(document("voices_left", "[]"))
        batch.add_column(sa.Column("no_local_partner", sa.String(), nullable=True))
        batch.add_column(sa.Column("up_until", sa.Date(), nullable=True))
        batch.add_column(sa.Column("outdated_on", sa.Date(), nullable=True))
        batch.drop_constraint("uq_publication_token", type_="unique")
    op.create_index(
        "uq_publication_token_up", "publication", ["token"], unique=True, sqlite_where=UP, postgresql_where=UP
    )
    op.add_column("action", document("conditions_met", "[]"))
    op.add_column("case", sa.Column("take_up_until", sa.Date(), nullable=True))
    op.add_column("case", sa.Column("share_until", sa.Date(), nullable=True))
    op.add_column("case", document("share_conditions_met", "[]"))


def _split_noes() -> None:
    """A withdrawal becomes a record of its own; what it ended stands as it was given."""
    connection = op.get_bind()
    for row in connection.execute(sa.select(CONSENT)).mappings().all():
        values: dict[str, object] = {"conditions_list": [row["conditions"]] if row["conditions"] else []}
        given = "given_with_conditions" if row["conditions"] else "given"
        if row["withdrawn_on"] is not None:
            at, by = _withdrawn_at(row)
            kept = {name: row[name] for name in ("case_id", "subject", "scope", "recipients", "language")}
            no = {**kept, "id": uuid.uuid4(), "state": "withdrawn", "on": row["withdrawn_on"], "on_precision": "exact"}
            no |= {"given_precision": "exact", "recorded_at": at, "recorded_by": by, "conditions_list": []}
            connection.execute(sa.insert(CONSENT).values(no))
        if row["state"] in {"withdrawn", "expired", "superseded"}:
            values["state"] = given
        if row["state"] == "superseded":
            values["expires_on"] = row["given_on"]
        if row["state"] == "refused":
            values |= {"on": row["given_on"] or row["recorded_at"].date(), "given_on": None, "expires_on": None}
        connection.execute(sa.update(CONSENT).where(CONSENT.c.id == row["id"]).values(values))


def _withdrawn_at(row: object) -> tuple[datetime, object]:
    """When and by whom a withdrawal was recorded: by the first revision that holds it, else its own day."""
    connection = op.get_bind()
    known = sa.select(REVISION.c.at, REVISION.c.by, REVISION.c.holds).where(REVISION.c.record_id == row["id"])  # type: ignore[index]
    for at, by, holds in connection.execute(known.order_by(REVISION.c.at)):
        if holds.get("withdrawn_on"):
            return at, by
    day = datetime.combine(row["withdrawn_on"], time(), UTC)  # type: ignore[index]
    return max(day, row["recorded_at"]), row["recorded_by"]  # type: ignore[index]


def _note_ends() -> None:
    """Until when each page may be read, and each case is taken up, by the consents there are."""
    connection = op.get_bind()
    withdrawn = set(connection.scalars(sa.select(CONSENT.c.id).where(CONSENT.c.withdrawn_on.is_not(None))))
    ends = dict(connection.execute(sa.select(CONSENT.c.id, CONSENT.c.expires_on)).all())  # type: ignore[arg-type]
    for number in connection.scalars(sa.select(PUBLICATION.c.id).where(PUBLICATION.c.taken_down_at.is_(None))).all():
        resting = sa.select(RELIANCE.c.consent_id).where(RELIANCE.c.publication_id == number)
        consents = connection.scalars(resting).all()
        until = None if withdrawn & set(consents) else min((ends[one] or NO_END for one in consents), default=NO_END)
        connection.execute(sa.update(PUBLICATION).where(PUBLICATION.c.id == number).values(up_until=until))
    taking_up = sa.select(CONSENT.c.case_id, CONSENT.c.expires_on).where(
        CONSENT.c.subject == "workers", CONSENT.c.scope == "take_up", CONSENT.c.withdrawn_on.is_(None),
        CONSENT.c.state.in_(["given", "given_with_conditions"]),
    )  # fmt: skip
    until: dict[uuid.UUID, date] = {}
    for case_id, end in connection.execute(taking_up):
        until[case_id] = max(until.get(case_id, date.min), end or NO_END)
    for case_id, end in until.items():
        connection.execute(sa.update(CASE).where(CASE.c.id == case_id).values(take_up_until=end))


def _as_new(kind: str, holds: dict[str, object]) -> dict[str, object]:
    holds = {**ADDED[kind], **holds}
    if kind == "consent":
        conditions = holds.get("conditions")
        holds["conditions"] = [conditions] if isinstance(conditions, str) else conditions or []
        if holds.pop("withdrawn_on", None) or holds["state"] in {"expired", "superseded"}:
            holds["state"] = "given_with_conditions" if holds["conditions"] else "given"
    return holds


def _as_old(kind: str, holds: dict[str, object]) -> dict[str, object]:
    kept = {name: value for name, value in holds.items() if name not in ADDED[kind]}
    if kind == "consent":
        conditions = holds.get("conditions")
        kept["conditions"] = "; ".join(conditions) if isinstance(conditions, list) and conditions else None
        kept["withdrawn_on"] = holds.get("on")
    return kept


def _rewrite_revisions(change: "object") -> None:
    """Have the revisions of these kinds hold what the model asks for: they are read as rows."""
    connection, dialect = op.get_bind(), op.get_context().dialect.name
    if dialect == "sqlite":
        op.execute("DROP TRIGGER revision_no_update")
    else:
        op.execute("ALTER TABLE revision DISABLE TRIGGER revision_append_only")
    rows = sa.select(REVISION.c.id, REVISION.c.kind, REVISION.c.holds).where(REVISION.c.kind.in_(list(ADDED)))
    for number, kind, holds in connection.execute(rows).all():
        held = holds if isinstance(holds, dict) else json.loads(holds)
        changed = change(kind, held)  # type: ignore[operator]
        connection.execute(sa.update(REVISION).where(REVISION.c.id == number).values(holds=changed))
    if dialect == "sqlite":
        op.execute(REVISION_TRIGGER)
    else:
        op.execute("ALTER TABLE revision ENABLE TRIGGER revision_append_only")


def downgrade() -> None:
    with op.batch_alter_table("consent") as batch:
        batch.alter_column("conditions", new_column_name="conditions_list")
    with op.batch_alter_table("consent") as batch:
        batch.add_column(sa.Column("conditions", sa.String(), nullable=True))
        batch.add_column(sa.Column("withdrawn_on", sa.Date(), nullable=True))
    _join_noes()
    _rewrite_revisions(_as_old)
    with op.batch_alter_table("consent") as batch:
        batch.drop_constraint("fk_consent_of_party_party", type_="foreignkey")
        batch.drop_constraint("fk_consent_of_person_person", type_="foreignkey")
        for name in ("of_party", "of_person", "given_precision", "on", "on_precision", "conditions_list"):
            batch.drop_column(name)
    with op.batch_alter_table("approval") as batch:
        for name in ("for", "shown_records", "conditions_met", "voices_left", "no_local_partner"):
            batch.drop_column(name)
    _make_tokens_differ()
    op.drop_index("uq_publication_token_up", table_name="publication")
    with op.batch_alter_table("publication") as batch:
        for name in ("shown_records", "conditions_met", "voices_left", "no_local_partner", "up_until", "outdated_on"):
            batch.drop_column(name)
        batch.create_unique_constraint("uq_publication_token", ["token"])
    with op.batch_alter_table("action") as batch:
        batch.drop_column("conditions_met")
    for name in ("take_up_until", "share_until", "share_conditions_met"):
        op.drop_column("case", name)


def _join_noes() -> None:
    """A no is told by the yes that it ended; one that ended none stays as a refusal."""
    connection = op.get_bind()
    rows = connection.execute(sa.select(CONSENT)).mappings().all()
    for row in rows:
        text = "; ".join(row["conditions_list"]) if row["conditions_list"] else None
        connection.execute(sa.update(CONSENT).where(CONSENT.c.id == row["id"]).values(conditions=text))
    for no in (row for row in rows if row["state"] in {"refused", "withdrawn"}):
        ended = sa.and_(
            CONSENT.c.case_id == no["case_id"], CONSENT.c.subject == no["subject"], CONSENT.c.scope == no["scope"],
            CONSENT.c.state.in_(["given", "given_with_conditions"]), CONSENT.c.given_on <= no["on"],
        )  # fmt: skip
        if connection.execute(
            sa.update(CONSENT).where(ended).values(state="withdrawn", withdrawn_on=no["on"])
        ).rowcount:
            connection.execute(sa.delete(CONSENT).where(CONSENT.c.id == no["id"]))
        else:
            connection.execute(sa.update(CONSENT).where(CONSENT.c.id == no["id"]).values(state="refused"))


def _make_tokens_differ() -> None:
    """Only of pages that are up the address is kept: those taken down get one that nobody knows."""
    connection = op.get_bind()
    table = sa.table("publication", sa.column("id", sa.Uuid()), sa.column("token", sa.String()))
    down = sa.table("publication", sa.column("id", sa.Uuid()), sa.column("taken_down_at", sa.DateTime(timezone=True)))
    for number in connection.scalars(sa.select(down.c.id).where(down.c.taken_down_at.is_not(None))).all():
        connection.execute(sa.update(table).where(table.c.id == number).values(token=uuid.uuid4().hex[:22]))
