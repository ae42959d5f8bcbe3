"""The kinds of record a case holds, as one table; how one is written, changed, and found by a reference."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from appeals.access.record_writers import RECORD_WRITERS
from appeals.access.roles import TEAM_ROLES
from appeals.access.visibility import directory_entry_for, lasting_visible_filter, links, roles_on, roles_protecting
from appeals.accounts.caller import Caller
from appeals.accounts.entity import Entity
from appeals.accounts.network import Network
from appeals.cases import (
    action,
    commitment,
    consent,
    demand,
    link,
    outcome,
    party,
    payment,
    person,
    proceeding,
    publication,
    risk,
    safe_contact,
    tally,
    team,
    violation,
)
from appeals.cases.case import Case
from appeals.cases.case_transaction import CaseTransaction
from appeals.cases.directory import (
    Facility,
    FacilityInput,
    Organisation,
    OrganisationInput,
)
from appeals.cases.due_date import set_due
from appeals.cases.last_word import PARTNER_SIDE, SPEAKS_AS, LastWord, Words
from appeals.cases.public_content import shown_at, shown_records_at
from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.database.declarative import new_id
from appeals.database.row_shape import shape_of
from appeals.errors import FieldError, Invalid, Unmet
from appeals.fields import (
    RefersTo,
    Sealed,
    Versioned,
    annotated_fields,
    as_uuid,
    bring_to_today,
    earliest,
    fold,
    future_dates,
    latest,
    span,
)
from appeals.lifecycle.steps import STEP_OF_NOUN as STEP
from appeals.vocabulary import (
    AccountKind,
    ActedBy,
    ActionStatus,
    CommitmentStatus,
    ConsentScope,
    ConsentSubject,
    Disposition,
    DueKind,
    OrganisationKind,
    Precision,
    PublicationLevel,
    ResponseGrade,
    RiskLevel,
    Role,
    Status,
    TeamStatus,
    ViolationGrade,
    Visibility,
)

A_DAY = timedelta(days=1)


def latest_day(now: datetime) -> date:
    """The last day that may be reported as past: today somewhere on earth."""
    return (now + A_DAY).date()


@dataclass(frozen=True)
class WriteContext:
    """Who writes to which case, in which transaction, when: never before what is on record, whatever clocks say."""

    tx: CaseTransaction
    case: Case
    caller: Caller
    now: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "now", max(self.now, self.case.updated_at))

    @property
    def session(self) -> Session:
        """For what is no case, and for questions."""
        return self.tx.session

    @property
    def network(self) -> Network:
        """The entities, accounts and roles there are."""
        return self.tx.network

    @property
    def latest_day(self) -> date:
        """The last day that may be reported as past."""
        return latest_day(self.now)


Adds = Callable[[WriteContext, Any, str], dict[str, Any]]
Refuses = Callable[[WriteContext, Any], list[Unmet]]


def _nothing(_: WriteContext, __: Any, ___: str) -> dict[str, Any]:
    return {}


def _no_refusal(_: WriteContext, __: Any) -> list[Unmet]:
    return []


@dataclass(frozen=True)
class Kind:
    """A row: the noun of its URL, its table and wire forms, and its small lifecycle.

    `state` names the column that the lifecycle `next` governs. `derive` gives columns that the input does not
    name as such, and `alters` those of a change; `check` tells which rule forbids to have this record, which is not
    asked again where only `asides` change; `shorthand` gives the further record that a change stands for, where it is
    one; `shown` gives those a caller may read, where that is not all; `protects` tells of an input whether those may
    write it who act on the case only to protect somebody.
    """

    noun: str
    table: type[Record]
    input: type[RecordInput]
    output: type[RecordOutput]
    change: type[RecordInput] | None = None
    state: str = "status"
    transitions: Mapping[Any, set[Any]] = field(default_factory=dict)
    derive: Adds = _nothing
    alters: Callable[[WriteContext, Any], dict[str, Any]] = lambda _w, _s: {}
    check: Refuses = _no_refusal
    asides: frozenset[str] = frozenset()
    after_write: Callable[[WriteContext, Any], None] = lambda _w, _r: None
    shorthand: Callable[[WriteContext, Any, Any], RecordInput | Record | None] = lambda _w, _r, _b: None
    readable: Callable[[Caller, Case], list[Any]] | None = None
    protects: Callable[[WriteContext, Any], bool] = lambda _w, _s: False

    @property
    def attribute(self) -> str:
        """The name of the list on the case, and of the member in `records`."""
        return self.noun.replace("-", "_")

    @property
    def roles(self) -> frozenset[Role]:
        """Who may write one."""
        return RECORD_WRITERS[self.attribute]


def _of_party(writing: WriteContext, data: party.PartyInput, at: str) -> dict[str, Any]:
    session, directory = writing.session, writing.tx.directory
    usual = party.TARGET_OF_ROLE.get(data.role)
    if data.target and (usual is None or not party.are_alike(usual, data.target)):
        raise Invalid([FieldError(f"{at}/target", "is no kind of target that this role can be")])
    columns: dict[str, Any] = {"organisation_id": None, "facility_id": None, "target": data.target or usual}
    if data.organisation is not None:
        values = require_known(session, writing.caller, Organisation, data.organisation, f"{at}/organisation")
        row = directory.organisation(data.organisation)
        columns |= {"organisation_id": row.id, "named": values or directory.in_the_words_of(data.organisation, row)}
    if data.facility is not None:
        values = require_known(session, writing.caller, Facility, data.facility, f"{at}/facility")
        owner = data.facility.owner if isinstance(data.facility, FacilityInput) else None
        require_known(session, writing.caller, Organisation, owner, f"{at}/facility/owner")
        place = directory.facility(data.facility)
        columns |= {"facility_id": place.id, "named": values or directory.in_the_words_of(data.facility, place)}
    return columns


def require_known(session: Session, caller: Caller, table: Any, given: Any, pointer: str) -> dict[str, Any] | None:
    """The words in which the caller knows what they name by its id in the directory; None for what is named in full.

    Raises: Invalid, for an id that is none, and the same for one the caller may not know of.
    """
    if not isinstance(given, UUID):
        return None
    values = directory_entry_for(session, caller, table, given, lasting=True)
    if values is None:
        raise Invalid([FieldError(pointer, f"is the id of no {table.__tablename__}")])
    return values


def _of_demand(writing: WriteContext, data: demand.DemandInput, at: str) -> dict[str, Any]:
    if data.revises is None:
        return {"disposition": Disposition.ACTIVE}
    replaced: demand.Demand = referred(writing.case, "demands", data.revises, f"{at}/revises")
    if replaced not in writing.case.demands_now:
        raise Invalid([FieldError(f"{at}/revises", "names a version that was revised already")])
    return {"disposition": Disposition.ACTIVE, "version": replaced.version + 1}


def _of_action(writing: WriteContext, data: action.ActionInput, at: str) -> dict[str, Any]:
    require_conditions(writing.case, data.conditions_met, f"{at}/conditions_met")
    met = [condition.model_dump(mode="json") for condition in data.conditions_met]
    return {**_acted_by(writing, data.by, f"{at}/by"), "responses": [], "conditions_met": met}


def _acted_by(writing: WriteContext, by: str | OrganisationInput | None, at: str) -> dict[str, Any]:
    """Who acted, as columns. Raises: Invalid, where it names nobody that the caller may know."""
    case, directory = writing.case, writing.tx.directory
    columns: dict[str, Any] = {"by": ActedBy.NETWORK, "by_entity": case.lead_entity.id}
    columns |= dict.fromkeys(("by_party", "by_organisation", "by_name"))
    acting = find(case, KIND_OF_NOUN["parties"], by) if isinstance(by, str) else None
    if acting is not None:
        return columns | {"by": _whose(writing, acting.named), "by_party": acting.id}
    entity = writing.network.entity_named(by) if isinstance(by, str) else None
    if by is None or entity is not None:
        return columns | {"by_entity": entity.id if entity else case.lead_entity.id}
    given = as_uuid(by) if isinstance(by, str) else by
    if given is None:
        raise Invalid([FieldError(at, "names no party of the case, no entity of the network and no organisation")])
    values = require_known(writing.session, writing.caller, Organisation, given, at)
    row = directory.organisation(given)
    named = values or directory.in_the_words_of(given, row)
    return columns | {"by": _whose(writing, named), "by_organisation": row.id, "by_name": named["name"]}


def _whose(writing: WriteContext, named: dict[str, Any]) -> ActedBy:
    """Whether somebody who is named in these words is the network: a member of it, or by the name of an entity."""
    if named.get("kind") == OrganisationKind.CCC_MEMBER:
        return ActedBy.NETWORK
    members = [party.named for party in writing.case.parties if party.named.get("kind") == OrganisationKind.CCC_MEMBER]
    listed = select(Organisation).where(Organisation.listed, Organisation.kind == OrganisationKind.CCC_MEMBER)
    members += [{"name": row.name, "name_local": row.name_local} for row in writing.session.scalars(listed)]
    names = {name for member in members for name in _names(member)}
    names |= {fold(name) for name in writing.session.scalars(select(Entity.name))}
    return ActedBy.NETWORK if names & _names(named) else ActedBy.OTHERS


def _names(named: dict[str, Any]) -> set[str]:
    return {fold(name) for name in (named["name"], named.get("name_local")) if name}


def _changed_actor(writing: WriteContext, data: action.ActionChange) -> dict[str, Any]:
    return _acted_by(writing, data.by, "/by") if "by" in data.model_fields_set else {}


def _of_response(writing: WriteContext, data: action.ResponseInput, at: str) -> dict[str, Any]:
    answered: action.Action = referred(writing.case, "actions", data.action, f"{at}/action")
    received = latest(data.received_on, data.received_precision)
    if answered.done_on and received < earliest(answered.done_on, answered.done_precision):
        raise Invalid([FieldError(f"{at}/received_on", "lies before the action it answers")])
    if data.grade is ResponseGrade.NO_RESPONSE and answered.answer_due_on and received <= answered.answer_due_on:
        raise Invalid([FieldError(f"{at}/grade", "is known when the answer is overdue, and not before")])
    _note_silence(writing, answered, data)
    if data.party is not None:
        return {}
    return {"party": answered.target}


def _note_silence(writing: WriteContext, answered: action.Action, data: action.ResponseInput) -> None:
    """A late answer stands beside the silence, also where it is told before anybody noted that (domain.md 3)."""
    told = answered.answers or data.grade is ResponseGrade.NO_RESPONSE
    if not told and not answered.is_in_time(data) and answered.status == ActionStatus.DONE:
        write(writing, KIND_OF_NOUN["responses"], action.silence_of(answered))


def _silence_told(writing: WriteContext, response: action.Response) -> list[Unmet]:
    """That no answer came is said once; an answer that came late stands beside it."""
    answered = next(params for params in writing.case.actions if params.id == response.action)
    if not response.is_silence or answered.silence is response:
        return []
    return [Unmet("answer.silence_told", "That no answer came is on record already.")]


def _done_without_consent(writing: WriteContext, made: action.Action) -> list[Unmet]:
    """Invariant 4: the network contacts nobody, and does nothing in public, before consent to it is in force."""
    if made.done_on is None or not made.is_contact:
        return []
    words = writing.case.words(writing.case.today(writing.now))
    first, last = (min(day, words.today) for day in span(made.done_on, made.done_precision))

    def permitted(answer: Callable[[date], LastWord]) -> bool:
        """What is reported of the past is refused only where no day of its span allows it."""
        met = publication.met_of(made.conditions_met)
        return any(answer(day).permits(met) for day in words.days_within(first, last))

    excused = made.without_consent_because is not None and _needs_no_consent(writing.case, made)
    contact = [] if excused else _contact_without_consent(writing.case, made, words, permitted)
    return contact + (_public_without_consent(words, permitted) if made.is_public else [])


Permitted = Callable[[Callable[[date], LastWord]], bool]


def _needs_no_consent(case: Case, made: action.Action) -> bool:
    """True for what cannot wait, and for telling somebody who was contacted before that the network stops."""
    if made.kind in action.CANNOT_WAIT:
        return True
    before = [
        case.party(other.target)
        for other in case.actions
        if other is not made
        and other.is_contact
        and other.without_consent_because is None
        and other.done_on
        and other.done_on <= (made.done_on or date.max)
    ]
    target = case.party(made.target)
    told = target is not None and party.is_among([contacted for contacted in before if contacted], target.name)
    return told and made.kind in action.TELLS and made.answer_due_on is None


def _public_without_consent(words: Words, permitted: Permitted) -> list[Unmet]:
    scope = ConsentScope.PUBLISH_ANONYMISED
    sides = {
        "consent.publish.workers.missing": ("workers' side's", partial(words.workers, scope)),
        "consent.publish.partner.missing": ("local partner's", partial(words.partner, scope)),
    }
    return [
        Unmet(code, f"Record the {whose} consent to publish, in force on done_on; or plan the action, or say by whom.")
        for code, (whose, answer) in sides.items()
        if not permitted(answer)
    ]


def _contact_without_consent(case: Case, made: action.Action, words: Words, permitted: Permitted) -> list[Unmet]:
    target = case.party(made.target)
    name = target.name if target else ""
    params = {target.contact_scope if target else None}
    if params == {None}:
        # Who is a target by another entry is one by this entry too; with no target at all the kind of contact counts.
        alike = {other.contact_scope for other in case.targets if party.is_among([other], name)}
        params = alike or {made.contact_scope}
    return [
        Unmet(f"consent.{scope}.missing", f"Record the workers' side's consent {scope}, in force on done_on.")
        for scope in sorted(filter(None, params))
        if not permitted(partial(words.contact, scope, recipient=name))
    ]


def _settle_action(writing: WriteContext, made: action.Action) -> None:
    """What follows from an action: its answer is due; contact made is the first, or is not."""
    case = writing.case
    if made.answer_due_on:
        awaited = made.awaited_until if made.status == ActionStatus.DONE else None
        set_due(case.due_dates, DueKind.ANSWER, made, awaited, writing.now)
    contacts = [other.done_on for other in case.actions if other.done_on and other.is_contact]
    case.first_action_on = min(contacts, default=None)


def _note_risk(writing: WriteContext, _made: risk.RiskAssessment) -> None:
    newest = writing.case.newest_risk(writing.latest_day)
    writing.case.risk = newest.level if newest else None


def _of_approval(writing: WriteContext, body: publication.ApprovalInput, at: str) -> dict[str, Any]:
    """Who signs, signs what would be shown: nothing else is published on this signature."""
    levels = list(PublicationLevel)
    agreed = levels[1 : levels.index(body.level) + 1]
    require_conditions(writing.case, body.conditions_met, f"{at}/conditions_met")
    words = writing.case.words(writing.case.today(writing.now))
    voices_left = []
    for index, left in enumerate(body.voices_left):
        no = referred(writing.case, "consents", left.consent, f"{at}/voices_left/{index}/consent")
        if not no.is_no or no.subject not in PARTNER_SIDE:
            says = "names no refusal or withdrawal of the partner's side"
            raise Invalid([FieldError(f"{at}/voices_left/{index}/consent", says)])
        voice = words.voice_of(no)
        of_voice = [str(word.id) for word in writing.case.consents if words.voice_of(word) == voice]
        voices_left.append({"consent": str(no.id), "why": left.why, "words": of_voice})
    return {
        "shows": {level: shown_at(writing.case, level, writing.now) for level in agreed},
        "shown_records": {level: shown_records_at(writing.case, level, writing.now) for level in agreed},
        "conditions_met": [met.model_dump(mode="json") for met in body.conditions_met],
        "voices_left": voices_left,
    }


def require_conditions(case: Case, conditions_met: list[consent.ConditionMet], at: str) -> None:
    """Name each consent by its id. Raises: Invalid, where one has no such condition."""
    for index, met in enumerate(conditions_met):
        given: consent.Consent = referred(case, "consents", met.consent, f"{at}/{index}/consent")
        if met.condition not in given.conditions:
            raise Invalid([FieldError(f"{at}/{index}/condition", "is no condition of that consent, in its own words")])
        met.consent = str(given.id)


def _no_signature(writing: WriteContext, approval: publication.Approval) -> list[Unmet]:
    """Two signatures are two people's, and to a publication (domain.md 3)."""
    unmets = []
    if approval.level == PublicationLevel.NONE:
        unmets.append(Unmet("approval.level.none", "Say which level of publication is approved."))
    if writing.network.account(writing.caller.account_id).kind != AccountKind.PERSON:
        unmets.append(Unmet("approval.by_machine", "A signature is a person's, with a key of their own."))
    return unmets


