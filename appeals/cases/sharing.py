"""Sharing in the whole network: the consent that visibility `network` needs.

Source: section 8 of the domain specification, "Visibility".
"""

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
    """Return whether the case may have this visibility. A merged case also needs the consent of its survivor."""
    if visibility is not Visibility.NETWORK:
        return True
    follows = case.merged_into is not None and sharing_ended(case.merged_into, now)
    return shared_until(case, now, met) is not None and not follows


def shared_until(case: Case, now: datetime, met: Met = frozenset()) -> date | None:
    """Return the last day on which the network may see the case by what is on record; None if it may not today."""
    words = case.words(case.today(now))
    return words.until(lambda day: _is_shared(words, day, met | case.sharing_conditions_met))


def sharing_ended(case: Case, now: datetime) -> bool:
    """Return whether the consent to share the case, or its survivor, has ended or the workers' side refuses it."""
    if case.merged_into is not None and sharing_ended(case.merged_into, now):
        return True
    refused = case.words(case.today(now)).workers(ConsentScope.SHARE_NETWORK, case.today(now)).is_no
    return shared_until(case, now) is None and (refused or was_shared(case, now))


def was_shared(case: Case, now: datetime) -> bool:
    """Return whether consent to share it was ever in force.

    A case without it may have been wider before the rule existed.
    """
    words = case.words(case.today(now))
    first = min((word.first_day for word in case.consents), default=words.today)
    days = words.days_within(min(first, words.today), words.today)
    return any(_is_shared(words, day, case.sharing_conditions_met) for day in days)


def _is_shared(words: Words, on: date, met: Met) -> bool:
    """Return whether it may be shared by consent to share or by both sides' consent to publish, unless sharing was
    refused.
    """
    shared = words.workers(ConsentScope.SHARE_NETWORK, on)
    published = words.both_sides(ConsentScope.PUBLISH_ANONYMISED, on, met)
    return shared.permits(met) or (published and not shared.is_no)
