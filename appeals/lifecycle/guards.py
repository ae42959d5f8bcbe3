"""The guards of steps. Each is a function in the module of its subject; the table in `lifecycle/steps.py` names those
of each step.

A guard returns True if it holds. A coordinator may override a `soft` guard with a reason. A `standing` guard reads the
case and not the input, so a resumption checks it again. A guard that `hears` needs the input of the step, so a preview
leaves it out. `unless` names reasons of the step with which it does not apply. Source: section 3 of the domain
specification.
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
    """Return the guards of the step that do not hold, in the order of the table; for a preview those that need no
    input.
    """
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
    """Return why a publication may not be up now; empty if it may."""
    return [GUARDS[code].as_unmet() for code in MAY_BE_UP if not GUARDS[code].holds(a)]


def standing_guards(state: Status) -> list[Guard]:
    """Return the guards of being in a state, which can be checked at any time: those of entering it, and of the
    take-up.
    """
    step = entered_by(state)
    codes = step.guards if step else ()
    rests_on = ("consent.take_up.workers.missing",) if state in TAKEN_UP else ()
    return [GUARDS[code] for code in dict.fromkeys((*rests_on, *codes)) if GUARDS[code].standing]


def resumable(attempt: Attempt) -> Status | None:
    """Return the nearest earlier open state whose guards hold now, for a suspended case that may not return
    to its own.
    """
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
    "Resume to the state from which the case was suspended, or to the nearest earlier one that is offered.",
    hears=True,
)
def the_state_is_offered(a: Attempt) -> bool:
    state = a.said(asks.Resumption).resume_to
    return state in (None, a.case.suspended_from) or state == resumable(a)


def _guards_of_subjects() -> list[Guard]:
    return [item for subject in SUBJECTS for item in vars(subject).values() if isinstance(item, Guard)]


GUARDS = {item.code: item for item in (*_guards_of_subjects(), the_state_is_offered)}
"""All guards by their codes."""