def _verified_by_target(writing: WriteContext, made: commitment.Commitment) -> list[Unmet]:
    """Invariant 16: a target never verifies."""
    if made.verified_by is None or not party.is_among(writing.case.hostile, made.verified_by):
        return []
    return [Unmet("verifier.is_target", "A target of the case cannot verify that a promise was kept.")]


def _broken_without_the_step(writing: WriteContext, made: commitment.Commitment) -> list[Unmet]:
    """Where the step `breach` is open, it alone says that a promise was broken; elsewhere its day must have passed."""
    if made.status != CommitmentStatus.BREACHED:
        return []
    if Status(writing.case.status) in STEP["breach"].sources:
        return [Unmet("commitments.breach", "Take the step breach: it records the facts and moves the case.")]
    if made.is_due(writing.latest_day):
        return []
    return [Unmet("breach.not_due", "The promise is not due yet.")]


def _of_consent(writing: WriteContext, body: consent.ConsentInput, at: str) -> dict[str, Any]:
    """Whose word it is, and of a no the day it was said: today where nothing is known better. Raises: Invalid."""
    columns: dict[str, Any] = {"of_party": None, "of_person": None}
    if body.subject is ConsentSubject.PERSON:
        if body.of is None and body.state in consent.YES:
            raise Invalid([FieldError(f"{at}/of", "names the person whose word it is")])
        columns["of_person"] = referred(writing.case, "people", body.of, f"{at}/of").id if body.of else None
    elif body.of is not None:
        speaks: party.Party = referred(writing.case, "parties", body.of, f"{at}/of")
        if speaks.role != SPEAKS_AS[body.subject]:
            raise Invalid([FieldError(f"{at}/of", f"names no party that is {SPEAKS_AS[body.subject]} here")])
        columns["of_party"] = speaks.id
    elif body.state in consent.YES and writing.case.words(writing.now.date()).is_one_of_several(body.subject):
        raise Invalid([FieldError(f"{at}/of", "names the party whose word it is, as several parties are that")])
    if body.state in consent.NO and body.on is None:
        columns |= {"on": writing.now.date(), "on_precision": Precision.EXACT}
    return columns


