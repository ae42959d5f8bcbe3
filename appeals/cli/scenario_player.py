"""The player of scenarios: it plays one invented case, each act in its own transaction and at its own time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from appeals.cases.due_date import DueDate
from appeals.cli import fake_cases
from appeals.cli.clone_cases import Template, template_of
from appeals.cli.fake_cases import COUNTRIES, FakeCase
from appeals.cli.scenario_acts import WORK, step
from appeals.cli.scenarios import APPROVE, LINK, RISK, SECOND, Play, Scenario, SeedContext
from appeals.database.engine import Database
from appeals.lifecycle import due_dates, intake
from appeals.lifecycle.case_inputs import Intake
from appeals.lifecycle.write_context import WriteContext
from appeals.transaction import transaction
from appeals.vocabulary import Visibility

IN_DANGER = 0.12


A_DAY = timedelta(days=1)
SHORTEST_DAYS, LONGEST_DAYS = 60, 7 * 365
WITHIN_DAYS = 12 * 365
OPEN_WITHIN_DAYS = 400
"""How many days earlier than its template an open case may have been received."""


def play_scenario(database: Database, context: SeedContext, scenario: Scenario) -> Template:
    """Play one case along a scenario, and read its rows as a template."""
    play = Play(database, context, scenario, _fake_case(context, scenario), [])
    moments = list(_moments(context, scenario))
    _create_case(play, moments[0])
    for act, moment in zip(scenario.acts, moments[1:], strict=True):
        _let_time_pass(play, moment)
        _act(play, play.cases[0], act, moment)
    _let_time_pass(play, context.now)
    with database.reading() as session:
        template = template_of(session, play.cases, play.case.workplace)
        return replace(template, most_days=_most_days(session, play, moments[0]))


def _fake_case(context: SeedContext, scenario: Scenario) -> FakeCase:
    rng = context.rng
    country = rng.choice(list(COUNTRIES))
    return FakeCase(
        rng=rng,
        on=context.now.date(),
        country=country,
        entity=rng.choice(context.entities[country]),
        coordinator=context.coordinators[COUNTRIES[country].coalition].name,
        visibility=_visibility(context, scenario),
        workplace=fake_cases.workplace(rng, context.names),
        danger=rng.random() < IN_DANGER,
        brands=fake_cases.brands_of(rng),
    )


def _visibility(context: SeedContext, scenario: Scenario) -> Visibility:
    """Draw the visibility of a case by the shares.

    A case that will be published is never sealed: its reviewer must see it.
    """
    dealt = next(context.visible)
    return Visibility.RESTRICTED if "escalation" in scenario.acts and dealt is Visibility.SEALED else dealt


def _moments(context: SeedContext, scenario: Scenario) -> Iterator[datetime]:
    """Yield the times of the intake and of each act, at least two days apart, over two months to seven years."""
    rng, acts = context.rng, len(scenario.acts)
    times = LONGEST_DAYS / SHORTEST_DAYS * min(1, acts / 9)
    days = int(SHORTEST_DAYS * times ** (rng.random() ** 1.5))
    begin = context.now - timedelta(days=days + rng.randrange(2, 20))
    middle = sorted(rng.sample(range(1, days // 2), max(0, acts - 1)))
    for half in [0, *middle, days // 2][: acts + 1]:
        on = begin.date() + timedelta(days=2 * half)
        yield datetime.combine(on, time(rng.randrange(6, 18), rng.randrange(60), rng.randrange(60)), UTC)


def _let_time_pass(play: Play, until: datetime) -> None:
    """Process the due dates that pass before `until`, each on the day after it."""
    passed = select(DueDate.id, DueDate.due_on).where(
        DueDate.case_id.in_(play.cases), DueDate.acted_at.is_(None), DueDate.due_on < until.date()
    )
    with play.database.reading() as session:
        rows = session.execute(passed.order_by(DueDate.due_on, DueDate.id)).all()
    for row_id, due_on in rows:
        due_dates.process_date(play.database, row_id, datetime.combine(due_on + A_DAY, time(0, 1), UTC))


def _most_days(session: Session, play: Play, begin: datetime) -> int:
    """Return the limit of days by which a copy may be moved: no due date may pass by it, and no case become too old."""
    awaited = select(DueDate.due_on).where(DueDate.case_id.in_(play.cases), DueDate.acted_at.is_(None))
    today = play.context.now.date()
    most = OPEN_WITHIN_DAYS if play.scenario.is_open else WITHIN_DAYS - (today - begin.date()).days
    return min([most, *(max(1, (due_on - today).days) for due_on in session.scalars(awaited))])


def _create_case(play: Play, moment: datetime) -> None:
    caller = replace(play.coordinator, now=moment)
    play.case = replace(play.case, on=moment.date())
    with transaction(play.database) as tx:
        data = Intake.model_validate(fake_cases.intake(play.case))
        play.cases.append(intake.create_case(tx, caller, data, moment).id)
        tx.commit(moment, caller.account_id)


def _act(play: Play, case_id: UUID, act: str, moment: datetime) -> None:
    """Play one act of a case in one transaction."""
    if act == SECOND:
        _play_second(play, moment)
        return
    if act == "escalation":
        _act(play, case_id, RISK, moment - timedelta(minutes=9))
        _act(play, case_id, APPROVE, moment - timedelta(minutes=5))
    caller = replace(play.context.reviewer if act == APPROVE else play.coordinator, now=moment)
    play.case = replace(play.case, on=moment.date())
    with transaction(play.database) as tx:
        writing = WriteContext(tx, tx.lock_id(case_id), caller, moment)
        work = WORK.get(act)
        if work is not None:
            work(play, writing)
        else:
            step(play, writing, act)
        tx.commit(moment, caller.account_id)


def _play_second(play: Play, moment: datetime) -> None:
    """Log the same dispute again, and play the second case to its own end within the day."""
    _create_case(play, moment)
    for minutes, act in enumerate(play.scenario.second or (), 1):
        _act(play, play.cases[-1], act, moment + timedelta(minutes=minutes))
    if play.scenario.second != ("merger",):
        _act(play, play.cases[0], LINK, moment + timedelta(hours=1))
