"""Sharing a case with the whole network: what visibility `network` rests on. Source: domain.md 8, "Visibility"."""

from datetime import date, datetime

from appeals.cases.case import Case
from appeals.cases.consent import Met
from appeals.cases.last_word import Words
from appeals.errors import Unmet
from appeals.vocabulary import ConsentScope, Visibility

NOT_AGREED = Unmet(
    "consent.share_network.missing",
    "Record the workers' side's consent to share the case in the network, in force today.",
)


def may_have(case: Case, visibility: Visibility, now: datetime, met: Met = frozenset()) -> bool:
    """True when the case may be seen as widely as this; what was merged away also by the words of the other."""
    if visibility is not Visibility.NETWORK:
        return True
    follows = case.merged_into is not None and sharing_ended(case.merged_into, now)
    return shared_until(case, now, met) is not None and not follows


def shared_until(case: Case, now: datetime, met: Met = frozenset()) -> date | None:
    """The last day on which the network may see the case if nothing more is said; None when it may not today."""
    words = case.words(case.today(now))
    return words.until(lambda day: _is_shared(words, day, met | case.sharing_conditions_met))


def sharing_ended(case: Case, now: datetime) -> bool:
    """True when consent to share the case, or one that it was merged into, is over, or the workers' side refuses it."""
    if case.merged_into is not None and sharing_ended(case.merged_into, now):
        return True
    refused = case.words(case.today(now)).workers(ConsentScope.SHARE_NETWORK, case.today(now)).is_no
    return shared_until(case, now) is None and (refused or was_shared(case, now))


def was_shared(case: Case, now: datetime) -> bool:
    """True when consent to share it was in force on some day: a case was wider before this rule came, or was not."""
    words = case.words(case.today(now))
    first = min((word.first_day for word in case.consents), default=words.today)
    days = words.days_within(min(first, words.today), words.today)
    return any(_is_shared(words, day, case.sharing_conditions_met) for day in days)


def _is_shared(words: Words, on: date, met: Met) -> bool:
    """By consent to share it; consents of both sides to publish include it, unless sharing was refused."""
    shared = words.workers(ConsentScope.SHARE_NETWORK, on)
    published = words.both_sides(ConsentScope.PUBLISH_ANONYMISED, on, met)
    return shared.permits(met) or (published and not shared.is_no)