def _note_end(writing: WriteContext, made: consent.Consent) -> None:
    """What rests on a yes is looked at again when it has run out."""
    if made.is_yes and made.expires_on:
        set_due(writing.case.due_dates, DueKind.CONSENT, made, made.expires_on, writing.now)


def _next_word(
    writing: WriteContext, made: consent.Consent, body: consent.ConsentChange
) -> consent.ConsentInput | consent.Consent | None:
    """The word that a change of state is shorthand for, or that word where it is on record (domain.md 8, A word)."""
    if body.state is None or body.state == made.state:
        return None
    given = body.state in consent.YES
    precision = body.withdrawn_precision if body.withdrawn_on else Precision.EXACT
    said_on = body.withdrawn_on or writing.now.date()
    on, on_precision = consent.day_of_no(said_on, precision, made if made.is_yes else None)
    day = body.given_on if given else on
    for word in writing.case.consents:
        alike = all(getattr(word, name) == getattr(made, name) for name in ("subject", "scope", "of", "recipients"))
        if alike and word.state == body.state and day == (word.given_on if given else word.on):
            return word
    return consent.ConsentInput(
        label=body.label,
        subject=ConsentSubject(made.subject),
        scope=ConsentScope(made.scope),
        state=body.state,
        of=str(made.of) if made.of else None,
        conditions=body.conditions,
        recipients=made.recipients,
        given_on=body.given_on,
        given_precision=body.given_precision,
        on=None if given else on,
        on_precision=Precision.EXACT if given else on_precision,
        expires_on=body.expires_on,
        method=body.method,
        language=body.language,
    )


