"""Possible duplicates: cases that may be the same appeal, returned with the reasons at an intake, which is never
refused.

In a crisis, half of all requests arrive twice, from two unions, in two languages. A similar name needs another clue
beside it. Requests that name workplaces of which none are similar are two appeals.

A request is compared in a snapshot, before its write waits in the queue, with the cases of its country and months that
share a blocking key (`read_models/name_similarity.py`), for each key those received on the nearest days. The write then
compares it with what was committed since. Until it commits, other requests with the same keys wait, so that of two
requests at once the later gets the earlier as a duplicate.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from uuid import UUID

from sqlalchemy import BindParameter, Connection, Select, and_, bindparam, func, select
from sqlalchemy.orm import Session

from appeals.access.directory_entries import directory_entry_for
from appeals.access.visibility import cached_statement, work_view_filter
from appeals.accounts.caller import Caller
from appeals.cases.case import Case
from appeals.cases.case_transaction import CaseTransaction
from appeals.cases.change_log import Change
from appeals.cases.directory import Directory, Facility, Organisation
from appeals.cases.party import Party, PartyInput
from appeals.cases.violation import Violation
from appeals.database.id_lists import array_of, elements_of_parameter
from appeals.database.json_rows import json_row, json_rows
from appeals.database.locks import acquire_locks
from appeals.database.statement_cache import StatementCache, statement_cache
from appeals.database.types import AnySelect
from appeals.database.xid_order import after_position
from appeals.fields import Model
from appeals.lifecycle.case_inputs import Intake
from appeals.read_models.change_feed import FeedPosition, head_position, position_from
from appeals.read_models.name_similarity import (
    COMPARED_ROLES,
    BlockingKey,
    PartyNames,
    names_of_party,
    search_keys,
)
from appeals.reports.case_comparison import BUYER_ROLES, COMPARED_PARTIES, CaseFeatures, cases_alike, features_of
from appeals.vocabulary import PartyRole

WITHIN = timedelta(days=90)


SHOWN = 20


NEAREST = 20
"""How many cases received until the same day, and how many received later, are compared for each key."""


COMPARED = 30
"""How many cases a request is compared with; those that share the most keys come first."""


CHANGED = 500
"""How many of the cases that were written since the snapshot are compared, the last ones."""


class Duplicate(Model):
    """A case that may be the same appeal, and the reasons."""

    reference: str
    reasons: list[str]


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison in a snapshot, which contains what was committed up to `place`."""

    keys: list[int]
    place: FeedPosition
    alike: list[tuple[CaseFeatures, list[str]]]


# In a snapshot


def compare(session: Session, caller: Caller, request: Intake) -> Comparison:
    """Compare a request with the cases that this caller works on."""
    directory = Directory(session)
    features, named = _of_request(session, directory, caller, request)
    keys = search_keys(request.country, named)
    connection, statements = session.connection(), statement_cache(session)
    place = position_from(connection.execute(_HEAD).one())
    others = _load(connection, _candidates(connection, statements, caller, request, keys))
    return Comparison(keys, place, cases_alike(features, others))


_HEAD = select(*head_position())


def _of_request(
    session: Session, directory: Directory, caller: Caller, request: Intake
) -> tuple[CaseFeatures, list[PartyNames]]:
    """Return the features of a request. Ids that the caller may not know are left out, because they will be refused."""
    asking = PartyInput(role=PartyRole.REQUESTER, organisation=request.requesting_organisation)
    parties = [party for party in (*request.records.parties, asking) if party.role in {*COMPARED_ROLES, *BUYER_ROLES}]
    directory.look_up(chain.from_iterable((party.organisation, party.facility) for party in parties))
    features, named = CaseFeatures(request.received_on), []
    features.codes.update(violation.code for violation in request.violations)
    features.since.update(violation.since for violation in request.violations if violation.since)
    for party in parties:
        table, given = (Organisation, party.organisation) if party.organisation else (Facility, party.facility)
        words = (
            directory_entry_for(session, caller, table, given)
            if isinstance(given, UUID)
            else given and given.model_dump()
        )
        if words and given:
            named.append(names_of_party(party.role, words))
            features.add(party.role, directory.existing_id(given), named[-1].names)
    return features, named


def _candidates(
    connection: Connection, statements: StatementCache, caller: Caller, request: Intake, keys: list[int]
) -> list[UUID]:
    """Return the cases that share keys with the request, those with the most first, then the newest."""
    day = request.received_on
    values = {"keys": keys, "day": day, "since": day - WITHIN, "until": day + WITHIN, "now": caller.now}
    shared = Counter[UUID]()
    for lists in connection.execute(cached_statement(statements, caller, _nearest_of_each_key), values):
        shared.update(chain.from_iterable(lists))
    return sorted(shared, key=lambda case_id: (shared[case_id], case_id), reverse=True)[:COMPARED]


