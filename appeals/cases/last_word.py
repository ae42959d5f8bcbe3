"""The last word: what a side of a case says to a scope, on a day, for a recipient. Nothing else is asked.

A voice is a subject, or one of several parties or persons of it. Of one voice and one scope the newest word by its day
counts; on one day, and where partial days overlap, a no goes before a yes. A side says yes when one of its voices does
and no voice's last word is a no. Source: domain.md 8, "The last word" and "The partner's side".
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from appeals.cases.consent import Consent, Met, missing_conditions
from appeals.cases.party import Party
from appeals.vocabulary import ConsentScope, ConsentSubject, PartyRole, PublicationLevel

PUBLISHING = (ConsentScope.PUBLISH_ANONYMISED, ConsentScope.PUBLISH_NAMED, ConsentScope.PUBLISH_PERSON)
"""From the narrowest to the widest: a yes covers the narrower ones, a no ends the wider ones."""
SCOPE_OF_LEVEL = {
    PublicationLevel.ANONYMISED: ConsentScope.PUBLISH_ANONYMISED,
    PublicationLevel.NAMED: ConsentScope.PUBLISH_NAMED,
    PublicationLevel.PERSON: ConsentScope.PUBLISH_PERSON,
}
WORKERS_SIDE = frozenset({ConsentSubject.WORKERS, ConsentSubject.WORKERS_UNION})
PARTNER_SIDE = frozenset({ConsentSubject.LOCAL_PARTNER, ConsentSubject.REQUESTER})
SPEAKS_AS = {
    ConsentSubject.WORKERS: PartyRole.EMPLOYER,
    ConsentSubject.WORKERS_UNION: PartyRole.WORKERS_UNION,
    ConsentSubject.LOCAL_PARTNER: PartyRole.LOCAL_PARTNER,
    ConsentSubject.REQUESTER: PartyRole.REQUESTER,
}
"""The role of the parties that a subject may be several of; of `workers` that of the workplace they work at."""
NAMED_WHERE_SEVERAL = frozenset({ConsentSubject.LOCAL_PARTNER, ConsentSubject.WORKERS_UNION})
"""The subjects whose yes names which of several parties says it; a no of nobody in particular counts for all."""
A_DAY = timedelta(days=1)


class Voice(NamedTuple):
    """Who speaks: a kind, and which of several; None for the whole of them."""

    kind: str
    of: UUID | None


ALL_WORKERS = Voice(ConsentSubject.WORKERS, None)


@dataclass(frozen=True)
class LastWord:
    """What a side, or a person, says: a no, or the yes words whose conditions bind; neither where it is silent."""

    words: tuple[Consent, ...] = ()
    is_no: bool = False

    def permits(self, met: Met = frozenset()) -> bool:
        """True for a yes of which every condition is said to be met."""
        return bool(self.words) and not self.is_no and not missing_conditions(self.words, met)


NO = LastWord(is_no=True)


@dataclass(frozen=True)
class Words:
    """All words of a case. `today` is the server's day, and never before the newest thing on record."""

    consents: Sequence[Consent]
    parties: Sequence[Party]
    today: date

    def workers(self, scope: ConsentScope, on: date, recipient: str | None = None) -> LastWord:
        """What the workers' side says."""
        return self._of_side(self._by(WORKERS_SIDE), scope, on, recipient)

    def workers_themselves(self, scope: ConsentScope, on: date) -> LastWord:
        """What the workers' side says, if the workers' own yes is among it (invariant 3)."""
        answer = self.workers(scope, on)
        own = any(word.subject == ConsentSubject.WORKERS for word in answer.words)
        return answer if own or answer.is_no else LastWord()

    def partner(self, scope: ConsentScope, on: date, recipient: str | None = None) -> LastWord:
        """What the partner's side says. The requester's yes counts where no party is a local partner, a no always."""
        return self._of_side(self._by(PARTNER_SIDE), scope, on, recipient)

    def person(self, person: UUID | None, scope: ConsentScope, on: date) -> LastWord:
        """What a person says about themselves; a no that names nobody is a no of everybody."""
        words = [word for word in self._by({ConsentSubject.PERSON}) if word.of == person or not word.of]
        return self._of_side(words, scope, on, None)

    def both_sides(self, scope: ConsentScope, on: date, met: Met = frozenset()) -> bool:
        """True when both sides permit it."""
        return self.workers(scope, on).permits(met) and self.partner(scope, on).permits(met)

    def contact(self, scope: ConsentScope, on: date, recipient: str) -> LastWord:
        """What is said to contacting somebody: the workers' side's yes, unless the partner's side says no."""
        return NO if self.partner(scope, on, recipient).is_no else self.workers(scope, on, recipient)

    def stands(self, no: Consent) -> bool:
        """True while a no is the last word of its voice to its scope."""
        words = [word for word in self.consents if _side(word) == _side(no)]
        recipients: list[str | None] = [*no.recipients] or [None]
        scope = ConsentScope(no.scope)
        return any(self._stands(no, self._counting(words, self.today, name), scope, self.today) for name in recipients)

    def unanswered(self, scope: ConsentScope, people: Collection[UUID], moment: datetime) -> list[Consent]:
        """The noes that speak to a publication to which no newer yes of that voice was on record at that moment.

        A signature of that moment is void: two people sign on that subject's newer yes (domain.md 8).
        """
        return [
            no
            for no in self.consents
            if no.is_no and self._speaks_to(no, scope, people) and not self._is_answered(no, scope, moment)
        ]

    def until(self, permitted: Callable[[date], bool]) -> date | None:
        """The last day on which something permitted today is permitted, if nothing more is said; None if it is not."""
        if not permitted(self.today):
            return None
        ends = sorted({word.expires_on for word in self.consents if word.expires_on and word.expires_on >= self.today})
        return next((end for end in ends if end < date.max and not permitted(end + A_DAY)), date.max)

    def is_one_of_several(self, subject: ConsentSubject) -> bool:
        """True where a yes of this subject names whose it is, as several parties are it (domain.md 8, A word)."""
        return subject in NAMED_WHERE_SEVERAL and len(self._of_role(SPEAKS_AS[subject])) > 1

    def days_within(self, first: date, last: date) -> set[date]:
        """The days of a span on which an answer may differ from the day before, and its ends."""
        turns = {first, last}
        for word in self.consents:
            turns |= {word.first_day, word.first_day - A_DAY, word.last_day}
            turns |= {word.expires_on} if word.expires_on else set()
        return {day for day in turns if first <= day <= last}

    # How it is worked out

    def _by(self, subjects: Collection[ConsentSubject]) -> list[Consent]:
        return [word for word in self.consents if word.subject in subjects]

    def _counting(self, words: Iterable[Consent], on: date, recipient: str | None) -> list[Consent]:
        return [word for word in words if word.concerns(recipient) and self._counts(word, on)]

    def _counts(self, word: Consent, on: date) -> bool:
        """A no counts from its first day; a yes from its last for what is permitted today, from its first in the past.

        Source: domain.md 8, "The last word", and 9, "Partial dates".
        """
        from_day = word.last_day if word.is_yes and on >= self.today else word.first_day
        return (word.is_yes or word.is_no) and from_day <= on

    def _of_side(self, words: list[Consent], scope: ConsentScope, on: date, recipient: str | None) -> LastWord:
        counting = self._counting(words, on, recipient)
        if any(no.is_no and _ends(no, scope) and self._stands(no, counting, scope, on) for no in counting):
            return NO
        voices = {self.voice_of(word) for word in counting}
        yes = [
            word for voice in voices if self._may_say_yes(voice) for word in self._yes_of(voice, counting, scope, on)
        ]
        free = [word for word in yes if self.voice_of(word) == ALL_WORKERS and not word.conditions]
        binding = [word for word in yes if not any(plain.first_day > word.last_day for plain in free)]
        once = {self._as_said(word): word for word in sorted(binding, key=_recorded, reverse=True)}
        return LastWord(tuple(sorted(once.values(), key=_recorded)))

    def _as_said(self, word: Consent) -> tuple[object, ...]:
        """What is the same in two records of one word: half of all reports arrive twice."""
        return (self.voice_of(word), word.scope, word.first_day, word.last_day, tuple(word.conditions))

    def _yes_of(self, voice: Voice, words: list[Consent], scope: ConsentScope, on: date) -> list[Consent]:
        """The yes words of a voice that permit a scope: of each scope that covers it the newest, and of these again."""
        own = [word for word in words if word.is_yes and self.voice_of(word) == voice]
        alive = [word for word in own if not any(self._is_ended(word, no) for no in words if no.is_no)]
        good = [word for covering in _covering(scope) for word in _newest_in_force(alive, covering, on)]
        return _newest(good)

    def _is_ended(self, yes: Consent, no: Consent) -> bool:
        """By a no of its own voice, or of the workers as a whole to taking the case up."""
        of_the_side = self.voice_of(no) == ALL_WORKERS and no.scope == ConsentScope.TAKE_UP
        speaks = of_the_side or self.voice_of(no) in {self.voice_of(yes), Voice(ConsentSubject.PERSON, None)}
        return speaks and _ends(no, ConsentScope(yes.scope)) and yes.first_day <= no.last_day

    def _stands(self, no: Consent, words: list[Consent], scope: ConsentScope, on: date) -> bool:
        """True unless a newer yes lifts it: of its own voice or, for their side, of all workers while that is good."""
        voice = self.voice_of(no)
        scopes = {*_covering(scope), *([ConsentScope.TAKE_UP] if no.scope == ConsentScope.TAKE_UP else [])}
        return not any(
            word.is_yes
            and word.scope in scopes
            and word.first_day > no.last_day
            and (self.voice_of(word) == voice or (self._is_of_all_workers(word, no) and not word.has_run_out(on)))
            for word in words
        )

    def _is_of_all_workers(self, word: Consent, no: Consent) -> bool:
        return no.subject in WORKERS_SIDE and self.voice_of(word) == ALL_WORKERS

    def _speaks_to(self, no: Consent, scope: ConsentScope, people: Collection[UUID]) -> bool:
        if no.subject == ConsentSubject.PERSON:
            return (no.of is None or no.of in people) and _ends(no, ConsentScope.PUBLISH_PERSON)
        return _ends(no, scope)

    def _is_answered(self, no: Consent, scope: ConsentScope, moment: datetime) -> bool:
        params = ConsentScope.PUBLISH_PERSON if no.subject == ConsentSubject.PERSON else scope
        scopes = {ConsentScope.TAKE_UP} if no.scope == ConsentScope.TAKE_UP else {*_covering(params)}
        return any(
            word.is_yes
            and word.scope in scopes
            and word.first_day > no.last_day
            and word.recorded_at <= moment
            and (self.voice_of(word) == self.voice_of(no) or self._is_of_all_workers(word, no))
            for word in self.consents
        )

    # Voices

    def voice_of(self, word: Consent) -> Voice:
        """Whose word it is: of a party or person, of the only one there was when it was said, or of its subject."""
        voice = self._voices.get(word.id)
        if voice is None:
            voice = self._voices[word.id] = self._find_voice(word)
        return voice

    def _find_voice(self, word: Consent) -> Voice:
        subject = ConsentSubject(word.subject)
        if subject is ConsentSubject.PERSON:
            return Voice(subject, word.of)
        identity = self._identities.get(word.of) if word.of else None
        if subject is ConsentSubject.WORKERS:
            return Voice(subject, identity if len(self._of_role(PartyRole.EMPLOYER)) > 1 else None)
        if identity is None and self._is_of_requester(word):
            subject = ConsentSubject.REQUESTER
        identity = identity or self._only_one(SPEAKS_AS[subject], word.recorded_at)
        return Voice("partner" if identity and subject in PARTNER_SIDE else subject, identity)

    def _is_of_requester(self, word: Consent) -> bool:
        """A word entered for a local partner when no party was one counts as the requester's, also later."""
        return word.subject == ConsentSubject.LOCAL_PARTNER and not self._of_role(
            PartyRole.LOCAL_PARTNER, word.recorded_at
        )

    def _may_say_yes(self, voice: Voice) -> bool:
        """The requester's yes counts only while no party is a local partner."""
        partners = self._of_role(PartyRole.LOCAL_PARTNER)
        return not partners or voice.kind not in {"partner", ConsentSubject.REQUESTER} or voice.of in partners

    def _only_one(self, role: PartyRole, moment: datetime) -> UUID | None:
        then = self._of_role(role, moment) or self._of_role(role)
        return next(iter(then)) if len(then) == 1 else None

    def _of_role(self, role: PartyRole, moment: datetime | None = None) -> set[UUID]:
        """Who is a party in a role, or was at a moment."""
        return {
            self._identities[party.id]
            for party in self.parties
            if party.role == role and (moment is None or party.recorded_at <= moment)
        }

    @cached_property
    def _voices(self) -> dict[UUID, Voice]:
        """By the ids of words, whose they are, as far as that was asked."""
        return {}

    @cached_property
    def _identities(self) -> dict[UUID, UUID]:
        """By its id, who a party is: the same organisation or facility in two roles is one."""
        return {party.id: party.organisation_id or party.facility_id or party.id for party in self.parties}