def carry_noes(writing: WriteContext, merged: Case) -> None:
    """Put every no that stands in a case into the one that it was merged into (domain.md 8, A word).

    It is the word of the same party or person there; where there is none, of its subject as a whole.
    """
    words = merged.words(merged.today(writing.now))
    for no in merged.consents:
        if not (no.is_no and words.stands(no)) or _is_carried(writing.case, no):
            continue
        carried = {name: getattr(no, name) for name in _CARRIED}
        carried |= {"of_party": _same_party(writing.case, merged.party(no.of_party)), "of_person": None}
        made = consent.Consent(
            id=new_id(),
            case_id=writing.case.id,
            recorded_at=writing.now,
            recorded_by=writing.caller.account_id,
            **carried,
        )
        writing.case.add(made)


def _is_carried(survivor: Case, no: consent.Consent) -> bool:
    return any(all(getattr(word, name) == getattr(no, name) for name in _CARRIED) for word in survivor.consents)


_CARRIED = (
    "subject",
    "scope",
    "state",
    "conditions",
    "recipients",
    "given_on",
    "given_precision",
    "on",
    "on_precision",
    "expires_on",
    "method",
    "language",
)


def _same_party(survivor: Case, merged: party.Party | None) -> UUID | None:
    """The party of the survivor that is the same organisation or facility."""
    if merged is None:
        return None
    identity = (merged.organisation_id, merged.facility_id)
    alike = (other for other in survivor.parties if (other.organisation_id, other.facility_id) == identity)
    return next((other.id for other in alike), None)


