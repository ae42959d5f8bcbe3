"""The rules of domain.md 8 on signatures and pages, read independently, as pure functions: quotes are its sentences,
`A-nn` points at AMBIGUITIES.md, times are naive UTC."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from tests.support.consent_model import Approval, Case, Ends, Page, Word
from tests.support.consent_oracle import (
    ENDED,
    LADDER,
    LEVELS,
    bears_on,
    covers,
    gone,
    is_no,
    is_yes,
    may_be_network,
    newer,
    none_but_workers,
    side_of,
    side_says,
    span,
    today,
    voice,
)

MAY_STAY_UP = frozenset({"negotiation_pause", "awaiting_proceeding", "contact_lost"})
CREDIBLE = frozenset({"confirmed", "likely", "possible"})
DOUBTED = frozenset({"unlikely", "refuted", "disproved"})


# --- signatures --------------------------------------------------------------------------------
def voiding_noes(
    words: tuple[Word, ...],
    level: str,
    people: frozenset[str],
    signed_at: datetime,
    until: datetime | None = None,
    case: Case | None = None,
) -> list[Word]:
    """ "Signatures from before a no are void"; "two people sign anew, on that subject's newer yes".
    A no (retracted too: "nothing goes up by that") voids, unless when the page was signed a yes newer
    than it was on record, or it was retracted, or its voice had fallen silent (A-29, A-30)."""
    scope = LADDER[LEVELS.index(level)]

    def mouth(w: Word) -> str:
        return voice(case, w) if case else w.subject if w.of is None else f"{w.subject} {w.of}"

    def bears(n: Word) -> bool:
        if n.subject == "person":
            return n.of in people and bears_on(n, "publish_person")
        return bears_on(n, scope) and (case is None or side_of(case, n) != "none")

    def answered(n: Word) -> bool:
        need = "take_up" if n.scope == "take_up" else "publish_person" if n.subject == "person" else scope
        by = {mouth(n)} | ({"workers"} if n.subject in ("workers", "workers_union") else set())
        return any(
            is_yes(y)
            and covers(y, need)
            and newer(y, n)
            and y.recorded_at <= signed_at
            and y.retracted_at is None
            and mouth(y) in by
            for y in words
        )

    def over(n: Word) -> bool:
        left = gone(case, mouth(n)) if case else None
        return any(at is not None and at < signed_at for at in (n.retracted_at, left))

    return [
        n
        for n in words
        if is_no(n) and bears(n) and (until is None or n.recorded_at <= until) and not answered(n) and not over(n)
    ]


def signature_valid(approval: Approval, words: tuple[Word, ...], now: datetime, case: Case | None = None) -> bool:
    """ "Another person …, valid 14 days, used once, void after a no.\""""
    a, day = approval, max([now, *(w.recorded_at for w in words)]).date()
    return (
        not a.used
        and not a.retracted
        and (day - a.signed_at.date()).days <= 14
        and not voiding_noes(words, a.level, a.people, a.signed_at, case=case)
    )


def keeps_token(old: Page, new: Page, words: tuple[Word, ...], case: Case | None = None) -> bool:
    """ "A page signed again keeps its token while its level is no narrower than before and no no lies
    between; else it gets a new one.\""""
    assert old.signed_at is not None
    between = voiding_noes(words, old.level, old.people, old.signed_at, new.signed_at, case)
    return LEVELS.index(new.level) >= LEVELS.index(old.level) and not between


# --- may it be up now? -------------------------------------------------------------------------
def accepted(case: Case) -> bool:
    """ "Accepted, and neither declined nor referred since (a reopening alone takes nothing down).\""""
    verdicts = [s.noun for s in case.history if not s.reversed and s.noun in ("acceptance", "decline", "referral")]
    return bool(verdicts) and verdicts[-1] == "acceptance"


def may_be_up(case: Case, page: Page | str, now: datetime) -> list[str]:
    """Why not (codes); empty: it may. A page that is signed must also rest on what was signed."""
    page = Page(page) if isinstance(page, str) else page
    day, scope, why = today(case, now), LADDER[LEVELS.index(page.level)], []
    if not accepted(case):
        why.append("not_accepted")
    if case.status in ("declined", "referred", "void"):
        why.append("ended")
    if case.status == "suspended" and case.suspend_reason not in MAY_STAY_UP:
        why.append("suspended")  # "not `suspended`, unless for `negotiation_pause, …`"
    reason = case.close_reason or ""
    if case.status == "closed" and (reason.startswith("withdrawn_by_") or reason in ("merged", "unsafe_to_continue")):
        why.append("closed")
    if side_says(case, "workers", "take_up", day, now).says != "yes":
        why.append("take_up")
    if not any(v.mark in CREDIBLE and not v.retracted for v in case.violations):
        why.append("nothing_credible")
    # "Both sides' last word covers the level, and each named person's own."
    for side, who in [("workers", None), ("partner", None), *(("person", p) for p in sorted(page.people))]:
        params = "publish_person" if who else scope
        answer = side_says(case, side, params, day, now, person=who)
        excused = (
            side == "partner"
            and answer.says == "silent"
            and none_but_workers(case)
            and (page.no_local_partner or page.signed_at is None)
        )
        if answer.says != "yes" and not excused:
            why.append(f"{who or side}.{'no' if answer.says == 'no' else 'missing'}")
        elif page.signed_at is not None and not answer.conditions <= page.conditions_met:
            why.append(f"{who or side}.condition")
    if page.people and page.level != "person":
        why.append("people")
    for f in (*case.violations, *case.links, *case.people):  # "nothing it shows was retracted, …"
        if f.id in page.shows | page.people and (f.retracted or f.mark in DOUBTED):
            why.append(f"shown.{f.id}")
    if page.signed_at and voiding_noes(case.words, page.level, page.people, page.signed_at, case=case):
        why.append("signature_void")
    return why