def _recorded(word: Consent) -> tuple[datetime, UUID]:
    return word.recorded_at, word.id


def _side(word: Consent) -> frozenset[ConsentSubject]:
    sides = (WORKERS_SIDE, PARTNER_SIDE, frozenset({ConsentSubject.PERSON}))
    return next(side for side in sides if word.subject in side)


def _newest_in_force(words: list[Consent], scope: ConsentScope, on: date) -> list[Consent]:
    """The newest words to a scope; none when one of them has run out: of two of a day the sooner end counts."""
    newest = _newest([word for word in words if word.scope == scope])
    return [] if any(word.has_run_out(on) for word in newest) else newest


def _newest(words: list[Consent]) -> list[Consent]:
    """Those that no other is surely newer than: of one day, or of partial days that overlap, there may be several."""
    return [word for word in words if not any(other.first_day > word.last_day for other in words)]


def _ends(no: Consent, scope: ConsentScope) -> bool:
    """True when a no speaks to this scope: a no ends the wider publications too, one to take-up all but keeping."""
    if no.scope == ConsentScope.TAKE_UP:
        return scope != ConsentScope.RETAIN
    return scope in _covering(ConsentScope(no.scope))


def _covering(scope: ConsentScope) -> tuple[ConsentScope, ...]:
    """The scope itself, and of publications the wider ones: a yes to them permits it, a no to it ends them."""
    return PUBLISHING[PUBLISHING.index(scope) :] if scope in PUBLISHING else (scope,)