def _date_disposition(writing: WriteContext, made: demand.Demand) -> None:
    made.disposed_on = made.disposed_on or (writing.now.date() if made.disposed else None)


def _not_inside(writing: WriteContext, made: tally.Tally) -> list[Unmet]:
    """Invariant 9: nobody is released who was not held, and no charge ends that was not brought."""
    if not tally.more_out_than_in(writing.case.tallies, made):
        return []
    says = "More people are out, or free of charges, than were held or charged on record; count those first."
    return [Unmet("tally.never_inside", says)]


def _of_link(writing: WriteContext, data: link.LinkInput, at: str) -> dict[str, Any]:
    seen = select(Case.id).where(Case.reference == data.other, lasting_visible_filter(writing.caller))
    other = writing.session.scalar(seen)
    if other is None or other == writing.case.id:
        raise Invalid([FieldError(f"{at}/other", "names no other case that you may see")])
    return {"other": other, "this_case": writing.case, "other_case": writing.tx.see(other)}


def _of_member(writing: WriteContext, data: team.TeamMemberInput, at: str) -> dict[str, Any]:
    """Named at once by those who work on the case; by who broke its glass, only proposed for as long as that lasts."""
    account = writing.network.existing_account(data.account, f"{at}/account")
    if roles_on(writing.caller, writing.case):
        return {"account": account.id, "status": TeamStatus.ON}
    own = (member for member in writing.case.team if member.account == writing.caller.account_id)
    ends_at = max(member.until for member in own if member.until and member.broke_glass(writing.now))
    return {"account": account.id, "status": TeamStatus.PROPOSED, "until": ends_at}