def risk_fresh(case: Case, now: datetime, on: date | None, public: bool) -> bool:
    """ "At most 30 days old on the day of a quiet step, at most 14 on the day of a public one; and for
    what becomes public now also today.\""""
    days = {on or today(case, now)} | ({today(case, now)} if public else set())
    most = 14 if public else 30
    return all(any(0 <= (d - a).days <= most for a in case.assessed_on) for d in days)


def may_go_up(
    case: Case,
    page: Page,
    approvals: list[Approval],
    by: str,
    now: datetime,
    on: date | None = None,
    risk_brought: bool = False,
    risk_overridden: bool = False,
    workers_asked: bool = False,
) -> list[str]:
    """ "Going up asks besides: two people, risk fresh (below), conditions met.\""""
    good = [
        a
        for a in approvals
        if a.role == "reviewer"
        and a.by != by
        and a.level == page.level
        and page.people <= a.people
        and signature_valid(a, case.words, now, case)
    ]
    tried = [
        replace(page, signed_at=a.signed_at, conditions_met=a.conditions_met, no_local_partner=a.no_local_partner)
        for a in good
    ]
    why = min((may_be_up(case, p, now) for p in tried), key=len, default=may_be_up(case, page, now))
    if not good:
        why = [*why, "second_person"]
    if (
        on is not None
        and on < today(case, now)
        and not all(
            side_says(case, s, LADDER[LEVELS.index(page.level)], on, now).says == "yes"
            or (s == "partner" and none_but_workers(case))
            for s in ("workers", "partner")
        )
    ):
        why = [*why, "consent_on_that_day"]
    if not (risk_brought or risk_overridden or risk_fresh(case, now, on, public=True)):
        why = [*why, "risk.stale"]
    if case.risk == "critical" and not workers_asked:
        why = [*why, "risk.critical"]  # "`critical` only if the workers asked and two people sign"
    return why


# --- what a write does -------------------------------------------------------------------------
def after_write(case: Case, now: datetime, cause: str) -> Ends:
    """ "What may not be up comes down in the same transaction … Where it comes down while the case stays
    in `public_campaign`, the case is `suspended`: `consent_withdrawn` for a word, `verification_doubt`
    for a fact, `safety` by hand." `cause`: word (also an expiry, A-33), fact or hand."""
    down = tuple(p.id for p in case.pages if p.up and may_be_up(case, p, now))
    reason = {"word": "consent_withdrawn", "fact": "verification_doubt", "hand": "safety"}[cause]
    return Ends(down, reason if down and case.status == "public_campaign" else None)


def ends_on_no(case: Case, no: Word, now: datetime, network: bool = False) -> Ends:
    """What a new no does. "A no to `take_up` ends all …, and an open case that was taken up is
    `suspended`." `network`: whether the case is visible to the network now."""
    then = replace(case, words=(*case.words, no))
    ends, side = after_write(then, now, "word"), side_of(case, no)
    if (
        no.scope == "take_up"
        and side in ("workers", "partner")
        and accepted(case)
        and case.status not in ENDED | {"suspended"}
        and side_says(then, side, "take_up", today(then, now), now).says == "no"
    ):
        ends = replace(ends, suspended="consent_withdrawn")
    return replace(ends, narrowed=network and not may_be_network(then, now))


def carried(source: Case, at: datetime) -> tuple[Word, ...]:
    """ "A merger carries every no that stands into the survivor": with its day, of whose word it was."""
    day, found = today(source, at), []
    for n in (w for w in source.words if is_no(w) and w.retracted_at is None):
        name, side = voice(source, n), side_of(source, n)
        alone = replace(
            source,
            words=tuple(
                w
                for w in source.words
                if voice(source, w) == name or (side == "workers" and voice(source, w) == "workers" and is_yes(w))
            ),
        )
        still = [
            r
            for r in ([*sorted(n.recipients)] or [None])  # type: ignore[list-item]
            if side_says(alone, side, n.scope, day, at, r, n.of).says == "no"
        ]
        if still:
            of = n.of if n.subject in ("workers", "person") or name.startswith("?") else name
            found.append(
                replace(
                    n,
                    id=f"{n.id} (merged)",
                    of=of,
                    recorded_at=at,
                    first=span(n)[0],
                    last=span(n)[1],
                    recipients=frozenset(r for r in still if r is not None),
                )
            )
    return tuple(found)
