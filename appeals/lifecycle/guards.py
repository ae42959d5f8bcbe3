"""The guards: what must hold for a step. Each is a named function in the module of its subject; the table in
`lifecycle/steps.py` says which step asks which.

A guard returns True when it holds. `soft` ones a coordinator may override with a reason; `standing` ones speak of
the case rather than of what the caller says, so that a resumption asks them again; those that `hear` need the
step's input, so that a preview cannot answer them; `unless` names the reasons that lift one. Source: domain.md 3.
"""

from dataclasses import replace

from appeals.errors import Unmet
from appeals.lifecycle import (
    guards_outcome,
    guards_publication,
    guards_risk_and_contact,
    guards_take_up,
    guards_who_and_when,
)
from appeals.lifecycle import step_inputs as asks
from appeals.lifecycle.attempt import Attempt
from appeals.lifecycle.guard import Guard, guard
from appeals.lifecycle.steps import LADDER, MAY_BE_UP, TAKEN_UP, earlier_states, entered_by
from appeals.vocabulary import Status

SUBJECTS = (guards_who_and_when, guards_take_up, guards_risk_and_contact, guards_publication, guards_outcome)
"""The modules with guards, in the order of the page."""


def unmet(attempt: Attempt) -> list[Unmet]:
    """Every guard of the step that does not hold, in the order of the table; for a preview those it can tell."""
    guards = [GUARDS[code] for code in attempt.step.guards]
    if attempt.input is None:
        guards = [item for item in guards if not item.hears]
    if attempt.step.returns:
        guards += standing_guards(attempt.entering)
    reason = getattr(attempt.input, "reason", None)
    failing = [item for item in guards if reason not in item.unless and not item.holds(attempt)]
    return _each_once([item.as_unmet() for item in failing] + attempt.beside)


def _each_once(unmets: list[Unmet]) -> list[Unmet]:
    return list({item.code: item for item in unmets}.values())


def reasons_against(a: Attempt) -> list[Unmet]:
    """Why a publication may not be up now; nothing when it may."""
    return [GUARDS[code].as_unmet() for code in MAY_BE_UP if not GUARDS[code].holds(a)]


def standing_guards(state: Status) -> list[Guard]:
    """The guards of being in a state that can be asked at any time: those of entering it, and what it rests on."""
    step = entered_by(state)
    codes = step.guards if step else ()
    rests_on = ("consent.take_up.workers.missing",) if state in TAKEN_UP else ()
    return [GUARDS[code] for code in dict.fromkeys((*rests_on, *codes)) if GUARDS[code].standing]


def resumable(attempt: Attempt) -> Status | None:
    """The nearest open state, earlier than the one a suspended case came from, whose guards hold now."""
    origin = attempt.case.suspended_from
    been = {entry.to_status for entry in attempt.case.history}
    for state in earlier_states(Status(origin)) if origin in LADDER else []:
        if state not in been:
            continue
        try_it = replace(attempt, input=asks.Resumption.model_construct(resume_to=state, what_changed="", reason=None))
        if all(item.holds(try_it) for item in standing_guards(state)):
            return state
    return None


@guard(
    "resumption.not_offered",
    "Resume to the state the case came from, or to the nearest earlier one that is offered.",
    hears=True,
)
def the_state_is_offered(a: Attempt) -> bool:
    state = a.said(asks.Resumption).resume_to
    return state in (None, a.case.suspended_from) or state == resumable(a)


def _guards_of_subjects() -> list[Guard]:
    return [item for subject in SUBJECTS for item in vars(subject).values() if isinstance(item, Guard)]


GUARDS = {item.code: item for item in (*_guards_of_subjects(), the_state_is_offered)}
"""All guards by their codes."""