def _no_member(writing: WriteContext, made: team.TeamMember) -> list[Unmet]:
    """Who joins holds a role that works on cases and is not on the team yet; a sealed case keeps somebody who is named.

    Who broke its glass does not count: they are gone after a day.
    """
    others = [member for member in writing.case.team if member is not made and member.is_named]
    if made.status == TeamStatus.LEFT:
        deserted = writing.case.visibility == Visibility.SEALED and not others
        return [Unmet("team.last", "Somebody has to stay on the team of a sealed case.")] if deserted else []
    unmet = []
    if not _works_on_cases(writing.network, made.account):
        unmet.append(Unmet("team.without_role", "They hold no role that works on cases."))
    if any(member.account == made.account for member in others):
        unmet.append(Unmet("team.already_on", "They are on the team already."))
    return unmet


def _works_on_cases(network: Network, account_id: UUID) -> bool:
    """Whether an account is in service and holds a role that works on cases."""
    in_service = network.account(account_id).active
    return in_service and any(grant.role in TEAM_ROLES for grant in network.grants_of(account_id))


def is_out_of_service(writing: WriteContext) -> bool:
    """Whether nobody who is named on the team is in service any more."""
    named = [member for member in writing.case.team if member.is_named]
    return not any(_works_on_cases(writing.network, member.account) for member in named)


def confirm_member(writing: WriteContext, member: team.TeamMember) -> list[Unmet]:
    """Name a proposed member of a team that is out of service, as the second who says so; which rules forbid it."""
    unmet = []
    if not member.is_proposed(writing.now):
        unmet.append(Unmet("team.not_proposed", "They are not proposed, or no longer: propose them again."))
    if writing.caller.account_id in (member.recorded_by, member.account):
        unmet.append(Unmet("team.same_person", "Somebody else confirms it: neither who proposed them nor they."))
    if not is_out_of_service(writing):
        unmet.append(Unmet("team.in_service", "Somebody who is named is in service; they decide who joins."))
    unmet += _no_member(writing, member)
    if not unmet:
        member.status, member.until = TeamStatus.ON, None
        writing.case.touch(writing.now)
    return unmet


def _is_graver(writing: WriteContext, assessed: risk.RiskAssessmentInput) -> bool:
    """Graver than what is on record; where nothing is, than the least there is."""
    order = list(RiskLevel)
    return order.index(assessed.level) > order.index(RiskLevel(writing.case.risk or RiskLevel.LOW))


def _leave(writing: WriteContext, member: team.TeamMember) -> None:
    if member.status == TeamStatus.LEFT:
        member.left_at = member.left_at or writing.now


def leave_team(writing: WriteContext, member: team.TeamMember) -> None:
    """End a membership of the team."""
    member.status = TeamStatus.LEFT
    _leave(writing, member)


def name_on_team(writing: WriteContext, account: UUID) -> None:
    """Put somebody on the team who is not on it; who broke the glass for a day is then named for good."""
    if not any(member.account == account and member.is_named for member in writing.case.team):
        made = team.TeamMember(
            id=new_id(),
            case_id=writing.case.id,
            account=account,
            status=TeamStatus.ON,
            recorded_at=writing.now,
            recorded_by=writing.caller.account_id,
        )
        writing.case.add(made)


