"""The past of a case, as somebody may read it (domain.md 8: the past does not widen).

Those who work on a case read the whole of it. Those who follow it read no moment at which they could not have seen it
in the roles they hold, and the texts of today: what was corrected before the case was shown to more people stays with
those who worked on it. Asked is what the case was, its visibility, lead and region; never who was named on its team.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

from sqlalchemy.orm import Session

from appeals.access.visibility import is_on_team, is_visible_by_role
from appeals.accounts.caller import Caller
from appeals.cases import revision
from appeals.cases.case import Case
from appeals.vocabulary import View

TEXTS = ("title", "public_summary", "translations")
EVER = datetime.min.replace(tzinfo=UTC)


def as_it_was(session: Session, caller: Caller, case: Case, at: datetime | None, view: View) -> Case | None:
    """The case as it was on record at a moment, or as it is, in a view; None where the caller may not read of then."""
    if at is None:
        return case
    then = revision.as_of(session, case, at)
    if then is None or not (is_on_team(caller, case) or is_visible_by_role(caller, then)):
        return None
    if view is View.STATUS:
        for name in TEXTS:
            setattr(then, name, getattr(case, name))
    return then


def readable_since(session: Session, caller: Caller, case: Case) -> Callable[[datetime], datetime]:
    """Tells of a moment at which something came on record since when the caller could have read it."""
    if is_on_team(caller, case):
        return lambda moment: moment
    periods = revision.visibility_history(session, case)
    starts = [EVER, *(since for since, _ in periods[1:]), None]
    seen = [
        span for span, (_, then) in zip(pairwise(starts), periods, strict=False) if is_visible_by_role(caller, then)
    ]

    def since(moment: datetime) -> datetime:
        later = (max(moment, start) for start, end in seen if start is not None and (end is None or moment < end))
        return next(later, moment)

    return since
