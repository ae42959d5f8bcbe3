"""The consent rules of domain.md 8, read independently, as pure functions: quotes are its sentences,
`A-nn` points at AMBIGUITIES.md, times are naive UTC."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from tests.support.consent_model import EPOCH, Answer, Approval, Case, Ends, Fact, Page, Party, Step, Word

__all__ = ["EPOCH", "Answer", "Approval", "Case", "Ends", "Fact", "Page", "Party", "Step", "Word"]

LEVELS = ("anonymised", "named", "person")
LADDER = ("publish_anonymised", "publish_named", "publish_person")
# What is said to everybody at once: no yes for some is enough, and a no for one is a no.
EVERYBODY = frozenset(LADDER) | {"retain", "take_up", "share_network"}
ENDED = frozenset({"declined", "referred", "closed", "void"})


# --- days --------------------------------------------------------------------------------------
def today(case: Case, now: datetime) -> date:
    """ "A clock set back revives nothing": never below the newest recorded_at (S-21)."""
    return max([now, case.newest_recorded_at, *(w.recorded_at for w in case.words)]).date()


def span(w: Word) -> tuple[date, date]:
    """ "A day ahead of the server's counts as the server's": that of the recording (A-01, A-02)."""
    recorded = w.recorded_at.date()
    return min(w.first, recorded), min(w.last, recorded)


def newer(a: Word, b: Word) -> bool:
    """ "On one day, and where partial days overlap, a no goes before a yes": newer is only what
    cannot be of the same day."""
    return span(a)[0] > span(b)[1]


def is_yes(w: Word) -> bool:
    return w.state in ("given", "given_with_conditions")


def is_no(w: Word) -> bool:  # "`refused`, `withdrawn`: a no"; "`requested`, which says nothing"
    return w.state in ("refused", "withdrawn")


def said_by(w: Word, day: date, past: bool) -> bool:
    """ "For what is permitted today a yes counts from its last day, a no always from its first; for acts
    of the past see 9": "refused only where the spans exclude it" (A-03)."""
    first, last = span(w)
    return first <= day if is_no(w) or past else last <= day


# --- what a word is about ----------------------------------------------------------------------
def covers(yes: Word, scope: str) -> bool:
    """A yes to publish more is a yes to publish less ("covering the level")."""
    if yes.scope in LADDER and scope in LADDER:
        return LADDER.index(yes.scope) >= LADDER.index(scope)
    return yes.scope == scope


def bears_on(no: Word, scope: str) -> bool:
    """ "A no also ends that voice's wider scopes; a no to `take_up` ends all of that voice's but
    `retain`.\""""
    if no.scope in LADDER and scope in LADDER:
        return LADDER.index(no.scope) <= LADDER.index(scope)
    return no.scope == scope or (no.scope == "take_up" and scope != "retain")


def meant_for(w: Word, scope: str, recipient: str | None) -> bool:
    """ "Words limited to recipients are words for these … a no for B ends it for B alone, a no
    without recipients for all"; "`share_external` consent naming that body"."""
    if recipient is not None and recipient in w.recipients:
        return True
    if is_no(w):
        return not w.recipients or scope in EVERYBODY
    return not w.recipients and w.scope != "share_external"


# --- who speaks --------------------------------------------------------------------------------
def in_role(case: Case, role: str, at: datetime | None = None) -> list[Party]:
    """ "A voice that left the case for good falls silent only when a second person signs.\""""
    return [
        p for p in case.parties if p.role == role and (p.left_signed_at is None if at is None else p.added_at <= at)
    ]


def sole(case: Case, parties: list[Party], kind: str) -> str:
    """Who is meant by a word that does not say of whom: the only one there is (A-19)."""
    names = {p.org or p.id for p in parties}
    return names.pop() if len(names) == 1 else "?" + kind