KINDS: tuple[Kind, ...] = (
    Kind(
        "parties", party.Party, party.PartyInput, party.PartyOutput, party.PartyChange,
        derive=_of_party,
    ),
    Kind(
        "violations", violation.Violation, violation.ViolationInput, violation.ViolationOutput,
        derive=lambda _w, _s, _a: {"grade": ViolationGrade.ALLEGED},
    ),
    Kind(
        "demands", demand.Demand, demand.DemandInput, demand.DemandOutput, demand.DemandChange,
        state="disposition", transitions=demand.NEXT, after_write=_date_disposition, derive=_of_demand,
    ),
    Kind("people", person.Person, person.PersonInput, person.PersonOutput, person.PersonChange),
    Kind(
        "consents", consent.Consent, consent.ConsentInput, consent.ConsentOutput, consent.ConsentChange,
        state="state", transitions=consent.NEXT, derive=_of_consent, after_write=_note_end, shorthand=_next_word,
        protects=lambda _w, given: given.state in consent.NO,
    ),
    Kind(
        "risk-assessments", risk.RiskAssessment, risk.RiskAssessmentInput, risk.RiskAssessmentOutput,
        after_write=_note_risk, protects=_is_graver,
    ),
    Kind(
        "approvals", publication.Approval, publication.ApprovalInput, publication.ApprovalOutput,
        check=_no_signature, derive=_of_approval,
    ),
    Kind(
        "actions", action.Action, action.ActionInput, action.ActionOutput, action.ActionChange,
        transitions=action.NEXT, derive=_of_action, alters=_changed_actor, check=_done_without_consent,
        asides=frozenset({"label", "reach", "result_note"}), after_write=_settle_action,
    ),
    Kind(
        "responses", action.Response, action.ResponseInput, action.ResponseOutput, action.ResponseChange,
        derive=_of_response, check=_silence_told,
    ),
    Kind(
        "commitments", commitment.Commitment, commitment.CommitmentInput, commitment.CommitmentOutput,
        commitment.CommitmentChange, transitions=commitment.NEXT,
        check=lambda w, made: _verified_by_target(w, made) + _broken_without_the_step(w, made),
        derive=lambda _w, _s, _a: {"status": CommitmentStatus.PROMISED},
    ),
    Kind("tallies", tally.Tally, tally.TallyInput, tally.TallyOutput, check=_not_inside),
    Kind("payments", payment.Payment, payment.PaymentInput, payment.PaymentOutput),
    Kind(
        "proceedings", proceeding.Proceeding, proceeding.ProceedingInput, proceeding.ProceedingOutput,
        proceeding.ProceedingChange, state="stage", transitions=proceeding.NEXT,
    ),
    Kind("outcomes", outcome.Outcome, outcome.OutcomeInput, outcome.OutcomeOutput),
    Kind("links", link.Link, link.LinkInput, link.LinkOutput, derive=_of_link, readable=links),
    Kind(
        "team", team.TeamMember, team.TeamMemberInput, team.TeamMemberOutput, team.TeamMemberChange,
        transitions={TeamStatus.ON: {TeamStatus.LEFT}, TeamStatus.PROPOSED: {TeamStatus.LEFT}}, derive=_of_member,
        check=_no_member, after_write=_leave, protects=lambda writing, _: is_out_of_service(writing),
    ),
)  # fmt: skip

KIND_OF_NOUN = {kind.noun: kind for kind in KINDS}


def held(case: Case, kind: Kind) -> list[Any]:
    """The case's records of a kind, oldest first."""
    if kind.attribute == "responses":
        return [response for action in case.actions for response in action.responses]
    records: list[Any] = getattr(case, kind.attribute)
    return records


def readable(caller: Caller, case: Case, kind: Kind) -> list[Any]:
    """The case's records of a kind that this caller may read, oldest first."""
    return kind.readable(caller, case) if kind.readable else held(case, kind)


def find(case: Case, kind: Kind, reference: str) -> Any | None:
    """The record of this case that a reference names: its id, or `#` and its label."""
    row_id = as_uuid(reference)
    for record in held(case, kind):
        if record.id == row_id or (record.label is not None and reference == f"#{record.label}"):
            return record
    return None


def referred(case: Case, noun: str, reference: str, pointer: str) -> Any:
    """The record a reference in an input names. Raises: Invalid, pointing at it."""
    record = find(case, KIND_OF_NOUN[noun], reference)
    if record is None:
        raise Invalid([FieldError(pointer, f"names none of the case's {noun}")])
    return record


def not_ahead(data: BaseModel, now: datetime) -> None:
    """See that no day that should have happened lies in the future; that of a no is then today. Raises: Invalid."""
    bring_to_today(data, latest_day(now), now.date())
    errors = [FieldError(pointer, "lies in the future") for pointer in future_dates(data, latest_day(now))]
    if errors:
        raise Invalid(errors)


def may_write(writing: WriteContext, kind: Kind, data: BaseModel) -> bool:
    """Whether the caller may record this, as one of those who work on the case or only to protect somebody."""
    caller, case = writing.caller, writing.case
    if roles_on(caller, case) & kind.roles:
        return True
    return bool(roles_protecting(caller, case) & kind.roles) and kind.protects(writing, data)


def may_change(writing: WriteContext, kind: Kind, record: Any, data: BaseModel) -> bool:
    """Whether the caller may change this record; only to protect somebody: by the shorthand for what protects."""
    if roles_on(writing.caller, writing.case) & kind.roles:
        return True
    return may_write(writing, kind, data) and kind.shorthand(writing, record, data) is not None


def write(writing: WriteContext, kind: Kind, data: RecordInput, at: str = "") -> tuple[Any, list[Unmet]]:
    """Add a record; tells besides which rules forbid it, so that a step can name them with its own.

    `at` is the JSON pointer of the record in the body. Raises: Invalid.
    """
    case = writing.case
    if data.label is not None and any(record.label == data.label for record in held(case, kind)):
        raise Invalid([FieldError(f"{at}/label", f"is the label of another of the case's {kind.noun}")])
    columns = {**_columns(case, data, at), **kind.derive(writing, data, at)}
    record: Any = shape_of(kind.table).new(
        **columns,
        id=new_id(),
        case_id=case.id,
        recorded_at=writing.now,
        recorded_by=writing.caller.account_id,
    )
    _require_sense(record, at)
    case.add(record)
    _keep_versions(writing, record, data)
    kind.after_write(writing, record)
    case.touch(writing.now)
    return record, kind.check(writing, record)


