"""Operations of what follows from the records: the story of a case, its counts, the record of a brand, attention."""

from typing import Any

from appeals.api.pagination import Page, page_in_order
from appeals.api.routes.cases import AsOf, as_it_was, log_work
from appeals.api.routing import Operation, RequestContext, Result, json_response
from appeals.cases.case import Case
from appeals.cases.tally import DayCounts, day_by_day
from appeals.errors import NotFound
from appeals.fields import as_uuid
from appeals.read_models.case_list import PageQuery
from appeals.reports.attention import AttentionItem, attention, urgency_key
from appeals.reports.timeline import TimelineItem, sort_key, timeline
from appeals.reports.track_record import TrackRecord, Whose, track_record
from appeals.vocabulary import View


class TimelineQuery(AsOf, PageQuery):
    """Which page of the story, and as the network knew it when."""


def get_timeline(call: RequestContext) -> Result:
    case: Case = call.subject
    then = as_it_was(call, case, View.WORK)
    log_work(call, case)
    items = timeline(call.session, call.caller, case, then, call.query.as_of)
    return page_in_order(call, TimelineItem, items, sort_key)


def get_counts(call: RequestContext) -> Result:
    then = as_it_was(call, call.subject, View.WORK)
    log_work(call, call.subject)
    return page_in_order(call, DayCounts, day_by_day(then.tallies), lambda day_counts: (day_counts.on.isoformat(),))


def get_attention(call: RequestContext) -> Result:
    return page_in_order(call, AttentionItem, attention(call.session, call.caller), urgency_key)


def show_track_record(whose: Whose) -> Any:
    def work(call: RequestContext) -> Result:
        row_id = as_uuid(call.authorization.params["id"])
        found = track_record(call.session, call.caller, whose, row_id) if row_id else None
        if found is None:
            raise NotFound
        return json_response(found)

    return work


def operations() -> list[Operation]:
    """The operations of the ledgers."""
    one = "/v1/cases/{ref}"
    of_case: dict[str, Any] = {"query_model": TimelineQuery, "as_table": True}
    return [
        Operation(
            "GET", f"{one}/timeline", "get_timeline", "Everything dated, merged, oldest first.", get_timeline,
            Page[TimelineItem], **of_case,
        ),
        Operation(
            "GET", f"{one}/counts", "get_counts", "Who was held and charged, day by day.", get_counts,
            Page[DayCounts], **of_case,
        ),
        Operation(
            "GET", "/v1/attention", "get_attention", "What needs somebody now, the most dangerous first.",
            get_attention, Page[AttentionItem], query_model=PageQuery, as_table=True,
        ),
        *(
            Operation(
                "GET", path, f"get_record_of_{whose}", f"How the {whose} was approached, and what it answered.",
                show_track_record(whose), TrackRecord, tag="directories",
            )
            for whose, path in PATHS.items()
        ),
    ]  # fmt: skip


PATHS = {
    Whose.BRAND: "/v1/brands/{id}/record",
    Whose.FACILITY: "/v1/facilities/{id}/record",
    Whose.OWNER: "/v1/owners/{id}/record",
}