def voice(case: Case, w: Word) -> str:
    """ "By a subject, `of` a party or facility of the case where there are several.\""""
    if w.subject == "workers":
        workplaces = len(in_role(case, "employer"))
        return "workers" if w.of is None or workplaces <= 1 else f"workers of {w.of}"
    if w.subject == "person":
        return f"person {w.of}"
    if w.of is not None:
        return next((p.org or p.id for p in case.parties if p.id == w.of), w.of)
    if w.subject == "workers_union":
        then = in_role(case, "workers_union", w.recorded_at)
        return sole(case, then or in_role(case, "workers_union"), "union")
    partners = in_role(case, "local_partner", w.recorded_at)
    if w.subject == "local_partner" and partners:
        return sole(case, partners, "partner")
    # "Where no party is a local partner, the requester speaks for it (a word entered for
    # `local_partner` counts as theirs)"; and stays theirs when a partner is added (A-18).
    return sole(case, in_role(case, "requester", w.recorded_at) or in_role(case, "requester"), "requester")


def side_of(case: Case, w: Word) -> str:
    if w.subject in ("workers", "workers_union"):
        return "none" if any(p.id == w.of and p.role == "yellow_union" for p in case.parties) else "workers"
    return "person" if w.subject == "person" else "partner"


def gone(case: Case, name: str) -> datetime | None:
    """When this voice fell silent, if it has."""
    rows = [p.left_signed_at for p in case.parties if (p.org or p.id) == name]
    return None if None in rows else max((at for at in rows if at), default=None)


def none_but_workers(case: Case) -> bool:
    """ "Where there is none but the workers (one worker, published sources).\""""
    return not in_role(case, "local_partner") and all(
        p.kind in ("individual", "workers_group") for p in in_role(case, "requester")
    )


def may_say_yes(case: Case, side: str, name: str) -> bool:
    """The partner's yes; the requester's only while there is no partner: "their no goes on counting
    when a partner is added" (their yes does not, A-16)."""
    if side != "partner":
        return True
    partners = in_role(case, "local_partner")
    if partners:
        return name in {p.org or p.id for p in partners}
    return not none_but_workers(case)


# --- the last word -----------------------------------------------------------------------------
def newest_in_force(yeses: list[Word], day: date) -> list[Word]:
    """ "A yes may expire or be superseded by a newer yes to the same": of those of one day, the
    earliest end and every condition count (A-08)."""
    newest = [y for y in yeses if not any(newer(z, y) for z in yeses)]
    lapsed = any(y.expires_on is not None and y.expires_on < day for y in newest)
    return [] if lapsed else newest


def voice_says(
    mine: list[Word], enders: list[Word], scope: str, recipient: str | None, day: date, past: bool
) -> tuple[list[Word], list[Word]]:
    """The noes of one voice that stand for this scope and recipient, and the yes in force.
    "Of one voice, one scope and one recipient the newest word by its day counts, however often it
    is on record.\""""
    said = [w for w in mine if said_by(w, day, past) and meant_for(w, scope, recipient)]
    noes = [w for w in said if is_no(w)]
    yeses = [w for w in said if is_yes(w) and covers(w, scope)]
    again = [w for w in said if is_yes(w) and w.scope == "take_up"]
    standing = [
        n
        for n in noes
        if bears_on(n, scope)
        and not any(newer(y, n) for y in yeses)
        and not (n.scope == "take_up" and any(newer(y, n) for y in again))
    ]
    ends = noes + [n for n in enders if said_by(n, day, past) and meant_for(n, scope, recipient)]
    alive = [y for y in yeses if all(newer(y, n) for n in ends if bears_on(n, y.scope))]
    held = [
        y
        for s in LADDER + (scope,) * (scope not in LADDER)  # each scope on its own
        for y in newest_in_force([y for y in alive if y.scope == s], day)
    ]
    return standing, [y for y in held if not any(newer(z, y) for z in held)]


