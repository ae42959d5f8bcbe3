"""Routes of the reports: the timeline of a case, its counts, track records, the attention list."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Query, Response

from appeals.api.dependencies import Read
from appeals.api.openapi import AS_TABLE
from appeals.api.pagination import Page, page_in_order
from appeals.api.parameters import CaseReference, RecordId
from appeals.api.routes.cases import AsOf, as_it_was, log_work
from appeals.api.routing import new_router
from appeals.cases.tally import DayCounts, day_by_day
from appeals.errors import NotFound
from appeals.fields import as_uuid
from appeals.read_models.case_list import PageQuery
from appeals.reports.attention import AttentionItem, attention, urgency_key
from appeals.reports.timeline import TimelineItem, sort_key, timeline
from appeals.reports.track_record import TrackRecord, Whose, track_record
from appeals.vocabulary import View

router = new_router("cases")
track_records = new_router("directories")


class TimelineQuery(AsOf, PageQuery):
    """The page of the timeline, and the moment as of which it is read."""


@router.get("/v1/cases/{ref}/timeline", response_model=Page[TimelineItem], responses=AS_TABLE)
def get_timeline(ref: CaseReference, query: Annotated[TimelineQuery, Query()], read: Read) -> Response:
    """Everything dated in a case, oldest first.

    History, actions, answers, commitments and other dated records of the case in one list.
    """
    with read.snapshot() as tx:
        then = as_it_was(tx, query, View.WORK)
        log_work(tx)
        items = timeline(tx.session, tx.caller, tx.case, then, query.as_of)
        return page_in_order(tx, query, TimelineItem, items, sort_key)


@router.get("/v1/cases/{ref}/counts", response_model=Page[DayCounts], responses=AS_TABLE)
def get_counts(ref: CaseReference, query: Annotated[TimelineQuery, Query()], read: Read) -> Response:
    """How many people were held and charged, day by day.

    For each day on which a count is on record, the answer says what became of those who were arrested and charged.
    """
    with read.snapshot() as tx:
        then = as_it_was(tx, query, View.WORK)
        log_work(tx)
        return page_in_order(tx, query, DayCounts, day_by_day(then.tallies), lambda counts: (counts.on.isoformat(),))


@router.get("/v1/attention", response_model=Page[AttentionItem], responses=AS_TABLE)
def get_attention(query: Annotated[PageQuery, Query()], read: Read) -> Response:
    """What needs somebody now, the most dangerous first.

    Each item names a case, the reason, and since when it is so. Take the step or write the record that it asks for.
    """
    with read.snapshot() as tx:
        return page_in_order(tx, query, AttentionItem, attention(tx.session, tx.caller), urgency_key)


PATHS = {
    Whose.BRAND: "/v1/brands/{id}/record",
    Whose.FACILITY: "/v1/facilities/{id}/record",
    Whose.OWNER: "/v1/owners/{id}/record",
}


def track_record_route(whose: Whose) -> Callable[..., Response]:
    def get_track_record(id: RecordId, read: Read) -> Response:
        with read.snapshot() as tx:
            row_id = as_uuid(id)
            record = track_record(tx.session, tx.caller, whose, row_id) if row_id else None
            if record is None:
                raise NotFound
            return tx.respond(record)

    return get_track_record


for _whose, _path in PATHS.items():
    track_records.add_api_route(
        _path,
        track_record_route(_whose),
        methods=["GET"],
        name=f"get_record_of_{_whose}",
        summary=f"How the {_whose} was approached, and what it answered.",
        description="Counts and lists of approaches, answers and promises, from the cases that you work on.",
        response_model=TrackRecord,
    )
