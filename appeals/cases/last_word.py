"""The last word: what a side of a case says to a scope, on a day, for a recipient. All rules about consent use it.

A voice is a subject, or one of its parties or persons. Its newest statement on a scope counts, by its day; on the same
day, or if partial dates overlap, a no prevails. A side says yes if one of its voices does and the last word of none is
a no. Source: section 8 of the domain specification, "The last word" and "The partner's side".
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
"""The scopes of publication, narrowest first: a yes covers the narrower ones, a no ends the wider ones."""
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
"""The party roles that can speak as a subject; for `workers` that of their workplace."""
NAMED_WHERE_SEVERAL = frozenset({ConsentSubject.LOCAL_PARTNER, ConsentSubject.WORKERS_UNION})
"""The subjects whose yes must name the party, if several have the role. A no without a name counts for all of them."""
A_DAY = timedelta(days=1)


class Voice(NamedTuple):
    """A speaker: the subject, and the party or person; None for the subject as a whole."""

    kind: str
    of: UUID | None


ALL_WORKERS = Voice(ConsentSubject.WORKERS, None)


@dataclass(frozen=True)
class LastWord:
    """What a side or a person says: a no, or the yes statements whose conditions bind; neither if it is silent."""

    words: tuple[Consent, ...] = ()
    is_no: bool = False

    def permits(self, met: Met = frozenset()) -> bool:
        """Return whether it is a yes with all its conditions met."""
        return bool(self.words) and not self.is_no and not missing_conditions(self.words, met)


NO = LastWord(is_no=True)


@dataclass(frozen=True)
class Words:
    """All consents and refusals of a case. `today` is the server's day, and never before the newest entry."""

    consents: Sequence[Consent]
    parties: Sequence[Party]
    today: date

    def workers(self, scope: ConsentScope, on: date, recipient: str | None = None) -> LastWord:
        """Return what the workers' side says."""
        return self._of_side(self._by(WORKERS_SIDE), scope, on, recipient)

    def workers_themselves(self, scope: ConsentScope, on: date) -> LastWord:
        """Return what the workers' side says; silence if the workers' own yes is not among it."""
        answer = self.workers(scope, on)
        own = any(word.subject == ConsentSubject.WORKERS for word in answer.words)
        return answer if own or answer.is_no else LastWord()

    def partner(self, scope: ConsentScope, on: date, recipient: str | None = None) -> LastWord:
        """Return what the partner's side says. If a party is a local partner, the requester's yes does not count."""
        return self._of_side(self._by(PARTNER_SIDE), scope, on, recipient)

    def person(self, person: UUID | None, scope: ConsentScope, on: date) -> LastWord:
        """Return what a person says. A no that names nobody is a no of everybody."""
        words = [word for word in self._by({ConsentSubject.PERSON}) if word.of == person or not word.of]
        return self._of_side(words, scope, on, None)

    def both_sides(self, scope: ConsentScope, on: date, met: Met = frozenset()) -> bool:
        """Return whether both sides permit it."""
        return self.workers(scope, on).permits(met) and self.partner(scope, on).permits(met)

    def contact(self, scope: ConsentScope, on: date, recipient: str) -> LastWord:
        """Return the answer to contacting a target: the workers' side's yes, unless the partner's side says no."""
        return NO if self.partner(scope, on, recipient).is_no else self.workers(scope, on, recipient)

    def stands(self, no: Consent) -> bool:
        """Return whether a no is still the last word of its voice on its scope."""
        words = [word for word in self.consents if _side(word) == _side(no)]
        recipients: list[str | None] = [*no.recipients] or [None]
        scope = ConsentScope(no.scope)
        return any(self._stands(no, self._counting(words, self.today, name), scope, self.today) for name in recipients)

    def unanswered(self, scope: ConsentScope, people: Collection[UUID], moment: datetime) -> list[Consent]:
        """Return the refusals of a publication that no newer yes of their voice answered at that moment.

        They void a signature of that moment (section 8 of the domain specification).
        """
        return [
            no
            for no in self.consents
            if no.is_no and self._speaks_to(no, scope, people) and not self._is_answered(no, scope, moment)
        ]

    def until(self, permitted: Callable[[date], bool]) -> date | None:
        """Return the last day of a permission by what is on record; None if it does not hold today."""
        if not permitted(self.today):
            return None
        ends = sorted({word.expires_on for word in self.consents if word.expires_on and word.expires_on >= self.today})
        return next((end for end in ends if end < date.max and not permitted(end + A_DAY)), date.max)

    def is_one_of_several(self, subject: ConsentSubject) -> bool:
        """Return whether a yes of this subject must name its party, because several have the role."""
        return subject in NAMED_WHERE_SEVERAL and len(self._of_role(SPEAKS_AS[subject])) > 1

    def days_within(self, first: date, last: date) -> set[date]:
        """Return the days of a span on which an answer may differ from the day before, and its ends."""
        turns = {first, last}
        for word in self.consents:
            turns |= {word.first_day, word.first_day - A_DAY, word.last_day}
            turns |= {word.expires_on} if word.expires_on else set()
        return {day for day in turns if first <= day <= last}

    # How an answer is computed

    def _by(self, subjects: Collection[ConsentSubject]) -> list[Consent]:
        return [word for word in self.consents if word.subject in subjects]

    def _counting(self, words: Iterable[Consent], on: date, recipient: str | None) -> list[Consent]:
        return [word for word in words if word.concerns(recipient) and self._counts(word, on)]

    def _counts(self, word: Consent, on: date) -> bool:
        """Return whether a statement counts: a no from its first day, a yes from its last; in the past, its first."""
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
        """Return a key that is equal for two records of one statement, since half of all reports arrive twice."""
        return (self.voice_of(word), word.scope, word.first_day, word.last_day, tuple(word.conditions))

    def _yes_of(self, voice: Voice, words: list[Consent], scope: ConsentScope, on: date) -> list[Consent]:
        """Return the statements with which a voice permits a scope: the newest on each scope that covers it."""
        own = [word for word in words if word.is_yes and self.voice_of(word) == voice]
        alive = [word for word in own if not any(self._is_ended(word, no) for no in words if no.is_no)]
        good = [word for covering in _covering(scope) for word in _newest_in_force(alive, covering, on)]
        return _newest(good)

    def _is_ended(self, yes: Consent, no: Consent) -> bool:
        """Return whether a yes is ended by a no of its own voice, or by the workers' no to the take-up."""
        of_the_side = self.voice_of(no) == ALL_WORKERS and no.scope == ConsentScope.TAKE_UP
        speaks = of_the_side or self.voice_of(no) in {self.voice_of(yes), Voice(ConsentSubject.PERSON, None)}
        return speaks and _ends(no, ConsentScope(yes.scope)) and yes.first_day <= no.last_day

    def _stands(self, no: Consent, words: list[Consent], scope: ConsentScope, on: date) -> bool:
        """Return whether no newer yes lifts a no: of its own voice or, on the workers' side, of all workers."""
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
        """Return the voice of a statement: the named party or person, the only one there was, or the whole subject."""
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
        """Return whether a statement for a local partner is the requester's: there was no partner then."""
        return word.subject == ConsentSubject.LOCAL_PARTNER and not self._of_role(
            PartyRole.LOCAL_PARTNER, word.recorded_at
        )

    def _may_say_yes(self, voice: Voice) -> bool:
        """Return whether a yes of the voice counts. The requester's counts only if no party is a local partner."""
        partners = self._of_role(PartyRole.LOCAL_PARTNER)
        return not partners or voice.kind not in {"partner", ConsentSubject.REQUESTER} or voice.of in partners

    def _only_one(self, role: PartyRole, moment: datetime) -> UUID | None:
        then = self._of_role(role, moment) or self._of_role(role)
        return next(iter(then)) if len(then) == 1 else None

    def _of_role(self, role: PartyRole, moment: datetime | None = None) -> set[UUID]:
        """Return the parties that have a role, or had it at a moment."""
        return {
            self._identities[party.id]
            for party in self.parties
            if party.role == role and (moment is None or party.recorded_at <= moment)
        }

    @cached_property
    def _voices(self) -> dict[UUID, Voice]:
        """The cache of voices by the ids of statements."""
        return {}

    @cached_property
    def _identities(self) -> dict[UUID, UUID]:
        """The identity of each party by its id: the same organisation or facility in two roles is one voice."""
        return {party.id: party.organisation_id or party.facility_id or party.id for party in self.parties}