def side_says(
    case: Case,
    side: str,
    scope: str,
    day: date,
    now: datetime,
    recipient: str | None = None,
    person: str | None = None,
    as_of: datetime | None = None,
) -> Answer:
    """ "A side says yes when one of its voices does and no voice's last word is no." `side` is workers,
    partner or person (with `person`). `as_of` leaves out what was recorded (or retracted) later."""
    past = day < today(case, now)
    known = [
        w
        for w in case.words
        if side_of(case, w) == side
        and (as_of is None or w.recorded_at <= as_of)
        and (w.retracted_at is None or (as_of is not None and w.retracted_at > as_of))
    ]
    by_voice: dict[str, list[Word]] = {}
    for w in known:
        name = voice(case, w)
        if not gone(case, name) and (side != "person" or w.of == person):
            by_voice.setdefault(name, []).append(w)
    whole = by_voice.get("workers", [])
    # "… a no to `take_up` ends all of that voice's …, the workers' own those of their whole side."
    enders = [w for w in whole if is_no(w) and w.scope == "take_up"] if side == "workers" else []
    whole_yes = voice_says(whole, [], scope, recipient, day, past)[1]
    whole_again = voice_says(whole, [], "take_up", recipient, day, past)[1]
    yes: dict[str, list[Word]] = {}
    for name, mine in by_voice.items():
        standing, held = voice_says(mine, enders, scope, recipient, day, past)
        if side == "workers" and name != "workers":
            # "A voice's no is lifted by a newer yes of the same voice, on the workers' side also by
            # the `workers` as a whole; the union's yes never outvotes the workers' no." (A-10)
            standing = [
                n
                for n in standing
                if not any(newer(y, n) for y in whole_yes)
                and not (n.scope == "take_up" and any(newer(y, n) for y in whole_again))
            ]
        if standing:
            return Answer("no")
        if held and may_say_yes(case, side, name):
            yes[name] = held
    if not yes:
        return Answer("silent")
    # Conditions of every voice bind its side, until the workers as a whole say yes without.
    free = [y for y in yes.get("workers", []) if not y.conditions]
    return Answer(
        "yes",
        frozenset(
            c
            for name, held in yes.items()
            for y in held
            for c in y.conditions
            if name == "workers" or side != "workers" or not any(newer(f, y) for f in free)
        ),
    )


def days(case: Case, now: datetime, on: tuple[date, date] | None) -> list[date]:
    first, last = (min(d, today(case, now)) for d in on or (date.max, date.max))
    return [first + timedelta(n) for n in range((last - first).days + 1)]


def in_force(
    case: Case,
    side: str,
    scope: str,
    now: datetime,
    on: tuple[date, date] | None = None,
    recipient: str | None = None,
    person: str | None = None,
    met: frozenset[str] = frozenset(),
    as_of: datetime | None = None,
) -> bool:
    """For today (`on` None), or for an act of a past day or span: "what is reported of the past is
    refused only where the spans exclude it"."""
    return any(
        side_says(case, side, scope, d, now, recipient, person, as_of).authorises(met) for d in days(case, now, on)
    )


def may_contact(
    case: Case,
    scope: str,
    now: datetime,
    recipient: str | None = None,
    on: tuple[date, date] | None = None,
    met: frozenset[str] = frozenset(),
) -> bool:
    """ "Contact consent for that kind of target": the workers' side says yes and the partner's side
    does not say no (A-24). Also for `share_external` and a body."""
    return any(
        side_says(case, "workers", scope, d, now, recipient).authorises(met)
        and side_says(case, "partner", scope, d, now, recipient).says != "no"
        for d in days(case, now, on)
    )


def may_be_network(case: Case, now: datetime, met: frozenset[str] = frozenset()) -> bool:
    """ "Visibility `network` needs the workers' side's `share_network` in force; consents of both sides
    to publish include it.\""""
    return in_force(case, "workers", "share_network", now, met=met) or (
        side_says(case, "workers", "share_network", today(case, now), now).says != "no"
        and all(in_force(case, s, LADDER[0], now, met=met) for s in ("workers", "partner"))
    )