def _nearest_of_each_key(caller: Caller) -> AnySelect:
    """Return two lists of ids: for each key the nearest cases received until the day, and the nearest
    received later.
    """
    key = elements_of_parameter("keys")
    query = (
        select(Case.id)
        .join_from(BlockingKey, Case, Case.id == BlockingKey.case_id)
        .where(BlockingKey.key == key.c.value, work_view_filter(caller))
        .correlate(key)
        .limit(NEAREST)
    )
    day, place = BlockingKey.received_on, (BlockingKey.received_on, BlockingKey.case_id)
    earlier = query.where(day.between(bindparam("since"), bindparam("day"))).order_by(*(at.desc() for at in place))
    later = query.where(day > bindparam("day"), day <= bindparam("until")).order_by(*place)
    lists = (array_of(half.subquery(name).c.id) for name, half in (("earlier", earlier), ("later", later)))
    return select(*lists).select_from(key)


# In the write transaction


def possible_duplicates(tx: CaseTransaction, caller: Caller, case: Case, compared: Comparison) -> list[Duplicate]:
    """Return cases of the caller that may be the same appeal, those with the most reasons first, then the newest.

    From here on, requests with the same keys wait for the end of this transaction.
    """
    acquire_locks(tx.connection, compared.keys)
    transaction, number = compared.place
    changed = set(tx.connection.scalars(_CHANGED_SINCE, {"transaction": transaction, "number": number}))
    known = {features.id: (features, reasons) for features, reasons in compared.alike if features.id}
    seen = _recheck(tx, caller, case, compared.keys, [*known.keys() | changed])
    alike = [known[case_id] for case_id in seen - changed]
    if seen & changed:
        others = _load(tx.connection, sorted(seen & changed, reverse=True)[:COMPARED])
        alike += cases_alike(features_of(case), others)
    alike.sort(key=lambda pair: (len(pair[1]), pair[0].received_on, pair[0].id), reverse=True)
    return [Duplicate(reference=features.reference, reasons=reasons) for features, reasons in alike[:SHOWN]]


_CHANGED_SINCE = (
    select(Change.case_id)
    .where(after_position(Change.transaction_id, Change.id, bindparam("transaction"), bindparam("number")))
    .order_by(Change.transaction_id.desc(), Change.id.desc())
    .limit(CHANGED)
)


def _recheck(tx: CaseTransaction, caller: Caller, case: Case, keys: list[int], numbers: list[UUID]) -> set[UUID]:
    """Return those of some cases that the caller works on, in the same country and months, that share a key with the
    case.
    """
    if not numbers:
        return set()
    values = {"country": case.country, "since": case.received_on - WITHIN, "until": case.received_on + WITHIN}
    values |= {"numbers": numbers, "keys": keys, "now": caller.now}
    query = cached_statement(tx.database.statements, caller, _sharing_a_key)
    return set(tx.connection.scalars(query, values))


def _sharing_a_key(caller: Caller) -> Select[UUID]:
    near = Case.received_on.between(bindparam("since"), bindparam("until"))
    shares = select(BlockingKey.key).where(
        BlockingKey.key.in_(select(elements_of_parameter("keys").c.value)),
        BlockingKey.received_on == Case.received_on,
        BlockingKey.case_id == Case.id,
    )
    alike = and_(Case.id.in_(_NUMBERS), Case.country == bindparam("country"), near, shares.correlate(Case).exists())
    return select(Case.id).where(alike, work_view_filter(caller))


# Comparing


def _load(connection: Connection, numbers: list[UUID]) -> list[CaseFeatures]:
    """Return the features of these cases, in their order."""
    if not numbers:
        return []
    cases, parties, violations = connection.execute(_FEATURES, {"numbers": numbers}).one()
    known = {text: CaseFeatures(date.fromisoformat(day), UUID(text), reference) for text, reference, day in cases or ()}
    for case_id, role, row, *names in parties or ():
        known[case_id].add(role, UUID(row) if row else None, names)
    for case_id, code, since in violations or ():
        known[case_id].codes.add(code)
        if since:
            known[case_id].since.add(date.fromisoformat(since))
    in_order = {features.id: features for features in known.values()}
    return [in_order[number] for number in numbers if number in in_order]


_NUMBERS: BindParameter[UUID] = bindparam("numbers", expanding=True)


_CASES = select(Case.id, Case.reference, Case.received_on).where(Case.id.in_(_NUMBERS))


_VIOLATIONS = select(Violation.case_id, Violation.code, Violation.since).where(Violation.case_id.in_(_NUMBERS))


def _first_parties() -> AnySelect:
    """Return the statement for the first parties of cases in each compared role: case, role, directory row, names."""
    rank = func.row_number().over(partition_by=(Party.case_id, Party.role), order_by=Party.id)
    row = func.coalesce(Party.facility_id, Party.organisation_id)
    names = (Party.named[name].as_string().label(name) for name in ("name", "name_local"))
    parties = select(Party.case_id, Party.role, row.label("row"), *names, rank.label("rank"))
    parties = parties.where(Party.case_id.in_(_NUMBERS), Party.role.in_([*COMPARED_ROLES, *BUYER_ROLES]))
    ranked = parties.subquery("ranked").c
    columns = (ranked.case_id, ranked.role, ranked.row, ranked.name, ranked.name_local)
    return select(*columns).where(ranked.rank <= COMPARED_PARTIES)


def _all_features() -> AnySelect:
    """Return cases, their first parties and their violations, each as JSON, from one statement."""
    parts = (_CASES.subquery("cases"), _first_parties().subquery("parties"), _VIOLATIONS.subquery("violations"))
    return select(*(select(json_rows(json_row(*part.c))).scalar_subquery() for part in parts))


_FEATURES = _all_features()
