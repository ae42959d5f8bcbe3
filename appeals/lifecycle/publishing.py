"""Publishing without a campaign, and taking a publication down."""

from collections.abc import Callable
from dataclasses import replace

from appeals.cases.publication import Publication
from appeals.errors import ChangeRefused, StepRefused, Unmet
from appeals.lifecycle.effects import publish_signed
from appeals.lifecycle.guards import unmet
from appeals.lifecycle.publishing_input import Publishing
from appeals.lifecycle.transition import follow_up, open_nouns, page_attempt, pause
from appeals.lifecycle.write_context import WriteContext
from appeals.vocabulary import Status, SuspendReason


def take_down(writing: WriteContext, page: Publication, reason: str) -> None:
    """Take a publication down at once. A public campaign is suspended with it. Raises: ChangeRefused."""
    if not page.is_up:
        gone = Unmet("publication.taken_down", "The publication was taken down already.")
        raise ChangeRefused(writing.case.status, [gone], open_nouns(writing.caller, writing.case))
    writing.case.take_down(writing.now, reason)
    writing.case.version += 1
    writing.case.touch(writing.now)
    if writing.case.status == Status.PUBLIC_CAMPAIGN:
        pause(writing, SuspendReason.SAFETY)
    follow_up(writing)


def publish_now(writing: WriteContext, body: Publishing, require_current: Callable[[], None]) -> Publication:
    """Publish what a reviewer approved, without a campaign.

    Raises: StepRefused, and the errors of `require_current`.
    """
    attempt = page_attempt(writing.network, writing.case, writing.caller, writing.now, None)
    attempt = replace(attempt, input=body)
    require_current()
    left = unmet(attempt)
    if left:
        raise StepRefused(writing.case.status, open_nouns(writing.caller, writing.case), left)
    publish_signed(writing, attempt)
    writing.case.version += 1
    writing.case.touch(writing.now)
    follow_up(writing)
    return writing.case.publications[-1]
