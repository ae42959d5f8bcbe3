"""Doors of what follows from the records: the story of a case, its counts, the record of a brand, attention."""

from typing import Any

from appeals.attention import AttentionItem, attention, pressing
from appeals.case import Case
from appeals.errors import NotFound
from appeals.field import as_uuid
from appeals.register import PageQuery
from appeals.story import StoryItem, place_of, story
from appeals.tally import DayCounts, day_by_day
from appeals.track_record import TrackRecord, Whose, track_record
from appeals.vocabulary import View
from appeals.web.cases import AsOf, as_it_was, log_work
from appeals.web.door import Answer, Call, Door, rendered
from appeals.web.page import Page, in_order


class StoryQuery(AsOf, PageQuery):
    """Which page of the story, and as the network knew it when."""


def show_story(call: Call) -> Answer:
    case: Case = call.subject
    then = as_it_was(call, case, View.WORK)
    log_work(call, case)
    items = story(call.session, call.caller, case, then, call.query.as_of)
    return in_order(call, StoryItem, items, place_of)


def show_counts(call: Call) -> Answer:
    then = as_it_was(call, call.subject, View.WORK)
    log_work(call, call.subject)
    return in_order(call, DayCounts, day_by_day(then.tallies), lambda told: (told.on.isoformat(),))


def show_attention(call: Call) -> Answer:
    return in_order(call, AttentionItem, attention(call.session, call.caller), pressing)


def show_track_record(whose: Whose) -> Any:
    def work(call: Call) -> Answer:
        number = as_uuid(call.visit.params["id"])
        found = track_record(call.session, call.caller, whose, number) if number else None
        if found is None:
            raise NotFound
        return rendered(found)

    return work


def doors() -> list[Door]:
    """The doors of the ledgers."""
    one = "/v1/cases/{ref}"
    of_case: dict[str, Any] = {"query": StoryQuery, "as_table": True}
    return [
        Door(
            "GET", f"{one}/timeline", "show_story", "Everything dated, merged, oldest first.", show_story,
            Page[StoryItem], **of_case,
        ),
        Door(
            "GET", f"{one}/counts", "show_counts", "Who was held and charged, day by day.", show_counts,
            Page[DayCounts], **of_case,
        ),
        Door(
            "GET", "/v1/attention", "show_attention", "What needs somebody now, the most dangerous first.",
            show_attention, Page[AttentionItem], query=PageQuery, as_table=True,
        ),
        *(
            Door(
                "GET", path, f"show_record_of_{whose}", f"How the {whose} was approached, and what it answered.",
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
