"""The past of a case as a caller may read it (section 8 of the domain specification: the past does not widen).

Those with the work view read all of it. Those with the status view read only moments at which they could have seen it
with their roles, and today's texts: what was corrected before more people could see the case remains with those who
worked on it. The former visibility, lead and region decide this, never the former team.
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
    """Return the case as it was at a moment, or as it is, in a view; None if the caller may not read that moment."""
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
    """Return a function that maps the time of a record to the time since which the caller could have read it."""
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