def _require_sense(record: Record, at: str = "") -> None:
    contradicts = record.contradiction()
    if contradicts:
        member, says = contradicts
        raise Invalid([FieldError(f"{at}/{member}", says)])


def _keep_versions(writing: WriteContext, record: Any, data: BaseModel) -> None:
    for name in annotated_fields(type(data), Versioned):
        rule = getattr(data, name)
        if rule is not None:
            add_safe_contact_rule(writing, rule, record.id)


def add_safe_contact_rule(writing: WriteContext, rule: str, person_id: UUID | None = None) -> None:
    """Put on record how the requester or one of the people may be reached from now on; older rules stay."""
    writing.case.add(
        safe_contact.SafeContactRule(
            id=new_id(),
            case_id=writing.case.id,
            person=person_id,
            rule=rule,
            recorded_at=writing.now,
            recorded_by=writing.caller.account_id,
        )
    )


def _columns(case: Case, data: BaseModel, at: str) -> dict[str, Any]:
    """The members of an input as columns: references resolved, nothing else changed."""
    columns: dict[str, Any] = {}
    references: Mapping[str, RefersTo] = annotated_fields(type(data), RefersTo)
    versioned = annotated_fields(type(data), Versioned)
    for name in type(data).model_fields:
        value = getattr(data, name)
        if isinstance(value, BaseModel) or name in versioned:
            continue  # a nested organisation or facility is what its kind `derive`; a version is a row of its own
        noun = references[name].noun if name in references else None
        if name in references and noun is None:
            continue  # so is what may refer to several kinds
        if noun is not None and isinstance(value, list):
            columns[name] = [
                str(referred(case, noun, item, f"{at}/{name}/{index}").id) for index, item in enumerate(value)
            ]
        elif noun is not None and value is not None:
            columns[name] = referred(case, noun, value, f"{at}/{name}").id
        else:
            columns[name] = value
    return columns


def follow(writing: WriteContext, kind: Kind, record: Any, body: RecordInput) -> tuple[Any, list[Unmet]]:
    """Change a record, or write the one that the change is shorthand for; the record, and which rules forbid it.

    Raises: Invalid.
    """
    following = kind.shorthand(writing, record, body)
    if following is None:
        return record, change(writing, kind, record, body)
    if isinstance(following, Record):
        return following, []
    refused = _not_next(kind, record, getattr(following, kind.state))
    return (record, refused) if refused else write(writing, kind, following)


def change(writing: WriteContext, kind: Kind, record: Any, data: RecordInput) -> list[Unmet]:
    """Change a record as its small lifecycle allows; saying again what already holds changes nothing.

    Tells which rules forbid it. Raises: Invalid.
    """
    values = {name: getattr(data, name) for name in data.model_fields_set}
    nulls = sorted(name for name, value in values.items() if value is None)
    if nulls:
        raise Invalid([FieldError(f"/{name}", "cannot be null; leave it out") for name in nulls])
    values |= kind.alters(writing, data)
    label = values.get("label")
    if label and any(other.label == label and other is not record for other in held(writing.case, kind)):
        raise Invalid([FieldError("/label", f"is the label of another of the case's {kind.noun}")])
    # What is sealed counts as changed however it was: that nothing changes would tell whoever guesses it.
    sealed = annotated_fields(type(data), Sealed)
    changed = {name: value for name, value in values.items() if name in sealed or getattr(record, name) != value}
    refused = _not_next(kind, record, changed.get(kind.state)) or _fixed(kind, record, changed)
    if refused or not changed:
        return refused
    for name, value in changed.items():
        if name not in annotated_fields(type(data), Versioned):
            setattr(record, name, value)
    _keep_versions(writing, record, data)
    _require_sense(record)
    kind.after_write(writing, record)
    writing.case.touch(writing.now)
    return kind.check(writing, record) if changed.keys() - kind.asides else []


def _not_next(kind: Kind, record: Any, wanted: Any) -> list[Unmet]:
    now = getattr(record, kind.state, None)
    following = kind.transitions.get(now, set())
    if wanted is None or wanted in following:
        return []
    may = f"can become {', '.join(sorted(following))}" if following else "stays so; record what is right beside it"
    return [Unmet(f"{kind.attribute}.{kind.state}", f"What is {now} {may}.")]


def _fixed(kind: Kind, record: Any, changed: dict[str, Any]) -> list[Unmet]:
    says = "This stands as it was recorded; record a new one beside it."
    fixed = sorted(name for name, value in changed.items() if not record.may_become(name, value))
    return [Unmet(f"{kind.attribute}.{name}", says) for name in fixed]
