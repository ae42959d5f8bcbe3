"""The acts of an invented case: steps and records, written by the code that writes real ones."""

from collections.abc import Callable

from appeals.cases.case import Case
from appeals.cases.commitment import CommitmentChange
from appeals.cases.demand import DemandChange
from appeals.cli import fake_acts, fake_cases
from appeals.cli.fake_cases import Body, FakeCase
from appeals.cli.scenarios import APPROVE, CAMPAIGN, DISPOSE, KEEP, LETTERS, LINK, MONEY, RISK, SUPPORT, Play
from appeals.errors import ChangeRefused
from appeals.lifecycle import transition as steps
from appeals.lifecycle.case_inputs import Records
from appeals.lifecycle.record_kinds import KIND_OF_NOUN as KIND
from appeals.lifecycle.steps import STEP_OF_NOUN
from appeals.lifecycle.write_context import WriteContext
from appeals.vocabulary import (
    CloseReason,
    CommitmentStatus,
    Disposition,
    Role,
    Status,
)


def step(play: Play, writing: WriteContext, noun: str) -> None:
    row = STEP_OF_NOUN[noun]
    data = row.input.model_validate({**fake_acts.STEPS.get(noun, _nothing)(play.case), **_named(play, writing, noun)})
    steps.make(
        writing,
        row,
        data,
        Role.COORDINATOR,
        require_current=lambda: None,
        coordinated=lambda _: writing.tx.lock_id(play.cases[0]),
    )


def _nothing(_: FakeCase) -> Body:
    return {}


def _named(play: Play, writing: WriteContext, noun: str) -> Body:
    """Return the fields of a step that name records of the case itself."""
    case = writing.case
    if noun == "merger":
        return {"survivor": writing.tx.see(play.cases[0]).reference}
    if noun == "breach":
        broken = next(promise for promise in case.commitments if promise.is_open)
        facts = {"facts": "Nobody was let in.", "breached_on": play.case.ago(0), "contrary_act": True}
        return {"commitment": str(broken.id), **facts}
    if noun == "closure":
        accepted = play.scenario.reason is CloseReason.SETTLED_PARTIAL
        passed = [{"guard": "review.pending", "reason": "The union saw all of it done."}]
        values = {"reason": play.scenario.reason, "outcomes": _outcomes(play, case), "workers_accept": accepted}
        return {**values, "overrides": passed if case.status == Status.MONITORING else []}
    return {}


def _outcomes(play: Play, case: Case) -> list[Body]:
    """Return an outcome for each demand that is still open."""
    pursued = [demand for demand in case.demands_now if not demand.disposed]
    outcomes = [{"disposition": what, "outcome": OUTCOME[what], "people_benefited": 3} for what in _became(play)]
    return [{"demand": str(demand.id), **values} for demand, values in zip(pursued, outcomes, strict=False)]


def _became(play: Play) -> list[Disposition]:
    """Return the dispositions of the first demand and of the second."""
    return {
        CloseReason.DEMANDS_MET: [Disposition.MET, Disposition.MET],
        CloseReason.SETTLED_PARTIAL: [Disposition.MET, Disposition.PARTLY_MET],
        CloseReason.NO_RESULT: [Disposition.NOT_MET, Disposition.NOT_MET],
    }.get(play.scenario.reason, [])


OUTCOME = {
    Disposition.MET: "reinstated",
    Disposition.PARTLY_MET: "wages_paid",
    Disposition.NOT_MET: "no_result",
}


def _bring(writing: WriteContext, **records: list[Body]) -> None:
    """Write records together. Raises: ChangeRefused."""
    refused = steps.write_records(writing, Records.model_validate(records), "/records")
    if refused:
        raise ChangeRefused(writing.case.status, refused)


def _support(play: Play, writing: WriteContext) -> None:
    _bring(writing, actions=[fake_acts.support(play.case) for _ in range(play.case.rng.randrange(4, 10))])


def _letters(play: Play, writing: WriteContext) -> None:
    """Write answers to some of the earlier letters, then further letters."""
    rng, case = play.case.rng, play.case
    unanswered = [
        action
        for action in writing.case.actions
        if action.target and all(response.is_silence for response in action.responses)
    ]
    answers = [fake_acts.answer(case, action.id) for action in unanswered if rng.random() < 0.5]
    awaited = [rng.random() < 0.4 for _ in range(rng.randrange(2, 6))]
    _bring(writing, responses=answers)
    _bring(writing, actions=[fake_acts.letter(case, rng.randrange(3), awaited=is_awaited) for is_awaited in awaited])


def _money(play: Play, writing: WriteContext) -> None:
    case = play.case
    proceedings = [fake_acts.proceeding(case)] if case.rng.random() < 0.3 else []
    payments, tallies = fake_acts.payments(case), fake_acts.later_counts(case)
    _bring(writing, payments=payments, tallies=tallies, proceedings=proceedings)


def _keep_promises(play: Play, writing: WriteContext) -> None:
    done = {"status": CommitmentStatus.VERIFIED_DONE, "verified_by": play.case.union, "verified_on": play.case.ago(0)}
    data = CommitmentChange.model_validate(done)
    for promise in writing.case.commitments:
        if promise.is_open:
            steps.change(writing, KIND["commitments"], promise, data)


def _dispose(play: Play, writing: WriteContext) -> None:
    for demand, became in zip(writing.case.demands_now, _became(play), strict=True):
        steps.change(writing, KIND["demands"], demand, DemandChange(disposition=became))


def _look_at_risk(play: Play, writing: WriteContext) -> None:
    _bring(writing, risk_assessments=[fake_cases.risk(play.case)])


def _approve(play: Play, writing: WriteContext) -> None:
    _bring(writing, approvals=[{"level": "named"}])


def _campaign(play: Play, writing: WriteContext) -> None:
    _bring(writing, actions=[fake_acts.public_action(play.case) for _ in range(play.case.rng.randrange(1, 4))])


def _link(play: Play, writing: WriteContext) -> None:
    other = writing.tx.see(play.cases[-1]).reference
    _bring(writing, links=[{"kind": "same_event", "other": other}])


WORK: dict[str, Callable[[Play, WriteContext], None]] = {
    SUPPORT: _support,
    LETTERS: _letters,
    MONEY: _money,
    KEEP: _keep_promises,
    DISPOSE: _dispose,
    RISK: _look_at_risk,
    APPROVE: _approve,
    CAMPAIGN: _campaign,
    LINK: _link,
}