def _recorded(word: Consent) -> tuple[datetime, UUID]:
    return word.recorded_at, word.id


def _side(word: Consent) -> frozenset[ConsentSubject]:
    sides = (WORKERS_SIDE, PARTNER_SIDE, frozenset({ConsentSubject.PERSON}))
    return next(side for side in sides if word.subject in side)


def _newest_in_force(words: list[Consent], scope: ConsentScope, on: date) -> list[Consent]:
    """Return the newest statements on a scope; none if one has expired. Of two on one day, the earlier end counts."""
    newest = _newest([word for word in words if word.scope == scope])
    return [] if any(word.has_run_out(on) for word in newest) else newest


def _newest(words: list[Consent]) -> list[Consent]:
    """Return the statements not surely older than another; several if days are equal or partial dates overlap."""
    return [word for word in words if not any(other.first_day > word.last_day for other in words)]


def _ends(no: Consent, scope: ConsentScope) -> bool:
    """Return whether a no ends this scope: to publishing also the wider ones, to the take-up all but `retain`."""
    if no.scope == ConsentScope.TAKE_UP:
        return scope != ConsentScope.RETAIN
    return scope in _covering(ConsentScope(no.scope))


def _covering(scope: ConsentScope) -> tuple[ConsentScope, ...]:
    """Return the scopes that cover this one: itself and, for publications, the wider ones. A yes to them permits it."""
    return PUBLISHING[PUBLISHING.index(scope) :] if scope in PUBLISHING else (scope,)
